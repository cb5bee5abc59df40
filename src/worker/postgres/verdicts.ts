/**
 * The verdicts of the source of postgres, on the messages that it has leased.
 *
 * The hard case is a verdict whose answer was lost. It may have counted, and then the row is gone, or belongs to the
 * next delivery. Asked again, the server would call it lost. Two things tell the source otherwise:
 * - The answer may still come, after the call's ctx has ended: `settledLate`.
 * - The connection may be cut, and then no answer comes. But the call left a note in its own transaction, and the note
 *   is there if and only if the call counted: `notes`.
 *
 * Invariants:
 * - A verdict counts if the row still has the number of this delivery and is still leased: see sql.ts.
 * - A message is not reported as lost while a call may have counted whose answer is unknown.
 * - A dead letter that the server refuses does not hold up the others of its call. It is sent in a smaller form. If
 *   that is refused too, the others have counted, and the call rejects.
 */
import { context, type Context } from "../../index.ts";
import { reasonOf } from "../reason.ts";
import type { Dead, Nack } from "../source.ts";
import { explained, isAboutData } from "./errors.ts";
import { MAX_MS, type Statements } from "./sql.ts";
import type { PostgresDelivery, PostgresQueryable } from "./types.ts";

/** A dead message, with the reason. */
interface Letter {
  readonly delivery: PostgresDelivery;
  readonly reason: string;
}

export class Verdicts {
  private readonly pool: PostgresQueryable;
  private readonly sql: Statements;
  private readonly queue: string;
  private readonly lease: number;
  /** Called when a message may have become due. */
  private readonly notify: () => void;
  /**
   * Resolves to whether a verdict counted whose call had ended before its answer came. The server would call it lost if
   * it is repeated.
   */
  private readonly settledLate: WeakMap<PostgresDelivery, Promise<boolean>> = new WeakMap();
  /** The notes of calls whose answer was lost or is still to come, those that are under way included. */
  private readonly notes: WeakMap<PostgresDelivery, readonly string[]> = new WeakMap();
  /** Notes of calls that were answered: the next call removes them. */
  private spentNotes: string[] = [];
  /** Names the notes of this source. */
  private readonly name: string = crypto.randomUUID();
  private calls = 0;

