/**
 * `headgate/worker/pubsub`: a subscription of Google Cloud Pub/Sub as a source.
 *
 * It pulls by unary requests, not by the client's `subscription.on("message")`: that stream brings more than was asked for, and a
 * worker that stops would have to give it all back. Between pulls nothing is under way.
 *
 * Invariants:
 * - A request for messages is never taken back: it runs until the server answers or its deadline passes, and has all its time also where
 *   ctx has less. The server knows the deadline; what it sends to a request that is over would sit out its ack deadline.
 * - A verdict counts when the server has confirmed it. Only a subscription with exactly-once delivery refuses those on a lost lease;
 *   any other says OK to all. So the clock fences, too: a lease begins when its request was sent, which is before the server's own
 *   begins, and a verdict on a lease that has run out by that count is not sent, but reported as lost.
 * - A lease is not extended while a verdict is on its way: the two could change places, and a delay would be cut short.
 */
import { propertyOf, hasMethod, given } from "../../internal/foreign.ts";
import { context, type Context, time } from "../../index.ts";
import {
  bytesOf,
  type Order,
  type PubsubLetter,
  type PubsubMessage,
  type PubsubPublisher,
  type PubsubReceived,
  type PubsubSubscriber,
  tell,
  under,
  within,
} from "./client.ts";
import { type About, explained, isRefused, isTimeout } from "./errors.ts";
import { Line, reconnect } from "./acks.ts";
import { lettersOf } from "./message.ts";
import { monotonic } from "../../internal/runtime.ts";
import { onlyKnown } from "../../internal/args.ts";
import { Releases } from "../releases.ts";
import type { Dead, Delivery, Nack, Source } from "../source.ts";

export type {
  PubsubCallOptions,
  PubsubLetter,
  PubsubMessage,
  PubsubPublisher,
  PubsubReceived,
  PubsubSubscriber,
} from "./client.ts";

/** A message of Pub/Sub. Its id is the ack id; that of the message is `message.messageId`. */
export interface PubsubDelivery<T extends string | Uint8Array = string> extends Delivery<T> {
  /**
   * The broker's count if the subscription has a dead-letter policy, without the releases that this source has made. Without a policy the
   * broker does not count, and this is how often this source has got the message and not released it. It knows the last 10,000 messages.
   */
  readonly attempt: number;
  readonly attributes: Readonly<Record<string, string>>;
  readonly message: PubsubMessage;
}

/** Which subscription, and how to use it. */
export interface PubsubSubscriptionOptions {
  /** Its full name, `projects/<project>/subscriptions/<name>`. */
  readonly subscription: string;
  /**
   * How long a delivery is ours until it is extended, in ms: whole seconds, 10 to 600. Whatever the ack deadline of the subscription is;
   * a lease that is longer than 10 s, the shortest of these, costs a request a pull. 10,000
   */
  readonly lease?: number;
  /**
   * The deadline of a request for messages, in ms: how long a stop may have to wait for it. 100 to 8,000, and not above the worker's
   * `callTimeout`. What the server hands out in the very moment in which it passes comes again when its ack deadline is over; the longer
   * this is, the rarer are such moments. 2,000
   */
  readonly wait?: number;
  /** What the body is: the data as text, or its bytes. "text" */
  readonly decode?: "text" | "bytes";
  /**
   * Where dead messages go: a topic, by its full name `projects/<project>/topics/<name>`, and a `v1.PublisherClient`. The message is
   * published there with its attributes and its ordering key, and with the attributes `headgate-reason`, `headgate-attempts`,
   * `headgate-subscription` and `headgate-message-id`; then it is acked. If the two are cut apart it may be there twice. Attributes whose
   * names begin with "goog" are left out, as are those beyond the 100 that Pub/Sub takes. What Pub/Sub refuses is published in a smaller
   * form: without the reason, without the message's attributes, at last without any.
   */
  readonly deadLetters?: { readonly topic: string; readonly publisher: PubsubPublisher };
}

