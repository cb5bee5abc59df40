/**
 * `headgate/worker/rabbitmq`: a quorum queue of RabbitMQ as a source, over amqplib.
 *
 * RabbitMQ pushes: what it has assigned to us and no pull has asked for waits in a buffer. What that takes:
 * - The prefetch count of the consumer is what the worker has room for, so that nothing is buffered when that is full. If another
 *   worker takes it up, it is another consumer's turn, for a prefetch count never changes.
 * - Stop, then drain: deliveries still arrive after a consumer was cancelled, until the broker says so. When a pull is cancelled, the
 *   consumer is, too, and what arrives until then is handed over. When nobody pulls, it is given back.
 *
 * Invariants:
 * - A delivery belongs to its channel. When that is closed, the broker delivers all of them again, and whoever has a verdict on one
 *   is told that it was lost, and so is the worker when it asks for more time. There is no other lease; but see `consumer_timeout`
 *   (30 min), and keep `maxLease` below it.
 * - An ack has no answer in this protocol. So after each batch of verdicts the queue is asked something, and answers when it has taken
 *   them. No tag is told twice: the broker would close the channel.
 * - A message that moves to another queue is published, confirmed, and only then acked. If the two are cut apart there are two of it,
 *   with the same `messageId` if it had one. It is never in no queue.
 * - What one message is refused for concerns no other: the rest of its batch is settled, and known to be, whatever becomes of the channel.
 */
import { propertyOf, hasMethod, given } from "../../internal/foreign.ts";
import { Chan, context, type Context, select, time } from "../../index.ts";
import type { Dead, Delivery, Nack, Source } from "../source.ts";
import { Session } from "./channel.ts";
import { heard, leave, type RabbitChannel, type RabbitConnection } from "./client.ts";
import { explained } from "./errors.ts";
import { type RabbitMessage, toDelivery } from "./message.ts";
import { onlyKnown } from "../../internal/args.ts";
import { inOrder, Lanes } from "./order.ts";
import { reasonOf } from "../reason.ts";

export type { RabbitChannel, RabbitConnection } from "./client.ts";
export type { RabbitMessage } from "./message.ts";

