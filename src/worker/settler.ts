/**
 * The last stage of a worker: telling the source what became of its messages.
 *
 * Batches come about by themselves, without a timer: one call is under way at a time, and what is decided meanwhile is the next batch.
 * Acks, nacks and dead letters each have a lane, so that one that fails and must be tried again does not hold up the others. In a lane,
 * what failed waits apart from what is fresh. It may have failed because of one message: so it is tried again as it was, for most
 * faults pass, and then by halves, until that one is alone.
 *
 * Invariants:
 * - A message is in one part of one lane, or in the call that is under way, until the source has answered for it or the grace is over.
 * - The source is told of nacked messages of one key in the order of their pull: they are not parted, and those that come later join.
 */
import { context, nil, retry, select, time } from "../index.ts";
import { monotonic } from "../runtime.ts";
import { LeaseLost } from "./causes.ts";
import { type Held, lostOf } from "./held.ts";
import type { Delivery, Verdict } from "./source.ts";
import type { Run } from "./worker.ts";

/** What is told in one call, or in several if it is more than a batch. */
interface Part<D extends Delivery> {
  items: Held<D>[];
  /** Calls that have failed in a row. */
  readonly failures: number;
  /** Not before this time, on the monotonic clock. */
  due: number;
  /** Since it failed, the source has taken others: so the fault may be in the messages. */
  othersTaken: boolean;
}

interface Lane<D extends Delivery> {
  readonly call: "ack" | "nack" | "deadLetter";
  readonly fresh: Part<D>;
  /** In the order in which they failed. */
  failed: Part<D>[];
}

export class Settler<D extends Delivery> {
  private readonly run: Run<D>;
  private readonly lanes: readonly Lane<D>[];

  constructor(run: Run<D>) {
    this.run = run;
    this.lanes = (["ack", "nack", "deadLetter"] as const).map((call) => {
      return { call, fresh: { items: [], failures: 0, due: 0, othersTaken: false }, failed: [] };
    });
  }

  /** Returns when no more is coming and the source has been told of everything, or the grace is over. */
  async settleAll(): Promise<void> {
    const { results, nudge, calls } = this.run;
    for (let open = true; ;) {
      for (let got; open && (got = results.tryRecv()) !== undefined;) {
        if (got[1]) this.sort(got[0]);
        else open = false;
      }
      if (calls.err() !== undefined || monotonic() >= this.run.deadline) this.giveUp();
      const parts = this.lanes.flatMap(partsOf);
      if (parts.length === 0 && !open) return;
      const wait = Math.min(...parts.map((part) => part.due)) - monotonic();
      if (wait <= 0) {
        await this.tellDue();
        continue;
      }
      const got = await select({ result: open ? results : nil, nudge, due: wait < Infinity ? time.after(wait) : nil });
      if (got.case === "result") {
        if (got.ok) this.sort(got.value);
        else open = false;
      } else if (got.case === "nudge") {
        for (const part of parts) part.due = 0;
      }
    }
  }

  private sort(held: Held<D>): void {
    const [ack, nack, dead] = this.lanes as [Lane<D>, Lane<D>, Lane<D>];
    if (held.verdict === "acked") ack.fresh.items.push(held);
    else if (held.verdict === "dead") dead.fresh.items.push(held);
    else insert((failedOf(nack, held.key) ?? nack.fresh).items, held);
  }

  /** Of each lane: what is fresh, and after that no more than one part that failed, or many of them would hold up what is fresh. */
  private async tellDue(): Promise<void> {
    for (const lane of this.lanes) {
      if (lane.fresh.items.length > 0) await this.tell(lane, lane.fresh);
      const now = monotonic();
      const again = lane.failed.find((part) => part.due <= now);
      if (again !== undefined) await this.tell(lane, again);
    }
  }

  /** Tells the source of the first batch of a part. */
  private async tell(lane: Lane<D>, part: Part<D>): Promise<void> {
    const { run } = this;
    const next = part.items.splice(0, run.settings.batch);
    this.expire(
      next.filter((held) => held.lost),
      () => new LeaseLost(),
    );
    const batch = next.filter((held) => !held.lost);
    if (batch.length > 0) await this.tellBatch(lane, part, batch);
    lane.failed = lane.failed.filter(({ items }) => items.length > 0);
  }

  private async tellBatch(lane: Lane<D>, part: Part<D>, batch: Held<D>[]): Promise<void> {
    const { run } = this;
    const began = monotonic();
    // What has failed before must not take from the others all that is left of the grace.
    const left = (run.deadline - began) / (part.failures > 0 ? 2 : 1);
    const [ctx, cancel] = context.withTimeout(run.calls, Math.min(run.settings.callTimeout, left));
    using _ = cancel;
    try {
      const answer = await context.wait(this.call(lane.call, ctx, batch), ctx);
      this.conclude(batch, lostOf(lane.call, batch, answer), Math.round(monotonic() - began));
      for (const other of lane.failed) other.othersTaken = true;
    } catch (error) {
      this.putOff(lane, part, batch, error);
    }
  }

