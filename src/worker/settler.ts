/**
 * The last stage of a worker: settling, which is to tell the source the verdicts, by its calls ack, nack and deadLetter.
 *
 * Batching needs no timer: one call is under way at a time, and verdicts that arrive during a call form the next batch. Each of the three
 * calls has a lane, so that one that fails and must be tried again does not hold up the others. In a lane, what failed waits apart from
 * what is fresh:
 *
 *     results ──► lane ack         fresh: [a b c …]   failed: [d e] due in 200 ms, [f] due in 800 ms
 *                 lane nack        fresh: […]         failed: …
 *                 lane deadLetter  fresh: […]         failed: …
 *
 * A call may have failed because of one message. But most faults pass, so the part is tried again as it was. Then it is split: in halves,
 * or dead letters one by one, because those are what a source refuses because of the message itself.
 *
 *     [d e f g] fails ──► [d e f g] fails ──► [d e] [f g] ──► [d] fails alone, the others are taken ──► … ──► [d] is given up
 *
 * A message that is refused alone is given up after some tries; otherwise it would for ever hold a place that others need. But a source
 * that is away is no refusal. So a try of an ack or nack counts if the source has answered something else since the last one. A dead
 * letter is given back by a nack, which loses nothing, and which fails, too, while the source is away.
 *
 * Invariants:
 * - A message is in one part of one lane, or in the call that is under way. It stays until the source has answered for it, it is given up,
 *   or the grace is over.
 * - Nacked messages of one key are settled in the order of their pull: they are not split, and those that come later join them.
 * - While the worker stops, no nack begins while there are acks that have not been settled.
 */
import { type Chan, type Context, context, nil, retry, select, time } from "../index.ts";
import { monotonic } from "../internal/runtime.ts";
import type { Account } from "./account.ts";
import { LeaseLost } from "./causes.ts";
import { type InFlight, lostOf } from "./inflight.ts";
import type { Settings } from "./options.ts";
import type { Shutdown } from "./shutdown.ts";
import type { Delivery, Source, Verdict } from "./source.ts";

/** The parts of the worker that the settler needs. */
export interface Settling<D extends Delivery> {
  readonly source: Source<D>;
  readonly settings: Pick<Settings<D>, "batch" | "callTimeout" | "callTries">;
  readonly account: Pick<Account<D>, "emit" | "sourceFailed" | "trouble">;
  readonly shutdown: Pick<Shutdown<D>, "calls" | "deadline" | "phaseChanges">;
  /** Brings the messages whose verdict is known. */
  readonly results: Chan<InFlight<D>>;
  /** There is no room for another message. */
  readonly isFull: () => boolean;
  /** The source has answered for a message, or is not called for it any more. */
  readonly settled: (message: InFlight<D>, verdict: Verdict, error?: unknown) => void;
}

/** Messages that are settled in one call, or in several if they are more than a batch. */
interface Part<D extends Delivery> {
  items: InFlight<D>[];
  /** Calls that have failed in a row. */
  readonly failures: number;
  /** Not before this time, on the monotonic clock. */
  due: number;
  /** Since it failed, the source has taken other parts: so the fault may be in these messages. */
  othersTaken: boolean;
  /** The number of failures in a row that were of these alone, which cannot be split any more. */
  readonly alone: number;
  /** The number of those that came when the source had answered something else since the one before. */
  readonly refusals: number;
  /** The number of answers, to any call, that the source had given when it failed. */
  readonly answers: number;
  /** When they first failed alone, on the monotonic clock. */
  readonly since: number;
  /** The error of its last failure. */
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

/** If nothing tells whether the source is there, an ack or nack is tried so many times as often before it is given up. */
const IN_THE_DARK = 4;

/** ms for which a verdict is tried at least while the worker stops: the tries follow each other quickly then. */
const PATIENCE = 3_000;

/** The longest pauses in ms: of a verdict that is refused while it takes a place that others wait for; and while the worker stops. */
const PRESSED = 1_000;
const STOPPING = 1_000;

export class Settler<D extends Delivery> {
  private readonly worker: Settling<D>;
  private readonly lanes: readonly Lane<D>[];
  /** More verdicts may come. */
  private isOpen = true;