/** A message of RabbitMQ. The body is its content as text; the bytes are in `message.content`. */
export interface RabbitDelivery extends Delivery<string> {
  readonly attempt: number;
  /** Its headers that are texts, numbers or booleans, as texts. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly message: RabbitMessage;
}

/** Which queue, and how to use it. */
export interface RabbitQueueOptions {
  /** A queue that exists: a quorum queue, for a classic one may lose what it has confirmed. */
  readonly queue: string;
  /** How many messages this source may hold at most, buffered and handed over together. As many as its workers have room for: `concurrency + prefetch` */
  readonly prefetch?: number;
  /**
   * Where dead messages go. The name of a queue that exists: the message is published there with the headers `headgate-reason`,
   * `headgate-attempts` and `headgate-queue`, and then acked. If its own headers leave no room for the reason, or are too large to be
   * written again, that is left out, and `headgate-left-out` says so. "broker": it is rejected, and goes where the dead-letter exchange
   * of the queue sends it, in one step, but without our reason; without such an exchange it is gone.
   */
  readonly deadLetters?: { readonly queue: string } | "broker";
  /**
   * RabbitMQ cannot delay a delivery. true: a message to be delivered later waits in a quorum queue `<queue>.delay.<ms>`, which this
   * source declares, one for 125 ms and one for each doubling; there it expires, and goes back to the end of the queue after the
   * delay, or up to twice as long if a longer one is before it. false: it goes to the end of the queue at once. Its header
   * `headgate-attempts` counts its failures. A message with more than some 63 kB of headers cannot be copied: it is given back as it is. true
   */
  readonly delays?: boolean;
  /** The ordering key of a message; `undefined` for none, as if it throws. */
  readonly key?: (message: RabbitMessage) => string | undefined;
  /**
   * The order of keys is kept across all workers, and after a failure. These are the arguments that the queue is declared with, which this
   * source does, so that the broker checks them: a quorum queue with `"x-single-active-consumer": true`, so that one source has it and the
   * others wait for their turn; and with an `x-delivery-limit`, for without one, from RabbitMQ 3.10 on, what is given back goes to the
   * end of the queue. Each stop counts for that limit: set it to a million. What has failed waits in this process, and its key behind
   * it; without a `key`, the whole queue. Its failures are counted there: after a stop, from 1 again. Give each worker a source of its own, and for
   * more than one worker at a time, several such queues: see docs/worker.md.
   */
  readonly ordered?: Readonly<Record<string, unknown>>;
  /** How long `close` may take, in ms. What the broker has not answered by then is cut. 1 500 */
  readonly closeTimeout?: number;
}

/** A queue as a source. */
export interface RabbitQueue extends Source<RabbitDelivery> {
  /**
   * Gives back everything that has no verdict, and closes the channel, and the connection if a function made it. Resolves within
   * `closeTimeout`, and never rejects: a connection of ours that has not answered by then is cut.
   */
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
  if (typeof connection !== "function" && !hasMethod(connection, "createConfirmChannel")) {
    throw new TypeError("rabbitQueue: the first argument must be a connection of amqplib, or a function that connects");
  }
  options = onlyKnown("rabbitQueue", options, OPTIONS);
  const { queue, prefetch, deadLetters, closeTimeout, ordered } = options;
  if (typeof queue !== "string" || queue === "") throw new TypeError("rabbitQueue: queue must be the name of a queue");
  if (prefetch !== undefined && !(Number.isSafeInteger(prefetch) && prefetch >= 1 && prefetch <= 65_535)) {
    throw new RangeError(`rabbitQueue: prefetch must be a whole number from 1 to 65535; got ${given(prefetch)}`);
  }
  if (deadLetters !== undefined && deadLetters !== "broker" && typeof propertyOf(deadLetters, "queue") !== "string") {
    throw new TypeError('rabbitQueue: deadLetters must be { queue } or "broker"');
  }
  if (ordered !== undefined) checkOrdered(ordered);
  if (
    closeTimeout !== undefined &&
    !(typeof closeTimeout === "number" && closeTimeout > 0 && closeTimeout <= 2 ** 31 - 1)
  ) {
    throw new RangeError(`rabbitQueue: closeTimeout must be a number of ms above 0; got ${given(closeTimeout)}`);
  }
  return new Queue(connection, options);
}

function checkOrdered(args: Readonly<Record<string, unknown>>): void {
  const [type, single] = [propertyOf(args, "x-queue-type"), propertyOf(args, "x-single-active-consumer")];
  const limit = propertyOf(args, "x-delivery-limit");
  if (type === "quorum" && single === true && typeof limit === "number" && limit > 0) return;
  const needed = '"x-queue-type": "quorum", "x-single-active-consumer": true and an "x-delivery-limit"';
  throw new TypeError(`rabbitQueue: ordered must be the arguments of the queue, with ${needed}: else no order is kept`);
}

/** After this many ms without a pull, what is buffered is given back. */
const IDLE = 1_000;
/** How long a pull that was cancelled waits for the broker's answer, in ms. */
const ANSWER = 500;
/** How long a close waits for the broker's answers, in ms, unless an option says otherwise: `grace` and this fit into 30 s. */
const GOODBYE = 1_500;
/** There is no lease; but three times in this many ms the worker asks what has been lost, and tells the handlers. */
const LEASE = 6_000;

const OPTIONS = {
  queue: true,
  prefetch: true,
  deadLetters: true,
  delays: true,
  key: true,
  ordered: true,
  closeTimeout: true,
};

/** A delivery that has no verdict, or one that the broker may not know of yet. */
interface Held {
  readonly session: Session;
  readonly consumer: number;
  readonly message: RabbitMessage;
  /** The broker was told: it must not be told again. */
  told: boolean;
  /** It is being published to another queue. */
  copy: Promise<void> | undefined;
}

class Queue implements RabbitQueue {
  readonly lease: number = LEASE;
  readonly deadLetter?: Source<RabbitDelivery>["deadLetter"] & {};
  private readonly connection: RabbitConnection | (() => Promise<RabbitConnection>);
  private readonly options: RabbitQueueOptions;
  private session: Session | undefined;
  private starting: Promise<void> | undefined;
  private sessions = 0;
  private closed = false;
  private readonly buffer: RabbitDelivery[] = [];
  /** What was handed over or is buffered, by the id of the delivery, in the order of its arrival on the channel that is open. */
  private readonly held: Map<string, Held> = new Map();
  /** What is settled, and whoever settled it has not been told so, for another of its batch was not. */
  private readonly settled: Set<string> = new Set();
  /** What waits here for its next attempt, if the order is to be kept. */
  private readonly lanes: Lanes | undefined;
  private again = 0;
  /** Closed when there is news for the pulls that wait; there is none while nobody does. */
  private news: Chan<never> | undefined;
  private pulls = 0;
  private idle: time.Timer | undefined;

