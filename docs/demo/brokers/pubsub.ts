/** Google Cloud Pub/Sub: a topic with one subscription, and a topic of dead letters with another. */
import process from "node:process";
import { type PubsubPublisher, type PubsubSubscriber, pubsubSubscription } from "headgate/worker/pubsub";
import { load } from "../clients.ts";
import { type Adapter, LEASE } from "./broker.ts";

interface Client {
  readonly auth: { getClient(): Promise<unknown> };
  close(): Promise<void>;
}
interface Calls {
  timeout: number;
  retry: null;
}
type Subscriber = PubsubSubscriber & Client & { createSubscription(config: object, options: Calls): Promise<unknown> };
type Publisher = PubsubPublisher & Client & { createTopic(config: object, options: Calls): Promise<unknown> };
interface Pubsub {
  readonly v1: {
    readonly SubscriberClient: new (options: object) => Subscriber;
    readonly PublisherClient: new (options: object) => Publisher;
  };
}
interface Grpc {
  readonly credentials: { createInsecure(): unknown };
}

/** Each call may take so many ms, and is not repeated. */
const once: Calls = { timeout: 20_000, retry: null };

export async function openPubsub(url: URL, queue: string): Promise<Adapter> {
  const { v1 } = load<Pubsub>("@google-cloud/pubsub");
  const projectId = url.host || url.pathname;
  const of = (kind: "topics" | "subscriptions", name: string): string => `projects/${projectId}/${kind}/${name}`;
  const options = { projectId, ...emulator() };
  const [client, publisher] = [new v1.SubscriberClient(options), new v1.PublisherClient(options)];
  const close = (): Promise<unknown> => Promise.all([client.close(), publisher.close()]);
  const [topic, subscription] = [of("topics", queue), of("subscriptions", queue)];
  const [dead, letters] = [of("topics", `${queue}-dead`), of("subscriptions", `${queue}-dead`)];
  try {
    // The client asks for its credentials in each call. If there are none, one of its promises rejects and cannot be caught.
    if (!("apiEndpoint" in options)) {
      await publisher.auth.getClient().catch((error) => {
        throw new Error("without PUBSUB_EMULATOR_HOST this is Google's own", { cause: error });
      });
    }
    for (const name of [topic, dead]) await unlessThere(publisher.createTopic({ name }, once));
    // Without a policy, deliveries are not counted; the worker's attempts are over long before these.
    const deadLetterPolicy = { deadLetterTopic: dead, maxDeliveryAttempts: 100 };
    const ackDeadlineSeconds = LEASE / 1000;
    const config = { name: subscription, topic, ackDeadlineSeconds, deadLetterPolicy };
    await unlessThere(client.createSubscription(config, once));
    // What goes to a topic without one is gone.
    await unlessThere(client.createSubscription({ name: letters, topic: dead }, once));
  } catch (error) {
    await close();
    throw error;
  }
  const source = pubsubSubscription(client, { subscription, lease: LEASE, deadLetters: { topic: dead, publisher } });
  return {
    source,
    publish(texts) {
      const messages = texts.map((text) => ({ data: Buffer.from(text), attributes: {}, orderingKey: "" }));
      // They are a batch already, and need not wait to be put into another.
      return publisher.publish({ topic, messages }, { ...once, isBundling: false });
    },
    deadLetters: `the subscription ${queue}-dead`,
    close,
  };
}

/** How to reach the emulator, if that is wanted: these clients do not look for it by themselves. */
function emulator(): object {
  const { PUBSUB_EMULATOR_HOST: host } = process.env;
  if (!host) return {};
  // The client would look for Google's own machines.
  process.env["METADATA_SERVER_DETECTION"] = "none";
  const { hostname, port } = new URL(`http://${host}`);
  const { credentials } = load<Grpc>("@grpc/grpc-js");
  return { apiEndpoint: hostname, port: Number(port), sslCreds: credentials.createInsecure() };
}

/** Two terminals may make everything at the same time. Then the second one gets the error that it exists. */
async function unlessThere(making: Promise<unknown>): Promise<void> {
  await making.catch((error: { code?: unknown }) => {
    if (error.code !== 6) throw error;
  });
}
