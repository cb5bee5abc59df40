/**
 * The verdicts of the source of rabbitmq.
 *
 * An ack has no answer in this protocol. So a batch of verdicts is sent, and then the channel is flushed: see
 * channel.ts.
 *
 * A quorum queue processes each ack as a command of its own, so as many as possible go into one with the flag
 * `multiple`. It settles everything up to a tag that the channel has delivered and that is not settled yet. So only a
 * prefix of `unsettled` can go into it:
 *
 *     arrival order:    1   2   3   4   5   6        v: a verdict was sent before
 *     ack asked for:    x   v   x   x       x        ─▶ ack(4, multiple), then ack(6)
 *                       └─ prefix ──┘   │
 *                                       └ 5 has no verdict: an ack(6, multiple) would settle it, too
 *
 * Invariants:
 * - A tag gets one verdict: at a second one the broker would close the channel. `hasVerdict` remembers the first.
 * - A message that moves to another queue is published, confirmed, and only then acked. If a cut comes between the two,
 *   there are two of it, with the same `messageId` if it had one. It is never in no queue.
 * - A refusal concerns one message. The rest of its batch is settled, and known to be, whatever becomes of the channel:
 *   `settledLate`.
 */
import { context, type Context } from "../../index.ts";
import { reasonOf } from "../reason.ts";
import type { Dead, Nack } from "../source.ts";
import type { Session } from "./channel.ts";
import { ignoreRejection } from "./client.ts";
import type { Lanes } from "./order.ts";
import type { RabbitChannel, RabbitDelivery, RabbitMessage, RabbitQueueOptions } from "./types.ts";

/** A delivery that no verdict has settled, as far as is known. */
export interface Unsettled {
  readonly session: Session;
  /** The number of the consumer that got it. */
  readonly consumer: number;
  readonly message: RabbitMessage;
  /** A verdict was sent. */
  hasVerdict: boolean;
  /** The publishing of its copy to another queue. */
  copy: Promise<void> | undefined;
}

/** The part of the source that verdicts need. */
interface Pulls {
  readonly session: () => Session | undefined;
  readonly arrive: (delivery: RabbitDelivery) => void;
  readonly notify: () => void;
}

type DeadLetters = NonNullable<RabbitQueueOptions["deadLetters"]>;

export class Verdicts {
  private readonly options: RabbitQueueOptions;
  private readonly unsettled: Map<string, Unsettled>;
  private readonly lanes: Lanes | undefined;
  private readonly pulls: Pulls;
  /**
   * Deliveries that are settled and not reported yet: by this call, or by an earlier one that rejected because of
   * another message.
   */
  private readonly settledLate: Set<string> = new Set();
  private retries = 0;

  constructor(options: RabbitQueueOptions, unsettled: Map<string, Unsettled>, lanes: Lanes | undefined, pulls: Pulls) {
    this.options = options;
    this.unsettled = unsettled;
    this.lanes = lanes;
    this.pulls = pulls;
  }

  async ack(ctx: Context, deliveries: readonly RabbitDelivery[]): Promise<readonly RabbitDelivery[]> {
    if (ctx.err() === undefined && this.lanes === undefined) this.ackPrefix(deliveries);
    return this.settle(ctx, deliveries, async (item) => ackOne(item));
  }

  /**
   * Acks those of `deliveries` that are the oldest of the channel with one `multiple` ack: see the head of this file.
   */
  private ackPrefix(deliveries: readonly RabbitDelivery[]): void {
    const ids = new Set(deliveries.map(({ id }) => id));
    const prefix: Unsettled[] = [];
    for (const [id, item] of this.unsettled) {
      if (item.hasVerdict) continue;
      if (!ids.has(id)) break;
      prefix.push(item);
    }
    const last = prefix.at(-1);
    if (last === undefined || last.session.isEnding) return;
    // The channel makes one command of it for each consumer.
    const consumers = new Set(prefix.map(({ consumer }) => consumer));
    last.session.send((channel) => channel.ack(last.message, true), consumers.size);
    for (const item of prefix) onVerdict(item);
  }

  nack(ctx: Context, items: readonly Nack<RabbitDelivery>[]): Promise<readonly RabbitDelivery[]> {
    const { delays = true } = this.options;
    const deliveries = items.map(({ delivery }) => delivery);
    return this.settle(ctx, deliveries, async (item, i) => {
      const { delivery, delay, reason } = items[i]!;
      const { message, session } = item;
      if (this.lanes !== undefined) return this.keepForRetry(this.lanes, item, items[i]!);
      const isLater = delay > 0 && delays;
      if ((reason === "released" && !isLater) || !session.copies.canCopy(message)) {
        return sendVerdict(item, (channel) => channel.nack(message, false, true));
      }
      const failures = reason === "released" ? delivery.attempt - 1 : delivery.attempt;
      item.copy ??= isLater
        ? session.copies.publishDelayed(delay, message, failures)
        : session.copies.publishAgain(message, failures);
      await ackCopied(item);
    });
  }