  constructor(connection: RabbitConnection | (() => Promise<RabbitConnection>), options: RabbitQueueOptions) {
    this.connection = connection;
    this.options = options;
    if (options.deadLetters !== undefined) this.deadLetter = (ctx, items) => this.bury(ctx, items);
    if (options.ordered !== undefined) this.lanes = new Lanes((deliveries) => this.arrive(deliveries));
    if (typeof connection !== "function") hush(connection);
  }

  // -------------------------------------------------------------------------------------------------------------------- pull

  pull = async (ctx: Context, max: number, room: number = max): Promise<readonly RabbitDelivery[]> => {
    this.pulls++;
    this.watch();
    try {
      for (;;) {
        if (this.closed) throw new Error("rabbitQueue: pull after close()");
        const err = ctx.err();
        if (err instanceof context.Canceled && this.pulls === 1 && !this.lanes) await this.quiesce(max);
        if (err !== undefined || this.buffer.length > 0) return this.buffer.splice(0, max);
        const { session } = this;
        const window = Math.min(room, (this.options.prefetch ?? 65_535) - this.held.size);
        // There is room for more than the broker may deliver: another worker has that.
        if (session?.consuming === true && session.isFull && window > 0 && !this.lanes) await session.cancel();
        if (session?.consuming !== true && window > 0) {
          await this.start(ctx, window);
          continue;
        }
        this.news ??= new Chan();
        await select({ news: this.news, done: ctx.done() });
        if (session?.over === true && this.buffer.length === 0) throw new Error(`rabbitQueue: ${session.why}`);
      }
    } finally {
      this.pulls--;
      this.watch();
    }
  };

  /** Starts consuming, on a new channel if need be. Several pulls may wait for it; those whose ctx ends do not. */
  private async start(ctx: Context, window: number): Promise<void> {
    this.starting ??= heard(
      this.consume(window).finally(() => {
        this.starting = undefined;
      }),
    );
    try {
      await context.wait(this.starting, ctx);
    } catch (error) {
      if (ctx.err() === undefined) throw explained(error, this.options.queue);
    }
  }

  private async consume(window: number): Promise<void> {
    const session = this.session === undefined || this.session.over ? await this.open() : this.session;
    this.session = session;
    if (this.closed) {
      const [limit, cancel] = context.withTimeout(context.background(), this.goodbye);
      using _ = cancel;
      return await session.close(limit);
    }
    const { queue, ordered } = this.options;
    const { key = ordered === undefined ? undefined : () => queue } = this.options;
    if (ordered !== undefined) await session.declare(ordered);
    await session.consume(window, (message, consumer) => {
      if (message === null) return this.tell();
      // The end of the channel gives it back.
      if (this.closed) return;
      const delivery = toDelivery(message, session.n, key, session.copies);
      this.held.set(delivery.id, { session, consumer, message, told: false, copy: undefined });
      if (this.lanes?.joins(delivery) !== true) this.arrive([delivery]);
    });
  }

  private arrive(deliveries: readonly RabbitDelivery[]): void {
    this.buffer.push(...deliveries);
    if (this.lanes !== undefined) this.buffer.sort(inOrder);
    this.tell();
    this.watch();
  }

  private async open(): Promise<Session> {
    const owned = typeof this.connection === "function";
    const connection = typeof this.connection === "function" ? await this.connection() : this.connection;
    if (owned) hush(connection);
    try {
      const channel = await connection.createConfirmChannel();
      const { queue } = this.options;
      return new Session(connection, channel, queue, owned, ++this.sessions, (cut) => this.forget(cut));
    } catch (error) {
      if (owned) void leave(connection, this.goodbye);
      throw error;
    }
  }

  /** The channel is closed: all that it had delivered is the broker's again. */
  private forget(session: Session): void {
    for (const [id, held] of this.held) if (held.session === session) this.held.delete(id);
    this.lanes?.clear();
    const left = this.buffer.filter(({ id }) => this.held.has(id));
    this.buffer.splice(0, this.buffer.length, ...left);
    this.tell();
  }

