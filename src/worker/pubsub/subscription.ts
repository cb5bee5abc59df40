/**
 * The source of pubsub: its pulls and its verdicts.
 *
 * Invariants:
 * - A request for messages is never taken back: it runs until the server answers or its deadline passes, even if ctx
 *   ends sooner. The server knows the deadline. What it sends to a request that was given up would sit out its ack
 *   deadline.
 * - A verdict counts when the server has confirmed it during the lease, by our clock: see leases.ts. A verdict on a
 *   lease that has run out is not sent, but reported as lost.
 * - A lease is not extended while a verdict on it is under way: the two could change places, and a delay would be cut
 *   short.
 */
import { context, type Context, time } from "../../index.ts";
import { monotonic } from "../../internal/runtime.ts";
import type { Dead, Nack, Source } from "../source.ts";
import { Attempts } from "./attempts.ts";
import { bytesOf, callOptions, sendOrders, underCtx } from "./client.ts";
import { explained, isRefused, isTimeout } from "./errors.ts";
import { type Lease, Leases, MAX_LEASE_MS, MIN_LEASE_MS } from "./leases.ts";
import { Liveness, reconnect } from "./liveness.ts";
import { deadLetterForms } from "./message.ts";
import type {
  PubsubDelivery,
  PubsubLetter,
  PubsubPublisher,
  PubsubReceived,
  PubsubSubscriber,
  PubsubSubscriptionOptions,
} from "./types.ts";

/** The most messages that a request may ask for. */
const MAX_MESSAGES = 1_000;
/**
 * Time in its request after which a message has too little left of the shortest lease, which began with the request.
 */
const LATE_RECEIPT_MS = 2_500;
/** Time limit for the extension of new deliveries. */
const RECEIPT_MS = 1_000;
/** The least time between two requests: a server may answer at once that there is nothing. */
const MIN_INTERVAL_MS = 50;

interface Settings<T extends string | Uint8Array> {
  readonly subscription: string;
  readonly lease: number;
  readonly wait: number;
  readonly decode: (bytes: Uint8Array) => T;
  readonly deadLetters: PubsubSubscriptionOptions["deadLetters"];
}

/** The verdict on a delivery, for the server: "ack", or the ms after which it may deliver the message again. */
type Order = "ack" | number;

export class Subscription<T extends string | Uint8Array> implements Source<PubsubDelivery<T>> {
  readonly lease: number;
  readonly deadLetter?: NonNullable<Source<PubsubDelivery<T>>["deadLetter"]>;
  private readonly client: PubsubSubscriber;
  private readonly liveness: Liveness;
  private readonly settings: Settings<T>;
  private readonly leases: Leases = new Leases();
  private readonly attempts: Attempts = new Attempts();

  constructor(client: PubsubSubscriber, settings: Settings<T>) {
    const { lease, subscription, deadLetters } = settings;
    this.client = client;
    this.liveness = new Liveness(client, deadLetters?.publisher, subscription);
    this.settings = settings;
    this.lease = lease;
    if (deadLetters !== undefined) this.deadLetter = (ctx, items) => this.deadLetterTo(deadLetters, ctx, items);
  }

  // -------------------------------------------------------------------------------------------------------------- pull

  pull = async (ctx: Context, max: number): Promise<readonly PubsubDelivery<T>[]> => {
    const { subscription, wait } = this.settings;
    const request = { subscription, maxMessages: Math.min(max, MAX_MESSAGES) };
    for (let isFirst = true; ctx.err() === undefined; isFirst = false) {
      // A further request must end with ctx. If it would go on for longer, the next pull makes it.
      if (!isFirst && (ctx.deadline() ?? Infinity) - time.now() < wait) return [];
      const sentAt = monotonic();
      let received: readonly PubsubReceived[];
      try {
        const [answer] = await this.liveness.call(() => this.client.pull(request, { timeout: wait, retry: null }));
        received = answer.receivedMessages ?? [];
      } catch (error) {
        if (ctx.err() !== undefined) return [];
        if (!isTimeout(error)) throw explained(error, { subscription });
        if (await this.isServerThere(ctx)) continue;
        throw new Error(
          "pubsubSubscription: the server does not answer; is the connection down, or the address another one?",
          { cause: error },
        );
      }
      if (received.length > 0) return this.receive(ctx, received, sentAt);
      if (monotonic() - sentAt < MIN_INTERVAL_MS) await time.sleep(MIN_INTERVAL_MS, ctx).catch(() => {});
    }
    return [];
  };

