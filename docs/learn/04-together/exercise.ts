/**
 * Exercise 4: fetch all pages at once. When one fails, stop the others, wait until they have ended, and throw its error.
 *
 * `fetchPage` stops when the context that it gets has ended.
 */
import type { Context } from "headgate";

export async function fetchAll(
  ctx: Context,
  urls: readonly string[],
  fetchPage: (ctx: Context, url: string) => Promise<string>,
): Promise<string[]> {
  return Promise.all(urls.map((url) => fetchPage(ctx, url)));
}
