/**
 * A channel of RabbitMQ, for the source in queue.ts: its consumer, the commands that are sent on it, and its end.
 *
 * An ack has no answer in this protocol, and an answer of the channel proves little. The channel hands on 32 commands
 * to a quorum queue, and keeps back all others until the queue has written those down. When it closes, it forgets what
 * it kept back.
 *
 *     send ──▶ channel ──▶ at most 32 commands ──▶ quorum queue ──▶ written down
 *               │  keeps back the others                              │
 *               │◀── answers (prefetch) at once                       │
 *               └──────────── answer of askQueue() ◀──────────────────┘
 *
 * So the commands are counted, and the queue itself is asked: a consumer without credit begins, and is cancelled at
 * once. The queue writes down both, in their turn, before it answers.
 *
 * Invariants:
 * - Commands that `flush` has answered for are not lost with the channel. After a stop they are written down, and not
 *   lost with the server either.
 * - After its end nothing is sent on the channel, and calls that wait for an answer reject.
 * - Every close has a limit; a connection of ours is cut then. No promise without a caller can reject.
 */
import { context, type Context, time } from "../../index.ts";
import { closeConnection, ignoreRejection, wireOf } from "./client.ts";
import { Copies } from "./copies.ts";
import type { RabbitChannel, RabbitConnection, RabbitMessage } from "./types.ts";

/**
 * Commands that a queue takes from a channel in any case before the channel keeps any back: half of RabbitMQ's setting.
 */
const FREE_COMMANDS = 16;
/**
 * Consumer arguments. RabbitMQ 3 delivers nothing to such a consumer. RabbitMQ 4 knows no credit, and may deliver one
 * message if no other consumer wants it.
 */
const NO_CREDIT: Record<string, unknown> = {
  "x-credit": { credit: { "!": "long", value: 0 }, drain: false },
  "x-priority": -1_000,
};
/** The most bytes of headers that amqplib can encode. */
const MAX_HEADER_BYTES = 65_536;
/**
 * The interval of looks at a connection of ours. It is given up after `MAX_SILENT` of them without a byte, though we
 * have asked.
 */
const SILENCE_MS = 2_000;
const MAX_SILENT = 3;
/** Time limit for the close of a connection whose channel has ended by itself. */
const CLOSE_TIMEOUT_MS = 2_000;

type Receive = (message: RabbitMessage | null, consumer: number) => void;

/** A channel, from its opening to its end. */
export class Session {
  /** Names the channel in the ids of its deliveries. */
  readonly number: number;
  isConsuming = false;
  isOver = false;
  /** The reason of the end. */
  endReason = "the channel was closed";
  readonly copies: Copies;
  private readonly queue: string;
  private readonly connection: RabbitConnection;
  private readonly channel: RabbitChannel;
  /** The connection is ours: it has this channel alone, and is closed with it. */
  private readonly isOwned: boolean;
  private readonly onEnd: (session: Session) => void;
  private isClosing = false;
  private consumerTag: string | undefined;
  /** The number of the consumer: a channel has one after the other. */
  private consumer = 0;
  /** The prefetch count of the consumer, and how many of its deliveries have no verdict. */
  private prefetch = 0;
  private unacked = 0;
  /** Commands that were sent; how many of them the channel has handed on; how many the queue has written down. */
  private sent = 0;
  private handedOn = 0;
  private written = 0;
  /** The channel on which the queue is asked. */
  private askChannel: Promise<RabbitChannel> | undefined;
  private asks = 0;
  private askingAhead: Promise<void> | undefined;
  private silence: time.Timer | undefined;