  /**
   * Keeps a message here until its next attempt. It becomes another delivery, with an id of its own, and stays
   * unsettled for the broker.
   */
  private keepForRetry(lanes: Lanes, item: Unsettled, { delivery, delay, reason }: Nack<RabbitDelivery>): void {
    const attempt = delivery.attempt + (reason === "failed" ? 1 : 0);
    const next = { ...delivery, id: `${delivery.id.split("+")[0]}+${++this.retries}`, attempt };
    this.unsettled.delete(delivery.id);
    this.unsettled.set(next.id, item);
    this.settledLate.add(delivery.id);
    if (delay > 0) lanes.add(next, delay);
    else if (!lanes.join(next)) this.pulls.arrive(next);
  }

  deadLetterTo(
    deadLetters: DeadLetters,
    ctx: Context,
    items: readonly Dead<RabbitDelivery>[],
  ): Promise<readonly RabbitDelivery[]> {
    const deliveries = items.map(({ delivery }) => delivery);
    return this.settle(ctx, deliveries, async (item, i) => {
      const { message, session } = item;
      if (deadLetters === "broker") return sendVerdict(item, (channel) => channel.nack(message, false, false));
      const { delivery, error } = items[i]!;
      const reason = reasonOf(error);
      item.copy ??= session.copies.publishDeadLetter(deadLetters.queue, message, delivery.attempt, reason);
      await ackCopied(item);
    });
  }

  /**
   * Sends the verdicts, and waits until the queue has them. Returns the deliveries that are lost: their channel is
   * closed. If some are refused, the others are settled all the same, and it rejects. When it is repeated, these count
   * as settled.
   */
  private async settle(
    ctx: Context,
    deliveries: readonly RabbitDelivery[],
    verdict: (item: Unsettled, i: number) => Promise<void>,
  ): Promise<readonly RabbitDelivery[]> {
    const err = ctx.err();
    if (err !== undefined) throw err;
    const session = this.pulls.session();
    const refusals: unknown[] = [];
    const sending: Promise<void>[] = [];
    for (const [i, { id }] of deliveries.entries()) {
      const item = this.unsettled.get(id);
      if (item?.hasVerdict === false) sending.push(verdict(item, i).catch((error) => void refusals.push(error)));
    }
    try {
      await context.wait(Promise.all(sending), ctx);
      const sent = deliveries.flatMap(({ id }) => (this.unsettled.get(id)?.hasVerdict === true ? [id] : []));
      await context.wait(ignoreRejection(session?.flush() ?? Promise.resolve()), ctx);
      for (const id of sent) if (this.unsettled.delete(id)) this.settledLate.add(id);
    } catch (error) {
      // If the channel has closed, its end took all of them from `unsettled`. They are lost, which is an answer and no
      // error.
      if (this.countUnsettled(deliveries) > 0) throw error;
    }
    this.pulls.notify();
    // The channel may have closed meanwhile. Then those that were refused are lost as well.
    const left = this.countUnsettled(deliveries);
    if (left > 0) throw partlyRefused(refusals, left, deliveries.length);
    return deliveries.filter(({ id }) => !this.settledLate.delete(id));
  }

  private countUnsettled(deliveries: readonly RabbitDelivery[]): number {
    return deliveries.filter(({ id }) => this.unsettled.has(id)).length;
  }

  /** Returns those whose channel has closed, except those that are settled. */
  lostOf(deliveries: readonly RabbitDelivery[]): readonly RabbitDelivery[] {
    return deliveries.filter(({ id }) => !this.unsettled.has(id) && !this.settledLate.has(id));
  }
}

/** The error of a batch of which some are not settled. */
function partlyRefused(refusals: readonly unknown[], left: number, all: number): unknown {
  const [first = new Error("rabbitQueue: the channel takes nothing more")] = refusals;
  if (all === 1) return first;
  const why = first instanceof Error ? first.message : String(first);
  return new Error(`rabbitQueue: ${left} of ${all} messages could not be settled, the others are: ${why}`, {
    cause: first,
  });
}

/** Sends a verdict, if none was sent before. */
function sendVerdict(item: Unsettled, verdict: (channel: RabbitChannel) => void): void {
  if (item.hasVerdict) return;
  item.session.send(verdict);
  onVerdict(item);
}

function onVerdict(item: Unsettled): void {
  item.hasVerdict = true;
  item.session.settledOne(item.consumer);
}

function ackOne(item: Unsettled): void {
  sendVerdict(item, (channel) => channel.ack(item.message));
}

/** Acks a message once its copy is confirmed. A copy that failed is published again by the next call. */
async function ackCopied(item: Unsettled): Promise<void> {
  try {
    await item.copy;
  } catch (error) {
    item.copy = undefined;
    throw error;
  }
  ackOne(item);
}
