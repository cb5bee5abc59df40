/**
 * Fan-out and fan-in: several workers read one channel and write to one.
 */
// #region recipe
import { Chan, type Context, errgroup, sendAll } from "headgate";

export function mapped<I, O>(parent: Context, inputs: Iterable<I>, work: (ctx: Context, input: I) => Promise<O>) {
  return errgroup.run(parent, async (group, ctx) => {
    const [jobs, results] = [new Chan<I>(), new Chan<O>()];
    void group.go(() => sendAll(jobs, inputs, ctx).then(() => jobs.close()));
    void group.go(async () => {
      await errgroup.run(ctx, (workers, ctx) => {
        const worker = async () => {
          for await (const job of jobs.values(ctx)) await results.send(await work(ctx, job), ctx);
        };
        for (const _ of [1, 2, 3]) void workers.go(worker);
      });
      results.close(); // every worker has ended, and well
    });
    const all: O[] = [];
    for await (const result of results.values(ctx)) all.push(result);
    return all;
  });
}
// #endregion

import { time } from "headgate";

export const prints = ["1 4 9 16"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  const squares = await mapped(ctx, [1, 2, 3, 4], async (ctx, n) => {
    await time.sleep(10, ctx);
    return n * n;
  });
  if (squares.length !== 4) throw new Error("it has ended well, and left something out");
  log(squares.sort((a, b) => a - b).join(" "));
}
