/**
 * The source: pulls, verdicts, and the leases between them.
 *
 * Invariants:
 * - A pull ends half a second after the end of ctx at the latest. Messages of a request that was given up, because the
 *   connection was cut or the server silent, are released at once.
 * - A verdict counts when the server has confirmed the first and the last of its batch (see protocol.ts). Otherwise all
 *   are sent again.
 * - The server does not fence: it confirms the ack of an old delivery and settles the new one with it. So the clock
 *   does. A lease begins when its request was sent, which is before the server's own begins. A verdict on a lease that
 *   has run out by that count is not sent. One that was confirmed only after that does not count. Both are reported as
 *   lost.
 * - The server counts deliveries; an attempt is a delivery that was not released, as far as is known: see `releases`.
 *   Leave `max_deliver` alone, or set it well above `maxAttempts`.
 */
import { context, type Context } from "../../index.ts";
import { monotonic } from "../../internal/runtime.ts";
import { Inbox } from "./inbox.ts";
import { headersOf, textOf, toDelivery } from "./message.ts";
import { ACK_BYTES, bytesOf, nakBytes } from "./protocol.ts";
import type { ReleaseLog } from "./releaselog.ts";
import type { Request, Requests } from "./requests.ts";
import type { ServerLink } from "./serverlink.ts";
import type { NatsConsumerOptions, NatsDelivery, NatsMessage } from "./types.ts";
import type { Dead, Nack, Source } from "../source.ts";

/** The configuration of the consumer, as far as it matters here. */
interface Settings {
  /** ms */
  readonly lease: number;
  /** Maximum of messages in a request. */
  readonly batch: number;
  /** The longest time for which the server keeps a request, in ms. */
  readonly expires: number;
}

/**
 * Time for which the server keeps a request that finds no message, in ms: a stop may have to wait for it. A lease
 * counts from the request, so it is at most a part of the lease.
 */
const EXPIRES = 500;
/** Time after which nothing more comes of a lost request, in ms. */
const FORGOTTEN = 60_000;

/** Asks the server for the configuration of the consumer. Rejects if a worker cannot use that consumer. */
export async function settingsOf(ctx: Context, requests: Requests, options: NatsConsumerOptions): Promise<Settings> {
  const { stream, consumer, apiPrefix = "$JS.API" } = options;
  const what = `natsConsumer: the consumer ${consumer} of the stream ${stream}`;
  const question = { subject: `${apiPrefix}.CONSUMER.INFO.${stream}.${consumer}`, payload: bytesOf("") };
  const [answer] = await requests.send(ctx, [question], "ends");
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
  if (info.error !== undefined) {
    throw new Error(`${what}: ${info.error.description}; make it, or correct the options stream and consumer`);
  }
  const { ack_policy, ack_wait, deliver_subject, backoff = [], max_batch, max_expires, max_ack_pending } = info.config;
  if (deliver_subject !== undefined) throw new Error(`${what} is a push consumer; a worker needs one that is pulled`);
  if (ack_policy !== "explicit") throw new Error(`${what} must have the ack_policy explicit, not ${ack_policy}`);
  const lease = Math.min(ack_wait, ...backoff) / 1e6;
  const expires = Math.min(EXPIRES, lease / 4, (max_expires || Infinity) / 1e6);
  // −1 and 0 stand for no limit.
  const batch = Math.min(...[max_batch, max_ack_pending].map((limit = 0) => (limit > 0 ? limit : Infinity)));
  return { lease, batch, expires };
}

/** The lease of a delivery that has no verdict yet, as far as the worker knows. */
interface Lease {
  /** Its earliest end, on the monotonic clock. */
  until: number;
  /** Its verdict has counted, though its call failed because of others. */
  settledLate: boolean;
  /** Its dead letter is published. */
  hasLetter: boolean;
  /** Its release is recorded. */
  isReleased: boolean;
}

/** The outcome of sending something about deliveries. */
interface SendResult {
  /** Those whose lease lasted until the server's answer. */
  readonly kept: readonly NatsDelivery[];
  readonly lost: readonly NatsDelivery[];
  /** On the monotonic clock. */
  readonly sentAt: number;
}

export class Consumer implements Source<NatsDelivery> {
  readonly lease: number;
  readonly deadLetter?: Source<NatsDelivery>["deadLetter"] & {};
  private readonly link: ServerLink;
  private readonly requests: Requests;
  private readonly options: NatsConsumerOptions;
  private readonly settings: Settings;
  private readonly releases: ReleaseLog;
  /** By the id of the delivery; in the order of their ends, nearly. */
  private readonly leases: Map<string, Lease> = new Map();
  /** The inboxes that no pull uses now. */
  private readonly idle: Inbox[] = [];
  /** The inboxes that no pull will use any more, but to which messages may come. */
  private lost: Inbox[] = [];
  private inboxes = 0;