/**
 * Makes a source of a pull subscription that exists already. Any number of workers may share the source, and any number of processes
 * the subscription; one worker has one request for messages under way at a time.
 *
 * A delayed nack is a new ack deadline: a whole number of seconds, rounded up, and 600 at the most. A retry policy of the subscription
 * comes on top of that, and holds up releases as well: leave it at "retry immediately". With a dead-letter policy, set its
 * `maxDeliveryAttempts` above the worker's `maxAttempts`, for releases count there. Leases that are lost are told by our clock; with
 * exactly-once delivery by the server, too.
 *
 * **Cancellation**: a pull returns up to `wait` ms after the end of its ctx: keep the worker's `grace` well above it.
 *
 * **Errors**: TypeError or RangeError, naming the rule, for options that make no sense. Calls reject with an error that says what to do, the
 * client's own as its `cause`. A pull that is not answered looks like one without messages, so the server is asked for a sign of life then
 * (`getSubscription`). When it gives none, the pull rejects, and a client of Google's is made to connect again.
 *
 * **Ordering**: with message ordering, the ordering key is the delivery's `key`. Pub/Sub hands out no message of a key while an earlier one is
 * out, to whichever worker.
 *
 * @example
 * ```ts no-run
 * import { context } from "headgate";
 * import { shutdown } from "headgate/signal";
 * import { worker } from "headgate/worker";
 * import { type PubsubSubscriber, pubsubSubscription } from "headgate/worker/pubsub";
 *
 * declare const client: PubsubSubscriber; // new v1.SubscriberClient(), of @google-cloud/pubsub
 * const source = pubsubSubscription(client, { subscription: "projects/shop/subscriptions/orders" });
 * const [stop, abort] = shutdown(context.background(), "SIGTERM");
 * const report = await worker(stop, source, async (ctx, { body }) => console.log(JSON.parse(body)), { abort });
 * ```
 */
export function pubsubSubscription(
  client: PubsubSubscriber,
  options: PubsubSubscriptionOptions & { readonly decode: "bytes" },
): Source<PubsubDelivery<Uint8Array>>;
export function pubsubSubscription(
  client: PubsubSubscriber,
  options: PubsubSubscriptionOptions & { readonly decode?: "text" },
): Source<PubsubDelivery>;
export function pubsubSubscription(
  client: PubsubSubscriber,
  options: PubsubSubscriptionOptions,
): Source<PubsubDelivery<any>> {
  for (const name of ["pull", "acknowledge", "modifyAckDeadline"] as const) {
    if (!hasMethod(client, name)) {
      throw new TypeError(`pubsubSubscription: the client has no ${name}; give it a v1.SubscriberClient`);
    }
  }
  options = onlyKnown("pubsubSubscription", options, OPTIONS);
  named("subscription", "subscriptions", options.subscription);
  const { lease = SHORTEST, wait = 2_000, decode = "text" } = options;
  let { deadLetters } = options;
  if (typeof lease !== "number" || lease % 1_000 !== 0 || lease < SHORTEST || lease > LONGEST * 1_000) {
    throw new RangeError(`pubsubSubscription: lease must be whole seconds, 10 000 to 600 000 ms; got ${given(lease)}`);
  }
  if (typeof wait !== "number" || !(wait >= 100 && wait <= LONGEST_WAIT)) {
    throw new RangeError(`pubsubSubscription: wait must be 100 to 8 000 ms; got ${given(wait)}`);
  }
  if (decode !== "text" && decode !== "bytes") {
    throw new TypeError(`pubsubSubscription: decode must be "text" or "bytes"; got ${given(decode)}`);
  }
  if (deadLetters !== undefined) {
    deadLetters = onlyKnown("pubsubSubscription: deadLetters", deadLetters, { topic: true, publisher: true });
    named("deadLetters.topic", "topics", deadLetters.topic);
    const { publisher } = deadLetters;
    if (!hasMethod(publisher, "publish") || propertyOf(publisher, "publishMessage") !== undefined) {
      throw new TypeError("pubsubSubscription: deadLetters.publisher must be a v1.PublisherClient, beside the topic");
    }
  }
  return new Subscription(client, { ...options, lease, wait, decode, ...(deadLetters && { deadLetters }) });
}

function named(option: string, kind: string, name: unknown): void {
  if (typeof name === "string" && new RegExp(`^projects/[^/\\s]+/${kind}/[^/\\s]+$`).test(name)) return;
  throw new TypeError(
    `pubsubSubscription: ${option} must be a full name, projects/<project>/${kind}/<name>; got ${given(name)}`,
  );
}

