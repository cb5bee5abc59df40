/**
 * Waiting for a condition on what a mutex protects: Go's `sync.Cond`.
 *
 * Invariant: when `wait` settles, in whatever way, its caller holds the mutex again.
 */
import { linkContext, entryError } from "../internal/suspend.ts";
import { Inspectable } from "../internal/inspect.ts";
import { callbackWaiter, Waiter, WaitQueue } from "../internal/waitqueue.ts";
import { created, rejected, note, park, wake, wakeError } from "../internal/runtime.ts";
import { Mutex } from "./mutex.ts";
import type { Context } from "../types.ts";

/**
 * A place to wait for a change of the state that `mutex` protects. Always wait in a loop that tests the condition, because others may
 * hold the mutex between the signal and the wake-up. If a channel will do, prefer it.
 *
 * @see Go's [sync.Cond](https://pkg.go.dev/sync#Cond)
 * @example
 * ```ts
 * import { go, sync } from "headgate";
 *
 * const mutex = new sync.Mutex();
 * const changed = new sync.Cond(mutex);
 * let ready = false;
 * go(async () => {
 *   using _ = await mutex.lock();
 *   ready = true;
 *   changed.broadcast();
 * });
 * using _ = await mutex.lock();
 * while (!ready) await changed.wait();
 * console.log("ready"); // => ready
 * ```
 */
export class Cond extends Inspectable {
  /** The mutex that must be held to call {@link wait}. */
  readonly mutex: Mutex;
  private readonly waiting: WaitQueue = new WaitQueue();

  /** **Errors**: TypeError if `mutex` is not a Mutex, or a proxy of one. */
  constructor(mutex: Mutex) {
    super();
    if (!Mutex.isOne(mutex)) throw new TypeError("Cond: expected the sync.Mutex that protects the condition");
    this.mutex = mutex;
    created(this);
  }

  /**
   * Unlocks the mutex, waits for {@link signal} or {@link broadcast}, and locks it again before it resolves. The guard of the lock
   * stays valid.
   *
   * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`, but only once the mutex is held again. If `ctx` has ended
   * already, rejects without unlocking.
   *
   * **Errors**: rejects with "sync: unlock of unlocked mutex" if the mutex is not held.
   *
   * **Ordering**: `signal` wakes in the order of the calls.
   *
   * @see Go's [Cond.Wait](https://pkg.go.dev/sync#Cond.Wait)
   */
  wait(ctx?: Context): Promise<void> {
    const error = entryError(ctx);
    if (error !== undefined) return rejected("cond.wait", this, error);
    // Two waits in a row, behind one promise. `notice` waits for the signal, and the end of ctx can withdraw it. Both then wait for the
    // mutex, which nothing can withdraw. Only with the mutex is `caller`, who has the promise, woken.
    const caller = new Waiter(null);
    const { generation } = this.mutex;
    const relock = (settle: () => void): void => this.mutex.relock(generation, caller, settle);
    const notice = callbackWaiter(() => relock(() => wake(caller, undefined)));
    try {
      if (ctx !== undefined) linkContext(notice, ctx, (error) => relock(() => wakeError(caller, error)));
      this.mutex.unlock();
    } catch (error) {
      notice.withdraw();
      return rejected("cond.wait", this, error);
    }
    this.waiting.push(notice);
    return park<void>(caller, "cond.wait", this);
  }

  /**
   * Wakes the first waiter, if any: from then on it waits for the mutex. You may hold the mutex, but need not.
   *
   * @see Go's [Cond.Signal](https://pkg.go.dev/sync#Cond.Signal)
   */
  signal(): void {
    note("signal", this);
    this.wakeFirst();
  }

  /**
   * Wakes all waiters. You may hold the mutex, but need not.
   *
   * @see Go's [Cond.Broadcast](https://pkg.go.dev/sync#Cond.Broadcast)
   */
  broadcast(): void {
    note("broadcast", this);
    while (this.wakeFirst());
  }

  /** Wakes the first waiter; false if there is none. */
  private wakeFirst(): boolean {
    const waiter = this.waiting.shift();
    waiter?.resolve(undefined);
    return waiter !== null;
  }

  /** The condition variable and its state, such as `sync.Cond(2 waiting)`. */
  override toString(): string {
    return `sync.Cond(${this.waiting.count()} waiting)`;
  }
}
