/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A weighted semaphore: Go's package `semaphore`.
 *
 * Invariants: 0 ≤ held ≤ size. While somebody waits, what is free is not enough for the first of them; nobody overtakes him, however
 * little he asks for (M1). Whenever something is released, or a waiter gives up, the first are looked at again (M4, M6).
 */
import { isCancelled, entryError, suspend } from "./internal/suspend.ts";
import { panic } from "./internal/errors.ts";
import { Inspectable } from "./internal/inspect.ts";
import { WaitQueue, Waiter } from "./internal/waitqueue.ts";
import { created, rejected, fastPath, note, slowPath, wake } from "./internal/runtime.ts";
import type { Context } from "./types.ts";
import { count } from "./internal/args.ts";

/**
 * Bounds what is in use at a time, by weight: memory, connections, tokens.
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
  private held = 0;
  private readonly waiting: WaitQueue = new WaitQueue();
  private granting = false;

  /**
   * Makes a semaphore of `n` units, a whole number.
   *
   * **Errors**: RangeError for a negative or fractional size.
   */
  constructor(n: number) {
    super();
    this.size = count(n, 0, "semaphore.Weighted");
    // When a waiter gives up, those behind it may fit.
    this.waiting.watcher = { onLeave: () => this.granting || this.grant() };
    created(this);
  }

  /**
   * Takes `n` units, waiting until they are free. Asking for more than there are waits for `ctx` alone, and is in nobody's way (M3). Resolves
   * to a guard: `using _ = await memory.acquire(70)` gives the units back at the end of the block, once. Give them back either by the guard or
   * by {@link release}, not by both: units cannot be told apart.
   *
   * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`; nothing is held. If `ctx` has ended already, nothing is taken
   * even if it is free (M2).
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
      const guard = new Guard(this, n);
      return fastPath() ? Promise.resolve(guard) : slowPath("acquire", this, guard, false, n);
    }
    return suspend(new Waiter(null, undefined, n), n > this.size ? null : this.waiting, ctx, "acquire", this);
  }

  /**
   * Takes `n` units if they are free and nobody waits, and says whether it did.
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
   * **Errors**: throws "semaphore: released more than held", and then nothing is released (M5); RangeError for a negative or fractional
   * weight.
   *
   * @see Go's [Weighted.Release](https://pkg.go.dev/golang.org/x/sync/semaphore#Weighted.Release)
   */
  release(n: number = 1): void {
    count(n, 0, "semaphore: release");
    if (n > this.held) panic("semaphore: released more than held", `${this.held} of ${this.size} are held; got ${n}`);
    note("release", this, n);
    this.held -= n;
    if (this.waiting.head !== null) this.grant();
  }

  /** What it is and how it stands, such as `semaphore.Weighted(70/100, 1 waiting)`. */
  override toString(): string {
    const waiting = this.waiting.count();
    return `semaphore.Weighted(${this.held}/${this.size}${waiting > 0 ? `, ${waiting} waiting` : ""})`;
  }

  private take(n: number): boolean {
    if (this.waiting.head !== null || this.held + n > this.size) return false;
    this.held += n;
    return true;
  }

  private grant(): void {
    this.granting = true;
    for (let first; (first = this.waiting.head) !== null;) {
      const n = first.value as number;
      if (isCancelled(first)) {
        // One whose ctx has ended in the same step is still here; when it leaves, we come again.
        if (this.waiting.head === first) break;
        continue;
      }
      if (this.held + n > this.size) break;
      this.held += n;
      first.withdraw();
      wake(first, new Guard(this, n));
    }
    this.granting = false;
  }
}

class Guard implements Disposable {
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
