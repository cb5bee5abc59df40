/**
 * What the source of redis.ts tells the server of the messages it holds.
 *
 * Invariants:
 * - A verdict counts only from who holds the message: Redis compares the consumer and the number of deliveries, and we whether it was
 *   handed over again since, for a release takes its delivery off that number. Where the group is gone, nobody holds anything.
 * - A verdict whose answer was lost, or that nobody waited for any longer, may have counted. Told again, it says by the name of its note
 *   which call that was, and is told the truth. Until then the message is not called lost.
 * - One that is refused does not hold up the others of its call: they have counted, and the call rejects with what the server said of it.
 */
import { context, type Context } from "../../index.ts";
import { reasonOf } from "../reason.ts";
import { explained, isReply } from "./errors.ts";
import { ACK, BURY, EXTEND, NACK } from "./scripts.ts";
import type { RedisDelivery } from "./index.ts";
import type { Dead, Nack } from "../source.ts";

/** Who tells, and how. */
export interface Teller {
  readonly send: (...args: string[]) => Promise<unknown>;
  /** The stream, the due, the lines, the notes: see redis-scripts.ts. */
  readonly keys: readonly string[];
  readonly group: string;
  readonly consumer: string;
  readonly settled: string;
  readonly lease: number;
  /** Something is due in so many ms. */
  readonly due: (ms: number) => void;
}

/** What a call has brought. */
interface Answer {
  /** Ids in the stream. */
  readonly lost: ReadonlySet<string>;
  /** By the id in the stream, what the server said. */
  readonly refused: ReadonlyMap<string, string>;
}

export class Verdicts {
  /** By the id in the stream: the last delivery of what has no verdict. */
  readonly held: Map<string, RedisDelivery> = new Map();
  /** In which line a message stands, if it has a key. */
  readonly lines: WeakMap<RedisDelivery, string> = new WeakMap();
  /** The lines of messages that were nacked, since somebody has last cleared this. */
  readonly turned: Set<string> = new Set();
  private readonly teller: Teller;
  /** What has a verdict, though nobody heard the answer: told again, the server would call it lost. */
  private readonly counted: WeakSet<RedisDelivery> = new WeakSet();
  /** What has a verdict, as was heard. */
  private readonly settled: WeakSet<RedisDelivery> = new WeakSet();
  /** The notes of calls that are under way, or whose answer was lost. */
  private readonly notes: WeakMap<RedisDelivery, readonly string[]> = new WeakMap();
  /** Notes that were answered. */
  private answered: string[] = [];
  private readonly name: string = crypto.randomUUID();
  private calls = 0;

  constructor(teller: Teller) {
    this.teller = teller;
  }

  ack(ctx: Context, deliveries: readonly RedisDelivery[]): Promise<readonly RedisDelivery[]> {
    return this.settle(ctx, "ack", deliveries, (note, told) => {
      const each = told.flatMap((delivery) => [...this.named(delivery), this.lines.get(delivery) ?? ""]);
      return this.script(ACK, [], [...note, this.teller.settled, ...each]);
    });
  }

  async nack(ctx: Context, items: readonly Nack<RedisDelivery>[]): Promise<readonly RedisDelivery[]> {
    const how = new Map(items.map((item) => [item.delivery.id, item]));
    const all = items.map(({ delivery }) => delivery);
    const { lease } = this.teller;
    const lost = await this.settle(ctx, "nack", all, (note, told) => {
      const each = told.flatMap((delivery) => {
        const { delay, why } = how.get(delivery.id)!;
        const count = why === "released" ? delivery.attempt - 1 : delivery.attempt;
        return [...this.named(delivery), String(count), String(Math.max(0, Math.ceil(delay)))];
      });
      return this.script(NACK, [], [...note, String(lease), ...each]);
    });
    for (const delivery of all) {
      const line = this.lines.get(delivery);
      if (line !== undefined) this.turned.add(line);
    }
    // Our own pull knows at once, and others when they sweep.
    this.teller.due(Math.min(...items.map(({ delay }) => Math.max(0, Math.ceil(delay)))));
    return lost;
  }

  bury(ctx: Context, items: readonly Dead<RedisDelivery>[], deadLetters: string): Promise<readonly RedisDelivery[]> {
    const why = new Map(items.map(({ delivery, error }) => [delivery.id, reasonOf(error)]));
    const all = items.map(({ delivery }) => delivery);
    return this.settle(ctx, "dead letter", all, (note, told) => {
      const each = told.flatMap((delivery) => [
        ...this.named(delivery),
        this.lines.get(delivery) ?? "",
        why.get(delivery.id)!,
      ]);
      return this.script(BURY, [deadLetters], [...note, this.teller.settled, ...each]);
    });
  }

