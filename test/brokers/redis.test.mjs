/** headgate/worker/redis with a real server, through each client that it is for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Chan, context, time } from "headgate";
import { worker } from "headgate/worker";
import { redisStream } from "headgate/worker/redis";
import { Redis } from "ioredis";
import { Redis as Redis5 } from "ioredis-5";
import { createClient } from "redis";
import { createClient as createClient4 } from "redis-4";
import { createClient as createClient5 } from "redis-5";
import { isFollowed } from "./page.mjs";
import { start } from "./servers/redis.mjs";
import { conforms, isStopped, serverOf, slowness } from "./suite.mjs";

const server = await serverOf("redis", start);
if (server !== undefined) isFollowed("Redis", { REDIS_URL: server.url });
if (server !== undefined) run(server);

function run({ url, restart, pause, resume }) {
  const node =
    (create, options, database = 0) =>
    async () => {
      const client = create({ url, ...options });
      client.on("error", () => {});
      await client.connect();
      if (database > 0) await client.sendCommand(["SELECT", String(database)]);
      const end = () => (client.destroy === undefined ? client.disconnect() : client.destroy());
      return { client, send: (...args) => client.sendCommand(args), end };
    };
  const io =
    (Client, options, database = 0) =>
    async () => {
      const client = new Client(url, { maxRetriesPerRequest: null, ...options });
      client.on("error", () => {});
      if (database > 0) await client.select(database);
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

  const lease = 2_000 * slowness;
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
          const attributes = Object.fromEntries(
            fields.flatMap((name, i) => (i % 2 === 0 ? [[name, fields[i + 1]]] : [])),
          );
          return { body: field("body"), reason: field("headgate-reason"), attributes };
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

  const under = (ms = 60_000) => context.withTimeout(context.background(), ms)[0];
  const bodies = (list) => list.map(({ body }) => body);

  /** Pulls until it gets something; a pull that rejects is made again. */
  async function take(source, count, ms = 60_000) {
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

  /** The options that a user may have given to the client, each in a database of its own, or with a prefix. */
  const limits = { commandTimeout: 300, socketTimeout: 300, blockingTimeout: 100 };
  const configured = {
    "redis 6, bytes": node(createClient, { database: 1, commandOptions: { typeMapping: { 36: Buffer, 58: String } } }),
    "redis 6, a prefix": node(createClient, { keyPrefix: "app:" }),
    "redis 6, a database that was selected": node(createClient, {}, 2),
    "redis 6, a time limit": node(createClient, { database: 3, commandOptions: { timeout: 200 } }),
    "redis 5, bytes": node(createClient5, { database: 4, commandOptions: { typeMapping: { 36: Buffer } } }),
    "redis 4, a database that was selected": node(createClient4, {}, 5),
    "ioredis 6, RESP 3": io(Redis, { db: 6, protocol: 3, replyMapping: "resp3" }),
    "ioredis 6, numbers as texts": io(Redis, { db: 7, stringNumbers: true, enableAutoPipelining: true }),
    "ioredis 6, a prefix": io(Redis, { keyPrefix: "app:" }),
    "ioredis 6, a database that was selected": io(Redis, {}, 8),
    "ioredis 6, time limits": io(Redis, { db: 9, ...limits }),
    "ioredis 5, a prefix": io(Redis5, { keyPrefix: "app:" }),
    "ioredis 5, numbers as texts": io(Redis5, { db: 10, stringNumbers: true }),
  };
  for (const [name, connect] of Object.entries(configured)) {
    void test(
      `${name}: a worker gets texts, counts, and dead-letters what fails always`,
      { timeout: 300_000 },
      async () => {
        const lab = await makeLab(connect);
        try {
          const seen = [];
          const errors = [];
          const [ctx, cancel] = context.withTimeout(context.background(), 120_000);
          const observe = ({ type, error }) => type === "sourceError" && errors.push(error);
          const handle = (_, { body, attempt }) => {
            seen.push(`${body} ${attempt}`);
            if (body === "bad") throw new Error("poison");
          };
          const running = worker(ctx, lab.source, handle, { maxAttempts: 2, backoff: () => 10, observe });
          // Longer than any of the limits.
          await time.sleep(700);
          await lab.publish(["good", "bad"]);
          while (seen.length < 3 && ctx.err() === undefined) await time.sleep(20);
          await time.sleep(100);
          cancel();
          const { acked, retried, dead, expired } = await running;
          assert.deepEqual(
            seen.sort((a, b) => a.localeCompare(b)),
            ["bad 1", "bad 2", "good 1"],
          );
          assert.deepEqual(
            { acked, retried, dead, expired, errors },
            { acked: 1, retried: 1, dead: 1, expired: 0, errors: [] },
          );
        } finally {
          await lab.close();
        }
      },
    );
  }

  for (const [name, connect] of Object.entries({
    "redis 6": configured["redis 6, a prefix"],
    "ioredis 6": configured["ioredis 6, a prefix"],
  })) {
    void test(`${name}: all keys have the prefix of the client`, { timeout: 300_000 }, async () => {
      const lab = await makeLab(connect);
      const plain = await clients["redis 6"]();
      try {
        await lab.publish(["a", "b"]);
        const [a, b] = await take(lab.source, 2);
        await lab.source.deadLetter(under(), [{ delivery: a, error: "no" }]);
        await lab.source.nack(under(), [{ delivery: b, delay: 60_000, reason: "failed" }]);
        const keys = await plain.send("KEYS", `*${lab.stream}*`);
        const { stream } = lab;
        const own = ["", ":dead", ":g:delayed", ":g:told"].map((end) => `app:${stream}${end}`);
        assert.deepEqual(keys.sort(), own);
      } finally {
        await lab.close();
        plain.end();
      }
    });
  }

  void test("a user with few rights, and a password", { timeout: 300_000 }, async () => {
    const admin = await clients["redis 6"]();
    const rights = "+@stream +@sortedset +@scripting +time +client|id +client|info +client|unblock +select +ping +info";
    await admin.send("ACL", "SETUSER", "few", "on", ">a password", "~few*", "-@all", ...rights.split(" "));
    admin.end();
    const { host } = new URL(url);
    const each = [
      node(createClient, { url: `redis://few:a%20password@${host}/11` }),
      io(Redis, { username: "few", password: "a password", db: 11 }),
    ];
    for (const [i, connect] of each.entries()) {
      const { client, end } = await connect();
      const source = redisStream(client, { stream: `few${i}`, group: "g", deadLetters: `few${i}:dead` });
      try {
        await source.publish("a");
        const [delivery] = await take(source, 1);
        assert.deepEqual(await source.deadLetter(under(), [{ delivery, error: "no" }]), []);
        const [ctx, cancel] = context.withCancel(context.background());
        const pulled = source.pull(ctx, 1);
        await time.sleep(100);
        cancel();
        assert.deepEqual(await pulled, []);
      } finally {
        await source.close();
        end();
      }
    }
  });

  for (const name of ["redis 6", "redis 4", "ioredis 6", "ioredis 5"]) {
    const withLab = (title, body, options) =>
      test(`${name}: ${title}`, { timeout: 300_000 }, async () => {
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
      "the stream is made again when it was deleted, even while a pull waits",
      async ({ a, source, stream }) => {
        const pulled = take(source, 1);
        await time.sleep(100);
        await a.send("DEL", stream);
        await source.publish("new");
        assert.deepEqual(bodies(await pulled), ["new"]);
      },
    );

    for (const [what, command] of [
      ["the stream is deleted", (stream) => ["DEL", stream]],
      ["the group is destroyed", (stream) => ["XGROUP", "DESTROY", stream, "g"]],
    ]) {
      void withLab(`${what} while a worker holds all it can: it calls that lost, and goes on`, async (lab) => {
        await lab.publish(["1", "2"]);
        const [ctx, cancel] = context.withTimeout(context.background(), 120_000);
        const seen = [];
        const gone = new Chan();
        const handle = async (_, { body }) => {
          seen.push(body);
          if (seen.length === 2) {
            await lab.a.send(...command(lab.stream));
            gone.close();
          }
          if (body === "last") cancel();
        };
        const running = worker(ctx, lab.source, handle, { concurrency: 2, prefetch: 0 });
        await gone.recv(ctx);
        await lab.publish(["last"]);
        const { acked, expired, stopped } = await running;
        assert.ok(seen.includes("last"), seen.join());
        assert.ok(
          acked >= 1 && expired >= 1 && stopped === "cancelled",
          `${acked} acked, ${expired} expired, ${stopped}`,
        );
      });
    }

    void withLab("scripts that the server has forgotten are no loss", async ({ a, source, publish }) => {
      await publish(["a"]);
      const held = await take(source, 1);
      await a.send("SCRIPT", "FLUSH");
      assert.deepEqual(await source.ack(under(), held), []);
    });

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
        await restart();
        const got = [];
        const [ctx, cancel] = context.withTimeout(context.background(), 120_000);
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
        const [ctx, cancel] = context.withTimeout(context.background(), 120_000);
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
      "the server does not answer: a verdict rejects at its deadline, and counts when it is sent again",
      async (lab) => {
        await lab.publish(["a"]);
        const held = await take(lab.source, 1);
        pause();
        await assert.rejects(lab.source.nack(under(100), [{ delivery: held[0], delay: 0, reason: "failed" }]));
        resume();
        assert.deepEqual(await lab.source.nack(under(), [{ delivery: held[0], delay: 0, reason: "failed" }]), []);
        const [again] = await take(lab.other, 1);
        assert.equal(again.attempt, 2);
      },
    );

    void withLab(
      "the server does not answer: an ack that rejects at its deadline has counted when it is sent again",
      async (lab) => {
        await lab.publish(["a"]);
        const held = await take(lab.source, 1);
        pause();
        await assert.rejects(lab.source.ack(under(100), held));
        await assert.rejects(lab.source.ack(under(100), held));
        resume();
        assert.deepEqual(await lab.source.ack(under(), held), []);
        assert.equal(await lab.size(), 0);
      },
    );

    void withLab(
      "the server does not answer while the connection is made again: close() does not wait for it",
      async (lab) => {
        const { a, source } = lab;
        const pulled = source.pull(under(2_000), 1).catch((error) => error);
        await time.sleep(100);
        await a.send("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes");
        pause();
        await pulled;
        assert.deepEqual(await source.pull(under(200), 1), []);
        const begun = performance.now();
        await source.close();
        // The connection that is being made has five seconds.
        assert.ok(performance.now() - begun < 4_000);
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
