/**
 * Groups of tasks that work on one thing: Go's package `errgroup`. The tasks are waited for together, the first error cancels them all,
 * and a limit is back-pressure for the code that starts them.
 *
 * Invariants:
 * - running ≤ limit, and while a `go` waits no slot is free.
 * - `wait()` settles after the last task, including those whose `go` still waits.
 * - The first error never changes, not even by reuse (E8).
 * - A task never causes an unhandled rejection: its error comes out of `wait()` and nowhere else.
 */
import { start, taskOf } from "./chan/go.ts";
import { type CancelCauseFunc, background, withCancelCause } from "./context/index.ts";
import { mustBeParent } from "./context/context.ts";
import { panic } from "./internal/errors.ts";
import { Inspectable } from "./internal/inspect.ts";
import { WaitQueue, Waiter } from "./internal/waitqueue.ts";
import { created, resolvedVoid, rejected, park, prepareInBubble, wake, wakeError } from "./internal/runtime.ts";
import type { Context } from "./types.ts";
import { mustBeFunction, count, mustBeEmpty } from "./internal/args.ts";

type Task = (ctx: Context) => unknown;

/**
 * A group of tasks. `new Group()` has no limit, and no context to cancel (E1); {@link withContext} makes one that has a context.
 *
 * A task that throws or rejects, with any value (even undefined), has failed. Any value that it returns is success (E23). There are no
 * panics as in Go, so there is nothing else to pass on.
 *
 * @see Go's [errgroup.Group](https://pkg.go.dev/golang.org/x/sync/errgroup#Group)
 * @example
 * ```ts
 * import { context, errgroup, time } from "headgate";
 *
 * const [group, ctx] = errgroup.withContext(context.background());
 * group.setLimit(2);
 * for (const id of [1, 2, 3]) {
 *   await group.go(async (ctx) => {
 *     await time.sleep(id, ctx);
 *     if (id === 2) throw new Error(`page ${id} is gone`);
 *   });
 * }
 * await group.wait().catch((err) => console.log(err.message)); // => page 2 is gone
 * console.log(String(context.cause(ctx))); // => Error: page 2 is gone
 * ```
 */
export class Group extends Inspectable {
  private ctx: Context = background();
  private cancel: CancelCauseFunc | null = null;
  private limit = -1;
  private running = 0;
  /** The calls of `go` that wait for a slot. */
  private readonly queued: WaitQueue = new WaitQueue();
  /** The calls of `wait` that wait for the last task. */
  private readonly joining: WaitQueue = new WaitQueue();
  private failure: { readonly error: unknown } | null = null;

  /** **Errors**: TypeError if it is called with an argument. */
  constructor() {
    super();
    mustBeEmpty(arguments, "errgroup.Group", "; for a group with a context, errgroup.withContext(ctx)");
    created(this);
  }

  /**
   * Runs `fn` as a task of this group, on a later microtask, with the group's context (the background context for a group without
   * one). Resolves when the task has been admitted: at once without a limit, else when it has a slot. It never rejects with the
   * error of the task. Awaiting it is back-pressure: a loop of `await group.go(fn)` holds at most `limit` tasks and no queue. Not
   * awaiting it loses nothing, because {@link wait} waits for queued tasks too.
   *
   * Tasks are started even after an error or a cancellation (E10): the task must check its ctx.
   *
   * **Cancellation**: takes no ctx. A `go` that waits for a slot gets it, even if the group's context has ended (E14).
   *
   * **Errors**: rejects with a TypeError if `fn` is not a function.
   *
   * **Ordering**: slots are given in the order of the calls (E19).
   *
   * @see Go's [Group.Go](https://pkg.go.dev/golang.org/x/sync/errgroup#Group.Go)
   */
  go(fn: (ctx: Context) => unknown): Promise<void> {
    try {
      mustBeFunction(fn, "errgroup: go");
    } catch (error) {
      return rejected("group.go", this, error);
    }
    if (this.tryGo(fn)) return resolvedVoid("group.go", this);
    // It starts in the async context of this call, not of the task whose end admits it.
    const task = taskOf(fn, this.ctx, this.taskDone, this.taskFailed);
    const begin = prepareInBubble(task, this, fn);
    const waiter = new Waiter(null, begin, fn);
    this.queued.push(waiter);
    const admitted = park<void>(waiter, "group.go", this);
    if (begin === undefined) void admitted.then(task as () => void);
    return admitted;
  }

  /**
   * Runs `fn` as {@link go} does, if a slot is free now. Returns whether one was. Never overtakes a `go` that waits.
   *
   * **Errors**: throws a TypeError if `fn` is not a function.
   *
   * @see Go's [Group.TryGo](https://pkg.go.dev/golang.org/x/sync/errgroup#Group.TryGo)
   */
  tryGo(fn: (ctx: Context) => unknown): boolean {
    mustBeFunction(fn, "errgroup: tryGo");
    if (this.limit >= 0 && this.running >= this.limit) return false;
    this.start(fn);
    return true;
  }

  /**
   * Limits the group to `n` tasks at a time. A negative `n` lifts the limit, at any time. With 0 no task may start, and `go` waits
   * for ever.
   *
   * **Errors**: throws "errgroup: modify limit while N goroutines in the group are still active" for a limit of 0 or more while
   * tasks run (E16); RangeError for anything but a whole number.
   *
   * @see Go's [Group.SetLimit](https://pkg.go.dev/golang.org/x/sync/errgroup#Group.SetLimit)
   */
  setLimit(n: number): void {
    if (n === Infinity) throw new RangeError("errgroup: setLimit: pass -1 for no limit");
    count(n, -Infinity, "errgroup: setLimit");
    if (n >= 0 && this.running > 0) {
      const advice = "set the limit before the first go, or after wait; a negative limit is allowed at any time";
      panic(`errgroup: modify limit while ${this.running} goroutines in the group are still active`, advice);
    }
    this.limit = n;
    this.admit();
  }

