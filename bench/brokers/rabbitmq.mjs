/** RabbitMQ, with a quorum queue: headgate, and its client amqplib. */
import amqp from "amqplib";
import { both, headgate, workerOn } from "./headgate.mjs";
import { lots } from "./job.mjs";

export const title = "RabbitMQ";

export async function versionOf(url) {
  const model = await amqp.connect(url);
  const { version } = model.connection.serverProperties;
  await model.close();
  return version;
}

const { rabbitQueue } = await headgate("worker/rabbitmq/index.js");

const on = (more, consumer) => ({
  ...more,
  async open(url, name) {
    const connection = await amqp.connect(url);
    const channel = await connection.createConfirmChannel();
    await channel.assertQueue(name, { durable: true, arguments: { "x-queue-type": "quorum" } });
    return {
      async fill(messages) {
        for (const lot of lots(messages, 1000)) {
          for (const message of lot)
            channel.sendToQueue(name, Buffer.from(JSON.stringify(message)), { persistent: true });
          await channel.waitForConfirms();
        }
      },
      left: async () => (await channel.checkQueue(name)).messageCount,
      consumer: (order) => consumer(url, name, order),
      async close() {
        await channel.deleteQueue(name);
        await connection.close();
      },
    };
  },
});

const ours = (more, settings) =>
  on(more, async (url, name, order) => {
    const connection = await amqp.connect(url);
    const { prefetch = order.concurrency } = settings;
    const source = rabbitQueue(connection, { queue: name, prefetch: order.concurrency + prefetch });
    return workerOn(source, { ...order, ...settings }, async () => {
      await source.close();
      await connection.close();
    });
  });

const own = both(
  ours,
  "after each batch of acks the broker confirms that it has them; the oldest are acked with one word",
);

/** consume() with a prefetch count, which is what bounds the handlers that run; `acker` makes what becomes of a message that is handled. */
const consume = (more, acker, end = async () => {}) =>
  on(more, async (url, name, { concurrency, handle }) => {
    const connection = await amqp.connect(url);
    const channel = await connection.createChannel();
    channel.on("error", (error) => console.error(error));
    const { prefetch = concurrency } = more;
    await channel.prefetch(prefetch);
    const ack = acker(channel);
    const running = new Set();
    const handleOne = async (message) => {
      await handle(JSON.parse(message.content.toString()));
      ack(message);
    };
    let tag;
    return {
      async start() {
        const consuming = channel.consume(name, (message) => {
          if (message === null) return;
          const one = handleOne(message).catch(() => {});
          running.add(one);
          void one.then(() => running.delete(one));
        });
        ({ consumerTag: tag } = await consuming);
      },
      // An ack has no answer. A request that has one comes after it.
      settled: () => channel.prefetch(prefetch),
      async stop() {
        await channel.cancel(tag);
        await end(running);
        await channel.close();
        await connection.close();
      },
    };
  });

const each = (channel) => (message) => channel.ack(message);
/** In each turn of the event loop one ack, for all that have been handled in it. */
const many = (channel) => {
  let last;
  return (message) => {
    if (last === undefined)
      setImmediate(() => {
        channel.ack(last, true);
        last = undefined;
      });
    last = message;
  };
};

const single = consume(
  {
    id: "amqplib",
    name: "amqplib",
    note: "an ack for each message, not confirmed: one that is lost with its connection is not noticed",
  },
  each,
);
const multiple = (prefetch) =>
  consume(
    {
      id: `amqplib-${prefetch}`,
      name: `amqplib, one ack for many, prefetch ${prefetch}`,
      note: `one ack for all until this one, which is right only if handlers end in the order of their start, as here. Not confirmed; up to ${prefetch} messages held, and handlers at once`,
      prefetch,
      kinds: ["speed"],
    },
    many,
  );
const waiting = consume(
  { id: "amqplib-wait", name: "amqplib, and a wait for the handlers by hand", kinds: ["stop"] },
  each,
  (running) => Promise.all(running),
);

export const contenders = [...own, single, multiple(200), multiple(500), waiting];