  constructor(worker: Settling<D>) {
    this.worker = worker;
    this.lanes = (["ack", "nack", "deadLetter"] as const).map((call) => {
      return { call, fresh: { ...NEVER_FAILED, items: [] }, failed: [] };
    });
  }

  /** The grace has begun to run. */
  private get isStopping(): boolean {
    return this.worker.shutdown.deadline < Infinity;
  }

  /** Returns when no more verdicts are coming and all are settled, or the grace is over. */
  async settleAll(): Promise<void> {
    const { results, shutdown } = this.worker;
    for (;;) {
      this.enqueueResults();
      if (shutdown.calls.err() !== undefined || monotonic() >= shutdown.deadline) this.giveUpAll();
      const parts = this.lanes.flatMap(partsOf);
      if (parts.length === 0 && !this.isOpen) return;
      const wait = Math.min(...parts.map((part) => part.due)) - monotonic();
      if (wait <= 0) {
        await this.settleDue();
        continue;
      }
      const got = await select({
        result: this.isOpen ? results : nil,
        phase: shutdown.phaseChanges,
        due: wait < Infinity ? time.after(wait) : nil,
      });
      if (got.case === "result") {
        if (got.ok) this.enqueue(got.value);
        else this.isOpen = false;
      } else if (got.case === "phase") {
        for (const part of parts) part.due = 0;
      }
    }
  }

  /** Takes the verdicts that are there. */
  private enqueueResults(): void {
    for (let got; this.isOpen && (got = this.worker.results.tryRecv()) !== undefined;) {
      if (got[1]) this.enqueue(got[0]);
      else this.isOpen = false;
    }
  }

  /** Puts a message into its lane. */
  private enqueue(message: InFlight<D>): void {
    const [ack, nack, dead] = this.lanes as [Lane<D>, Lane<D>, Lane<D>];
    if (message.verdict === "acked") ack.fresh.items.push(message);
    else if (message.verdict === "dead" && message.refused === null) dead.fresh.items.push(message);
    else insert((failedOf(nack, message.key) ?? nack.fresh).items, message);
  }

  /**
   * Settles of each lane what is fresh, and after that no more than one part that failed, or many of them would hold up what is fresh.
   * While stopping, all acks come first: what is released comes again by itself, what is not acked is handled again.
   */
  private async settleDue(): Promise<void> {
    for (const lane of this.lanes) {
      const isFirst = lane.call === "ack" && this.isStopping;
      for (let goesOn = lane.fresh.items.length > 0; goesOn;) {
        const isTaken = await this.settlePart(lane, lane.fresh);
        if (isFirst) this.enqueueResults();
        // One that fails, or hangs, must not take all the time from what is given back.
        goesOn = isFirst && isTaken && lane.fresh.items.length > 0;
      }
      const now = monotonic();
      const again = lane.failed.find((part) => part.due <= now);
      if (again !== undefined) await this.settlePart(lane, again);
    }
  }

  /** Settles the first batch of a part. Returns whether the source has answered. */
  private async settlePart(lane: Lane<D>, part: Part<D>): Promise<boolean> {
    const next = part.items.splice(0, this.worker.settings.batch);
    this.expire(
      next.filter((message) => message.isLost),
      () => new LeaseLost(),
    );
    const batch = next.filter((message) => !message.isLost);
    const isTaken = batch.length === 0 || (await this.settleBatch(lane, part, batch));
    lane.failed = lane.failed.filter(({ items }) => items.length > 0);
    return isTaken;
  }

