/** headgate/worker/redis with a server, a network or messages that make trouble. The errors of the source are tested, too. */
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
import { proxyTo } from "./faults/proxy.mjs";
import { handledBy, messages, workerOn } from "./keys.mjs";
import { isClosed } from "./opened.mjs";
import { isEnded, isReconnected, isToldOff } from "./page.mjs";
import { start } from "./servers/redis.mjs";
import { serverOf } from "./suite.mjs";

const server = await serverOf("redis, troubles", start);
if (server !== undefined) {
  // First the tests that are registered after a wait, because the server ends with the last registered test.
  await run(server);
  isClosed("Redis", start, ({ url }) => ({ REDIS_URL: url }));
  isEnded("Redis", start, ({ url }) => ({ REDIS_URL: url }));
  isReconnected("Redis", server, (url) => ({ REDIS_URL: url }));
}

/** Registers all tests at once, because `atEnd` runs when none is left. */
async function run({ url, atEnd, pause, resume }) {
  const node = (create) => async (url, options) => {
    const client = create({ url, ...options });
    client.on("error", () => {});
    await client.connect();
    return { client, end: () => (client.destroy === undefined ? client.disconnect() : client.destroy()) };
  };
  const io = (Client) => async (url, options) => {
    const client = new Client(url, { maxRetriesPerRequest: null, ...options });
    client.on("error", () => {});
    return { client, end: () => client.disconnect() };
  };
  const clients = {
    "redis 6": node(createClient),
    "redis 5": node(createClient5),
    "redis 4": node(createClient4),
    "ioredis 6": io(Redis),
    "ioredis 5": io(Redis5),
  };
  const { client: admin, end } = await clients["redis 6"](url);
  atEnd(end);
  const command = (...args) => admin.sendCommand(args);
  const rights = "+client|info +client|id +xreadgroup +ping +info";
  await command("ACL", "SETUSER", "reader", "on", ">word", "~*", "-@all", ...rights.split(" "));
  const under = (ms = 20_000) => context.withTimeout(context.background(), ms)[0];
  const until = async (what, isSo, ms = 30_000) => {
    for (const late = performance.now() + ms; !(await isSo()); await time.sleep(20)) {
      assert.ok(performance.now() < late, `after ${ms} ms still not so: ${what}`);
    }
  };

  const { client: wrong, end: endWrong } = await clients["redis 6"](`${url}/9`);
  await wrong.sendCommand(["SET", "orders", "a text"]);
  endWrong();
  isToldOff("Redis", { REDIS_URL: `${url}/9` }, /a key holds something other than what the source keeps there/);

  let labs = 0;
  /** A stream of its own, over this url, with so many sources; each has a client. */
  const labOf = async (connect, { at = url, count = 1, client: how = {}, ...options } = {}) => {
    const stream = `trouble${++labs}`;
    const dead = `${stream}:dead`;
    const all = [];
    for (let i = 0; i < count; i++) {
      const { client, end } = await connect(at, how);
      all.push({
        end,
        source: redisStream(client, { stream, group: "g", lease: 2_000, deadLetters: dead, ...options }),
      });
    }
    return {
      stream,
      dead,
      sources: all.map(({ source }) => source),
      source: all[0].source,
      left: async () => Number(await command("XLEN", stream)),
      async close() {
        await Promise.all(all.map(({ source }) => source.close()));
        for (const { end } of all) end();
      },
    };
  };
  const withLab = (title, connect, options, body) =>
    test(title, { timeout: 120_000 }, async (t) => {
      const lab = await labOf(connect, options);
      try {
        await body(lab, t);
      } finally {
        resume();
        await command("CONFIG", "SET", "maxmemory", "0");
        await lab.close();
      }
    });

  // ----------------------------------------------------------------------------------------------------- a server that is full

  const fill = () => command("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "1000000");

  for (const [name, connect] of Object.entries(clients)) {
    for (const there of [true, false]) {
      const title = `a server whose memory is full is drained by a worker that starts, ${there ? "and" : "also if"} the group is ${there ? "there" : "missing"}`;
      void withLab(`${name}: ${title}`, connect, {}, async ({ source, stream, dead, left }) => {
        const all = ["good", "failing", "dead"].flatMap((what) => Array.from({ length: 30 }, (_, i) => `${what} ${i}`));
        for (const [i, body] of all.entries()) {
          await command("XADD", stream, "*", "body", body, ...(i % 2 === 0 ? ["key", `k${i % 7}`] : []));
        }
        if (there) await command("XGROUP", "CREATE", stream, "g", "0");
        await fill();
        await assert.rejects(source.publish("more"), /memory of the server is full \(maxmemory\).*OOM/s);
        const [ctx, stop] = context.withTimeout(context.background(), 30_000);
        const handle = (_, { body, attempt }) => {
          if (body.startsWith("dead") || (body.startsWith("failing") && attempt === 1)) throw new Error("no");
        };
        const errors = [];
        const observe = (event) => event.type === "sourceError" && errors.push(event.error);
        const running = worker(ctx, source, handle, { maxAttempts: 2, backoff: () => 20, observe });
        await until("all is settled", async () => (await left()) === 0).finally(stop);
        const { acked, dead: died, expired } = await running;
        assert.deepEqual([acked, died, expired, errors], [60, 30, 0, []]);
        assert.equal(Number(await command("XLEN", dead)), 30);
      });
    }
  }

  void withLab(
    "a full server without the stream: the pull says why it cannot be made, and what to do",
    clients["redis 6"],
    {},
    async ({ source, stream }) => {
      await fill();
      await assert.rejects(source.pull(under(), 1), (error) => {
        assert.match(
          error.message,
          new RegExp(`the group g of the stream ${stream} cannot be made: the memory of the server`),
        );
        return true;
      });
    },
  );

  // ------------------------------------------------------------------------------------------------------------- odd messages

  for (const name of ["redis 6", "ioredis 6"]) {
    void withLab(
      `${name}: a message of 5 000 fields, of bytes, or with an empty name is a dead letter with all its fields`,
      clients[name],
      {},
      async ({ source, stream, dead }) => {
        const many = Array.from({ length: 5_000 }, (_, i) => [`f${i}`, i % 3 === 0 ? "" : `v${i}`]).flat();
        const bytes = [Buffer.from([0xff, 0, 0xfe]), Buffer.from([0xc3, 0x28, 0]), "", ""];
        for (const fields of [["body", "one", "__proto__", "p", "constructor", "c"], many, bytes, ["body", "last"]]) {
          await command("XADD", stream, "*", ...fields);
        }
        const got = [];
        while (got.length < 4) got.push(...(await source.pull(under(), 10)));
        assert.deepEqual(Object.entries(got[0].attributes), [
          ["__proto__", "p"],
          ["constructor", "c"],
        ]);
        const items = got.map((delivery) => ({ delivery, error: new Error("half \ud83d of a pair") }));
        assert.deepEqual(await source.deadLetter(under(), items), []);
        assert.equal(Number(await command("XLEN", stream)), 0);
        const raw = await admin.sendCommand(["XRANGE", dead, "-", "+"], { typeMapping: { 36: Buffer } });
        const fieldsOf = (i) => raw[i][1].map((each) => each.toString("latin1"));
        assert.deepEqual(fieldsOf(1).slice(0, many.length), many);
        assert.deepEqual(
          fieldsOf(2).slice(0, 4),
          bytes.map((each) => each.toString("latin1")),
        );
        const reason = (i) => raw[i][1][fieldsOf(i).indexOf("headgate-reason") + 1].toString();
        for (let i = 0; i < 4; i++) assert.match(reason(i), /half \ufffd of a pair/);
      },
    );
  }

  void withLab(
    "dead letters that the server refuses stay held, and the error says where they cannot go; later they can",
    clients["redis 6"],
    { lease: 30_000 },
    async ({ source, dead }) => {
      for (const body of ["a", "b"]) await source.publish(body);
      const got = [];
      while (got.length < 2) got.push(...(await source.pull(under(), 10)));
      const items = got.map((delivery) => ({ delivery, error: "no" }));
      await command("SET", dead, "a text");
      await assert.rejects(
        source.deadLetter(under(), items),
        /the dead letter of .* and 1 more was refused: a key holds.*WRONGTYPE/s,
      );
      assert.deepEqual(await source.extend(under(), got), []);
      await command("DEL", dead);
      assert.deepEqual(await source.deadLetter(under(), items), []);
      assert.equal(Number(await command("XLEN", dead)), 2);
    },
  );

  // --------------------------------------------------------------------------------------------------------- what errors say

  const wrongs = [
    [
      "a key of another type",
      {},
      (stream) => command("SET", stream, "a text"),
      /redisStream: .*a key holds something other.*WRONGTYPE/s,
    ],
    [
      "a user without rights",
      { username: "reader", password: "word" },
      () => {},
      /redisStream: .*the user lacks a right.*NOPERM/s,
    ],
  ];
  for (const name of ["redis 6", "redis 4", "ioredis 6"]) {
    for (const [what, how, prepare, says] of wrongs) {
      void withLab(
        `${name}: the error of a pull says in its message what is wrong: ${what}`,
        clients[name],
        { client: how },
        async (lab) => {
          await prepare(lab.stream);
          await assert.rejects(lab.source.pull(under(), 1), says);
        },
      );
    }
    void withLab(`${name}: the errors of a replica say what is wrong`, clients[name], {}, async ({ source }) => {
      await source.publish("a");
      const held = await source.pull(under(), 1);
      await command("REPLICAOF", "127.0.0.1", "1");
      try {
        const says = /redisStream: .*this server is a replica.*READONLY/s;
        await assert.rejects(source.pull(under(), 1), says);
        await assert.rejects(source.ack(under(), held), says);
        await assert.rejects(source.publish("b"), says);
      } finally {
        await command("REPLICAOF", "NO", "ONE");
      }
    });
  }

  // ---------------------------------------------------------------------------------------------------------------- networks

  const proxied = async (t) => {
    const proxy = await proxyTo(Number(new URL(url).port));
    t.after(() => proxy.close());
    return { proxy, at: `redis://127.0.0.1:${proxy.port}` };
  };

  for (const [name, connect] of Object.entries(clients)) {
    void test(
      `${name}: connections on which nothing comes back are replaced, those of pulls and of verdicts`,
      { timeout: 120_000 },
      async (t) => {
        const { proxy, at } = await proxied(t);
        const lab = await labOf(connect, { at, lease: 3_000 });
        const seen = new Set();
        const [ctx, stop] = context.withCancel(context.background());
        const running = worker(ctx, lab.source, (_, { body }) => seen.add(body));
        try {
          for (const when of ["before", "after", "and again"]) {
            await command("XADD", lab.stream, "*", "body", when);
            await until(
              `${when} is handled, and that is known`,
              async () => seen.has(when) && (await lab.left()) === 0,
              30_000,
            );
            // The client hangs as they do.
            proxy.swallow();
          }
          stop();
          const { acked } = await running;
          assert.equal(acked, 3);
        } finally {
          stop();
          await lab.close();
        }
      },
    );

    void test(
      `${name}: verdicts whose answers were lost with their connection have counted, and are not called lost`,
      { timeout: 120_000 },
      async (t) => {
        const { proxy, at } = await proxied(t);
        const lab = await labOf(connect, { at, lease: 8_000 });
        const seen = new Map();
        const [ctx, stop] = context.withCancel(context.background());
        let settled = 0;
        const observe = (event) => event.type === "settled" && (settled += event.count);
        const handle = async (_, { body, attempt }) => {
          await time.sleep(Math.random() * 30);
          seen.set(body, (seen.get(body) ?? 0) + 1);
          if (body.startsWith("failing") && attempt === 1) throw new Error("no");
          if (body.startsWith("dead")) throw new Error("no");
        };
        const running = worker(ctx, lab.source, handle, {
          maxAttempts: 2,
          backoff: () => 10,
          callTimeout: 2_000,
          observe,
        });
        try {
          for (let i = 0; i < 300; i++) {
            const before = settled;
            await command("XADD", lab.stream, "*", "body", `${["good", "failing", "dead"][i % 3]} ${i}`);
            if (i % 50 !== 49) continue;
            await until("some more are settled", () => settled > before);
            proxy.swallow({ hears: true });
            await time.sleep(100);
            proxy.cut();
          }
          await until("all is settled", async () => (await lab.left()) === 0, 60_000);
          stop();
          const { expired, leftovers } = await running;
          assert.deepEqual([expired, leftovers], [0, []]);
          assert.equal(Number(await command("XLEN", lab.dead)), 100);
          const twice = [...seen].filter(([body, times]) => times > (body.startsWith("good") ? 1 : 2));
          assert.deepEqual(twice, []);
        } finally {
          stop();
          await lab.close();
        }
      },
    );
  }

  void withLab("close() ends within its limit if the server hangs", clients["redis 6"], {}, async (lab) => {
    await lab.source.publish("a");
    const held = await lab.source.pull(under(), 1);
    await lab.source.ack(under(), held);
    const waiting = lab.source.pull(under(1_000), 1);
    await time.sleep(100);
    pause();
    await assert.rejects(lab.source.ack(under(300), held).then(() => Promise.reject(new Error("lost"))));
    await waiting;
    const closed = lab.source.close().then(() => "closed");
    // oxlint-disable-next-line headgate/race -- the process ends with the test
    assert.equal(await Promise.race([closed, time.sleep(20_000).then(() => "waits")]), "closed");
  });

  // ------------------------------------------------------------------------------------------------------------ ordering keys

  void withLab(
    "of messages with one key one is handled at a time, in order, by two workers, also after failures",
    clients["redis 6"],
    { count: 2, lease: 20_000 },
    async ({ sources }) => {
      for (const { key, body } of messages) await sources[0].publish(body, { key });
      const seen = await handledBy(sources.map((source) => workerOn(source)));
      assert.deepEqual(seen, { together: [], overtaking: [], missing: 0 });
    },
  );

  for (const [name, connect] of [
    ["redis 6", clients["redis 6"]],
    ["ioredis 6", clients["ioredis 6"]],
  ]) {
    const title =
      "of messages with one key one is handled at a time, in order, by three workers, also after failures and stops";
    void withLab(`${name}: ${title}`, connect, { count: 3, lease: 20_000 }, async (lab) => {
      const keys = 5;
      const count = 400;
      const running = new Map();
      const order = new Map();
      const problems = [];
      let done = 0;
      const handle = async (_, { body, key, attempt }) => {
        if (running.has(key)) problems.push(`${body} begins while ${running.get(key)} runs`);
        running.set(key, body);
        await time.sleep(Math.random() * 4);
        running.delete(key);
        const n = Number(body);
        if (n % 11 === 0 && attempt === 1) throw new Error("the first time it fails");
        const last = order.get(key) ?? -1;
        if (n < last) problems.push(`${body} after ${last}`);
        order.set(key, n);
        done++;
      };
      const publishing = (async () => {
        for (let n = 0; n < count; n++) {
          await lab.source.publish(String(n), { key: `k${n % keys}` });
          if (n % 10 === 0) await time.sleep(1);
        }
      })();
      const [all, stopAll] = context.withCancel(context.background());
      const run = async (source) => {
        while (all.err() === undefined) {
          const [ctx, stop] = context.withTimeout(all, 100 + Math.random() * 400);
          const { expired } = await worker(ctx, source, handle, { concurrency: 4, backoff: () => 30 });
          stop();
          if (expired > 0) problems.push(`${expired} expired`);
        }
      };
      const workers = lab.sources.map(run);
      await publishing;
      await until(`${count} are handled`, () => done >= count, 60_000).finally(stopAll);
      await Promise.all(workers);
      assert.deepEqual([problems, done], [[], count]);
      assert.equal(Number(await command("ZCARD", `${lab.stream}:g:keys`)), 1);
    });
  }

  void withLab(
    "with keys, four consumers, random verdicts, and some that die with what they hold: one at a time, and in order",
    clients["redis 6"],
    { lease: 1_500 },
    async ({ stream, dead }) => {
      const { client, end } = await clients["redis 6"](url);
      const make = () => redisStream(client, { stream, group: "g", lease: 1_500, deadLetters: dead });
      const count = 800;
      const keyOf = (n) => (n % 7 === 6 ? undefined : `k${n % 6}`);
      for (let n = 0; n < count; n++) {
        const key = keyOf(n);
        await command("XADD", stream, "*", "body", String(n), ...(key === undefined ? [] : ["key", key]));
      }
      const running = new Map();
      const decided = new Set();
      const problems = [];
      let deaths = 0;
      const isBefore = (n, key) =>
        Array.from({ length: n }, (_, m) => m).find((m) => keyOf(m) === key && !decided.has(m));
      const handle = async (source, delivery) => {
        const { key } = delivery;
        const n = Number(delivery.body);
        if (key !== undefined) {
          if (running.has(key)) problems.push(`${n} of ${key} while ${running.get(key)} runs`);
          if (isBefore(n, key) !== undefined) problems.push(`${n} of ${key} before ${isBefore(n, key)}`);
          running.set(key, n);
        }
        await time.sleep(Math.random() * 2);
        running.delete(key);
        if (Math.random() < 0.1) return false;
        decided.add(n);
        const items = [{ delivery, error: "no" }];
        const lost = await (n % 2 === 0 ? source.ack(under(), [delivery]) : source.deadLetter(under(), items));
        if (lost.length > 0) problems.push(`${n} was lost`);
        return true;
      };
      const consume = async () => {
        let source = make();
        while (decided.size < count && problems.length === 0) {
          const got = await source.pull(under(300), 1 + Math.floor(Math.random() * 8));
          if (got.length > 0 && Math.random() < 0.02) {
            deaths++;
            await source.close();
            source = make();
            continue;
          }
          const failed = new Map();
          const nacks = [];
          for (const delivery of got) {
            const delay = failed.get(delivery.key);
            if (delay !== undefined) nacks.push({ delivery, delay, reason: "released" });
            else if (!(await handle(source, delivery))) {
              const delay = Math.random() * 60;
              if (delivery.key !== undefined) failed.set(delivery.key, delay);
              nacks.push({ delivery, delay, reason: "failed" });
            }
          }
          if (nacks.length > 0) await source.nack(under(), nacks);
        }
        await source.close();
      };
      await Promise.all([consume(), consume(), consume(), consume()]);
      end();
      assert.deepEqual([problems, decided.size], [[], count], `${deaths} died`);
    },
  );

  void withLab(
    "with a key: what another consumer read later waits until the first has its verdict, and keeps its count of attempts",
    clients["redis 6"],
    { count: 2, lease: 20_000 },
    async ({ sources: [a, b] }) => {
      for (const body of ["1", "2", "3"]) await a.publish(body, { key: "k" });
      await a.publish("free");
      const [first] = await a.pull(under(), 1);
      const others = [];
      while (others.length < 1) others.push(...(await b.pull(under(), 10)));
      assert.deepEqual([first.body, others.map(({ body }) => body)], ["1", ["free"]]);
      await a.nack(under(), [{ delivery: first, delay: 300, reason: "failed" }]);
      const got = [];
      while (got.length < 3) got.push(...(await b.pull(under(), 10)));
      assert.deepEqual(
        got.map(({ body, attempt }) => [body, attempt]),
        [
          ["1", 2],
          ["2", 1],
          ["3", 1],
        ],
      );
      assert.deepEqual(await b.ack(under(), got), []);
    },
  );

  void withLab(
    "with a key: the messages of a consumer that died come in order, when its lease is over",
    clients["redis 6"],
    { count: 2, lease: 1_000 },
    async ({ sources: [a, b] }) => {
      for (let n = 0; n < 20; n++) await a.publish(String(n), { key: "k" });
      assert.equal((await a.pull(under(), 5)).length, 5);
      const seen = [];
      const [ctx, stop] = context.withTimeout(context.background(), 30_000);
      await worker(ctx, b, (_, { body }) => {
        seen.push(Number(body));
        if (seen.length === 20) stop();
      });
      assert.deepEqual(
        seen,
        Array.from({ length: 20 }, (_, n) => n),
      );
    },
  );
}
