/** Traces, metrics and logs of a worker and a saga, with the SDK of OpenTelemetry and a broker in memory. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Writable } from "node:stream";
import * as otel from "@opentelemetry/api";
import { AsyncLocalStorageContextManager } from "@opentelemetry/context-async-hooks";
import { W3CTraceContextPropagator } from "@opentelemetry/core";
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from "@opentelemetry/sdk-metrics";
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";
import * as names from "@opentelemetry/semantic-conventions/incubating";
import { context, errgroup, time } from "headgate";
import { instrument, instrumentSaga } from "headgate/otel";
import { saga } from "headgate/saga";
import { memoryBroker, Permanent, worker } from "headgate/worker";
import { pino } from "pino";

const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register({
  propagator: new W3CTraceContextPropagator(),
  contextManager: new AsyncLocalStorageContextManager().enable(),
});
const metricExporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter: metricExporter, exportIntervalMillis: 3_600_000 });
otel.metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }));
test.after(() => reader.shutdown());

const tracer = otel.trace.getTracer("test");
const background = context.background();

/** The spans that have ended. */
const spans = () => exporter.getFinishedSpans();
const named = (name) => spans().filter((span) => span.name === name);
const traceOf = (span) => span.spanContext().traceId;
/** The names of a span and of those above it. */
function pathOf(span) {
  const parent = spans().find((each) => each.spanContext().spanId === span.parentSpanContext?.spanId);
  return parent === undefined ? span.name : `${pathOf(parent)} > ${span.name}`;
}

const byFirst = ([a], [b]) => (a < b ? -1 : 1);

/** Publishes bodies in a span of its own, and lets a worker handle them. */
async function handled(bodies, handle, options = {}) {
  exporter.reset();
  const orders = instrument(otel, { system: "memory", destination: "orders", receive: true });
  const broker = memoryBroker();
  await tracer.startActiveSpan("POST /orders", async (request) => {
    for (const body of bodies) await orders.publish((attributes) => broker.publish(body, { attributes }));
    request.end();
  });
  broker.end();
  const source = orders.source(broker);
  const report = await worker(
    background,
    source,
    orders.handler(handle),
    orders.options({ backoff: () => 1, ...options }),
  );
  return { report, broker };
}

void test("a request is one trace, from the producer to the tasks of a group that its handler has started", async () => {
  await handled(["a"], async (ctx) => {
    await time.sleep(2, ctx);
    tracer.startSpan("SELECT").end();
    await errgroup.run(ctx, async (group) => {
      group.setLimit(1);
      for (const n of [1, 2])
        await group.go(async (ctx) => {
          await time.sleep(1, ctx);
          tracer.startSpan(`part ${n}`).end();
        });
    });
  });
  const above = "POST /orders > send orders > process orders";
  for (const name of ["SELECT", "part 1", "part 2"]) assert.deepEqual(named(name).map(pathOf), [`${above} > ${name}`]);
  const [request] = named("POST /orders");
  const [processed] = named("process orders");
  assert.equal(traceOf(processed), traceOf(request));
  assert.equal(processed.kind, otel.SpanKind.CONSUMER);
  assert.equal(named("send orders")[0].kind, otel.SpanKind.PRODUCER);
  for (const name of ["receive orders", "ack orders"]) {
    const [span] = named(name);
    assert.equal(span.kind, otel.SpanKind.CLIENT);
    assert.deepEqual(
      span.links.map(({ context }) => context.spanId),
      named("send orders").map((sent) => sent.spanContext().spanId),
    );
  }
});

void test("a retry and a dead letter are spans of the same trace, with the status of an error", async () => {
  const { report, broker } = await handled(["flaky", "bad"], (_, { body, attempt }) => {
    if (body === "bad") throw new Permanent("no use");
    if (attempt === 1) throw new RangeError("again");
  });
  assert.deepEqual([report.acked, report.retried, report.dead], [1, 1, 1]);
  const rows = named("process orders").map(({ status, attributes }) => [
    attributes["headgate.verdict"],
    status.code === otel.SpanStatusCode.ERROR,
    attributes[names.ATTR_ERROR_TYPE],
  ]);
  assert.deepEqual(rows.sort(byFirst), [
    ["acked", false, undefined],
    ["dead", true, "Permanent"],
    ["retried", true, "RangeError"],
  ]);
  assert.equal(new Set(named("process orders").map(traceOf)).size, 1);
  for (const name of ["nack orders", "dead_letter orders"]) assert.equal(named(name)[0].links.length, 1);
  // The letter can be sent again, and its trace goes on.
  assert.match(broker.deadLetters[0].attributes.traceparent, /^00-[0-9a-f]{32}-/);
});

