/**
 * Fan-out and fan-in: several workers read one channel and write to one.
 */
// #region recipe
import { Chan, type Context, errgroup, sendAll, type SendChan } from "headgate";

export async function fanOut<I, O>(
  parent: Context,
  inputs: Iterable<I>,
  work: (ctx: Context, input: I) => Promise<O>,
  results: SendChan<O>,
): Promise<void> {
  const jobs = new Chan<I>();
  await errgroup.run(parent, (group, ctx) => {
    void group.go(() => sendAll(jobs, inputs, ctx).then(() => jobs.close()));
    for (const _ of [1, 2, 3]) {
      void group.go(async () => {
        for await (const job of jobs.values(ctx)) await results.send(await work(ctx, job), ctx);
      });
    }
  });
  results.close(); // every worker has ended, and well
}
// #endregion

import { time } from "headgate";

export const prints = ["1 4 9 16"];

export async function demo(ctx: Context, log: (text: unknown) => void): Promise<void> {
  const squares: number[] = [];
  await errgroup.run(ctx, (group, ctx) => {
    const results = new Chan<number>();
    const square = async (ctx: Context, n: number): Promise<number> => {
      await time.sleep(10, ctx);
      return n * n;
    };
    void group.go(() => fanOut(ctx, [1, 2, 3, 4], square, results));
    void group.go(async () => {
      for await (const square of results.values(ctx)) squares.push(square);
    });
  });
  if (squares.length !== 4) throw new Error("it has ended well, and left something out");
  log(squares.sort((a, b) => a - b).join(" "));
}
