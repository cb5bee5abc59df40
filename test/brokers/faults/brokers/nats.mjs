/** NATS JetStream, for the fault runs: as a worker process uses it, and as who publishes and looks after it does. */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { natsConsumer } from "headgate/worker/nats";

/** ms of a lease that may run out in a run, and of one that should not. */
export const leases = { short: 4_000, long: 30_000 };
export const tells = true;
/** Killed, it forgets acks that it has confirmed: it writes them down a moment later. */
export const restarts = "SIGTERM";

/** Time limit for what the client itself requests, in ms: its own, of 5 s and 20 s, are too short for a busy machine. */
const timeout = 120_000;

const connected = (url) =>
  connect({ servers: url, timeout, maxReconnectAttempts: -1, reconnectTimeWait: 200, ignoreClusterUpdates: true });

export async function open(url, queue) {
  const connection = await connected(url);
  const deadLetters = { subject: `${queue}dead.letters`, headers };
  const source = await natsConsumer(connection, { stream: queue, consumer: "worker", deadLetters });
  return { source, close: () => connection.close() };
}

export async function admin(url) {
  const connection = await connected(url);
  const js = jetstream(connection, { timeout });
  const manager = await jetstreamManager(connection, { timeout });
  return {
    async create(queue, lease) {
      await manager.streams.add({ name: queue, subjects: [`${queue}.>`], retention: "workqueue" });
      await manager.streams.add({ name: `${queue}dead`, subjects: [`${queue}dead.>`] });
      const config = { durable_name: "worker", ack_policy: "explicit", ack_wait: lease * 1e6, max_ack_pending: 10_000 };
      await manager.consumers.add(queue, config);
    },
    publish: (queue, bodies) => Promise.all(bodies.map((body) => js.publish(`${queue}.message`, body))),
    async deadLetters(queue) {
      const { state } = await manager.streams.info(`${queue}dead`);
      const letters = [];
      for (let seq = state.first_seq; state.messages > 0 && seq <= state.last_seq; seq++) {
        const letter = await manager.streams.getMessage(`${queue}dead`, { seq });
        letters.push({ body: letter.string(), reason: letter.header.get("Headgate-Reason") });
      }
      return letters;
    },
    left: async (queue) => (await manager.streams.info(queue)).state.messages,
    close: () => connection.close(),
  };
}
