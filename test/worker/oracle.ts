/**
 * The oracle of the worker: it watches the source, the handler and the events of one run, and says which of the invariants I1 to I10
 * were broken. The scenarios are elsewhere; they make messages, faults and stops, and run the worker with what the oracle hands out:
 *
 *     const oracle = new Oracle({ limits, stop, abort, … });
 *     const report = await worker(stop, oracle.source(source), oracle.handler(handle), oracle.options());
 *     oracle.atTheReturn(report);
 *     …                              // what was given up comes to its end, and must not change anything
 *     oracle.atTheEnd(report);
 *     oracle.wrong                   // a line for each thing that is wrong, with the invariant that it breaks
 *
 * It returns the promises of the source and of the handler as they are, so it adds no step to a schedule.
 */
import { context, type Context, time } from "headgate";
import {
  type Delivery,
  type Handler,
  LeaseExpired,
  LeaseLost,
  type Nack,
  Permanent,
  type Phase,
  type Progress,
  type Report,
  type Source,
  Stopping,
  type Verdict,
  type WorkerEvent,
  type WorkerOptions,
} from "headgate/worker";
import { account } from "./harness.ts";

/** The options of the worker that the invariants are about. Times are in virtual ms. */
type Limits = Required<Omit<WorkerOptions, "abort" | "callTries" | "leftovers" | "observe" | "progress">>;

/** What the oracle has to know of a scenario. Every message has a body of its own. */
export interface Circumstances {
  readonly limits: Limits;
  /** The first signal and the second. */
  readonly stop: Context;
  readonly abort: Context;
  /** Names what is left when the worker has returned, and should not be: tasks, timers, contexts. */
  readonly left: () => readonly string[];
  /** The broker does not answer every verdict, so some messages may expire. */
  readonly mayExpire?: boolean;
  /** The broker takes leases away, or lets them run out, so some messages may expire. */
  readonly mayBeLost?: boolean;
  /** A lease may run out while the worker has the message, because `extend` does not work. */
  readonly mayLapse?: boolean;
  /** A pull ignores the end of its ctx, so the worker may fail, and messages may come too late. */
  readonly mayFail?: boolean;
  /** A handler ignores the end of its ctx. */
  readonly mayBeAbandoned?: boolean;
}

/** One call by which the broker gets the verdict on a delivery, and its answer; "": none yet. */
interface Call {
  readonly verdict: Verdict;
  answer: "" | "done" | "lost" | "error";
}

/** One delivery, as the broker, the handler and the events show it. */
class Seen<D extends Delivery> {
  readonly delivery: D;
  /** How often its message has been delivered, this time included. */
  readonly nth: number;
  /** Those of its key that the worker had when this one came. */
  readonly before: readonly Seen<D>[];
  /** The worker counts it. It does not if it came after the worker had given up that pull. */
  isTaken = false;
  starts = 0;
  startedAt = NaN;
  isRunning = false;
  /** How its handler ended, and when; what its ctx had ended with by then, if it had; and whether it was given up by then. */
  ended: "" | "returned" | "threw" = "";
  endedAt = NaN;
  cause: unknown = undefined;
  isAbandoned = false;
  error: unknown = undefined;
  readonly calls: Call[] = [];
  /** The broker has said that its lease is lost. */
  isGone = false;
  /** The worker knows that. */
  isLost = false;
  /** The worker has named it as a leftover. */
  isLeftover = false;
  /** Its dead letter was refused, and it is given back instead. */
  isGivenBack = false;

  constructor(delivery: D, nth: number, before: readonly Seen<D>[]) {
    this.delivery = delivery;
    this.nth = nth;
    this.before = before;
  }

  get name(): string {
    return `message ${String(this.delivery.body)}${this.nth > 1 ? ` (delivery ${this.nth})` : ""}`;
  }

  get attempt(): number {
    return this.delivery.attempt ?? this.nth;
  }

  /** The broker has taken its verdict. */
  get isSettled(): boolean {
    return this.calls.some(({ answer }) => answer === "done");
  }

  /** The broker has said what has become of it. */
  get isAnswered(): boolean {
    return this.calls.some(({ answer }) => answer === "done" || answer === "lost");
  }

  /** The worker has it still. */
  get isHeld(): boolean {
    return !this.isAnswered && !this.isLeftover;
  }

  /** Its dead letter has failed. */
  get isRefused(): boolean {
    return this.calls.some(({ verdict, answer }) => verdict === "dead" && (answer === "" || answer === "error"));
  }
}

