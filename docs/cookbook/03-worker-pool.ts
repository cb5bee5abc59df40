/**
 * Many pieces of work, a few at a time.
 */
// #region recipe
import { type Context, errgroup } from "headgate";

export async function forEach<T>(
  parent: Context,
  limit: number,
  items: Iterable<T>,
  work: (ctx: Context, item: T) => Promise<void>,
): Promise<void> {
  await errgroup.run(parent, async (group, ctx) => {
    group.setLimit(limit);
    for (const item of items) {
      const end = ctx.err(); // a task has failed, or the parent has ended
      if (end !== undefined) throw end;
      await group.go((ctx) => work(ctx, item)); // waits for a free place
    }
  });
}
// #endregion

import { time } from "headgate";

export const prints = ["done 1 2 3 4 5"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  const done: number[] = [];
  let running = 0;
  const all = forEach(ctx, 2, [1, 2, 3, 4, 5], async (ctx, n) => {
    if (++running > 2) throw new Error("three at a time");
    try {
      await time.sleep(10, ctx);
      done.push(n);
    } finally {
      running--;
    }
  });
  const error: unknown = await all.catch((error: unknown) => error);
  if (running !== 0) throw new Error("a task is still running");
  if (error !== undefined) throw error;
  if (done.length < 5) throw new Error("it has ended well, and left something out");
  log(`done ${done.sort((a, b) => a - b).join(" ")}`);
}
