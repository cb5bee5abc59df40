/**
 * The worker of the talk, as one writes it first: three tasks, two channels, and a context for the end of each stage.
 */
import { Chan, context, type Context, errgroup, select } from "headgate";
import type { Broker, Message, Name, Work } from "../scenarios/queue.ts";

// #region worker
export async function firstVersion(ctx: Context, broker: Broker, work: Work, name: Name): Promise<void> {
  const [group] = errgroup.withContext(ctx);
  const [handleCtx, pullDone] = context.withCancel(context.background());
  const [ackCtx, handleDone] = context.withCancel(context.background());
  const msgs = name(new Chan<Message>(), "msgs");
  const result = name(new Chan<Message>(), "result");

  void group.go(async function pull(ctx) {
    try {
      while (ctx.err() === undefined && !broker.ended) {
        const messages = await broker.pull(ctx, 1); //@ pull select
        for (const m of messages) await msgs.send(m, ctx); //@ pull send
      }
    } finally {
      pullDone(); //@ pull cancel
    }
  });

  void group.go(async function handle() {
    try {
      for await (const m of msgs.values(handleCtx)) {
        //@ handle recv
        await work(m); //@ handle sleep
        await result.send(m, handleCtx); //@ handle send
      }
    } finally {
      handleDone(); //@ handle cancel
    }
  });

  void group.go(async function ack() {
    for (;;) {
      const got = await select({ done: ackCtx.done(), result }); //@ ack select
      if (got.case === "done" || !got.ok) return;
      await broker.ack(ackCtx, [got.value]); //@ ack sleep, ack checkpoint
    }
  });

  await group.wait(); //@ main group.wait
}
// #endregion
