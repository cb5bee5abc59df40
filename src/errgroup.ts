/**
 * Groups of tasks that work on one thing: they are waited for together, the first error ends them all, and a limit holds back
 * whoever starts them. Go's package `errgroup`.
 *
 * Invariants:
 * - running ≤ limit, and while a `go` waits for its turn no slot is free.
 * - `wait()` settles after the last task, those included whose `go` still waits.
 * - The first error never changes, not even by reuse (E8).
 * - No promise of a task is ever left to reject unhandled: a task's error comes out of `wait()` and nowhere else.
 */
import { start, taskOf } from "./chan/go.ts";
import { type CancelCauseFunc, background, withCancelCause } from "./context/index.ts";
import { panic } from "./internal/errors.ts";
import { Inspectable } from "./internal/inspect.ts";
import { WaitQueue, Waiter } from "./internal/waitqueue.ts";
import { created, resolvedVoid, rejected, park, prepareInBubble, wake, wakeError } from "./internal/runtime.ts";
import type { Context } from "./types.ts";
import { mustBeFunction, count } from "./internal/args.ts";

type Task = (ctx: Context) => unknown;

/**
 * A group of tasks. `new Group()` has no limit, and no context to cancel (E1); {@link withContext} makes one that has.
 *
 * A task that throws or rejects, with whatever (undefined, too), has failed; whatever it returns is success (E23). Panics of Go do
 * not exist here, so there is nothing else to pass on.
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
  /** Calls of `go` that wait for a slot. */
  private readonly queued: WaitQueue = new WaitQueue();
  /** Calls of `wait` that wait for the last task. */
  private readonly joining: WaitQueue = new WaitQueue();
  private failure: { readonly error: unknown } | null = null;

  constructor() {
    super();
    created(this);
  }

  /**
   * Runs `fn` as a task of this group, on a later microtask, with the group's context (the background context for a group without
   * one). Resolves when the task has been admitted: at once without a limit, else when it has got a slot. It never carries the
   * error of the task. Awaiting it is back-pressure: a loop of `await group.go(fn)` holds at most `limit` tasks and no queue. Not
   * awaiting it loses nothing, for {@link wait} waits for queued tasks too.
   *
   * Tasks keep being started after an error or a cancellation (E10): look at the ctx, as everybody must.
   *
   * **Cancellation**: takes no ctx. Whoever waits for a slot gets it, whatever the group's context says (E14).
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
    // It starts in the async context of this call, whichever task's end admits it.
    const task = taskOf(fn, this.ctx, this.end, this.endFailed);
    const begin = prepareInBubble(task, this, fn);
    const waiter = new Waiter(null, begin, fn);
    this.queued.push(waiter);
    const admitted = park<void>(waiter, "group.go", this);
    if (begin === undefined) void admitted.then(task as () => void);
    return admitted;
  }

  /**
   * Runs `fn` as {@link go} does if there is a free slot now, and says whether there was. Never overtakes a `go` that waits.
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
   * Lets at most `n` tasks run at a time. A negative `n` lifts the limit, at any time; with 0 nothing may start, and `go` waits
   * for ever.
   *
   * **Errors**: throws "errgroup: modify limit while N goroutines in the group are still active" for a limit of 0 or more while
   * tasks run (E16); RangeError for what is no whole number.
   *
   * @see Go's [Group.SetLimit](https://pkg.go.dev/golang.org/x/sync/errgroup#Group.SetLimit)
   */
  setLimit(n: number): void {
    count(n, -Infinity, "errgroup: setLimit");
    if (n >= 0 && this.running > 0) {
      const advice = "set the limit before the first go, or after wait; a negative limit is allowed at any time";
      panic(`errgroup: modify limit while ${this.running} goroutines in the group are still active`, advice);
    }
    this.limit = n;
    this.admit();
  }

  /**
   * Waits until every task has ended, those included that were started meanwhile or wait for a slot; then cancels the group's
   * context. Rejects with the first error there was, in time. May be called more than once, and then says the same.
   *
   * **Cancellation**: takes no ctx: it means that nothing of the group goes on behind your back. Cancel the group's parent instead.
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

  /** What the group is and how it stands, such as `errgroup.Group(4 running, limit 4, 2 waiting)`. */
  override toString(): string {
    const parts = [`${this.running} running`];
    if (this.limit >= 0) parts.push(`limit ${this.limit}`);
    if (this.queued.head !== null) parts.push(`${this.queued.count()} waiting`);
    if (this.failure !== null) parts.push("failed");
    return `errgroup.Group(${parts.join(", ")})`;
  }

  /** @internal Gives the group its context. */
  adopt(ctx: Context, cancel: CancelCauseFunc): void {
    this.ctx = ctx;
    this.cancel = cancel;
  }

  /** @internal Something of the group has failed: the first time, that is the group's error, and its context ends with it. */
  fail(error: unknown): void {
    if (this.failure !== null) return;
    this.failure = { error };
    this.cancel?.(error);
  }

  private start(fn: Task): void {
    this.running++;
    start(fn, this.ctx, this, this.end, this.endFailed);
  }

  // The order of what happens at the end of a task is observable: the error is stored, the context ends, the slot is freed, and last
  // those who wait are released. So a task that gets the freed slot sees the context ended (E9).
  private readonly endFailed = (error: unknown): void => {
    this.fail(error);
    this.end();
  };

  private readonly end = (): void => {
    this.running--;
    this.admit();
    if (this.running > 0 || this.queued.head !== null) return;
    if (this.joining.head !== null) this.cancel?.(this.failure?.error);
    for (let waiter; (waiter = this.joining.shift()) !== null;) {
      if (this.failure === null) wake(waiter, undefined);
      else wakeError(waiter, this.failure.error);
    }
  };

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
 * Makes a group and a context derived from `parent`, which its tasks get: it ends with the first error, with that error as its cause
 * (E5), and in any case when `wait()` is done (E6).
 *
 * **Errors**: throws "cannot create context from nil parent".
 *
 * @see Go's [errgroup.WithContext](https://pkg.go.dev/golang.org/x/sync/errgroup#WithContext)
 */
export function withContext(parent: Context): readonly [group: Group, ctx: Context] {
  const [ctx, cancel] = withCancelCause(parent);
  const group = new Group();
  group.adopt(ctx, cancel);
  return [group, ctx];
}

/**
 * A scope: calls `body` with a group and its context, waits for it and then for every task, and returns what `body` returned. If
 * `body` throws, the group is cancelled with that error. Rejects with the first error there was, of a task or of `body`; so nothing
 * started in the scope outlives it, whatever happens.
 *
 * **Cancellation**: ends when everything in it has ended; cancel `parent` to hurry it.
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
  mustBeFunction(body, "errgroup: run");
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
