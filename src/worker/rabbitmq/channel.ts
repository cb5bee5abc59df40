/**
 * A channel of RabbitMQ, for the source of rabbitmq.ts: what is said on it, what of that has come to the queue, and how it ends.
 *
 * An ack has no answer in this protocol, and what a channel answers proves little: it hands on 32 commands to a quorum queue, keeps back all
 * others until the queue has written those down, and forgets them when it is closed. So the commands are counted, and the queue itself is
 * asked: a consumer without credit begins, and is cancelled at once. The queue writes down both, in their turn, before it answers.
 *
 * Invariants:
 * - What `taken` has answered for is not lost with the channel; after a stop, it is written down and is not lost with the server either.
 * - When it is over, nothing is said on it any more, and who waits for an answer is told so.
 * - Every goodbye has a limit; what is ours is cut then. No promise that nobody waits for can reject.
 */
import { context, type Context, time } from "../../index.ts";
import { heard, leave, type RabbitChannel, type RabbitConnection, wireOf } from "./client.ts";
import { Copies } from "./copies.ts";
import type { RabbitMessage } from "./message.ts";

/** How many commands the queue takes from a channel without a doubt before that keeps any back: half of what it is set to. */
const FREE = 16;
/** RabbitMQ 3 delivers nothing to such a consumer. RabbitMQ 4 knows no credit, and may deliver one message, if nobody else wants it. */
const NO_CREDIT: Record<string, unknown> = {
  "x-credit": { credit: { "!": "long", value: 0 }, drain: false },
  "x-priority": -1_000,
};
/** What amqplib can encode of headers, in bytes. */
const HEADERS = 65_536;
/** A connection of ours on which nothing has come three times in a row, so many ms apart, though we have asked, is given up. */
const SILENCE = 2_000;
/** How long the goodbye of a connection may take whose channel has ended by itself, in ms. */
const GOODBYE = 2_000;

type Receive = (message: RabbitMessage | null, consumer: number) => void;

/** A channel, from its opening to its end. */
export class Session {
  readonly n: number;
  consuming = false;
  over = false;
  why = "the channel was closed";
  readonly copies: Copies;
  private readonly queue: string;
  private readonly connection: RabbitConnection;
  private readonly channel: RabbitChannel;
  private readonly owned: boolean;
  private readonly ended: (session: Session) => void;
  private closing = false;
  private tag: string | undefined;
  /** Counts the consumers. */
  private consumer = 0;
  /** How many messages the broker may deliver to this consumer before it is told of one; and how many it is not told of. */
  private window = 0;
  private untold = 0;
  /** How many commands it was told; how many of these the channel has handed on, and the queue has written down. */
  private commands = 0;
  private handedUpTo = 0;
  private takenUpTo = 0;
  /** The channel on which the queue is asked. */
  private asker: Promise<RabbitChannel> | undefined;
  private askedBefore: Promise<void> | undefined;
  private questions = 0;
  private silence: time.Timer | undefined;

  constructor(
    connection: RabbitConnection,
    channel: RabbitChannel,
    queue: string,
    owned: boolean,
    n: number,
    ended: (session: Session) => void,
  ) {
    this.connection = connection;
    this.channel = channel;
    this.queue = queue;
    this.copies = new Copies(connection, queue, Math.min(HEADERS, wireOf(channel).frameMax ?? HEADERS));
    this.owned = owned;
    this.n = n;
    this.ended = ended;
    // The socket would keep back the request that follows an ack until the broker has confirmed that packet, which it puts off: each
    // batch of verdicts took 48 ms, and takes 2.5.
    wireOf(channel).stream?.setNoDelay?.(true);
    channel.on("error", (error: Error) => {
      this.why = error.message;
    });
    channel.on("close", () => {
      this.end();
      // There is one connection a channel; another channel gets another.
      if (owned && !this.closing) void leave(connection, GOODBYE);
    });
    if (owned) this.listen(wireOf(channel).stream?.bytesRead, 0);
  }

  private end(): void {
    this.over = true;
    this.consuming = false;
    this.silence?.stop();
    this.copies.close();
    // The connection has ended with it, or is not ours.
    if (!this.owned) void this.asker?.then((asker) => heard(asker.close())).catch(() => {});
    this.ended(this);
  }

  // --------------------------------------------------------------------------------------------------------------- deliveries

  /** Has the broker check the arguments of the queue: on a channel of its own, which ends if they are others. */
  async declare(args: Readonly<Record<string, unknown>>): Promise<void> {
    const channel = await this.connection.createConfirmChannel();
    channel.on("error", () => {});
    await channel.assertQueue(this.queue, { durable: true, arguments: args });
    void heard(channel.close());
  }

