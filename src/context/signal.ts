/**
 * An AbortSignal as the second parent of a context.
 */
import { isAborted } from "../internal/abort.ts";
import type { AbortSignal } from "../internal/abortsignal.ts";
import { CancelCtx, type CancelFunc, cancelOf, cancelOnAbort, propagateCancel } from "./cancel.ts";
import { mustBeParent } from "./context.ts";
import { argKind, isSignal, propertyOf } from "../internal/foreign.ts";
import { Canceled, DeadlineExceeded, Outcome } from "./errors.ts";
import type { Context } from "../types.ts";

/**
 * Derives a context that also ends when `signal` aborts. The signal's reason becomes the cause; the error is DeadlineExceeded if
 * the reason is a TimeoutError, else Canceled (C106). All contexts of one signal share one listener on it, which is removed with the
 * last of them. So call `cancel` when the work is done.
 *
 * **Errors**: throws "cannot create context from nil parent"; TypeError if `signal` is not an AbortSignal.
 *
 * @example
 * ```ts
 * import { context } from "headgate";
 *
 * const [ctx, cancel] = context.withSignal(context.background(), AbortSignal.abort("user left"));
 * using _ = cancel;
 * console.log(ctx.err()?.message, context.cause(ctx)); // => context canceled user left
 * ```
 */
export function withSignal(parent: Context, signal: AbortSignal): readonly [ctx: Context, cancel: CancelFunc] {
  mustBeParent(parent, "withSignal");
  if (!isSignal(signal)) throw new TypeError(`withSignal: expected an AbortSignal, got ${argKind(signal)}`);
  const ctx = new SignalCtx(parent);
  propagateCancel(parent, ctx);
  try {
    ctx.watch(signal);
  } catch (error) {
    ctx.cancel(undefined);
    throw error;
  }
  return [ctx, cancelOf(ctx, () => ctx.cancel(undefined))];
}

export class SignalCtx extends CancelCtx {
  private unwatch: (() => void) | null = null;

  watch(signal: AbortSignal): void {
    const outcome = (): Outcome => {
      const reason = propertyOf(signal, "reason");
      const isTimeout = propertyOf(reason, "name") === "TimeoutError";
      return new Outcome(isTimeout ? DeadlineExceeded : Canceled, reason);
    };
    if (this.outcome !== null) return;
    if (isAborted(signal)) this.end(outcome());
    else this.unwatch = cancelOnAbort(this, signal, outcome);
  }

  override onEnd(): void {
    this.unwatch?.();
    this.unwatch = null;
  }
}
