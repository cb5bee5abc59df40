/**
 * The last stage of a worker: telling the source what became of its messages.
 *
 * Batches come about by themselves, without a timer: one call is under way at a time, and what is decided meanwhile is the next batch.
 * Acks, nacks and dead letters each have a lane, so that one that fails and must be tried again does not hold up the others. In a lane,
 * what failed waits apart from what is fresh. It may have failed because of one message. But most faults pass, so it is tried again as
 * it was. Then it is parted: by halves, or dead letters one by one, as these are what a source refuses because of the message itself.
 *
 * A message that is refused alone is given up after some tries, or what nobody can tell would hold the places of what can be told. But a
 * source that is away is no refusal. So a try of an ack or nack counts if the source has answered something else since the last one. A
 * dead letter is given back by a nack, which loses nothing, and fails, too, where the source is away.
 *
 * Invariants:
 * - A message is in one part of one lane, or in the call that is under way, until the source has answered for it, it is given up, or the
 *   grace is over.
 * - The source is told of nacked messages of one key in the order of their pull: they are not parted, and those that come later join.
 * - While the worker stops, no nack begins while there are acks that have not been told.
 */
import { context, nil, retry, select, time } from "../index.ts";
import { monotonic } from "../internal/runtime.ts";
import { LeaseLost } from "./causes.ts";
import { type Held, lostOf } from "./inflight.ts";
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
  /** How many of the failures in a row were of these alone, which cannot be parted any more; */
  readonly alone: number;
  /** and of these, how many came when the source had answered something else since the one before. */
  readonly refusals: number;
  /** How often the source had answered anything when it failed. */
  readonly answers: number;
  /** When they first failed alone, on the monotonic clock. */
  readonly since: number;
  /** What it has failed with. */
  readonly error: unknown;
}

interface Lane<D extends Delivery> {
  readonly call: "ack" | "nack" | "deadLetter";
  readonly fresh: Part<D>;
  /** In the order in which they failed. */
  failed: Part<D>[];
}

const NEVER_FAILED = {
  failures: 0,
  due: 0,
  othersTaken: false,
  alone: 0,
  refusals: 0,
  answers: 0,
  since: Infinity,
  error: undefined,
} as const;

/** ms after which a dead letter that was refused comes again: most likely it will be refused again. */
const GIVEN_BACK = 60_000;

/** Where nothing tells whether the source is there, an ack or nack is told so many times as often before it is given up. */
const IN_THE_DARK = 4;

/** ms for which a verdict is told at least while the worker stops: the tries follow each other quickly then. */
const PATIENCE = 3_000;

/** The longest pauses in ms: of a verdict that is refused while it takes a place that others wait for; and while the worker stops. */
const PRESSED = 1_000;
const STOPPING = 1_000;

export class Settler<D extends Delivery> {
  private readonly run: Run<D>;
  private readonly lanes: readonly Lane<D>[];
  /** More may be decided. */
  private open = true;

  constructor(run: Run<D>) {
    this.run = run;
    this.lanes = (["ack", "nack", "deadLetter"] as const).map((call) => {
      return { call, fresh: { ...NEVER_FAILED, items: [] }, failed: [] };
    });
  }

  /** Returns when no more is coming and the source has been told of everything, or the grace is over. */
  async settleAll(): Promise<void> {
    const { results, nudge, calls } = this.run;
    for (;;) {
      this.sortResults();
      if (calls.err() !== undefined || monotonic() >= this.run.deadline) this.giveUp();
      const parts = this.lanes.flatMap(partsOf);
      if (parts.length === 0 && !this.open) return;
      const wait = Math.min(...parts.map((part) => part.due)) - monotonic();
      if (wait <= 0) {
        await this.tellDue();
        continue;
      }
      const got = await select({
        result: this.open ? results : nil,
        nudge,
        due: wait < Infinity ? time.after(wait) : nil,
      });
      if (got.case === "result") {
        if (got.ok) this.sort(got.value);
        else this.open = false;
      } else if (got.case === "nudge") {
        for (const part of parts) part.due = 0;
      }
    }
  }