  /** Resolves to whether the server is there; to true if ctx ends before that is known. */
  private async isServerThere(ctx: Context): Promise<boolean> {
    return context.wait(this.liveness.isThere(), ctx).catch(() => true);
  }

  /**
   * Hands over what a request brought; extends it first if the lease is longer than the shortest, or little is left of
   * it.
   */
  private async receive(
    ctx: Context,
    received: readonly PubsubReceived[],
    sentAt: number,
  ): Promise<readonly PubsubDelivery<T>[]> {
    const deliveries = received.map((each) => this.toDelivery(each, sentAt));
    const isEarly = this.lease === MIN_LEASE_MS && monotonic() - sentAt < LATE_RECEIPT_MS;
    if (ctx.err() !== undefined || isEarly) return deliveries;
    // oxlint-disable-next-line headgate/background -- what was received is extended, though ctx may end meanwhile
    const [limit, cancel] = context.withTimeout(context.background(), RECEIPT_MS);
    using _ = cancel;
    // If this fails, they are held for the shortest lease, and our clock says so.
    const lost = await this.extend(limit, deliveries).catch(() => []);
    return lost.length === 0 ? deliveries : deliveries.filter(({ id }) => this.leases.get(id) !== undefined);
  }

  private toDelivery({ ackId, message, deliveryAttempt }: PubsubReceived, sentAt: number): PubsubDelivery<T> {
    const id = ackId!;
    const key = message!.orderingKey;
    this.leases.add(id, sentAt);
    return {
      id,
      body: this.settings.decode(bytesOf(message!)),
      attempt: this.attempts.next(message!, deliveryAttempt),
      attributes: message!.attributes ?? {},
      message: message!,
      ...(key ? { key } : {}),
    };
  }

  // ---------------------------------------------------------------------------------------------------------- verdicts

  ack = async (ctx: Context, deliveries: readonly PubsubDelivery<T>[]): Promise<readonly PubsubDelivery<T>[]> => {
    const lost = await this.settle(ctx, deliveries, () => "ack");
    for (const { message } of deliveries) this.attempts.forget(message);
    return lost;
  };

  nack = async (ctx: Context, items: readonly Nack<PubsubDelivery<T>>[]): Promise<readonly PubsubDelivery<T>[]> => {
    // Ack deadlines are whole seconds.
    const delays = new Map(
      items.map(({ delivery, delay }) => [delivery.id, Math.min(MAX_LEASE_MS, Math.ceil(delay / 1_000) * 1_000)]),
    );
    const deliveries = items.map(({ delivery }) => delivery);
    const lost = await this.settle(ctx, deliveries, ({ id }) => delays.get(id)!);
    for (const { delivery, reason } of items) if (reason === "released") this.attempts.released(delivery.message);
    return lost;
  };

  private async deadLetterTo(
    { topic, publisher }: NonNullable<PubsubSubscriptionOptions["deadLetters"]>,
    ctx: Context,
    items: readonly Dead<PubsubDelivery<T>>[],
  ): Promise<readonly PubsubDelivery<T>[]> {
    const { subscription } = this.settings;
    const unpublished = items.filter(({ delivery: { id } }) => this.leases.held(id)?.isPublished === false);
    const publish = async ({ delivery, error }: Dead<PubsubDelivery<T>>): Promise<void> => {
      const lease = this.leases.get(delivery.id)!;
      await this.publish(ctx, publisher, topic, deadLetterForms(delivery, error, subscription));
      lease.isPublished = true;
    };
    // One request each: together they might exceed the size of a request.
    const results = await underCtx(ctx, () => Promise.allSettled(unpublished.map(publish)));
    const failures = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    if (failures.some(isTimeout)) reconnect(publisher);
    const deliveries = items.map(({ delivery }) => delivery);
    if (failures.length === 0) return this.ack(ctx, deliveries);
    // Those that are published need not wait for the others. The next call has all the same ones, or some of them.
    const published = deliveries.filter(({ id }) => this.leases.get(id)?.isPublished === true);
    await this.send(ctx, published, () => "ack");
    throw failures[0];
  }