  private async settleBatch(lane: Lane<D>, part: Part<D>, batch: InFlight<D>[]): Promise<boolean> {
    const { settings, shutdown, account } = this.worker;
    const began = monotonic();
    // A part that has failed before must not take from the others all that is left of the grace.
    const left = (shutdown.deadline - began) / (part.failures > 0 ? 2 : 1);
    const [ctx, cancel] = context.withTimeout(shutdown.calls, Math.min(settings.callTimeout, left));
    using _ = cancel;
    for (const message of batch) message.inCall = true;
    try {
      const answer = await context.wait(this.callSource(lane.call, ctx, batch), ctx);
      this.conclude(batch, lostOf(lane.call, batch, answer), Math.round(monotonic() - began));
      account.trouble.succeeded(lane.call);
      for (const other of lane.failed) other.othersTaken = true;
      return true;
    } catch (error) {
      for (const message of batch) message.inCall = false;
      // That the end of the grace has cut it short says less than what it failed with before.
      const isCut = part.failures > 0 && this.isStopping && error === ctx.err();
      this.retryLater(lane, part, batch, isCut ? part.error : error);
      return false;
    }
  }

  /**
   * The source did not take a batch. It is tried again, later, whole or split, or not at all any more:
   *
   * - After its first failure it is tried again as it was. From the second on it is split, unless it is one message, or one key's.
   * - The pause grows with the failures in a row. A split does not make it longer if the source has taken other parts meanwhile: then the
   *   source is there, and the fault is in a message.
   * - What fails and cannot be split has failed alone. Only those failures count towards giving up.
   */
  private retryLater(lane: Lane<D>, part: Part<D>, batch: InFlight<D>[], error: unknown): void {
    const { account, shutdown, isFull } = this.worker;
    const [together, rest] = cut(lane, batch.concat(part.items), batch.length);
    part.items = rest;
    const isRepeated = part.failures > 0 && together.length > 1;
    const failures = part.failures + (isRepeated && part.othersTaken ? 0 : 1);
    const { answers } = account.trouble;
    const isThere = part.failures > 0 && answers > part.answers;
    // While stopping there is no time for long pauses.
    const now = monotonic();
    const longest = this.isStopping ? STOPPING : isThere && isFull() ? PRESSED : Infinity;
    const retryIn = Math.max(1, Math.min(retry.backoff(failures), longest, (shutdown.deadline - now) / 4));
    const pieces = isRepeated ? split(lane, together) : [together];
    const isAlone = pieces.length === 1 && (together.length === 1 || isRepeated);
    const alone = isAlone ? part.alone + 1 : 0;
    const refusals = isAlone ? part.refusals + (isThere ? 1 : 0) : 0;
    const since = isAlone ? Math.min(part.since, now) : Infinity;
    const again = { failures, due: now + retryIn, othersTaken: false, alone, refusals, answers, since, error };
    const isGivenUp = isAlone && this.isGivenUp(lane, again, now);
    account.sourceFailed(lane.call, error, isGivenUp ? Infinity : retryIn);
    if (isGivenUp) this.refuse(lane, together, alone, error);
    else for (const items of pieces) lane.failed.push({ ...again, items });
  }

  private isGivenUp(lane: Lane<D>, { alone, refusals, since }: Omit<Part<D>, "items">, now: number): boolean {
    const { callTries } = this.worker.settings;
    if (this.isStopping && now - since < PATIENCE) return false;
    if (this.canGiveBack(lane)) return alone >= (this.worker.isFull() ? Math.ceil(callTries / 2) : callTries);
    return refusals >= callTries || (!this.isStopping && alone >= callTries * IN_THE_DARK);
  }

  private canGiveBack({ call }: Lane<D>): boolean {
    return call === "deadLetter" && this.worker.source.deadLetter !== undefined;
  }

  /** The source does not take this verdict: dead letters are nacked instead, and the rest expires. */
  private refuse(lane: Lane<D>, items: readonly InFlight<D>[], tries: number, cause: unknown): void {
    const error = new Error(`worker: the source has refused the ${lane.call} of this message ${tries} times`, {
      cause,
    });
    for (const message of items) {
      message.refused ??= error;
      message.delay = GIVEN_BACK;
      if (this.canGiveBack(lane)) this.enqueue(message);
    }
    if (!this.canGiveBack(lane)) this.expire(items, (message) => message.refused!);
  }

