/**
 * `headgate/worker/nats`: a durable pull consumer of NATS JetStream as a source.
 *
 * It speaks JetStream's own protocol over a connection, not through the client's `fetch()` or `consume()`. Those keep asking while
 * nobody waits, and `stop()` and `close()` leave what is on its way to sit out `ack_wait`. A pull here is one request that waits
 * for the first message, takes along what else is there, and is over (`no_wait` with `expires`): between pulls nothing is under way.
 *
 * Invariants:
 * - A request is never taken back: it is full, or the server says that it has run out, half a second after the end of ctx at the latest.
 *   What comes of one that was given up, because the connection was cut or the server silent, is given back at once.
 * - A verdict counts when the server has confirmed the first and the last of its batch. It takes those of a consumer in their order, and a
 *   batch is said at once, on one connection: then somebody was there to hear all that is between them. Otherwise all are told anew.
 * - The server does not fence: it confirms the ack of an old delivery and settles the new one with it. So the clock does: a lease begins
 *   when its request was sent, which is before the server's own begins. A verdict on a lease that has run out by that count is not sent,
 *   and one that was confirmed only after that does not count; both are reported as lost.
 * - The server counts deliveries, so a release costs an attempt: leave `max_deliver` alone, or set it well above `maxAttempts`.
 */
import { context, type Context, time } from "../index.ts";
import { headersOf, textOf, toDelivery } from "./nats-message.ts";
import {
  bytesOf,
  Inbox,
  type Letter,
  Letters,
  Line,
  type NatsConnection,
  type NatsHeaders,
  type NatsMessage,
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
  /** The ordering key of a message; `undefined` for none, as if it throws. */
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
  for (const name of ["publish", "subscribe", "flush", "status"] as const) {
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
    (typeof deadLetters?.headers !== "function" || !/^[^\s*>]+$/.test(String(deadLetters.subject)))
  ) {
    throw new TypeError(
      "natsConsumer: deadLetters needs a subject without wildcards, and the client's headers function",
    );
  }
  const line = new Line(connection);
  const letters = new Letters(line, `${options.inboxPrefix ?? "_INBOX"}.${crypto.randomUUID()}`);
  return new Consumer(line, letters, options, await settingsOf(letters, options, ctx));
}

/** What the server says of the consumer. */
interface Settings {
  /** ms */
  readonly lease: number;
  /** How many messages a request may ask for, and how long it may wait, in ms. */
  readonly batch: number;
  readonly expires: number;
}

/**
 * How long the server keeps a request that finds no message, in ms: how long a stop may have to wait for it. Since a lease counts from the
 * request, it is a part of the lease at the most.
 */
const EXPIRES = 500;
/** ms after which nothing more comes of a request. */
const FORGOTTEN = 60_000;

async function settingsOf(letters: Letters, options: NatsConsumerOptions, ctx: Context): Promise<Settings> {
  const { stream, consumer, apiPrefix = "$JS.API" } = options;
  const what = `natsConsumer: the consumer ${consumer} of the stream ${stream}`;
  const [limit, cancel] = context.withTimeout(ctx, 5_000);
  using _ = cancel;
  const question = { subject: `${apiPrefix}.CONSUMER.INFO.${stream}.${consumer}`, payload: bytesOf("") };
  const [answer] = await letters.send(limit, [question], "ends");
  const info = JSON.parse(textOf(answer!)) as {
    readonly error?: { readonly description: string };
    readonly config: {
      readonly ack_policy: string;
      readonly ack_wait: number;
      readonly backoff?: readonly number[];
      readonly deliver_subject?: string;
      readonly max_ack_pending?: number;
      readonly max_batch?: number;
      readonly max_expires?: number;
    };
  };
  if (info.error !== undefined) throw new Error(`${what}: ${info.error.description}`);
  const { ack_policy, ack_wait, deliver_subject, backoff = [], max_batch, max_expires, max_ack_pending } = info.config;
  if (deliver_subject !== undefined) throw new Error(`${what} is a push consumer; a worker needs one that is pulled`);
  if (ack_policy !== "explicit") throw new Error(`${what} must have the ack_policy explicit, not ${ack_policy}`);
  const lease = Math.min(ack_wait, ...backoff) / 1e6;
  const expires = Math.min(EXPIRES, lease / 4, (max_expires || Infinity) / 1e6);
  // −1 and 0 stand for no limit.
  const batch = Math.min(...[max_batch, max_ack_pending].map((limit = 0) => (limit > 0 ? limit : Infinity)));
  return { lease, batch, expires };
}