  /** The source did not take a batch: it is to be told again, later. */
  private putOff(lane: Lane<D>, part: Part<D>, batch: Held<D>[], error: unknown): void {
    const [together, rest] = cut(lane, batch.concat(part.items), batch.length);
    part.items = rest;
    const isRepeated = part.failures > 0 && together.length > 1;
    // While others are taken, halves need no longer pauses: the source is there.
    const failures = part.failures + (isRepeated && part.othersTaken ? 0 : 1);
    // While stopping there is no time for long pauses.
    const now = monotonic();
    const retryIn = Math.max(1, Math.min(retry.backoff(failures), (this.run.deadline - now) / 4));
    const pieces = isRepeated ? cut(lane, together, Math.ceil(together.length / 2)) : [together];
    for (const items of pieces) lane.failed.push({ items, failures, due: now + retryIn, othersTaken: false });
    this.run.emit({ type: "sourceError", call: lane.call, error, retryIn });
  }

  private async call(
    name: Lane<D>["call"],
    ctx: context.Context,
    batch: readonly Held<D>[],
  ): Promise<readonly D[] | void> {
    const { source } = this.run;
    if (name === "nack") {
      const items = batch.map(({ delivery, delay, verdict }) => {
        return { delivery, delay, why: verdict === "released" ? ("released" as const) : ("failed" as const) };
      });
      return source.nack(ctx, items);
    }
    if (name === "deadLetter" && source.deadLetter !== undefined) {
      return source.deadLetter(
        ctx,
        batch.map(({ delivery, error }) => ({ delivery, error: tellable(error) })),
      );
    }
    return source.ack(
      ctx,
      batch.map(({ delivery }) => delivery),
    );
  }

  /** The source has answered. */
  private conclude(batch: readonly Held<D>[], lost: ReadonlySet<Held<D>>, ms: number): void {
    const counts = new Map<Verdict, number>();
    for (const held of batch) {
      const verdict = lost.has(held) ? "expired" : held.verdict;
      counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
      this.run.finish(held, verdict, verdict === "expired" ? new LeaseLost() : undefined);
    }
    for (const [verdict, count] of counts) this.run.emit({ type: "settled", verdict, count, ms });
  }

  /** The grace is over: what the source has not been told of is named in the report. */
  private giveUp(): void {
    for (const lane of this.lanes) {
      this.expire(
        partsOf(lane).flatMap(({ items }) => items.splice(0)),
        () => new Error(`worker: the grace was over before ${lane.call} succeeded`),
      );
      lane.failed = [];
    }
  }

  /** The source will not be told of these. */
  private expire(all: readonly Held<D>[], why: () => Error): void {
    for (const held of all) this.run.finish(held, "expired", why());
    if (all.length > 0) this.run.emit({ type: "settled", verdict: "expired", count: all.length, ms: 0 });
  }
}

/**
 * What a source is told that a message died of. Something that it cannot write down would be refused for ever. So what a source is likely
 * to ask is asked here first.
 */
function tellable(error: unknown): unknown {
  try {
    const asked = error instanceof Error ? [error.name, error.message, error.stack, error.cause] : [];
    for (const each of [error, ...asked.slice(0, 3)]) String(each);
    return error;
  } catch {
    return new Error("worker: what the handler threw cannot be shown as a text");
  }
}

/** The parts of a lane that are not empty. */
function partsOf<D extends Delivery>(lane: Lane<D>): Part<D>[] {
  return lane.fresh.items.length > 0 ? [lane.fresh, ...lane.failed] : lane.failed;
}

/** The part that failed with messages of this key in it. */
function failedOf<D extends Delivery>(lane: Lane<D>, key: string | undefined): Part<D> | undefined {
  if (key === undefined) return undefined;
  return lane.failed.find(({ items }) => items.some((held) => held.key === key));
}

/** Puts a nacked one among the others, and not behind a later one of its key. */
function insert<D extends Delivery>(items: Held<D>[], held: Held<D>): void {
  const { key, order } = held;
  const at = key === undefined ? -1 : items.findIndex((other) => other.key === key && other.order > order);
  if (at < 0) items.push(held);
  else items.splice(at, 0, held);
}

/** Cuts off the first `n`; of nacked ones all of a key go where its first one goes. */
function cut<D extends Delivery>(lane: Lane<D>, items: Held<D>[], n: number): [first: Held<D>[], rest: Held<D>[]] {
  const [first, rest] = [items.slice(0, n), items.slice(n)];
  if (lane.call !== "nack") return [first, rest];
  const keys = new Set(first.map((held) => held.key));
  const belongs = ({ key }: Held<D>): boolean => key !== undefined && keys.has(key);
  return [[...first, ...rest.filter(belongs)], rest.filter((held) => !belongs(held))];
}
