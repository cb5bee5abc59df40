/** The source of RabbitMQ, with quorum queues, against a real server. */
import process from "node:process";
import { after } from "node:test";
import amqp from "amqplib";
import { rabbitQueue } from "../../dist/worker/rabbitmq.js";
import { registers } from "./conformance.mjs";

const open = () => amqp.connect(`${process.env.BROKER_URL}?heartbeat=5`);
const connection = await open();
after(() => connection.close());
const channel = await connection.createConfirmChannel();
const quorum = { durable: true, arguments: { "x-queue-type": "quorum" } };

let labs = 0;
async function makeLab() {
  const queue = `lab${++labs}`;
  const dead = `${queue}.dead`;
  await channel.assertQueue(queue, quorum);
  await channel.assertQueue(dead, quorum);
  const [source, other] = [0, 1].map(() => rabbitQueue(open, { queue, prefetch: 100, deadLetters: { queue: dead } }));
  return {
    source,
    other,
    publish: (body, attributes) =>
      new Promise((resolve, reject) => {
        const options = { persistent: true, headers: attributes };
        channel.sendToQueue(queue, Buffer.from(body), options, (error) => (error ? reject(error) : resolve()));
      }),
    deadLetters: async () => {
      const letters = [];
      for (let letter; (letter = await channel.get(dead, { noAck: true })) !== false;) {
        letters.push({ body: letter.content.toString(), reason: letter.properties.headers["headgate-reason"] });
      }
      return letters;
    },
    close: async () => {
      await Promise.all([source.close(), other.close()]);
      await channel.deleteQueue(queue);
      await channel.deleteQueue(dead);
    },
  };
}

// A delivery is ours until the channel is closed: there is no lease.
registers("rabbitmq", makeLab, { patience: 5_000 });