/** ms after which a message comes again whose dead letter was refused. */
const GIVEN_BACK = 60_000;

export class Oracle<D extends Delivery> {
  readonly progress = {} as Progress;
  private readonly circumstances: Circumstances;
  private readonly begun = time.now();
  /** What is wrong, and when it first was. */
  private readonly found = new Map<string, number>();
  private readonly seen = new Map<D, Seen<D>>();
  /** How often each message was delivered, by its body. */
  private readonly deliveries = new Map<D["body"], number>();
  /** What `backoff` has returned, by the number of the attempt. */
  private readonly pauses = new Map<number, Set<number>>();
  /** What the last pull has brought. */
  private pulledLast: readonly Seen<D>[] = [];
  /** What the last extend has called lost, until the worker says that it knows. */
  private lostLast: readonly Seen<D>[] = [];
  /** When the signals came. */
  private readonly at = { stop: Infinity, abort: Infinity };
  private hasEnded: () => boolean = () => false;
  private phase: Phase = "running";
  private running = 0;
  private extensions = 0;
  private hasReturned = false;

  constructor(circumstances: Circumstances) {
    this.circumstances = circumstances;
  }

  /** What is wrong, a line each. */
  get wrong(): readonly string[] {
    return [...this.found].map(([what, at]) => `${what}, at ${at} ms`);
  }

  must(holds: boolean, what: string): void {
    if (!holds && !this.found.has(what)) this.found.set(what, time.now() - this.begun);
  }

  /** How often the message of this delivery has been delivered, this time included. */
  nth(delivery: D): number {
    return this.seen.get(delivery)!.nth;
  }

  // ---------------------------------------------------------------------------------------------- what the worker is run with

  /** The source, watched. */
  source(source: Source<D> & Required<Pick<Source<D>, "deadLetter">>): Source<D> {
    const { lease, extend } = source;
    const isLeased = lease !== undefined && extend !== undefined;
    this.hasEnded = () => source.ended === true;
    return {
      get ended() {
        return source.ended === true;
      },
      ...(isLeased ? { lease, extend: (ctx, deliveries) => this.extend(source, ctx, deliveries) } : {}),
      pull: (ctx, max, room) => {
        this.called("pull", ctx);
        const begun = time.now();
        return noted(source.pull(ctx, max, room), (deliveries) => this.pulled(deliveries, max, begun));
      },
      ack: (ctx, deliveries) => {
        const calls = this.tell(ctx, deliveries, () => "acked");
        return this.answered(calls, source.ack(ctx, deliveries));
      },
      nack: (ctx, items) => {
        this.mustBeInOrder(items);
        for (const item of items) this.mustBeDelayed(item);
        const reasons = new Map(items.map(({ delivery, reason }) => [delivery, reason]));
        const calls = this.tell(ctx, [...reasons.keys()], (delivery) =>
          reasons.get(delivery) === "failed" ? "retried" : "released",
        );
        return this.answered(calls, source.nack(ctx, items));
      },
      deadLetter: (ctx, items) => {
        const deliveries = items.map(({ delivery }) => delivery);
        const calls = this.tell(ctx, deliveries, () => "dead");
        return this.answered(calls, source.deadLetter(ctx, items));
      },
    };
  }

  /** The handler, watched. */
  handler(handle: (ctx: Context, delivery: D) => Promise<void>): Handler<D> {
    return (ctx, delivery) => {
      const seen = this.seen.get(delivery)!;
      this.started(seen);
      return noted(
        handle(ctx, delivery),
        () => this.ended(ctx, seen, "returned"),
        (error) => this.ended(ctx, seen, "threw", error),
      );
    };
  }

  options(): WorkerOptions<D> {
    const { limits, abort } = this.circumstances;
    const backoff = (attempt: number): number => {
      const pause = limits.backoff(attempt);
      this.pauses.set(attempt, (this.pauses.get(attempt) ?? new Set()).add(pause));
      return pause;
    };
    return { ...limits, backoff, abort, progress: this.progress, observe: (event) => this.observe(event) };
  }

  // ---------------------------------------------------------------------------------------------------------- the stop

  /** A signal has come just now. */
  came(signal: "stop" | "abort"): void {
    this.at[signal] = Math.min(this.at[signal], time.now());
  }

  /** When a signal came. It may have come just now, and the news is still on its way. */
  private moment(signal: "stop" | "abort"): number {
    const hasCome = this.circumstances[signal].err() !== undefined;
    return Math.min(this.at[signal], hasCome ? time.now() : Infinity);
  }