  constructor(
    connection: RabbitConnection,
    channel: RabbitChannel,
    queue: string,
    isOwned: boolean,
    number: number,
    onEnd: (session: Session) => void,
  ) {
    this.connection = connection;
    this.channel = channel;
    this.queue = queue;
    const frameMax = wireOf(channel).frameMax ?? MAX_HEADER_BYTES;
    this.copies = new Copies(connection, queue, Math.min(MAX_HEADER_BYTES, frameMax));
    this.isOwned = isOwned;
    this.number = number;
    this.onEnd = onEnd;
    // Without TCP_NODELAY, Nagle's algorithm delays the request after an ack: 48 ms per batch of verdicts instead of
    // 2.5.
    wireOf(channel).stream?.setNoDelay?.(true);
    channel.on("error", (error: Error) => {
      this.endReason = error.message;
    });
    channel.on("close", () => {
      this.end();
      // The next channel gets a connection of its own.
      if (isOwned && !this.isClosing) void closeConnection(connection, CLOSE_TIMEOUT_MS);
    });
    if (isOwned) this.watchSilence(wireOf(channel).stream?.bytesRead, 1);
  }

  private end(): void {
    this.isOver = true;
    this.isConsuming = false;
    this.silence?.stop();
    this.copies.close();
    // A connection of ours takes its channels with it.
    if (!this.isOwned) void this.askChannel?.then((channel) => ignoreRejection(channel.close())).catch(() => {});
    this.onEnd(this);
  }

  // -------------------------------------------------------------------------------------------------------- deliveries

  /**
   * Has the broker check the arguments of the queue. It does so on a channel of its own, because the broker closes that
   * if they differ.
   */
  async declare(args: Readonly<Record<string, unknown>>): Promise<void> {
    const channel = await this.connection.createConfirmChannel();
    channel.on("error", () => {});
    await channel.assertQueue(this.queue, { durable: true, arguments: args });
    void ignoreRejection(channel.close());
  }

  /** Starts a consumer. `receive` gets its messages and its number, and null when the broker has cancelled it. */
  async consume(prefetch: number, receive: Receive): Promise<void> {
    const consumer = ++this.consumer;
    this.prefetch = prefetch;
    this.unacked = 0;
    // The broker may cancel the consumer before we hear that it has begun.
    this.isConsuming = true;
    try {
      // Sent together: a consumer gets the count that was set last.
      void ignoreRejection(this.channel.prefetch(prefetch));
      const { consumerTag } = await this.channel.consume(this.queue, (message) => {
        // null: the broker has cancelled it. Earlier deliveries remain ours.
        if (message === null) this.isConsuming = false;
        else if (consumer === this.consumer) this.unacked++;
        receive(message, consumer);
      });
      this.consumerTag = consumerTag;
    } catch (error) {
      this.isConsuming = false;
      throw error;
    }
  }

  /** Counts a verdict on a delivery of this consumer: the broker may deliver another. */
  settledOne(consumer: number): void {
    if (consumer === this.consumer) this.unacked--;
  }

  /** The broker delivers nothing more before it gets a verdict. */
  get isFull(): boolean {
    return this.unacked >= this.prefetch;
  }

  /** Cancels the consumer. Resolves when it delivers nothing more. */
  async cancel(): Promise<void> {
    if (!this.isConsuming) return;
    this.isConsuming = false;
    await this.channel.cancel(this.consumerTag!).catch(() => {});
  }

  // ---------------------------------------------------------------------------------------------------------- verdicts

  /**
   * Sends something that the broker does not answer, and that is so many commands for the queue. Throws if the channel
   * is ending: then the messages are the broker's again, or soon will be.
   */
  send(what: (channel: RabbitChannel) => void, commands: number = 1): void {
    if (this.isEnding) throw new Error(`rabbitQueue: ${this.endReason}`);
    what(this.channel);
    this.sent += commands;
  }

  /** Gives back a message. If the channel takes nothing more, its end gives it back. */
  giveBack(message: RabbitMessage): void {
    try {
      this.send((channel) => channel.nack(message, false, true));
    } catch {
      // The end of the channel gives it back.
    }
  }

  /** Nothing can be sent any more. */
  get isEnding(): boolean {
    return this.isOver || this.isClosing;
  }

