/** Google Cloud Pub/Sub's emulator, for the fault runs: as a worker process uses it, and as who publishes and looks after it does. */
import process from "node:process";
import { v1 } from "@google-cloud/pubsub";
import { credentials } from "@grpc/grpc-js";
import { context } from "headgate";
import { pubsubSubscription } from "headgate/worker/pubsub";

/** ms of a lease that may run out in a run, the shortest there is; and of one that should not. */
export const leases = { short: 10_000, long: 30_000 };
export const restarts = undefined;
/** The broker does not report the number of messages: see `left`. */
export const tells = false;
export const whyNoRestart = "the emulator keeps everything in memory";

// The client would look for a metadata server, off the loopback.
process.env.METADATA_SERVER_DETECTION = "none";

const names = (queue) => ({
  topic: `projects/lab/topics/${queue}`,
  dead: `projects/lab/topics/${queue}-dead`,
  subscription: `projects/lab/subscriptions/${queue}`,
  letters: `projects/lab/subscriptions/${queue}-dead`,
});

function clientsOf(url) {
  const [apiEndpoint, port] = url.split(":");
  const options = { projectId: "lab", apiEndpoint, port: Number(port), sslCreds: credentials.createInsecure() };
  const client = new v1.SubscriberClient(options);
  let publisher;
  return {
    client,
    // To make one takes a while, and few workers need it.
    publisher: () => (publisher ??= new v1.PublisherClient(options)),
    close: () => Promise.all([client.close(), publisher?.close()]),
  };
}

export async function open(url, queue, { lease }) {
  const { client, publisher, close } = clientsOf(url);
  const { subscription, dead } = names(queue);
  const deadLetters = { topic: dead, publisher: { publish: (...args) => publisher().publish(...args) } };
  return { source: pubsubSubscription(client, { subscription, lease, deadLetters }), close };
}

export async function admin(url) {
  const { client, publisher, close } = clientsOf(url);
  /** The leases, by the names of the queues. */
  const created = new Map();
  return {
    async create(queue, lease) {
      created.set(queue, lease);
      const { topic, dead, subscription, letters } = names(queue);
      for (const name of [topic, dead]) await publisher().createTopic({ name });
      await client.createSubscription({
        name: subscription,
        topic,
        ackDeadlineSeconds: lease / 1_000,
        // Without one, deliveries are not counted.
        deadLetterPolicy: { deadLetterTopic: dead, maxDeliveryAttempts: 100 },
      });
      await client.createSubscription({ name: letters, topic: dead });
    },
    async publish(queue, bodies) {
      const messages = bodies.map((body) => ({ data: Buffer.from(body) }));
      await publisher().publish({ topic: names(queue).topic, messages });
    },
    async deadLetters(queue) {
      const request = { subscription: names(queue).letters, maxMessages: 100 };
      const [{ receivedMessages }] = await client.pull(request, { timeout: 1_000, retry: null });
      return receivedMessages.map(({ message: { data, attributes } }) => {
        return { body: data.toString(), reason: attributes["headgate-reason"] };
      });
    },
    /** The number of messages that can be pulled within a time longer than a lease: the broker does not report it. */
    async left(queue) {
      const source = pubsubSubscription(client, { subscription: names(queue).subscription });
      const [ctx, cancel] = context.withTimeout(context.background(), created.get(queue) + 3_000);
      const got = await source.pull(ctx, 1_000);
      cancel();
      return got.length;
    },
    close,
  };
}