  private tell(): void {
    this.news?.close();
    this.news = undefined;
  }

  /** Stops the consumer, and gives back what has been buffered until then beyond the first `keep`. */
  private async quiesce(keep: number): Promise<void> {
    const [limit, cancel] = context.withTimeout(context.background(), ANSWER);
    using _ = cancel;
    const stopped = async (): Promise<void> => {
      await this.starting;
      await this.session?.cancel();
    };
    // What still comes after that is buffered, and given back.
    await context.wait(heard(stopped()), limit).catch(() => {});
    for (const { id } of this.buffer.splice(keep)) {
      const held = this.held.get(id);
      this.held.delete(id);
      held?.session.giveBack(held.message);
    }
  }

  /** Sees to it that nothing stays here when nobody pulls: others may want it. */
  private watch(): void {
    if (this.pulls > 0 || this.buffer.length + (this.lanes?.size ?? 0) === 0) {
      this.idle?.stop();
      this.idle = undefined;
    } else {
      this.idle ??= time.afterFunc(IDLE, () => {
        this.idle = undefined;
        if (this.pulls > 0) return;
        if (this.lanes === undefined) void this.quiesce(0);
        else this.letGo(this.lanes);
      });
    }
  }

  /** Gives back what is here, in order, once nothing is in anybody's hands: only the end of the channel does that. */
  private letGo(lanes: Lanes): void {
    if (this.held.size > this.buffer.length + lanes.size) return this.watch();
    const [limit, cancel] = context.withTimeout(context.background(), this.goodbye);
    void this.session?.close(limit).then(cancel);
  }

  close = async (): Promise<void> => {
    this.closed = true;
    this.buffer.length = 0;
    this.watch();
    this.tell();
    const [limit, cancel] = context.withTimeout(context.background(), this.goodbye);
    using _ = cancel;
    // What is made after that closes itself.
    await context.wait(this.starting ?? Promise.resolve(), limit).catch(() => {});
    await this.session?.close(limit);
  };

  private get goodbye(): number {
    return this.options.closeTimeout ?? GOODBYE;
  }

  // ---------------------------------------------------------------------------------------------------------------- verdicts

  ack = async (ctx: Context, deliveries: readonly RabbitDelivery[]): Promise<readonly RabbitDelivery[]> => {
    if (ctx.err() === undefined && this.lanes === undefined) this.ackFirst(deliveries);
    return this.settle(ctx, deliveries, async (held) => ack(held));
  };

  /** Acks those that are the oldest on their channel in one word: a quorum queue takes each ack as a command of its own. */
  private ackFirst(deliveries: readonly RabbitDelivery[]): void {
    const ids = new Set(deliveries.map(({ id }) => id));
    const first: Held[] = [];
    for (const [id, held] of this.held) {
      if (held.told) continue;
      if (!ids.has(id)) break;
      first.push(held);
    }
    const last = first.at(-1);
    if (last === undefined || last.session.isEnding) return;
    // That is a command for each of its consumers.
    const consumers = new Set(first.map(({ consumer }) => consumer));
    last.session.tell((channel) => channel.ack(last.message, true), consumers.size);
    for (const held of first) wasTold(held);
  }

  nack = (ctx: Context, items: readonly Nack<RabbitDelivery>[]): Promise<readonly RabbitDelivery[]> => {
    const { delays = true } = this.options;
    const deliveries = items.map(({ delivery }) => delivery);
    return this.settle(ctx, deliveries, async (held, i) => {
      const { delivery, delay, why } = items[i]!;
      const { message, session } = held;
      if (this.lanes !== undefined) return this.keep(this.lanes, held, items[i]!);
      const isLater = delay > 0 && delays;
      if ((why === "released" && !isLater) || !session.copies.canBeWhole(message)) {
        return tellOnce(held, (channel) => channel.nack(message, false, true));
      }
      const failures = why === "released" ? delivery.attempt - 1 : delivery.attempt;
      held.copy ??= isLater ? session.copies.later(delay, message, failures) : session.copies.again(message, failures);
      await move(held);
    });
  };

