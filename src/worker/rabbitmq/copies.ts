/**
 * Copies of messages of RabbitMQ: of dead ones, and of those that are to come again later.
 *
 * Invariants:
 * - They are published on a channel of their own. What is refused, or breaks that channel, costs no delivery.
 * - A channel on which a copy was refused publishes no other: RabbitMQ 3.10 refuses all that comes later, also when the queue that was full
 *   has room again. It is closed when the broker has answered for all that is under way on it.
 */
import { heard, type RabbitChannel, type RabbitConnection } from "./client.ts";
import { copied, headersOf, sizeOf, type RabbitMessage } from "./message.ts";

/** The longest time that a message can wait in a queue, in ms. */
const EVER = 4_294_967_295;
/** Bytes of a copy's headers that are not the message's: ours but for the reason, and the properties. */
const OURS = 1_536;

/** A channel for copies. */
interface Outlet {
  readonly channel: RabbitChannel;
  underway: number;
  refused: boolean;
  /** What the broker has sent back, because there is no such queue. */
  readonly returned: Set<number>;
}

export class Copies {
  private readonly connection: RabbitConnection;
  private readonly queue: string;
  /** How many bytes of headers a copy may have. */
  private readonly room: number;
  /** The channel that copies are published on now, once it is asked for; and once it is open. */
  private outlet: Promise<Outlet> | undefined;
  private latest: Outlet | undefined;
  private published = 0;
  /** The queues for messages that wait, as far as they are declared. */
  private readonly delays: Map<string, Promise<void>> = new Map();

  constructor(connection: RabbitConnection, queue: string, room: number) {
    this.connection = connection;
    this.queue = queue;
    this.room = room;
  }

  /** Whether there can be a copy that has all of a message. If not, it can only be given back as it is. */
  canBeWhole(message: RabbitMessage): boolean {
    return sizeOf(headersOf(message)) + OURS <= this.room;
  }

  /** Publishes a message to where it waits until it expires, and goes back to the end of the queue. */
  async later(delay: number, message: RabbitMessage, failures: number): Promise<void> {
    const expiration = Math.min(Math.ceil(delay), EVER);
    const name = `${this.queue}.delay.${bucketOf(expiration)}`;
    if (!this.delays.has(name)) this.delays.set(name, this.declare(name));
    try {
      await this.delays.get(name);
    } catch (error) {
      this.delays.delete(name);
      throw error;
    }
    await this.publish(name, message, [{ ...headersOf(message), "headgate-attempts": failures }], expiration);
  }

  /** Publishes a message to the end of its queue. */
  again(message: RabbitMessage, failures: number): Promise<void> {
    return this.publish(this.queue, message, [{ ...headersOf(message), "headgate-attempts": failures }]);
  }

  /** Publishes a dead letter: without its reason if it is too large with it, and without its own headers if it is still too large then. */
  letter(queue: string, message: RabbitMessage, attempts: number, reason: string): Promise<void> {
    const headers = headersOf(message);
    const ours = { "headgate-attempts": attempts, "headgate-queue": this.queue };
    return this.publish(queue, message, [
      { ...headers, ...ours, "headgate-reason": reason },
      { ...headers, ...ours, "headgate-left-out": "reason" },
      { ...ours, "headgate-reason": reason, "headgate-left-out": "headers" },
    ]);
  }

  /** Publishes a copy with the first of these headers that the client and the broker can take; resolves when the broker has it. */
  private async publish(
    queue: string,
    message: RabbitMessage,
    forms: readonly Record<string, unknown>[],
    expiration?: number,
  ): Promise<void> {
    const fitting = forms.filter((headers) => sizeOf(headers) + OURS / 2 <= this.room);
    let unwritable: unknown = new Error(`rabbitQueue: the headers of a message are too large for a copy in ${queue}`);
    for (const headers of fitting) {
      const outlet = await this.open();
      const n = ++this.published;
      const options = copied(message, { ...headers, "headgate-copy": n }, expiration);
      try {
        return await this.send(outlet, queue, message, options, n);
      } catch (error) {
        if (!(error instanceof Unwritable)) throw error;
        unwritable = error.cause;
      }
    }
    throw unwritable;
  }

  private async send(
    outlet: Outlet,
    queue: string,
    { content }: RabbitMessage,
    options: Record<string, unknown>,
    n: number,
  ): Promise<void> {
    outlet.underway++;
    try {
      await new Promise<void>((resolve, reject) => {
        const confirmed = (error: unknown): void => {
          if (error) reject(refusal(queue, error));
          else if (outlet.returned.delete(n)) reject(new Error(`rabbitQueue: there is no queue ${queue}`));
          else resolve();
        };
        try {
          outlet.channel.sendToQueue(queue, content, options, confirmed);
        } catch (error) {
          reject(new Unwritable("", { cause: error }));
        }
      });
    } catch (error) {
      if (!(error instanceof Unwritable)) this.retire(outlet);
      throw error;
    } finally {
      outlet.underway--;
      if (outlet.refused && outlet.underway === 0) void heard(outlet.channel.close());
    }
  }

  private open(): Promise<Outlet> {
    this.outlet ??= heard(this.opened());
    return this.outlet;
  }

  private async opened(): Promise<Outlet> {
    try {
      const channel = await this.connection.createConfirmChannel();
      const outlet: Outlet = { channel, underway: 0, refused: false, returned: new Set() };
      this.latest = outlet;
      channel.on("error", () => {});
      channel.on("close", () => this.retire(outlet));
      channel.on("return", (message: RabbitMessage) => {
        outlet.returned.add(message.properties.headers?.["headgate-copy"] as number);
      });
      return outlet;
    } catch (error) {
      this.outlet = undefined;
      throw error;
    }
  }

  /** The next copy is published on another channel. */
  private retire(outlet: Outlet): void {
    outlet.refused = true;
    if (this.latest !== outlet) return;
    this.latest = undefined;
    this.outlet = undefined;
  }

  /** Nothing more is to be published. */
  close(): void {
    const { latest } = this;
    if (latest === undefined) return;
    this.retire(latest);
    if (latest.underway === 0) void heard(latest.channel.close());
  }

  /** Declares a queue on a channel of its own: it would be closed if that fails, and with it all that is under way. */
  private async declare(name: string): Promise<void> {
    const channel = await this.connection.createConfirmChannel();
    channel.on("error", () => {});
    const args = {
      "x-queue-type": "quorum",
      "x-dead-letter-exchange": "",
      "x-dead-letter-routing-key": this.queue,
      "x-dead-letter-strategy": "at-least-once",
      "x-overflow": "reject-publish",
    };
    await channel.assertQueue(name, { durable: true, arguments: args });
    void heard(channel.close());
  }
}

/** What the client says is that a message was "nacked", or that the channel was closed. */
function refusal(queue: string, cause: unknown): Error {
  return new Error(`rabbitQueue: the queue ${queue} has not taken a message; it may be full (${String(cause)})`, {
    cause,
  });
}

/** A copy that the client cannot write down, and has not sent. */
class Unwritable extends Error {}

/** The longest delay in the queue where one of `delay` ms waits: a message only expires when it is the first. */
export function bucketOf(delay: number): number {
  return 125 * 2 ** Math.max(0, Math.ceil(Math.log2(delay / 125)));
}
