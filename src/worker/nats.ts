/**
 * `headgate/worker/nats`: a durable pull consumer of NATS JetStream as a source.
 *
 * It speaks JetStream's own protocol over a connection, not through the client's `fetch()` or `consume()`. Those keep asking while
 * nobody waits, and `stop()` and `close()` leave what is on its way to sit out `ack_wait`. A pull here is one request that waits
 * for the first message, takes along what else is there, and is over (`no_wait` with `expires`): between pulls nothing is under way.
 *
 * Invariants:
 * - A request is never taken back: it is full, or the server says that it has run out, half a second after the end of ctx at the latest.
 * - A verdict counts when the server has confirmed it. The server does not fence: it confirms the ack of an old delivery and settles
 *   the new one with it. So the clock does: a lease begins when its request was sent, which is before the server's own begins, and a
 *   verdict on a lease that has run out by that count is not sent, but reported as lost.
 * - The server counts deliveries, so a release costs an attempt: leave `max_deliver` alone, or set it well above `maxAttempts`.
 */
import { context, type Context, time } from "../index.ts";
import {
  Inbox,
  infoOf,
  type NatsConnection,
  type NatsHeaders,
  type NatsMessage,
  oneLine,
  Requests,
  sequenceOf,
  textOf,
} from "./nats-wire.ts";
import type { Dead, Delivery, Nack, Source } from "./source.ts";

export type { NatsConnection, NatsHeaders, NatsMessage } from "./nats-wire.ts";

/** A message of JetStream. The body is its data as text; the bytes are in `message.data`. */
export interface NatsDelivery extends Delivery<string> {
  readonly attempt: number;
  /** Its headers, each with its first value. */
  readonly attributes: Readonly<Record<string, string>>;
  readonly message: NatsMessage;
}

/** Which consumer, and how to use it. */
export interface NatsConsumerOptions {
  readonly stream: string;
  /** The name of a durable pull consumer with `ack_policy: "explicit"`. Its `ack_wait` is the lease. */
  readonly consumer: string;
  /**
   * Where dead messages go: a subject that a stream takes, and the client's `headers` function. The message is published there with
   * its headers, and `Headgate-Reason`, `Headgate-Attempts`, `Headgate-Subject`; then it is terminated. If the two are cut apart, it
   * is published again, with the same `Nats-Msg-Id`, which JetStream drops for as long as the stream's `duplicate_window` says.
   */
  readonly deadLetters?: { readonly subject: string; readonly headers: () => NatsHeaders };
  /** The ordering key of a message; `undefined` for none. */
  readonly key?: (message: NatsMessage) => string | undefined;
  /** Where the API of JetStream is. "$JS.API"; with a domain, "$JS.<domain>.API" */
  readonly apiPrefix?: string;
  /** What this client may subscribe to. "_INBOX" */
  readonly inboxPrefix?: string;
}

/**
 * Makes a source of a durable pull consumer that exists already. Any number of workers may share the source, and any number of
 * processes the consumer.
 *
 * **Cancellation**: when `ctx` ends before the server has described the consumer, rejects with `ctx.err()`. After 5 s without an
 * answer it rejects as well.
 *
 * **Errors**: TypeError for options that make no sense; an Error if there is no such consumer, if it is a push consumer, or if its
 * `ack_policy` is not explicit.
 *
 * @example
 * ```ts no-run
 * import { context } from "headgate";
 * import { shutdown } from "headgate/signal";
 * import { worker } from "headgate/worker";
 * import { type NatsConnection, natsConsumer } from "headgate/worker/nats";
 *
 * declare const connection: NatsConnection; // await connect({ servers }), of @nats-io/transport-node
 * const source = await natsConsumer(connection, { stream: "orders", consumer: "billing" });
 * const [stop, abort] = shutdown(context.background(), "SIGTERM");
 * const report = await worker(stop, source, async (ctx, { body }) => console.log(JSON.parse(body)), { abort });
 * ```
 */
