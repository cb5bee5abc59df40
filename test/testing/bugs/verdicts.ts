/**
 * Bugs of workers: a message that is settled twice, or handled and never acked.
 */
import { strict as assert } from "node:assert";
import { Chan, context, type Context, errgroup, select, time } from "headgate";
import { Broker, type Bug, unlessCancelled } from "./bug.ts";

/** The worker of the first two bugs: handles message by message; cancelled, it gives back the one that it has. */
async function pullHandleAck(ctx: Context, broker: Broker, fixed: boolean): Promise<void> {
  let held: string | undefined;
  try {
    for (;;) {
      held = await broker.pull(ctx);
      if (held === undefined) return;
      await time.sleep(10, ctx);
      broker.handled(held);
      await broker.ack(held);
      if (fixed) held = undefined;
    }
  } catch (error) {
    unlessCancelled(error);
    if (held !== undefined) await broker.nack(held);
  }
}

export const verdicts: readonly Bug[] = [
  {
    name: "stale id, stopped by the test",
    story:
      "The id of a message stays in its variable after the ack. Cancelled while it waits for the next message, the " +
      "worker gives back the one that it has acked. Its test stops it too, but always in the middle of a message.",
    scenario: (fixed) => async (t) => {
      const broker = new Broker("m1", "m2");
      const [group] = errgroup.withContext(t.ctx);
      void group.go((ctx) => pullHandleAck(ctx, broker, fixed));
      await t.sleep(15);
      t.cancel();
      await group.wait();
      broker.check();
    },
  },
  {
    name: "stale id, cancelled from outside",
    story: "The same worker, whose test does not stop it at all.",
    scenario: (fixed) => async (t) => {
      const broker = new Broker("m1", "m2").end();
      const [group] = errgroup.withContext(t.ctx);
      void group.go((ctx) => pullHandleAck(ctx, broker, fixed));
      await group.wait();
      broker.check();
    },
  },
  {
    name: "ack with the request's ctx",
    story:
      "The message is handled, and then the ctx ends. The ack takes that ctx, so it is not sent, and the message " +
      "will be handled again.",
    scenario: (fixed) => async (t) => {
      const broker = new Broker("m1", "m2").end();
      async function worker(ctx: Context): Promise<void> {
        for (let id = await broker.pull(ctx); id !== undefined; id = await broker.pull(ctx)) {
          broker.handled(id);
          if (fixed) {
            const [settling, cancel] = context.withTimeout(context.withoutCancel(ctx), 2_000);
            using _ = cancel;
            await broker.ack(id, settling);
          } else {
            await broker.ack(id, ctx);
          }
        }
      }
      const [group] = errgroup.withContext(t.ctx);
      void group.go(worker);
      await group.wait().catch(unlessCancelled);
      broker.check();
    },
  },
  {
    name: "acks left in the channel",
    story:
      "The stage that sends the acks stops when the ctx ends, and the messages in its channel are never " +
      "acked. It should stop when the channel is closed and empty.",
    scenario: (fixed) => async (t) => {
      const broker = new Broker("m1", "m2", "m3").end();
      const acks = new Chan<string>(3);
      async function handle(): Promise<void> {
        try {
          for (let id = await broker.pull(t.ctx); id !== undefined; id = await broker.pull(t.ctx)) {
            broker.handled(id);
            await acks.send(id);
          }
        } finally {
          acks.close();
        }
      }
      async function ackUntilCancelled(ctx: Context): Promise<void> {
        for (;;) {
          const got = await select({ id: acks, stop: ctx.done() });
          if (got.case === "stop" || !got.ok) return;
          await broker.ack(got.value);
        }
      }
      async function ackUntilClosed(): Promise<void> {
        for await (const id of acks) await broker.ack(id);
      }
      const [group] = errgroup.withContext(t.ctx);
      void group.go(handle);
      void group.go(fixed ? ackUntilClosed : ackUntilCancelled);
      await group.wait().catch(unlessCancelled);
      broker.check();
    },
  },
  {
    name: "result sent with a ctx",
    story:
      "The handler sends its result with a ctx. When the ctx has ended, the result is lost, although " +
      "the receiver would have taken it.",
    scenario: (fixed) => async (t) => {
      const broker = new Broker("m1", "m2").end();
      const results = new Chan<string>();
      async function handle(ctx: Context): Promise<void> {
        try {
          for (let id = await broker.pull(ctx); id !== undefined; id = await broker.pull(ctx)) {
            broker.handled(id);
            // The receiver goes on until the channel is closed, so there is nothing to fear from waiting for it.
            await (fixed ? results.send(id) : results.send(id, ctx));
          }
        } finally {
          results.close();
        }
      }
      async function ack(): Promise<void> {
        for await (const id of results) await broker.ack(id);
      }
      const [group] = errgroup.withContext(t.ctx);
      void group.go(handle);
      void group.go(ack);
      await group.wait().catch(unlessCancelled);
      broker.check();
    },
  },
  {
    name: "results without a reader",
    story:
      "The connection to the broker ends with the ctx. The stage that acks fails and returns. The stage " +
      "before it waits for ever to send a result.",
    scenario: (fixed) => async (t) => {
      const broker = new Broker("m1", "m2", "m3").end();
      const results = new Chan<string>();
      const [acked, failed]: [string[], string[]] = [[], []];
      let handled = 0;
      async function handle(): Promise<void> {
        try {
          for (let id = await broker.pull(t.ctx); id !== undefined; id = await broker.pull(t.ctx)) {
            handled++;
            await results.send(id);
          }
        } finally {
          results.close();
        }
      }
      async function ack(): Promise<void> {
        for await (const id of results) {
          try {
            await broker.ack(id, t.ctx);
            acked.push(id);
          } catch (error) {
            failed.push(id);
            // The reader reads the channel to its end, even if it can only name what it could not settle.
            if (!fixed) throw error;
          }
        }
      }
      const group = new errgroup.Group();
      void group.go(handle);
      void group.go(ack);
      await group.wait().catch(unlessCancelled);
      assert(acked.length + failed.length === handled, "a result was lost");
    },
  },
];
