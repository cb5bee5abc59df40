/**
 * The books of the explored worker: what was pulled, started, returned and told, written down by the broker and the
 * handlers; and at the end the comparison with the worker's own account. Whatever is wrong is in `wrong`, with the
 * invariant that it breaks.
 */
import { context, type Context } from "headgate";
import type { Bubble } from "headgate/testing";
import {
  type Nack,
  Permanent,
  type Phase,
  type Progress,
  type Report,
  Stopping,
  type Verdict,
  type WorkerEvent,
} from "headgate/worker";
import { account } from "./harness.ts";
import type { D } from "./explore-broker.ts";

/** In virtual ms. Handlers are cancelled 60 ms after the stop, and abandoned 80 ms after it. */
export const limits = {
  concurrency: 2,
  prefetch: 1,
  batch: 2,
  grace: 100,
  abortWindow: 20,
  settle: 20,
  callTimeout: 30,
};
export const attempts = { maxAttempts: 2, backoff: (attempt: number): number => 3 * attempt };

const MOST = limits.concurrency + limits.prefetch;

/** One call by which the broker was told of a delivery, and its answer; "": none yet. */
export interface Told {
  readonly verdict: Verdict;
  answer: "" | "done" | "lost" | "error";
}

/** What the broker and the handler saw of one delivery. */
interface Seen {
  /** It was handed over after the worker had given up that pull. */
  readonly late: boolean;
  /** The how many-th delivery of its message this is. */
  readonly nth: number;
  started: number;
  /** How its handler ended, and when; and whether it had been given up by then, or told to stop. */
  ended: "" | "returned" | "threw";
  endedAt: number;
  abandoned: boolean;
  stopping: boolean;
  error: unknown;
  readonly told: Told[];
}

/** What the books are about. */
export interface Business {
  readonly t: Bubble;
  /** The first signal and the second. */
  readonly stop: Context;
  readonly abort: Context;
  readonly progress: Progress;
  readonly hasEnded: () => boolean;
  /** Whether the broker is such that messages may expire, or that the worker fails. */
  readonly mayExpire: boolean;
  readonly mayFail: boolean;
}

export class Books {
  readonly wrong: Set<string> = new Set();
  private readonly business: Business;
  private readonly seen: Map<D, Seen> = new Map();
  private phase: Phase = "running";
  private running = 0;
  private stoppedAt: number | undefined;
  private abortedAt: number | undefined;
  /** When the worker told the handlers to stop, by its own account. */
  returned = false;

  constructor(business: Business) {
    this.business = business;
    const { t, stop, abort } = business;
    const note = async (ctx: Context, at: "stoppedAt" | "abortedAt"): Promise<void> => {
      await ctx.done().recv();
      this[at] ??= t.now();
    };
    if (stop === t.ctx) void note(stop, "stoppedAt");
    void note(abort, "abortedAt");
  }

  must(holds: boolean, what: string): void {
    if (!holds) this.wrong.add(what);
  }

  // ---------------------------------------------------------------------------------------------- what is written down

  /** The broker is asked for something, or told. */
  asked(ctx: Context): void {
    this.count();
    const patience = (ctx.deadline() ?? Infinity) - this.business.t.now();
    this.must(patience <= limits.callTimeout, `a call may take ${patience} ms (I6)`);
  }

  pulled(deliveries: readonly D[], max: number): void {
    this.must(deliveries.length <= max && max <= limits.batch, `${deliveries.length} of ${max} in one pull (I5)`);
    for (const delivery of deliveries) {
      const nth = [...this.seen.keys()].filter(({ body }) => body === delivery.body).length + 1;
      const late = this.isGivenUp;
      const nothing = {
        started: 0,
        ended: "",
        endedAt: NaN,
        abandoned: false,
        stopping: false,
        error: undefined,
      } as const;
      this.seen.set(delivery, { ...nothing, late, nth, told: [] });
    }
    const held = [...this.seen.values()].filter((seen) => !seen.late && !isAnswered(seen)).length;
    this.must(held <= MOST, `${held} messages held (I5)`);
  }

  /** Whether the worker has given up the handlers, and the pull that is under way. */
  private get isGivenUp(): boolean {
    return this.phase === "settling" || this.phase === "done";
  }

  started(delivery: D): number {
    const seen = this.seen.get(delivery)!;
    const name = `message ${delivery.body}`;
    this.must(++seen.started === 1, `${name} was started twice in one delivery (I4)`);
    const { stop, abort } = this.business;
    this.must(stop.err() === undefined && !this.isStopping, `${name} was started after the stop (I4)`);
    this.must(abort.err() === undefined, `${name} was started after the abort (I4)`);
    this.must(++this.running <= limits.concurrency, `${this.running} handlers at once (I4)`);
    this.count();
    return seen.nth;
  }

