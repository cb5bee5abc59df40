/**
 * Waiting for a promise that is not ours, under a context.
 *
 * Invariants:
 * - A promise that is waited for carries one reaction of ours, however many wait, for a reaction can never be taken back.
 * - Who is cancelled is in no queue any more, so a promise that lives for ever retains nobody.
 */
import { refusal, suspend } from "../chan.ts";
import { Queue, Waiter } from "../queue.ts";
import { failed, wake, wakeError } from "../runtime.ts";
import type { Context } from "./context.ts";

/**
 * Waits for a promise that is not ours, but no longer than `ctx` lasts: the way to put somebody else's promise under a context.
 *
 * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`. The promise itself goes on; nothing is left on it, however long
 * it lives and however often it is waited for, and if it rejects later nobody is told.
 *
 * **Errors**: rejects as the promise does; with a TypeError if there is no promise to wait for.
 *
 * @example
 * ```ts
 * import { context } from "headgate";
 *
 * const [ctx, cancel] = context.withTimeout(context.background(), 5);
 * using _ = cancel;
 * const deaf = new Promise<string>(() => {});
 * await context.wait(deaf, ctx).catch((err) => console.log(err.message)); // => context deadline exceeded
 * ```
 */
export function wait<T>(promise: PromiseLike<T>, ctx?: Context): Promise<T> {
  if (typeof promise?.then !== "function") {
    return failed(
      "context.wait",
      promise,
      new TypeError(`wait: expected a promise, got ${promise === null ? "null" : typeof promise}`),
    );
  }
  const waiters = followers(promise);
  const error = refusal(ctx);
  if (error !== undefined) return failed("context.wait", promise, error);
  return suspend(new Waiter(() => undefined), waiters, ctx, "context.wait", promise);
}

/** Who waits for which promise. */
const following: WeakMap<PromiseLike<unknown>, Queue> = /* @__PURE__ */ new WeakMap();

function followers(promise: PromiseLike<unknown>): Queue {
  const known = following.get(promise);
  if (known !== undefined) return known;
  const waiters = new Queue();
  const settle = (how: typeof wake, result: unknown): void => {
    following.delete(promise);
    for (let w; (w = waiters.shift()) !== null;) how(w, result);
  };
  Promise.resolve(promise).then(
    (value) => settle(wake, value),
    (error) => settle(wakeError, error),
  );
  following.set(promise, waiters);
  return waiters;
}
