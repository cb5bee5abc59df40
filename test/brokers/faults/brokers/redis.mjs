/** Redis, for the fault runs: as a worker process uses it, and as who publishes and looks after it does. */
import { redisStream } from "headgate/worker/redis";
import { createClient } from "redis";

/** ms of a lease that may run out in a run, and of one that should not. */
export const leases = { short: 4_000, long: 30_000 };
/** It writes what it was told to its file before it answers; the file survives the process. */
export const tells = true;
export const restarts = "SIGKILL";

async function connected(url) {
  const client = createClient({ url });
  // It connects again by itself.
  client.on("error", () => {});
  await client.connect();
  return client;
}

export async function open(url, queue, { lease }) {
  const client = await connected(url);
  const source = redisStream(client, { stream: queue, group: "g", lease, deadLetters: `${queue}:dead` });
  const close = async () => {
    await source.close();
    client.destroy();
  };
  return { source, close };
}

export async function admin(url) {
  const client = await connected(url);
  return {
    async create() {},
    publish: (queue, bodies) =>
      Promise.all(bodies.map((body) => client.sendCommand(["XADD", queue, "*", "body", body]))),
    async deadLetters(queue) {
      const entries = await client.xRange(`${queue}:dead`, "-", "+");
      return entries.map(({ message }) => ({ body: message.body, reason: message["headgate-reason"] }));
    },
    left: (queue) => client.xLen(queue),
    close: async () => client.destroy(),
  };
}
