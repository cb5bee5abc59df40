/**
 * Exercise 6: the usual repair, which now empties the channel of results completely. It still loses acks. Find out how, and repair it.
 */
import { Chan, context, type Context, errgroup, select } from "headgate";
import type { Broker, Message, Name, Work } from "../scenarios/queue.ts";

export async function run(ctx: Context, broker: Broker, work: Work, name: Name): Promise<void> {
  const [group] = errgroup.withContext(ctx);
  const [handleCtx, pullDone] = context.withCancel(context.background());
  const [ackCtx, handleDone] = context.withCancel(context.background());
  const msgs = name(new Chan<Message>(), "msgs");
  const result = name(new Chan<Message>(), "result");

  void group.go(async function pull(ctx) {
    try {
      while (ctx.err() === undefined && !broker.ended) {
        const messages = await broker.pull(ctx, 1);
        for (const m of messages) await msgs.send(m, ctx);
      }
    } finally {
      pullDone();
    }
  });

  void group.go(async function handle() {
    try {
      for await (const m of msgs.values(handleCtx)) {
        await work(m);
        await result.send(m, handleCtx);
      }
    } finally {
      handleDone();
    }
  });

  void group.go(async function ack() {
    let held: Message | undefined; // the message whose ack is under way
    try {
      for (;;) {
        const got = await select({ done: ackCtx.done(), result });
        if (got.case === "done" || !got.ok) return;
        held = got.value;
        await broker.ack(ackCtx, [held]);
        held = undefined;
      }
    } finally {
      const [last, cancel] = context.withTimeout(context.background(), 50);
      if (held !== undefined) await broker.ack(last, [held]);
      for (let got = result.tryRecv(); got !== undefined; got = result.tryRecv()) {
        if (got[1]) await broker.ack(last, [got[0]]);
      }
      cancel();
    }
  });

  await group.wait();
}
