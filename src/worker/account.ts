/**
 * What a worker tells: events while it runs, and at the end its account.
 *
 * Invariants:
 * - The counts are exact. Of the messages that are named, the last `leftovers` are kept; each has been told to `observe`.
 * - An observer looks on. Whatever it does, nothing happens to a message.
 * - As JSON a report has no body, key or attribute of a message: it lands in logs.
 */
import { attempt } from "../internal/foreign.ts";
import { emit } from "../internal/observe.ts";
import type { Settings } from "./options.ts";
import { reasonOf } from "./reason.ts";
import type { Leftover, Progress, Report, WorkerEvent } from "./report.ts";
import type { Delivery, Source } from "./source.ts";
import { Trouble } from "./trouble.ts";

/** Why a worker has stopped. */
type Stopped = Pick<Report, "stopped" | "cause">;

export class Account<D extends Delivery> {
  readonly progress: Progress;
  readonly counts = { started: 0, redelivered: 0, abandoned: 0 };
  readonly took = { draining: 0, aborting: 0, settling: 0 };
  readonly trouble: Trouble<D> = new Trouble();
  private readonly settings: Pick<Settings<D>, "observe" | "leftovers">;
  /** A ring: once it is full, `left` modulo its length is where the oldest is. */
  private readonly ring: Leftover<D>[] = [];
  private left = 0;

  constructor(settings: Pick<Settings<D>, "observe" | "leftovers" | "progress">) {
    this.settings = settings;
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

  /** A call of the source has failed, and is made again in `retryIn` ms. */
  sourceFailed(call: keyof Source, error: unknown, retryIn: number): void {
    this.emit({ type: "sourceError", call, error, retryIn });
    const trouble = this.trouble.failed(call, error);
    if (trouble !== undefined) this.emit(trouble);
  }

  /** A message whose verdict did not reach the broker, or that was given up without a place to put it. */
  leave(leftover: Leftover<D>): void {
    const { leftovers } = this.settings;
    if (leftovers > 0) this.ring[this.left % leftovers] = leftover;
    this.left++;
    this.emit({ type: "leftover", ...leftover });
  }

  report(why: Stopped): Report<D> {
    const { pulled, acked, retried, released, dead, expired } = this.progress;
    const { ring, left } = this;
    const oldest = left > ring.length && ring.length > 0 ? left % ring.length : 0;
    const sourceErrors = this.trouble.summary(pulled > 0);
    const report: Report<D> = {
      pulled,
      ...this.counts,
      acked,
      retried,
      released,
      dead,
      expired,
      leftovers: [...ring.slice(oldest), ...ring.slice(0, oldest)],
      ...(left > ring.length ? { unnamed: left - ring.length } : {}),
      ...(sourceErrors === undefined ? {} : { sourceErrors }),
      took: this.took,
      ...why,
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

/** A report as plain JSON: errors as a line each, and messages by the id of their delivery. */
function plain<D extends Delivery>(report: Report<D>): object {
  const { leftovers, sourceErrors } = report;
  const json: Record<string, unknown> = {
    ...report,
    leftovers: leftovers.map(({ delivery, was, error }) => ({
      id: delivery.id,
      was,
      ...(error === undefined ? {} : { error: reasonOf(error) }),
    })),
  };
  if ("cause" in report) json.cause = reasonOf(report.cause);
  if (sourceErrors !== undefined) json.sourceErrors = { ...sourceErrors, error: reasonOf(sourceErrors.error) };
  return json;
}
