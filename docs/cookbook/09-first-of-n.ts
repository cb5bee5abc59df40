/**
 * The first answer of several wins, and the others are cancelled.
 */
// #region recipe
import { context, type Context, sync } from "headgate";

export async function firstOf<T>(parent: Context, sources: readonly ((ctx: Context) => Promise<T>)[]): Promise<T> {
  const [ctx, cancel] = context.withCancel(parent);
  const [answers, errors]: [T[], unknown[]] = [[], []];
  const wg = new sync.WaitGroup();
  for (const source of sources) {
    wg.go(async () => {
      try {
        answers.push(await source(ctx));
        cancel(); // the others stop
      } catch (error) {
        errors.push(error);
      }
    });
  }
  await wg.wait().finally(cancel); // none of them is left running
  if (answers.length === 0) throw parent.err() ?? new AggregateError(errors, "no source has answered");
  return answers[0]!;
}
// #endregion

import { time } from "headgate";

export const prints = ["near", "no source has answered"];

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
