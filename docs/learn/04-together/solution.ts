/** Solution 4: a group. */
import { type Context, errgroup } from "headgate";

export async function fetchAll(
  ctx: Context,
  urls: readonly string[],
  fetchPage: (ctx: Context, url: string) => Promise<string>,
): Promise<string[]> {
  const pages: string[] = [];
  await errgroup.run(ctx, (group) => {
    for (const [i, url] of urls.entries()) {
      void group.go(async (ctx) => {
        pages[i] = await fetchPage(ctx, url);
      });
    }
  });
  return pages;
}
