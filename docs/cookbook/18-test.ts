/**
 * The test of such a recipe: cancelled at every point, in many orders.
 */
// #region recipe
import { time } from "headgate";
import { explore } from "headgate/testing";
import { forEach } from "./03-worker-pool.ts";

export async function test(): Promise<number> {
  const { points } = await explore(async (t) => {
    const done: number[] = [];
    const work = forEach(t.ctx, 2, [1, 2, 3], async (ctx, n) => {
      await time.sleep(10, ctx);
      done.push(n);
    });
    const error: unknown = await work.catch((error: unknown) => error);
    if (error === undefined && done.length < 3)
      throw new Error("it has ended well, and left something out");
    if (error !== undefined && error !== t.ctx.err()) throw error;
  });
  return points; // the points at which it was cancelled
}
// #endregion

import type { Context } from "headgate";

export const prints = [];

/** It explores by itself. */
export async function demo(_ctx: Context, _log: (text: unknown) => void): Promise<void> {}
