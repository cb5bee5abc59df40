/**
 * The first answer of several wins, and the others are cancelled.
 */
// #region recipe
import { context, type Context } from "headgate";

type Source<T> = (ctx: Context) => Promise<T>;

export async function firstOf<T>(parent: Context, sources: readonly Source<T>[]): Promise<T> {
  const [ctx, cancel] = context.withCancel(parent);
  const calls: Promise<T>[] = [];
  try {
    for (const source of sources) calls.push(source(ctx)); // one may throw at once
    return await Promise.any(calls);
  } catch (error) {
    throw parent.err() ?? error; // an AggregateError: all have failed
  } finally {
    cancel(); // the others stop,
    await Promise.allSettled(calls); // and none of them is left running
  }
}
// #endregion

import { time } from "headgate";

export const prints = ["near", "All promises were rejected"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  const mirror = (ms: number, text: string) => async (ctx: Context) => {
    await time.sleep(ms, ctx);
    if (text === "broken") throw new Error(text);
    return text;
  };
  const answer = await firstOf(ctx, [mirror(50, "far"), mirror(5, "broken"), mirror(10, "near")]);
  if (answer === "broken") throw new Error("an error has won");
  log(answer);
  await firstOf(ctx, [mirror(5, "broken")]).catch((error: unknown) => {
    if (!(error instanceof AggregateError)) throw error;
    log(error.message);
  });
}
