/** NATS JetStream, with a stream in files: headgate, and the consume() of its own client. */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect } from "@nats-io/transport-node";
import { both, headgate, workerOn } from "./headgate.mjs";
import { Gate, lots, until } from "./job.mjs";

export const title = "NATS JetStream";

export async function versionOf(url) {
  const connection = await connect({ servers: url });
  const { version } = connection.info;
  await connection.close();
  return version;
}

const { natsConsumer } = await headgate("worker/nats/index.js");

/** All take from a durable pull consumer of a work queue; `unacked` is how many it hands out before it waits for acks: 1 000, if not said. */
const on = (more, consumer) => ({
  ...more,
  async open(url, name, lease = 30_000) {
    const connection = await connect({ servers: url });
    const js = jetstream(connection);
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name, subjects: [`${name}.>`], retention: "workqueue", storage: "file" });
    const config = { durable_name: "worker", ack_policy: "explicit", ack_wait: lease * 1e6 };
    await manager.consumers.add(name, { ...config, max_ack_pending: more.unacked ?? 1_000 });
    const left = async () => (await manager.streams.info(name)).state.messages;
    return {
      async fill(messages) {
        for (const lot of lots(messages, 500))
          await Promise.all(lot.map((message) => js.publish(`${name}.job`, JSON.stringify(message))));
      },
      left,
      lease,
      consumer: async (order) => consumer(await connect({ servers: url }), name, order, left),
      async close() {
        await manager.streams.delete(name);
        await connection.close();
      },
    };
  },
});

const ours = (more, settings) =>
  on(more, async (connection, name, order) => {
    const source = await natsConsumer(connection, { stream: name, consumer: "worker" });
    return workerOn(source, { ...order, ...settings }, () => connection.drain());
  });

const own = both(
  ours,
  "each batch of acks is confirmed by the server, and an ack counts only if the lease is still ours; nothing is under way between two pulls",
);

/**
 * consume(), in a loop with a bound for what runs at once, or with a callback, where only the consumer's bound for what is not acked limits
 * that. `ack` is what becomes of a message that is handled, `end` how it is stopped.
 */
const consume = (more, ack, end = (messages) => messages.close()) =>
  on(more, async (connection, name, { concurrency, handle }, left) => {
    const consumer = await jetstream(connection).consumers.get(name, "worker");
    const gate = new Gate(concurrency);
    const running = new Set();
    let messages;
    const handleOne = async (message) => {
      try {
        await handle(message.json());
        await ack(message);
      } finally {
        gate.leave();
      }
    };
    const loop = async () => {
      messages = await consumer.consume({ max_messages: concurrency });
      for await (const message of messages) {
        const room = gate.enter();
        if (room !== undefined) await room;
        const one = handleOne(message).catch(() => {});
        running.add(one);
        void one.then(() => running.delete(one));
      }
    };
    const call = async () => {
      const callback = (message) => void handleOne(message);
      messages = await consumer.consume({ max_messages: concurrency, callback });
    };
    return {
      start: () => void (more.unacked === undefined ? loop() : call()),
      // An ack that is not confirmed has no answer, but the stream has the message no longer.
      settled: () => until(async () => (await left()) === 0),
      async stop() {
        await end(messages, running);
        await connection.drain();
      },
    };
  });

const UNCONFIRMED = "an ack is not confirmed: one that is lost is not noticed, and the message comes again";
const BOUNDED = "a callback; at most 100 at once, by max_ack_pending of the consumer, which all its workers share";

const looped = consume(
  { id: "nats-ack", name: "@nats-io consume, a loop, ack()", note: `a bound of 100 by hand; ${UNCONFIRMED}` },
  (message) => message.ack(),
);
const called = consume(
  {
    id: "nats-callback",
    name: "@nats-io consume, a callback, ack()",
    note: `${BOUNDED}; ${UNCONFIRMED}`,
    kinds: ["speed"],
    unacked: 100,
  },
  (message) => message.ack(),
);
const confirmed = consume(
  {
    id: "nats-ackack",
    name: "@nats-io consume, a callback, ackAck()",
    note: `${BOUNDED}; each ack is confirmed`,
    kinds: ["speed"],
    unacked: 100,
  },
  (message) => message.ackAck(),
);
const waiting = consume(
  { id: "nats-wait", name: "@nats-io consume, a loop, and a wait for the handlers by hand", kinds: ["stop"] },
  (message) => message.ack(),
  async (messages, running) => {
    await messages.close();
    await Promise.all(running);
  },
);

export const contenders = [...own, looped, called, confirmed, waiting];