  /** Restarts the leases. One whose verdict may have counted already is not called lost: the verdict will say. */
  async extend(ctx: Context, deliveries: readonly RedisDelivery[]): Promise<readonly RedisDelivery[]> {
    const err = ctx.err();
    if (err !== undefined) throw err;
    const told = deliveries.filter((delivery) => this.isHeld(delivery));
    const each = told.flatMap(({ entry, attempt }) => [entry, String(attempt)]);
    const { lost } =
      told.length === 0 ? NOTHING : await this.hear("extend", this.tell(told, this.script(EXTEND, [], each)), ctx);
    const isTold = new Set(told);
    return deliveries.filter((delivery) => {
      if (this.notes.has(delivery) || this.counted.has(delivery)) return false;
      if (!isTold.has(delivery)) return true;
      // It may have been settled meanwhile.
      if (!lost.has(delivery.entry) || this.settled.has(delivery)) return false;
      if (this.isHeld(delivery)) this.held.delete(delivery.entry);
      return true;
    });
  }

  private isHeld({ id, entry }: RedisDelivery): boolean {
    return this.held.get(entry)?.id === id;
  }

  /** How the scripts know a message: id, deliveries, notes. If it was handed over again since, the notes alone count. */
  private named(delivery: RedisDelivery): readonly string[] {
    const notes = this.notes.get(delivery) ?? [];
    return [delivery.entry, this.isHeld(delivery) ? String(delivery.attempt) : "-1", notes.join(" ")];
  }

  /** Tells a verdict of those that are held, and forgets them. Returns those that were lost. */
  private async settle(
    ctx: Context,
    verb: string,
    deliveries: readonly RedisDelivery[],
    command: (note: readonly string[], told: readonly RedisDelivery[]) => readonly string[],
  ): Promise<readonly RedisDelivery[]> {
    const err = ctx.err();
    if (err !== undefined) throw err;
    const told = deliveries.filter(
      (delivery) => !this.counted.has(delivery) && (this.isHeld(delivery) || this.notes.has(delivery)),
    );
    if (told.length > 0) {
      const note = `${this.name}:${++this.calls}`;
      const args = command([note, this.answered.splice(0).join(" ")], told);
      for (const delivery of told) this.notes.set(delivery, [...(this.notes.get(delivery) ?? []), note]);
      const answer = this.tell(told, args);
      let result: Answer;
      try {
        result = await this.hear(verb, answer, ctx);
      } catch (error) {
        answer.then(
          (late) => this.conclude(told, note, late, true),
          () => {},
        );
        throw error;
      }
      this.conclude(told, note, result, result.refused.size > 0);
      if (result.refused.size > 0) {
        const [[entry, why]] = [...result.refused] as [[string, string]];
        const others = result.refused.size > 1 ? `, and ${result.refused.size - 1} more` : "";
        throw explained(`the ${verb} of ${entry}${others} was refused`, new Error(why));
      }
      const isLost = new Set(told.filter(({ entry }) => result.lost.has(entry)));
      const known = new Set(told);
      return deliveries.filter((d) => !this.counted.has(d) && (isLost.has(d) || !known.has(d)));
    }
    return deliveries.filter((delivery) => !this.counted.has(delivery));
  }

  /** What was refused is still held. `unheard`: who told these will tell them again. */
  private conclude(told: readonly RedisDelivery[], note: string, { lost, refused }: Answer, unheard: boolean): void {
    this.answered.push(note);
    for (const delivery of told) {
      const { entry } = delivery;
      if (refused.has(entry)) continue;
      this.notes.delete(delivery);
      if (this.isHeld(delivery)) this.held.delete(entry);
      if (!lost.has(entry)) (unheard ? this.counted : this.settled).add(delivery);
    }
  }

  /** Waits for an answer, under ctx. */
  private async hear(verb: string, answer: Promise<Answer>, ctx: Context): Promise<Answer> {
    try {
      return await context.wait(answer, ctx);
    } catch (error) {
      if (error === ctx.err()) throw error;
      throw explained(`the ${verb} failed`, error);
    }
  }

  /** Sends a command about these. All are lost if the group is gone. */
  private async tell(told: readonly RedisDelivery[], args: readonly string[]): Promise<Answer> {
    let reply: readonly unknown[];
    try {
      reply = (await this.teller.send(...args)) as readonly unknown[];
    } catch (error) {
      if (!isReply(error, "NOGROUP")) throw error;
      return { ...NOTHING, lost: new Set(told.map(({ entry }) => entry)) };
    }
    if (!Array.isArray(reply[0])) return { ...NOTHING, lost: new Set(reply as readonly string[]) };
    const [lost, freed, refused = []] = reply as readonly [readonly string[], unknown, (readonly string[])?];
    if (Number(freed) > 0) this.teller.due(0);
    const whys = refused.flatMap((id, i): [string, string][] => (i % 2 === 0 ? [[id, refused[i + 1]!]] : []));
    return { lost: new Set(lost), refused: new Map(whys) };
  }

  private script(text: string, keys: readonly string[], args: readonly string[]): readonly string[] {
    const { keys: usual, group, consumer } = this.teller;
    const all = [...usual, ...keys];
    return ["EVAL", text, String(all.length), ...all, group, consumer, ...args];
  }
}

const NOTHING: Answer = { lost: new Set(), refused: new Map() };
