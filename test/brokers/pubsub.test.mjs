/** The source of Google Cloud Pub/Sub, with Google's emulator: an ordinary subscription, and one with exactly-once delivery. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { v1 } from "@google-cloud/pubsub";
import { credentials } from "@grpc/grpc-js";
import { context, time } from "headgate";
import { worker } from "headgate/worker";
import { pubsubSubscription } from "headgate/worker/pubsub";
import { isFollowed } from "./page.mjs";
import { start } from "./servers/pubsub.mjs";
import { conforms, serverOf } from "./suite.mjs";

const server = await serverOf("pubsub", start);
if (server !== undefined) isFollowed("Pub/Sub", { PUBSUB_EMULATOR_HOST: server.url, PUBSUB_PROJECT_ID: "page" });
if (server !== undefined) {
  const [apiEndpoint, port] = server.url.split(":");
  const open = { projectId: "lab", apiEndpoint, port: Number(port), sslCreds: credentials.createInsecure() };
  const client = new v1.SubscriberClient(open);
  const publisher = new v1.PublisherClient(open);
  after(() => Promise.all([client.close(), publisher.close()]));

  let labs = 0;
  const makeLab = async (settings = {}, options = {}) => {
    const name = `lab${++labs}`;
    const topic = `projects/lab/topics/${name}`;
    const dead = `projects/lab/topics/${name}-dead`;
    const subscription = `projects/lab/subscriptions/${name}`;
    const letters = `${subscription}-dead`;
    await Promise.all([topic, dead].map((each) => publisher.createTopic({ name: each })));
    await client.createSubscription({
      name: subscription,
      topic,
      ackDeadlineSeconds: 10,
      // Without one, deliveries are not counted.
      deadLetterPolicy: { deadLetterTopic: dead, maxDeliveryAttempts: 100 },
      enableMessageOrdering: true,
      ...settings,
    });
    await client.createSubscription({ name: letters, topic: dead });
    const source = () =>
      pubsubSubscription(client, { subscription, deadLetters: { topic: dead, publisher }, ...options });
    const found = [];
    return {
      subscription,
      source: source(),
      other: source(),
      publish: async (bodies, { key = "", attributes = {} } = {}) => {
        const messages = bodies.map((body) => ({ data: Buffer.from(body), attributes, orderingKey: key }));
        await publisher.publish({ topic, messages });
      },
      // Answers at once: the emulator does, when the deadline is a second or less.
      deadLetters: async () => {
        const request = { subscription: letters, maxMessages: 100 };
        const [{ receivedMessages }] = await client.pull(request, { timeout: 1_000, retry: null });
        found.push(
          ...receivedMessages.map(({ message: { data, attributes } }) => {
            return { body: data.toString(), reason: attributes["headgate-reason"] };
          }),
        );
        return found;
      },
      close: async () => {
        await Promise.all([subscription, letters].map((each) => client.deleteSubscription({ subscription: each })));
        await Promise.all([topic, dead].map((each) => publisher.deleteTopic({ topic: each })));
      },
    };
  };

  const traits = {
    lease: 10_000,
    fenced: true,
    // In whole seconds, rounded up.
    delayed: true,
    attempts: true,
    releaseIsFree: false,
    deadLetters: true,
    keys: true,
    attributes: true,
    ordered: false,
    soon: 3_000,
  };
  conforms("pubsub", () => makeLab(), traits);
  // Without ordering: the emulator would have acks in the order of delivery then, also of messages that have no key.
  const once = { enableExactlyOnceDelivery: true, enableMessageOrdering: false };
  conforms("pubsub, exactly once", () => makeLab(once), traits);

  void test("pubsub: a worker that is stopped again and again handles nothing twice and loses nothing", async () => {
    const lab = await makeLab();
    try {
      const published = [];
      const handled = new Map();
      let over = false;
      const publishing = (async () => {
        for (; !over; await time.sleep(2)) {
          const bodies = [0, 1, 2].map((i) => `m${published.length + i}`);
          published.push(...bodies);
          await lab.publish(bodies);
        }
      })();
      const handle = async (ctx, { body }) => {
        await time.sleep(Math.random() * 20, ctx);
        handled.set(body, (handled.get(body) ?? 0) + 1);
      };
      const run = async (source, ms) => {
        const [stop, cancel] = context.withTimeout(context.background(), ms);
        const report = await worker(stop, source, handle, { concurrency: 8, grace: 10_000 });
        cancel();
        assert.equal(report.expired, 0, JSON.stringify(report.leftovers));
        assert.equal(report.stopped, "cancelled");
      };
      for (let i = 0; i < 50; i++) await run(i % 2 === 0 ? lab.source : lab.other, 20 + Math.random() * 80);
      over = true;
      await publishing;
      for (let i = 0; i < 20 && handled.size < published.length; i++) await run(lab.source, 500);
      assert.equal(handled.size, published.length);
      const twice = [...handled].filter(([, times]) => times > 1);
      assert.deepEqual(twice, []);
    } finally {
      await lab.close();
    }
  });

  void test(
    "pubsub: a lease may be longer than the ack deadline of the subscription",
    { timeout: 60_000 },
    async () => {
      const lab = await makeLab({}, { lease: 20_000 });
      try {
        await lab.publish(["a"]);
        const held = await lab.source.pull(context.background(), 1);
        const [ctx, cancel] = context.withTimeout(context.background(), 14_000);
        for (; ctx.err() === undefined;) assert.deepEqual(await lab.other.pull(ctx, 1), []);
        cancel();
        assert.deepEqual(await lab.source.ack(context.background(), held), []);
      } finally {
        await lab.close();
      }
    },
  );
}
