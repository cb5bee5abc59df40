/**
 * `headgate/worker/rabbitmq`: a quorum queue of RabbitMQ as a source, over amqplib.
 *
 * RabbitMQ pushes: what it has assigned to us and no pull has asked for waits in a buffer. What that takes:
 * - The prefetch count bounds what is buffered and handed over together. It is what the worker has room for, so that its buffer is
 *   empty when the worker is full.
 * - Stop, then drain: deliveries still arrive after a consumer was cancelled, until the broker says so. When a pull is cancelled, the
 *   consumer is, too, and what arrives until then is handed over. When nobody pulls, it is given back.
 *
 * Invariants:
 * - A delivery belongs to its channel. When that is closed, the broker delivers all of them again, and whoever has a verdict on one
 *   is told that it was lost. There is no other lease; but see `consumer_timeout` (30 min), and keep `maxLease` below it.
 * - An ack has no answer in this protocol. So after each batch of verdicts comes a request that has one, and a channel does things
 *   in their order. No tag is told twice: the broker would close the channel.
 * - A message that moves to another queue is published, confirmed, and only then acked. If the two are cut apart there are two of it,
 *   with the same `messageId` if it had one. It is never in no queue.
 */
import { Chan, context, type Context, select, time } from "../index.ts";
import type { Dead, Delivery, Nack, Source } from "./source.ts";
import { type RabbitConnection, Session } from "./rabbitmq-channel.ts";
import { type RabbitMessage, reasonOf, toDelivery } from "./rabbitmq-message.ts";

export type { RabbitChannel, RabbitConnection } from "./rabbitmq-channel.ts";
export type { RabbitMessage } from "./rabbitmq-message.ts";

/** A message of RabbitMQ. The body is its content as text; the bytes are in `message.content`. */
export interface RabbitDelivery extends Delivery<string> {
  readonly attempt: number;
  /** Its headers that are texts, numbers or booleans, as texts. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly message: RabbitMessage;
}

/** Which queue, and how to use it. */
export interface RabbitQueueOptions {
  /** A quorum queue that exists. A classic one works, but tells no more of attempts than whether there was one. */
  readonly queue: string;
  /** How many messages this source may hold, buffered and handed over together. What the first pull asks for: `concurrency + prefetch` of the worker, up to `batch` */
  readonly prefetch?: number;
  /**
   * Where dead messages go. The name of a queue that exists: the message is published there with the headers `headgate-reason`,
   * `headgate-attempts` and `headgate-queue`, and then acked. "broker": it is rejected, and goes where the dead-letter exchange of
   * the queue sends it, in one step, but without our reason; without such an exchange it is gone.
   */
  readonly deadLetters?: { readonly queue: string } | "broker";
  /**
   * RabbitMQ cannot delay a delivery. true: a message to be delivered later waits in a quorum queue `<queue>.delay.<ms>`, which this
   * source declares, one for 125 ms and one for each doubling; there it expires, and goes back to the end of the queue after the
   * delay, or up to twice as long if a longer one is before it. false: it is delivered again at once. true
   */
  readonly delays?: boolean;
  /** The ordering key of a message; `undefined` for none. */
  readonly key?: (message: RabbitMessage) => string | undefined;
}

/** A queue as a source. */
export interface RabbitQueue extends Source<RabbitDelivery> {
  /** Gives back everything that has no verdict, and closes the channel, and the connection if a function made it. */
  readonly close: () => Promise<void>;
}

/**
 * Makes a source of a queue. Nothing happens before the first pull. With a function that connects, the source connects again after a
 * cut; with a connection, it opens another channel when its own is closed. Any number of workers may share the source.
 *
 * Set a `heartbeat` in the url, or a server that is gone without a word is waited for as long as TCP does.
 *
 * **Errors**: TypeError or RangeError for options that make no sense. A queue that does not exist makes the pulls reject.
 *
 * @example
 * ```ts no-run
 * import { context } from "headgate";
 * import { shutdown } from "headgate/signal";
 * import { worker } from "headgate/worker";
 * import { type RabbitConnection, rabbitQueue } from "headgate/worker/rabbitmq";
 *
 * declare const amqp: { connect(url: string): Promise<RabbitConnection> }; // of amqplib
 * const source = rabbitQueue(() => amqp.connect("amqp://localhost?heartbeat=10"), { queue: "orders" });
 * const [stop, abort] = shutdown(context.background(), "SIGTERM");
 * const report = await worker(stop, source, async (ctx, { body }) => console.log(JSON.parse(body)), { abort });
 * await source.close();
 * ```
 */
export function rabbitQueue(
  connection: RabbitConnection | (() => Promise<RabbitConnection>),
  options: RabbitQueueOptions,
): RabbitQueue {
  if (typeof connection !== "function" && typeof connection?.createConfirmChannel !== "function") {
    throw new TypeError("rabbitQueue: the first argument must be a connection of amqplib, or a function that connects");
  }
  const { queue, prefetch, deadLetters } = options;
  if (typeof queue !== "string" || queue === "") throw new TypeError("rabbitQueue: queue must be the name of a queue");
  if (prefetch !== undefined && !(Number.isSafeInteger(prefetch) && prefetch >= 1 && prefetch <= 65_535)) {
    throw new RangeError(`rabbitQueue: prefetch must be a whole number from 1 to 65535; got ${String(prefetch)}`);
  }
  if (deadLetters !== undefined && deadLetters !== "broker" && typeof deadLetters?.queue !== "string") {
    throw new TypeError('rabbitQueue: deadLetters must be { queue } or "broker"');
  }
  return new Queue(connection, options);
}

/** After this many ms without a pull, what is buffered is given back. */
const IDLE = 1_000;
/** How long a pull that was cancelled waits for the broker's answer, in ms. */
const ANSWER = 500;

/** A delivery that has no verdict, or one that the broker may not know of yet. */
interface Held {
  readonly session: Session;
  readonly message: RabbitMessage;
  /** The broker was told: it must not be told again. */
  told: boolean;
  /** It is being published to another queue. */
  copy: Promise<void> | undefined;
}

class Queue implements RabbitQueue {
  readonly deadLetter?: Source<RabbitDelivery>["deadLetter"] & {};
  private readonly connection: RabbitConnection | (() => Promise<RabbitConnection>);
  private readonly options: RabbitQueueOptions;
  private session: Session | undefined;
  private starting: Promise<void> | undefined;
  private sessions = 0;
  private closed = false;
  private readonly buffer: RabbitDelivery[] = [];
  /** What was handed over or is buffered, by the id of the delivery. */
  private readonly held: Map<string, Held> = new Map();
  /** Closed and replaced when there is news for the pulls that wait. */
  private news: Chan<never> = new Chan();
  private pulls = 0;
  private idle: time.Timer | undefined;

