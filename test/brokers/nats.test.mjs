/** headgate/worker/nats with a real server. */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { natsConsumer } from "headgate/worker/nats";
import { isFollowed } from "./page.mjs";
import { start } from "./servers/nats.mjs";
import { conforms, isStopped, serverOf } from "./suite.mjs";

/** In ms. No multiple of the 500 for which a request waits: who is due in the moment in which it ends may lose its count of attempts. */
const LEASE = 2_200;

const server = await serverOf("nats", start);
if (server !== undefined) isFollowed("NATS", { NATS_URL: server.url });
if (server !== undefined) await run(server);

async function run({ url, atEnd }) {
  const connection = await connect({ servers: url });
  atEnd(() => connection.close());
  const js = jetstream(connection);
  const manager = await jetstreamManager(connection);

  let labs = 0;
  async function makeLab(lease = LEASE) {
    const stream = `lab${++labs}`;
    const dead = `${stream}dead`;
    await manager.streams.add({ name: stream, subjects: [`${stream}.>`], retention: "workqueue" });
    await manager.streams.add({ name: dead, subjects: [`${dead}.>`] });
    const config = { durable_name: "worker", ack_policy: "explicit", ack_wait: lease * 1e6, max_ack_pending: 10_000 };
    await manager.consumers.add(stream, config);
    const deadLetters = { subject: `${dead}.letters`, headers };
    const key = ({ headers }) => headers?.get("key") || undefined;
    const source = () => natsConsumer(connection, { stream, consumer: "worker", deadLetters, key });
    return {
      source: await source(),
      other: await source(),
      publish: async (bodies, { key, attributes = {} } = {}) => {
        const given = headers();
        for (const [name, value] of Object.entries(attributes)) given.set(name, value);
        if (key !== undefined) given.set("key", key);
        for (const body of bodies) await js.publish(`${stream}.message`, body, { headers: given });
      },
      deadLetters: async () => {
        const { state } = await manager.streams.info(dead);
        const letters = [];
        if (state.messages === 0) return letters;
        for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
          const letter = await manager.streams.getMessage(dead, { seq });
          letters.push({ body: letter.string(), reason: letter.header.get("Headgate-Reason") });
        }
        return letters;
      },
      size: async () => (await manager.streams.info(stream)).state.messages,
      close: async () => {
        await manager.streams.delete(stream);
        await manager.streams.delete(dead);
      },
    };
  }

  conforms("nats", makeLab, {
    lease: LEASE,
    fenced: true,
    delayed: true,
    attempts: true,
    releaseIsFree: false,
    deadLetters: true,
    keys: true,
    attributes: true,
    ordered: true,
  });
  isStopped("nats", () => makeLab(60_000));
}
