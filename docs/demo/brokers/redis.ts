/** Redis: a stream with one consumer group, and a stream of dead letters. */
import { type NodeRedisClient, redisStream } from "headgate/worker/redis";
import { load } from "../clients.ts";
import { type Adapter, LEASE } from "./broker.ts";

interface Client extends NodeRedisClient {
  on(event: "error", listener: () => void): unknown;
  connect(): Promise<unknown>;
  destroy(): void;
}
interface Redis {
  readonly createClient: (options: { url: string; socket: object }) => Client;
}

const GROUP = "demo";

export async function openRedis(url: URL, queue: string): Promise<Adapter> {
  const { createClient } = load<Redis>("redis");
  let isOpen = false;
  // Once it was connected it connects again by itself.
  const reconnectStrategy = (tries: number): number | false => isOpen && Math.min(tries * 100, 1_000);
  const client = createClient({ url: url.href, socket: { connectTimeout: 5_000, reconnectStrategy } });
  // Without this listener, an error of the emitter would end the process. The calls that fail say enough.
  client.on("error", () => {});
  try {
    await client.connect();
    isOpen = true;
    await client.sendCommand(["XGROUP", "CREATE", queue, GROUP, "0", "MKSTREAM"]).catch((error: Error) => {
      // A server whose memory is full says OOM first, also where the group is there; if it is not, the pull says so.
      if (!/^(BUSYGROUP|OOM)/.test(error.message)) throw error;
    });
  } catch (error) {
    if (isOpen) client.destroy();
    throw error;
  }
  const deadLetters = `${queue}:dead`;
  const source = redisStream(client, { stream: queue, group: GROUP, lease: LEASE, deadLetters });
  return {
    source,
    publish: (texts) => Promise.all(texts.map((text) => source.publish(text))),
    left: async () => Number(await client.sendCommand(["XLEN", queue])),
    deadLetters: `the stream ${deadLetters}`,
    async close() {
      await source.close();
      client.destroy();
    },
  };
}
