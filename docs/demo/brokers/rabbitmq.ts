/** RabbitMQ: a quorum queue, and another one for dead letters. */
import { context } from "headgate";
import { type RabbitChannel, type RabbitConnection, rabbitQueue } from "headgate/worker/rabbitmq";
import { load } from "../clients.ts";
import { type Adapter, DELAY } from "./broker.ts";

type Channel = RabbitChannel & {
  checkQueue(queue: string): Promise<{ readonly messageCount: number }>;
};
type Connection = Omit<RabbitConnection, "createConfirmChannel" | "connection"> & {
  createConfirmChannel(): Promise<Channel>;
  /** amqplib's own, with its socket. */
  readonly connection: { readonly stream: { destroy(error: Error): void } };
};
interface Amqp {
  readonly connect: (url: string, options: { timeout: number }) => Promise<Connection>;
}

/** What the broker needs to notice that a client is gone without a word, and the client that the broker is: two of these, in s. */
const HEARTBEAT = "5";
/** How long the goodbye may take, in ms. */
const GOODBYE = 1_500;

export async function openRabbit(url: URL, queue: string): Promise<Adapter> {
  const { connect } = load<Amqp>("amqplib");
  const address = new URL(url);
  if (!address.searchParams.has("heartbeat")) address.searchParams.set("heartbeat", HEARTBEAT);
  const connected = (): Promise<Connection> => connect(address.href, { timeout: 5_000 });
  const deadLetters = { queue: `${queue}.dead` };
  const publisher = new Publisher(connected, queue);
  try {
    await publisher.declare([queue, deadLetters.queue]);
  } catch (error) {
    await publisher.close().catch(() => {});
    throw error;
  }
  const source = rabbitQueue(connected, { queue, deadLetters });
  return {
    source,
    publish: (texts) => publisher.publish(texts),
    left: () => publisher.left(),
    deadLetters: `the queue ${deadLetters.queue}`,
    uncounted: "those that other terminals hold",
    close: () => Promise.all([source.close(), publisher.close()]),
  };
}

/** The connection that publishes and counts. It is made when it is needed, and again after a cut. */
class Publisher {
  private readonly connected: () => Promise<Connection>;
  private readonly queue: string;
  private opening: Promise<readonly [Connection, Channel]> | undefined;
  private hasDelays = false;

  constructor(connected: () => Promise<Connection>, queue: string) {
    this.connected = connected;
    this.queue = queue;
  }

  private open(): Promise<readonly [Connection, Channel]> {
    const over = (): void => {
      this.opening = undefined;
    };
    const opening = async (): Promise<readonly [Connection, Channel]> => {
      const connection = await this.connected();
      // Without this listener, an error of the emitter would end the process.
      connection.on("error", () => {});
      connection.on("close", over);
      const channel = await connection.createConfirmChannel();
      channel.on("error", () => {});
      channel.on("close", () => void connection.close().catch(() => {}));
      return [connection, channel];
    };
    this.opening ??= opening();
    this.opening.catch(over);
    return this.opening;
  }

  async declare(queues: readonly string[]): Promise<void> {
    const [, channel] = await this.open();
    for (const name of queues) {
      await channel.assertQueue(name, { durable: true, arguments: { "x-queue-type": "quorum" } });
    }
  }

  async publish(texts: readonly string[]): Promise<void> {
    const [, channel] = await this.open();
    const publish = (text: string): Promise<void> =>
      new Promise((resolve, reject) => {
        channel.sendToQueue(this.queue, Buffer.from(text), { persistent: true }, (error) =>
          error ? reject(error as Error) : resolve(),
        );
      });
    await Promise.all(texts.map(publish));
  }

  /** The messages that no consumer holds. Without its management plugin the broker counts no others. */
  async left(): Promise<number> {
    const [connection, channel] = await this.open();
    const { messageCount } = await channel.checkQueue(this.queue);
    return messageCount + (await this.delayed(connection, channel));
  }

  /** Those that wait to be delivered again. The source makes their queue when it needs one; to ask for none costs the channel. */
  private async delayed(connection: Connection, channel: Channel): Promise<number> {
    const name = `${this.queue}.delay.${DELAY}`;
    if (!this.hasDelays) {
      const probe = await connection.createConfirmChannel();
      probe.on("error", () => {});
      try {
        await probe.checkQueue(name);
      } catch {
        return 0;
      }
      this.hasDelays = true;
      await probe.close();
    }
    return (await channel.checkQueue(name)).messageCount;
  }

  async close(): Promise<void> {
    const [connection] = (await this.opening?.catch(() => undefined)) ?? [];
    if (connection === undefined) return;
    const [limit, cancel] = context.withTimeout(context.background(), GOODBYE);
    using _ = cancel;
    try {
      await context.wait(connection.close(), limit);
    } catch {
      // A server that hangs never says goodbye, and its socket would keep the process.
      connection.connection.stream.destroy(new Error("cut"));
    }
  }
}
