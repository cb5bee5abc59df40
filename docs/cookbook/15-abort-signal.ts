/**
 * An AbortSignal comes in, and goes out to the platform.
 */
// #region recipe
import { context, retry } from "headgate";

/** The caller passes a Context, an AbortSignal, `{ signal }` or nothing. */
export async function pageOf(url: string, until?: context.Source, get: typeof fetch = fetch) {
  const [ctx, release] = context.from(until); // in
  try {
    return await retry.run(
      ctx,
      async (ctx) => {
        const response = await get(url, ctx); // out: a Context is an object with a signal
        return await response.text(); // the body, too, is read before the try is over
      },
      { tries: 3, timeout: 5_000 },
    );
  } finally {
    release();
  }
}
// #endregion

import { type Context, time } from "headgate";

export const prints = ["page of /a", "page of /b", "page of /c"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  const get = async (url: unknown, init?: RequestInit): Promise<Response> => {
    const [ctx, release] = context.from(init);
    await time.sleep(10, ctx).finally(release);
    return new Response(`page of ${String(url)}`);
  };
  log(await pageOf("/a", ctx, get));
  log(await pageOf("/b", { signal: ctx.signal }, get));
  log(await pageOf("/c", undefined, get));
}
