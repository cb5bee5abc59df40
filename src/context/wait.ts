/**
 * Waiting for a promise that is not ours, under a context.
 *
 * Invariants:
 * - A promise that is waited for carries one reaction of ours, however many wait, for a reaction can never be taken back.
 * - Who is cancelled is in no queue any more, so a promise that lives for ever retains nobody.
 */
import { go } from "../chan/go.ts";
import { entryError, suspend } from "../internal/suspend.ts";
import { WaitQueue, Waiter } from "../internal/waitqueue.ts";
import { attempt, isA, kindOf } from "../internal/foreign.ts";
import { rejected, wake, wakeError } from "../internal/runtime.ts";
import type { Context } from "../types.ts";
import { mustBeFunction } from "../internal/args.ts";

/**
 * Waits for a promise that is not ours, but no longer than `ctx` lasts: the way to put somebody else's promise under a context.
 *
 * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`. The promise itself goes on; nothing is left on it, however long
 * it lives and however often it is waited for, and if it rejects later nobody is told.
 *
 * With `late`, what comes after the end is not lost: it gets the value that the promise resolves to when nobody waits any more, such as a
 * connection that must be closed. It runs on a microtask of its own, and what it throws is reported as uncaught.
 *
 * If ctx has ended already, the promise is not touched: a thenable that starts its work when it is asked for its `then`, as queries do, is
 * not started. A promise of the platform's is under way in any case, and `late` gets its value.
 *
 * **Errors**: rejects as the promise does; with a TypeError if there is no promise to wait for, or `late` is no function.
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
export function wait<T>(promise: PromiseLike<T>, ctx?: Context, late?: (value: T) => unknown): Promise<T> {
  if (late === undefined) return guarded(promise, ctx);
  try {
    mustBeFunction(late, "wait: late");
  } catch (error) {
    return rejected("context.wait", promise, error);
  }
  const waiting = guarded(promise, ctx);
  // One that is not the platform's is asked for its `then` once, and only if that has been done.
  const arrival = isA(promise, Promise) ? promise : following.has(promise) ? guarded(promise) : undefined;
  // When the wait has rejected, either the promise has, or it comes too late.
  const handOver = (): unknown =>
    attempt(
      () =>
        void arrival?.then(
          (value) => go(() => late(value)),
          () => {},
        ),
    );
  void waiting.catch(handOver);
  return waiting;
}

function guarded<T>(promise: PromiseLike<T>, ctx?: Context): Promise<T> {
  // Before the promise is touched: to ask some for their `then` is to start them.
  const error = entryError(ctx);
  if (error !== undefined) {
    // If it rejects nobody shall be told, either. This way of the platform's own promises does not ask for the property.
    attempt(() => void Promise.prototype.then.call(promise, undefined, () => {}));
    return rejected("context.wait", promise, error);
  }
  let waiters: WaitQueue;
  try {
    waiters = followers(promise);
  } catch (error) {
    return rejected("context.wait", promise, error);
  }
  return suspend(new Waiter(() => undefined), waiters, ctx, "context.wait", promise);
}

/** Who waits for which promise. */
const following: WeakMap<PromiseLike<unknown>, WaitQueue> = /* @__PURE__ */ new WeakMap();

function followers(promise: PromiseLike<unknown>): WaitQueue {
  const known = following.get(promise);
  if (known !== undefined) return known;
  const { then } = (promise ?? {}) as { readonly then?: unknown };
  if (typeof then !== "function") throw new TypeError(`wait: expected a promise, got ${kindOf(promise)}`);
  const waiters = new WaitQueue();
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
