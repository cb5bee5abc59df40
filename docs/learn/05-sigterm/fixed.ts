/** A worker in one task: it handles a message and acks it before it takes the next one. */
import { context, type Context } from "headgate";
import type { Broker, Work } from "../scenarios/queue.ts";

// #region worker
export async function oneAtATime(ctx: Context, broker: Broker, work: Work): Promise<void> {
  while (ctx.err() === undefined && !broker.ended) {
    for (const m of await broker.pull(ctx, 1)) {
      await work(m);
      const [acking, cancel] = context.withTimeout(context.withoutCancel(ctx), 1_000);
      using _ = cancel;
      await broker.ack(acking, [m]); // also if ctx has ended
    }
  }
}
// #endregion