  constructor(
    link: ServerLink,
    requests: Requests,
    options: NatsConsumerOptions,
    settings: Settings,
    releases: ReleaseLog,
  ) {
    this.link = link;
    this.requests = requests;
    this.options = options;
    this.settings = settings;
    this.releases = releases;
    this.lease = settings.lease;
    const { deadLetters } = options;
    if (deadLetters !== undefined) this.deadLetter = (ctx, items) => this.deadLetterTo(deadLetters, ctx, items);
  }

  // -------------------------------------------------------------------------------------------------------------------- pull

  pull = async (ctx: Context, max: number): Promise<readonly NatsDelivery[]> => {
    this.link.mustBeOpen();
    const inbox = this.idle.pop() ?? this.open();
    try {
      for (;;) {
        const got = inbox.take();
        // If the server was so slow that their leases have run out, they will come again.
        if (inbox.sentAt + this.lease <= monotonic()) got.length = 0;
        if (got.length > 0) return await this.releases.withAttempts(ctx, got);
        if (ctx.err() !== undefined) return got;
        await inbox.pull(ctx, Math.min(max, this.settings.batch));
      }
    } finally {
      (inbox.isLost ? this.lost : this.idle).push(inbox);
    }
  };

  private open(): Inbox {
    const { stream, consumer, apiPrefix = "$JS.API" } = this.options;
    const old = monotonic() - FORGOTTEN;
    for (const { sentAt, close } of this.lost) if (sentAt < old) close();
    this.lost = this.lost.filter(({ sentAt }) => sentAt >= old);
    return new Inbox(this.link, `${this.requests.inbox}.${++this.inboxes}`, {
      next: `${apiPrefix}.CONSUMER.MSG.NEXT.${stream}.${consumer}`,
      expires: this.settings.expires,
      receive: (message, sentAt) => {
        const delivery = toDelivery(message, this.options.key);
        const until = sentAt + this.lease;
        this.leases.set(delivery.id, { until, settledLate: false, hasLetter: false, isReleased: false });
        return delivery;
      },
      release: ({ id, message }) => {
        this.leases.delete(id);
        this.releases.write(context.background(), [message]).catch(() => {});
        try {
          this.link.connection.publish(message.reply!, ACK_BYTES.nak);
        } catch {
          // The connection is closed: the message comes again at the end of its lease.
        }
      },
    });
  }

  // ---------------------------------------------------------------------------------------------------------------- verdicts

  ack = async (ctx: Context, deliveries: readonly NatsDelivery[]): Promise<readonly NatsDelivery[]> => {
    const lost = await this.settle(ctx, deliveries, () => ACK_BYTES.ack);
    for (const { message } of deliveries) this.releases.forget(message);
    return lost;
  };

  nack = async (ctx: Context, items: readonly Nack<NatsDelivery>[]): Promise<readonly NatsDelivery[]> => {
    const released = items.flatMap(({ delivery, reason }) => {
      const lease = this.leases.get(delivery.id);
      if (reason !== "released" || lease === undefined || lease.isReleased) return [];
      // Recorded once, however often the verdict is sent.
      lease.isReleased = true;
      return [delivery.message];
    });
    await this.releases.write(ctx, released);
    const deliveries = items.map(({ delivery }) => delivery);
    return this.settle(ctx, deliveries, (i) => nakBytes(items[i]!.delay));
  };

  /**
   * Publishes the letters that are not there yet, each in the fullest form that is taken, and then terminates the
   * messages.
   */
  private async deadLetterTo(
    { subject, headers }: NonNullable<NatsConsumerOptions["deadLetters"]>,
    ctx: Context,
    items: readonly Dead<NatsDelivery>[],
  ): Promise<readonly NatsDelivery[]> {
    await this.link.reach(ctx);
    const { stream, consumer } = this.options;
    const now = monotonic();
    let left = items.flatMap(({ delivery, error }) => {
      const lease = this.leases.get(delivery.id);
      if (lease === undefined || lease.until <= now || lease.hasLetter) return [];
      return [{ lease, delivery, forms: headersOf(delivery, error, `${stream}.${consumer}`, headers) }];
    });
    let failure: Error | undefined;
    for (let form = 0; left.length > 0; form++) {
      const letters = left.map(({ delivery, forms }): Request => {
        const filled = forms[form]!();
        const letter = { subject, payload: delivery.message.data };
        return filled === undefined ? letter : { ...letter, headers: filled };
      });
      const answers = await this.requests.send(ctx, letters, "each");
      left = left.filter(({ lease, forms }, i) => {
        const refusal = refusalOf(subject, answers[i]!);
        if (refusal === undefined) lease.hasLetter = true;
        else if (refusal.isTooLong && form + 1 < forms.length) return true;
        else failure ??= refusal.error;
        return false;
      });
    }
    const deliveries = items.map(({ delivery }) => delivery);
    if (failure === undefined) {
      const lost = await this.settle(ctx, deliveries, () => ACK_BYTES.term);
      for (const { message } of deliveries) this.releases.forget(message);
      return lost;
    }
    // Messages with a letter do not wait for those without. The next call may have all of them again, or some.
    const withLetter = deliveries.filter(({ id }) => this.leases.get(id)?.hasLetter === true);
    for (const { id } of (await this.send(ctx, withLetter, () => ACK_BYTES.term)).kept) {
      const lease = this.leases.get(id);
      if (lease !== undefined) lease.settledLate = true;
    }
    throw failure;
  }

