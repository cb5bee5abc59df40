/** headgate/worker/redis with a real server, through each client that it is for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { context, time } from "headgate";
import { worker } from "headgate/worker";
import { redisStream } from "headgate/worker/redis";
import { Redis } from "ioredis";
import { Redis as Redis5 } from "ioredis-5";
import { createClient } from "redis";
import { createClient as createClient4 } from "redis-4";
import { createClient as createClient5 } from "redis-5";
import { isFollowed } from "./page.mjs";
import { start } from "./servers/redis.mjs";
import { conforms, isStopped, serverOf } from "./suite.mjs";

const server = await serverOf("redis", start);
if (server !== undefined) isFollowed("Redis", { REDIS_URL: server.url });
if (server !== undefined) run(server);

function run({ url, restart, pause, resume }) {
  const node = (create, options) => async () => {
    const client = create({ url, ...options });
    client.on("error", () => {});
    await client.connect();
    const end = () => (client.destroy === undefined ? client.disconnect() : client.destroy());
    return { client, send: (...args) => client.sendCommand(args), end };
  };
  const io = (Client) => async () => {
    const client = new Client(url, { maxRetriesPerRequest: null });
    client.on("error", () => {});
    return { client, send: (...args) => client.call(...args), end: () => client.disconnect() };
  };
  const clients = {
    "redis 6": node(createClient),
    "redis 6, RESP 2": node(createClient, { RESP: 2 }),
    "redis 6, RESP 3": node(createClient, { RESP: 3 }),
    "redis 5": node(createClient5),
    "redis 4": node(createClient4),
    "ioredis 6": io(Redis),
    "ioredis 5": io(Redis5),
  };

  const lease = 2_000;
  let labs = 0;

  /** A stream of its own, two consumers of one group, and a client for each. */
  async function makeLab(connect, options = {}) {
    const [a, b] = [await connect(), await connect()];
    const stream = `lab${++labs}`;
    const dead = `${stream}:dead`;
    const make = ({ client }) => redisStream(client, { stream, group: "g", lease, deadLetters: dead, ...options });
    const [source, other] = [make(a), make(b)];
    return {
      a,
      stream,
      source,
      other,
      publish: async (bodies, options) => {
        for (const body of bodies) await source.publish(body, options);
      },
      deadLetters: async () => {
        const entries = await a.send("XRANGE", dead, "-", "+");
        return entries.map(([, fields]) => {
          const field = (name) => fields[fields.indexOf(name) + 1];
          return { body: field("body"), reason: field("headgate-reason") };
        });
      },
      size: async () => Number(await a.send("XLEN", stream)),
      close: async () => {
        await Promise.all([source.close(), other.close()]);
        for (const { end } of [a, b]) await end();
      },
    };
  }

  const traits = {
    lease,
    fenced: true,
    delayed: true,
    attempts: true,
    releaseIsFree: true,
    deadLetters: true,
    keys: true,
    attributes: true,
    ordered: true,
  };
  for (const [name, connect] of Object.entries(clients)) conforms(name, () => makeLab(connect), traits);
  for (const name of ["redis 6", "ioredis 6"]) isStopped(name, () => makeLab(clients[name], { lease: 60_000 }));

  const under = (ms = 5_000) => context.withTimeout(context.background(), ms)[0];
  const bodies = (list) => list.map(({ body }) => body);

  /** Pulls until it gets something; a pull that rejects is made again. */
  async function take(source, count, ms = 10_000) {
    const ctx = under(ms);
    const got = [];
    while (got.length < count && ctx.err() === undefined) {
      try {
        got.push(...(await source.pull(ctx, count - got.length)));
      } catch {
        await time.sleep(50);
      }
    }
    assert.equal(got.length, count);
    return got;
  }

  for (const name of ["redis 6", "redis 4", "ioredis 6", "ioredis 5"]) {
    const withLab = (title, body, options) =>
      test(`${name}: ${title}`, { timeout: 60_000 }, async () => {
        const lab = await makeLab(clients[name], options);
        try {
          await body(lab);
        } finally {
          resume();
          await lab.close();
        }
      });

    void withLab("what another group still wants is not deleted, unless that is asked for", async (lab) => {
      const { a, source, stream } = lab;
      await source.publish("a");
      await a.send("XGROUP", "CREATE", stream, "others", "0");
      await source.ack(under(), await take(source, 1));
      assert.equal(await lab.size(), 1);
      await a.send("XGROUP", "DESTROY", stream, "others");
      await source.publish("b");
      await source.ack(under(), await take(source, 1));
      assert.equal(await lab.size(), 1);
    });

    void withLab(
      "the stream is made again when somebody deletes it, even while a pull waits",
      async ({ a, source, stream }) => {
        const pulled = take(source, 1);
        await time.sleep(100);
        await a.send("DEL", stream);
        await source.publish("new");
        assert.deepEqual(bodies(await pulled), ["new"]);
      },
    );

    void withLab(
      "a wrong type of key makes the pull reject, with what the server says",
      async ({ a, source, stream }) => {
        await a.send("SET", stream, "a text");
        await assert.rejects(source.pull(under(), 1), (error) => /WRONGTYPE/.test(String(error.cause ?? error)));
      },
    );

    void withLab("two pulls of one source share the messages", async ({ source, publish }) => {
      const pulls = [take(source, 5), take(source, 5)];
      await publish(["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
      const got = (await Promise.all(pulls)).flat();
      assert.deepEqual(bodies(got).sort(), ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
    });

    void withLab("the connection of the pull is cut: the next pulls get everything", async ({ a, source, publish }) => {
      await publish(["a"]);
      await source.ack(under(), await take(source, 1));
      const waiting = take(source, 1);
      await time.sleep(50);
      await a.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
      await publish(["b"]);
      assert.deepEqual(bodies(await waiting), ["b"]);
    });

    void withLab(
      "the server is killed and started again: held messages come back, none is lost",
      async ({ source, publish, other }) => {
        await publish(["a", "b"]);
        await take(source, 1);
        // The server writes to the disk before it goes on to the next.
        await time.sleep(50);
        await restart();
        const got = [];
        const [ctx, cancel] = context.withTimeout(context.background(), 20_000);
        const report = await worker(ctx, other, (_, { body }) => {
          got.push(body);
          if (got.length === 2) cancel();
        });
        assert.deepEqual(new Set(got), new Set(["a", "b"]));
        assert.equal(report.acked, 2);
      },
    );

    void withLab(
      "the server does not answer: a stopped pull returns, and what the late answer brings goes to others",
      async ({ source, other, publish }) => {
        await take(source, 0);
        const [ctx, cancel] = context.withTimeout(context.background(), 20_000);
        const pulled = source.pull(ctx, 10);
        await time.sleep(100);
        pause();
        const published = publish(["late"]);
        cancel();
        assert.deepEqual(await pulled, []);
        resume();
        await published;
        assert.deepEqual(bodies(await take(other, 1, lease * 0.8)), ["late"]);
      },
    );

    void withLab(
      "the server does not answer: a verdict rejects at its deadline, and counts when it is told again",
      async (lab) => {
        await lab.publish(["a"]);
        const held = await take(lab.source, 1);
        pause();
        await assert.rejects(lab.source.nack(under(100), [{ delivery: held[0], delay: 0, why: "failed" }]));
        resume();
        assert.deepEqual(await lab.source.nack(under(), [{ delivery: held[0], delay: 0, why: "failed" }]), []);
        const [again] = await take(lab.other, 1);
        assert.equal(again.attempt, 2);
      },
    );

    void withLab("a worker that is stopped leaves no message behind", async (lab) => {
      const all = Array.from({ length: 300 }, (_, i) => String(i));
      await lab.publish(all);
      const [ctx, cancel] = context.withCancel(context.background());
      let handled = 0;
      const first = await worker(ctx, lab.source, async () => {
        if (++handled === 100) cancel();
        await time.sleep(5);
      });
      assert.equal(first.expired, 0);
      const rest = await take(lab.other, 300 - first.acked, lease * 0.8);
      assert.deepEqual(await lab.other.ack(under(), rest), []);
      assert.equal(await lab.size(), 0);
      assert.equal(first.pulled, first.acked + first.released);
    });
  }
}
