/**
 * Trying again, until a deadline for all tries together.
 */
// #region recipe
import { context, type Context, retry } from "headgate";

export async function pageOf(parent: Context, url: string, get = fetch): Promise<string> {
  const [ctx, cancel] = context.withTimeout(parent, 10_000); // for all tries, and their pauses
  using _ = cancel;
  return await retry.run(
    ctx,
    async (ctx) => {
      const response = await get(url, ctx);
      if (response.status === 404) throw new retry.Permanent(`there is no ${url}`); // no more tries
      if (!response.ok) throw new Error(`status ${response.status}`);
      return await response.text();
    },
    { tries: 5, timeout: 3_000, base: 100 }, // each try has 3 s
  );
}
// #endregion

import { time } from "headgate";

export const prints = ["page at call 3", "there is no /none"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  let calls = 0;
  const get: typeof fetch = async (url, init) => {
    const [ctx, release] = context.from(init);
    await time.sleep(10, ctx).finally(release);
    if (url === "/none") return new Response("", { status: 404 });
    return ++calls < 3 ? new Response("", { status: 503 }) : new Response(`page at call ${calls}`);
  };
  // At the end of ctx the error is that of the last try.
  const ended = (error: unknown): never => {
    throw ctx.err() ?? error;
  };
  log(await pageOf(ctx, "/page", get).catch(ended));
  const error: unknown = await pageOf(ctx, "/none", get).catch((error: unknown) => error);
  if (!(error instanceof retry.Permanent)) ended(error);
  log((error as Error).message);
}
