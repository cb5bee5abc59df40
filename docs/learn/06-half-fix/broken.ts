/**
 * The worker of the talk with the usual repair: at its end, the last task acks what it has in hand, and one more.
 */
import { Chan, context, type Context, errgroup, select } from "headgate";
import type { Broker, Message, Name, Work } from "../scenarios/queue.ts";

// #region worker
export async function usualRepair(ctx: Context, broker: Broker, work: Work, name: Name): Promise<void> {
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

  // #region ack
  void group.go(async function ack() {
    let held: Message | undefined; // the message whose ack is under way
    try {
      for (;;) {
        const got = await select({ done: ackCtx.done(), result }); //@ ack select
        if (got.case === "done" || !got.ok) return;
        held = got.value;
        await broker.ack(ackCtx, [held]); //@ ack sleep, ack checkpoint
        held = undefined;
      }
    } finally {
      const [last, cancel] = context.withTimeout(context.background(), 50); //@ ack set
      if (held !== undefined) await broker.ack(last, [held]); //@ ack sleep after set, ack checkpoint after set
      const got = await select({ done: last.done(), result }); //@ ack select after set
      if (got.case === "result" && got.ok) await broker.ack(last, [got.value]); //@ ack sleep after set select, ack checkpoint after set select
      cancel();
    }
  });
  // #endregion

  await group.wait(); //@ main group.wait
}
// #endregion