const OPTIONS: Readonly<Record<keyof PubsubSubscriptionOptions, true>> = {
  subscription: true,
  lease: true,
  wait: true,
  decode: true,
  deadLetters: true,
};

/** The shortest ack deadline that a subscription can have, in ms: how long a delivery is ours at first, whichever it has. */
const SHORTEST = 10_000;
/** The longest, in seconds. */
const LONGEST = 600;
/** Messages that a request may ask for. */
const MOST = 1_000;
/** How long it may take to get another lease for what has just come, in ms. */
const RECEIPT = 1_000;
/** What comes later than this in its request, in ms, has too little left of the shortest lease: it began with the request. */
const LATE = 2_500;
/** Then there is time enough left for the receipt. */
const LONGEST_WAIT = 8_000;
/** Between a request that is answered at once, with nothing, and the next, in ms. */
const PAUSE = 50;
/** Of how many messages the deliveries are counted, where the broker does not. */
const REMEMBERED = 10_000;

type D = PubsubDelivery<any>;

/** A delivery that we hold. */
interface Lease {
  /** When it is over at the earliest, on the monotonic clock. */
  until: number;
  /** Verdicts that are on their way. */
  verdicts: number;
  /** The server has confirmed a verdict. */
  settled: boolean;
  /** It is among the dead letters. */
  buried: boolean;
  /** A verdict was told, and nobody knows whether it was heard. */
  unheard: boolean;
}

class Subscription implements Source<D> {
  readonly lease: number;
  readonly deadLetter?: NonNullable<Source<D>["deadLetter"]>;
  private readonly client: PubsubSubscriber;
  private readonly line: Line;
  private readonly options: PubsubSubscriptionOptions & { readonly wait: number };
  /** By the id of the delivery, more or less in the order in which they end. */
  private readonly leases: Map<string, Lease> = new Map();
  /** How often a message was delivered, for a broker that does not say; by its id. */
  private readonly counts: Map<string, number> = new Map();
  /** How often a message was released, for a broker that counts releases as attempts. */
  private readonly releases: Releases = new Releases();
  private readonly decoder: TextDecoder | null;

  constructor(
    client: PubsubSubscriber,
    options: PubsubSubscriptionOptions & { readonly lease: number; readonly wait: number },
  ) {
    this.client = client;
    this.line = new Line(client, options.deadLetters?.publisher, options.subscription);
    this.options = options;
    this.lease = options.lease;
    // A byte order mark is part of the text.
    this.decoder = options.decode === "bytes" ? null : new TextDecoder("utf-8", { ignoreBOM: true });
    const { deadLetters } = options;
    if (deadLetters !== undefined) this.deadLetter = (ctx, items) => this.bury(ctx, items, deadLetters);
  }

  // ---------------------------------------------------------------------------------------------------------------------- pull

  pull = async (ctx: Context, max: number): Promise<readonly D[]> => {
    const { subscription, wait } = this.options;
    const request = { subscription, maxMessages: Math.min(max, MOST) };
    for (let first = true; ctx.err() === undefined; first = false) {
      // The next pull will go on: who calls waits for the end of ctx, and not much longer.
      if (!first && (ctx.deadline() ?? Infinity) - time.now() < wait) return [];
      const sent = monotonic();
      let received: readonly PubsubReceived[];
      try {
        const [answer] = await this.line.call(() => this.client.pull(request, { timeout: wait, retry: null }));
        received = answer.receivedMessages ?? [];
      } catch (error) {
        if (ctx.err() !== undefined) return [];
        if (!isTimeout(error)) throw explained(error, { subscription });
        if (await this.isThere(ctx)) continue;
        throw new Error(
          "pubsubSubscription: the server does not answer; is the connection down, or the address another one?",
          { cause: error },
        );
      }
      if (received.length > 0) return this.take(ctx, received, sent);
      // The server may answer before there is anything; it would the next request as quickly.
      if (monotonic() - sent < PAUSE) await time.sleep(PAUSE, ctx).catch(() => {});
    }
    return [];
  };

  /** Whether the server is, as far as is known before the end of ctx. */
  private async isThere(ctx: Context): Promise<boolean> {
    return context.wait(this.line.isThere(), ctx).catch(() => true);
  }

