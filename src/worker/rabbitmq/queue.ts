/**
 * The source of rabbitmq: consumes, buffers and hands over. Its verdicts are in verdicts.ts.
 *
 * RabbitMQ pushes: it assigns messages to a consumer, and those that no pull has asked for wait in a buffer here.
 * Consequences:
 * - The prefetch count of the consumer is the room of the worker, so nothing is buffered while the worker is full. The
 *   count of a consumer never changes: for a larger one the consumer is cancelled, and another begins.
 * - Stop, then drain: deliveries still arrive after a cancel, until the broker confirms it. A pull whose ctx is
 *   cancelled cancels the consumer, and hands over what arrives until then. If no pull comes for a second, the buffer
 *   is given back.
 *
 * Invariants:
 * - A delivery belongs to its channel. When the channel closes, the broker delivers all of them again, and a verdict on
 *   one reports it as lost; so does `extend`. There is no other lease, except the broker's `consumer_timeout` (30 min):
 *   keep `maxLease` below it.
 * - `unsettled` has what the open channel has delivered and no verdict has settled, in the order of its arrival.
 * - A message is never in no queue: see verdicts.ts.
 */
import { context, type Context, select, time } from "../../index.ts";
import { Notify } from "../../internal/notify.ts";
import type { Nack, Source } from "../source.ts";
import { Session } from "./channel.ts";
import { closeConnection, ignoreRejection } from "./client.ts";
import { explained } from "./errors.ts";
import { toDelivery } from "./message.ts";
import { byDeliveryTag, Lanes } from "./order.ts";
import type { RabbitConnection, RabbitDelivery, RabbitQueue, RabbitQueueOptions } from "./types.ts";
import { type Unsettled, Verdicts } from "./verdicts.ts";

/** Time without a pull after which the buffer is given back. */
const IDLE_MS = 1_000;
/** Time limit for the broker to confirm the cancel of the consumer, when the ctx of a pull was cancelled. */
const LATE_ANSWER_MS = 500;
/** The default of `closeTimeout`. The worker's `grace` and this fit into 30 s. */
const CLOSE_TIMEOUT_MS = 1_500;
/** There is no lease. But three times in this span the worker asks `extend` what is lost, and notifies the handlers. */
const LEASE_MS = 6_000;
/** The largest prefetch count of the protocol. */
const MAX_PREFETCH = 65_535;

export class Queue implements RabbitQueue {
  readonly lease: number = LEASE_MS;
  readonly deadLetter?: Source<RabbitDelivery>["deadLetter"] & {};
  private readonly connection: RabbitConnection | (() => Promise<RabbitConnection>);
  private readonly options: RabbitQueueOptions;
  private session: Session | undefined;
  private sessions = 0;
  /** The start of a consumer that is under way. */
  private starting: Promise<void> | undefined;
  private readonly buffer: RabbitDelivery[] = [];
  /** By the id of the delivery. */
  private readonly unsettled: Map<string, Unsettled> = new Map();
  private readonly verdicts: Verdicts;
  /** Failed messages that wait here for their next attempt; only with `ordered`. */
  private readonly lanes: Lanes | undefined;
  /** Notifies the waiting pulls: the buffer, the consumer or the channel has changed, or a verdict has made room. */
  private readonly changed: Notify = new Notify();
  /** Pulls that are under way. */
  private pulls = 0;
  /** Gives back the buffer; set while there is a buffer and no pull. */
  private idle: time.Timer | undefined;
  private isClosed = false;

  constructor(connection: RabbitConnection | (() => Promise<RabbitConnection>), options: RabbitQueueOptions) {
    this.connection = connection;
    this.options = options;
    if (options.ordered !== undefined) this.lanes = new Lanes((deliveries) => this.arrive(deliveries));
    this.verdicts = new Verdicts(options, this.unsettled, this.lanes, {
      session: () => this.session,
      arrive: (delivery) => this.arrive([delivery]),
      notify: () => this.changed.notifyAll(),
    });
    const { deadLetters } = options;
    if (deadLetters !== undefined)
      this.deadLetter = (ctx, items) => this.verdicts.deadLetterTo(deadLetters, ctx, items);
    if (typeof connection !== "function") ignoreErrors(connection);
  }

  // -------------------------------------------------------------------------------------------------------------- pull

  pull = async (ctx: Context, max: number, room: number = max): Promise<readonly RabbitDelivery[]> => {
    this.pulls++;
    this.watchIdle();
    try {
      for (;;) {
        if (this.isClosed) throw new Error("rabbitQueue: pull after close()");
        const err = ctx.err();
        if (err instanceof context.Canceled && this.pulls === 1 && !this.lanes) await this.stopConsuming(max);
        if (err !== undefined || this.buffer.length > 0) return this.buffer.splice(0, max);
        const { session } = this;
        const prefetch = Math.min(room, (this.options.prefetch ?? MAX_PREFETCH) - this.unsettled.size);
        // The consumer may get no more, but there is room: a second worker pulls here. So a consumer with a larger
        // count takes over.
        if (session?.isConsuming === true && session.isFull && prefetch > 0 && !this.lanes) await session.cancel();
        if (session?.isConsuming !== true && prefetch > 0) {
          await this.start(ctx, prefetch);
          continue;
        }
        await select({ changed: this.changed.notified(), done: ctx.done() });
        if (session?.isOver === true && this.buffer.length === 0) throw new Error(`rabbitQueue: ${session.endReason}`);
      }
    } finally {
      this.pulls--;
      this.watchIdle();
    }
  };

