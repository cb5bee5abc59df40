/** The source of headgate/worker/postgres with a PostgreSQL of its own: the contract, what only it can do, and what breaks. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { context } from "headgate";
import { worker } from "headgate/worker";
import { createQueue, postgresQueue, schema } from "headgate/worker/postgres";
import pg from "pg";
import { isFollowed } from "./page.mjs";
import { start } from "./servers/postgres.mjs";
import { conforms, serverOf } from "./suite.mjs";

const server = await serverOf("postgres", start);
if (server !== undefined) isFollowed("PostgreSQL", { POSTGRES_URL: server.url });
if (server !== undefined) tests();

function tests() {
  const forever = context.background();
  const pools = [];
  const poolOf = (options) => {
    const pool = new pg.Pool({ connectionString: server.url, max: 8, ...options });
    // An emitter's error ends the process if it has no listener.
    pool.on("error", () => {});
    pools.push(pool);
    return pool;
  };
  const pool = poolOf({ max: 30 });
  // Before the server goes.
  after(() => Promise.all(pools.map((pool) => pool.end())));

  let labs = 0;
  /** A queue of its own, with a source for each of two consumers. */
  const lab = async (options = {}) => {
    const table = options.table ?? "public.jobs";
    await createQueue(pool, { table });
    const { pool: another = pool, ...own } = options;
    const all = { lease: 2_000, ...own, table, queue: `lab ${++labs}` };
    const source = postgresQueue(pool, all);
    const other = postgresQueue(another, all);
    return {
      source,
      other,
      queue: all.queue,
      publish: (bodies, options) => source.publish(bodies, options),
      deadLetters: async () =>
        (await pool.query("select * from jobs_dead where queue = $1 order by id", [all.queue])).rows,
      size: () => source.size(),
      close: async () => {
        source.close();
        other.close();
      },
    };
  };
  const traits = {
    lease: 5_000,
    patience: 20_000,
    soon: 10_000,
    fenced: true,
    delayed: true,
    attempts: true,
    releaseIsFree: true,
    deadLetters: true,
    keys: true,
    attributes: true,
    ordered: true,
  };
  // A message that comes back must do so before its lease would have ended: a busy machine needs time for that.
  const { lease } = traits;
  conforms("postgres", () => lab({ lease }), traits);
  conforms("postgres, polled", () => lab({ lease, listen: false, poll: 50 }), traits);

  /** Pulls once. It returns as soon as there is something: the limit is for a test that would wait for ever. */
  const pull = async (source, max = 10, ms = 60_000) => {
    const [ctx, cancel] = context.withTimeout(forever, ms);
    try {
      return await source.pull(ctx, max);
    } finally {
      cancel();
    }
  };
  /** A pull brings nothing within that time. */
  const bringsNothing = async (source, ms = 300) => assert.deepEqual(await pull(source, 10, ms), []);
  /** Waits for something that is bound to happen. */
  const until = async (what, isSo) => {
    for (const late = performance.now() + 60_000; !(await isSo()); await sleep(20)) {
      assert.ok(performance.now() < late, `after a minute still not so: ${what}`);
    }
  };
  const bodies = (deliveries) => deliveries.map(({ body }) => body);
  const nack = (delivery, delay = 0, reason = "failed") => ({ delivery, delay, reason });

  void test("publishing in a transaction of the user's", async (t) => {
    await t.test("a message is there if and only if the transaction commits", async () => {
      const { source, close } = await lab();
      const client = await pool.connect();
      for (const end of ["rollback", "commit"]) {
        await client.query("begin");
        await source.publish([end], { client });
        await bringsNothing(source);
        await client.query(end);
      }
      client.release();
      assert.deepEqual(bodies(await pull(source)), ["commit"]);
      await close();
    });

    await t.test("what cannot be published is refused before anything is sent", async () => {
      const { source, close } = await lab();
      const client = await pool.connect();
      await client.query("begin");
      const refused = [
        ["text", {}, /list of texts/],
        [[1], {}, /must be texts/],
        [["a", "b\0"], {}, /NUL/],
        [["a"], { key: 7 }, /must be texts/],
        [["a"], { delay: -1 }, /delay/],
        [["a"], { attributes: { n: 1 } }, /attributes/],
        [["a"], { attributes: "colour" }, /attributes/],
        [["a"], { attributes: { n: "\0" } }, /NUL/],
        [["a"], { attributes: { "\ud800": "" } }, /surrogate/],
        [["\udfff🚀"], {}, /surrogate/],
        [["a"], { keys: "k" }, /no option keys/],
        [["a"], { key: "" }, /key must not be empty/],
      ];
      for (const [list, options, rule] of refused) {
        await assert.rejects(source.publish(list, Object.assign({ client }, options)), rule);
      }
      // The transaction is as good as before.
      await source.publish(["good 🚀"], { client, attributes: { "🚀": "🚀" } });
      await client.query("commit");
      client.release();
      assert.deepEqual(bodies(await pull(source)), ["good 🚀"]);
      await close();
    });

    await t.test("a delayed message is given out when it is due, to a pull that waits already", async () => {
      const { source, other, close } = await lab({ poll: 60_000 });
      const pulled = pull(other, 1);
      await sleep(200);
      const begun = performance.now();
      await source.publish(["later"], { delay: 400 });
      assert.deepEqual(bodies(await pulled), ["later"]);
      assert.ok(performance.now() - begun >= 399);
      await close();
    });
  });

  void test("a pull that waits", async (t) => {
    await t.test("is notified of a message long before it would look", async () => {
      const { source, close } = await lab({ poll: 60_000 });
      const another = await lab({ poll: 60_000, pool: poolOf() });
      const elsewhere = postgresQueue(pools.at(-1), { table: "public.jobs", queue: another.queue, poll: 60_000 });
      const pulled = pull(elsewhere, 1);
      await sleep(300);
      await another.source.publish(["told"]);
      assert.deepEqual(bodies(await pulled), ["told"]);
      elsewhere.close();
      source.close();
      await close();
      await another.close();
    });

    await t.test("keeps no connection a second after the last pull", async () => {
      const own = poolOf({ max: 2 });
      const source = postgresQueue(own, { table: "public.jobs", queue: "nobody's" });
      const [ctx, stop] = context.withCancel(forever);
      const pulled = source.pull(ctx, 1);
      // One for the statements, which is idle now, and one that listens.
      await until("it listens", () => own.totalCount === 2 && own.idleCount === 1);
      stop();
      await pulled;
      await until("no connection is kept", () => own.totalCount - own.idleCount === 0);
    });

    await t.test("works over a pool of one connection", async () => {
      const own = poolOf({ max: 1 });
      const source = postgresQueue(own, { table: "public.jobs", queue: "of one", poll: 50 });
      const pulled = pull(source, 1);
      await sleep(100);
      await source.publish(["one"]);
      const got = await pulled;
      assert.deepEqual(bodies(got), ["one"]);
      assert.deepEqual(await source.ack(forever, got), []);
    });
  });

  void test("a verdict after another one", async (t) => {
    await t.test("is reported as lost, though no other source has the message, and changes nothing", async () => {
      const { source, close } = await lab();
      await source.publish(["a"]);
      const [held] = await pull(source);
      assert.deepEqual(await source.nack(forever, [nack(held, 0, "released")]), []);
      // As if the answer had been lost.
      assert.deepEqual(await source.nack(forever, [nack(held, 60_000, "released")]), [held]);
      assert.deepEqual(await source.ack(forever, [held]), [held]);
      assert.deepEqual(await source.extend(forever, [held]), [held]);
      const [again] = await pull(source);
      assert.equal(again.attempt, 1);
      // The attempt is the same, and yet it is another delivery.
      assert.deepEqual(await source.ack(forever, [held]), [held]);
      assert.deepEqual(await source.ack(forever, [again]), []);
      await close();
    });

    await t.test("counts after the end of the lease, as long as no other source has the message", async () => {
      const { source, close } = await lab({ lease: 100 });
      await source.publish(["a"]);
      const held = await pull(source);
      await sleep(200);
      assert.deepEqual(await source.ack(forever, held), []);
      assert.equal(await source.size(), 0);
      await close();
    });
  });

  void test("ordering keys", async (t) => {
    await t.test("one message of a key at a time, in order, while it is leased, delayed or run out", async () => {
      const { source, other, queue, close } = await lab({ lease: 500 });
      await source.publish(["a1", "a2"], { key: "a" });
      await source.publish(["b1"], { key: "b" });
      await source.publish(["free"]);
      const [a1, b1, free] = await pull(source);
      assert.deepEqual(bodies([a1, b1, free]), ["a1", "b1", "free"]);
      await source.ack(forever, [b1, free]);
      const nacked = performance.now();
      await source.nack(forever, [nack(a1, 700)]);
      const again = await pull(other);
      assert.deepEqual(
        again.map(({ body, attempt }) => [body, attempt]),
        [["a1", 2]],
      );
      assert.ok(performance.now() - nacked >= 699);
      // Its lease runs out. The next one is longer than the test takes.
      const keeps = postgresQueue(pool, { table: "public.jobs", queue });
      const [third, ...more] = await pull(keeps);
      assert.deepEqual([third.body, third.attempt, more], ["a1", 3, []]);
      const waiting = pull(other);
      await sleep(100);
      await keeps.ack(forever, [third]);
      assert.deepEqual(bodies(await waiting), ["a2"]);
      keeps.close();
      await close();
    });

    await t.test("one is not kept waiting by the others that have none, however many there are", async () => {
      const { source, close } = await lab();
      const publish = (count) => source.publish(Array.from({ length: count }, (_, i) => `${i}`));
      await publish(200);
      const got = [];
      for (let keyed = false; !keyed && got.length < 5_000;) {
        if (got.length === 100) {
          await source.publish(["keyed"], { key: "k" });
          await publish(5_000);
        }
        const some = await pull(source, 10);
        await source.ack(forever, some);
        got.push(...bodies(some));
        keyed = some.some(({ key }) => key === "k");
      }
      assert.ok(got.includes("keyed") && got.length < 4_000, `it did not come among ${got.length}`);
      await close();
    });

    await t.test("never two at once, where neither of two transactions can see what the other leases", async () => {
      const { source, queue, close } = await lab();
      const [early, taker] = [await pool.connect(), await pool.connect()];
      await early.query("begin");
      await source.publish(["first id"], { key: "k", client: early });
      await source.publish(["second id"], { key: "k" });
      await taker.query("begin");
      const inTransaction = { query: (text, values) => taker.query(text, values), connect: () => pool.connect() };
      const other = postgresQueue(inTransaction, { table: "public.jobs", queue, listen: false });
      const got = await pull(other);
      assert.deepEqual(bodies(got), ["second id"]);
      await early.query("commit");
      const pulled = pull(source, 10, 1_000);
      await sleep(200);
      await taker.query("commit");
      assert.deepEqual(await pulled, []);
      assert.deepEqual(await source.ack(forever, got), []);
      assert.deepEqual(bodies(await pull(source)), ["first id"]);
      early.release();
      taker.release();
      await close();
    });

    await t.test(
      "never two at once, whoever publishes and pulls, also where ids are committed out of order",
      async () => {
        const { source, queue, close } = await lab({ poll: 50, lease: 60_000 });
        const running = new Map();
        const seen = [];
        const consume = async () => {
          while (seen.length < 400) {
            const got = await pull(source, 5, 300);
            for (const { key } of got) {
              assert.ok(!running.has(key), `two of ${key} at once`);
              running.set(key, true);
            }
            await sleep(Math.random() * 3);
            for (const delivery of got) {
              running.delete(delivery.key);
              seen.push(delivery.body);
            }
            assert.deepEqual(await source.ack(forever, got), []);
          }
        };
        const publish = async (name) => {
          for (let i = 0; i < 100; i += 5) {
            const client = await pool.connect();
            await client.query("begin");
            for (let j = i; j < i + 5; j++) await source.publish([`${name}${j}`], { key: `key ${j % 3}`, client });
            await sleep(Math.random() * 10);
            await client.query("commit");
            client.release();
          }
        };
        await Promise.all(["a", "b", "c", "d"].map(publish).concat([consume(), consume(), consume(), consume()]));
        assert.equal(new Set(seen).size, 400);
        const left = await pool.query("select count(*)::int as n from jobs where queue = $1", [queue]);
        assert.equal(left.rows[0].n, 0);
        await close();
      },
    );
  });

  void test("dead letters", async (t) => {
    await t.test("have everything the message had, and a reason that PostgreSQL would not take as it is", async () => {
      const { source, deadLetters, close } = await lab();
      await source.publish(["bad"], { key: "k", attributes: { colour: "red" } });
      await source.nack(forever, [nack((await pull(source))[0])]);
      const [delivery] = await pull(source);
      const error = new Error("why\0not", { cause: "the cause" });
      assert.deepEqual(await source.deadLetter(forever, [{ delivery, error }]), []);
      const [letter] = await deadLetters();
      assert.deepEqual(
        [letter.body, letter.key, letter.attributes, letter.attempts],
        ["bad", "k", { colour: "red" }, 2],
      );
      assert.match(letter.reason, /^Error: why ?not/);
      assert.equal(await source.size(), 0);
      await close();
    });

    await t.test("one that is put back and dies again is there as it died last", async () => {
      const { source, deadLetters, queue, close } = await lab();
      await source.publish(["zombie"]);
      for (const error of ["once", "twice"]) {
        const [delivery] = await pull(source);
        await source.deadLetter(forever, [{ delivery, error }]);
        const columns = "id, queue, body";
        if (error === "once") {
          await pool.query(`insert into jobs (${columns}) select ${columns} from jobs_dead where queue = $1`, [queue]);
        }
      }
      assert.deepEqual(
        (await deadLetters()).map(({ reason }) => reason),
        ["twice"],
      );
      await close();
    });
  });

  void test("the tables", async (t) => {
    await t.test("can be made by many at once, and again", async () => {
      const own = poolOf({ max: 10 });
      const table = "Made_At_Once";
      await Promise.all(Array.from({ length: 10 }, () => createQueue(own, { table })));
      await own.query(schema({ table }));
      const source = postgresQueue(own, { table });
      await source.publish(["there"]);
      assert.deepEqual(bodies(await pull(source)), ["there"]);
      source.close();
    });

    for (const [what, statements] of [
      ["dropped and made", (table) => `drop table ${table}; ${schema({ table })}`],
      ["emptied, with its numbering,", (table) => `truncate ${table} restart identity`],
    ]) {
      await t.test(
        `a table that is ${what} anew: who holds a message of the old one settles none of the new`,
        async () => {
          const table = `made_anew_${what.length}`;
          await createQueue(pool, { table });
          const [source, other] = [postgresQueue(pool, { table }), postgresQueue(pool, { table })];
          await source.publish(["old"]);
          const held = await pull(source);
          await pool.query(statements(table));
          await other.publish(["new"]);
          const got = await pull(other);
          assert.equal(got[0].id.split(".")[0], held[0].id.split(".")[0]);
          assert.equal(got[0].attempt, 1);
          assert.deepEqual(await source.ack(forever, held), held);
          assert.deepEqual(await source.extend(forever, held), held);
          assert.deepEqual(await other.ack(forever, got), []);
          for (const each of [source, other]) each.close();
        },
      );
    }

    await t.test("a worker whose table is dropped goes on when there is another", async () => {
      const table = "dropped";
      await createQueue(pool, { table });
      const source = postgresQueue(pool, { table });
      await source.publish(["1", "2"]);
      const [ctx, stop] = context.withTimeout(forever, 120_000);
      const seen = [];
      const handle = async (_ctx, { body }) => {
        seen.push(body);
        if (seen.length === 2) await pool.query(`drop table ${table}`);
        if (body === "last") stop();
      };
      const running = worker(ctx, source, handle, { concurrency: 2, prefetch: 0 });
      while (seen.length < 2) await sleep(20);
      await sleep(300);
      await createQueue(pool, { table });
      await source.publish(["last"]);
      const { expired, stopped } = await running;
      assert.ok(seen.includes("last") && expired >= 1 && stopped === "cancelled", `${seen}, ${expired}, ${stopped}`);
      source.close();
    });

    await t.test("a table that is missing makes a pull reject, and says which", async () => {
      const source = postgresQueue(pool, { table: "nowhere" });
      await assert.rejects(pull(source), /relation "nowhere" does not exist/);
    });
  });

  /**
   * A worker that handles 300 messages while something happens to the server. What must hold: every message was handled, nothing is left
   * in the table, and an ack that counted had a handler that returned.
   */
  const survives = async (fault, options = {}) => {
    const { source, queue, close } = await lab(options);
    const all = Array.from({ length: 300 }, (_, i) => `${i}`);
    await source.publish(all);
    const [ctx, stop] = context.withCancel(forever);
    const handled = new Map();
    const errors = [];
    const observe = (event) => event.type === "sourceError" && errors.push(event);
    const handle = async (_ctx, { body }) => {
      await sleep(20);
      handled.set(body, (handled.get(body) ?? 0) + 1);
    };
    const running = worker(ctx, source, handle, {
      concurrency: 8,
      batch: 10,
      callTimeout: 2_000,
      maxAttempts: 50,
      observe,
    });
    await sleep(250);
    await fault(queue);
    await until("all is settled", async () => (await source.size().catch(() => 1)) === 0);
    stop();
    const report = await running;
    assert.equal(handled.size, 300);
    assert.equal(await source.size(), 0);
    const { pulled, acked, retried, released, dead, expired } = report;
    assert.equal(pulled, acked + retried + released + dead + expired);
    assert.equal(dead, 0);
    assert.equal(report.stopped, "cancelled");
    // Only what had been lost on the way is handled twice.
    const extra = [...handled.values()].reduce((sum, n) => sum + n - 1, 0);
    await close();
    return { ...report, errors, extra };
  };

  // These are done to the whole server, so one after the other.
  void test("faults", { concurrency: false }, async (t) => {
    await t.test("the server is restarted in mid-run: nothing is lost", async (t) => {
      const { errors, expired, extra } = await survives(() => server.restart());
      assert.ok(errors.length > 0);
      t.diagnostic(`${errors.length} calls failed, ${expired} expired, ${extra} handled again`);
    });

    await t.test("all connections are terminated in mid-run: nothing is lost", async (t) => {
      const { expired, extra } = await survives(async () => {
        for (let i = 0; i < 5; i++) {
          const admin = new pg.Client({ connectionString: server.url });
          await admin.connect();
          await admin.query(
            "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and backend_type = 'client backend'",
          );
          await admin.end();
          await sleep(100);
        }
      });
      t.diagnostic(`${expired} expired, ${extra} handled again`);
    });

    await t.test(
      "the server is paused for longer than a lease, and than a call may take: nothing is lost",
      async (t) => {
        const { expired, extra } = await survives(async () => {
          server.pause();
          await sleep(5_000);
          server.resume();
        });
        t.diagnostic(`${expired} expired, ${extra} handled again`);
      },
    );

    await t.test("a pull that is stopped while the server is paused returns soon, and strands nothing", async () => {
      const { source, other, close } = await lab({ lease: 30_000 });
      await source.publish(["a", "b"]);
      const [ctx, stop] = context.withCancel(forever);
      server.pause();
      const pulled = source.pull(ctx, 10);
      await sleep(100);
      stop();
      assert.deepEqual(await pulled, []);
      server.resume();
      // The statement was on its way: what it leases afterwards is given back, at no cost.
      const got = await pull(other, 1);
      got.push(...(await pull(other)));
      assert.deepEqual(got.map(({ body, attempt }) => [body, attempt]).sort(), [
        ["a", 1],
        ["b", 1],
      ]);
      await close();
    });

    await t.test("the connection that listens is made again after a cut", async () => {
      const { source, other, close } = await lab({ poll: 60_000, lease: 30_000 });
      const pulled = pull(source, 1);
      const listeners = async () =>
        (await pool.query("select pid from pg_stat_activity where query like 'listen %'")).rows.map(({ pid }) => pid);
      // Those of earlier tests may still be on their way out.
      await until("one connection listens", async () => (await listeners()).length === 1);
      const [cut] = await listeners();
      await pool.query("select pg_terminate_backend($1)", [cut]);
      await until("another one listens", async () => (await listeners()).some((pid) => pid !== cut));
      await other.publish(["told"]);
      assert.deepEqual(bodies(await pulled), ["told"]);
      await close();
    });
  });
}