  ended(ctx: Context, delivery: D, ended: "returned" | "threw", error?: unknown): void {
    this.running--;
    const abandoned = this.isGivenUp;
    const stopping = context.cause(ctx) instanceof Stopping;
    const isOver = ctx.value(context.lifetime)!.err() !== undefined;
    this.must(!isOver || stopping, "the lifetime of a handler that was not told to stop is over (I6)");
    this.must(isOver || !abandoned, "a handler was abandoned in its lifetime (I6)");
    const since = this.business.t.now() - this.due;
    this.must(
      stopping ? since >= 0 : !(since > 0),
      `a handler was ${stopping ? "" : "not "}told to stop, ${since} ms after it was due (I6)`,
    );
    Object.assign(this.seen.get(delivery)!, { ended, endedAt: this.business.t.now(), abandoned, stopping, error });
  }

  /** When handlers are told to stop. */
  private get due(): number {
    const { grace, abortWindow, settle } = limits;
    return Math.min(this.moment("stop") + grace - abortWindow - settle, this.moment("abort"));
  }

  /** When a signal came; it may have come just now, and the news is still on its way. */
  private moment(signal: "stop" | "abort"): number {
    const { [signal]: ctx, t } = this.business;
    const known = signal === "stop" ? this.stoppedAt : this.abortedAt;
    return known ?? (ctx.err() === undefined ? Infinity : t.now());
  }

  told(delivery: D, verdict: Verdict): Told {
    const seen = this.seen.get(delivery)!;
    const name = `message ${delivery.body}`;
    this.must(!this.returned || seen.late, `the broker was told of ${name} after the return (I7)`);
    this.must(verdict !== "acked" || seen.ended === "returned", `${name} was acked before its handler returned (I2)`);
    this.must(!isAnswered(seen), `the broker was told of ${name} again, although it had answered (I1)`);
    const entry: Told = { verdict, answer: "" };
    seen.told.push(entry);
    return entry;
  }

  verdictOf({ delivery, delay, reason }: Nack<D>): Verdict {
    const right = reason === "released" ? 0 : attempts.backoff(this.seen.get(delivery)!.nth);
    this.must(delay === right, `message ${delivery.body} was ${reason} with a delay of ${delay} (I1)`);
    return reason === "failed" ? "retried" : "released";
  }

  observe(event: WorkerEvent<D>): void {
    this.count();
    if (event.type !== "phase") return;
    this.phase = event.to;
    const now = this.business.t.now();
    // A pull that was given up is a stop, too.
    if (event.to === "draining" && this.isStopping) this.stoppedAt ??= now;
  }

  /** A source that has ended is no stop: the worker goes on with what it has. */
  private get isStopping(): boolean {
    return this.phase !== "running" && !this.business.hasEnded();
  }

  /** What holds at every moment. */
  count(): void {
    if (this.returned || this.business.progress.pulled === undefined) return;
    const { pulled, waiting, running, settling, acked, retried, released, dead, expired } = this.business.progress;
    const held = waiting + running + settling;
    const sum = held + acked + retried + released + dead + expired;
    this.must(pulled === sum, `the counters do not add up: ${JSON.stringify(this.business.progress)} (I1)`);
    this.must(
      held <= MOST && running <= limits.concurrency,
      `${held} held and ${running} running, by the counters (I5)`,
    );
  }

  // ---------------------------------------------------------------------------------------------------- the comparison

  atTheReturn(report: Report<D>): void {
    this.returned = true;
    const { t, progress } = this.business;
    const [stopped, aborted] = [t.now() - this.moment("stop"), t.now() - this.moment("abort")];
    this.must(stopped <= limits.grace, `it returned ${stopped} ms after the stop (I6)`);
    this.must(aborted <= limits.abortWindow + limits.settle, `it returned ${aborted} ms after the abort (I6)`);
    const { waiting, running, settling, ...counters } = progress;
    this.must(
      waiting + running + settling === 0,
      `${waiting} wait, ${running} run, ${settling} are to be settled (I7)`,
    );
    this.mustAgree(counters, report, "the counters say");
    // What hangs, and what sleeps and is deaf, cannot be ended by the worker.
    const left = t
      .tasks()
      .filter(({ name, blockedOn }) => name !== "main" && !blockedOn.every((op) => /gate|sleep/.test(op)));
    this.must(left.length === 0, `still there: ${left.map(({ name }) => name).join()} (I7)`);
    const begun = [...this.seen.values()].filter(({ started }) => started > 0);
    const pending = begun.filter(({ ended }) => ended === "").length;
    // Who ended in the very moment in which he was given up may count as either.
    const late = begun.filter(({ abandoned }) => abandoned).length;
    const isRight = pending <= report.abandoned && report.abandoned <= pending + late;
    this.must(isRight, `${report.abandoned} are called abandoned, and ${pending} have not ended (I1)`);
  }