  /**
   * Resolves when the channel keeps back no command that was sent before this call: the queue gets them even if the
   * channel closes now. With `isDurable`, when the queue has written them down. Resolves at once if the channel is
   * over.
   *
   * By default it is durable while no consumer runs: then the worker has stopped, and this may be its last call.
   */
  async flush(isDurable: boolean = !this.isConsuming): Promise<void> {
    const upTo = this.sent;
    if (this.isOver || upTo <= this.written) return;
    // An answer of the channel means that it has handed on all that it does not keep back.
    await this.channel.prefetch(this.prefetch);
    if (isDurable || upTo - this.handedOn > FREE_COMMANDS) {
      // When the queue has answered, the channel hands on what it has kept back.
      await this.askQueue();
      await this.channel.prefetch(this.prefetch);
      this.handedOn = Math.max(this.handedOn, upTo);
    }
    if (isDurable) {
      await this.askQueue();
      this.written = Math.max(this.written, upTo);
    } else if (upTo - this.handedOn > FREE_COMMANDS / 2) {
      // Asks early, so that a later flush need not wait.
      this.askingAhead ??= ignoreRejection(this.askAhead(upTo));
    }
  }

  private async askAhead(upTo: number): Promise<void> {
    try {
      await this.askQueue();
      this.handedOn = Math.max(this.handedOn, upTo);
      this.written = Math.max(this.written, upTo);
    } finally {
      this.askingAhead = undefined;
    }
  }

  /**
   * Resolves when the queue has written down what was on its way to it. It has a channel of its own, because that waits
   * for the answer.
   */
  private async askQueue(): Promise<void> {
    this.askChannel ??= ignoreRejection(this.openAskChannel());
    const channel = await this.askChannel;
    const consumerTag = `headgate-asks-${++this.asks}`;
    const answered = channel.consume(this.queue, (message) => message !== null && channel.nack(message, false, true), {
      consumerTag,
      arguments: NO_CREDIT,
    });
    void ignoreRejection(channel.cancel(consumerTag));
    await answered;
  }

  private async openAskChannel(): Promise<RabbitChannel> {
    const onEnd = (): void => {
      this.askChannel = undefined;
    };
    try {
      const channel = await this.connection.createConfirmChannel();
      channel.on("error", () => {});
      channel.on("close", onEnd);
      if (this.isOver) void ignoreRejection(channel.close());
      void ignoreRejection(channel.prefetch(1));
      return channel;
    } catch (error) {
      onEnd();
      throw error;
    }
  }

  // ----------------------------------------------------------------------------------------------------------- the end

  /**
   * Cuts a connection on which nothing comes any more, neither answers nor heartbeats. A busy process only looks less
   * often.
   */
  private watchSilence(before: number | undefined, looks: number): void {
    this.silence = time.afterFunc(SILENCE_MS, () => {
      const now = wireOf(this.channel).stream?.bytesRead;
      if (this.isEnding || now === undefined) return;
      if (now !== before) return this.watchSilence(now, 1);
      if (looks === MAX_SILENT)
        return this.cut(`the broker has said nothing for ${(MAX_SILENT * SILENCE_MS) / 1_000} s`);
      void ignoreRejection(this.channel.prefetch(this.prefetch));
      this.watchSilence(now, looks + 1);
    });
  }

  /** Ends the channel without asking the broker. */
  private cut(why: string): void {
    if (this.isOver) return;
    this.endReason = why;
    this.end();
    if (this.isOwned) wireOf(this.channel).stream?.destroy?.(new Error(`rabbitQueue: ${why}`));
  }

  /**
   * Gives back all that has no verdict, and closes what is ours. What is not closed when `limit` ends is cut. Never
   * rejects.
   */
  async close(limit: Context): Promise<void> {
    const closed = async (): Promise<void> => {
      if (this.isOver) return;
      const flushed = this.flush(true);
      this.isClosing = true;
      await flushed;
      await this.channel.close();
    };
    await context.wait(ignoreRejection(closed()), limit).catch(() => {});
    this.isClosing = true;
    if (this.isOwned) await closeConnection(this.connection, limit);
    if (!this.isOver) this.end();
  }
}
