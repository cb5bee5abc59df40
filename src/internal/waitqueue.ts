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

/** Marks a ctx waiter: the one that waits for the end of an operation's context, and only ever rejects. Never called. */
export const CTX_WAITER: Shape = () => undefined;
/** Marks a callback waiter. */
const CALLBACK: Shape = () => undefined;

/** One suspended operation in one queue. `runtime.park` gives it a promise, `runtime.wake` settles that. */
export class Waiter {
  queue: WaitQueue | null = null;
  prev: Waiter | null = null;
  next: Waiter | null = null;
  /** The next waiter of the same operation, in a ring; null when it has no other. */
  sibling: Waiter | null = null;
  resolve!: (value: unknown) => void;
  reject!: (error: unknown) => void;
  /** Its wait, in a test bubble; null in production. */
  parked: Parked | null = null;
  /** How its result is made, or {@link CTX_WAITER}; null: it is made by whoever wakes the waiter. */
  readonly shape: Shape | null;
  /** What the shape needs to know: a select's case; the iterator of a `for await`; the context of a ctx waiter. */
  readonly key: unknown;
  /** The value of a sender; for a ctx waiter, the function to call instead of rejecting. */
  readonly value: unknown;

  constructor(shape: Shape | null, key?: unknown, value?: unknown) {
    this.shape = shape;
    this.key = key;
    this.value = value;
  }

  /** Puts `other` into the ring of this operation. */
  addSibling(other: Waiter): void {
    other.sibling = this.sibling ?? this;
    this.sibling = other;
  }

  /** Takes the operation out of every queue it is in. */
  withdraw(): void {
    this.queue?.remove(this);
    for (let w: Waiter | null = this.sibling; w !== null && w !== this; w = w.sibling) w.queue?.remove(w);
  }
}

/** A waiter without a promise: to wake it is to call `callback`. Of the same class, so that the queues see one kind of object. */
export function callbackWaiter(callback: () => void): Waiter {
  const waiter = new Waiter(CALLBACK);
  waiter.resolve = callback;
  return waiter;
}

/** Whether it is a {@link callbackWaiter}: where its callback is to run in this very step, `resolve` is called rather than `wake`. */
export function isCallback(waiter: Waiter): boolean {
  return waiter.shape === CALLBACK;
}

/** Told when a queue is about to get its first waiter, and each time a waiter has left, for whatever reason. */
export interface QueueWatcher {
  onFirst?(): unknown;
  onLeave(): unknown;
}

/**
 * Waiters in the order of their coming: `head` is the first, its `prev` the last, the `next` of the last is null. One field, because a
 * store of something new into a queue, which is old, is what costs: with a second one for the tail a transfer takes 4 % longer.
 */
export class WaitQueue {
  head: Waiter | null = null;
  watcher: QueueWatcher | null = null;

  push(waiter: Waiter): void {
    const { head } = this;
    waiter.queue = this;
    if (head === null) {
      if (this.watcher !== null) this.watcher.onFirst?.();
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
    if (this.watcher !== null) this.watcher.onLeave();
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