  constructor(pool: PostgresQueryable, sql: Statements, queue: string, lease: number, notify: () => void) {
    this.pool = pool;
    this.sql = sql;
    this.queue = queue;
    this.lease = lease;
    this.notify = notify;
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
        items.map(({ delay }) => Math.min(Math.max(delay, 0) || 0, MAX_MS)),
        items.map(({ reason }) => (reason === "released" ? 1 : 0)),
      ],
    );
  }

  async deadLetter(ctx: Context, items: readonly Dead<PostgresDelivery>[]): Promise<readonly PostgresDelivery[]> {
    const letters = items.map(({ delivery, error }) => ({ delivery, reason: reasonOf(error) }));
    const refusals: unknown[] = [];
    const settled: PostgresDelivery[] = [];
    const lost = await this.deadLetterParts(ctx, letters, refusals, settled);
    if (refusals.length === 0) return lost;
    // The caller does not learn from a rejection that these have counted.
    for (const delivery of settled) this.settledLate.set(delivery, Promise.resolve(true));
    const [first] = refusals;
    const why = first instanceof Error ? first.message : String(first);
    throw new Error(`postgresQueue: ${refusals.length} of ${items.length} dead letters were refused: ${why}`, {
      cause: first,
    });
  }

  /**
   * Dead-letters all that the server takes: halves the call to find those that it refuses. Returns those that were
   * lost.
   */
  private async deadLetterParts(
    ctx: Context,
    letters: readonly Letter[],
    refusals: unknown[],
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
        const first = await this.deadLetterParts(ctx, letters.slice(0, half), refusals, settled);
        return [...first, ...(await this.deadLetterParts(ctx, letters.slice(half), refusals, settled))];
      }
      const [{ delivery, reason }] = letters as [Letter];
      const smaller = smallerReason(reason);
      if (smaller !== undefined) return this.deadLetterParts(ctx, [{ delivery, reason: smaller }], refusals, settled);
      refusals.push(error);
      return [];
    }
  }

  /** Restarts the leases. One whose verdict may have counted already is not reported as lost: the verdict will say. */
  async extend(ctx: Context, deliveries: readonly PostgresDelivery[]): Promise<readonly PostgresDelivery[]> {
    const err = ctx.err();
    if (err !== undefined) throw err;
    if (deliveries.length === 0) return [];
    const extended = await this.answerOf("extend", this.query(this.sql.extend, deliveries, [this.lease]), ctx);
    return deliveries.filter(
      (delivery) => !extended.has(rowOf(delivery)) && (this.notes.get(delivery) ?? []).length === 0,
    );
  }

  /**
   * Sends a verdict. Returns the deliveries that are lost: the server does not know them as ours, and no earlier call
   * has settled them.
   */
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
    const earlier = new Map(deliveries.map((delivery) => [delivery, this.notes.get(delivery) ?? []]));
    for (const [delivery, notes] of earlier) this.notes.set(delivery, [...notes, note]);
    const settling = this.query(this.sql[verb], deliveries, [this.queue, ...values, note, this.spentNotes.splice(0)]);
    try {
      const settled = await this.answerOf(verb, settling, ctx);
      this.notify();
      const unknown = deliveries.filter((delivery) => !settled.has(rowOf(delivery)));
      const counted = await this.answerOf(verb, this.earlierCounted(unknown, earlier), ctx);
      this.spentNotes.push(note);
      for (const delivery of deliveries) this.notes.delete(delivery);
      return unknown.filter((delivery) => !counted.has(delivery));
    } catch (error) {
      for (const delivery of deliveries) {
        const before = this.settledLate.get(delivery);
        const counts = settling.then(
          async (settled) => settled.has(rowOf(delivery)) || (await before) === true,
          () => before ?? false,
        );
        this.settledLate.set(delivery, counts);
        // A call that the server refused has left no note.
        if (isAboutData(error)) this.notes.set(delivery, earlier.get(delivery)!);
      }
      throw error;
    }
  }

  /**
   * Returns those of `deliveries` that an earlier call has settled whose answer its caller did not get. `notes` names
   * these calls.
   */
  private async earlierCounted(
    deliveries: readonly PostgresDelivery[],
    notes: ReadonlyMap<PostgresDelivery, readonly string[]>,
  ): Promise<ReadonlySet<PostgresDelivery>> {
    const noted = deliveries.flatMap((delivery) => notes.get(delivery)!.map((note) => [note, rowOf(delivery)]));
    if (noted.length === 0 && !deliveries.some((delivery) => this.settledLate.has(delivery))) return new Set();
    const values = [noted.map(([note]) => note), noted.map(([, id]) => id)];
    const { rows } = noted.length === 0 ? { rows: [] } : await this.pool.query(this.sql.counted, values);
    const counted = new Set(rows.map(({ id }: { id: string }) => id));
    const isCounted = await Promise.all(
      deliveries.map(
        async (delivery) => counted.has(rowOf(delivery)) || (await this.settledLate.get(delivery)) === true,
      ),
    );
    return new Set(deliveries.filter((_, i) => isCounted[i]));
  }

  /** Runs a statement. Returns the ids of the rows for which it counted. */
  private async query(
    sql: string,
    deliveries: readonly PostgresDelivery[],
    values: readonly unknown[],
  ): Promise<ReadonlySet<string>> {
    const numbers = deliveries.map(({ id }) => id.split(".")[1]);
    const { rows } = await this.pool.query(sql, [deliveries.map(rowOf), numbers, ...values]);
    return new Set(rows.map(({ id }: { id: string }) => id));
  }

  /** Waits for an answer under ctx. An error of the server says what to do. */
  private async answerOf<T>(verb: string, answer: Promise<T>, ctx: Context): Promise<T> {
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

/**
 * A reason for a server that refused this one: first in plain ASCII, which every encoding has, then empty; then
 * undefined.
 */
function smallerReason(reason: string): string | undefined {
  const plain = reason.replaceAll(/[^\x20-\x7e]/gu, "?");
  if (plain !== reason) return plain;
  return reason === "" ? undefined : "";
}
