/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A context from whatever a caller has, and the error that it expects back. It is for libraries that accept all of these.
 */
import type { AbortSignal } from "../internal/abortsignal.ts";
import { attempt, isSignal, kindOf, propertyOf } from "../internal/foreign.ts";
import { type CancelFunc, withCancel } from "./cancel.ts";
import { background, isContext, mustBeContext } from "./context.ts";
import { withSignal } from "./signal.ts";
import type { Context } from "../types.ts";

/** Anything that a caller may have to end the work: a Context, an AbortSignal, options with a signal, or nothing. */
export type Source = Context | AbortSignal | { readonly signal?: AbortSignal | null | undefined } | null | undefined;

/**
 * Makes a context from the argument of a caller. From a Context: a child of it. From an AbortSignal, or options with one: a context that
 * ends with the signal. From nothing: a context that ends only by `release`. Call `release` when the work is done: it ends the context,
 * and leaves nothing on the source. {@link errorFor} finds the error for that caller: see docs/libraries.md.
 *
 * **Errors**: TypeError for anything else, such as a number, or a `signal` that is not an AbortSignal.
 *
 * @example
 * ```ts
 * import { context, time } from "headgate";
 *
 * async function poll(url: string, options?: context.Source) {
 *   const [ctx, release] = context.from(options);
 *   using _ = release;
 *   await time.sleep(60_000, ctx);
 * }
 * await poll("/", { signal: AbortSignal.timeout(1) }).catch((err) => console.log(err.message)); // => context deadline exceeded
 * ```
 */
export function from(source: Source): readonly [ctx: Context, release: CancelFunc] {
  if (source === null || source === undefined) return withCancel(background());
  // Before the options, because a Context has a `signal` too.
  if (isContext(source)) return withCancel(source);
  if (isSignal(source)) return withSignal(background(), source);
  if (typeof source !== "object" || kindOf(source) === "Array") {
    throw new TypeError(`from: expected a Context, an AbortSignal, or options with a signal; got ${kindOf(source)}`);
  }
  let signal: unknown;
  try {
    ({ signal } = source);
  } catch (cause) {
    throw new TypeError("from: the signal of the options cannot be read", { cause });
  }
  if (signal === null || signal === undefined) return withCancel(background());
  if (isSignal(signal)) return withSignal(background(), signal);
  throw new TypeError(`from: expected the signal of the options to be an AbortSignal, got ${kindOf(signal)}`);
}

/**
 * The error that the caller of your function expects, for an `error` that came out of work under `ctx`, where `ctx` is the context that
 * {@link from} made of `source`. If `ctx` has ended and `error` is that end, then a caller with a signal gets the signal's own reason, as
 * `fetch` throws it. A caller with a Context gets `ctx.err()`. Every other error is returned as it is. Call it in the `catch` of a
 * function that calls {@link from}, before `release`.
 *
 * An AbortError of the platform, whose cause is `ctx.err()`, is the end, too: `node:fs` and `node:timers/promises` throw such. If `ctx`
 * has ended and the signal has not, the error is returned as it is: for a caller, `release` is no abort.
 *
 * **Errors**: TypeError if `ctx` is not a Context.
 *
 * @example
 * ```ts
 * import { context, time } from "headgate";
 *
 * async function poll(until?: context.Source) {
 *   const [ctx, release] = context.from(until);
 *   try {
 *     await time.sleep(60_000, ctx);
 *   } catch (error) {
 *     throw context.errorFor(until, ctx, error);
 *   } finally {
 *     release();
 *   }
 * }
 * await poll(AbortSignal.abort("left")).catch((reason) => console.log(reason)); // => left
 * ```
 */
export function errorFor(source: Source, ctx: Context, error: unknown): unknown {
  mustBeContext(ctx, "errorFor", "second argument");
  // A context that cannot be asked has not ended.
  const end: unknown = attempt(() => ctx.err()) ?? undefined;
  if (end === undefined) return error;
  if (error !== end && (propertyOf(error, "name") !== "AbortError" || propertyOf(error, "cause") !== end)) return error;
  if (isContext(source)) return end;
  const reason = propertyOf(isSignal(source) ? source : propertyOf(source, "signal"), "reason");
  return reason === undefined ? error : reason;
}
