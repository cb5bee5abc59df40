/**
 * Mutual exclusion across awaits: Go's `sync.Mutex`.
 *
 * Invariants:
 * - While the mutex is free, no call waits for it.
 * - It passes from holder to holder in the order of their calls. It is not free in between, so no call can barge in.
 */
import { entryError, suspend } from "../internal/suspend.ts";
import { panic } from "../internal/errors.ts";
import { Inspectable } from "../internal/inspect.ts";
import { callbackWaiter, isCallback, Waiter, WaitQueue } from "../internal/waitqueue.ts";
import { acquired, created, rejected, note, resolved, wake } from "../internal/runtime.ts";
import type { Context } from "../types.ts";
import { mustBeEmpty } from "../internal/args.ts";

/**
 * A lock with one holder at a time, also across its awaits. Strictly first come, first served.
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
  /** @internal Whether `value` is a Mutex itself. A proxy of one is not: its traps may throw at any moment. */
  static isOne(value: unknown): value is Mutex {
    return typeof value === "object" && value !== null && #own in value && value.#own;
  }

  readonly #own: true = true;
  private locked = false;
  private readonly waiting: WaitQueue = new WaitQueue();
  /** @internal The number of the current acquisition: a guard unlocks only its own. A `Cond` restores it after a wait. */
  generation: number = 0;
  private acquisitions = 0;

  /** **Errors**: TypeError if it is called with an argument. */
  constructor() {
    super();
    mustBeEmpty(arguments, "sync.Mutex");
    created(this);
  }

  /**
   * Waits for the lock and takes it. Resolves to a guard: `using _ = await mu.lock()` unlocks at the end of the block. Without the
   * guard, call {@link unlock}. The guard ends only its own acquisition, at most once: after an `unlock()` it does nothing.
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
    if (this.tryLock()) return resolved("lock", this, new LockGuard(this, this.generation));
    return suspend(new Waiter(null), this.waiting, ctx, "lock", this);
  }

  /**
   * Takes the lock if it is free. Returns whether it was; false while any call waits for it.
   *
   * @see Go's [Mutex.TryLock](https://pkg.go.dev/sync#Mutex.TryLock)
   */
  tryLock(): boolean {
    if (this.locked) return false;
    this.take(null);
    return true;
  }

  /** Takes the lock: for the call that is under way, or for `waiter`. */
  private take(waiter: Waiter | null): void {
    this.locked = true;
    this.generation = ++this.acquisitions;
    acquired(this, waiter);
  }

  /**
   * Passes the lock to the first waiter; without one, the lock is free.
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
      this.take(next);
      if (isCallback(next)) next.resolve(undefined);
      else wake(next, new LockGuard(this, this.generation));
    }
  }

  /** The lock and its state, such as `sync.Mutex(locked, 2 waiting)`. */
  override toString(): string {
    const waiting = this.waiting.count();
    return `sync.Mutex(${this.locked ? "locked" : "unlocked"}${waiting > 0 ? `, ${waiting} waiting` : ""})`;
  }

  /**
   * @internal Takes the lock for `Cond.wait`, as soon as it is free, as the acquisition that the caller had before. So its guard is valid
   * again, like Go's deferred Unlock around a wait. Calls `onLocked` in the same step. `caller` is the waiter of that wait.
   */
  relock(generation: number, caller: Waiter, onLocked: () => void): void {
    const resumed = (): void => {
      this.generation = generation;
      acquired(this, caller);
      onLocked();
    };
    if (this.tryLock()) resumed();
    else this.waiting.push(callbackWaiter(resumed));
  }

  /** @internal Unlocks, if this acquisition still holds the lock. */
  unlockIf(generation: number): void {
    if (this.locked && this.generation === generation) this.unlock();
  }
}

/** The guard that `lock` resolves to. */
class LockGuard implements Disposable {
  private readonly mutex: Mutex;
  private readonly generation: number;

  constructor(mutex: Mutex, generation: number) {
    this.mutex = mutex;
    this.generation = generation;
  }

  [Symbol.dispose](): void {
    this.mutex.unlockIf(this.generation);
  }

  toJSON(): string {
    return `guard of ${this.mutex}`;
  }
}