  /** `receive` gets the messages, and null when the broker has cancelled the consumer; and which consumer it is. */
  async consume(window: number, receive: Receive): Promise<void> {
    const consumer = ++this.consumer;
    this.window = window;
    this.untold = 0;
    // The broker may cancel it before we hear that it has begun.
    this.consuming = true;
    try {
      // Together, for the count that was said last is that of the consumer.
      void heard(this.channel.prefetch(window));
      const { consumerTag } = await this.channel.consume(this.queue, (message) => {
        // null: the broker has cancelled it. What it delivered before remains ours.
        if (message === null) this.consuming = false;
        else if (consumer === this.consumer) this.untold++;
        receive(message, consumer);
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

  // ----------------------------------------------------------------------------------------------------------------- verdicts

  /**
   * Tells the broker something that it does not answer, and that comes to so many commands for the queue. Throws if the channel takes
   * nothing more: then the messages are, or soon will be, the broker's again.
   */
  tell(what: (channel: RabbitChannel) => void, commands: number = 1): void {
    if (this.isEnding) throw new Error(`rabbitQueue: ${this.why}`);
    what(this.channel);
    this.commands += commands;
  }

  /** Gives back a message. If the channel takes nothing more, that gives it back by its end. */
  giveBack(message: RabbitMessage): void {
    try {
      this.tell((channel) => channel.nack(message, false, true));
    } catch {
      // So it is.
    }
  }

  /** Nothing can be told any more. */
  get isEnding(): boolean {
    return this.over || this.closing;
  }

  /**
   * Returns when the channel keeps back nothing of what it was told before: the queue has it, or it is on its way there, also if the channel
   * is closed now. With `forSure`, when the queue has written it down. When the channel is over, there is nothing to be taken.
   */
  async taken(forSure: boolean = !this.consuming): Promise<void> {
    const upTo = this.commands;
    if (this.over || upTo <= this.takenUpTo) return;
    // Each answer of the channel means that it has handed on all that it does not keep back.
    await this.channel.prefetch(this.window);
    if (forSure || upTo - this.handedUpTo > FREE) {
      // When the queue has taken that, the channel hands on what it has kept back.
      await this.ask();
      await this.channel.prefetch(this.window);
      this.handedUpTo = Math.max(this.handedUpTo, upTo);
    }
    if (forSure) {
      await this.ask();
      this.takenUpTo = Math.max(this.takenUpTo, upTo);
    } else if (upTo - this.handedUpTo > FREE / 2) {
      // So that it need not be waited for later.
      this.askedBefore ??= heard(this.askInPassing(upTo));
    }
  }

  private async askInPassing(upTo: number): Promise<void> {
    try {
      await this.ask();
      this.handedUpTo = Math.max(this.handedUpTo, upTo);
      this.takenUpTo = Math.max(this.takenUpTo, upTo);
    } finally {
      this.askedBefore = undefined;
    }
  }

  /** Returns when the queue has written down what was on its way to it. It is asked on another channel, for that waits for the answer. */
  private async ask(): Promise<void> {
    this.asker ??= heard(this.openAsker());
    const asker = await this.asker;
    const consumerTag = `headgate-asks-${++this.questions}`;
    const answered = asker.consume(this.queue, (message) => message !== null && asker.nack(message, false, true), {
      consumerTag,
      arguments: NO_CREDIT,
    });
    void heard(asker.cancel(consumerTag));
    await answered;
  }

  private async openAsker(): Promise<RabbitChannel> {
    const over = (): void => {
      this.asker = undefined;
    };
    try {
      const asker = await this.connection.createConfirmChannel();
      asker.on("error", () => {});
      asker.on("close", over);
      if (this.over) void heard(asker.close());
      void heard(asker.prefetch(1));
      return asker;
    } catch (error) {
      over();
      throw error;
    }
  }

  // ------------------------------------------------------------------------------------------------------------------ the end

  /** Notices that nothing comes back any more: neither what we ask for, nor a heartbeat. A busy process only looks less often. */
  private listen(before: number | undefined, missed: number): void {
    this.silence = time.afterFunc(SILENCE, () => {
      const now = wireOf(this.channel).stream?.bytesRead;
      if (this.isEnding || now === undefined) return;
      if (now !== before) return this.listen(now, 0);
      if (missed === 2) return this.cut(`the broker has said nothing for ${(3 * SILENCE) / 1_000} s`);
      void heard(this.channel.prefetch(this.window));
      this.listen(now, missed + 1);
    });
  }

  /** Ends it without a goodbye. */
  private cut(why: string): void {
    if (this.over) return;
    this.why = why;
    this.end();
    if (this.owned) wireOf(this.channel).stream?.destroy?.(new Error(`rabbitQueue: ${why}`));
  }

  /** Gives back all that has no verdict, and closes what is ours. What is not closed by the end of `limit` is cut. Never rejects. */
  async close(limit: Context): Promise<void> {
    const goodbye = async (): Promise<void> => {
      if (this.over) return;
      const taken = this.taken(true);
      this.closing = true;
      await taken;
      await this.channel.close();
    };
    await context.wait(heard(goodbye()), limit).catch(() => {});
    this.closing = true;
    if (this.owned) await leave(this.connection, limit);
    if (!this.over) this.end();
  }
}
