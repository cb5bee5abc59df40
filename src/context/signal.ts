/**
 * An AbortSignal as the second parent of a context.
 */
import { isAborted } from "../internal/abort.ts";
import type { AbortSignal } from "../internal/abortsignal.ts";
import { isSignal } from "../internal/foreigncontext.ts";
import { type CancelFunc, disposable } from "./cancelfunc.ts";
import { attach, endWith } from "./cancel.ts";
import { CancelCtx, mustBeParent } from "./context.ts";
import { kindOf, propertyOf } from "../internal/foreign.ts";
import { Canceled, DeadlineExceeded, Ending } from "./errors.ts";
import type { Context } from "../types.ts";

/**
 * Derives a context that also ends when `signal` aborts. The signal's reason becomes the cause; the error is DeadlineExceeded if
 * the reason is a TimeoutError, else Canceled (C106). All contexts of one signal share one listener on it, which is removed with the
 * last of them: so call `cancel` when the work is done.
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
  mustBeParent(parent);
  if (!isSignal(signal)) throw new TypeError(`withSignal: expected an AbortSignal, got ${kindOf(signal)}`);
  const ctx = new SignalCtx(parent);
  attach(ctx, parent);
  try {
    ctx.watch(signal);
  } catch (error) {
    ctx.cancel(undefined);
    throw error;
  }
  return [ctx, disposable(() => ctx.cancel(undefined))];
}

class SignalCtx extends CancelCtx {
  private unwatch: (() => void) | null = null;

  watch(signal: AbortSignal): void {
    const ending = (): Ending => {
      const reason = propertyOf(signal, "reason");
      const isTimeout = propertyOf(reason, "name") === "TimeoutError";
      return new Ending(isTimeout ? DeadlineExceeded : Canceled, reason);
    };
    if (this.ending !== null) return;
    if (isAborted(signal)) this.end(ending());
    else this.unwatch = endWith(this, signal, ending);
  }

  override ended(): void {
    this.unwatch?.();
    this.unwatch = null;
  }
}
