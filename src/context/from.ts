/// <reference lib="esnext.disposable" preserve="true" />
/**
 * A context from whatever a caller has. It is for libraries that accept all of these.
 */
import type { AbortSignal } from "../internal/abortsignal.ts";
import { isSignal, kindOf } from "../internal/foreign.ts";
import { type CancelFunc, withCancel } from "./cancel.ts";
import { background, isContext } from "./context.ts";
import { withSignal } from "./signal.ts";
import type { Context } from "../types.ts";

/** Anything that a caller may have to end the work: a Context, an AbortSignal, options with a signal, or nothing. */
export type Source = Context | AbortSignal | { readonly signal?: AbortSignal | null | undefined } | null | undefined;

/**
 * Makes a context from the argument of a caller. From a Context: a child of it. From an AbortSignal, or options with one: a context that
 * ends with the signal. From nothing: a context that ends only by `release`. Call `release` when the work is done: it ends the context,
 * and leaves nothing on the source.
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
