/**
 * What the source of postgres.ts tells the server of the messages it has leased.
 *
 * Invariants:
 * - A verdict counts if the row has still the number of this delivery, and is leased: see postgres-sql.ts.
 * - Each call with verdicts leaves a note in the same transaction. One whose answer was lost may have counted; told again, its note says
 *   whether it has. Until then the message is not called lost.
 * - A dead letter that the server refuses does not hold up the others of its call. It is told in a smaller form; if that is refused as
 *   well, the others have counted, and the call rejects.
 */
import { context, type Context } from "../../index.ts";
import { explained, isAboutData } from "./errors.ts";
import type { PostgresQueryable } from "./listen.ts";
import type { Statements } from "./sql.ts";
import type { PostgresDelivery } from "./index.ts";
import { reasonOf } from "../reason.ts";
import type { Dead, Nack } from "../source.ts";

/** A hundred years, in ms. The dates of PostgreSQL end somewhere. */
export const LONG = 3_155_760_000_000;

/** A message that is to be a dead letter, with the reason. */
interface Letter {
  readonly delivery: PostgresDelivery;
  readonly reason: string;
}

export class Verdicts {
  private readonly pool: PostgresQueryable;
  private readonly sql: Statements;
  private readonly queue: string;
  private readonly lease: number;
  /** Called when something may have come free. */
  private readonly tell: () => void;
  /** Whether a verdict counted that nobody waited for any longer: told again, the server will call it lost. */
  private readonly unanswered: WeakMap<PostgresDelivery, Promise<boolean>> = new WeakMap();
  /** The notes of calls whose answer was lost, or is still to come: of those that are told now, too. */
  private readonly notes: WeakMap<PostgresDelivery, readonly string[]> = new WeakMap();
  /** Notes that were answered: the next call removes them. */
  private answered: string[] = [];
  private readonly name: string = crypto.randomUUID();
  private calls = 0;

  constructor(pool: PostgresQueryable, sql: Statements, queue: string, lease: number, tell: () => void) {
    this.pool = pool;
    this.sql = sql;
    this.queue = queue;
    this.lease = lease;
    this.tell = tell;
  }

  ack(ctx: Context, deliveries: readonly PostgresDelivery[]): Promise<readonly PostgresDelivery[]> {
    return this.settle(ctx, "ack", deliveries, []);
  }

  nack(ctx: Context, items: readonly Nack<PostgresDelivery>[]): Promise<readonly PostgresDelivery[]> {
    return this.settle(
      ctx,
      "nack",
      items.map(({ delivery }) => delivery),
      [
        items.map(({ delay }) => Math.min(Math.max(delay, 0) || 0, LONG)),
        items.map(({ why }) => (why === "released" ? 1 : 0)),
      ],
    );
  }

  async deadLetter(ctx: Context, items: readonly Dead<PostgresDelivery>[]): Promise<readonly PostgresDelivery[]> {
    const letters = items.map(({ delivery, error }) => ({ delivery, reason: reasonOf(error) }));
    const refused: unknown[] = [];
    const settled: PostgresDelivery[] = [];
    const lost = await this.bury(ctx, letters, refused, settled);
    if (refused.length === 0) return lost;
    // They have counted, and nobody hears of it.
    for (const delivery of settled) this.unanswered.set(delivery, Promise.resolve(true));
    const [first] = refused;
    const why = first instanceof Error ? first.message : String(first);
    throw new Error(`postgresQueue: ${refused.length} of ${items.length} dead letters were refused: ${why}`, {
      cause: first,
    });
  }

  /** Puts aside what the server takes; of the others it adds what the server said to `refused`. Returns those that were lost. */
  private async bury(
    ctx: Context,
    letters: readonly Letter[],
    refused: unknown[],
    settled: PostgresDelivery[],
  ): Promise<readonly PostgresDelivery[]> {
    const deliveries = letters.map(({ delivery }) => delivery);
    try {
      const lost = await this.settle(ctx, "deadLetter", deliveries, [letters.map(({ reason }) => reason)]);
      settled.push(...deliveries.filter((delivery) => !lost.includes(delivery)));
      return lost;
    } catch (error) {
      if (!isAboutData(error)) throw error;
      if (letters.length > 1) {
        const half = Math.ceil(letters.length / 2);
        const first = await this.bury(ctx, letters.slice(0, half), refused, settled);
        return [...first, ...(await this.bury(ctx, letters.slice(half), refused, settled))];
      }
      const [{ delivery, reason }] = letters as [Letter];
      const smaller = smallerThan(reason);
      if (smaller !== undefined) return this.bury(ctx, [{ delivery, reason: smaller }], refused, settled);
      refused.push(error);
      return [];
    }
  }