  private async callSource(
    call: Lane<D>["call"],
    ctx: Context,
    batch: readonly InFlight<D>[],
  ): Promise<readonly D[] | void> {
    const { source } = this.worker;
    if (call === "nack") {
      const items = batch.map(({ delivery, delay, verdict }) => {
        return { delivery, delay, reason: verdict === "released" ? ("released" as const) : ("failed" as const) };
      });
      return source.nack(ctx, items);
    }
    if (call === "deadLetter" && source.deadLetter !== undefined) {
      return source.deadLetter(
        ctx,
        batch.map(({ delivery, error }) => ({ delivery, error: printable(error) })),
      );
    }
    return source.ack(
      ctx,
      batch.map(({ delivery }) => delivery),
    );
  }

  /** The source has answered. */
  private conclude(batch: readonly InFlight<D>[], lost: ReadonlySet<InFlight<D>>, ms: number): void {
    const { account, settled } = this.worker;
    const counts = new Map<Verdict, number>();
    for (const message of batch) {
      const taken = message.refused === null ? message.verdict : "retried";
      const verdict = lost.has(message) ? "expired" : taken;
      counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
      if (verdict === "retried" && message.refused !== null) account.trouble.gaveBack(message.refused.cause);
      settled(message, verdict, verdict === "expired" ? new LeaseLost() : undefined);
    }
    for (const [verdict, count] of counts) account.emit({ type: "settled", verdict, count, ms });
  }

  /** The grace is over: what is not settled is named in the report. */
  private giveUpAll(): void {
    for (const lane of this.lanes) {
      const errors = new Map<InFlight<D>, Error>();
      for (const { items, failures, error } of partsOf(lane)) {
        const cause = failures > 0 ? { cause: error } : undefined;
        const over = `worker: the grace was over before ${lane.call} succeeded`;
        for (const message of items.splice(0)) errors.set(message, message.refused ?? new Error(over, cause));
      }
      this.expire([...errors.keys()], (message) => errors.get(message)!);
      lane.failed = [];
    }
  }

  /** The source is not called for these any more. */
  private expire(all: readonly InFlight<D>[], errorOf: (message: InFlight<D>) => Error): void {
    for (const message of all) this.worker.settled(message, "expired", errorOf(message));
    if (all.length > 0) this.worker.account.emit({ type: "settled", verdict: "expired", count: all.length, ms: 0 });
  }
}

/**
 * The error of a dead message, as the source gets it. A source would refuse for ever what it cannot write down, so what it is likely to
 * read is read here first.
 */
function printable(error: unknown): unknown {
  try {
    const read = error instanceof Error ? [error.name, error.message, error.stack, error.cause] : [];
    for (const each of [error, ...read.slice(0, 3)]) String(each);
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
  return lane.failed.find(({ items }) => items.some((message) => message.key === key));
}

/** Puts a nacked message among the others, and not behind a later one of its key. */
function insert<D extends Delivery>(items: InFlight<D>[], message: InFlight<D>): void {
  const { key, order } = message;
  const at = key === undefined ? -1 : items.findIndex((other) => other.key === key && other.order > order);
  if (at < 0) items.push(message);
  else items.splice(at, 0, message);
}

/** Cuts off the first `n`. Of nacked messages all of a key go with its first one. */
function cut<D extends Delivery>(
  lane: Lane<D>,
  items: InFlight<D>[],
  n: number,
): [first: InFlight<D>[], rest: InFlight<D>[]] {
  const [first, rest] = [items.slice(0, n), items.slice(n)];
  if (lane.call !== "nack") return [first, rest];
  const keys = new Set(first.map((message) => message.key));
  const belongs = ({ key }: InFlight<D>): boolean => key !== undefined && keys.has(key);
  return [[...first, ...rest.filter(belongs)], rest.filter((message) => !belongs(message))];
}

/** Splits what has failed more than once. One piece: it cannot be split. */
function split<D extends Delivery>(lane: Lane<D>, items: InFlight<D>[]): InFlight<D>[][] {
  if (lane.call === "deadLetter") return items.map((message) => [message]);
  return cut(lane, items, Math.ceil(items.length / 2)).filter((piece) => piece.length > 0);
}
