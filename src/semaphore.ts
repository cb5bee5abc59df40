/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A weighted semaphore: Go's package `semaphore`.
 *
 * Invariants:
 * - 0 ≤ acquired ≤ size.
 * - While calls wait, the free units are not enough for the first of them. No call overtakes it, however little it asks for (M1).
 * - After each release, and when a waiter leaves the queue, the first waiters are checked again (M4, M6).
 */
import { isCancelled, entryError, suspend } from "./internal/suspend.ts";
import { panic } from "./internal/errors.ts";
import { Inspectable } from "./internal/inspect.ts";
import { WaitQueue, Waiter } from "./internal/waitqueue.ts";
import { acquired, created, rejected, fastPath, note, slowPath, wake } from "./internal/runtime.ts";
import type { Context } from "./types.ts";
import { count } from "./internal/args.ts";

/**
 * Limits the total weight in use at a time: memory, connections, tokens.
 *
 * @see Go's [semaphore.Weighted](https://pkg.go.dev/golang.org/x/sync/semaphore#Weighted)
 * @example
 * ```ts
 * import { semaphore } from "headgate";
 *
 * const memory = new semaphore.Weighted(100);
 * await memory.acquire(70);
 * console.log(memory.tryAcquire(50)); // => false
 * memory.release(70);
 * console.log(memory.tryAcquire(50)); // => true
 * ```
 */
export class Weighted extends Inspectable {
  private readonly size: number;
  private acquired = 0;
  private readonly waiting: WaitQueue = new WaitQueue();
  private isGranting = false;

  /**
   * Makes a semaphore of `n` units, a whole number.
   *
   * **Errors**: RangeError for a negative or fractional size.
   */
  constructor(n: number) {
    super();
    this.size = count(n, 0, "semaphore.Weighted");
    // When a waiter leaves, those behind it may fit.
    this.waiting.watcher = { onLeave: () => this.isGranting || this.grant() };
    created(this);
  }

  /**
   * Takes `n` units, waiting until they are free. A call for more than the size waits for the end of `ctx`, and delays no other call (M3).
   *
   * Resolves to a guard: `using _ = await memory.acquire(70)` gives the units back at the end of the block, once. Give them back either
   * by the guard or by {@link release}, not by both: units are not distinguished.
   *
   * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`; no units are held. If `ctx` has ended already, rejects even if
   * the units are free (M2).
   *
   * **Errors**: rejects with a RangeError for a negative or fractional weight, and with a TypeError for a Context in its place.
   *
   * **Ordering**: in the order of the calls, without overtaking.
   *
   * @see Go's [Weighted.Acquire](https://pkg.go.dev/golang.org/x/sync/semaphore#Weighted.Acquire)
   */
  acquire(n: number = 1, ctx?: Context): Promise<Disposable> {
    try {
      count(n, 0, "semaphore: acquire");
    } catch (error) {
      return rejected("acquire", this, error);
    }
    const error = entryError(ctx);
    if (error !== undefined) return rejected("acquire", this, error);
    if (this.take(n)) {
      const guard = new UnitsGuard(this, n);
      return fastPath() ? Promise.resolve(guard) : slowPath("acquire", this, guard, false, n);
    }
    return suspend(new Waiter(null, undefined, n), n > this.size ? null : this.waiting, ctx, "acquire", this);
  }

  /**
   * Takes `n` units if they are free and no call waits. Returns whether it did.
   *
   * **Errors**: throws a RangeError for a negative or fractional weight.
   *
   * @see Go's [Weighted.TryAcquire](https://pkg.go.dev/golang.org/x/sync/semaphore#Weighted.TryAcquire)
   */
  tryAcquire(n: number = 1): boolean {
    count(n, 0, "semaphore: tryAcquire");
    return this.take(n);
  }

  /**
   * Gives back `n` units.
   *
   * **Errors**: throws "semaphore: released more than held", and then releases nothing (M5); RangeError for a negative or fractional
   * weight.
   *
   * @see Go's [Weighted.Release](https://pkg.go.dev/golang.org/x/sync/semaphore#Weighted.Release)
   */
  release(n: number = 1): void {
    count(n, 0, "semaphore: release");
    if (n > this.acquired)
      panic("semaphore: released more than held", `${this.acquired} of ${this.size} are held; got ${n}`);
    note("release", this, n);
    this.acquired -= n;
    if (this.waiting.head !== null) this.grant();
  }

  /** The semaphore and its state, such as `semaphore.Weighted(70/100, 1 waiting)`. */
  override toString(): string {
    const waiting = this.waiting.count();
    return `semaphore.Weighted(${this.acquired}/${this.size}${waiting > 0 ? `, ${waiting} waiting` : ""})`;
  }

  /** Takes the weight now, if it is free and no one waits. */
  private take(n: number): boolean {
    if (this.waiting.head !== null || this.acquired + n > this.size) return false;
    this.acquired += n;
    acquired(this, null);
    return true;
  }

  /** Serves the queue in order. */
  private grant(): void {
    this.isGranting = true;
    for (let first; (first = this.waiting.head) !== null;) {
      const n = first.value as number;
      if (isCancelled(first)) {
        // Its ctx ended in this step. When it leaves the queue, grant() runs again.
        if (this.waiting.head === first) break;
        continue;
      }
      if (this.acquired + n > this.size) break;
      this.acquired += n;
      first.withdraw();
      acquired(this, first);
      wake(first, new UnitsGuard(this, n));
    }
    this.isGranting = false;
  }
}

/** The guard that `acquire` resolves to. */
class UnitsGuard implements Disposable {
  private semaphore: Weighted | null;
  private readonly n: number;

  constructor(semaphore: Weighted, n: number) {
    this.semaphore = semaphore;
    this.n = n;
  }

  [Symbol.dispose](): void {
    const { semaphore } = this;
    this.semaphore = null;
    semaphore?.release(this.n);
  }

  toJSON(): string {
    return `guard of ${this.n} of ${this.semaphore ?? "semaphore.Weighted"}`;
  }
}
