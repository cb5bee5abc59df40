/**
 * Copies of messages of RabbitMQ: of dead ones, and of those that come again later.
 *
 * Invariants:
 * - Copies are published on a channel of their own. A refusal, or the end of that channel, costs no delivery.
 * - A channel on which a copy was refused publishes no other: RabbitMQ 3.10 refuses all later ones, even when a queue
 *   that was full has room again. It is closed when the broker has answered for all copies that are under way on it.
 */
import { ignoreRejection } from "./client.ts";
import { copyOptions, headersOf, sizeOf } from "./message.ts";
import type { RabbitChannel, RabbitConnection, RabbitMessage } from "./types.ts";

/** The longest time that a message can wait in a queue. */
const MAX_EXPIRATION_MS = 4_294_967_295;
/** The least delay of a delay queue. */
const MIN_DELAY_MS = 125;
/** Bytes of a copy's headers that are not the message's: ours except the reason, and the properties. */
const OWN_HEADER_BYTES = 1_536;

/** A channel for copies. */
interface Outlet {
  readonly channel: RabbitChannel;
  underway: number;
  isRetired: boolean;
  /** The numbers of copies that the broker has returned, because their queue does not exist. */
  readonly returned: Set<number>;
}

export class Copies {
  private readonly connection: RabbitConnection;
  private readonly queue: string;
  private readonly maxHeaderBytes: number;
  /** The channel for the next copy: once it is asked for, and once it is open. */
  private opening: Promise<Outlet> | undefined;
  private outlet: Outlet | undefined;
  private published = 0;
  /** The declarations of the delay queues, by their names. */
  private readonly delayQueues: Map<string, Promise<void>> = new Map();

  constructor(connection: RabbitConnection, queue: string, maxHeaderBytes: number) {
    this.connection = connection;
    this.queue = queue;
    this.maxHeaderBytes = maxHeaderBytes;
  }

  /** Returns whether a copy can have all headers of a message. If not, the message can only be given back as it is. */
  canCopy(message: RabbitMessage): boolean {
    return sizeOf(headersOf(message)) + OWN_HEADER_BYTES <= this.maxHeaderBytes;
  }

  /** Publishes a message to a delay queue, where it waits until it expires, and goes back to the end of its queue. */
  async publishDelayed(delay: number, message: RabbitMessage, failures: number): Promise<void> {
    const expiration = Math.min(Math.ceil(delay), MAX_EXPIRATION_MS);
    const name = `${this.queue}.delay.${delayQueueOf(expiration)}`;
    if (!this.delayQueues.has(name)) this.delayQueues.set(name, this.declareDelayQueue(name));
    try {
      await this.delayQueues.get(name);
    } catch (error) {
      this.delayQueues.delete(name);
      throw error;
    }
    await this.publish(name, message, [{ ...headersOf(message), "headgate-attempts": failures }], expiration);
  }

  /** Publishes a message to the end of its queue. */
  publishAgain(message: RabbitMessage, failures: number): Promise<void> {
    return this.publish(this.queue, message, [{ ...headersOf(message), "headgate-attempts": failures }]);
  }

  /**
   * Publishes a dead letter. If it is too large with its reason, it has none; if it still is, it has no headers of its
   * own.
   */
  publishDeadLetter(queue: string, message: RabbitMessage, attempts: number, reason: string): Promise<void> {
    const headers = headersOf(message);
    const ours = { "headgate-attempts": attempts, "headgate-queue": this.queue };
    return this.publish(queue, message, [
      { ...headers, ...ours, "headgate-reason": reason },
      { ...headers, ...ours, "headgate-left-out": "reason" },
      { ...ours, "headgate-reason": reason, "headgate-left-out": "headers" },
    ]);
  }

  /**
   * Publishes a copy with the first of these headers that the client and the broker accept. Resolves when the broker
   * has it.
   */
  private async publish(
    queue: string,
    message: RabbitMessage,
    forms: readonly Record<string, unknown>[],
    expiration?: number,
  ): Promise<void> {
    const fitting = forms.filter((headers) => sizeOf(headers) + OWN_HEADER_BYTES / 2 <= this.maxHeaderBytes);
    let failure: unknown = new Error(`rabbitQueue: the headers of a message are too large for a copy in ${queue}`);
    for (const headers of fitting) {
      const outlet = await this.open();
      const number = ++this.published;
      const options = copyOptions(message, { ...headers, "headgate-copy": number }, expiration);
      try {
        return await this.send(outlet, queue, message, options, number);
      } catch (error) {
        if (!(error instanceof EncodingError)) throw error;
        failure = error.cause;
      }
    }
    throw failure;
  }

  private async send(
    outlet: Outlet,
    queue: string,
    { content }: RabbitMessage,
    options: Record<string, unknown>,
    number: number,
  ): Promise<void> {
    outlet.underway++;
    try {
      await new Promise<void>((resolve, reject) => {
        const confirmed = (error: unknown): void => {
          if (error) reject(refusal(queue, error));
          else if (outlet.returned.delete(number)) reject(new Error(`rabbitQueue: there is no queue ${queue}`));
          else resolve();
        };
        try {
          outlet.channel.sendToQueue(queue, content, options, confirmed);
        } catch (error) {
          reject(new EncodingError("", { cause: error }));
        }
      });
    } catch (error) {
      if (!(error instanceof EncodingError)) this.retire(outlet);
      throw error;
    } finally {
      outlet.underway--;
      if (outlet.isRetired && outlet.underway === 0) void ignoreRejection(outlet.channel.close());
    }
  }

  private open(): Promise<Outlet> {
    this.opening ??= ignoreRejection(this.openOutlet());
    return this.opening;
  }

  private async openOutlet(): Promise<Outlet> {
    try {
      const channel = await this.connection.createConfirmChannel();
      const outlet: Outlet = { channel, underway: 0, isRetired: false, returned: new Set() };
      this.outlet = outlet;
      channel.on("error", () => {});
      channel.on("close", () => this.retire(outlet));
      channel.on("return", (message: RabbitMessage) => {
        outlet.returned.add(message.properties.headers?.["headgate-copy"] as number);
      });
      return outlet;
    } catch (error) {
      this.opening = undefined;
      throw error;
    }
  }

  /** Publishes nothing more on this channel: the next copy gets another. */
  private retire(outlet: Outlet): void {
    outlet.isRetired = true;
    if (this.outlet !== outlet) return;
    this.outlet = undefined;
    this.opening = undefined;
  }

  /** Closes the channel when all copies on it are answered. Nothing more may be published. */
  close(): void {
    const { outlet } = this;
    if (outlet === undefined) return;
    this.retire(outlet);
    if (outlet.underway === 0) void ignoreRejection(outlet.channel.close());
  }

  /**
   * Declares a delay queue. It does so on a channel of its own, because the broker closes that if the arguments differ.
   */
  private async declareDelayQueue(name: string): Promise<void> {
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
    void ignoreRejection(channel.close());
  }
}

/**
 * The error of a copy that was refused. The client only says that a message was "nacked", or that the channel was
 * closed.
 */
function refusal(queue: string, cause: unknown): Error {
  return new Error(`rabbitQueue: the queue ${queue} has not taken a message; it may be full (${String(cause)})`, {
    cause,
  });
}

/** The client cannot encode a copy, and has not sent it. */
class EncodingError extends Error {}

/**
 * The longest delay in the queue for a delay. A message expires only when it is the first of its queue, so similar
 * delays share one.
 */
export function delayQueueOf(delay: number): number {
  return MIN_DELAY_MS * 2 ** Math.max(0, Math.ceil(Math.log2(delay / MIN_DELAY_MS)));
}
