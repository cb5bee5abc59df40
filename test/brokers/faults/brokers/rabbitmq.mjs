/** RabbitMQ with quorum queues, for the fault runs: as a worker process uses it, and as who publishes and looks after it does. */
import amqp from "amqplib";
import { rabbitQueue } from "headgate/worker/rabbitmq";

/**
 * There are no leases: a delivery belongs to its connection, and that of a silent client is given up after two to three heartbeats. So
 * this is three of them, in ms, where one may be given up in a run, and where it should not.
 */
export const leases = { short: 6_000, long: 45_000 };
/** Quorum queues are on the disk before a publish is confirmed. */
export const tells = true;
export const restarts = "SIGKILL";

export async function open(url, queue, { lease }) {
  const connected = () => amqp.connect(`${url}?heartbeat=${lease / 3_000}`);
  const source = rabbitQueue(connected, { queue, deadLetters: { queue: `${queue}.dead` } });
  return { source, close: () => source.close() };
}

export async function admin(url) {
  const connection = await amqp.connect(`${url}?heartbeat=15`);
  // The server may be killed: then the run opens another admin.
  connection.on("error", () => {});
  const channel = await connection.createConfirmChannel();
  channel.on("error", () => {});
  const durable = { durable: true, arguments: { "x-queue-type": "quorum" } };
  return {
    async create(queue) {
      await channel.assertQueue(queue, durable);
      await channel.assertQueue(`${queue}.dead`, durable);
    },
    async publish(queue, bodies) {
      for (const body of bodies) channel.sendToQueue(queue, Buffer.from(body), { persistent: true });
      await channel.waitForConfirms();
    },
    async deadLetters(queue) {
      const letters = [];
      for (let letter; (letter = await channel.get(`${queue}.dead`, { noAck: true })) !== false;) {
        letters.push({ body: letter.content.toString(), reason: letter.properties.headers["headgate-reason"] });
      }
      return letters;
    },
    left: async (queue) => (await channel.checkQueue(queue)).messageCount,
    close: () => connection.close().catch(() => {}),
  };
}