  /** Restarts the leases. One whose verdict may have counted already is not called lost: the verdict will say. */
  async extend(ctx: Context, deliveries: readonly PostgresDelivery[]): Promise<readonly PostgresDelivery[]> {
    const err = ctx.err();
    if (err !== undefined) throw err;
    if (deliveries.length === 0) return [];
    const extended = await this.hear("extend", this.query(this.sql.extend, deliveries, [this.lease]), ctx);
    return deliveries.filter(
      (delivery) => !extended.has(rowOf(delivery)) && (this.notes.get(delivery) ?? []).length === 0,
    );
  }

  /** Tells a verdict, and returns those of which the server says that they are not ours. */
  private async settle(
    ctx: Context,
    verb: "ack" | "nack" | "deadLetter",
    deliveries: readonly PostgresDelivery[],
    values: readonly unknown[],
  ): Promise<readonly PostgresDelivery[]> {
    const err = ctx.err();
    if (err !== undefined) throw err;
    if (deliveries.length === 0) return [];
    const note = `${this.name}:${++this.calls}`;
    const before = new Map(deliveries.map((delivery) => [delivery, this.notes.get(delivery) ?? []]));
    for (const [delivery, notes] of before) this.notes.set(delivery, [...notes, note]);
    const settling = this.query(this.sql[verb], deliveries, [this.queue, ...values, note, this.answered.splice(0)]);
    try {
      const settled = await this.hear(verb, settling, ctx);
      this.tell();
      const lost = deliveries.filter((delivery) => !settled.has(rowOf(delivery)));
      const counted = await this.hear(verb, this.counted(lost, before), ctx);
      this.answered.push(note);
      for (const delivery of deliveries) this.notes.delete(delivery);
      return lost.filter((delivery) => !counted.has(delivery));
    } catch (error) {
      for (const delivery of deliveries) {
        const earlier = this.unanswered.get(delivery);
        const counts = settling.then(
          async (settled) => settled.has(rowOf(delivery)) || (await earlier) === true,
          () => earlier ?? false,
        );
        this.unanswered.set(delivery, counts);
        // What the server has refused has left no note.
        if (isAboutData(error)) this.notes.set(delivery, before.get(delivery)!);
      }
      throw error;
    }
  }

  /** Which of those that are not ours were settled by a call of ours that was not heard: `notes` has the names of these calls. */
  private async counted(
    lost: readonly PostgresDelivery[],
    notes: ReadonlyMap<PostgresDelivery, readonly string[]>,
  ): Promise<ReadonlySet<PostgresDelivery>> {
    const noted = lost.flatMap((delivery) => notes.get(delivery)!.map((note) => [note, rowOf(delivery)]));
    if (noted.length === 0 && !lost.some((delivery) => this.unanswered.has(delivery))) return new Set();
    const values = [noted.map(([note]) => note), noted.map(([, id]) => id)];
    const { rows } = noted.length === 0 ? { rows: [] } : await this.pool.query(this.sql.told, values);
    const told = new Set(rows.map(({ id }: { id: string }) => id));
    const isTold = await Promise.all(
      lost.map(async (delivery) => told.has(rowOf(delivery)) || (await this.unanswered.get(delivery)) === true),
    );
    return new Set(lost.filter((_, i) => isTold[i]));
  }

  /** The rows for which a statement was true. */
  private async query(
    sql: string,
    deliveries: readonly PostgresDelivery[],
    values: readonly unknown[],
  ): Promise<ReadonlySet<string>> {
    const numbers = deliveries.map(({ id }) => id.split(".")[1]);
    const { rows } = await this.pool.query(sql, [deliveries.map(rowOf), numbers, ...values]);
    return new Set(rows.map(({ id }: { id: string }) => id));
  }

  private async hear<T>(verb: string, answer: Promise<T>, ctx: Context): Promise<T> {
    try {
      return await context.wait(answer, ctx);
    } catch (error) {
      if (error === ctx.err()) throw error;
      throw explained(`the ${verb} failed`, error);
    }
  }
}

/** The id of the row that was delivered. */
const rowOf = ({ id }: PostgresDelivery): string => id.split(".")[0]!;

/** A reason that a server may take which refuses this one: in plain characters, which every encoding has, and then none at all. */
function smallerThan(reason: string): string | undefined {
  const plain = reason.replaceAll(/[^\x20-\x7e]/gu, "?");
  if (plain !== reason) return plain;
  return reason === "" ? undefined : "";
}