  /**
   * Starts a consumer, on a new channel if need be. Several pulls may wait for one start; a pull whose ctx ends does
   * not.
   */
  private async start(ctx: Context, prefetch: number): Promise<void> {
    this.starting ??= ignoreRejection(
      this.consume(prefetch).finally(() => {
        this.starting = undefined;
      }),
    );
    try {
      await context.wait(this.starting, ctx);
    } catch (error) {
      if (ctx.err() === undefined) throw explained(error, this.options.queue);
    }
  }

  private async consume(prefetch: number): Promise<void> {
    const session = this.session === undefined || this.session.isOver ? await this.open() : this.session;
    this.session = session;
    if (this.isClosed) {
      const [limit, cancel] = context.withTimeout(context.background(), this.closeTimeout);
      using _ = cancel;
      return await session.close(limit);
    }
    const { queue, ordered } = this.options;
    const { key = ordered === undefined ? undefined : () => queue } = this.options;
    if (ordered !== undefined) await session.declare(ordered);
    await session.consume(prefetch, (message, consumer) => {
      if (message === null) return this.changed.notifyAll();
      // The end of the channel gives it back.
      if (this.isClosed) return;
      const delivery = toDelivery(message, session.number, key, session.copies);
      this.unsettled.set(delivery.id, { session, consumer, message, hasVerdict: false, copy: undefined });
      if (this.lanes?.join(delivery) !== true) this.arrive([delivery]);
    });
  }

  /** Puts deliveries into the buffer. */
  private arrive(deliveries: readonly RabbitDelivery[]): void {
    this.buffer.push(...deliveries);
    if (this.lanes !== undefined) this.buffer.sort(byDeliveryTag);
    this.changed.notifyAll();
    this.watchIdle();
  }

  private async open(): Promise<Session> {
    const isOwned = typeof this.connection === "function";
    const connection = typeof this.connection === "function" ? await this.connection() : this.connection;
    if (isOwned) ignoreErrors(connection);
    try {
      const channel = await connection.createConfirmChannel();
      const { queue } = this.options;
      return new Session(connection, channel, queue, isOwned, ++this.sessions, (ended) => this.onChannelEnd(ended));
    } catch (error) {
      if (isOwned) void closeConnection(connection, this.closeTimeout);
      throw error;
    }
  }

  /** Drops all that a closed channel had delivered: it is the broker's again. */
  private onChannelEnd(ended: Session): void {
    for (const [id, { session }] of this.unsettled) if (session === ended) this.unsettled.delete(id);
    this.lanes?.clear();
    const left = this.buffer.filter(({ id }) => this.unsettled.has(id));
    this.buffer.splice(0, this.buffer.length, ...left);
    this.changed.notifyAll();
  }

  /** Cancels the consumer, and gives back what is buffered by then beyond the first `keep`. */
  private async stopConsuming(keep: number): Promise<void> {
    const [limit, cancel] = context.withTimeout(context.background(), LATE_ANSWER_MS);
    using _ = cancel;
    const cancelled = async (): Promise<void> => {
      await this.starting;
      await this.session?.cancel();
    };
    // A message that arrives after that limit is buffered, and given back when the source is idle.
    await context.wait(ignoreRejection(cancelled()), limit).catch(() => {});
    for (const { id } of this.buffer.splice(keep)) {
      const item = this.unsettled.get(id);
      this.unsettled.delete(id);
      item?.session.giveBack(item.message);
    }
  }

  /** Arms or stops the idle timer: other consumers may want what is buffered here and not pulled. */
  private watchIdle(): void {
    if (this.pulls > 0 || this.buffer.length + (this.lanes?.size ?? 0) === 0) {
      this.idle?.stop();
      this.idle = undefined;
    } else {
      this.idle ??= time.afterFunc(IDLE_MS, () => {
        this.idle = undefined;
        if (this.pulls > 0) return;
        if (this.lanes === undefined) void this.stopConsuming(0);
        else this.releaseLanes(this.lanes);
      });
    }
  }

  /**
   * Gives back the buffer and the lanes in their order. Only the end of the channel keeps that, so it waits until no
   * handler has a message of it.
   */
  private releaseLanes(lanes: Lanes): void {
    if (this.unsettled.size > this.buffer.length + lanes.size) return this.watchIdle();
    const { session } = this;
    if (session === undefined) return;
    const [limit, cancel] = context.withTimeout(context.background(), this.closeTimeout);
    void session.close(limit).then(cancel);
  }

  close = async (): Promise<void> => {
    this.isClosed = true;
    this.buffer.length = 0;
    this.watchIdle();
    this.changed.notifyAll();
    const [limit, cancel] = context.withTimeout(context.background(), this.closeTimeout);
    using _ = cancel;
    // A start that takes longer than that closes its own channel.
    await context.wait(this.starting ?? Promise.resolve(), limit).catch(() => {});
    await this.session?.close(limit);
  };

  private get closeTimeout(): number {
    return this.options.closeTimeout ?? CLOSE_TIMEOUT_MS;
  }

  // ---------------------------------------------------------------------------------------------------------- verdicts

  ack = (ctx: Context, deliveries: readonly RabbitDelivery[]): Promise<readonly RabbitDelivery[]> =>
    this.verdicts.ack(ctx, deliveries);

  nack = (ctx: Context, items: readonly Nack<RabbitDelivery>[]): Promise<readonly RabbitDelivery[]> =>
    this.verdicts.nack(ctx, items);

  extend = async (_: Context, deliveries: readonly RabbitDelivery[]): Promise<readonly RabbitDelivery[]> =>
    this.verdicts.lostOf(deliveries);
}

/**
 * Listens to the errors of a connection: an emitter without a listener ends the process. The `close` that follows says
 * enough.
 */
function ignoreErrors(connection: RabbitConnection): void {
  connection.on("error", () => {});
}