  /** Sends verdicts, and forgets the leases. Returns the deliveries that were not ours any more. */
  private async settle(
    ctx: Context,
    deliveries: readonly NatsDelivery[],
    payload: (i: number) => Uint8Array,
  ): Promise<readonly NatsDelivery[]> {
    const { kept, lost } = await this.send(ctx, deliveries, payload);
    for (const { id } of kept) this.leases.delete(id);
    return lost;
  }

  extend = async (ctx: Context, deliveries: readonly NatsDelivery[]): Promise<readonly NatsDelivery[]> => {
    const restart = ({ id }: NatsDelivery, from: number): void => {
      const lease = this.leases.get(id);
      // It has got a verdict meanwhile.
      if (lease === undefined) return;
      lease.until = from + this.lease;
      this.leases.delete(id);
      this.leases.set(id, lease);
    };
    // A message whose verdict has counted goes to no other consumer. So it counts as ours until a call has returned.
    const now = monotonic();
    for (const delivery of deliveries) if (this.leases.get(delivery.id)?.settledLate === true) restart(delivery, now);
    const { kept, lost, sentAt } = await this.send(ctx, deliveries, () => ACK_BYTES.inProgress);
    for (const delivery of kept) restart(delivery, sentAt);
    return lost;
  };

  /** Sends a payload to the ack subject of each delivery whose lease lasts, and waits for the confirmation. */
  private async send(
    ctx: Context,
    deliveries: readonly NatsDelivery[],
    payload: (i: number) => Uint8Array,
  ): Promise<SendResult> {
    await this.link.reach(ctx);
    const sentAt = monotonic();
    const kept: NatsDelivery[] = [];
    const lost: NatsDelivery[] = [];
    const sent: (Request & { readonly delivery: NatsDelivery; readonly until: number })[] = [];
    for (const [i, delivery] of deliveries.entries()) {
      const lease = this.leases.get(delivery.id);
      if (lease === undefined || lease.until <= sentAt) lost.push(delivery);
      else if (lease.settledLate) kept.push(delivery);
      else sent.push({ subject: delivery.message.reply!, payload: payload(i), delivery, until: lease.until });
    }
    await this.requests.send(ctx, sent, "ends");
    const now = monotonic();
    for (const { delivery, until } of sent) {
      // It may have been extended meanwhile.
      const end = Math.max(until, this.leases.get(delivery.id)?.until ?? 0);
      (now <= end ? kept : lost).push(delivery);
    }
    this.forgetExpired(now);
    return { kept, lost, sentAt };
  }

  /** Forgets leases that have run out, from the oldest to the first that has not. */
  private forgetExpired(now: number): void {
    for (const [id, { until }] of this.leases) {
      if (until > now) return;
      this.leases.delete(id);
    }
  }
}

/** The reason why a dead letter was not published, and whether it was too long; `undefined` if it was published. */
function refusalOf(subject: string, answer: NatsMessage | Error): { error: Error; isTooLong: boolean } | undefined {
  // The client refuses a letter that is too long by an error about its payload.
  if (answer instanceof Error) return { error: answer, isTooLong: /payload/i.test(`${answer.name} ${answer.message}`) };
  const { error } = JSON.parse(textOf(answer)) as { error?: { description: string; err_code?: number } };
  if (error === undefined) return undefined;
  return {
    error: new Error(`natsConsumer: no dead letter to ${subject}: ${error.description}`),
    isTooLong: TOO_LONG.includes(error.err_code ?? 0),
  };
}

/**
 * "message size exceeds maximum allowed", which is the `max_msg_size` of the stream; and "header size exceeds maximum
 * allowed of 64k".
 */
const TOO_LONG = [10_054, 10_097];
