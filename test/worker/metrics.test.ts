/**
 * The metrics of a worker: what each event does to them, and the text that Prometheus reads. test/otel checks the text by a parser.
 */
import { context, time } from "headgate";
import {
  type Delivery,
  LeaseLost,
  Permanent,
  type Progress,
  type Verdict,
  worker,
  type WorkerEvent,
} from "headgate/worker";
import { type Metrics, metrics, type MetricsOptions } from "headgate/worker/metrics";
import { describe, expect, it } from "vitest";
import { elapse, virtualTime } from "../support/clock.ts";
import { brokerOf, openBrokerOf, override } from "./harness.ts";

const background = context.background();
const delivery: Delivery = { id: "1", body: "a" };

/** The value of a series, by what is written before it; the labels come in the order in which they are written. */
function valueOf(text: string, series: string): number | undefined {
  const line = text.split("\n").find((line) => line.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

/** Lets time pass, and waits for a worker that has returned by then. */
async function elapseTo(ms: number, running: Promise<unknown>): Promise<void> {
  await elapse(ms);
  await running;
}

const finished = (verdict: Verdict, ms: number): WorkerEvent => ({ type: "finished", delivery, verdict, ms });

describe("the metrics of a worker", () => {
  virtualTime();

  it("count what happens to messages that are acked, retried and dead", async () => {
    const broker = await brokerOf(3);
    const { observe, progress, text } = metrics();
    const handle = (_: unknown, { body, attempt }: Delivery<number>): void => {
      if (body === 2 && attempt === 1) throw new Error("again");
      if (body === 3) throw new Permanent("no use");
    };
    await elapseTo(1_000, worker(background, broker, handle, { observe, progress, backoff: () => 1 }));
    const said = text();
    const counts = (["acked", "retried", "released", "dead", "expired"] as const).map((verdict) =>
      valueOf(said, `headgate_worker_messages_total{verdict="${verdict}"}`),
    );
    expect(counts).toEqual([2, 1, 0, 1, 0]);
    expect(valueOf(said, "headgate_worker_pulled_total")).toBe(4);
    expect(valueOf(said, "headgate_worker_started_total")).toBe(4);
    expect(valueOf(said, 'headgate_worker_handler_seconds_count{verdict="acked"}')).toBe(2);
  });

  it("say where the messages are, and whether the worker stops", async () => {
    const { observe, progress, text } = metrics();
    const [stop, end] = context.withCancel(background);
    const broker = await openBrokerOf(3);
    const running = worker(stop, broker, () => time.sleep(100), { observe, progress, concurrency: 2, prefetch: 1 });
    await elapse(10);
    const states = (): unknown[] =>
      ["waiting", "running", "settling"].map((state) => valueOf(text(), `headgate_worker_held{state="${state}"}`));
    expect([states(), valueOf(text(), "headgate_worker_draining")]).toEqual([[1, 2, 0], 0]);
    end();
    await elapse(10);
    expect([states(), valueOf(text(), "headgate_worker_draining")]).toEqual([[0, 2, 0], 1]);
    await elapseTo(1_000, running);
    expect([states(), valueOf(text(), "headgate_worker_draining")]).toEqual([[0, 0, 0], 0]);
  });

  it("rise on when the next worker has the same", async () => {
    const { observe, progress, text } = metrics();
    for (const n of [2, 3])
      await elapseTo(
        1_000,
        worker(background, await brokerOf(n), () => {}, { observe, progress }),
      );
    expect(valueOf(text(), 'headgate_worker_messages_total{verdict="acked"}')).toBe(5);
    expect(valueOf(text(), "headgate_worker_draining")).toBe(0);
  });

  it("count a lost lease once, whichever call has found it", async () => {
    for (const found of ["extend", "ack"] as const) {
      const { observe, progress, text } = metrics();
      const broker = await brokerOf(2, 300);
      const source = override(broker, {
        [found]: async (_: unknown, deliveries: readonly Delivery<number>[]) => deliveries,
      });
      const [stop, end] = context.withCancel(background);
      const running = worker(stop, source, (ctx) => time.sleep(150, ctx), { observe, progress });
      await elapse(200);
      end();
      await elapseTo(60_000, running);
      expect([found, valueOf(text(), "headgate_worker_leases_lost_total")]).toEqual([found, 2]);
      expect(valueOf(text(), 'headgate_worker_messages_total{verdict="expired"}')).toBe(2);
    }
  });

  it("count failed calls by the call, and handlers that end after they were abandoned", async () => {
    const { observe, progress, text } = metrics();
    const [stop, end] = context.withCancel(background);
    const broker = await openBrokerOf(1);
    let fails = 2;
    const source = override(broker, {
      pull: (ctx, max) => (fails-- > 0 ? Promise.reject(new Error("away")) : broker.pull(ctx, max)),
    });
    const running = worker(stop, source, () => time.sleep(60_000), { observe, progress });
    await elapse(10_000);
    expect(valueOf(text(), 'headgate_worker_source_errors_total{call="pull"}')).toBe(2);
    expect(valueOf(text(), 'headgate_worker_source_errors_total{call="ack"}')).toBe(0);
    end();
    await elapseTo(26_000, running);
    expect(valueOf(text(), "headgate_worker_late_total")).toBe(0);
    await elapse(60_000);
    expect(valueOf(text(), "headgate_worker_late_total")).toBe(1);
  });
});

describe("the text of the metrics", () => {
  it("has every series before the first event, with the value 0", () => {
    const series = metrics()
      .text()
      .split("\n")
      .filter((line) => line !== "" && !line.startsWith("#"));
    expect(series.length).toBeGreaterThan(90);
    expect(series.filter((line) => !line.endsWith(" 0"))).toEqual([]);
  });

  it("puts a duration into the buckets that are not shorter, and adds it to the sum", () => {
    const { observe, text } = metrics({ buckets: [0.1, 1] });
    for (const ms of [100, 101, 5_000]) observe(finished("acked", ms));
    const of = (series: string): unknown => valueOf(text(), `headgate_worker_handler_seconds${series}`);
    expect([
      of('_bucket{verdict="acked",le="0.1"}'),
      of('_bucket{verdict="acked",le="1"}'),
      of('_bucket{verdict="acked",le="+Inf"}'),
      of('_sum{verdict="acked"}'),
      of('_count{verdict="acked"}'),
      of('_count{verdict="dead"}'),
    ]).toEqual([1, 2, 3, 5.201, 3, 0]);
  });

  it("has an exact sum after many short durations", () => {
    const { observe, text } = metrics();
    for (let i = 0; i < 1_000; i++) observe(finished("acked", 1));
    expect(valueOf(text(), 'headgate_worker_handler_seconds_sum{verdict="acked"}')).toBe(1);
  });

  it("escapes what Prometheus would take for the end of a label", () => {
    const { text } = metrics({ labels: { queue: 'a "b" \\n\nc' } });
    expect(text()).toContain('headgate_worker_pulled_total{queue="a \\"b\\" \\\\n\\nc"} 0\n');
  });

  it("of several workers has each metric once, with the lines of all", () => {
    const [orders, mails] = ["orders", "mails"].map((queue) => metrics({ labels: { queue } })) as [Metrics, Metrics];
    orders.observe({ type: "pulled", count: 2 });
    mails.observe({ type: "pulled", count: 3 });
    const said = orders.text(mails);
    const types = said.match(/^# TYPE \S+/gm)!;
    expect(new Set(types).size).toBe(types.length);
    expect(said).toContain(
      '# TYPE headgate_worker_pulled_total counter\nheadgate_worker_pulled_total{queue="orders"} 2\n' +
        'headgate_worker_pulled_total{queue="mails"} 3\n',
    );
  });

  it("of two with the same labels is refused, in whatever order these were written", () => {
    const a = metrics({ labels: { queue: "a", host: "b" } });
    const b = metrics({ labels: { host: "b", queue: "a" } });
    expect(() => a.text(b)).toThrow(/same labels/);
    expect(() => a.text(a)).toThrow(/same labels/);
    expect(() => a.text({ text: () => "" } as never)).toThrow("metrics: text takes what metrics() returns; got Object");
  });

  it("counts a lease as lost only by an error of that class, whatever else it is given", () => {
    const { observe, text } = metrics();
    const hostile = new Proxy(
      {},
      {
        getPrototypeOf: () => null,
        get: () => {
          throw new Error("no");
        },
      },
    );
    observe({ type: "leftover", delivery, verdict: "acked", error: hostile });
    observe({ type: "leftover", delivery, verdict: "acked", error: new LeaseLost() });
    expect(valueOf(text(), "headgate_worker_leases_lost_total")).toBe(1);
  });
});

describe("the options of the metrics", () => {
  it.each([
    [{ lables: {} }, "metrics: there is no option lables; there are labels, buckets"],
    [{ labels: null }, "metrics: labels must be an object, got null"],
    [{ labels: { "queue-name": "a" } }, /a name is letters, digits and _.* got the string "queue-name"$/],
    [{ labels: { __name: "a" } }, /does not begin with a digit or __; got the string "__name"$/],
    [{ labels: { verdict: "a" } }, "metrics: labels: the metrics have a label verdict of their own"],
    [{ labels: { queue: 7 } }, "metrics: labels: queue must be a text, got number"],
    [{ buckets: 7 }, "metrics: buckets must be a list, got 7"],
    [{ buckets: [1, 1] }, "metrics: buckets must be positive numbers of seconds that rise; got 1"],
    [{ buckets: [0] }, /rise; got 0$/],
    [{ buckets: [Infinity] }, /rise; got Infinity$/],
    [{ buckets: ["1"] }, /rise; got the string "1"$/],
  ])("%o are refused", (options, message) => {
    expect(() => metrics(options as MetricsOptions)).toThrow(message);
  });

  it("are read once: later changes of the labels and the buckets do nothing", () => {
    const labels = { queue: "a" };
    const buckets = [1];
    const { text } = metrics({ labels, buckets });
    labels.queue = "b";
    buckets.push(0);
    expect(text()).toContain('{queue="a"}');
    expect(text()).not.toContain('le="0"');
  });
});

describe("the progress of the metrics", () => {
  it("is that of one worker, and is all zeros before it", () => {
    const { progress } = metrics();
    const zero: Progress = {
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
    expect(progress).toEqual(zero);
    expect(metrics().progress).not.toBe(progress);
  });
});
