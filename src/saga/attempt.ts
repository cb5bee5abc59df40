/**
 * One call of the user's code, which may ignore its ctx.
 *
 * Invariant: what a call says before it is abandoned counts, however late it is; what it says after that changes nothing.
 */
import { context, type Context } from "../index.ts";

/** ms that a call has to return in when its ctx has ended. One that heeds its ctx needs no more, and often it knows how it went. */
const MOMENT = 100;

/** Calls `call(ctx)`. Abandons it a moment after the end of `ctx`, at once if `bound` ends; then rejects with `ctx.err()`. */
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
      const [patience, cancel] = context.withTimeout(bound, MOMENT);
      using _ = cancel;
      await context.wait(running, patience).catch(() => {});
    }
    if (hasEnded) return running;
    throw error;
  }
}