void test("the lines of a logger have the trace of the message that is handled", async () => {
  const lines = [];
  const stream = new Writable({
    write(chunk, _, done) {
      lines.push(JSON.parse(String(chunk)));
      done();
    },
  });
  const mixin = () => {
    const { traceId: trace_id, spanId: span_id } = otel.trace.getActiveSpan()?.spanContext() ?? {};
    return { trace_id, span_id };
  };
  const log = pino({ mixin }, stream);
  await handled(["a", "b", "c"], async (ctx, { body }) => {
    await time.sleep(2, ctx);
    log.info(body);
  });
  const ids = new Set(named("process orders").map((span) => span.spanContext().spanId));
  assert.equal(ids.size, 3);
  assert.deepEqual(new Set(lines.map(({ span_id }) => span_id)), ids);
  assert.deepEqual(new Set(lines.map(({ trace_id }) => trace_id)), new Set([traceOf(named("POST /orders")[0])]));
});

void test("a saga that is compensated is in the trace of the request", async () => {
  const steps = instrumentSaga(otel);
  const trip = saga("trip")
    .step(
      "hotel",
      steps.step(() => tracer.startSpan("POST hotel").end()),
      steps.compensate(() => tracer.startSpan("DELETE hotel").end()),
    )
    .step(
      "flight",
      steps.step(() => {
        throw new Error("no seats");
      }),
      () => {},
    );
  await handled(["a"], (ctx) => trip.run(ctx, "Oslo", steps.options({ deadLetter: () => {} })));
  const above = "POST /orders > send orders > process orders > saga trip";
  for (const [name, path] of [
    ["POST hotel", "step hotel > POST hotel"],
    ["step flight", "step flight"],
    ["compensate flight", "compensate flight"],
    ["DELETE hotel", "compensate hotel > DELETE hotel"],
  ])
    assert.deepEqual(named(name).map(pathOf), [`${above} > ${path}`]);
  const [step] = named("step hotel");
  const [undo] = named("compensate hotel");
  assert.equal(undo.links[0].context.spanId, step.spanContext().spanId);
  assert.equal(named("saga trip")[0].status.code, otel.SpanStatusCode.ERROR);
  // The times of all spans are in order, though some are begun by events and some by calls.
  for (const span of spans()) assert.ok(span.duration[0] >= 0 && span.duration[1] >= 0, span.name);
});

void test("attributes and metrics have the names of the conventions, and units", async () => {
  await handled(["a"], () => {});
  const known = new Set(Object.values(names));
  const keys = spans().flatMap(({ attributes }) => Object.keys(attributes));
  const own = /^headgate\./;
  assert.deepEqual(
    [...new Set(keys)].filter((key) => !known.has(key) && !own.test(key)),
    [],
  );
  assert.ok(keys.includes(names.ATTR_MESSAGING_OPERATION_TYPE));

  await reader.forceFlush();
  const metrics = metricExporter
    .getMetrics()
    .at(-1)
    .scopeMetrics.flatMap(({ metrics }) => metrics);
  assert.deepEqual(
    metrics.map(({ descriptor }) => [descriptor.name, descriptor.unit]).sort(byFirst),
    [
      ["headgate.saga.duration", "s"],
      [names.METRIC_MESSAGING_CLIENT_CONSUMED_MESSAGES, "{message}"],
      [names.METRIC_MESSAGING_CLIENT_OPERATION_DURATION, "s"],
      [names.METRIC_MESSAGING_CLIENT_SENT_MESSAGES, "{message}"],
      [names.METRIC_MESSAGING_PROCESS_DURATION, "s"],
    ].sort(byFirst),
  );
  const took = metrics.find(({ descriptor }) => descriptor.name === names.METRIC_MESSAGING_PROCESS_DURATION);
  // Those of all tests: 1 + 3 + 3 + 1 + 1.
  assert.equal(
    took.dataPoints.reduce((sum, { value }) => sum + value.count, 0),
    9,
  );
  assert.equal(took.dataPoints[0].value.buckets.boundaries[0], 0.005);
});
