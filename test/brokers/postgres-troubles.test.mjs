/** headgate/worker/postgres where the server, the network or a message makes trouble. What the source says of it is a part of what is tested. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { context } from "headgate";
import { worker } from "headgate/worker";
import { createQueue, postgresQueue, schema } from "headgate/worker/postgres";
import pg from "pg";
import { proxyTo } from "./faults/proxy.mjs";
import { handledBy, messages, workerOn } from "./keys.mjs";
import { isClosed } from "./opened.mjs";
import { isEnded, isReconnected } from "./page.mjs";
import { start } from "./servers/postgres.mjs";
import { serverOf } from "./suite.mjs";

const server = await serverOf("postgres, troubles", start);
if (server !== undefined) {
  isClosed("PostgreSQL", start, ({ url }) => ({ POSTGRES_URL: url }));
  isEnded("PostgreSQL", start, ({ url }) => ({ POSTGRES_URL: url }));
  isReconnected("PostgreSQL", server, (url) => ({ POSTGRES_URL: url }));
  tests(server);
}

function tests({ url, atEnd }) {
  const poolOf = (settings) => {
    const pool = new pg.Pool({ connectionString: url, max: 8, ...settings });
    // An emitter's error ends the process if it has no listener.
    pool.on("error", () => {});
    return pool;
  };
  const admin = poolOf({});
  atEnd(() => admin.end());
  const under = (ms = 20_000) => context.withTimeout(context.background(), ms)[0];
  const until = async (what, isSo, ms = 60_000) => {
    for (const late = performance.now() + ms; !(await isSo()); await sleep(20)) {
      assert.ok(performance.now() < late, `after ${ms} ms still not so: ${what}`);
    }
  };
  let queues = 0;
  const proxied = async (t) => {
    const proxy = await proxyTo(Number(new URL(url).port));
    t.after(() => proxy.close());
    return { proxy, at: url.replace(/:\d+\//, `:${proxy.port}/`) };
  };

  void test(
    "verdicts whose answers were lost with their connection have counted, and are not called lost",
    { timeout: 180_000 },
    async (t) => {
      const { proxy, at } = await proxied(t);
      const pool = poolOf({ connectionString: at });
      const table = "unheard";
      await createQueue(admin, { table });
      const queue = `q${++queues}`;
      const source = postgresQueue(pool, { table, queue, lease: 8_000 });
      const publisher = postgresQueue(admin, { table, queue });
      const seen = new Map();
      let told = 0;
      const observe = (event) => event.type === "settled" && (told += event.count);
      const handle = async (_, { body, attempt }) => {
        await sleep(Math.random() * 30);
        seen.set(body, (seen.get(body) ?? 0) + 1);
        if (body.startsWith("failing") && attempt === 1) throw new Error("no");
        if (body.startsWith("dead")) throw new Error("no");
      };
      const [ctx, stop] = context.withCancel(context.background());
      const running = worker(ctx, source, handle, { maxAttempts: 2, backoff: () => 10, callTimeout: 10_000, observe });
      for (let i = 0; i < 300; i++) {
        const before = told;
        await publisher.publish([`${["good", "failing", "dead"][i % 3]} ${i}`]);
        if (i % 50 !== 49) continue;
        await until("some more are settled", () => told > before);
        proxy.swallow({ hears: true });
        await sleep(100);
        proxy.cut();
      }
      await until("all is settled", async () => (await publisher.size()) === 0);
      stop();
      const { expired, leftovers } = await running;
      assert.deepEqual([expired, leftovers], [0, []]);
      const letters = await admin.query(`select count(*)::int as n from ${table}_dead`);
      assert.equal(letters.rows[0].n, 100);
      const twice = [...seen].filter(([body, times]) => times > (body.startsWith("good") ? 1 : 2));
      assert.deepEqual(twice, []);
      // Of each source no more is kept than the last note, and those of calls without an answer.
      const { rows } = await admin.query(`select count(*)::int as n from ${table}_told`);
      assert.ok(rows[0].n < 60, `${rows[0].n} notes`);
      source.close();
      await pool.end();
    },
  );

  void test("connections on which nothing comes back are replaced", { timeout: 120_000 }, async (t) => {
    const { proxy, at } = await proxied(t);
    const pool = poolOf({ connectionString: at, query_timeout: 3_000 });
    const table = "deaf";
    await createQueue(admin, { table });
    const source = postgresQueue(pool, { table, lease: 3_000 });
    const publisher = postgresQueue(admin, { table });
    const seen = new Set();
    const [ctx, stop] = context.withCancel(context.background());
    const running = worker(ctx, source, (_, { body }) => seen.add(body));
    for (const when of ["before", "after", "and again"]) {
      await publisher.publish([when]);
      await until(`${when} is handled`, async () => seen.has(when) && (await publisher.size()) === 0, 30_000);
      proxy.swallow();
    }
    stop();
    assert.equal((await running).expired, 0);
    source.close();
    proxy.cut();
    await pool.end();
  });

  void test(
    "of messages with one key one is handled at a time, in order, by two workers, also after failures",
    { timeout: 120_000 },
    async () => {
      const table = "keyed";
      await createQueue(admin, { table });
      const sources = [1, 2].map(() => postgresQueue(admin, { table }));
      for (const { key, body } of messages) await sources[0].publish([body], { key });
      const seen = await handledBy(sources.map((source) => workerOn(source)));
      assert.deepEqual(seen, { together: [], overtaking: [], missing: 0 });
      for (const source of sources) source.close();
    },
  );

  void test("dead letters that the server refuses", { timeout: 120_000 }, async (t) => {
    await t.test("are sent without what its encoding lacks, and hold up no other", async () => {
      await admin.query("create database latin encoding 'LATIN1' lc_collate 'C' lc_ctype 'C' template template0");
      const pool = poolOf({ connectionString: url.replace(/\/postgres$/, "/latin") });
      await createQueue(pool);
      const source = postgresQueue(pool, { lease: 30_000 });
      await source.publish(["1", "2", "3"]);
      const got = await source.pull(under(), 10);
      const errors = ["na\u00efve", "\u6b7b \ud83d\ude80 \ud83d \0 dead", "plain"];
      const items = got.map((delivery, i) => ({ delivery, error: errors[i] }));
      assert.deepEqual(await source.deadLetter(under(), items), []);
      const { rows } = await pool.query("select body, reason from headgate_messages_dead order by id");
      assert.deepEqual(
        rows.map(({ body }) => body),
        ["1", "2", "3"],
      );
      assert.match(rows[0].reason, /na\u00efve/);
      assert.match(rows[1].reason, /\? .*dead/);
      source.close();
      await pool.end();
    });

    await t.test("stay held, and the others of their call have counted", async () => {
      const table = "picky";
      await createQueue(admin, { table });
      await admin.query(`alter table ${table}_dead add check (body <> 'bad')`);
      const source = postgresQueue(admin, { table, lease: 30_000 });
      const all = Array.from({ length: 20 }, (_, i) => (i === 7 ? "bad" : `${i}`));
      await source.publish(all);
      const got = await source.pull(under(), 20);
      const items = got.map((delivery) => ({ delivery, error: "no" }));
      for (let i = 0; i < 2; i++) {
        await assert.rejects(source.deadLetter(under(), items), /1 of 20 dead letters were refused: .*picky_dead/);
      }
      assert.equal(await source.size(), 1);
      await admin.query(`alter table ${table}_dead drop constraint ${table}_dead_body_check`);
      assert.deepEqual(await source.deadLetter(under(), items), []);
      assert.equal(await source.size(), 0);
      source.close();
    });
  });

  void test("what errors say", { timeout: 120_000 }, async (t) => {
    const table = "guarded";
    await createQueue(admin, { table });
    for (const role of ["reader", "reading"]) await admin.query(`create role ${role} login`);
    await admin.query(
      `grant all on all tables in schema public to reading; alter role reading set default_transaction_read_only = on`,
    );
    const cases = [
      [
        "a user without rights",
        { user: "reader" },
        table,
        /^postgresQueue: the pull failed: the user lacks a right; grant.*permission denied/s,
      ],
      [
        "a server that takes no writes",
        { user: "reading" },
        table,
        /^postgresQueue: the pull failed: this server is read-only, like a replica.*read-only/s,
      ],
      [
        "a missing table",
        {},
        "nowhere",
        /^postgresQueue: the pull failed: a table of the queue is missing; create it with createQueue.*"nowhere"/s,
      ],
      ["a missing schema", {}, "no.where", /^postgresQueue: the pull failed: .*is missing/s],
      [
        "a user that is not let in",
        { user: "nobody" },
        table,
        /^postgresQueue: the pull failed: the server does not let this user in|"nobody"/s,
      ],
      [
        "a missing database",
        { path: "/none" },
        table,
        /^postgresQueue: the pull failed: there is no such database.*"none"/s,
      ],
    ];
    for (const [what, { user, path }, table, message] of cases) {
      await t.test(what, async () => {
        const at = new URL(url);
        if (user !== undefined) at.username = user;
        if (path !== undefined) at.pathname = path;
        const pool = poolOf({ connectionString: at.href });
        const source = postgresQueue(pool, { table, listen: false });
        await assert.rejects(source.pull(under(), 1), { message });
        source.close();
        await pool.end();
      });
    }
    await t.test("of createQueue, to a user that may not make tables", async () => {
      const at = new URL(url);
      at.username = "reader";
      const pool = poolOf({ connectionString: at.href });
      await assert.rejects(createQueue(pool, { table: "new" }), {
        message: /^createQueue: the tables cannot be made: the user lacks a right.*permission denied/s,
      });
      await pool.end();
    });
    await t.test("the tables of an older version, without notes", async () => {
      const older = "older";
      await admin.query(schema({ table: older }));
      const source = postgresQueue(admin, { table: older });
      await source.publish(["a"]);
      const held = await source.pull(under(), 1);
      await admin.query(`drop table ${older}_told`);
      await assert.rejects(source.ack(under(), held), {
        message: /the ack failed: a table of the queue is missing.*older_told/s,
      });
      await createQueue(admin, { table: older });
      assert.deepEqual(await source.ack(under(), held), []);
      source.close();
    });
  });
}