  /**
   * Waits until every task has ended, including tasks that are started meanwhile or wait for a slot; then cancels the group's
   * context. Rejects with the first error in time. Each further call settles in the same way.
   *
   * **Cancellation**: takes no ctx, because after it no task of the group may still run. Cancel the group's parent instead.
   *
   * @see Go's [Group.Wait](https://pkg.go.dev/golang.org/x/sync/errgroup#Group.Wait)
   */
  wait(): Promise<void> {
    if (this.running > 0 || this.queued.head !== null) {
      const waiter = new Waiter(null);
      this.joining.push(waiter);
      return park(waiter, "group.wait", this);
    }
    this.cancel?.(this.failure?.error);
    return this.failure === null ? resolvedVoid("group.wait", this) : rejected("group.wait", this, this.failure.error);
  }

  /** The group and its state, such as `errgroup.Group(4 running, limit 4, 2 waiting)`. */
  override toString(): string {
    const parts = [`${this.running} running`];
    if (this.limit >= 0) parts.push(`limit ${this.limit}`);
    if (this.queued.head !== null) parts.push(`${this.queued.count()} waiting`);
    if (this.failure !== null) parts.push("failed");
    return `errgroup.Group(${parts.join(", ")})`;
  }

  /** @internal Sets the context of the group, and its cancel function. */
  setContext(ctx: Context, cancel: CancelCauseFunc): void {
    this.ctx = ctx;
    this.cancel = cancel;
  }

  /** @internal Records a failure. The first one is the group's error, and cancels its context. */
  fail(error: unknown): void {
    if (this.failure !== null) return;
    this.failure = { error };
    this.cancel?.(error);
  }

  /** Runs a task that has been admitted. */
  private start(fn: Task): void {
    this.running++;
    start(fn, this.ctx, this, this.taskDone, this.taskFailed);
  }

  // The order at the end of a task is observable. The error is stored, the context ends, the slot is freed, and last the calls of `wait`
  // settle. So a task that gets the freed slot sees the context ended (E9).
  private readonly taskFailed = (error: unknown): void => {
    this.fail(error);
    this.taskDone();
  };

  private readonly taskDone = (): void => {
    this.running--;
    this.admit();
    if (this.running > 0 || this.queued.head !== null) return;
    if (this.joining.head !== null) this.cancel?.(this.failure?.error);
    for (let waiter; (waiter = this.joining.shift()) !== null;) {
      if (this.failure === null) wake(waiter, undefined);
      else wakeError(waiter, this.failure.error);
    }
  };

  /** Starts tasks that wait for a free slot. */
  private admit(): void {
    while (this.queued.head !== null && (this.limit < 0 || this.running < this.limit)) {
      const waiter = this.queued.shift()!;
      this.running++;
      (waiter.key as (() => void) | undefined)?.();
      wake(waiter, undefined);
    }
  }
}

/**
 * Makes a group and a context derived from `parent`, which its tasks get. The context ends with the first error, which is its cause
 * (E5), and in any case when `wait()` is done (E6).
 *
 * **Errors**: throws "cannot create context from nil parent".
 *
 * @see Go's [errgroup.WithContext](https://pkg.go.dev/golang.org/x/sync/errgroup#WithContext)
 * @example
 * ```ts
 * import { context, errgroup, time } from "headgate";
 *
 * const [group, ctx] = errgroup.withContext(context.background());
 * void group.go(() => time.sleep(60_000, ctx));
 * void group.go(() => Promise.reject(new Error("no such file")));
 * await group.wait().catch((err) => console.log(err.message, ctx.err()?.message)); // => no such file context canceled
 * ```
 */
export function withContext(parent: Context): readonly [group: Group, ctx: Context] {
  mustBeParent(parent, "errgroup");
  const [ctx, cancel] = withCancelCause(parent);
  const group = new Group();
  group.setContext(ctx, cancel);
  return [group, ctx];
}

/**
 * A scope: calls `body` with a group and its context, waits for it and then for every task, and returns the result of `body`. If
 * `body` throws, the group is cancelled with that error. No task that was started in the scope outlives it.
 *
 * **Cancellation**: the end of `parent` ends the ctx of every task. `run` settles when everything in it has ended.
 *
 * **Errors**: rejects with the first error in time, of a task or of `body`. TypeError if `body` is not a function.
 *
 * @example
 * ```ts
 * import { context, errgroup, time } from "headgate";
 *
 * const pages = await errgroup.run(context.background(), (group) => {
 *   const found: string[] = [];
 *   for (const id of [1, 2]) {
 *     void group.go(async (ctx) => {
 *       await time.sleep(id, ctx);
 *       found.push(`page ${id}`);
 *     });
 *   }
 *   return found;
 * });
 * console.log(pages); // => [ 'page 1', 'page 2' ]
 * ```
 */
export async function run<T>(parent: Context, body: (group: Group, ctx: Context) => Promise<T> | T): Promise<T> {
  mustBeFunction(body, "errgroup: run(ctx, fn)");
  const [group, ctx] = withContext(parent);
  let result: T | undefined;
  try {
    result = await body(group, ctx);
  } catch (error) {
    group.fail(error);
  }
  await group.wait();
  return result as T;
}