  constructor(connection: RabbitConnection | (() => Promise<RabbitConnection>), options: RabbitQueueOptions) {
    this.connection = connection;
    this.options = options;
    if (options.deadLetters !== undefined) this.deadLetter = (ctx, items) => this.bury(ctx, items);
  }

  // -------------------------------------------------------------------------------------------------------------------- pull

  pull = async (ctx: Context, max: number): Promise<readonly RabbitDelivery[]> => {
    this.pulls++;
    this.watch();
    try {
      for (;;) {
        if (this.closed) throw new Error("rabbitQueue: pull after close()");
        const err = ctx.err();
        if (err instanceof context.Canceled && this.pulls === 1) await this.quiesce(max);
        if (err !== undefined || this.buffer.length > 0) return this.buffer.splice(0, max);
        const { session, news } = this;
        if (session?.consuming !== true) {
          await this.start(ctx, max);
          continue;
        }
        await select({ news, done: ctx.done() });
        if (session.over && this.buffer.length === 0) throw new Error(`rabbitQueue: ${session.why}`);
      }
    } finally {
      this.pulls--;
      this.watch();
    }
  };

  /** Starts consuming, on a new channel if need be. Several pulls may wait for it; those whose ctx ends do not. */
  private async start(ctx: Context, max: number): Promise<void> {
    this.starting ??= this.consume(max).finally(() => {
      this.starting = undefined;
    });
    try {
      await context.wait(this.starting, ctx);
    } catch (error) {
      if (ctx.err() === undefined) throw error;
    }
  }

  private async consume(max: number): Promise<void> {
    if (this.session === undefined || this.session.over) {
      const owned = typeof this.connection === "function";
      const connection = typeof this.connection === "function" ? await this.connection() : this.connection;
      // Whoever does not listen to errors of an emitter is ended by them; the close that follows says enough.
      connection.on("error", () => {});
      const channel = await connection.createConfirmChannel();
      const session = new Session(connection, channel, owned, ++this.sessions, (cut) => this.forget(cut));
      this.session = session;
      if (this.closed) return session.close();
    }
    const window = this.options.prefetch ?? Math.min(this.held.size + max, 65_535);
    const { session } = this;
    await session.consume(this.options.queue, window, (message) => {
      if (message === null) return this.tell();
      const delivery = toDelivery(message, session.n, this.options.key);
      this.held.set(delivery.id, { session, message, told: false, copy: undefined });
      this.buffer.push(delivery);
      this.tell();
      this.watch();
    });
  }

  /** The channel is closed: all that it had delivered is the broker's again. */
  private forget(session: Session): void {
    for (const [id, held] of this.held) if (held.session === session) this.held.delete(id);
    const left = this.buffer.filter(({ id }) => this.held.has(id));
    this.buffer.splice(0, this.buffer.length, ...left);
    this.tell();
  }

  private tell(): void {
    const { news } = this;
    this.news = new Chan();
    news.close();
  }