  private async take(ctx: Context, received: readonly PubsubReceived[], sent: number): Promise<readonly D[]> {
    const got = received.map((each) => this.receive(each, sent));
    if (ctx.err() !== undefined || (this.lease === SHORTEST && monotonic() - sent < LATE)) return got;
    // If this fails, they are held for the shortest lease, and that is what our clock says.
    const limit = context.withTimeout(context.background(), RECEIPT);
    using _ = limit[1];
    const lost = await this.extend(limit[0], got).catch(() => []);
    return lost.length === 0 ? got : got.filter(({ id }) => this.leases.has(id));
  }

  private receive({ ackId, message, deliveryAttempt }: PubsubReceived, sent: number): D {
    const id = ackId!;
    const data = bytesOf(message!);
    const key = message!.orderingKey;
    this.leases.set(id, { until: sent + SHORTEST, verdicts: 0, settled: false, buried: false, unheard: false });
    return {
      id,
      body: this.decoder === null ? data : this.decoder.decode(data),
      attempt: deliveryAttempt
        ? this.releases.attempt(message!.messageId ?? "", deliveryAttempt)
        : this.count(message!, 1),
      attributes: message!.attributes ?? {},
      message: message!,
      ...(key ? { key } : {}),
    };
  }

  /** Counts a delivery that the broker does not, or takes one back. What came longest ago is forgotten. */
  private count({ messageId }: PubsubMessage, more: 1 | -1): number {
    const id = messageId ?? "";
    const count = (this.counts.get(id) ?? 0) + more;
    this.counts.delete(id);
    if (count > 0) this.counts.set(id, count);
    const [oldest] = this.counts.keys();
    if (this.counts.size > REMEMBERED) this.counts.delete(oldest!);
    return count;
  }

  // ------------------------------------------------------------------------------------------------------------------ verdicts

  ack = async (ctx: Context, deliveries: readonly D[]): Promise<readonly D[]> => {
    const lost = await this.settle(ctx, deliveries, () => "ack");
    for (const { message } of deliveries) {
      this.counts.delete(message.messageId ?? "");
      this.releases.forget(message.messageId ?? "");
    }
    return lost;
  };

  nack = async (ctx: Context, items: readonly Nack<D>[]): Promise<readonly D[]> => {
    const seconds = new Map(
      items.map(({ delivery, delay }) => [delivery.id, Math.min(LONGEST, Math.ceil(delay / 1_000))]),
    );
    const lost = await this.settle(
      ctx,
      items.map(({ delivery }) => delivery),
      ({ id }) => seconds.get(id)!,
    );
    for (const { delivery, why } of items) {
      if (why !== "released") continue;
      const id = delivery.message.messageId ?? "";
      if (this.counts.has(id)) this.count(delivery.message, -1);
      else this.releases.set(id, this.releases.of(id) + 1);
    }
    return lost;
  };

  private async bury(
    ctx: Context,
    items: readonly Dead<D>[],
    { topic, publisher }: NonNullable<PubsubSubscriptionOptions["deadLetters"]>,
  ): Promise<readonly D[]> {
    const { subscription } = this.options;
    const living = items.filter(({ delivery: { id } }) => this.isHeld(id) && !this.leases.get(id)!.buried);
    const publish = async ({ delivery, error }: Dead<D>): Promise<void> => {
      const lease = this.leases.get(delivery.id)!;
      await this.publish(ctx, publisher, topic, lettersOf(delivery, error, subscription));
      lease.buried = true;
    };
    // Each by itself: together they might be more than a request may have.
    const told = await under(ctx, () => Promise.allSettled(living.map(publish)));
    const failed = told.flatMap((each) => (each.status === "rejected" ? [each.reason as unknown] : []));
    // Those that are there need not wait for those that are not. The next call is told of all the same ones, or of a part.
    if (failed.some(isTimeout)) reconnect(publisher);
    const deliveries = items.map(({ delivery }) => delivery);
    if (failed.length === 0) return this.ack(ctx, deliveries);
    await this.send(
      ctx,
      deliveries.filter(({ id }) => this.leases.get(id)?.buried === true),
      () => "ack",
    );
    throw failed[0];
  }

