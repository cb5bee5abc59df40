/**
 * A time limit for one piece of work.
 */
// #region recipe
import { context, type Context } from "headgate";

export async function within<T>(
  parent: Context,
  ms: number,
  work: (ctx: Context) => Promise<T>,
): Promise<T | undefined> {
  const [ctx, cancel] = context.withTimeout(parent, ms);
  using _ = cancel;
  try {
    return await work(ctx);
  } catch (error) {
    // Only our own limit gives undefined. A failure passes through, and the parent's end, too.
    if (error === ctx.err() && error !== parent.err()) return undefined;
    throw error;
  }
}
// #endregion

import { time } from "headgate";

export const prints = ["quick", "undefined"];

export async function demo(parent: Context, log: (text: unknown) => void): Promise<void> {
  const answer = (ms: number, text: string) => async (ctx: Context) => {
    await time.sleep(ms, ctx);
    return text;
  };
  log(await within(parent, 1_000, answer(10, "quick")));
  log(await within(parent, 1_000, answer(5_000, "slow")));
}
