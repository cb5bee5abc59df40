/**
 * Running a function when a context ends.
 */
import { go } from "../chan.ts";
import { mustBeFunction } from "../errors.ts";
import { attach, CancelCtx, type Context, mustBeContext } from "./context.ts";

/**
 * Runs `fn` once, on a microtask of its own, after `ctx` has ended; on a later microtask if it has ended already. Never inside the
 * cancel that ends it (C80). Returns `stop`: it prevents the run and returns true, or returns false because `fn` was started,
 * though it may not have begun, or stopped before (C82, C83). `stop` does not wait for `fn`.
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
export function afterFunc(ctx: Context, fn: () => void): () => boolean {
  mustBeContext(ctx, "afterFunc: ctx");
  mustBeFunction(fn, "afterFunc");
  const child = new AfterFuncCtx(ctx, fn);
  attach(child, ctx);
  return () => child.stop();
}

/** A child of which nobody holds the context: it ends by starting its function. */
export class AfterFuncCtx extends CancelCtx {
  private fn: (() => void) | null;

  constructor(parent: Context, fn: () => void) {
    super(parent);
    this.fn = fn;
  }

  override ended(): void {
    if (this.fn !== null) go(this.fn);
    this.fn = null;
  }

  stop(): boolean {
    if (this.fn === null) return false;
    this.fn = null;
    this.cancel(undefined);
    return true;
  }
}
