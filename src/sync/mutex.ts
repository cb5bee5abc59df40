/**
 * Mutual exclusion across awaits: Go's `sync.Mutex`.
 *
 * Invariants: while the mutex is free nobody waits for it. It is handed from holder to holder in the order of their calls, so it is
 * never free for somebody to slip in between.
 */
import { entryError, suspend } from "../internal/suspend.ts";
import { panic } from "../internal/errors.ts";
import { Inspectable } from "../internal/inspect.ts";
import { callbackWaiter, isCallback, Waiter, WaitQueue } from "../internal/waitqueue.ts";
import { created, rejected, note, resolved, wake } from "../internal/runtime.ts";
import type { Context } from "../types.ts";

/**
 * A lock that one holder at a time may have, however often he awaits meanwhile. Strictly first come, first served.
 *
 * @see Go's [sync.Mutex](https://pkg.go.dev/sync#Mutex)
 * @example
 * ```ts
 * import { sync, time } from "headgate";
 *
 * const mu = new sync.Mutex();
 * let balance = 10;
 * async function withdraw(amount: number) {
 *   using _ = await mu.lock();
 *   const seen = balance;
 *   await time.sleep(1); // without the lock both would have seen 10
 *   balance = seen - amount;
 * }
 * await Promise.all([withdraw(3), withdraw(4)]);
 * console.log(balance); // => 3
 * ```
 */
export class Mutex extends Inspectable {
  /** @internal Whether it is a Mutex itself: not one in a proxy, which may fail at any question. */
  static isOne(value: unknown): value is Mutex {
    return typeof value === "object" && value !== null && #own in value && value.#own;
  }

  readonly #own: true = true;
  private locked = false;
  private readonly waiting: WaitQueue = new WaitQueue();
  /** @internal Which acquisition this is, so that a guard can tell its own from others. A `Cond` sets it back after a wait. */
  turn: number = 0;
  private acquisitions = 0;

  constructor() {
    super();
    created(this);
  }

  /**
   * Waits for the lock and takes it. Resolves to a guard: `using _ = await mu.lock()` gives the lock back at the end of the block.
   * Whoever does not use the guard calls {@link unlock}. The guard gives back its own acquisition, and at most once: after an
   * `unlock()` it does nothing.
   *
   * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`; the lock is not held.
   *
   * **Ordering**: in the order of the calls.
   *
   * @see Go's [Mutex.Lock](https://pkg.go.dev/sync#Mutex.Lock)
   */
  lock(ctx?: Context): Promise<Disposable> {
    const error = entryError(ctx);
    if (error !== undefined) return rejected("lock", this, error);
    if (this.tryLock()) return resolved("lock", this, new Guard(this, this.turn));
    return suspend(new Waiter(null), this.waiting, ctx, "lock", this);
  }

  /**
   * Takes the lock if it is free, and says whether it was; false while anybody waits for it.
   *
   * @see Go's [Mutex.TryLock](https://pkg.go.dev/sync#Mutex.TryLock)
   */
  tryLock(): boolean {
    if (this.locked) return false;
    this.acquired();
    return true;
  }

  private acquired(): void {
    this.locked = true;
    this.turn = ++this.acquisitions;
  }

  /**
   * Gives the lock to whoever waits longest, or sets it free.
   *
   * **Errors**: throws "sync: unlock of unlocked mutex".
   *
   * @see Go's [Mutex.Unlock](https://pkg.go.dev/sync#Mutex.Unlock)
   */
  unlock(): void {
    if (!this.locked) panic("sync: unlock of unlocked mutex", "unlock once for each lock or successful tryLock");
    note("unlock", this);
    const next = this.waiting.shift();
    if (next === null) {
      this.locked = false;
    } else {
      this.acquired();
      if (isCallback(next)) next.resolve(undefined);
      else wake(next, new Guard(this, this.turn));
    }
  }

  /** What the lock is and how it stands, such as `sync.Mutex(locked, 2 waiting)`. */
  override toString(): string {
    const waiting = this.waiting.count();
    return `sync.Mutex(${this.locked ? "locked" : "unlocked"}${waiting > 0 ? `, ${waiting} waiting` : ""})`;
  }

  /**
   * @internal Takes the lock, now or when its turn comes, as the acquisition `turn`, whose guard is good again: Go's deferred Unlock
   * around a wait. Calls `locked` in the same step.
   */
  enter(turn: number, locked: () => void): void {
    const resumed = (): void => {
      this.turn = turn;
      locked();
    };
    if (this.tryLock()) resumed();
    else this.waiting.push(callbackWaiter(resumed));
  }

  /** @internal Unlocks, if the lock is still held by this acquisition. */
  unlockTurn(turn: number): void {
    if (this.locked && this.turn === turn) this.unlock();
  }
}

class Guard implements Disposable {
  private readonly mutex: Mutex;
  private readonly turn: number;

  constructor(mutex: Mutex, turn: number) {
    this.mutex = mutex;
    this.turn = turn;
  }

  [Symbol.dispose](): void {
    this.mutex.unlockTurn(this.turn);
  }

  toJSON(): string {
    return `guard of ${this.mutex}`;
  }
}
