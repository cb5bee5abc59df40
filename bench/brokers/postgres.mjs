/** PostgreSQL, with fsync: headgate on a table, graphile-worker and pg-boss. */
import { Logger, makeWorkerUtils, run, runTaskList } from "graphile-worker";
import pg from "pg";
import PgBoss from "pg-boss";
import { setTimeout as sleep } from "node:timers/promises";
import { both, headgate, workerOn } from "./headgate.mjs";
import { lots, until } from "./job.mjs";

export const title = "PostgreSQL";

const poolOf = (url, max = 10) => {
  const pool = new pg.Pool({ connectionString: url, max });
  pool.on("error", (error) => console.error(error));
  pool.on("connect", (client) => client.on("error", (error) => console.error(error)));
  return pool;
};

/** Connects all of a pool, so that the connecting is not measured. */
async function opened(pool) {
  const clients = await Promise.all(Array.from({ length: pool.options.max }, () => pool.connect()));
  for (const client of clients) client.release();
  return pool;
}

export async function versionOf(url) {
  const pool = poolOf(url, 1);
  const { rows } = await pool.query("show server_version");
  await pool.end();
  return rows[0].server_version.split(" ")[0];
}

const countOf = async (pool, what) => Number((await pool.query(`select count(*) from ${what}`)).rows[0].count);

const { createQueue, postgresQueue } = await headgate("worker/postgres/index.js");

const ours = (more, settings) => ({
  ...more,
  async open(url, name) {
    const pool = await opened(poolOf(url));
    await createQueue(pool, { table: name });
    const source = postgresQueue(pool, { table: name });
    return {
      async fill(messages) {
        for (const lot of lots(messages, 1000)) await source.publish(lot.map((message) => JSON.stringify(message)));
        await pool.query("analyze");
      },
      left: source.size,
      async consumer(order) {
        const own = await opened(poolOf(url));
        const source = postgresQueue(own, { table: name });
        return workerOn(source, { ...order, ...settings }, async () => {
          source.close();
          await own.end();
        });
      },
      async close() {
        source.close();
        await pool.query(`drop table ${name} cascade`);
        await pool.end();
      },
    };
  },
});

const own = both(
  ours,
  "a row that is deleted when it is settled; acks are confirmed, up to 100 in a statement, each only if the lease is still ours",
);

const graphile = (more, settings) => ({
  ...more,
  async open(url, name) {
    const pool = await opened(poolOf(url));
    const logger = new Logger(() => () => {});
    const options = { schema: name, logger };
    const utils = await makeWorkerUtils({ ...options, pgPool: pool });
    await utils.migrate();
    const jobs = `${name}._private_jobs`;
    return {
      async fill(messages) {
        for (const lot of lots(messages, 1000))
          await utils.addJobs(lot.map((payload) => ({ identifier: "job", payload })));
        await pool.query("analyze");
      },
      left: () => countOf(pool, jobs),
      async consumer({ concurrency, handle, isStopped }) {
        // As its documentation recommends: two connections more than jobs.
        const own = await opened(poolOf(url, concurrency + 2));
        const preset = { worker: { schema: name, concurrentJobs: concurrency, logger, ...settings } };
        const taskList = { job: (payload) => handle(payload) };
        let workers, runner;
        return {
          start() {
            const options = { preset, noHandleSignals: true };
            // run() is what is stopped; but it looks at the tables first, which is not to be measured.
            if (isStopped) runner = run({ ...options, pgPool: own, taskList, parsedCronItems: [] });
            else workers = runTaskList(options, taskList, own);
          },
          // Nothing tells of a job that is completed for good, but that its row is gone.
          settled: () => until(async () => (await pool.query(`select 1 from ${jobs} limit 1`)).rows.length === 0),
          async stop() {
            if (isStopped) await (await runner).stop();
            else await workers.gracefulShutdown();
            await own.end();
          },
        };
      },
      async close() {
        await utils.release();
        await pool.query(`drop schema ${name} cascade`);
        await pool.end();
      },
    };
  },
});

const graphilePlain = graphile(
  {
    id: "graphile",
    name: "graphile-worker",
    note: "as it comes: a statement to fetch each job, and one to complete it, which is not waited for",
    share: 1 / 30,
  },
  {},
);
const graphileBatched = graphile(
  {
    id: "graphile-batched",
    name: "graphile-worker, localQueue and batches",
    note: "localQueue of 500, which are locked at once; completions in batches, not waited for, so that a crash repeats more of them, once their lock of 4 hours is over",
  },
  { localQueue: { size: 500 }, completeJobBatchDelay: 0, failJobBatchDelay: 0 },
);

const boss = (more, consumer) => ({
  ...more,
  async open(url, name) {
    const connect = async () => {
      const boss = new PgBoss({ connectionString: url, schema: name, supervise: false, schedule: false, max: 10 });
      boss.on("error", (error) => console.error(error));
      return boss.start();
    };
    const boss = await connect();
    const pool = poolOf(url, 1);
    await boss.createQueue("jobs");
    return {
      async fill(messages) {
        for (const lot of lots(messages, 1000)) await boss.insert(lot.map((data) => ({ name: "jobs", data })));
        await pool.query("analyze");
      },
      left: () => boss.getQueueSize("jobs", { before: "completed" }),
      consumer: async (order) => consumer(await connect(), order),
      async close() {
        await boss.stop({ graceful: false });
        await pool.query(`drop schema ${name} cascade`);
        await pool.end();
      },
    };
  },
});

const bossFetch = boss(
  {
    id: "pg-boss",
    name: "pg-boss, fetch and complete",
    share: 1 / 3,
    note: "4 loops that fetch 100 and complete them together; a completion is confirmed; a job that is done is kept as a row, with its state and times",
    kinds: ["speed"],
  },
  (boss, { concurrency, handle }) => {
    let [isOver, completed] = [false, 0];
    let loops;
    const loop = async () => {
      while (!isOver) {
        const jobs = await boss.fetch("jobs", { batchSize: concurrency });
        await Promise.all(jobs.map(({ data }) => handle(data)));
        if (jobs.length === 0) {
          await sleep(50);
          continue;
        }
        const ids = jobs.map(({ id }) => id);
        const { affected } = await boss.complete("jobs", ids);
        completed += affected;
      }
    };
    return {
      start() {
        loops = Promise.all([loop(), loop(), loop(), loop()]);
      },
      settled: (count) => until(() => completed >= count),
      async stop() {
        isOver = true;
        await loops;
        await boss.stop();
      },
    };
  },
);

const bossWork = boss(
  {
    id: "pg-boss-work",
    name: "pg-boss, work()",
    share: 1 / 3,
    note: "4 workers with a batchSize of 100, woken by notifyWorker(); without that they pause for half a second or more between two batches. Completions are not awaited; a finished job is kept",
  },
  (boss, { concurrency, handle, isStopped }) => ({
    async start() {
      // One alone handles as many at once as it should.
      for (let i = 0; i < (isStopped ? 1 : 4); i++) {
        const id = await boss.work("jobs", { batchSize: concurrency, pollingIntervalSeconds: 0.5 }, async (jobs) => {
          await Promise.all(jobs.map(({ data }) => handle(data)));
          boss.notifyWorker(id);
        });
      }
    },
    settled: () => until(async () => (await boss.getQueueSize("jobs", { before: "completed" })) === 0),
    stop: () => boss.stop(),
  }),
);

export const contenders = [...own, graphilePlain, graphileBatched, bossFetch, bossWork];
