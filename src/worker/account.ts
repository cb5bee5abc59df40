/**
 * The account of a worker: the counts of its messages, the events while it runs, and the report at the end.
 *
 * Invariants:
 * - Every message that was pulled is in exactly one count, so pulled is the sum of the others at every moment (I1). Only {@link Account.pulled}
 *   and `move` change them.
 * - The counts are exact. Of the messages that are named, the last `leftovers` are kept; `observe` gets each of them.
 * - An observer looks on. Whatever it does, nothing happens to a message.
 * - As JSON a report has no body, key or attribute of a message: it lands in logs.
 */
import { attempt } from "../internal/foreign.ts";
import { emit } from "../internal/observe.ts";
import type { InFlight } from "./inflight.ts";
import type { Settings } from "./options.ts";
import { reasonOf } from "./reason.ts";
import type { Leftover, Phase, Progress, Report, WorkerEvent } from "./report.ts";
import type { Delivery, Source, Verdict } from "./source.ts";
import { Trouble } from "./trouble.ts";

export class Account<D extends Delivery> {
  readonly progress: Progress;
  readonly trouble: Trouble<D> = new Trouble();
  private readonly counts = { started: 0, redelivered: 0, abandoned: 0 };
  private readonly phaseMs = { draining: 0, aborting: 0, settling: 0 };
  private readonly settings: Pick<Settings<D>, "observe" | "leftovers">;
  /** A dead message has a place where a person finds it; else the report names it. */
  private readonly hasDeadLetter: boolean;
  /** A ring buffer: once it is full, the oldest is at `left` modulo its length. */
  private readonly leftovers: Leftover<D>[] = [];
  private left = 0;

  constructor(source: Source<D>, settings: Pick<Settings<D>, "observe" | "leftovers" | "progress">) {
    this.settings = settings;
    this.hasDeadLetter = source.deadLetter !== undefined;
    this.progress = {
      pulled: 0,
      waiting: 0,
      running: 0,
      settling: 0,
      acked: 0,
      retried: 0,
      released: 0,
      dead: 0,
      expired: 0,
    };
    if (settings.progress !== undefined) show(this.progress, settings.progress);
  }

  emit(event: WorkerEvent<D>): void {
    const { observe } = this.settings;
    if (observe !== undefined) emit(observe, event);
  }

  // ------------------------------------------------------------------------------------------------- the way of a message

  pulled(count: number): void {
    this.progress.pulled += count;
    this.progress.waiting += count;
    this.emit({ type: "pulled", count });
  }

  /** A message that was pulled had been delivered before. */
  redelivered(): void {
    this.counts.redelivered++;
  }

  /** The handler of a message begins. */
  started(message: InFlight<D>): void {
    this.move(message, "running");
    this.counts.started++;
    this.emit({ type: "started", delivery: message.delivery });
  }

  /** The handler of a message has ignored the end of its ctx. */
  abandoned(): void {
    this.counts.abandoned++;
  }

  /** The verdict on a message is known. `ms`: how long its handler took, if it was started. */
  decided(message: InFlight<D>, ms: number | undefined): void {
    this.move(message, "settling");
    if (ms === undefined) return;
    const { delivery, error } = message;
    const verdict = message.isLost ? "expired" : message.verdict;
    this.emit({ type: "finished", delivery, verdict, ms, ...(error === undefined ? {} : { error }) });
  }

  /** The source has answered for a message, or cannot be called any more: `verdict` is what it comes to, and `error` why if it is `expired`. */
  settled(message: InFlight<D>, verdict: Verdict, error: unknown): void {
    this.move(message, verdict);
    if (verdict !== "expired" && (verdict !== "dead" || this.hasDeadLetter)) return;
    this.leave({ delivery: message.delivery, verdict: message.verdict, error: error ?? message.error });
  }

  private move(message: InFlight<D>, to: InFlight<D>["state"]): void {
    this.progress[message.state]--;
    this.progress[to]++;
    message.state = to;
  }

  /** A message whose verdict did not reach the broker, or that was given up without a place to put it. */
  private leave(leftover: Leftover<D>): void {
    const { leftovers } = this.settings;
    if (leftovers > 0) this.leftovers[this.left % leftovers] = leftover;
    this.left++;
    this.emit({ type: "leftover", ...leftover });
  }

  // ----------------------------------------------------------------------------------------------------- the worker as a whole

  /** A call of the source has failed, and is made again in `retryIn` ms. */
  sourceFailed(call: keyof Source, error: unknown, retryIn: number): void {
    this.emit({ type: "sourceError", call, error, retryIn });
    const trouble = this.trouble.failed(call, error);
    if (trouble !== undefined) this.emit(trouble);
  }

  /** A phase of the stop is over, after `ms`. */
  spent(phase: Phase, ms: number): void {
    if (phase !== "running" && phase !== "done") this.phaseMs[phase] += Math.round(ms);
  }

  report(outcome: Pick<Report, "stopped" | "cause">): Report<D> {
    const { pulled, acked, retried, released, dead, expired } = this.progress;
    const { leftovers, left } = this;
    const oldest = left > leftovers.length && leftovers.length > 0 ? left % leftovers.length : 0;
    const sourceErrors = this.trouble.summary(pulled > 0);
    const report: Report<D> = {
      pulled,
      ...this.counts,
      acked,
      retried,
      released,
      dead,
      expired,
      leftovers: [...leftovers.slice(oldest), ...leftovers.slice(0, oldest)],
      ...(left > leftovers.length ? { unnamed: left - leftovers.length } : {}),
      ...(sourceErrors === undefined ? {} : { sourceErrors }),
      phaseMs: this.phaseMs,
      ...outcome,
    };
    // It is not enumerable, so that a report shows itself, and is compared, by what it says.
    return Object.defineProperty(report, "toJSON", { value: () => plain(report) });
  }
}

/** Keeps the caller's counters current. What they do when they are written to changes none of ours. */
function show(ours: Progress, theirs: Progress): void {
  for (const name of Object.keys(ours) as (keyof Progress)[]) {
    let count = ours[name];
    const set = (value: number): void => {
      count = value;
      attempt(() => (theirs[name] = value));
    };
    set(count);
    Object.defineProperty(ours, name, { get: () => count, set });
  }
}

/** A report as plain JSON: each error as a line, and messages by the id of their delivery. */
function plain<D extends Delivery>(report: Report<D>): object {
  const { leftovers, sourceErrors } = report;
  const json: Record<string, unknown> = {
    ...report,
    leftovers: leftovers.map(({ delivery, verdict, error }) => ({
      id: delivery.id,
      verdict,
      ...(error === undefined ? {} : { error: reasonOf(error) }),
    })),
  };
  if ("cause" in report) json.cause = reasonOf(report.cause);
  if (sourceErrors !== undefined) json.sourceErrors = { ...sourceErrors, error: reasonOf(sourceErrors.error) };
  return json;
}