  /** When the ctx of a handler must end. */
  private get due(): number {
    const { grace, abortWindow, settle } = this.circumstances.limits;
    return Math.min(this.moment("stop") + grace - abortWindow - settle, this.moment("abort"));
  }

  /** A source that has ended is no stop: the worker goes on with what it has. */
  private get isStopping(): boolean {
    return this.phase !== "running" && !this.hasEnded();
  }

  /** The worker has given up the handlers, and the pull that is under way. */
  private get isGivenUp(): boolean {
    return this.phase === "settling" || this.phase === "done";
  }

  private observe(event: WorkerEvent<D>): void {
    if (event.type === "pulled") {
      this.must(event.count === this.pulledLast.length, `${event.count} are counted of ${this.pulledLast.length} (I1)`);
      for (const seen of this.pulledLast) seen.isTaken = true;
      this.mustHaveRoomFor(0);
    }
    if (event.type === "extended") {
      // A message whose verdict is on its way is neither extended nor lost: that call says what became of it.
      const known = this.lostLast.filter(({ calls }) => calls.at(-1)?.answer !== "");
      for (const seen of event.lost > 0 ? known : []) seen.isLost = true;
      this.lostLast = [];
    }
    if (event.type === "leftover") this.seen.get(event.delivery)!.isLeftover = true;
    if (event.type === "phase") {
      this.phase = event.to;
      // A pull that was given up is a stop, too.
      if (event.to === "draining" && this.isStopping) this.came("stop");
    }
    this.count();
  }

  /** The counters add up at every moment. */
  private count(): void {
    if (this.hasReturned || this.progress.pulled === undefined) return;
    const { concurrency, prefetch } = this.circumstances.limits;
    const { pulled, waiting, running, settling, acked, retried, released, dead, expired } = this.progress;
    const held = waiting + running + settling;
    const sum = held + acked + retried + released + dead + expired;
    // Counted often, so the text is made only if it is needed.
    if (pulled !== sum) this.must(false, `the counters do not add up: ${JSON.stringify(this.progress)} (I1)`);
    const isWithin = held <= concurrency + prefetch && running <= concurrency;
    this.must(isWithin, `${held} held and ${running} running, by the counters (I5)`);
  }

  // ------------------------------------------------------------------------------------------------------- the handlers

  private started(seen: Seen<D>): void {
    const { stop, abort, limits } = this.circumstances;
    const name = seen.name;
    this.must(seen.starts === 0, `${name} was started twice (I4)`);
    this.must(stop.err() === undefined && !this.isStopping, `${name} was started after the stop (I4)`);
    this.must(abort.err() === undefined, `${name} was started after the abort (I4)`);
    this.must(!seen.isLost, `${name} was started although its lease was lost (I9)`);
    for (const other of seen.before) {
      this.must(!other.isRunning, `${name} was started while ${other.name} was running (I10)`);
      this.must(other.isRunning || this.isThrough(other), `${name} was started past ${other.name} (I10)`);
    }
    this.running++;
    this.must(this.running <= limits.concurrency, `${this.running} handlers at once (I4)`);
    seen.starts++;
    seen.startedAt = time.now();
    seen.isRunning = true;
    this.count();
  }

  /** It will not come again, so the next of its key may start. */
  private isThrough(seen: Seen<D>): boolean {
    const [right] = this.rightFor(seen);
    return seen.ended !== "" && !(seen.cause instanceof LeaseLost) && (right === "acked" || right === "dead");
  }

  private ended(ctx: Context, seen: Seen<D>, ended: "returned" | "threw", error?: unknown): void {
    this.running--;
    const cause = context.cause(ctx);
    const isAbandoned = this.isGivenUp;
    const isStopped = cause instanceof Stopping;
    // The lease has ended the ctx, before the stop could.
    const isExcused = cause instanceof LeaseLost || cause instanceof LeaseExpired;
    const isOver = ctx.value(context.lifetime)!.err() !== undefined;
    this.must(!isOver || isStopped || isExcused, "the lifetime of a handler that was not told to stop is over (I6)");
    this.must(isOver || !isAbandoned, "a handler was abandoned in its lifetime (I6)");
    const since = time.now() - this.due;
    const text = isStopped ? "had its ctx ended" : "did not have its ctx ended";
    this.must(
      isStopped ? since >= 0 : isExcused || !(since > 0),
      `a handler ${text}, ${since} ms after it was due (I6)`,
    );
    Object.assign(seen, { ended, endedAt: time.now(), cause, isAbandoned, error, isRunning: false });
  }