export async function natsConsumer(
  connection: NatsConnection,
  options: NatsConsumerOptions,
  ctx: Context = context.background(),
): Promise<Source<NatsDelivery>> {
  for (const name of ["publish", "subscribe", "flush"] as const) {
    if (typeof connection?.[name] !== "function") throw new TypeError(`natsConsumer: the connection has no ${name}`);
  }
  for (const name of ["stream", "consumer"] as const) {
    const value: unknown = options?.[name];
    if (typeof value !== "string" || !/^[^\s.*>]+$/.test(value)) {
      throw new TypeError(
        `natsConsumer: ${name} must be a name without spaces, dots and wildcards; got ${String(value)}`,
      );
    }
  }
  const { deadLetters } = options;
  if (
    deadLetters !== undefined &&
    (typeof deadLetters.subject !== "string" || typeof deadLetters.headers !== "function")
  ) {
    throw new TypeError("natsConsumer: deadLetters needs a subject and the client's headers function");
  }
  const requests = new Requests(connection, `${options.inboxPrefix ?? "_INBOX"}.${crypto.randomUUID()}`);
  return new Consumer(connection, options, requests, await leaseOf(requests, options, ctx));
}

/** Asks the server for the consumer, and what its lease is, in ms. */
async function leaseOf(requests: Requests, options: NatsConsumerOptions, ctx: Context): Promise<number> {
  const { stream, consumer, apiPrefix = "$JS.API" } = options;
  const what = `natsConsumer: the consumer ${consumer} of the stream ${stream}`;
  const [limit, cancel] = context.withTimeout(ctx, 5_000);
  using _ = cancel;
  const [answer] = await requests.send(limit, [{ subject: `${apiPrefix}.CONSUMER.INFO.${stream}.${consumer}` }]);
  const info = JSON.parse(textOf(answer!)) as {
    readonly error?: { readonly description: string };
    readonly config: { ack_policy: string; ack_wait: number; deliver_subject?: string; backoff?: readonly number[] };
  };
  if (info.error !== undefined) throw new Error(`${what}: ${info.error.description}`);
  const { ack_policy, ack_wait, deliver_subject, backoff = [] } = info.config;
  if (deliver_subject !== undefined) throw new Error(`${what} is a push consumer; a worker needs one that is pulled`);
  if (ack_policy !== "explicit") throw new Error(`${what} must have the ack_policy explicit, not ${ack_policy}`);
  return Math.min(ack_wait, ...backoff) / 1e6;
}

/** A delivery that we hold. */
interface Lease {
  readonly reply: string;
  /** When it is over at the earliest: epoch ms. */
  until: number;
  /** The server has confirmed the verdict. */
  settled: boolean;
}

class Consumer implements Source<NatsDelivery> {
  readonly lease: number;
  readonly deadLetter?: Source<NatsDelivery>["deadLetter"] & {};
  private readonly connection: NatsConnection;
  private readonly options: NatsConsumerOptions;
  private readonly requests: Requests;
  /** By the id of the delivery, in the order in which they end. */
  private readonly leases: Map<string, Lease> = new Map();
  /** The inboxes that no pull uses now. */
  private readonly idle: Inbox[] = [];
  private inboxes = 0;

  constructor(connection: NatsConnection, options: NatsConsumerOptions, requests: Requests, lease: number) {
    this.connection = connection;
    this.options = options;
    this.requests = requests;
    this.lease = lease;
    const { deadLetters } = options;
    if (deadLetters !== undefined) this.deadLetter = (ctx, items) => this.bury(ctx, items, deadLetters);
  }

