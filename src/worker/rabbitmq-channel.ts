/**
 * A channel of RabbitMQ, for the source of rabbitmq.ts: what is said on it, and how it ends.
 *
 * Invariant: when it is over, nothing is said on it any more, and whoever waits for an answer is told so.
 */
import { bucketOf, copied, type RabbitMessage } from "./rabbitmq-message.ts";

/** What is needed of a confirm channel of amqplib. */
export interface RabbitChannel {
  /** amqplib's own, with its socket. */
  readonly connection?: object;
  on(event: string, listener: (...args: never[]) => void): unknown;
  prefetch(count: number): Promise<unknown>;
  consume(queue: string, onMessage: (message: RabbitMessage | null) => void): Promise<{ consumerTag: string }>;
  cancel(consumerTag: string): Promise<unknown>;
  assertQueue(queue: string, options: { durable: boolean; arguments: Record<string, unknown> }): Promise<unknown>;
  sendToQueue(
    queue: string,
    content: RabbitMessage["content"],
    options: Record<string, unknown>,
    confirmed: (error: unknown) => void,
  ): unknown;
  ack(message: RabbitMessage, allUpTo?: boolean): void;
  nack(message: RabbitMessage, allUpTo: boolean, requeue: boolean): void;
  close(): Promise<void>;
}

/** What is needed of a connection of amqplib's promise API. */
export interface RabbitConnection {
  on(event: string, listener: (...args: never[]) => void): unknown;
  createConfirmChannel(): Promise<RabbitChannel>;
  close(): Promise<void>;
}

/** The longest time that a message can wait in a queue, in ms. */
const EVER = 4_294_967_295;

/** A channel, from its opening to its end. */
export class Session {
  readonly n: number;
  consuming = false;
  over = false;
  why = "the channel was closed";
  private readonly connection: RabbitConnection;
  private readonly channel: RabbitChannel;
  private readonly owned: boolean;
  private tag: string | undefined;
  /** Counts the consumers. */
  consumer = 0;
  /** How many messages the broker may deliver to this consumer before it is told of one; and how many it is not told of. */
  private window = 0;
  private untold = 0;
  /** The queues for messages that wait, as far as they are declared. */
  private readonly delays: Map<string, Promise<void>> = new Map();
  private published = 0;
  /** What the broker has sent back, because there is no such queue. */
  private readonly returned: Set<number> = new Set();

  constructor(
    connection: RabbitConnection,
    channel: RabbitChannel,
    owned: boolean,
    n: number,
    ended: (session: Session) => void,
  ) {
    this.connection = connection;
    this.channel = channel;
    this.owned = owned;
    this.n = n;
    // The socket would keep back the request that follows an ack until the broker has confirmed that packet, which it puts off: each
    // batch of verdicts took 48 ms, and takes 2.5.
    const { stream } = (channel.connection ?? {}) as { readonly stream?: { setNoDelay?(noDelay: boolean): void } };
    stream?.setNoDelay?.(true);
    channel.on("error", (error: Error) => {
      this.why = error.message;
    });
    channel.on("close", () => {
      this.over = true;
      this.consuming = false;
      ended(this);
      // There is one connection a channel; another channel gets another.
      if (owned) connection.close().catch(() => {});
    });
    channel.on("return", (message: RabbitMessage) => {
      this.returned.add(message.properties.headers?.["headgate-copy"] as number);
    });
  }

  async consume(queue: string, window: number, receive: (message: RabbitMessage | null) => void): Promise<void> {
    this.window = window;
    this.untold = 0;
    this.consumer++;
    await this.channel.prefetch(window);
    // The broker may cancel it before we hear that it has begun.
    this.consuming = true;
    try {
      const { consumerTag } = await this.channel.consume(queue, (message) => {
        // null: the broker has cancelled it. What it delivered before remains ours.
        if (message === null) this.consuming = false;
        else this.untold++;
        receive(message);
      });
      this.tag = consumerTag;
    } catch (error) {
      this.consuming = false;
      throw error;
    }
  }

  /** The broker was told of a message of this consumer: it may deliver another. */
  told(consumer: number): void {
    if (consumer === this.consumer) this.untold--;
  }

  /** Nothing more will be delivered before the broker is told of something. */
  get isFull(): boolean {
    return this.untold >= this.window;
  }

  /** Returns when nothing more will be delivered. */
  async cancel(): Promise<void> {
    if (!this.consuming) return;
    this.consuming = false;
    await this.channel.cancel(this.tag!).catch(() => {});
  }

  /** Does something that the broker does not answer. On a closed channel it need not be done any more. */
  do(what: (channel: RabbitChannel) => void): void {
    if (this.over) return;
    try {
      what(this.channel);
    } catch (error) {
      if (!this.over) throw error;
    }
  }

  /** Returns when the broker has heard all that it was told before. */
  async barrier(): Promise<void> {
    if (!this.over) await this.channel.prefetch(this.window);
  }

  /** Publishes a message to where it waits until it expires, and goes back. */
  async delayed(queue: string, delay: number, message: RabbitMessage, attempt: number): Promise<void> {
    const expiration = Math.min(delay, EVER);
    const name = `${queue}.delay.${bucketOf(expiration)}`;
    if (!this.delays.has(name)) this.delays.set(name, this.declare(name, queue));
    try {
      await this.delays.get(name);
    } catch (error) {
      this.delays.delete(name);
      throw error;
    }
    await this.publish(name, message, { "headgate-attempts": attempt }, expiration);
  }

  /** Declares a queue on a channel of its own: it would be closed if that fails, and with this one all deliveries would be lost. */
  private async declare(name: string, queue: string): Promise<void> {
    const channel = await this.connection.createConfirmChannel();
    channel.on("error", () => {});
    const args = {
      "x-queue-type": "quorum",
      "x-dead-letter-exchange": "",
      "x-dead-letter-routing-key": queue,
      "x-dead-letter-strategy": "at-least-once",
      "x-overflow": "reject-publish",
    };
    await channel.assertQueue(name, { durable: true, arguments: args });
    await channel.close();
  }

  /** Publishes a copy; resolves when the broker has it. */
  publish(queue: string, message: RabbitMessage, headers: Record<string, unknown>, expiration?: number): Promise<void> {
    const n = ++this.published;
    const options = copied(message, { ...headers, "headgate-copy": n }, expiration);
    return new Promise((resolve, reject) => {
      this.channel.sendToQueue(queue, message.content, options, (error) => {
        if (error) reject(error);
        else if (this.returned.delete(n)) reject(new Error(`rabbitQueue: there is no queue ${queue}`));
        else resolve();
      });
    });
  }

  async close(): Promise<void> {
    if (!this.over) {
      // A channel that has many acks under way keeps back the rest until the queue has taken those, and forgets them when it is
      // closed. The queue answers a cancel after them; when the channel answers once more, it has sent the rest.
      const all = async (): Promise<void> => {
        await this.channel.cancel(this.tag ?? "");
        await this.barrier();
        await this.barrier();
        await this.channel.close();
      };
      await all().catch(() => {});
    }
    if (this.owned) await this.connection.close().catch(() => {});
  }
}
