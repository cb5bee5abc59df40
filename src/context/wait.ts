/**
 * Waiting for a promise that is not ours, under a context.
 *
 * Invariants:
 * - A promise that is waited for carries one reaction of ours, however many wait, for a reaction can never be taken back.
 * - Who is cancelled is in no queue any more, so a promise that lives for ever retains nobody.
 */
import { refusal, suspend } from "../guard.ts";
import { Queue, Waiter } from "../queue.ts";
import { attempt, isA, kindOf } from "../foreign.ts";
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
  // Before the promise is touched: to ask some for their `then` is to start them.
  const error = refusal(ctx);
  if (error !== undefined) {
    // If it rejects nobody shall be told, either. This way of the platform's own promises does not ask for the property.
    attempt(() => void Promise.prototype.then.call(promise, undefined, () => {}));
    return failed("context.wait", promise, error);
  }
  let waiters: Queue;
  try {
    waiters = followers(promise);
  } catch (error) {
    return failed("context.wait", promise, error);
  }
  return suspend(new Waiter(() => undefined), waiters, ctx, "context.wait", promise);
}

/** Who waits for which promise. */
const following: WeakMap<PromiseLike<unknown>, Queue> = /* @__PURE__ */ new WeakMap();

function followers(promise: PromiseLike<unknown>): Queue {
  const known = following.get(promise);
  if (known !== undefined) return known;
  const { then } = (promise ?? {}) as { readonly then?: unknown };
  if (typeof then !== "function") throw new TypeError(`wait: expected a promise, got ${kindOf(promise)}`);
  const waiters = new Queue();
  const settle = (how: typeof wake, result: unknown): void => {
    following.delete(promise);
    for (let w; (w = waiters.shift()) !== null;) how(w, result);
  };
  // Asked for its `then` once, and called later, as by an await.
  const once = { then: (ok: unknown, no: unknown): unknown => then.call(promise, ok, no) } as PromiseLike<unknown>;
  Promise.resolve(isA(promise, Promise) ? promise : once).then(
    (value) => settle(wake, value),
    (error) => settle(wakeError, error),
  );
  following.set(promise, waiters);
  return waiters;
}
