/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A context that ends with either of two.
 */
import { CancelCtx, type CancelFunc, cancelOf, propagateCancel } from "./cancel.ts";
import { deadlineOf, mustBeContext, mustBeParent } from "./context.ts";
import { textOf } from "./text.ts";
import type { Context } from "../types.ts";

/**
 * Derives a context that ends when `parent` ends, when `other` ends, or when `cancel` is called, whichever is first. Error and cause are
 * those of the one that ended first. Values are the parent's alone; the deadline is the earlier of the two. Call `cancel` when the work
 * is done: until then the context stays with both.
 *
 * **Errors**: throws "cannot create context from nil parent"; TypeError if `other` is not a Context.
 *
 * @see Go's [merge example of context.AfterFunc](https://pkg.go.dev/context#example-AfterFunc-Merge)
 * @example
 * ```ts
 * import { context } from "headgate";
 *
 * const [request] = context.withTimeout(context.background(), 60_000);
 * const [server, stop] = context.withCancelCause(context.background());
 * const [ctx, cancel] = context.merge(request, server);
 * stop("shutting down");
 * console.log(ctx.err()?.message, "/", context.cause(ctx)); // => context canceled / shutting down
 * cancel();
 * context.unref(request);
 * ```
 */
export function merge(parent: Context, other: Context): readonly [ctx: Context, cancel: CancelFunc] {
  mustBeParent(parent, "merge");
  mustBeContext(other, "merge", "second argument");
  const ctx = new MergeCtx(parent, other);
  propagateCancel(parent, ctx);
  try {
    if (ctx.outcome === null) ctx.watch();
  } catch (error) {
    ctx.cancel(undefined);
    throw error;
  }
  return [ctx, cancelOf(ctx, () => ctx.cancel(undefined))];
}

export class MergeCtx extends CancelCtx {
  readonly other: Context;
  private watcher: MergeWatcher | null = null;

  constructor(parent: Context, other: Context) {
    super(parent);
    this.other = other;
  }

  watch(): void {
    this.watcher = new MergeWatcher(this.other, this);
    propagateCancel(this.other, this.watcher);
  }

  override deadline(): number | undefined {
    const [a, b] = [deadlineOf(this.parent), deadlineOf(this.other)];
    return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
  }

  override onEnd(): CancelCtx | null {
    const { watcher } = this;
    this.watcher = null;
    return watcher;
  }

  override text(isJson?: boolean): string {
    return `.Merge(${textOf(this.other, isJson)})`;
  }
}

/** The child of the other parent, which no caller sees. It and the merged context end in the same step, whichever is first. */
export class MergeWatcher extends CancelCtx {
  private target: MergeCtx | null;

  constructor(parent: Context, target: MergeCtx) {
    super(parent);
    this.target = target;
  }

  override onEnd(): CancelCtx | null {
    const { target } = this;
    this.target = null;
    return target;
  }
}
