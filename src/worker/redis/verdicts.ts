/**
 * Verdicts, and the extension of leases.
 *
 * Invariants:
 * - A verdict counts only from the holder of the message. Redis compares the consumer and the delivery count. The
 *   source itself checks that it has not handed the message over again since, because a release takes its delivery off
 *   that count. If the group is gone, no consumer holds anything.
 * - A verdict whose answer was lost, or came after its ctx had ended, may have counted. When it is sent again it names
 *   the receipts of its earlier calls, and Redis answers as it would have then. Until that answer the message is not
 *   reported as lost.
 * - A refused message does not hold up the others of its call: these have counted, and the call rejects with the error
 *   for the refused one.
 *
 * Of a message in a call, as seen from here:
 *
 *     unsettled --send--> has a receipt --answer in time--> settled, or lost
 *         ^                     |
 *         |                     +-------late answer-------> settled late: not sent again, and not reported as lost
 *         +------refused--------+
 */
import { context, type Context } from "../../index.ts";
import { reasonOf } from "../reason.ts";
import { explained, hasCode } from "./errors.ts";
import { ACK, DEAD_LETTER, EXTEND, NACK } from "./scripts.ts";
import type { RedisDelivery } from "./types.ts";
import type { Unsettled } from "./unsettled.ts";
import type { Dead, Nack } from "../source.ts";

export interface VerdictsOptions {
  /** Sends a command on the connection for verdicts. */
  readonly send: (...args: string[]) => Promise<unknown>;
  /** The stream, the delayed set, the lanes, the receipts: see scripts.ts. */
  readonly keys: readonly string[];
  readonly group: string;
  readonly consumer: string;
  readonly settled: string;
  readonly lease: number;
  readonly unsettled: Unsettled;
  /** Called when a message becomes due in so many ms. */
  readonly onDue: (ms: number) => void;
}

/** The answer to a call. */
interface Answer {
  /** Ids in the stream. */
  readonly lost: ReadonlySet<string>;
  /** The errors of refused messages, by their ids in the stream. */
  readonly refused: ReadonlyMap<string, string>;
}

const NONE: Answer = { lost: new Set(), refused: new Map() };

export class Verdicts {
  private readonly options: VerdictsOptions;
  private readonly unsettled: Unsettled;
  /** Deliveries whose verdict has counted, and whose call has returned. */
  private readonly settled: WeakSet<RedisDelivery> = new WeakSet();
  /**
   * Deliveries whose verdict has counted though its call failed. Redis would call them lost when the verdict is sent
   * again.
   */
  private readonly settledLate: WeakSet<RedisDelivery> = new WeakSet();
  /** The receipts of calls that are under way, or whose answer was lost. */
  private readonly receipts: WeakMap<RedisDelivery, readonly string[]> = new WeakMap();
  /** Receipts that Redis can remove, because their calls were answered. */
  private answered: string[] = [];
  private readonly name: string = crypto.randomUUID();
  private calls = 0;

  constructor(options: VerdictsOptions) {
    this.options = options;
    this.unsettled = options.unsettled;
  }

  ack(ctx: Context, deliveries: readonly RedisDelivery[]): Promise<readonly RedisDelivery[]> {
    return this.settle(ctx, "ack", deliveries, (receipt, sent) => {
      const each = sent.flatMap((delivery) => [...this.argsOf(delivery), this.unsettled.lanes.get(delivery) ?? ""]);
      return this.script(ACK, [], [...receipt, this.options.settled, ...each]);
    });
  }

  async nack(ctx: Context, items: readonly Nack<RedisDelivery>[]): Promise<readonly RedisDelivery[]> {
    const byId = new Map(items.map((item) => [item.delivery.id, item]));
    const deliveries = items.map(({ delivery }) => delivery);
    const { lease, onDue } = this.options;
    const lost = await this.settle(ctx, "nack", deliveries, (receipt, sent) => {
      const each = sent.flatMap((delivery) => {
        const { delay, reason } = byId.get(delivery.id)!;
        const count = reason === "released" ? delivery.attempt - 1 : delivery.attempt;
        return [...this.argsOf(delivery), String(count), String(Math.max(0, Math.ceil(delay)))];
      });
      return this.script(NACK, [], [...receipt, String(lease), ...each]);
    });
    const { lanes, nackedLanes } = this.unsettled;
    for (const delivery of deliveries) {
      const lane = lanes.get(delivery);
      if (lane !== undefined) nackedLanes.add(lane);
    }
    // The source's own pull learns of it at once, other consumers at their next sweep.
    onDue(Math.min(...items.map(({ delay }) => Math.max(0, Math.ceil(delay)))));
    return lost;
  }

  deadLetterTo(
    deadLetters: string,
    ctx: Context,
    items: readonly Dead<RedisDelivery>[],
  ): Promise<readonly RedisDelivery[]> {
    const reasons = new Map(items.map(({ delivery, error }) => [delivery.id, reasonOf(error)]));
    const deliveries = items.map(({ delivery }) => delivery);
    return this.settle(ctx, "dead letter", deliveries, (receipt, sent) => {
      const each = sent.flatMap((delivery) => [
        ...this.argsOf(delivery),
        this.unsettled.lanes.get(delivery) ?? "",
        reasons.get(delivery.id)!,
      ]);
      return this.script(DEAD_LETTER, [deadLetters], [...receipt, this.options.settled, ...each]);
    });
  }

