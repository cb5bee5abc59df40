/**
 * Wait queues, Go's `waitq`: the list of those that wait for the same thing.
 *
 * Invariants:
 * - A waiter is in at most one queue; `waiter.queue` names it, and is null exactly when the waiter is in none.
 * - The waiters of one operation (the cases of a select, the context that guards a wait) form a ring by `sibling`. They are in all
 *   the queues of their operation or in none: whoever wins takes the whole ring out at once, so nothing is ever left behind.
 * - Putting a waiter in and taking it out, from any place, costs O(1).
 */
/** What the promise of a waiter resolves to, made from what has happened: a value received, or that the channel is closed. */
export type Shape = (value: unknown, ok: boolean, key: unknown) => unknown;

/** A wait in a test bubble. */
export interface Parked {
  /** The wait is over; `waiter` may resume when the bubble finds it is its turn. */
  ready(waiter: Waiter, result: unknown, failed: boolean): void;
}

/** One suspended operation in one queue. `runtime.park` gives it a promise, `runtime.wake` settles that. */
export class Waiter {
  queue: Queue | null = null;
  prev: Waiter | null = null;
  next: Waiter | null = null;
  /** The next waiter of the same operation, in a ring; null when it has no other. */
  sibling: Waiter | null = null;
  resolve!: (value: unknown) => void;
  reject!: (error: unknown) => void;
  /** Its wait, in a test bubble; null in production. */
  parked: Parked | null = null;
  /** How its result is made. In the queues of a channel null marks a sentinel, which only ever rejects (`chan.ts`, the guard). */
  readonly shape: Shape | null;
  /** What the shape needs to know: a select's case. For a sentinel, its context; for a step of a `for await`, its iterator. */
  readonly key: unknown;
  /** What a sender wants to send. */
  readonly value: unknown;

  constructor(shape: Shape | null, key?: unknown, value?: unknown) {
    this.shape = shape;
    this.key = key;
    this.value = value;
  }

  /** Puts `other` into the ring of this operation. */
  join(other: Waiter): void {
    other.sibling = this.sibling ?? this;
    this.sibling = other;
  }

  /** Takes the operation out of every queue it is in. */
  withdraw(): void {
    this.queue?.remove(this);
    for (let w: Waiter | null = this.sibling; w !== null && w !== this; w = w.sibling) w.queue?.remove(w);
  }
}

/** Told when a queue is about to get its first waiter, and each time a waiter has left, for whatever reason. */
export interface Watcher {
  first?(): unknown;
  left(): unknown;
}

/**
 * Waiters in the order of their coming: `head` is the first, its `prev` the last, the `next` of the last is null. One field, because a
 * store of something new into a queue, which is old, is what costs: with a second one for the tail a transfer takes 4 % longer.
 */
export class Queue {
  head: Waiter | null = null;
  watcher: Watcher | null = null;

  push(waiter: Waiter): void {
    const { head } = this;
    waiter.queue = this;
    if (head === null) {
      if (this.watcher !== null) this.watcher.first?.();
      this.head = waiter.prev = waiter;
    } else {
      const last = head.prev!;
      waiter.prev = last;
      last.next = head.prev = waiter;
    }
  }

  remove(waiter: Waiter): void {
    const { head } = this;
    const { prev, next } = waiter;
    if (waiter === head) {
      this.head = next;
      if (next !== null) next.prev = prev;
    } else {
      prev!.next = next;
      (next ?? head!).prev = prev;
    }
    waiter.queue = waiter.prev = waiter.next = null;
    if (this.watcher !== null) this.watcher.left();
  }

  /** The first waiter, withdrawn with its siblings; null when nobody waits. */
  shift(): Waiter | null {
    const waiter = this.head;
    if (waiter !== null) waiter.withdraw();
    return waiter;
  }

  /** How many wait. Walks the list: for reports only. */
  count(): number {
    let n = 0;
    for (let w = this.head; w !== null; w = w.next) n++;
    return n;
  }
}
