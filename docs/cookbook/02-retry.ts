/**
 * Trying again, until a deadline for all tries together.
 */
// #region recipe
import { context, type Context, retry } from "headgate";

export async function patiently<T>(parent: Context, call: (ctx: Context) => Promise<T>): Promise<T> {
  const [ctx, cancel] = context.withTimeout(parent, 10_000); // for all tries, and the pauses between them
  using _ = cancel;
  return await retry.run(
    ctx,
    async (ctx) => {
      try {
        return await call(ctx);
      } catch (error) {
        if (error instanceof TypeError) throw new retry.Permanent("it will not get better", { cause: error });
        throw error;
      }
    },
    { tries: 5, timeout: 3_000, base: 100 }, // each try has 3 s
  );
}
// #endregion

import { time } from "headgate";

export const prints = ["answered at call 3", "it will not get better"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  let calls = 0;
  const answer = await patiently(ctx, async (ctx) => {
    await time.sleep(10, ctx);
    if (++calls < 3) throw new Error("503");
    return `answered at call ${calls}`;
  }).catch((error: unknown) => {
    throw ctx.err() ?? error; // at the end of ctx it is the last 503
  });
  log(answer);
  const wrong = () => Promise.reject(new TypeError("no such method"));
  await patiently(ctx, wrong).catch((error: unknown) => {
    if (!(error instanceof retry.Permanent)) throw error;
    log(error.message);
  });
}