  // --------------------------------------------------------------------------------------------------------- the source

  /** A call of the source begins. */
  private called(call: string, ctx: Context): void {
    this.count();
    const patience = (ctx.deadline() ?? Infinity) - time.now();
    this.must(patience <= this.circumstances.limits.callTimeout, `${call} may take ${patience} ms (I6)`);
    if (call === "pull" || call === "extend") this.must(!this.hasReturned, `${call} was called after the return (I7)`);
  }

  private pulled(deliveries: readonly D[], max: number, begun: number): void {
    const { batch, callTimeout } = this.circumstances.limits;
    const { length } = deliveries;
    this.must(length <= max && max <= batch, `${length} of ${max} in one pull (I5)`);
    this.pulledLast = deliveries.map((delivery) => this.see(delivery));
    // Else they may come too late, and the worker does not have them. If it has, the event says so.
    if (!this.isGivenUp && time.now() - begun <= callTimeout) this.mustHaveRoomFor(length);
  }

  private see(delivery: D): Seen<D> {
    const nth = (this.deliveries.get(delivery.body) ?? 0) + 1;
    this.deliveries.set(delivery.body, nth);
    const isBefore = (other: Seen<D>): boolean => other.delivery.key === delivery.key && other.isHeld && !other.isLost;
    const before = delivery.key === undefined ? [] : [...this.seen.values()].filter(isBefore);
    const seen = new Seen(delivery, nth, before);
    this.seen.set(delivery, seen);
    return seen;
  }

  private mustHaveRoomFor(more: number): void {
    const { concurrency, prefetch } = this.circumstances.limits;
    const held = [...this.seen.values()].filter((seen) => seen.isTaken && seen.isHeld).length + more;
    this.must(held <= concurrency + prefetch, `${held} messages held (I5)`);
  }

  /** The broker gets the verdicts on some messages. */
  private tell(ctx: Context, deliveries: readonly D[], verdictOf: (delivery: D) => Verdict): Map<Seen<D>, Call> {
    this.called("a verdict", ctx);
    this.must(deliveries.length <= this.circumstances.limits.batch, `${deliveries.length} in one call (I5)`);
    return new Map(
      deliveries.map((delivery) => {
        const seen = this.seen.get(delivery)!;
        const call: Call = { verdict: verdictOf(delivery), answer: "" };
        this.mayBeTold(seen, call.verdict);
        seen.calls.push(call);
        return [seen, call];
      }),
    );
  }

  private mayBeTold(seen: Seen<D>, verdict: Verdict): void {
    const name = seen.name;
    this.must(!this.hasReturned || !seen.isTaken, `${name} was ${verdict} after the return (I7)`);
    const hasReturned = seen.ended === "returned" && !seen.isAbandoned;
    this.must(verdict !== "acked" || hasReturned, `${name} was acked before its handler returned (I2)`);
    this.must(!seen.isAnswered, `${name} was ${verdict} although the broker had answered for it (I1)`);
    this.must(!seen.isLost, `${name} was ${verdict} although its lease was lost (I9)`);
  }

  private answered<R extends readonly D[] | void>(calls: Map<Seen<D>, Call>, answer: Promise<R>): Promise<R> {
    return noted(
      answer,
      (lost) => {
        for (const [seen, call] of calls) {
          const isLost = lost?.includes(seen.delivery) === true;
          call.answer = isLost ? "lost" : "done";
          seen.isGone ||= isLost;
          seen.isLost ||= isLost;
        }
      },
      () => {
        for (const call of calls.values()) call.answer = "error";
      },
    );
  }

  /** Messages of one key go back in the order in which they came. */
  private mustBeInOrder(items: readonly Nack<D>[]): void {
    const order = [...this.seen.keys()];
    const last = new Map<string, number>();
    for (const { delivery } of items) {
      const { key } = delivery;
      if (key === undefined) continue;
      const at = order.indexOf(delivery);
      const isInOrder = (last.get(key) ?? -1) < at;
      this.must(isInOrder, `${this.seen.get(delivery)!.name} was given back behind a later one of its key (I10)`);
      last.set(key, at);
    }
  }

