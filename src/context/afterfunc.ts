/**
 * Running a function when a context ends.
 */
import { prepared } from "../chan/go.ts";
import { report } from "../internal/runtime.ts";
import { attach } from "./cancel.ts";
import { CancelCtx, mustBeContext } from "./context.ts";
import type { Context } from "../types.ts";
import { mustBeFunction } from "../internal/args.ts";

/**
 * Runs `fn` once, on a microtask of its own, after `ctx` has ended; on a later microtask if it has ended already. Never inside the
 * cancel that ends it (C80). Returns `stop`: it prevents the run and returns true, or returns false because `fn` was started,
 * though it may not have begun, or stopped before (C82, C83). `stop` does not wait for `fn`. `fn` runs in the async context
 * (AsyncLocalStorage) of this call.
 *
 * **Errors**: what `fn` throws is reported as uncaught, as with {@link go}. TypeError if `fn` is not a function.
 *
 * @see Go's [context.AfterFunc](https://pkg.go.dev/context#AfterFunc)
 * @example
 * ```ts
 * import { context } from "headgate";
 *
 * const [ctx, cancel] = context.withCancel(context.background());
 * const stop = context.afterFunc(ctx, () => console.log("cleaning up"));
 * cancel();
 * console.log(stop()); // => false
 * await Promise.resolve(); // => cleaning up
 * ```
 */
export function afterFunc(ctx: Context, fn: () => unknown): () => boolean {
  mustBeContext(ctx, "afterFunc: ctx");
  mustBeFunction(fn, "afterFunc");
  const child = new AfterFuncCtx(ctx, fn);
  attach(child, ctx);
  return () => child.stop();
}

/** A child of which nobody holds the context: it ends by starting its function. */
export class AfterFuncCtx extends CancelCtx {
  /** Starts the function; null when that has been done, or called off. */
  private begin: (() => void) | null;

  constructor(parent: Context, fn: () => unknown) {
    super(parent);
    this.begin = prepared(fn, undefined, fn, undefined, report);
  }

  override ended(): void {
    this.begin?.();
    this.begin = null;
  }

  stop(): boolean {
    if (this.begin === null) return false;
    this.begin = null;
    this.cancel(undefined);
    return true;
  }
}
