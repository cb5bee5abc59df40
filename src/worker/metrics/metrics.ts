/**
 * The metrics of a worker for Prometheus: counters of what happened, gauges of what is now, and one histogram.
 *
 * Invariants:
 * - A counter only rises, also when a worker ends and another one begins.
 * - A series is there from the start, with the value 0: a rate needs the value before the first event.
 * - The number of series is fixed. No label has a value that a message or an error brings.
 * - Counters are kept here, from the events. Gauges are read from the worker's own live counters, whenever the text is asked for.
 */
import { onlyKnown } from "../../internal/args.ts";
import { given, shown } from "../../internal/foreign.ts";
import { LeaseLost } from "../causes.ts";
import type { Phase, Progress, WorkerEvent } from "../report.ts";
import type { Source, Verdict } from "../source.ts";
import { Histogram } from "./histogram.ts";
import { type Family, type Labels, type Series, textOf } from "./text.ts";

/** The options of the metrics of a worker. */
export interface MetricsOptions {
  /**
   * Labels that each line of the metrics has, such as `{ queue: "orders" }`: with them you tell the workers of a process apart. A name is
   * letters, digits and `_`, and does not begin with a digit or `__`. The names `call`, `le`, `state` and `verdict` are taken.
   *
   * @default {}
   */
  readonly labels?: Readonly<Record<string, string>>;
  /**
   * The upper bounds of the histogram's buckets in seconds, rising. Infinity is added.
   *
   * @default 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300
   */
  readonly buckets?: readonly number[];
}

/** The metrics of one worker. */
export interface Metrics {
  /** The option `observe` of the worker, or called by yours with each event. */
  readonly observe: (event: WorkerEvent) => void;
  /** The option `progress` of the worker. Each worker that runs at the same time has its own. */
  readonly progress: Progress;
  /**
   * The metrics in Prometheus' text format. With `others` it is one text for several workers, in which each metric comes once. The
   * content type is `text/plain; version=0.0.4; charset=utf-8`.
   *
   * **Errors**: TypeError if two of them have the same labels, because Prometheus would refuse that, or if one is not of this function.
   */
  readonly text: (...others: readonly Metrics[]) => string;
}

/**
 * Collects the metrics of a worker. Pass `observe` and `progress` to it, and serve `text()` where Prometheus asks for it.
 *
 * - `headgate_worker_pulled_total`, `headgate_worker_started_total`: deliveries that were pulled; handlers that were started.
 * - `headgate_worker_messages_total{verdict}`: messages that are done with, by their verdicts.
 * - `headgate_worker_leases_lost_total`: messages whose lease was lost. They are `expired` above, too.
 * - `headgate_worker_late_total`: handlers that were abandoned, and have ended after all.
 * - `headgate_worker_source_errors_total{call}`: calls of the source that have failed.
 * - `headgate_worker_held{state}`: a gauge of the messages in the worker's hands: `waiting`, `running`, `settling`.
 * - `headgate_worker_draining`: a gauge that is 1 from the begin of a stop to its end, else 0.
 * - `headgate_worker_handler_seconds{verdict}`: a histogram of the time that handlers took.
 *
 * When a worker has returned, the next one may have the same metrics: its counts are added.
 *
 * **Errors**: TypeError or RangeError, naming the option and the rule.
 *
 * @example
 * ```ts
 * import { context } from "headgate";
 * import { memoryBroker, worker } from "headgate/worker";
 * import { metrics } from "headgate/worker/metrics";
 *
 * const broker = memoryBroker<string>();
 * for (const body of ["a", "b"]) await broker.publish(body);
 * broker.end();
 * const orders = metrics({ labels: { queue: "orders" } });
 * await worker(context.background(), broker, () => {}, { observe: orders.observe, progress: orders.progress });
 * console.log(orders.text().split("\n").find((line) => line.includes('"acked"')));
 * // => headgate_worker_messages_total{queue="orders",verdict="acked"} 2
 * ```
 */
export function metrics(options: MetricsOptions = {}): Metrics {
  const { labels = {}, buckets = BUCKETS } = onlyKnown("metrics", options, OPTIONS);
  return new Collector(checkedLabels(labels), checkedBuckets(buckets));
}

const OPTIONS: Readonly<Record<keyof MetricsOptions, true>> = { labels: true, buckets: true };

/** Seconds. The last ones are for work that takes longer than a request does. */
const BUCKETS: readonly number[] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

const VERDICTS: readonly Verdict[] = ["acked", "retried", "released", "dead", "expired"];
const CALLS: readonly (keyof Source)[] = ["pull", "ack", "nack", "deadLetter", "extend"];
const STATES = ["waiting", "running", "settling"] as const;

/** The labels that some of the metrics have of themselves. */
const TAKEN: readonly string[] = ["call", "le", "state", "verdict"];

