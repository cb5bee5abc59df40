/** headgate/worker/nats with a real server. */
import assert from "node:assert/strict";
import { connect as connectSocket } from "node:net";
import { test } from "node:test";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { context, time } from "headgate";
import { worker } from "headgate/worker";
import { natsConsumer } from "headgate/worker/nats";
import { proxyTo } from "./faults/proxy.mjs";
import { handledBy, messages } from "./keys.mjs";
import { fileOf, isEnded, isFollowed, isReconnected, isToldOff } from "./page.mjs";
import { start } from "./servers/nats.mjs";
import { conforms, isStopped, serverOf, slowness } from "./suite.mjs";

/** In ms. No multiple of the 500 for which a request waits: a message that is due in the moment of its end may lose its count of attempts. */
const LEASE = 2_230 * slowness;

/** Time limit for what the client itself requests, in ms: its own are too short for a busy machine. */
const TIMEOUT = 60_000;

/** Users who may not do everything. One without a name, such as the program of the page, is the one who may not pull. */
const may = (user, what) => `{ user: ${user}, password: x, permissions: { ${what} } }`;
const users = `no_auth_user: pulls
  accounts { A { jetstream: enabled, users: [
    { user: all, password: x }
    ${may("pulls", 'publish: { deny: ["$JS.API.CONSUMER.MSG.NEXT.>"] }')}
    ${may("acks", 'publish: { deny: ["$JS.ACK.>"] }')}
    ${may("dead", 'publish: { deny: ["letters.>"] }')}
    ${may("asks", 'publish: { deny: ["$JS.API.CONSUMER.INFO.>"] }')}
    ${may("hears", 'subscribe: { deny: ["_INBOX.>"] }')}
  ] } }`;

const server = await serverOf("nats", start);
if (server !== undefined) {
  const deaf = await serverOf("nats, dead connection", start);
  const strict = await serverOf("nats, permissions", () => start(users));
  isFollowed("NATS", { NATS_URL: server.url });
  isEnded("NATS", start, ({ url }) => ({ NATS_URL: url }));
  isReconnected("NATS", deaf, (url) => ({ NATS_URL: url }));
  await refuses(strict);
  await run(server);
}