  /** Takes what has been decided by now. */
  private sortResults(): void {
    for (let got; this.open && (got = this.run.results.tryRecv()) !== undefined;) {
      if (got[1]) this.sort(got[0]);
      else this.open = false;
    }
  }

  private sort(held: Held<D>): void {
    const [ack, nack, dead] = this.lanes as [Lane<D>, Lane<D>, Lane<D>];
    if (held.verdict === "acked") ack.fresh.items.push(held);
    else if (held.verdict === "dead" && held.refused === null) dead.fresh.items.push(held);
    else insert((failedOf(nack, held.key) ?? nack.fresh).items, held);
  }

  /**
   * Of each lane: what is fresh, and after that no more than one part that failed, or many of them would hold up what is fresh. While
   * stopping, all acks first: what is released comes again by itself, what is not acked is handled again.
   */
  private async tellDue(): Promise<void> {
    for (const lane of this.lanes) {
      const isFirst = lane.call === "ack" && this.run.deadline < Infinity;
      for (let goesOn = lane.fresh.items.length > 0; goesOn;) {
        const isTaken = await this.tell(lane, lane.fresh);
        if (isFirst) this.sortResults();
        // One that fails, or hangs, must not take all the time from what is given back.
        goesOn = isFirst && isTaken && lane.fresh.items.length > 0;
      }
      const now = monotonic();
      const again = lane.failed.find((part) => part.due <= now);
      if (again !== undefined) await this.tell(lane, again);
    }
  }

  /** Tells the source of the first batch of a part. Returns whether it has answered. */
  private async tell(lane: Lane<D>, part: Part<D>): Promise<boolean> {
    const { run } = this;
    const next = part.items.splice(0, run.settings.batch);
    this.expire(
      next.filter((held) => held.lost),
      () => new LeaseLost(),
    );
    const batch = next.filter((held) => !held.lost);
    const isTaken = batch.length === 0 || (await this.tellBatch(lane, part, batch));
    lane.failed = lane.failed.filter(({ items }) => items.length > 0);
    return isTaken;
  }

  private async tellBatch(lane: Lane<D>, part: Part<D>, batch: Held<D>[]): Promise<boolean> {
    const { run } = this;
    const began = monotonic();
    // What has failed before must not take from the others all that is left of the grace.
    const left = (run.deadline - began) / (part.failures > 0 ? 2 : 1);
    const [ctx, cancel] = context.withTimeout(run.calls, Math.min(run.settings.callTimeout, left));
    using _ = cancel;
    for (const held of batch) held.telling = true;
    try {
      const answer = await context.wait(this.call(lane.call, ctx, batch), ctx);
      this.conclude(batch, lostOf(lane.call, batch, answer), Math.round(monotonic() - began));
      run.account.trouble.succeeded(lane.call);
      for (const other of lane.failed) other.othersTaken = true;
      return true;
    } catch (error) {
      for (const held of batch) held.telling = false;
      // That the end of the grace has cut it short says less than what it failed with before.
      const isCut = part.failures > 0 && run.deadline < Infinity && error === ctx.err();
      this.putOff(lane, part, batch, isCut ? part.error : error);
      return false;
    }
  }