class Collector implements Metrics {
  readonly progress: Progress = {
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
  private readonly labels: Labels;
  private pulled = 0;
  private started = 0;
  private leasesLost = 0;
  private late = 0;
  private phase: Phase = "running";
  private readonly messages = zeros(VERDICTS);
  private readonly sourceErrors = zeros(CALLS);
  private readonly handlers: ReadonlyMap<Verdict, Histogram>;

  constructor(labels: Labels, buckets: readonly number[]) {
    this.labels = labels;
    this.handlers = new Map(VERDICTS.map((verdict) => [verdict, new Histogram(buckets)]));
  }

  observe = (event: WorkerEvent): void => {
    switch (event.type) {
      case "phase":
        this.phase = event.to;
        break;
      case "pulled":
        this.pulled += event.count;
        break;
      case "started":
        this.started++;
        break;
      case "finished":
        this.handlers.get(event.verdict)?.add(event.ms);
        break;
      case "settled":
        add(this.messages, event.verdict, event.count);
        break;
      case "sourceError":
        add(this.sourceErrors, event.call, 1);
        break;
      case "leftover":
        // Each message whose lease was lost is named once, whether an `extend` or a verdict has found it.
        if (event.error instanceof LeaseLost) this.leasesLost++;
        break;
      case "late":
        this.late++;
    }
  };

  text = (...others: readonly Metrics[]): string => {
    const all = [this, ...others].map((each) => {
      if (each instanceof Collector) return each;
      throw new TypeError(`metrics: text takes what metrics() returns; got ${shown(each)}`);
    });
    const sets = new Set(all.map((each) => JSON.stringify(sorted(each.labels))));
    if (sets.size < all.length)
      throw new TypeError(
        "metrics: two of these have the same labels; give the metrics of each worker labels of their own",
      );
    return textOf(all.map((each) => each.families()));
  };

  /** All metrics, in the same order whatever they are. */
  private families(): Family[] {
    const family = (name: string, type: Family["type"], help: string, series: readonly Series[]): Family => {
      return { name: `headgate_worker_${name}`, type, help, series, labels: this.labels };
    };
    const isDraining = this.phase !== "running" && this.phase !== "done";
    const { progress } = this;
    return [
      family("pulled_total", "counter", "Deliveries that were pulled.", [one(this.pulled)]),
      family("started_total", "counter", "Handlers that were started.", [one(this.started)]),
      family("messages_total", "counter", "Messages that are done with, by verdict.", by("verdict", this.messages)),
      family("leases_lost_total", "counter", "Messages whose lease was lost.", [one(this.leasesLost)]),
      family("late_total", "counter", "Handlers that ended after they were abandoned.", [one(this.late)]),
      family("source_errors_total", "counter", "Calls of the source that failed.", by("call", this.sourceErrors)),
      family(
        "held",
        "gauge",
        "Messages in the hands of the worker.",
        STATES.map((state) => ({ suffix: "", labels: [["state", state]], value: progress[state] })),
      ),
      family("draining", "gauge", "1 while the worker stops.", [one(isDraining ? 1 : 0)]),
      family(
        "handler_seconds",
        "histogram",
        "Time that handlers took, by verdict.",
        [...this.handlers].flatMap(([verdict, histogram]) => histogram.series([["verdict", verdict]])),
      ),
    ];
  }
}

/** The labels in the order of their names. */
function sorted(labels: Labels): Labels {
  return [...labels].sort(([a], [b]) => (a < b ? -1 : 1));
}

function zeros<K extends string>(keys: readonly K[]): Map<K, number> {
  return new Map(keys.map((key) => [key, 0]));
}

function add<K>(counts: Map<K, number>, key: K, n: number): void {
  counts.set(key, (counts.get(key) ?? 0) + n);
}

function one(value: number): Series {
  return { suffix: "", labels: [], value };
}

function by(label: string, counts: ReadonlyMap<string, number>): Series[] {
  return [...counts].map(([key, value]) => ({ suffix: "", labels: [[label, key]], value }));
}

// ------------------------------------------------------------------------------------------------------ the checks of the options

/** **Errors**: TypeError or RangeError, naming the label and the rule. */
function checkedLabels(labels: Readonly<Record<string, string>>): Labels {
  if (typeof labels !== "object" || labels === null)
    throw new TypeError(`metrics: labels must be an object, got ${given(labels)}`);
  const all = Object.entries(labels);
  for (const [name, value] of all) {
    if (!/^(?!__)[A-Za-z_][A-Za-z0-9_]*$/.test(name))
      throw new RangeError(
        `metrics: labels: a name is letters, digits and _, and does not begin with a digit or __; got ${given(name)}`,
      );
    if (TAKEN.includes(name)) throw new RangeError(`metrics: labels: the metrics have a label ${name} of their own`);
    if (typeof value !== "string") throw new TypeError(`metrics: labels: ${name} must be a text, got ${typeof value}`);
  }
  return all;
}

/** **Errors**: TypeError or RangeError, naming the rule. */
function checkedBuckets(buckets: readonly number[]): readonly number[] {
  if (!Array.isArray(buckets)) throw new TypeError(`metrics: buckets must be a list, got ${given(buckets)}`);
  const bounds = [...(buckets as readonly number[])];
  for (const [i, bound] of bounds.entries()) {
    if (!Number.isFinite(bound) || bound <= (bounds[i - 1] ?? 0))
      throw new RangeError(`metrics: buckets must be positive numbers of seconds that rise; got ${given(bound)}`);
  }
  return bounds;
}
