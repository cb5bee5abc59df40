/**
 * Sending the values of an iterable on a channel.
 */
import { wait } from "../context/index.ts";
import { entryError } from "../internal/suspend.ts";
import { attempt, hasMethod, kindOf } from "../internal/foreign.ts";
import type { Context, SendChan } from "../types.ts";

/**
 * Sends all values of an iterable on `ch`, in order, and resolves when the iterable has ended. The channel stays open:
 * close it when nothing more will be sent.
 *
 * A `for await` over a foreign iterable does not see the end of a context while the iterable has no value. This does.
 *
 * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`, even if the iterable never yields again. Its
 * `return()` is called, and not waited for. A value that it has yielded, and that could not be sent, is dropped.
 *
 * **Errors**: rejects with the error that the iterable throws; with `ClosedChannel` if the channel is closed;
 * with a TypeError if `values` is no iterable.
 *
 * **Ordering**: the next value is requested when the last has been sent.
 *
 * @example
 * ```ts
 * import { Chan, context, errgroup, sendAll } from "headgate";
 *
 * async function* lines() {
 *   yield "a";
 *   yield "b";
 * }
 * const ch = new Chan<string>();
 * await errgroup.run(context.background(), (group) => {
 *   void group.go(async (ctx) => {
 *     await sendAll(ch, lines(), ctx);
 *     ch.close();
 *   });
 *   void group.go(async () => {
 *     for await (const line of ch) console.log(line);
 *   });
 * });
 * // => a
 * // => b
 * ```
 */
export async function sendAll<T>(
  ch: SendChan<T>,
  values: AsyncIterable<T> | Iterable<T>,
  ctx?: Context,
): Promise<void> {
  if (!hasMethod(ch, "send")) throw new TypeError(`sendAll: expected a channel, got ${kindOf(ch)}`);
  const iterator = iteratorOf(values);
  for (;;) {
    const error = entryError(ctx);
    if (error !== undefined) {
      leave(iterator);
      throw error;
    }
    const next = iterator.next();
    let step: IteratorResult<T>;
    try {
      step = hasMethod(next, "then")
        ? await wait(next as Promise<IteratorResult<T>>, ctx)
        : (next as IteratorResult<T>);
    } catch (error) {
      if (ctx !== undefined && error === attempt(() => ctx.err())) leave(iterator);
      throw error;
    }
    if (typeof step !== "object" || step === null) {
      leave(iterator);
      throw new TypeError(`sendAll: expected an iterator to yield result objects, got ${kindOf(step)}`);
    }
    if (step.done === true) return;
    try {
      await ch.send(step.value, ctx);
    } catch (error) {
      leave(iterator);
      throw error;
    }
  }
}

function iteratorOf<T>(values: AsyncIterable<T> | Iterable<T>): AsyncIterator<T> | Iterator<T> {
  if (hasMethod(values, Symbol.asyncIterator)) return (values as AsyncIterable<T>)[Symbol.asyncIterator]();
  if (hasMethod(values, Symbol.iterator)) return (values as Iterable<T>)[Symbol.iterator]();
  throw new TypeError(`sendAll: expected an iterable, got ${kindOf(values)}`);
}

/**
 * Calls `return()`, because no more values are wanted. A generator that waits in `next()` gets it when that has ended.
 */
function leave(iterator: AsyncIterator<unknown> | Iterator<unknown>): void {
  attempt(() => void Promise.resolve(iterator.return?.()).then(undefined, () => {}));
}
