/** Google Cloud Pub/Sub, with Google's emulator: headgate by unary pulls, and the streaming pull of its own client. */
import { Duration, PubSub, v1 } from "@google-cloud/pubsub";
import { credentials } from "@grpc/grpc-js";
import { headgate, workerOn } from "./headgate.mjs";
import { lots } from "./job.mjs";

export const title = "Google Cloud Pub/Sub";
/** Fewer than of the others: the emulator is the slowest. */
export const messages = 10_000;

export const versionOf = () => "the emulator";

const { pubsubSubscription } = await headgate("worker/pubsub/index.js");

const on = (more, consumer) => ({
  ...more,
  async open(url, name) {
    const [apiEndpoint, port] = url.split(":");
    const sslCreds = credentials.createInsecure();
    const options = { projectId: "bench", apiEndpoint, port: Number(port), sslCreds };
    const [publisher, subscriber] = [new v1.PublisherClient(options), new v1.SubscriberClient(options)];
    const topic = `projects/bench/topics/${name}`;
    const subscription = `projects/bench/subscriptions/${name}`;
    await publisher.createTopic({ name: topic });
    await subscriber.createSubscription({ name: subscription, topic, ackDeadlineSeconds: 10 });
    return {
      async fill(messages) {
        for (const lot of lots(messages, 500)) {
          const all = lot.map((message) => ({ data: Buffer.from(JSON.stringify(message)) }));
          await publisher.publish({ topic, messages: all });
        }
      },
      // The emulator does not say what is left.
      consumer: (order) => consumer({ options, url, name, subscription }, order),
      async close() {
        await subscriber.deleteSubscription({ subscription });
        await publisher.deleteTopic({ topic });
        await Promise.all([publisher.close(), subscriber.close()]);
      },
    };
  },
});

const ours = on(
  {
    id: "headgate",
    name: "headgate",
    note: "unary pulls; each ack is confirmed by the server, up to 100 in a call",
  },
  ({ options, subscription }, order) => {
    const client = new v1.SubscriberClient(options);
    return workerOn(pubsubSubscription(client, { subscription }), order, () => client.close());
  },
);

const stream = (more, settings) =>
  on(more, async ({ url, name }, { concurrency, handle }) => {
    const pubsub = new PubSub({ projectId: "bench", apiEndpoint: url, emulatorMode: true });
    const subscription = pubsub.subscription(name, settings(concurrency));
    subscription.on("error", (error) => console.error(error));
    const acked = await countAcks(pubsub);
    return {
      start: () =>
        void subscription.on("message", (message) => {
          void handle(JSON.parse(message.data.toString())).then(() => message.ack());
        }),
      settled: acked.reach,
      async stop() {
        await subscription.close();
        await pubsub.close();
      },
    };
  });

/** The client does not say when an ack has reached the server, so its requests are watched. */
async function countAcks(pubsub) {
  const client = await new Promise((resolve, reject) => {
    pubsub.getClient_({ client: "SubscriberClient" }, (error, client) => (error ? reject(error) : resolve(client)));
  });
  const acknowledge = client.acknowledge.bind(client);
  let [acked, wanted] = [0, Infinity];
  let tell;
  client.acknowledge = async (request, ...more) => {
    const answer = await acknowledge(request, ...more);
    acked += request.ackIds.length;
    if (acked >= wanted) tell();
    return answer;
  };
  return {
    reach: (count) =>
      new Promise((resolve) => {
        [wanted, tell] = [count, resolve];
        if (acked >= count) resolve();
      }),
  };
}

const flowControl = (concurrency) => ({ maxMessages: concurrency, allowExcessMessages: false });
/** What waits for its ack counts as held: so acks must not be kept back for the 100 ms that are the default. */
const batching = { maxMilliseconds: 5 };

const plain = stream(
  {
    id: "pubsub",
    name: "@google-cloud/pubsub, as it comes",
    note: "up to 1 000 handlers at once; acks are not confirmed, and sent every 100 ms",
    kinds: ["speed"],
  },
  () => ({}),
);
const bounded = stream(
  {
    id: "pubsub-flow",
    name: "@google-cloud/pubsub, flow control",
    note: "at most 100 handlers at once; acks are not confirmed, and sent every 5 ms, because a message that waits for its ack counts as held",
  },
  (concurrency) => ({ flowControl: flowControl(concurrency), batching }),
);
const waiting = stream(
  { id: "pubsub-wait", name: "@google-cloud/pubsub, closed with WaitForProcessing", kinds: ["stop"] },
  (concurrency) => ({
    flowControl: flowControl(concurrency),
    batching,
    closeOptions: { behavior: "WAIT", timeout: Duration.from({ seconds: 10 }) },
  }),
);

export const contenders = [ours, plain, bounded, waiting];
