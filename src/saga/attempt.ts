/**
 * One attempt: a call of the user's code, which may ignore the end of its ctx.
 *
 * Invariant: a result that comes before the attempt is abandoned counts, however late. A later one changes nothing.
 */
import { context, type Context } from "../index.ts";

/** ms for a call to return after its ctx has ended. A call that respects its ctx needs no more, and often knows its outcome. */
const RETURN_TIME = 100;

/**
 * Calls `call(ctx)`. Abandons the call {@link RETURN_TIME} after the end of `ctx`, or at once when `bound` ends. Rejects with `ctx.err()`
 * then.
 */
export async function attempt<T>(ctx: Context, bound: Context, call: (ctx: Context) => PromiseLike<T> | T): Promise<T> {
  const running = Promise.resolve(call(ctx));
  let hasEnded = false;
  const ended = (): void => {
    hasEnded = true;
  };
  void running.then(ended, ended);
  try {
    return await context.wait(running, ctx);
  } catch (error) {
    if (!hasEnded) {
      const [patience, cancel] = context.withTimeout(bound, RETURN_TIME);
      using _ = cancel;
      await context.wait(running, patience).catch(() => {});
    }
    if (hasEnded) return running;
    throw error;
  }
}