async function run({ url, atEnd }) {
  const connection = await connect({ servers: url, timeout: TIMEOUT });
  atEnd(() => connection.close());
  const js = jetstream(connection, { timeout: TIMEOUT });
  const manager = await jetstreamManager(connection, { timeout: TIMEOUT });

  let labs = 0;
  async function makeLab({ lease = LEASE, releases, deadConfig = {}, through = connection } = {}) {
    const stream = `lab${++labs}`;
    const dead = `${stream}dead`;
    await manager.streams.add({ name: stream, subjects: [`${stream}.>`], retention: "workqueue" });
    await manager.streams.add({ name: dead, subjects: [`${dead}.>`], ...deadConfig });
    const config = { durable_name: "worker", ack_policy: "explicit", ack_wait: lease * 1e6, max_ack_pending: 10_000 };
    await manager.consumers.add(stream, config);
    const deadLetters = { subject: `${dead}.letters`, headers };
    const key = ({ headers }) => headers?.get("key") || undefined;
    const source = (by = through) => natsConsumer(by, { stream, consumer: "worker", deadLetters, key, releases });
    return {
      stream,
      open: source,
      source: await source(),
      other: await source(),
      publish: async (bodies, { key, attributes = {} } = {}) => {
        const given = headers();
        for (const [name, value] of Object.entries(attributes)) given.set(name, value);
        if (key !== undefined) given.set("key", key);
        for (const body of bodies) await js.publish(`${stream}.message`, body, { headers: given });
      },
      deadLetters: async () => {
        const { state } = await manager.streams.info(dead);
        const letters = [];
        if (state.messages === 0) return letters;
        for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
          const letter = await manager.streams.getMessage(dead, { seq });
          const attributes = Object.fromEntries(
            (letter.header?.keys() ?? []).map((name) => [name, letter.header.get(name)]),
          );
          letters.push({ body: letter.string(), reason: letter.header?.get("Headgate-Reason"), attributes });
        }
        return letters;
      },
      size: async () => (await manager.streams.info(stream)).state.messages,
      close: async () => {
        await manager.streams.delete(stream);
        await manager.streams.delete(dead);
      },
    };
  }

  const traits = {
    lease: LEASE,
    fenced: true,
    delayed: true,
    attempts: true,
    releaseIsFree: false,
    deadLetters: true,
    keys: true,
    attributes: true,
    ordered: true,
  };
  conforms("nats", () => makeLab(), traits);
  await manager.streams.add({ name: "back", subjects: ["back.>"], max_msgs_per_subject: 1, max_age: 3_600e9 });
  const releases = "back";
  conforms("nats, releases written down", () => makeLab({ releases }), { ...traits, releaseIsFree: true });
  isStopped("nats", () => makeLab({ lease: 60_000, releases }));

  void test("nats: after eight graceful stops in eight processes a message has all its attempts", async () => {
    const lab = await makeLab({ lease: 300_000, releases });
    await lab.publish(["a"]);
    for (let n = 0; n < 8; n++) {
      const [stop, cancel] = context.withCancel(context.background());
      const isHeld = async (ctx) => {
        cancel();
        await time.sleep(3_600_000, ctx);
      };
      const { released } = await worker(stop, await lab.open(), isHeld, {
        grace: 40_000,
        abortWindow: 19_000,
        settle: 20_000,
      });
      assert.equal(released, 1);
    }
    const [stop, cancel] = context.withTimeout(context.background(), 120_000);
    const attempts = [];
    const fails = (_ctx, { attempt }) => {
      attempts.push(attempt);
      throw new Error("no");
    };
    const observe = ({ type, verdict }) => type === "settled" && verdict === "dead" && cancel();
    const { dead } = await worker(stop, await lab.open(), fails, { maxAttempts: 3, backoff: () => 1, observe });
    cancel();
    assert.deepEqual([attempts, dead], [[1, 2, 3], 1]);
    await lab.close();
  });

  void test("nats: dead letters that would be too long are there in a smaller form, and hold up no others", async () => {
    const lab = await makeLab({ lease: 60_000 });
    const { max_payload } = connection.info;
    const long = [0, 50, 160, 400].map((less) => max_payload - less);
    for (const length of long) await js.publish(`${lab.stream}.long`, new Uint8Array(length).fill(97));
    const many = headers();
    many.set("many", "x".repeat(65_400));
    await js.publish(`${lab.stream}.headers`, "headers", { headers: many });
    await lab.publish(["a", "b"]);
    const report = await allDead(lab.source, long.length + 3);
    assert.deepEqual([report.dead, report.expired], [long.length + 3, 0]);
    const letters = await lab.deadLetters();
    assert.deepEqual(
      letters
        .map(({ body }) => body.length)
        .map(String)
        .sort(),
      [...long, 7, 1, 1].map(String).sort(),
    );
    assert.equal(letters.find(({ body }) => body === "b").reason, "Error: no");
    await lab.close();
  });

  void test("nats: what another client has called headers ends nothing", async () => {
    const lab = await makeLab({ lease: 60_000 });
    const socket = connectSocket(Number(new URL(url).port), "127.0.0.1");
    socket.on("error", () => {});
    socket.write('CONNECT {"verbose":false,"headers":true}\r\n');
    for (const odd of [
      "NATS/1.0\r\nbad name\x01é: x\r\n\r\n",
      "NATS/1.0\r\n: x\r\n\r\n",
      "none\r\n\r\n",
      "NATS/1.0 503\r\n\r\n",
    ]) {
      const bytes = Buffer.from(odd, "latin1");
      socket.write(`HPUB ${lab.stream}.odd ${bytes.length} ${bytes.length + 3}\r\n`);
      socket.write(Buffer.concat([bytes, Buffer.from("odd\r\n")]));
    }
    while ((await lab.size()) < 4) await time.sleep(10);
    socket.destroy();
    await lab.publish(["a"]);
    const report = await allDead(lab.source, 5);
    assert.deepEqual([report.dead, report.expired], [5, 0]);
    assert.deepEqual(
      (await lab.deadLetters())
        .map(({ body }) => body)
        .map(String)
        .sort(),
      ["a", "odd", "odd", "odd", "odd"],
    );
    await lab.close();
  });

  void test("nats: a stream of dead letters that is full takes the rest when there is room again", async () => {
    const lab = await makeLab({ lease: 30_000, deadConfig: { max_msgs: 2, discard: "new" } });
    await lab.publish(["a", "b", "c"]);
    let refused = false;
    const observe = ({ type, call }) => {
      if (type !== "sourceError" || call !== "deadLetter" || refused) return;
      refused = true;
      void manager.streams.purge(`${lab.stream}dead`);
    };
    const report = await allDead(lab.source, 3, observe);
    assert.deepEqual([refused, report.dead, report.expired], [true, 3, 0]);
    await lab.close();
  });

  void test("nats: a connection on which nothing comes back is left for another, and nothing is handled twice", async (t) => {
    const proxy = await proxyTo(Number(new URL(url).port));
    t.after(() => proxy.close());
    // As the client is by default: it would notice by itself after six minutes.
    const hung = await connect({
      servers: `127.0.0.1:${proxy.port}`,
      timeout: TIMEOUT,
      maxReconnectAttempts: -1,
      ignoreClusterUpdates: true,
    });
    t.after(() => hung.close());
    const lab = await makeLab({ lease: 120_000, through: hung });
    const bodies = Array.from({ length: 20 }, (_, i) => `m${i}`);
    await lab.publish(bodies);
    const [stop, cancel] = context.withTimeout(context.background(), 150_000);
    const handled = [];
    const handle = async (_ctx, { body }) => {
      await time.sleep(20);
      handled.push(body);
      if (handled.length === 6) proxy.swallow();
      if (handled.length === bodies.length) cancel();
    };
    const report = await worker(stop, lab.source, handle, { concurrency: 2, prefetch: 2 });
    cancel();
    assert.deepEqual(handled.map(String).sort(), bodies.map(String).sort());
    assert.deepEqual([report.acked, report.expired], [bodies.length, 0]);
    await lab.close();
  });

  void test("nats: two workers on the keys of the page handle those of each one at a time, in order, also after failures", async (t) => {
    const name = "keys";
    await manager.streams.add({ name, subjects: [`${name}.*`], retention: "workqueue" });
    t.after(() => manager.streams.delete(name));
    const recipe = fileOf("keys, NATS")
      .replaceAll(/(?<=["`])orders(?=["`.])/g, name)
      .replace("= await Promise.all", "= () => Promise.all");
    const names = ["js", "manager", "connection", "natsConsumer", "worker", "stop", "handle"];
    const Recipe = (async () => {}).constructor;
    const run = new Recipe(...names, `${recipe}\nreturn { publish, reports };`);
    const withOptions = (options) => (stop, source, handle, more) =>
      worker(stop, source, handle, { ...options, ...more });
    const { publish } = await run(js, manager, connection, natsConsumer);
    for (const { key, body } of messages) await publish(key, body);
    const process = async (stop, handle, options) => {
      const { reports } = await run(js, manager, connection, natsConsumer, withOptions(options), stop, handle);
      await reports();
    };
    assert.deepEqual(await handledBy([process, process]), { together: [], overtaking: [], missing: 0 });
  });

  void test("nats: a consumer that is deleted, and a connection that is closed, are said to be", async () => {
    const lab = await makeLab();
    await manager.consumers.delete(lab.stream, "worker");
    const pulls = () => lab.source.pull(context.background(), 1);
    await assert.rejects(pulls, /is there still such a consumer/);
    await assert.rejects(() => lab.open(), /consumer not found; make it/);
    const closed = await connect({ servers: url, timeout: TIMEOUT });
    const other = await makeLab({ through: closed });
    await closed.close();
    await assert.rejects(
      () => other.source.pull(context.background(), 1),
      /the connection is closed; make another one/,
    );
    await lab.close();
    await other.close();
  });
}

/** Runs a worker whose handler fails for good, until so many messages are dead. */
async function allDead(source, count, observe = () => {}) {
  const [stop, cancel] = context.withTimeout(context.background(), 120_000);
  let left = count;
  const watch = (event) => {
    if (event.type === "settled" && event.verdict === "dead" && (left -= event.count) <= 0) cancel();
    observe(event);
  };
  const fails = () => {
    throw new Error("no");
  };
  const report = await worker(stop, source, fails, { maxAttempts: 1, observe: watch });
  cancel();
  return report;
}

/** The errors that name a missing permission. */
async function refuses(strict) {
  isToldOff(
    "NATS",
    { NATS_URL: strict.url },
    /may not publish to \$JS\.API\.CONSUMER\.MSG\.NEXT\.orders\.billing; give it/,
  );
  const as = async (user, pass = "x") => {
    const connection = await connect({ servers: strict.url, user, pass, timeout: TIMEOUT, maxReconnectAttempts: 0 });
    strict.atEnd(() => connection.close());
    return connection;
  };
  const all = await as("all");
  const manager = await jetstreamManager(all);
  await manager.streams.add({ name: "strict", subjects: ["strict.*"] });
  await manager.streams.add({ name: "letters", subjects: ["letters.*"] });
  await manager.consumers.add("strict", { durable_name: "billing", ack_policy: "explicit", ack_wait: 60e9 });
  const open = async (user) =>
    natsConsumer(await as(user), {
      stream: "strict",
      consumer: "billing",
      deadLetters: { subject: "letters.dead", headers },
    });
  void test("nats: a missing permission is named at once, with what to do", async () => {
    const js = jetstream(all);
    const background = context.background();
    await assert.rejects(
      open("asks"),
      /may not publish to \$JS\.API\.CONSUMER\.INFO\.strict\.billing; give it the permission/,
    );
    await assert.rejects(open("hears"), /may not subscribe to _INBOX\.>; give it the permission, or set inboxPrefix/);
    await assert.rejects(
      (await open("pulls")).pull(background, 1),
      /may not publish to \$JS\.API\.CONSUMER\.MSG\.NEXT/,
    );
    for (let n = 0; n < 2; n++) await js.publish("strict.new", "a");
    const acks = await open("acks");
    await assert.rejects(
      acks.ack(background, await acks.pull(background, 1)),
      /may not publish to \$JS\.ACK\.strict\.billing\.>/,
    );
    const dead = await open("dead");
    const [delivery] = await dead.pull(background, 1);
    await assert.rejects(dead.deadLetter(background, [{ delivery, error: "no" }]), /may not publish to letters\.dead/);
    await assert.rejects(as("all", "y"), /Authorization/);
  });
}
