/**
 * An AbortSignal comes in, and goes out to the platform.
 */
// #region recipe
import { context, type Context, retry } from "headgate";

/** The caller passes a Context, an AbortSignal, `{ signal }` or nothing. */
export async function pageOf(url: string, until?: context.Source, get = fetch): Promise<string> {
  const [ctx, release] = context.from(until); // in
  const page = async (ctx: Context) => {
    const response = await get(url, ctx); // out: a Context is an object with a signal
    return await response.text(); // the body, too, is read before the try is over
  };
  try {
    return await retry.run(ctx, page, { tries: 3, timeout: 5_000 });
  } catch (error) {
    throw context.errorFor(until, ctx, error); // the reason of their signal, or the error of their Context
  } finally {
    release();
  }
}
// #endregion

import { time } from "headgate";

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
