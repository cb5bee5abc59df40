/** The source of RabbitMQ, with quorum queues, against a real server. */
import amqp from "amqplib";
import { rabbitQueue } from "../../dist/worker/rabbitmq.js";
import { start } from "./servers/rabbitmq.mjs";
import { conforms, serverOf } from "./suite.mjs";

const server = await serverOf("rabbitmq", start);
if (server !== undefined) await run(server);

async function run({ url, closing }) {
  const open = () => amqp.connect(`${url}?heartbeat=5`);
  const connection = await open();
  closing.push(() => connection.close());
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
  conforms("rabbitmq", makeLab, { patience: 5_000 });
}
