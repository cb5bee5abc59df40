/**
 * Tasks of scenarios that are cancelled: how they may end, and how to wait for all of them.
 */
import { type Context, sync } from "headgate";

/** Runs `body`, which `ctx` may end, with exactly its error and no other. Says whether it came to its end. */
export async function under(ctx: Context, body: () => Promise<unknown>): Promise<boolean> {
  try {
    await body();
    return true;
  } catch (error) {
    if (error === undefined || error !== ctx.err()) throw error;
    return false;
  }
}

/** Runs these functions as tasks; resolves when all have ended. */
export async function together(...tasks: (() => unknown)[]): Promise<void> {
  const all = new sync.WaitGroup();
  for (const task of tasks) all.go(task);
  await all.wait();
}
