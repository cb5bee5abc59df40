/** Redis, with an append-only file that is synced every second: headgate on a stream, and BullMQ. */
import { Queue, Worker } from "bullmq";
import { Redis } from "ioredis";
import { createClient } from "redis";
import { both, headgate, workerOn } from "./headgate.mjs";
import { lots } from "./job.mjs";

export const title = "Redis";

export async function versionOf(url) {
  const client = await createClient({ url }).connect();
  const info = await client.info("server");
  await client.close();
  return /redis_version:(\S+)/.exec(info)[1];
}

const { redisStream } = await headgate("worker/redis/index.js");

const ours = (more, settings) => ({
  ...more,
  async open(url, name) {
    const client = await createClient({ url }).connect();
    return {
      async fill(messages) {
        for (const lot of lots(messages, 1000)) {
          const multi = client.multi();
          for (const message of lot) multi.xAdd(name, "*", { body: JSON.stringify(message) });
          await multi.execAsPipeline();
        }
      },
      left: () => client.xLen(name),
      async consumer(order) {
        const own = await createClient({ url }).connect();
        const source = redisStream(own, { stream: name, group: "workers" });
        return workerOn(source, { ...order, ...settings }, async () => {
          await source.close();
          await own.close();
        });
      },
      async close() {
        await client.del(name);
        await client.close();
      },
    };
  },
});

const own = both(
  ours,
  "a stream; acks are confirmed, up to 100 in a call, each only if the lease is still ours; a settled message is deleted",
);

const bullmq = {
  id: "bullmq",
  name: "BullMQ",
  note: "a job with a state, a result, progress and events; each completion is confirmed, and fetches the next job in the same call. The job is removed (removeOnComplete), which is faster than to keep it",
  share: 1 / 3,
  async open(url, name) {
    const connect = () => new Redis(url, { maxRetriesPerRequest: null });
    const connection = connect();
    const queue = new Queue(name, { connection });
    const states = ["wait", "active", "delayed", "prioritized", "completed", "failed"];
    return {
      async fill(messages) {
        for (const lot of lots(messages, 1000)) await queue.addBulk(lot.map((data) => ({ name: "job", data })));
      },
      left: () => queue.getJobCountByTypes(...states),
      async consumer({ concurrency, handle }) {
        const connection = connect();
        const worker = new Worker(name, ({ data }) => handle(data), {
          connection,
          concurrency,
          autorun: false,
          removeOnComplete: { count: 0 },
        });
        let completed = 0;
        let wanted = Infinity;
        let tell;
        worker.on("completed", () => {
          if (++completed >= wanted) tell();
        });
        worker.on("error", (error) => console.error(error));
        await worker.waitUntilReady();
        return {
          start: () => void worker.run(),
          settled: (count) =>
            new Promise((resolve) => {
              [wanted, tell] = [count, resolve];
              if (completed >= count) resolve();
            }),
          async stop() {
            await worker.close();
            connection.disconnect();
          },
        };
      },
      async close() {
        await queue.obliterate({ force: true });
        await queue.close();
        connection.disconnect();
      },
    };
  },
};

export const contenders = [...own, bullmq];
