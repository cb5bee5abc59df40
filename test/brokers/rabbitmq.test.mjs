/** headgate/worker/rabbitmq, with quorum queues, with a real server. */
import amqp from "amqplib";
import { rabbitQueue } from "headgate/worker/rabbitmq";
import { isFollowed } from "./page.mjs";
import { start } from "./servers/rabbitmq.mjs";
import { conforms, isStopped, serverOf } from "./suite.mjs";

const server = await serverOf("rabbitmq", start);
if (server !== undefined) isFollowed("RabbitMQ", { RABBITMQ_URL: server.url });
if (server !== undefined) await run(server);

async function run({ url, atEnd }) {
  const open = () => amqp.connect(`${url}?heartbeat=5`);
  const connection = await open();
  atEnd(() => connection.close());
  const channel = await connection.createConfirmChannel();
  const quorum = { durable: true, arguments: { "x-queue-type": "quorum" } };

  let labs = 0;
  async function makeLab() {
    const queue = `lab${++labs}`;
    const dead = `${queue}.dead`;
    await channel.assertQueue(queue, quorum);
    await channel.assertQueue(dead, quorum);
    const key = ({ properties }) => properties.headers?.key;
    const options = { queue, deadLetters: { queue: dead }, key };
    const [source, other] = [rabbitQueue(open, options), rabbitQueue(open, options)];
    const publish = (body, headers) =>
      new Promise((resolve, reject) => {
        channel.sendToQueue(queue, Buffer.from(body), { persistent: true, headers }, (error) =>
          error ? reject(error) : resolve(),
        );
      });
    return {
      source,
      other,
      publish: async (bodies, { key, attributes } = {}) => {
        for (const body of bodies) await publish(body, { ...attributes, ...(key === undefined ? {} : { key }) });
      },
      deadLetters: async () => {
        // Those that were seen stay there, for who asks again.
        const letters = [];
        const seen = [];
        for (let letter; (letter = await channel.get(dead)) !== false;) {
          seen.push(letter);
          const { headers } = letter.properties;
          letters.push({ body: letter.content.toString(), reason: headers["headgate-reason"], attributes: headers });
        }
        for (const letter of seen) channel.nack(letter);
        return letters;
      },
      close: async () => {
        await Promise.all([source.close(), other.close()]);
        await channel.deleteQueue(queue);
        await channel.deleteQueue(dead);
      },
    };
  }

  conforms("rabbitmq", makeLab, {
    // A delivery is ours until the channel is closed.
    lease: Infinity,
    fenced: true,
    delayed: true,
    attempts: true,
    releaseIsFree: true,
    deadLetters: true,
    keys: true,
    attributes: true,
    ordered: true,
    patience: 20_000,
    soon: 10_000,
  });
  isStopped("rabbitmq", makeLab);
}
