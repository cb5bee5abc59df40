/** The text of headgate/worker/metrics, read by a parser of Prometheus' format. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { context } from "headgate";
import { memoryBroker, worker } from "headgate/worker";
import { metrics } from "headgate/worker/metrics";
import parse from "parse-prometheus-text-format";

const label = 'orders "eu" \\ \n north';

/** A worker whose handlers return, fail once, and fail for good. */
async function run(labels) {
  const broker = memoryBroker();
  for (const body of ["good", "flaky", "bad"]) await broker.publish(body);
  broker.end();
  const collected = metrics({ labels });
  const { observe, progress } = collected;
  const handle = (_, { body, attempt }) => {
    if (body === "bad" || (body === "flaky" && attempt === 1)) throw new Error(body);
  };
  await worker(context.background(), broker, handle, { observe, progress, backoff: () => 1, maxAttempts: 2 });
  return collected;
}

const secondsOf = (bound) => (bound === "+Inf" ? Infinity : Number(bound));

void test("a parser reads every metric, with its type, its help, and labels with odd characters", async () => {
  const families = parse((await run({ queue: label })).text());
  const types = Object.fromEntries(families.map(({ name, type }) => [name.replace("headgate_worker_", ""), type]));
  assert.deepEqual(types, {
    pulled_total: "COUNTER",
    started_total: "COUNTER",
    messages_total: "COUNTER",
    leases_lost_total: "COUNTER",
    late_total: "COUNTER",
    source_errors_total: "COUNTER",
    held: "GAUGE",
    draining: "GAUGE",
    handler_seconds: "HISTOGRAM",
  });
  for (const { help, type, metrics } of families) {
    assert.notEqual(help, "");
    // The parser drops the labels of histograms.
    if (type !== "HISTOGRAM") for (const { labels } of metrics) assert.equal(labels.queue, label);
  }
});

void test("a parser reads the counts of the verdicts, and the buckets of the histogram", async () => {
  const text = (await run({})).text();
  const { metrics } = parse(text).find(({ name }) => name === "headgate_worker_messages_total");
  const messages = Object.fromEntries(metrics.map(({ value, labels }) => [labels.verdict, Number(value)]));
  assert.deepEqual(messages, { acked: 2, retried: 2, released: 0, dead: 1, expired: 0 });
  for (const [verdict, count] of Object.entries(messages)) {
    // The parser puts all histograms of one name together: it gets the lines of one verdict.
    const one = text.split("\n").filter((line) => line.startsWith("#") || line.includes(`verdict="${verdict}"`));
    const [histogram] = parse(one.join("\n")).find(({ type }) => type === "HISTOGRAM").metrics;
    const bounds = Object.keys(histogram.buckets).sort((a, b) => secondsOf(a) - secondsOf(b));
    const counts = bounds.map((bound) => Number(histogram.buckets[bound]));
    assert.equal(counts.length, 15);
    assert.equal(counts.at(-1), count);
    assert.deepEqual(
      counts,
      counts.toSorted((a, b) => a - b),
    );
  }
});

void test("a parser reads several workers in one text, each series once", async () => {
  const [a, b] = [await run({ queue: "a" }), await run({ queue: "b" })];
  const families = parse(a.text(b));
  const pulled = families.find(({ name }) => name === "headgate_worker_pulled_total").metrics;
  assert.deepEqual(
    pulled.map(({ labels, value }) => [labels.queue, value]),
    [
      ["a", "5"],
      ["b", "5"],
    ],
  );
});
