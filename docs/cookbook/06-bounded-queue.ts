/**
 * A queue that says when it is full.
 */
// #region recipe
import { Chan, type Context } from "headgate";

export class Queue<T> {
  readonly #jobs = new Chan<T>(100);

  /** Takes the job, or returns false: the queue is full. After `close` it throws, as any send does. */
  offer = (job: T): boolean => this.#jobs.trySend(job);

  /** Waits for room. */
  put = (ctx: Context, job: T): Promise<void> => this.#jobs.send(job, ctx);

  /** Handles jobs until the queue is closed and empty, or ctx ends. Call it for each worker. */
  async work(ctx: Context, handle: (ctx: Context, job: T) => Promise<void>): Promise<void> {
    for await (const job of this.#jobs.values(ctx)) await handle(ctx, job);
  }

  close = (): void => this.#jobs.close();
}
// #endregion

import { errgroup, time } from "headgate";

export const prints = ["100 of 120 taken", "101 handled"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  const queue = new Queue<number>();
  let [taken, handled] = [0, 0];
  for (let n = 0; n < 120; n++) if (queue.offer(n)) taken++;
  log(`${taken} of 120 taken`);
  await errgroup.run(ctx, (group, ctx) => {
    void group.go(async () => {
      await queue.put(ctx, 120);
      queue.close();
    });
    void group.go(() =>
      queue.work(ctx, async (ctx, job) => {
        if (job % 50 === 0) await time.sleep(10, ctx);
        handled++;
      }),
    );
  });
  log(`${handled} handled`);
}