  /** Publishes the first form of a dead letter that the server accepts. */
  private async publish(
    ctx: Context,
    publisher: PubsubPublisher,
    topic: string,
    forms: readonly PubsubLetter[],
  ): Promise<void> {
    let refusal: unknown;
    for (const letter of forms) {
      const err = ctx.err();
      if (err !== undefined) throw err;
      try {
        await publisher.publish({ topic, messages: [letter] }, { ...callOptions(ctx, this.lease), isBundling: false });
        return;
      } catch (error) {
        if (!isRefused(error)) throw explained(error, { topic });
        refusal ??= error;
      }
    }
    throw refusal;
  }

  /**
   * Sends verdicts. Returns the deliveries that are lost: not ours any more, or perhaps not when the verdict reached
   * the server.
   */
  private async settle(
    ctx: Context,
    deliveries: readonly PubsubDelivery<T>[],
    orderFor: (delivery: PubsubDelivery<T>) => Order,
  ): Promise<readonly PubsubDelivery<T>[]> {
    await this.send(ctx, deliveries, orderFor);
    // Not before all have succeeded: a call that fails is repeated with the same deliveries, and must find them.
    return deliveries.filter(({ id }) => !this.leases.settle(id));
  }

  /** Sends the verdicts on those that are ours and have none that counted. */
  private async send(
    ctx: Context,
    deliveries: readonly PubsubDelivery<T>[],
    orderFor: (delivery: PubsubDelivery<T>) => Order,
  ): Promise<void> {
    const leases = new Map<string, Lease>();
    const idsOf = new Map<Order, string[]>();
    for (const delivery of deliveries) {
      const { id } = delivery;
      const lease = this.leases.held(id);
      if (lease === undefined || lease.isSettled) continue;
      leases.set(id, lease);
      const order = orderFor(delivery);
      const ids = idsOf.get(order);
      if (ids === undefined) idsOf.set(order, [id]);
      else ids.push(id);
    }
    await underCtx(ctx, async () => {
      for (const lease of leases.values()) lease.verdicts++;
      try {
        await this.request(ctx, idsOf, (id) => this.leases.confirm(leases.get(id)!));
      } catch (error) {
        for (const lease of leases.values()) if (!lease.isSettled) lease.mayBeSettled = true;
        throw error;
      } finally {
        for (const lease of leases.values()) lease.verdicts--;
      }
    });
  }

  extend = async (ctx: Context, deliveries: readonly PubsubDelivery<T>[]): Promise<readonly PubsubDelivery<T>[]> => {
    const sentAt = monotonic();
    const held = new Map<string, Lease>();
    for (const { id } of deliveries) {
      const lease = this.leases.held(id);
      if (lease !== undefined) held.set(id, lease);
    }
    const restart = (id: string): void => this.leases.restart(id, sentAt + this.lease);
    const ids: string[] = [];
    for (const [id, { isSettled, verdicts }] of held) {
      // A call that counted for this one, and failed for another, is repeated. Until then it must be known here.
      if (isSettled) restart(id);
      else if (verdicts === 0) ids.push(id);
    }
    await underCtx(ctx, () => this.request(ctx, new Map([[this.lease, ids]]), restart));
    return deliveries.filter(({ id }) => !held.has(id) || this.leases.get(id) === undefined);
  };

  /** Sends orders to the server, and finds out about the connection if they are not answered. */
  private async request(
    ctx: Context,
    idsOf: ReadonlyMap<Order, readonly string[]>,
    onConfirmed: (id: string) => void,
  ): Promise<void> {
    const { subscription } = this.settings;
    const orders = [...idsOf].flatMap(([order, ids]) => (ids.length === 0 ? [] : { order, ids }));
    // Without a request there is no answer, which would pass for a sign of life.
    if (orders.length === 0) return;
    // At most the time from one extension to the next: the deliveries are not extended while this is under way.
    const options = callOptions(ctx, this.lease / 3);
    const outcome = { onConfirmed, onUnknown: (id: string): void => this.leases.onUnknown(id) };
    try {
      await this.liveness.call(() => sendOrders(this.client, subscription, orders, options, outcome));
    } catch (error) {
      // There may be no pull that would notice: a worker that cannot settle has no room for more.
      if (isTimeout(error)) void this.liveness.isThere();
      throw explained(error, { subscription });
    }
  }
}