/** What became of what was told, and when that was: epoch ms. */
interface Told {
  readonly held: readonly NatsDelivery[];
  readonly lost: readonly NatsDelivery[];
  readonly told: number;
}

class Consumer implements Source<NatsDelivery> {
  readonly lease: number;
  readonly deadLetter?: Source<NatsDelivery>["deadLetter"] & {};
  private readonly line: Line;
  private readonly letters: Letters;
  private readonly options: NatsConsumerOptions;
  private readonly settings: Settings;
  /** When the leases that we hold are over at the earliest, in epoch ms, by the id of the delivery; the oldest first, more or less. */
  private readonly leases: Map<string, number> = new Map();
  /** The inboxes that no pull uses now. */
  private readonly idle: Inbox[] = [];
  /** The inboxes that no pull will use any more, but where something may come. */
  private lost: Inbox[] = [];
  private inboxes = 0;
  private readonly words = {
    ack: bytesOf("+ACK"),
    nak: bytesOf("-NAK"),
    term: bytesOf("+TERM"),
    inProgress: bytesOf("+WPI"),
  };

  constructor(line: Line, letters: Letters, options: NatsConsumerOptions, settings: Settings) {
    this.line = line;
    this.letters = letters;
    this.options = options;
    this.settings = settings;
    this.lease = settings.lease;
    const { deadLetters } = options;
    if (deadLetters !== undefined) this.deadLetter = (ctx, items) => this.bury(ctx, items, deadLetters);
  }

  // -------------------------------------------------------------------------------------------------------------------- pull

  pull = async (ctx: Context, max: number): Promise<readonly NatsDelivery[]> => {
    const inbox = this.idle.pop() ?? this.open();
    try {
      for (;;) {
        const got = inbox.take();
        // If the server was so slow that their leases are over, they come again.
        if (inbox.asked + this.lease <= time.now()) got.length = 0;
        if (got.length > 0 || ctx.err() !== undefined) return got;
        await inbox.ask(ctx, Math.min(max, this.settings.batch));
      }
    } finally {
      (inbox.isLost ? this.lost : this.idle).push(inbox);
    }
  };

  private open(): Inbox {
    const { stream, consumer, apiPrefix = "$JS.API" } = this.options;
    const subject = `${apiPrefix}.CONSUMER.MSG.NEXT.${stream}.${consumer}`;
    const old = time.now() - FORGOTTEN;
    for (const { asked, close } of this.lost) if (asked < old) close();
    this.lost = this.lost.filter(({ asked }) => asked >= old);
    return new Inbox(this.line, `${this.letters.inbox}.${++this.inboxes}`, {
      next: { subject, expires: this.settings.expires },
      receive: (message, asked) => {
        const delivery = toDelivery(message, this.options.key);
        this.leases.set(delivery.id, asked + this.lease);
        return delivery;
      },
      giveBack: ({ id, message }) => {
        this.leases.delete(id);
        try {
          this.line.connection.publish(message.reply!, this.words.nak);
        } catch {
          // The connection is closed: it comes again when its lease is over.
        }
      },
    });
  }

  // ---------------------------------------------------------------------------------------------------------------- verdicts

  ack = (ctx: Context, deliveries: readonly NatsDelivery[]): Promise<readonly NatsDelivery[]> =>
    this.settle(ctx, deliveries, () => this.words.ack);