  /** Stops the consumer, and gives back what has been buffered until then beyond the first `keep`. */
  private async quiesce(keep: number): Promise<void> {
    const [limit, cancel] = context.withTimeout(context.background(), ANSWER);
    using _ = cancel;
    // What still comes after that is buffered, and given back.
    if (this.session !== undefined) await context.wait(this.session.cancel(), limit).catch(() => {});
    for (const { id } of this.buffer.splice(keep)) {
      const { session, message } = this.held.get(id)!;
      this.held.delete(id);
      session.do((channel) => channel.nack(message, false, true));
    }
  }

  /** Sees to it that nothing stays in the buffer when nobody pulls: others may want it. */
  private watch(): void {
    if (this.pulls > 0 || this.buffer.length === 0) {
      this.idle?.stop();
      this.idle = undefined;
    } else {
      this.idle ??= time.afterFunc(IDLE, () => {
        this.idle = undefined;
        if (this.pulls === 0) void this.quiesce(0);
      });
    }
  }

  close = async (): Promise<void> => {
    this.closed = true;
    this.buffer.length = 0;
    this.watch();
    this.tell();
    await this.starting?.catch(() => {});
    await this.session?.close();
  };

  // ---------------------------------------------------------------------------------------------------------------- verdicts

  ack = (ctx: Context, deliveries: readonly RabbitDelivery[]): Promise<readonly RabbitDelivery[]> => {
    if (ctx.err() === undefined) this.ackFirst(new Set(deliveries.map(({ id }) => id)));
    return this.settle(ctx, deliveries, ack);
  };

  /** Acks those that are the oldest on their channel in one word: a quorum queue takes each ack as a command of its own. */
  private ackFirst(ids: ReadonlySet<string>): void {
    const { session } = this;
    const first: Held[] = [];
    for (const [id, held] of this.held) {
      if (held.session !== session) continue;
      if (!held.told && !ids.has(id)) break;
      if (!held.told) first.push(held);
    }
    const last = first.at(-1);
    if (last === undefined) return;
    session!.do((channel) => channel.ack(last.message, true));
    for (const held of first) held.told = true;
  }

  nack = (ctx: Context, items: readonly Nack<RabbitDelivery>[]): Promise<readonly RabbitDelivery[]> => {
    const { queue, delays = true } = this.options;
    const byId = new Map(items.map((item) => [item.delivery.id, item]));
    const verdict: Verdict = async (held, { id, attempt }) => {
      const delay = Math.ceil(byId.get(id)!.delay);
      if (delay <= 0 || !delays) return held.session.do((channel) => channel.nack(held.message, false, true));
      held.copy ??= held.session.delayed(queue, delay, held.message, attempt);
      await this.move(held);
    };
    const deliveries = items.map(({ delivery }) => delivery);
    return this.settle(ctx, deliveries, verdict);
  };

  private bury(ctx: Context, items: readonly Dead<RabbitDelivery>[]): Promise<readonly RabbitDelivery[]> {
    const { queue, deadLetters } = this.options;
    const byId = new Map(items.map((item) => [item.delivery.id, item]));
    const verdict: Verdict = async (held, { id, attempt }) => {
      if (deadLetters === undefined || deadLetters === "broker") {
        return held.session.do((channel) => channel.nack(held.message, false, false));
      }
      held.copy ??= held.session.publish(deadLetters.queue, held.message, {
        "headgate-reason": reasonOf(byId.get(id)!.error),
        "headgate-attempts": attempt,
        "headgate-queue": queue,
      });
      await this.move(held);
    };
    const deliveries = items.map(({ delivery }) => delivery);
    return this.settle(ctx, deliveries, verdict);
  }

  /** Acks a message when its copy is safe. */
  private async move(held: Held): Promise<void> {
    try {
      await held.copy;
    } catch (error) {
      held.copy = undefined;
      throw error;
    }
    if (!held.told) ack(held);
  }

  /** Tells the broker the verdicts, and waits until it has them. Returns those whose channel is closed. */
  private async settle(
    ctx: Context,
    deliveries: readonly RabbitDelivery[],
    verdict: Verdict,
  ): Promise<readonly RabbitDelivery[]> {
    const err = ctx.err();
    if (err !== undefined) throw err;
    const sessions = new Set<Session>();
    const telling = deliveries.map(async (delivery) => {
      const held = this.held.get(delivery.id);
      if (held === undefined) return;
      sessions.add(held.session);
      if (held.told) return;
      await verdict(held, delivery);
      held.told = true;
    });
    try {
      await context.wait(Promise.all(telling), ctx);
      await context.wait(Promise.all([...sessions].map((session) => session.barrier())), ctx);
    } catch (error) {
      // What a closed channel leaves undone is no riddle: it is all lost.
      if (![...sessions].some((session) => session.over)) throw error;
      const open = deliveries.filter(({ id }) => this.held.has(id));
      if (open.length > 0) throw error;
    }
    return deliveries.filter(({ id }) => !this.held.delete(id));
  }
}

type Verdict = (held: Held, delivery: RabbitDelivery) => void | Promise<void>;

const ack = (held: Held): void => held.session.do((channel) => channel.ack(held.message));
