/** The source of Google Cloud Pub/Sub, with Google's emulator: an ordinary subscription, and one with exactly-once delivery. */
import assert from "node:assert/strict";
import process from "node:process";
import { after, test } from "node:test";
import { v1 } from "@google-cloud/pubsub";
import { credentials } from "@grpc/grpc-js";
import { context, time } from "headgate";
import { worker } from "headgate/worker";
import { pubsubSubscription } from "headgate/worker/pubsub";
import { proxyTo } from "./faults/proxy.mjs";
import { handledBy, messages, workerOn } from "./keys.mjs";
import { isEnded, isFollowed, isReconnected } from "./page.mjs";
import { start } from "./servers/pubsub.mjs";
import { conforms, serverOf } from "./suite.mjs";

const server = await serverOf("pubsub", start);
if (server !== undefined) isFollowed("Pub/Sub", { PUBSUB_EMULATOR_HOST: server.url, PUBSUB_PROJECT_ID: "page" });
if (server !== undefined) {
  isEnded("Pub/Sub", start, ({ url }) => ({ PUBSUB_EMULATOR_HOST: url, PUBSUB_PROJECT_ID: "page" }));
  isReconnected("Pub/Sub", server, (url) => ({ PUBSUB_EMULATOR_HOST: url, PUBSUB_PROJECT_ID: "hung" }));
  const [apiEndpoint, port] = server.url.split(":");
  const clientsAt = (port) => {
    const open = { projectId: "lab", apiEndpoint, port: Number(port), sslCreds: credentials.createInsecure() };
    const [client, publisher] = [new v1.SubscriberClient(open), new v1.PublisherClient(open)];
    return { client, publisher, close: () => Promise.all([client.close(), publisher.close()]) };
  };
  const { client, publisher, close } = clientsAt(port);
  after(close);

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
    const source = (by = { client, publisher }) =>
      pubsubSubscription(by.client, {
        subscription,
        deadLetters: { topic: dead, publisher: by.publisher },
        ...options,
      });
    const found = [];
    return {
      topic,
      open: source,
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
            return { body: data.toString(), reason: attributes["headgate-reason"], attributes };
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
    patience: 20_000,
    soon: 15_000,
  };
  conforms("pubsub", () => makeLab(), traits);
  // Without ordering: the emulator would have acks in the order of delivery then, also of messages that have no key.
  const once = { enableExactlyOnceDelivery: true, enableMessageOrdering: false };
  conforms("pubsub, exactly once", () => makeLab(once), traits);

  void test("pubsub: a worker that is stopped again and again handles nothing twice and loses nothing", async () => {
    // Longer than the test takes: on a busy machine a worker may be too late for the shortest lease, and then rightly says "expired".
    const lab = await makeLab({}, { lease: 300_000 });
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
    { timeout: 120_000 },
    async () => {
      const lab = await makeLab({}, { lease: 60_000 });
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

  void test("pubsub: no call rejects unheard whose ctx ends, and whose client is closed, while it is under way", async () => {
    const unheard = [];
    process.on("unhandledRejection", (error) => unheard.push(error));
    const lab = await makeLab();
    const proxy = await proxyTo(Number(port));
    const own = Array.from({ length: 24 }, () => clientsAt(proxy.port));
    const sources = own.map((clients) => lab.open(clients));
    const held = [];
    for (const source of sources) {
      await lab.publish(["a"]);
      held.push((await source.pull(context.background(), 1))[0]);
    }
    proxy.freeze();
    const calls = {
      ack: (source, ctx, delivery) => source.ack(ctx, [delivery]),
      nack: (source, ctx, delivery) => source.nack(ctx, [{ delivery, delay: 0, reason: "released" }]),
      extend: (source, ctx, delivery) => source.extend(ctx, [delivery]),
      deadLetter: (source, ctx, delivery) => source.deadLetter(ctx, [{ delivery, error: "no" }]),
    };
    const run = async (n) => {
      const call = Object.values(calls)[n % 4];
      const [ctx, cancel] = context.withTimeout(context.background(), n / 2);
      await assert.rejects(call(sources[n], ctx, held[n]));
      cancel();
      await own[n].close();
    };
    await Promise.all(own.map((_, n) => run(n)));
    // What a client puts off, it puts off for moments.
    await time.sleep(500);
    proxy.close();
    assert.deepEqual(unheard, []);
    await lab.close();
  });

  void test("pubsub: a reason with half an emoji, or with anything, is published, and holds up no other letter", async () => {
    const lab = await makeLab();
    await lab.publish(["half", "line", "long", "plain"]);
    const reasons = { half: "half \uD83D", line: "a\r\nb\0", long: "🚀".repeat(2_000), plain: "no" };
    const report = await allDead(lab.source, 4, (body) => reasons[body]);
    assert.deepEqual([report.dead, report.expired], [4, 0]);
    let letters = [];
    for (let n = 0; n < 20 && letters.length < 4; n++) letters = await lab.deadLetters();
    assert.deepEqual(
      letters
        .map(({ body }) => body)
        .map(String)
        .sort(),
      ["half", "line", "long", "plain"],
    );
    assert.equal(letters.find(({ body }) => body === "half").reason, "Error: half \uFFFD");
    await lab.close();
  });

  void test("pubsub: a connection on which nothing comes back is left for another within a lease, and nothing is handled twice", async () => {
    const proxy = await proxyTo(Number(port));
    const own = clientsAt(proxy.port);
    const lab = await makeLab();
    const bodies = Array.from({ length: 20 }, (_, i) => `m${i}`);
    await lab.publish(bodies);
    const [stop, cancel] = context.withTimeout(context.background(), 180_000);
    const handled = [];
    const handle = async (_ctx, { body }) => {
      await time.sleep(20);
      handled.push(body);
      if (handled.length === 6) proxy.swallow();
      if (new Set(handled).size === bodies.length) cancel();
      // Dead letters have a connection of their own.
      if (handled.length > 15) throw new Error("no");
    };
    const options = { concurrency: 2, prefetch: 2, maxAttempts: 1 };
    const report = await worker(stop, lab.open(own), handle, options);
    cancel();
    await own.close();
    proxy.close();
    assert.deepEqual([...new Set(handled)].map(String).sort(), bodies.map(String).sort());
    // Its verdicts are sent on the new connection before their leases are over; on a machine too busy for that, they say so. Of those that
    // come again then, some may be held, and not begun, when the last body is handled and the worker is stopped.
    assert.equal(report.acked + report.dead + report.expired + report.released, report.pulled);
    assert.ok(report.released <= report.expired);
    assert.ok(handled.length - bodies.length <= report.expired);
    await lab.close();
  });

  void test("pubsub: with message ordering two workers handle those of a key one at a time, in order, also after failures", async () => {
    const lab = await makeLab();
    for (const { key, body } of messages) await lab.publish([body], { key });
    const workers = [lab.source, lab.other].map((source) => workerOn(source, { concurrency: 8 }));
    assert.deepEqual(await handledBy(workers), { together: [], overtaking: [], missing: 0 });
    await lab.close();
  });

  void test("pubsub: what is missing is named, and what to do", async () => {
    const missing = pubsubSubscription(client, {
      subscription: "projects/lab/subscriptions/missing",
      deadLetters: { topic: "projects/lab/topics/missing", publisher },
    });
    const background = context.background();
    await assert.rejects(
      missing.pull(background, 1),
      /no subscription projects\/lab\/subscriptions\/missing; create it/,
    );
    const lab = await makeLab({}, { deadLetters: { topic: "projects/lab/topics/missing", publisher } });
    await lab.publish(["a"]);
    const [delivery] = await lab.source.pull(background, 1);
    const burying = lab.source.deadLetter(background, [{ delivery, error: "no" }]);
    await assert.rejects(burying, /no topic projects\/lab\/topics\/missing; create it/);
    await lab.close();
  });
}

/** Runs a worker whose handler fails for good, until so many messages are dead. */
async function allDead(source, count, reasonFor) {
  const [stop, cancel] = context.withTimeout(context.background(), 120_000);
  let left = count;
  const observe = (event) => {
    if (event.type === "settled" && event.verdict === "dead" && (left -= event.count) <= 0) cancel();
  };
  const fails = (_ctx, { body }) => {
    throw new Error(reasonFor(body));
  };
  const report = await worker(stop, source, fails, { maxAttempts: 1, observe });
  cancel();
  return report;
}
