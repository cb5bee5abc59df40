/**
 * Waiting for any promise, under a context.
 *
 * Invariants:
 * - A promise carries one reaction of ours, however many calls wait for it, because a reaction cannot be removed.
 * - A cancelled call is in no queue any more, so a promise that never settles retains nothing.
 */
import { go } from "../chan/go.ts";
import { entryError, suspend } from "../internal/suspend.ts";
import { WaitQueue, Waiter } from "../internal/waitqueue.ts";
import { argKind, attempt, isA } from "../internal/foreign.ts";
import { rejected, wake, wakeError } from "../internal/runtime.ts";
import type { Context } from "../types.ts";
import { mustBeFunction } from "../internal/args.ts";

/**
 * Waits for any promise, but no longer than `ctx` lasts. It is for promises of code that takes no context.
 *
 * With `late`, a value that comes after the end is not lost, such as a connection that must be closed. `late` gets it, on a microtask
 * of its own. An error of `late` is reported as uncaught.
 *
 * If `ctx` has ended already, the promise is not touched. So a thenable that starts its work when its `then` is read, as queries do, is
 * not started. A native promise is running in any case, and `late` gets its value.
 *
 * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`. The promise itself goes on, and its later rejection is ignored.
 * Nothing is left on it, however long it lives and however often it is waited for.
 *
 * **Errors**: rejects as the promise does; with a TypeError if `promise` is not a promise, or `late` is not a function.
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
  if (late === undefined) return waitUnder(promise, ctx);
  try {
    mustBeFunction(late, "wait: late");
  } catch (error) {
    return rejected("context.wait", promise, error);
  }
  const waiting = waitUnder(promise, ctx);
  // A thenable that is not native is asked for its `then` once: only if that has been done, there is a value to come.
  const arrival = isA(promise, Promise) ? promise : waitersOf.has(promise) ? waitUnder(promise) : undefined;
  // If the wait has rejected, the promise has rejected, or its value comes too late.
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

function waitUnder<T>(promise: PromiseLike<T>, ctx?: Context): Promise<T> {
  // Before the promise is touched: reading `then` starts some of them.
  const error = entryError(ctx);
  if (error !== undefined) {
    // Its later rejection is ignored, too. The native method does not read the property `then`.
    attempt(() => void Promise.prototype.then.call(promise, undefined, () => {}));
    return rejected("context.wait", promise, error);
  }
  let waiters: WaitQueue;
  try {
    waiters = waitersFor(promise);
  } catch (error) {
    return rejected("context.wait", promise, error);
  }
  return suspend(new Waiter(() => undefined), waiters, ctx, "context.wait", promise);
}

/** The calls that wait for each promise. */
const waitersOf: WeakMap<PromiseLike<unknown>, WaitQueue> = /* @__PURE__ */ new WeakMap();

function waitersFor(promise: PromiseLike<unknown>): WaitQueue {
  const known = waitersOf.get(promise);
  if (known !== undefined) return known;
  const { then } = (promise ?? {}) as { readonly then?: unknown };
  if (typeof then !== "function") throw new TypeError(`wait: expected a promise, got ${argKind(promise)}`);
  const waiters = new WaitQueue();
  const settle = (how: typeof wake, result: unknown): void => {
    waitersOf.delete(promise);
    for (let w; (w = waiters.shift()) !== null;) how(w, result);
  };
  // `then` is read once, and called later, as by an await.
  const once = { then: (ok: unknown, no: unknown): unknown => then.call(promise, ok, no) } as PromiseLike<unknown>;
  Promise.resolve(isA(promise, Promise) ? promise : once).then(
    (value) => settle(wake, value),
    (error) => settle(wakeError, error),
  );
  waitersOf.set(promise, waiters);
  return waiters;
}