  nack = (ctx: Context, items: readonly Nack<NatsDelivery>[]): Promise<readonly NatsDelivery[]> =>
    this.settle(ctx, deliveriesOf(items), (i) => {
      const { delay } = items[i]!;
      return delay > 0 ? bytesOf(`-NAK ${JSON.stringify({ delay: Math.round(delay * 1e6) })}`) : this.words.nak;
    });

  private async bury(
    ctx: Context,
    items: readonly Dead<NatsDelivery>[],
    { subject, headers }: NonNullable<NatsConsumerOptions["deadLetters"]>,
  ): Promise<readonly NatsDelivery[]> {
    await this.line.reach(ctx);
    const { stream, consumer } = this.options;
    const now = time.now();
    const held = items.filter(({ delivery }) => (this.leases.get(delivery.id) ?? 0) > now);
    const letters = held.map(({ delivery, error }) => {
      const all = headersOf(delivery, error, `${stream}.${consumer}`, headers());
      return { subject, payload: delivery.message.data, headers: all };
    });
    for (const answer of await this.letters.send(ctx, letters, "each")) {
      const { error } = JSON.parse(textOf(answer)) as { error?: { description: string } };
      if (error !== undefined) throw new Error(`natsConsumer: no dead letter to ${subject}: ${error.description}`);
    }
    return this.settle(ctx, deliveriesOf(items), () => this.words.term);
  }

  /** Tells the server verdicts, and lets go of what they are about. Returns what we may not have held any more. */
  private async settle(
    ctx: Context,
    deliveries: readonly NatsDelivery[],
    verdict: (i: number) => Uint8Array,
  ): Promise<readonly NatsDelivery[]> {
    const { held, lost } = await this.tell(ctx, deliveries, verdict);
    for (const { id } of held) this.leases.delete(id);
    return lost;
  }

  extend = async (ctx: Context, deliveries: readonly NatsDelivery[]): Promise<readonly NatsDelivery[]> => {
    const { held, lost, told } = await this.tell(ctx, deliveries, () => this.words.inProgress);
    // What has a verdict by now is gone.
    for (const { id } of held) if (this.leases.delete(id)) this.leases.set(id, told + this.lease);
    return lost;
  };

  /** Tells the server something of each delivery that we hold. When it has heard all, returns which ones we held until then. */
  private async tell(
    ctx: Context,
    deliveries: readonly NatsDelivery[],
    what: (i: number) => Uint8Array,
  ): Promise<Told> {
    await this.line.reach(ctx);
    const told = time.now();
    const lost: NatsDelivery[] = [];
    const letters: Letter[] = [];
    const sent: NatsDelivery[] = [];
    const untils: number[] = [];
    for (const [i, delivery] of deliveries.entries()) {
      const until = this.leases.get(delivery.id) ?? 0;
      if (until <= told) {
        lost.push(delivery);
        continue;
      }
      letters.push({ subject: delivery.message.reply!, payload: what(i) });
      sent.push(delivery);
      untils.push(until);
    }
    // An answer to each took 14 µs of our time a message, not 9, and 20 of the server's, not 15 (in batches of 100).
    await this.letters.send(ctx, letters, "ends");
    const heard = time.now();
    // It may have been extended meanwhile.
    const isHeld = ({ id }: NatsDelivery, i: number): boolean =>
      heard <= Math.max(untils[i]!, this.leases.get(id) ?? 0);
    const held = sent.filter(isHeld);
    if (held.length < sent.length) lost.push(...sent.filter((delivery, i) => !isHeld(delivery, i)));
    this.forget(heard);
    return { held, lost, told };
  }

  /** Forgets the leases that are over, while they are the oldest. */
  private forget(now: number): void {
    for (const [id, until] of this.leases) {
      if (until > now) return;
      this.leases.delete(id);
    }
  }
}

function deliveriesOf(items: readonly { readonly delivery: NatsDelivery }[]): readonly NatsDelivery[] {
  return items.map(({ delivery }) => delivery);
}
