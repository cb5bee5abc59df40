/**
 * Waiting for a number of tasks: Go's `sync.WaitGroup`.
 *
 * Invariants: the counter is never negative; while it is 0, no call waits.
 */
import { entryError, suspend } from "../internal/suspend.ts";
import { start } from "../chan/go.ts";
import { panic } from "../internal/errors.ts";
import { Inspectable } from "../internal/inspect.ts";
import { WaitQueue, Waiter } from "../internal/waitqueue.ts";
import { created, resolvedVoid, rejected, note, report, wake } from "../internal/runtime.ts";
import type { Context } from "../types.ts";
import { mustBeFunction, count, mustBeEmpty } from "../internal/args.ts";

/**
 * A counter, and a wait for it to reach zero. It has no errors and cancels nothing (G6); `errgroup.Group` does both.
 *
 * @see Go's [sync.WaitGroup](https://pkg.go.dev/sync#WaitGroup)
 * @example
 * ```ts
 * import { sync, time } from "headgate";
 *
 * const wg = new sync.WaitGroup();
 * for (const ms of [3, 1]) {
 *   wg.go(async () => {
 *     await time.sleep(ms);
 *     console.log("done after", ms);
 *   });
 * }
 * await wg.wait();
 * // => done after 1
 * // => done after 3
 * ```
 */
export class WaitGroup extends Inspectable {
  private counter = 0;
  private readonly waiting: WaitQueue = new WaitQueue();

  /** **Errors**: TypeError if it is called with an argument. */
  constructor() {
    super();
    mustBeEmpty(arguments, "sync.WaitGroup", "; call add(n)");
    created(this);
  }

  /**
   * Starts `fn` as a task and counts it until it has ended.
   *
   * **Errors**: an error of `fn` is reported as uncaught, and the task then never counts as done. So no `wait` resolves as if it had
   * succeeded (G5). Throws a TypeError if `fn` is not a function.
   *
   * @see Go's [WaitGroup.Go](https://pkg.go.dev/sync#WaitGroup.Go)
   */
  go(fn: () => unknown): void {
    mustBeFunction(fn, "WaitGroup.go");
    this.add(1);
    start(fn, undefined, this, this.taskDone, report);
  }

  // One for the group: a closure for each task would be a tenth of the cost of the task.
  private readonly taskDone = (): void => this.done();

  /**
   * Adds `n`, which may be negative, to the counter. The first add must come before the wait. Later ones may come at any time while
   * the counter is above zero (G4).
   *
   * **Errors**: throws "sync: negative WaitGroup counter" and leaves the counter as it was (G2); RangeError for anything but a whole
   * number.
   *
   * @see Go's [WaitGroup.Add](https://pkg.go.dev/sync#WaitGroup.Add)
   */
  add(n: number): void {
    count(n, -Infinity, "WaitGroup.add");
    if (this.counter + n < 0)
      panic("sync: negative WaitGroup counter", "call done() as often as you have added, not more often");
    note(n === -1 ? "done" : "add", this, n === -1 ? undefined : n);
    this.counter += n;
    if (this.counter > 0) return;
    for (let waiter; (waiter = this.waiting.shift()) !== null;) wake(waiter, undefined);
  }

  /**
   * The same as `add(-1)`.
   *
   * @see Go's [WaitGroup.Done](https://pkg.go.dev/sync#WaitGroup.Done)
   */
  done(): void {
    this.add(-1);
  }

  /**
   * Waits until the counter is zero; at once if it is.
   *
   * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`; the counter does not change.
   *
   * @see Go's [WaitGroup.Wait](https://pkg.go.dev/sync#WaitGroup.Wait)
   */
  wait(ctx?: Context): Promise<void> {
    const error = entryError(ctx);
    if (error !== undefined) return rejected("wg.wait", this, error);
    if (this.counter === 0) return resolvedVoid("wg.wait", this);
    return suspend(new Waiter(null), this.waiting, ctx, "wg.wait", this);
  }

  /** The group and its state, such as `sync.WaitGroup(3, 1 waiting)`. */
  override toString(): string {
    const waiting = this.waiting.count();
    return `sync.WaitGroup(${this.counter}${waiting > 0 ? `, ${waiting} waiting` : ""})`;
  }
}