  atTheEnd(report: Report<D>): void {
    const { acked, retried, released, dead, expired, leftovers } = report;
    const sum = acked + retried + released + dead + expired;
    this.must(sum === report.pulled, `it does not add up: ${account(report)} (I1)`);
    const named = new Map(leftovers.map(({ delivery, verdict }) => [delivery, verdict]));
    this.must(named.size === expired && leftovers.length === expired, `${expired} expired, ${named.size} named (I3)`);
    const books = { pulled: 0, started: 0, acked: 0, retried: 0, released: 0, dead: 0, expired: 0 };
    for (const [delivery, seen] of this.seen) {
      const done = seen.told.find(({ answer }) => answer === "done");
      if (seen.late) {
        const isReleased = done?.verdict === "released" || this.business.mayExpire;
        this.must(isReleased, `message ${delivery.body}, which came too late, was not released (I1)`);
        continue;
      }
      books.pulled++;
      books.started += seen.started;
      books[done?.verdict ?? "expired"]++;
      this.mustBeRight(delivery, seen, done !== undefined, named.get(delivery));
    }
    this.mustAgree(books, report, "the broker says");
    this.mustHaveAReason(report);
  }

  private mustAgree(counts: Partial<Record<keyof Report, number>>, report: Report<D>, who: string): void {
    for (const key of Object.keys(counts) as (keyof Report)[]) {
      this.must(
        counts[key] === report[key],
        `${key}: ${who} ${counts[key]}, the report says ${String(report[key])} (I1)`,
      );
    }
  }

  private mustBeRight(delivery: D, seen: Seen, isDone: boolean, named: Verdict | undefined): void {
    const name = `message ${delivery.body}`;
    const verdict = seen.told[0]?.verdict ?? named;
    this.must(
      seen.told.every((call) => call.verdict === verdict),
      `${name} got more than one verdict (I1)`,
    );
    this.must(
      isDone === (named === undefined),
      `${name} is ${isDone ? "settled and" : "not settled and not"} named (I3)`,
    );
    this.must(named === undefined || named === verdict, `${name} was ${verdict}, and is named as ${named} (I3)`);
    this.must(isDone || this.business.mayExpire, `${name} expired through no fault of the broker's (I3)`);
    const [right, rule] = this.rightFor(delivery, seen);
    this.must(verdict === right, `${name} was ${verdict} where it should have been ${right} (${rule})`);
  }

  /** The verdict that a delivery should get, and the invariant that says so. */
  private rightFor({ attempt }: D, seen: Seen): readonly [verdict: Verdict, rule: string] {
    if (seen.started === 0) return ["released", "I4"];
    if (seen.abandoned) return ["released", "I6"];
    if (seen.ended === "returned") return ["acked", "I3"];
    if (seen.stopping) return ["released", "I8"];
    const isLast = (attempt ?? seen.nth) >= attempts.maxAttempts;
    return [isLast || seen.error instanceof Permanent ? "dead" : "retried", "I1"];
  }

  private mustHaveAReason({ stopped, cause }: Report<D>): void {
    const { stop, abort, hasEnded, mayFail } = this.business;
    const possible = {
      "source ended": hasEnded(),
      cancelled: stop.err() !== undefined && cause === context.cause(stop),
      aborted: abort.err() !== undefined && cause === context.cause(abort),
      failed: mayFail && cause instanceof Error,
    };
    this.must(possible[stopped], `it stopped as ${stopped}, because of ${String(cause)} (I8)`);
  }

  /** What has happened, in a few words each. */
  outcomes(report: Report<D>): string[] {
    const counted = (["acked", "retried", "released", "dead", "expired", "abandoned"] as const).filter(
      (what) => report[what] > 0,
    );
    const isLate = [...this.seen.values()].some(({ late }) => late);
    return [report.stopped, ...counted, ...(isLate ? ["pulled late"] : [])];
  }
}

/** The broker has said what has become of it. */
function isAnswered({ told }: Seen): boolean {
  return told.some(({ answer }) => answer === "done" || answer === "lost");
}
