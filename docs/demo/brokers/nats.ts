/** NATS JetStream: a stream with one durable consumer, and a stream of dead letters. */
import { type NatsConnection, natsConsumer, type NatsHeaders } from "headgate/worker/nats";
import { load } from "../clients.ts";
import { type Adapter, LEASE } from "./broker.ts";

type Connection = NatsConnection & { close(): Promise<void> };
interface Transport {
  readonly connect: (options: object) => Promise<Connection>;
  readonly headers: () => NatsHeaders;
}
interface JetStream {
  readonly jetstream: (connection: Connection) => {
    publish(subject: string, payload: string): Promise<unknown>;
  };
  readonly jetstreamManager: (connection: Connection) => Promise<{
    readonly streams: {
      add(config: object): Promise<unknown>;
      info(stream: string): Promise<{ readonly state: { readonly messages: number } }>;
    };
    readonly consumers: { add(stream: string, config: object): Promise<unknown> };
  }>;
}

const CONSUMER = "demo";
/** In ms. */
const DAY = 86_400_000;

export async function openNats(url: URL, queue: string): Promise<Adapter> {
  const { connect, headers } = load<Transport>("@nats-io/transport-node");
  const { jetstream, jetstreamManager } = load<JetStream>("@nats-io/jetstream");
  const connection = await connect({
    servers: url.host || "localhost",
    ...loginOf(url),
    ...(url.protocol === "tls:" ? { tls: {} } : {}),
    timeout: 5_000,
    // Once it was connected it connects again by itself.
    maxReconnectAttempts: -1,
    reconnectTimeWait: 500,
  });
  try {
    const { streams, consumers } = await jetstreamManager(connection);
    const subject = `${queue}.messages`;
    const dead = `${queue}-dead`;
    await streams.add({ name: queue, subjects: [subject], retention: "workqueue" });
    await streams.add({ name: dead, subjects: [`${dead}.letters`] });
    // What a stop gives back is no failed attempt, in any process.
    const releases = `${queue}-released`;
    await streams.add({ name: releases, subjects: [`${releases}.>`], max_msgs_per_subject: 1, max_age: DAY * 1e6 });
    const config = { durable_name: CONSUMER, ack_policy: "explicit", ack_wait: LEASE * 1e6, max_ack_pending: 10_000 };
    await consumers.add(queue, config);
    const deadLetters = { subject: `${dead}.letters`, headers };
    const source = await natsConsumer(connection, { stream: queue, consumer: CONSUMER, deadLetters, releases });
    const js = jetstream(connection);
    return {
      source,
      publish: (texts) => Promise.all(texts.map((text) => js.publish(subject, text))),
      left: async () => (await streams.info(queue)).state.messages,
      deadLetters: `the stream ${dead}`,
      close: () => connection.close(),
    };
  } catch (error) {
    await connection.close();
    throw error;
  }
}

/** Who connects: a user with a password, or a token. The client does not take it from the url. */
function loginOf({ username, password }: URL): object {
  const [user, pass] = [username, password].map(decodeURIComponent);
  if (user === "") return {};
  return pass === "" ? { token: user } : { user, pass };
}
