/**
 * Exercise 7: the worker of chapter 6. A message that it cannot hand over any more waits for its lease. Give it back at once.
 *
 * `broker.nack(ctx, [{ delivery: m, delay: 0, reason: "released" }])` gives a message back. It needs a context that is alive.
 */
import { Chan, context, type Context, errgroup } from "headgate";
import type { Broker, Message, Name, Work } from "../scenarios/queue.ts";

export async function run(ctx: Context, broker: Broker, work: Work, name: Name): Promise<void> {
  const [group] = errgroup.withContext(ctx);
  const msgs = name(new Chan<Message>(), "msgs");
  const result = name(new Chan<Message>(), "result");

  void group.go(async function pull(ctx) {
    try {
      while (ctx.err() === undefined && !broker.ended) {
        for (const m of await broker.pull(ctx, 1)) await msgs.send(m, ctx);
      }
    } finally {
      msgs.close(); // no more messages
    }
  });

  void group.go(async function handle() {
    try {
      for await (const m of msgs) {
        await work(m);
        await result.send(m); // without a ctx: what is handled must be acked
      }
    } finally {
      result.close(); // no more results
    }
  });

  void group.go(async function ack() {
    const errors: unknown[] = [];
    for await (const m of result) {
      const [acking, cancel] = context.withTimeout(context.withoutCancel(ctx), 1_000);
      using _ = cancel;
      await broker.ack(acking, [m]).catch((error: unknown) => errors.push(error)); // go on: `handle` waits for this loop
    }
    if (errors.length > 0) throw errors[0];
  });

  await group.wait();
}
