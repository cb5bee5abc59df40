/**
 * A lock that is waited for, but not for ever.
 */
// #region recipe
import { context, type Context, sync } from "headgate";

const BUSY = new Error("the account is in use");

/** The limit is for the wait. What is done under the lock has the caller's context. */
export async function locked<T>(
  ctx: Context,
  mu: sync.Mutex,
  ms: number,
  work: (ctx: Context) => Promise<T>,
): Promise<T> {
  const [waiting, cancel] = context.withTimeoutCause(ctx, ms, BUSY);
  using _ = await mu.lock(waiting).finally(cancel);
  return await work(ctx);
}
// #endregion

import { errgroup, time } from "headgate";

export const prints = ["the account is in use", "unlocked"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  const mu = new sync.Mutex();
  let inside = 0;
  const work = async (ctx: Context): Promise<void> => {
    if (++inside > 1) throw new Error("two are inside");
    await time.sleep(2_000, ctx).finally(() => inside--);
  };
  await errgroup
    .run(ctx, (group, ctx) => {
      for (const _ of [1, 2]) {
        void group.go(() =>
          locked(ctx, mu, 1_000, work).catch((error: unknown) => {
            if (!(error instanceof context.DeadlineExceeded)) throw error;
            log((error.cause as Error).message);
          }),
        );
      }
    })
    .finally(() => {
      if (!mu.tryLock()) throw new Error("the lock is held for ever");
    });
  log("unlocked");
}
