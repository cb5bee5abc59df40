/**
 * Exercise 5: a worker in one task, which still acks with the context that says stop. Find out by the test when that loses an ack.
 */
import type { Context } from "headgate";
import type { Broker, Work } from "../scenarios/queue.ts";

export async function run(ctx: Context, broker: Broker, work: Work): Promise<void> {
  while (ctx.err() === undefined && !broker.ended) {
    for (const m of await broker.pull(ctx, 1)) {
      await work(m);
      await broker.ack(ctx, [m]);
    }
  }
}