  /** To whoever pulls, it is another delivery. */
  private keep(lanes: Lanes, held: Held, { delivery, delay, why }: Nack<RabbitDelivery>): void {
    const attempt = delivery.attempt + (why === "failed" ? 1 : 0);
    const next = { ...delivery, id: `${delivery.id.split("+")[0]}+${++this.again}`, attempt };
    this.held.delete(delivery.id);
    this.held.set(next.id, held);
    this.settled.add(delivery.id);
    if (delay > 0) lanes.add(next, delay);
    else if (!lanes.joins(next)) this.arrive([next]);
  }

  private bury(ctx: Context, items: readonly Dead<RabbitDelivery>[]): Promise<readonly RabbitDelivery[]> {
    const { deadLetters } = this.options;
    const deliveries = items.map(({ delivery }) => delivery);
    return this.settle(ctx, deliveries, async (held, i) => {
      const { message, session } = held;
      if (deadLetters === undefined || deadLetters === "broker") {
        return tellOnce(held, (channel) => channel.nack(message, false, false));
      }
      const { delivery, error } = items[i]!;
      held.copy ??= session.copies.letter(deadLetters.queue, message, delivery.attempt, reasonOf(error));
      await move(held);
    });
  }

  /**
   * Tells the broker the verdicts, and waits until the queue has taken them. Returns those whose channel is closed. If some are refused, the
   * others are settled all the same, and it rejects: told again, those that are settled stay so.
   */
  private async settle(
    ctx: Context,
    deliveries: readonly RabbitDelivery[],
    verdict: (held: Held, i: number) => Promise<void>,
  ): Promise<readonly RabbitDelivery[]> {
    const err = ctx.err();
    if (err !== undefined) throw err;
    const { session } = this;
    const refusals: unknown[] = [];
    const telling: Promise<void>[] = [];
    for (const [i, { id }] of deliveries.entries()) {
      const held = this.held.get(id);
      if (held?.told === false) telling.push(verdict(held, i).catch((error) => void refusals.push(error)));
    }
    try {
      await context.wait(Promise.all(telling), ctx);
      const upTo = this.toldOf(deliveries);
      await context.wait(heard(session?.taken() ?? Promise.resolve()), ctx);
      for (const id of upTo) if (this.held.delete(id)) this.settled.add(id);
    } catch (error) {
      // What a closed channel leaves undone is no riddle: it is all lost.
      if (deliveries.some(({ id }) => this.held.has(id))) throw error;
    }
    this.tell();
    // The channel may have been closed meanwhile: then the rest is lost, refused or not.
    const left = deliveries.filter(({ id }) => this.held.has(id)).length;
    if (left > 0) throw refused(refusals, left, deliveries.length);
    return deliveries.filter(({ id }) => !this.settled.delete(id));
  }

  private toldOf(deliveries: readonly RabbitDelivery[]): string[] {
    return deliveries.flatMap(({ id }) => (this.held.get(id)?.told === true ? [id] : []));
  }

  extend = async (_: Context, deliveries: readonly RabbitDelivery[]): Promise<readonly RabbitDelivery[]> =>
    deliveries.filter(({ id }) => !this.held.has(id) && !this.settled.has(id));
}

/** Why some of a batch were not settled. */
function refused(refusals: readonly unknown[], left: number, all: number): unknown {
  const [first = new Error("rabbitQueue: the channel takes nothing more")] = refusals;
  if (all === 1) return first;
  const why = first instanceof Error ? first.message : String(first);
  return new Error(`rabbitQueue: ${left} of ${all} messages could not be settled, the others are: ${why}`, {
    cause: first,
  });
}

/** Tells the broker a verdict. It would close the channel if it was told of a message twice. */
function tellOnce(held: Held, verdict: (channel: RabbitChannel) => void): void {
  if (held.told) return;
  held.session.tell(verdict);
  wasTold(held);
}

function wasTold(held: Held): void {
  held.told = true;
  held.session.told(held.consumer);
}

function ack(held: Held): void {
  tellOnce(held, (channel) => channel.ack(held.message));
}

/** Acks a message when its copy is safe. */
async function move(held: Held): Promise<void> {
  try {
    await held.copy;
  } catch (error) {
    held.copy = undefined;
    throw error;
  }
  ack(held);
}

/** Whoever does not listen to the errors of an emitter is ended by them; the close that follows says enough. */
function hush(connection: RabbitConnection): void {
  connection.on("error", () => {});
}