  private mustBeDelayed({ delivery, delay, reason }: Nack<D>): void {
    const seen = this.seen.get(delivery)!;
    const hasPaused = this.pauses.get(seen.attempt)?.has(delay) === true;
    // Those behind one that failed go back with its delay, or with a longer one if they come while their lane goes back.
    const isFollower = seen.before.some(({ calls }) => calls.length > 0) && delay <= time.now() - this.begun;
    const isBehind =
      isFollower || (delivery.key !== undefined && [...this.pauses.values()].some((pauses) => pauses.has(delay)));
    seen.isGivenBack ||= reason === "failed" && delay === GIVEN_BACK && seen.isRefused;
    const isRight = reason === "released" ? delay === 0 || isBehind : hasPaused || seen.isGivenBack;
    this.must(isRight, `${seen.name} was ${reason} with a delay of ${delay} (I1)`);
  }

  private extend(source: Source<D>, ctx: Context, deliveries: readonly D[]): Promise<readonly D[] | void> {
    this.called("extend", ctx);
    this.extensions++;
    for (const delivery of deliveries) {
      const seen = this.seen.get(delivery)!;
      this.must(!seen.isLost, `${seen.name} was extended although its lease was lost (I9)`);
    }
    return noted(source.extend!(ctx, deliveries), (lost) => {
      const all = (lost ?? []).map((delivery) => this.seen.get(delivery)!);
      // What was settled while this call was under way is not lost.
      this.lostLast = all.filter((seen) => !seen.isSettled);
      for (const seen of this.lostLast) seen.isGone = true;
    });
  }

  /** A lease has run out at the broker. */
  lapsed(delivery: D): void {
    const seen = this.seen.get(delivery)!;
    const { mayLapse = false, limits } = this.circumstances;
    const ran = (seen.isRunning ? time.now() : seen.endedAt) - seen.startedAt;
    const isExcused = this.hasReturned || mayLapse || ran >= limits.maxLease;
    this.must(isExcused || seen.isLost || !seen.isHeld, `the lease of ${seen.name} ran out while it was held (I9)`);
  }

  // ---------------------------------------------------------------------------------------------------- the comparison

  rejected(error: unknown): void {
    this.must(false, `it has rejected: ${String(error)} (I8)`);
  }

  /** The worker has returned: what holds in that moment. */
  atTheReturn(report: Report<D>): void {
    this.hasReturned = true;
    const { limits, left, mayBeAbandoned = false } = this.circumstances;
    const [stopped, aborted] = [time.now() - this.moment("stop"), time.now() - this.moment("abort")];
    this.must(stopped <= limits.grace, `it returned ${stopped} ms after the stop (I6)`);
    this.must(aborted <= limits.abortWindow + limits.settle, `it returned ${aborted} ms after the abort (I6)`);
    for (const what of left()) this.must(false, `${what}: left behind (I7)`);
    this.countersMustAgree(report);
    const begun = [...this.seen.values()].filter(({ starts }) => starts > 0);
    const pending = begun.filter(({ ended }) => ended === "").length;
    // One that ended in the very moment in which it was given up may count as either.
    const late = begun.filter(({ isAbandoned }) => isAbandoned).length;
    const { abandoned } = report;
    const isRight = pending <= abandoned && abandoned <= pending + late;
    this.must(isRight, `${abandoned} are called abandoned, and ${pending} have not ended (I1)`);
    this.must(abandoned === 0 || mayBeAbandoned, `${abandoned} were abandoned, and none was deaf (I6)`);
  }

  /** What was given up has come to its end: nothing has changed, and the account is right. */
  atTheEnd(report: Report<D>): void {
    this.countersMustAgree(report);
    const { pulled, acked, retried, released, dead, expired, leftovers } = report;
    const sum = acked + retried + released + dead + expired;
    this.must(sum === pulled, `it does not add up: ${account(report)} (I1)`);
    const named = new Map(leftovers.map(({ delivery, verdict }) => [delivery, verdict]));
    this.must(named.size === expired && leftovers.length === expired, `${expired} expired, ${named.size} named (I3)`);
    const counts = { pulled: 0, started: 0, acked: 0, retried: 0, released: 0, dead: 0, expired: 0 };
    for (const [delivery, seen] of this.seen) {
      const done = seen.calls.filter(({ answer }) => answer === "done");
      this.must(done.length <= 1, `${seen.name} was settled ${done.length} times (I1)`);
      this.must(done.length === 0 || !seen.isGone, `${seen.name} was lost, and settled all the same (I9)`);
      if (!seen.isTaken) {
        this.mustBeReleased(seen);
        continue;
      }
      counts.pulled++;
      counts.started += seen.starts;
      counts[done[0]?.verdict ?? "expired"]++;
      this.mustBeRight(seen, named.get(delivery));
    }
    this.mustAgree(counts, report, "the broker says");
    this.mustHaveAReason(report);
  }