  /** The source did not take a batch: it is to be told again, later, or not at all any more. */
  private putOff(lane: Lane<D>, part: Part<D>, batch: Held<D>[], error: unknown): void {
    const { run } = this;
    const [together, rest] = cut(lane, batch.concat(part.items), batch.length);
    part.items = rest;
    const isRepeated = part.failures > 0 && together.length > 1;
    // While others are taken, halves need no longer pauses: the source is there.
    const failures = part.failures + (isRepeated && part.othersTaken ? 0 : 1);
    const answers = run.account.trouble.answers;
    const isThere = part.failures > 0 && answers > part.answers;
    // While stopping there is no time for long pauses.
    const now = monotonic();
    const longest = run.deadline < Infinity ? STOPPING : isThere && run.isFull ? PRESSED : Infinity;
    const retryIn = Math.max(1, Math.min(retry.backoff(failures), longest, (run.deadline - now) / 4));
    const pieces = isRepeated ? parted(lane, together) : [together];
    const isAlone = pieces.length === 1 && (together.length === 1 || isRepeated);
    const alone = isAlone ? part.alone + 1 : 0;
    const refusals = isAlone ? part.refusals + (isThere ? 1 : 0) : 0;
    const since = isAlone ? Math.min(part.since, now) : Infinity;
    const again = { failures, due: now + retryIn, othersTaken: false, alone, refusals, answers, since, error };
    const isGivenUp = isAlone && this.isGivenUp(lane, again, now);
    run.account.sourceFailed(lane.call, error, isGivenUp ? Infinity : retryIn);
    if (isGivenUp) this.refuse(lane, together, alone, error);
    else for (const items of pieces) lane.failed.push({ ...again, items });
  }

  private isGivenUp(lane: Lane<D>, { alone, refusals, since }: Omit<Part<D>, "items">, now: number): boolean {
    const { isFull, deadline, settings } = this.run;
    const { callTries } = settings;
    const isStopping = deadline < Infinity;
    if (isStopping && now - since < PATIENCE) return false;
    if (this.canGiveBack(lane)) return alone >= (isFull ? Math.ceil(callTries / 2) : callTries);
    return refusals >= callTries || (!isStopping && alone >= callTries * IN_THE_DARK);
  }

  private canGiveBack({ call }: Lane<D>): boolean {
    return call === "deadLetter" && this.run.source.deadLetter !== undefined;
  }

  /** The source does not take this verdict. */
  private refuse(lane: Lane<D>, items: readonly Held<D>[], tries: number, cause: unknown): void {
    const error = new Error(`worker: the source has refused the ${lane.call} of this message ${tries} times`, {
      cause,
    });
    for (const held of items) {
      held.refused ??= error;
      held.delay = GIVEN_BACK;
      if (this.canGiveBack(lane)) this.sort(held);
    }
    if (!this.canGiveBack(lane)) this.expire(items, (held) => held.refused!);
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
      const told = held.refused === null ? held.verdict : "retried";
      const verdict = lost.has(held) ? "expired" : told;
      counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
      if (verdict === "retried" && held.refused !== null) this.run.account.trouble.gaveBack(held.refused.cause);
      this.run.finish(held, verdict, verdict === "expired" ? new LeaseLost() : undefined);
    }
    for (const [verdict, count] of counts) this.run.account.emit({ type: "settled", verdict, count, ms });
  }

  /** The grace is over: what the source has not been told of is named in the report. */
  private giveUp(): void {
    for (const lane of this.lanes) {
      const why = new Map<Held<D>, Error>();
      for (const { items, failures, error } of partsOf(lane)) {
        const cause = failures > 0 ? { cause: error } : undefined;
        const over = `worker: the grace was over before ${lane.call} succeeded`;
        for (const held of items.splice(0)) why.set(held, held.refused ?? new Error(over, cause));
      }
      this.expire([...why.keys()], (held) => why.get(held)!);
      lane.failed = [];
    }
  }

  /** The source will not be told of these. */
  private expire(all: readonly Held<D>[], why: (held: Held<D>) => Error): void {
    for (const held of all) this.run.finish(held, "expired", why(held));
    if (all.length > 0) this.run.account.emit({ type: "settled", verdict: "expired", count: all.length, ms: 0 });
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

/** The parts of what has failed more than once: one if it cannot be parted. */
function parted<D extends Delivery>(lane: Lane<D>, items: Held<D>[]): Held<D>[][] {
  if (lane.call === "deadLetter") return items.map((held) => [held]);
  return cut(lane, items, Math.ceil(items.length / 2)).filter((piece) => piece.length > 0);
}
