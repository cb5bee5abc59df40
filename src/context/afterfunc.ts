/**
 * Running a function after a context has ended.
 */
import { prepared } from "../chan/go.ts";
import { report } from "../internal/runtime.ts";
import { CancelCtx, propagateCancel } from "./cancel.ts";
import { mustBeContext } from "./context.ts";
import type { Context } from "../types.ts";
import { mustBeFunction } from "../internal/args.ts";

/**
 * Runs `fn` once, on a microtask of its own, after `ctx` has ended; on a later microtask if it has ended already. It never runs inside
 * the cancel that ends `ctx` (C80). It runs in the async context (AsyncLocalStorage) of this call.
 *
 * Returns `stop`. It returns true if it has prevented the run, and false if `fn` was started or stopped before (C82, C83). A started
 * `fn` may not have begun yet; `stop` does not wait for it.
 *
 * **Errors**: an error of `fn` is reported as uncaught, as with `go`. TypeError if `fn` is not a function.
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
  mustBeContext(ctx, "afterFunc");
  mustBeFunction(fn, "afterFunc(ctx, fn)");
  const child = new AfterFuncCtx(ctx, fn);
  propagateCancel(ctx, child);
  return () => child.stop();
}

/** A child that no caller sees: its end starts the function. */
export class AfterFuncCtx extends CancelCtx {
  /** Starts the function; null once it has been started or stopped. */
  private startf: (() => void) | null;

  constructor(parent: Context, fn: () => unknown) {
    super(parent);
    this.startf = prepared(fn, undefined, fn, undefined, report);
  }

  override onEnd(): void {
    this.startf?.();
    this.startf = null;
  }

  stop(): boolean {
    if (this.startf === null) return false;
    this.startf = null;
    this.cancel(undefined);
    return true;
  }
}
