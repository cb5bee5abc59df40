/**
 * Wait queues, Go's `waitq`: the waiters of one channel side, lock or other object, as a doubly linked list.
 *
 * Invariants:
 * - A waiter is in at most one queue; `waiter.queue` names it, and is null exactly when the waiter is in none.
 * - The waiters of one operation are siblings: the cases of a select, or a wait and its ctx waiter. They are in all the
 *   queues of their operation or in none, because the one that is woken takes all of them out.
 * - To put a waiter in and to take it out, at any place, costs O(1).
 */

/** Makes the result of a waiter from what has happened: a value was received, or the channel closed. */
export type Shape = (value: unknown, ok: boolean, key: unknown) => unknown;

/** A wait in a test bubble. */
export interface Parked {
  /** The wait is over: `waiter` may resume when the bubble decides so. */
  ready(waiter: Waiter, result: unknown, failed: boolean): void;
}

/**
 * Marks a ctx waiter, which waits for the end of the operation's context. No value ever comes to it, so the function is
 * never called.
 */
export const CTX_WAITER: Shape = () => undefined;
/** Marks a callback waiter. */
const CALLBACK: Shape = () => undefined;

/** One suspended operation in one queue: Go's sudog. `runtime.park` gives it a promise, `runtime.wake` settles that. */
export class Waiter {
  queue: WaitQueue | null = null;
  prev: Waiter | null = null;
  next: Waiter | null = null;
  /** The next waiter of the same operation, in a circle; null when there is no other. */
  sibling: Waiter | null = null;
  resolve!: (value: unknown) => void;
  reject!: (error: unknown) => void;
  /** Its wait in a test bubble; null in production. */
  parked: Parked | null = null;
  /**
   * Makes the result. It is also a tag: {@link CTX_WAITER} and CALLBACK say which kind of waiter this is, and make
   * nothing. Null: the result is what `wake` is given.
   */
  readonly shape: Shape | null;
  /**
   * For a select, its case; for a step of a `for await`, its iterator; for a ctx waiter, its context. For a `go` of a
   * group, the function that begins the task in a test bubble.
   */
  readonly key: unknown;
  /**
   * The value of a sender; for a ctx waiter, the function to call instead of rejecting. The ms of a sleep, the units of
   * an `acquire`, the function of a group's `go`: a test bubble shows it.
   */
  readonly value: unknown;

  constructor(shape: Shape | null, key?: unknown, value?: unknown) {
    this.shape = shape;
    this.key = key;
    this.value = value;
  }

  /** Makes `other` a waiter of the same operation. */
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

/**
 * A waiter without a promise: waking it calls `callback`. It is no subclass, so that all waiters have one hidden
 * class.
 */
export function callbackWaiter(callback: () => void): Waiter {
  const waiter = new Waiter(CALLBACK);
  waiter.resolve = callback;
  return waiter;
}

/**
 * True for a {@link callbackWaiter}. If its callback must run in this step, call `resolve` instead of `wake`, which may
 * defer it.
 */
export function isCallback(waiter: Waiter): boolean {
  return waiter.shape === CALLBACK;
}

/** Notified before a queue gets its first waiter, and after any waiter leaves. */
export interface QueueWatcher {
  onFirst?(): unknown;
  onLeave(): unknown;
}

/**
 * Waiters in the order in which they came: `head` is the first, `head.prev` the last, and the `next` of the last is
 * null. There is no tail field, because storing a young object into an old one costs a GC write barrier. A second such
 * store makes a transfer 4 % slower.
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

  /** Withdraws the first waiter, with its siblings; null if the queue is empty. */
  shift(): Waiter | null {
    const waiter = this.head;
    if (waiter !== null) waiter.withdraw();
    return waiter;
  }

  /** The number of waiters. Walks the list: for reports only. */
  count(): number {
    let n = 0;
    for (let w = this.head; w !== null; w = w.next) n++;
    return n;
  }
}