  /** Publishes one of the forms of a letter: the first that the server takes. */
  private async publish(
    ctx: Context,
    publisher: PubsubPublisher,
    topic: string,
    forms: readonly PubsubLetter[],
  ): Promise<void> {
    let refused: unknown;
    for (const letter of forms) {
      const err = ctx.err();
      if (err !== undefined) throw err;
      try {
        await publisher.publish({ topic, messages: [letter] }, { ...within(ctx, this.lease), isBundling: false });
        return;
      } catch (error) {
        if (!isRefused(error)) throw explained(error, { topic });
        refused ??= error;
      }
    }
    throw refused;
  }

  /** Tells the server the verdicts on what we hold. Returns what we do not hold, or may not have held any more when it got there. */
  private async settle(ctx: Context, deliveries: readonly D[], verdict: Verdict): Promise<readonly D[]> {
    await this.send(ctx, deliveries, verdict);
    // Only now is it forgotten: had this call failed, the next would be told of all the same ones.
    return deliveries.filter(({ id }) => {
      const settled = this.leases.get(id)?.settled === true;
      this.leases.delete(id);
      return !settled;
    });
  }

  private async send(ctx: Context, deliveries: readonly D[], verdict: Verdict): Promise<void> {
    const told = new Map<string, Lease>();
    const orders = new Map<Order["seconds"], string[]>();
    for (const delivery of deliveries) {
      const { id } = delivery;
      if (!this.isHeld(id) || this.leases.get(id)!.settled) continue;
      told.set(id, this.leases.get(id)!);
      const seconds = verdict(delivery);
      const ids = orders.get(seconds);
      if (ids === undefined) orders.set(seconds, [id]);
      else ids.push(id);
    }
    await under(ctx, async () => {
      for (const lease of told.values()) lease.verdicts++;
      try {
        await this.tell(ctx, orders, (id) => {
          const lease = told.get(id)!;
          lease.settled = monotonic() <= lease.until;
        });
      } catch (error) {
        for (const lease of told.values()) if (!lease.settled) lease.unheard = true;
        throw error;
      } finally {
        for (const lease of told.values()) lease.verdicts--;
      }
    });
  }

  extend = async (ctx: Context, deliveries: readonly D[]): Promise<readonly D[]> => {
    const sent = monotonic();
    const held = deliveries.filter(({ id }) => this.isHeld(id)).map(({ id }) => id);
    const restart = (id: string): void => {
      const lease = this.leases.get(id);
      if (lease === undefined) return;
      lease.until = sent + this.lease;
      this.leases.delete(id);
      this.leases.set(id, lease);
    };
    // What is settled in a call that has failed because of others is known until a call has told so: nobody else can have it.
    for (const id of held) if (this.leases.get(id)!.settled) restart(id);
    const ids = held.filter((id) => {
      const { settled, verdicts } = this.leases.get(id)!;
      return !settled && verdicts === 0;
    });
    await under(ctx, () => this.tell(ctx, new Map([[this.lease / 1_000, ids]]), restart));
    const known = new Set(held);
    return deliveries.filter(({ id }) => !known.has(id) || !this.leases.has(id));
  };

  private async tell(
    ctx: Context,
    orders: ReadonlyMap<Order["seconds"], readonly string[]>,
    confirmed: (id: string) => void,
  ): Promise<void> {
    const { subscription } = this.options;
    const list = [...orders].map(([seconds, ids]) => ({ seconds, ids }));
    // No longer than from one extension to the next: while this is under way, those it is about are not extended.
    const call = within(ctx, this.lease / 3);
    const outcome = { confirmed, refused: (id: string): void => this.isRefused(id) };
    try {
      await this.line.call(() => tell(this.client, subscription, list, call, outcome));
    } catch (error) {
      // There may be no pull that would notice: a worker that cannot settle has no room for more.
      if (isTimeout(error)) void this.line.isThere();
      throw explained(error, { subscription } satisfies About);
    }
  }

  /** The server does not know a delivery any more. While its lease is ours, that is the work of a verdict whose answer did not reach us. */
  private isRefused(id: string): void {
    const lease = this.leases.get(id);
    if (lease?.unheard === true && monotonic() <= lease.until) lease.settled = true;
    else this.leases.delete(id);
  }

  private isHeld(id: string): boolean {
    const now = monotonic();
    for (const [first, { until }] of this.leases) {
      if (until > now) break;
      this.leases.delete(first);
    }
    return (this.leases.get(id)?.until ?? 0) > now;
  }
}

/** "ack", or in how many seconds the message may be delivered again. */
type Verdict = (delivery: D) => Order["seconds"];