  pull = async (ctx: Context, max: number): Promise<readonly NatsDelivery[]> => {
    const { stream, consumer, apiPrefix = "$JS.API" } = this.options;
    const next = `${apiPrefix}.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    const inbox =
      this.idle.pop() ??
      new Inbox(this.connection, `${this.requests.inbox}.${++this.inboxes}`, next, (message, asked) =>
        this.receive(message, asked),
      );
    try {
      for (;;) {
        const got = inbox.take(max).filter(({ id }) => this.isHeld(id));
        if (got.length > 0 || ctx.err() !== undefined) return got;
        await inbox.ask(ctx, max);
      }
    } finally {
      this.idle.push(inbox);
    }
  };

  ack = (ctx: Context, deliveries: readonly NatsDelivery[]): Promise<readonly NatsDelivery[]> =>
    this.settle(ctx, deliveries, () => "+ACK");

  nack = (ctx: Context, items: readonly Nack<NatsDelivery>[]): Promise<readonly NatsDelivery[]> => {
    const delays = new Map(items.map(({ delivery, delay }) => [delivery.id, delay]));
    return this.settle(
      ctx,
      items.map(({ delivery }) => delivery),
      ({ id }) => {
        const delay = delays.get(id)!;
        return delay > 0 ? `-NAK ${JSON.stringify({ delay: Math.round(delay * 1e6) })}` : "-NAK";
      },
    );
  };

  extend = async (ctx: Context, deliveries: readonly NatsDelivery[]): Promise<readonly NatsDelivery[]> => {
    const sent = time.now();
    const [held, lost] = this.sort(deliveries);
    await this.tell(ctx, held, () => "+WPI");
    for (const { id } of held) {
      const lease = this.leases.get(id);
      if (lease === undefined) continue;
      lease.until = sent + this.lease;
      this.leases.delete(id);
      this.leases.set(id, lease);
    }
    return lost;
  };

  private async bury(
    ctx: Context,
    items: readonly Dead<NatsDelivery>[],
    { subject, headers }: NonNullable<NatsConsumerOptions["deadLetters"]>,
  ): Promise<readonly NatsDelivery[]> {
    const live = items.filter(({ delivery: { id } }) => this.isHeld(id) && this.leases.get(id)?.settled === false);
    const letters = live.map(({ delivery, error }) => {
      const { message, attempt, attributes } = delivery;
      const all = headers();
      for (const [name, value] of Object.entries(attributes)) if (!/^nats-/i.test(name)) all.set(name, value);
      all.set("Nats-Msg-Id", `dead.${this.options.stream}.${this.options.consumer}.${sequenceOf(message)}`);
      all.set("Headgate-Reason", oneLine(error));
      all.set("Headgate-Attempts", String(attempt));
      all.set("Headgate-Subject", message.subject);
      return { subject, payload: message.data, headers: all };
    });
    for (const answer of await this.requests.send(ctx, letters)) {
      const { error } = JSON.parse(textOf(answer)) as { error?: { description: string } };
      if (error !== undefined) throw new Error(`natsConsumer: no dead letter to ${subject}: ${error.description}`);
    }
    return this.settle(
      ctx,
      items.map(({ delivery }) => delivery),
      () => "+TERM",
    );
  }

  /** Tells the server the verdicts on what we hold. Returns what we do not hold, or may not have held any more when it got there. */
  private async settle(
    ctx: Context,
    deliveries: readonly NatsDelivery[],
    verdict: (delivery: NatsDelivery) => string,
  ): Promise<readonly NatsDelivery[]> {
    const [held, lost] = this.sort(deliveries);
    await this.tell(
      ctx,
      held.filter(({ id }) => this.leases.get(id)?.settled === false),
      verdict,
      (lease) => {
        lease.settled = time.now() <= lease.until;
      },
    );
    // Only now is it forgotten: had this call failed, the next would be told of all the same ones.
    for (const delivery of held) {
      if (this.leases.get(delivery.id)?.settled !== true) lost.push(delivery);
      this.leases.delete(delivery.id);
    }
    return lost;
  }

  private async tell(
    ctx: Context,
    held: readonly NatsDelivery[],
    verdict: (delivery: NatsDelivery) => string,
    confirmed?: (lease: Lease) => void,
  ): Promise<void> {
    const leases = held.map(({ id }) => this.leases.get(id)!);
    const letters = held.map((delivery, i) => ({ subject: leases[i]!.reply, payload: verdict(delivery) }));
    await this.requests.send(ctx, letters, (i) => confirmed?.(leases[i]!));
  }

  private sort(deliveries: readonly NatsDelivery[]): [held: NatsDelivery[], lost: NatsDelivery[]] {
    const held: NatsDelivery[] = [];
    const lost: NatsDelivery[] = [];
    for (const delivery of deliveries) (this.isHeld(delivery.id) ? held : lost).push(delivery);
    return [held, lost];
  }

  private isHeld(id: string): boolean {
    const now = time.now();
    for (const [first, { until }] of this.leases) {
      if (until > now) break;
      this.leases.delete(first);
    }
    return (this.leases.get(id)?.until ?? 0) > now;
  }

  private receive(message: NatsMessage, asked: number): NatsDelivery {
    const reply = message.reply!;
    const attempt = Number(infoOf(reply)[0]);
    const id = `${sequenceOf(message)}.${attempt}`;
    this.leases.set(id, { reply, until: asked + this.lease, settled: false });
    const attributes: Record<string, string> = {};
    for (const name of message.headers?.keys() ?? []) attributes[name] = message.headers!.get(name);
    const key = this.options.key?.(message);
    return { id, body: textOf(message), attempt, attributes, message, ...(key === undefined ? {} : { key }) };
  }
}