  private countersMustAgree(report: Report<D>): void {
    const { waiting, running, settling, ...counters } = this.progress;
    const held = waiting + running + settling;
    this.must(held === 0, `${waiting} wait, ${running} run, ${settling} are to be settled (I7)`);
    this.mustAgree(counters, report, "the counters say");
  }

  private mustAgree(counts: Partial<Record<keyof Report, number>>, report: Report<D>, who: string): void {
    for (const key of Object.keys(counts) as (keyof Report)[]) {
      const [theirs, ours] = [String(counts[key]), String(report[key])];
      this.must(theirs === ours, `${key}: ${who} ${theirs}, the report says ${ours} (I1)`);
    }
  }

  /** A message came when the worker had given up the pull: it is not counted. */
  private mustBeReleased(seen: Seen<D>): void {
    const { mayFail = false, mayExpire = false, mayBeLost = false } = this.circumstances;
    this.must(mayFail, `${seen.name} is not counted (I1)`);
    const isReleased = seen.calls.some(({ verdict, answer }) => verdict === "released" && answer === "done");
    const isExcused = mayExpire || (mayBeLost && seen.isGone);
    this.must(isReleased || isExcused, `${seen.name}, which came too late, was not released (I1)`);
  }

  private mustBeRight(seen: Seen<D>, named: Verdict | undefined): void {
    const { mayExpire = false, mayBeLost = false } = this.circumstances;
    const { calls } = seen;
    const name = seen.name;
    const isSettled = seen.isSettled;
    const verdict = calls[0]?.verdict ?? named;
    const isOne = calls.every((call) => call.verdict === verdict || (call.verdict === "retried" && seen.isGivenBack));
    this.must(isOne, `${name} got more than one verdict (I1)`);
    const text = isSettled ? "settled and" : "not settled and not";
    this.must(isSettled === (named === undefined), `${name} is ${text} named (I3)`);
    this.must(named === undefined || named === verdict, `${name} was ${verdict}, and is named as ${named} (I3)`);
    const isExcused = mayExpire || (mayBeLost && seen.isGone);
    this.must(isSettled || isExcused, `${name} expired through no fault of the broker's (I3, I9)`);
    const [right, rule] = this.rightFor(seen);
    this.must(verdict === right, `${name} was ${verdict} where it should have been ${right} (${rule})`);
  }

  /** The verdict that a delivery should get, and the invariant that says so. */
  private rightFor(seen: Seen<D>): readonly [verdict: Verdict, rule: string] {
    if (seen.starts === 0) return ["released", "I4"];
    if (seen.isAbandoned || seen.ended === "") return ["released", "I6"];
    if (seen.ended === "returned") return ["acked", "I3"];
    if (seen.cause instanceof Stopping) return ["released", "I8"];
    const isLast = seen.attempt >= this.circumstances.limits.maxAttempts;
    return [isLast || seen.error instanceof Permanent ? "dead" : "retried", "I1"];
  }

  private mustHaveAReason({ stopped, cause }: Report<D>): void {
    const { stop, abort, mayFail = false } = this.circumstances;
    const possible = {
      "source ended": this.hasEnded(),
      cancelled: stop.err() !== undefined && cause === context.cause(stop),
      aborted: abort.err() !== undefined && cause === context.cause(abort),
      failed: mayFail && cause instanceof Error,
    };
    this.must(possible[stopped], `it stopped as ${stopped}, because of ${String(cause)} (I8)`);
  }

  /** What has happened, in a few words each. */
  outcomes(report: Report<D>): readonly string[] {
    const all = ["acked", "retried", "released", "dead", "expired", "abandoned"] as const;
    const isLate = [...this.seen.values()].some(({ isTaken }) => !isTaken);
    const isLost = report.leftovers.some(({ error }) => error instanceof LeaseLost);
    return [
      report.stopped,
      ...all.filter((what) => report[what] > 0),
      ...(isLate ? ["pulled late"] : []),
      ...(isLost ? ["lease lost"] : []),
      ...(this.extensions > 0 ? ["extended"] : []),
    ];
  }
}

/** Calls one of these when the promise is settled, before its next reader gets to know. */
function noted<T>(
  promise: Promise<T>,
  onValue: (value: T) => void,
  onError: (error: unknown) => void = () => {},
): Promise<T> {
  void promise.then(onValue, onError);
  return promise;
}
