/** headgate/worker/rabbitmq on a real server that refuses, hangs, or is cut off: what is counted as settled is, and nothing else is held up. */
import assert from "node:assert/strict";
import process from "node:process";
import { test } from "node:test";
import amqp from "amqplib";
import { context, time } from "headgate";
import { worker } from "headgate/worker";
import { rabbitQueue } from "headgate/worker/rabbitmq";
import { handledBy, messages } from "./keys.mjs";
import { isClosed } from "./opened.mjs";
import { fileOf, isEnded, isReconnected } from "./page.mjs";
import { proxyTo } from "./faults/proxy.mjs";
import { start } from "./servers/rabbitmq.mjs";
import { serverOf } from "./suite.mjs";

/** No promise may reject unheard, in any of these tests. */
const unheard = [];
process.on("unhandledRejection", (error) => unheard.push(error));

const server = await serverOf("rabbitmq, troubles", start);
if (server !== undefined) {
  isEnded("RabbitMQ", start, ({ url }) => ({ RABBITMQ_URL: url }));
  isClosed("RabbitMQ", start, ({ url }) => ({ RABBITMQ_URL: url }));
  isReconnected("RabbitMQ", server, (url) => ({ RABBITMQ_URL: url }));
  await run(server);
}

async function run({ url, atEnd }) {
  const background = context.background();
  const connection = await amqp.connect(url);
  atEnd(() => connection.close());
  const channel = await connection.createConfirmChannel();
  const quorum = { "x-queue-type": "quorum" };
  const portOf = () => Number(new URL(url).port);

  let labs = 0;
  /** A queue of its own, and how to look at it. */
  const makeQueue = async (more = {}) => {
    const queue = `trouble${++labs}`;
    await channel.assertQueue(queue, { durable: true, arguments: { ...quorum, ...more } });
    return queue;
  };
  const publish = async (queue, bodies, options = {}) => {
    for (const body of bodies) channel.sendToQueue(queue, Buffer.from(body), { persistent: true, ...options });
    await channel.waitForConfirms();
  };
  const numbered = (n) => Array.from({ length: n }, (_, i) => `m${i}`);
  const take = async (source, n, window = n) => {
    const got = [];
    while (got.length < n) got.push(...(await source.pull(background, n - got.length, window)));
    return got;
  };
  const endPull = async (source) => {
    const [ctx, cancel] = context.withCancel(background);
    const pulling = source.pull(ctx, 1);
    cancel();
    assert.deepEqual(await pulling, []);
  };
  /** How many a queue has at the last, when the deliveries of closed channels are back. */
  const comesTo = async (queue, n) => {
    let count;
    for (const late = performance.now() + 60_000; performance.now() < late; await time.sleep(20)) {
      ({ messageCount: count } = await channel.checkQueue(queue));
      if (count === n) break;
    }
    return count;
  };
  /** The messages of a queue, which is empty then. */
  const letters = async (queue) => {
    const all = [];
    for (let letter; (letter = await channel.get(queue, { noAck: true })) !== false;) all.push(letter);
    return all;
  };

  void test("rabbitmq: 250 acks out of order are the queue's when a source that was stopped is closed, 20 times", async () => {
    for (let i = 0; i < 20; i++) {
      const queue = await makeQueue();
      await publish(queue, numbered(500));
      const source = rabbitQueue(() => amqp.connect(url), { queue });
      const got = await take(source, 500);
      await endPull(source);
      assert.deepEqual(
        await source.ack(
          background,
          got.filter((_, i) => i % 2 === 1),
        ),
        [],
      );
      await source.close();
      assert.equal(await comesTo(queue, 250), 250);
      await channel.deleteQueue(queue);
    }
  });

  void test("rabbitmq: 250 acks out of order that count are the queue's when the connection is cut at once, 20 times", async () => {
    const proxy = await proxyTo(portOf());
    const through = url.replace(/:\d+$/, `:${proxy.port}`);
    for (let i = 0; i < 20; i++) {
      const queue = await makeQueue();
      await publish(queue, numbered(500));
      const source = rabbitQueue(() => amqp.connect(through), { queue });
      const got = await take(source, 500);
      assert.deepEqual(
        await source.ack(
          background,
          got.filter((_, i) => i % 2 === 1),
        ),
        [],
      );
      proxy.cut();
      assert.equal(await comesTo(queue, 250), 250);
      await source.close();
      await channel.deleteQueue(queue);
    }
    proxy.close();
  });

  void test(
    "rabbitmq: a worker at the sizes for speed that is stopped 12 times handles nothing twice",
    { timeout: 300_000 },
    async () => {
      const queue = await makeQueue();
      const handled = new Map();
      const stopped = async (ms) => {
        const source = rabbitQueue(() => amqp.connect(url), { queue });
        const [stop, cancel] = context.withTimeout(background, ms);
        const handle = async (_, { body }) => {
          await time.sleep(Math.random() * 5);
          handled.set(body, (handled.get(body) ?? 0) + 1);
        };
        const report = await worker(stop, source, handle, { concurrency: 100, prefetch: 400, batch: 250 });
        cancel();
        await source.close();
        assert.equal(report.expired, 0);
      };
      let published = 0;
      for (let i = 0; i < 12; i++) {
        await publish(
          queue,
          Array.from({ length: 2_000 }, () => `m${published++}`),
        );
        await stopped(50 + Math.random() * 200);
      }
      for (let i = 0; i < 50 && handled.size < published; i++) await stopped(500);
      assert.deepEqual(
        [...handled].filter(([, times]) => times > 1),
        [],
      );
      assert.equal(handled.size, published);
    },
  );

  void test("rabbitmq: eight releases cost a message no attempt, and it is tried maxAttempts times", async () => {
    const [queue, dead] = [await makeQueue(), await makeQueue()];
    await publish(queue, ["a"]);
    for (let i = 0; i < 8; i++) {
      const source = rabbitQueue(() => amqp.connect(url), { queue });
      const [delivery] = await take(source, 1);
      assert.deepEqual(await source.nack(background, [{ delivery, delay: 0, reason: "released" }]), []);
      await source.close();
    }
    const source = rabbitQueue(() => amqp.connect(url), { queue, deadLetters: { queue: dead } });
    const [stop, cancel] = context.withTimeout(background, 120_000);
    const attempts = [];
    const handle = (_, { attempt }) => {
      attempts.push(attempt);
      if (attempt === 3) cancel();
      throw new Error("no");
    };
    const report = await worker(stop, source, handle, { maxAttempts: 3, backoff: () => 50 });
    await source.close();
    assert.deepEqual([attempts, report.retried, report.dead], [[1, 2, 3], 2, 1]);
    assert.equal((await letters(dead))[0].properties.headers["headgate-attempts"], 3);
  });

  void test("rabbitmq: a message with more headers than can be copied is dead all the same, and the letter says what was left out", async () => {
    const [queue, dead] = [await makeQueue(), await makeQueue()];
    const source = rabbitQueue(() => amqp.connect(url), { queue, deadLetters: { queue: dead } });
    const expected = [
      [100, undefined, true, true],
      [64_200, "reason", true, false],
      [65_300, "headers", false, true],
    ];
    for (const [size, leftOut, hasHeaders, hasReason] of expected) {
      await publish(queue, ["a"], { headers: { large: "x".repeat(size) } });
      const [delivery] = await take(source, 1);
      const error = new Error(`no${"!".repeat(2_000)}\uD83D`);
      assert.deepEqual(await source.deadLetter(background, [{ delivery, error }]), []);
      const [{ properties, content }] = await letters(dead);
      const { large, "headgate-left-out": said, "headgate-reason": reason } = properties.headers;
      assert.deepEqual(
        [said, large !== undefined, reason?.startsWith("Error: no!!") ?? false],
        [leftOut, hasHeaders, hasReason],
      );
      assert.equal(content.toString(), "a");
    }
    await source.close();
    assert.equal(await comesTo(queue, 0), 0);
  });

  void test("rabbitmq: a message with more headers than can be copied is tried again at once, and each delivery counts", async () => {
    const queue = await makeQueue();
    const source = rabbitQueue(() => amqp.connect(url), { queue });
    await publish(queue, ["a"], { headers: { large: "x".repeat(65_300) } });
    for (let attempt = 1; attempt <= 3; attempt++) {
      const [delivery] = await take(source, 1);
      assert.equal(delivery.attempt, attempt);
      assert.deepEqual(await source.nack(background, [{ delivery, delay: 1_000, reason: "failed" }]), []);
    }
    await source.close();
  });

  void test("rabbitmq: headers of every type are copied as they were", async () => {
    const [queue, dead] = [await makeQueue(), await makeQueue()];
    const typed = (type, value) => ({ "!": type, value });
    const headers = {
      text: "é💡",
      nothing: null,
      yes: true,
      int: -5,
      double: 0.5,
      long: typed("long", 2 ** 40),
      float: typed("float", 0.25),
      byte: typed("byte", 7),
      short: typed("short", 300),
      moment: typed("timestamp", 1_700_000_000),
      decimal: typed("decimal", { places: 2, digits: 1234 }),
      bytes: Buffer.from([1, 2, 255]),
      table: { inner: { deep: [1, "two", { three: 3 }] } },
    };
    const source = rabbitQueue(() => amqp.connect(url), { queue, deadLetters: { queue: dead } });
    await publish(queue, ["a"], { headers });
    const [delivery] = await take(source, 1);
    await source.nack(background, [{ delivery, delay: 1, reason: "failed" }]);
    const [again] = await take(source, 1);
    await source.deadLetter(background, [{ delivery: again, error: "no" }]);
    const [letter] = await letters(dead);
    const before = delivery.message.properties.headers;
    for (const name of Object.keys(headers)) assert.deepEqual(letter.properties.headers[name], before[name], name);
    await source.close();
  });

  void test("rabbitmq: of a batch with a dead letter that is refused the others are settled, and it is, too, when there is room again", async () => {
    const queue = await makeQueue();
    const dead = await makeQueue({ "x-max-length": 2, "x-overflow": "reject-publish" });
    await publish(queue, numbered(8));
    // A full queue only says so to those that come later.
    for (let full = false; !full;) await publish(dead, ["x"]).catch(() => (full = true));
    const source = rabbitQueue(() => amqp.connect(url), { queue, deadLetters: { queue: dead } });
    const items = (await take(source, 8)).map((delivery) => ({ delivery, error: new Error("no") }));
    let left = items;
    let refusals = 0;
    // Those that are repeated stay settled, also with others.
    for (let i = 0; i < 50 && left.length > 0; i++) {
      try {
        assert.deepEqual(await source.deadLetter(background, left), []);
        left = [];
      } catch (error) {
        assert.match(error.message, /could not be settled, the others are: .*has not taken a message/);
        refusals++;
        const taken = await letters(dead);
        assert.ok(taken.length > 0, "a queue that was emptied takes more");
      }
    }
    assert.equal(left.length, 0);
    assert.ok(refusals > 0);
    await source.close();
    assert.equal(await comesTo(queue, 0), 0);
  });

  void test("rabbitmq: a source whose server hangs is closed in time, and so is its socket", async () => {
    const proxy = await proxyTo(portOf());
    const queue = await makeQueue();
    await publish(queue, ["a"]);
    let made;
    const open = async () => (made = await amqp.connect(url.replace(/:\d+$/, `:${proxy.port}`)));
    const source = rabbitQueue(open, { queue, closeTimeout: 300 });
    await take(source, 1);
    proxy.freeze();
    await source.close();
    assert.equal(made.connection.stream.destroyed, true);
    proxy.close();
    assert.equal(await comesTo(queue, 1), 1);
  });

  void test(
    "rabbitmq: a connection that hangs without a word is left for another, which gets what is published then",
    { timeout: 180_000 },
    async () => {
      const proxy = await proxyTo(portOf());
      const queue = await makeQueue();
      const places = [url.replace(/:\d+$/, `:${proxy.port}`), url];
      let connections = 0;
      const open = () => amqp.connect(`${places[Math.min(connections++, 1)]}?heartbeat=3`);
      const source = rabbitQueue(open, { queue });
      const [stop, cancel] = context.withTimeout(background, 170_000);
      const errors = [];
      const running = worker(stop, source, cancel, {
        observe: (event) => event.type === "sourceError" && errors.push(event.error),
      });
      while (connections === 0) await time.sleep(20);
      await time.sleep(500);
      proxy.freeze();
      // The connection that hangs never brings it.
      while (connections === 1) await time.sleep(100);
      await publish(queue, ["a"]);
      const report = await running;
      assert.equal(report.acked, 1);
      assert.match(errors[0].message, /said nothing for 6 s/);
      await source.close();
      proxy.close();
    },
  );

  void test("rabbitmq: a pull that cannot be says what to do, whatever the reason", async () => {
    const classic = `trouble${++labs}`;
    await channel.assertQueue(classic, { durable: true });
    await channel.consume(classic, () => {}, { exclusive: true });
    const wrong = url.replace(/\/\/.*@/, "//guest:wrong@");
    for (const [address, queue, words] of [
      [url, classic, /has the queue trouble\d+ exclusively.*end it/],
      [url, "nosuch", /there is no queue nosuch here: declare it first/],
      [wrong, classic, /refuses the user or the password/],
      [`${url}/nosuch`, classic, /is the vhost of the url there/],
    ]) {
      const source = rabbitQueue(() => amqp.connect(address), { queue });
      await assert.rejects(source.pull(background, 1), words);
      await source.close();
    }
  });

  const ordered = { ...quorum, "x-single-active-consumer": true, "x-delivery-limit": 1_000_000 };
  const key = ({ properties }) => properties.headers?.key;
  const sends = async (queue) => {
    for (const { key, body } of messages) {
      channel.sendToQueue(queue, Buffer.from(body), { persistent: true, headers: { key } });
    }
    await channel.waitForConfirms();
  };
  /** A worker with a source of its own, which is stopped after so many ms, and closed. */
  const orderly = (queue, options, ms) => async (stop, handle, usual) => {
    const source = rabbitQueue(() => amqp.connect(url), { queue, key, ordered });
    const [ctx, cancel] = ms === undefined ? context.withCancel(stop) : context.withTimeout(stop, ms);
    const report = await worker(ctx, source, handle, { ...usual, ...options });
    cancel();
    await source.close();
    return report;
  };

  void test("rabbitmq: with ordered, keys are handled one at a time and in order across workers, after failures and stops, too", async () => {
    for (const options of [
      { concurrency: 4, prefetch: 8 },
      { concurrency: 16, prefetch: 16 },
    ]) {
      const queue = `trouble${++labs}`;
      await channel.assertQueue(queue, { durable: true, arguments: ordered });
      await sends(queue);
      const workers = [300, 700, undefined, undefined].map((ms) => orderly(queue, options, ms));
      const seen = await handledBy(workers);
      assert.deepEqual(seen, { together: [], overtaking: [], missing: 0 });
      assert.equal(await comesTo(queue, 0), 0);
    }
  });

  void test("rabbitmq: by the program of the page, keys are handled one at a time and in order across processes", async () => {
    const recipe = fileOf("keys, RabbitMQ").replace("= await Promise.all", "= () => Promise.all");
    const names = ["channel", "connect", "rabbitQueue", "worker", "stop", "handle"];
    const Recipe = (async () => {}).constructor;
    const run = new Recipe(...names, `${recipe}\nreturn { publish, reports };`);
    const connect = () => amqp.connect(url);
    const { publish } = await run(channel);
    for (const { key, body } of messages) await publish(key, body);
    const process = async (stop, handle, usual) => {
      const withOptions = (stop, source, handle) => worker(stop, source, handle, usual);
      const { reports } = await run(channel, connect, rabbitQueue, withOptions, stop, handle);
      await reports();
    };
    assert.deepEqual(await handledBy([process, process]), { together: [], overtaking: [], missing: 0 });
  });

  void test("rabbitmq: with ordered and no key, the whole queue is handled in order, one at a time, and failures count", async () => {
    const queue = `trouble${++labs}`;
    const source = rabbitQueue(() => amqp.connect(url), { queue, ordered });
    const [stop, cancel] = context.withTimeout(background, 120_000);
    const seen = [];
    const handle = (_, { body, attempt }) => {
      seen.push(`${body} ${attempt}`);
      if (body === "m2" && attempt < 3) throw new Error("not yet");
      if (body === "m4") cancel();
    };
    const running = worker(stop, source, handle, { concurrency: 1, prefetch: 3, backoff: () => 30 });
    // The source declares the queue, if there is none.
    while (!(await isThere(queue))) await time.sleep(20);
    await publish(queue, numbered(5));
    const report = await running;
    await source.close();
    assert.deepEqual(seen, ["m0 1", "m1 1", "m2 1", "m2 2", "m2 3", "m3 1", "m4 1"]);
    assert.equal(report.retried, 2);
  });

  void test("rabbitmq: with ordered, a queue with other arguments is refused in words", async () => {
    const queue = await makeQueue();
    const source = rabbitQueue(() => amqp.connect(url), { queue, ordered });
    await assert.rejects(source.pull(background, 1), /declared with arguments other than those of "ordered"/);
    await source.close();
  });

  const isThere = async (queue) => {
    const probe = await connection.createChannel();
    probe.on("error", () => {});
    try {
      await probe.checkQueue(queue);
      await probe.close();
      return true;
    } catch {
      return false;
    }
  };

  void test("rabbitmq: no promise has rejected unheard in all this", () => {
    assert.deepEqual(unheard, []);
  });
}