  /**
   * Restarts the leases. A delivery whose verdict may have counted is not reported as lost: the answer to the verdict
   * decides.
   */
  async extend(ctx: Context, deliveries: readonly RedisDelivery[]): Promise<readonly RedisDelivery[]> {
    const err = ctx.err();
    if (err !== undefined) throw err;
    const sent = deliveries.filter((delivery) => this.unsettled.has(delivery));
    const each = sent.flatMap(({ entry, attempt }) => [entry, String(attempt)]);
    const { lost } =
      sent.length === 0 ? NONE : await this.waitFor("extend", this.send(sent, this.script(EXTEND, [], each)), ctx);
    const wasSent = new Set(sent);
    return deliveries.filter((delivery) => {
      if (this.receipts.has(delivery) || this.settledLate.has(delivery)) return false;
      if (!wasSent.has(delivery)) return true;
      // A verdict may have settled it meanwhile.
      if (!lost.has(delivery.entry) || this.settled.has(delivery)) return false;
      this.unsettled.delete(delivery);
      return true;
    });
  }

  /**
   * Id, delivery count and receipts of a message, for the scripts. If it was handed over again since, only a receipt
   * can count.
   */
  private argsOf(delivery: RedisDelivery): readonly string[] {
    const receipts = this.receipts.get(delivery) ?? [];
    const count = this.unsettled.has(delivery) ? String(delivery.attempt) : "-1";
    return [delivery.entry, count, receipts.join(" ")];
  }

  /** Sends a verdict on those of the deliveries that have none yet. Returns the lost ones. */
  private async settle(
    ctx: Context,
    verb: string,
    deliveries: readonly RedisDelivery[],
    command: (receipt: readonly string[], sent: readonly RedisDelivery[]) => readonly string[],
  ): Promise<readonly RedisDelivery[]> {
    const err = ctx.err();
    if (err !== undefined) throw err;
    const sent = deliveries.filter(
      (delivery) => !this.settledLate.has(delivery) && (this.unsettled.has(delivery) || this.receipts.has(delivery)),
    );
    if (sent.length === 0) return deliveries.filter((delivery) => !this.settledLate.has(delivery));
    const receipt = `${this.name}:${++this.calls}`;
    const args = command([receipt, this.answered.splice(0).join(" ")], sent);
    for (const delivery of sent) this.receipts.set(delivery, [...(this.receipts.get(delivery) ?? []), receipt]);
    const pending = this.send(sent, args);
    let answer: Answer;
    try {
      answer = await this.waitFor(verb, pending, ctx);
    } catch (error) {
      pending.then(
        (late) => this.conclude(sent, receipt, late, this.settledLate),
        () => {},
      );
      throw error;
    }
    const { lost, refused } = answer;
    this.conclude(sent, receipt, answer, refused.size > 0 ? this.settledLate : this.settled);
    if (refused.size > 0) {
      const [[entry, message]] = [...refused] as [[string, string]];
      const others = refused.size > 1 ? `, and ${refused.size - 1} more` : "";
      throw explained(`the ${verb} of ${entry}${others} was refused`, new Error(message));
    }
    const wasSent = new Set(sent);
    return deliveries.filter(
      (delivery) => !this.settledLate.has(delivery) && (!wasSent.has(delivery) || lost.has(delivery.entry)),
    );
  }

  /** Takes note of an answer. Those that have counted go to `settled`; refused ones stay unsettled. */
  private conclude(
    sent: readonly RedisDelivery[],
    receipt: string,
    { lost, refused }: Answer,
    settled: WeakSet<RedisDelivery>,
  ): void {
    this.answered.push(receipt);
    for (const delivery of sent) {
      const { entry } = delivery;
      if (refused.has(entry)) continue;
      this.receipts.delete(delivery);
      this.unsettled.delete(delivery);
      if (!lost.has(entry)) settled.add(delivery);
    }
  }

  private async waitFor(verb: string, answer: Promise<Answer>, ctx: Context): Promise<Answer> {
    try {
      return await context.wait(answer, ctx);
    } catch (error) {
      if (error === ctx.err()) throw error;
      throw explained(`the ${verb} failed`, error);
    }
  }

  /** Sends a command about these deliveries. If the group is gone, all are lost. */
  private async send(sent: readonly RedisDelivery[], args: readonly string[]): Promise<Answer> {
    let reply: readonly unknown[];
    try {
      reply = (await this.options.send(...args)) as readonly unknown[];
    } catch (error) {
      if (!hasCode(error, "NOGROUP")) throw error;
      return { ...NONE, lost: new Set(sent.map(({ entry }) => entry)) };
    }
    if (!Array.isArray(reply[0])) return { ...NONE, lost: new Set(reply as readonly string[]) };
    const [lost, freed, refused = []] = reply as readonly [readonly string[], unknown, (readonly string[])?];
    if (Number(freed) > 0) this.options.onDue(0);
    const errors = refused.flatMap((id, i): [string, string][] => (i % 2 === 0 ? [[id, refused[i + 1]!]] : []));
    return { lost: new Set(lost), refused: new Map(errors) };
  }

  private script(text: string, moreKeys: readonly string[], args: readonly string[]): readonly string[] {
    const { group, consumer } = this.options;
    const keys = [...this.options.keys, ...moreKeys];
    return ["EVAL", text, String(keys.length), ...keys, group, consumer, ...args];
  }
}
