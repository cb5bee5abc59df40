/** The source of NATS JetStream, against a real server. */
import { jetstream, jetstreamManager } from "@nats-io/jetstream";
import { connect, headers } from "@nats-io/transport-node";
import { natsConsumer } from "../../dist/worker/nats.js";
import { start } from "./servers/nats.mjs";
import { conforms, serverOf } from "./suite.mjs";

const server = await serverOf("nats", start);
if (server !== undefined) await run(server);

async function run({ url, closing }) {
  const connection = await connect({ servers: url });
  closing.push(() => connection.close());
  const js = jetstream(connection);
  const manager = await jetstreamManager(connection);

  let labs = 0;
  async function makeLab(lease) {
    const stream = `lab${++labs}`;
    const dead = `${stream}dead`;
    await manager.streams.add({ name: stream, subjects: [`${stream}.>`], retention: "workqueue" });
    await manager.streams.add({ name: dead, subjects: [`${dead}.>`] });
    const config = { durable_name: "worker", ack_policy: "explicit", ack_wait: lease * 1e6, max_ack_pending: 10_000 };
    await manager.consumers.add(stream, config);
    const source = () =>
      natsConsumer(connection, { stream, consumer: "worker", deadLetters: { subject: `${dead}.letters`, headers } });
    return {
      source: await source(),
      other: await source(),
      publish: (body, attributes) => {
        const given = headers();
        for (const [name, value] of Object.entries(attributes)) given.set(name, value);
        return js.publish(`${stream}.message`, body, { headers: given });
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
      close: async () => {
        await manager.streams.delete(stream);
        await manager.streams.delete(dead);
      },
    };
  }

  conforms("nats", makeLab);
}
