/**
 * One request, from the program that publishes it to the compensation of a saga, as the tree of its spans.
 *
 *     node trace.mjs        beside the broker.mjs of a broker's page
 *
 * It publishes one order, handles it, and prints the spans of its trace. The first attempt fails, so there are two.
 */
import process from "node:process";
import { context, time } from "headgate";
import { instrument, instrumentSaga } from "headgate/otel";
import { saga } from "headgate/saga";
import { worker } from "headgate/worker";
import * as otel from "@opentelemetry/api";
import { InMemorySpanExporter, NodeTracerProvider, SimpleSpanProcessor } from "@opentelemetry/sdk-trace-node";
import { open } from "./broker.mjs";

// In memory, to print them. Yours go to a collector.
const exporter = new InMemorySpanExporter();
new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] }).register();
const tracer = otel.trace.getTracer("shop");

/** A call of another service, as the instrumentation of HTTP would show it. */
const call = (name) => tracer.startActiveSpan(name, (span) => time.sleep(2).finally(() => span.end()));

// #region saga
const spans = instrumentSaga(otel);
const trip = saga("trip")
  .step(
    "hotel",
    spans.step(() => call("POST /rooms")),
    spans.compensate(() => call("DELETE /rooms")),
  )
  .step(
    "flight",
    spans.step(async () => {
      await call("POST /seats");
      throw new Error("no seats");
    }),
    spans.compensate(() => call("DELETE /seats")),
  );
// #endregion

// #region worker
const { source, publish, close } = await open();
const orders = instrument(otel, { system: process.env.SYSTEM ?? "memory", destination: "orders" });

await tracer.startActiveSpan("POST /orders", async (request) => {
  await orders.publish((attributes) => publish("Oslo", attributes));
  request.end();
});

const [stop, end] = context.withCancel(context.background());
const handle = async (ctx, { body, attempt }) => {
  if (attempt === 1) throw new Error("try again");
  await trip.run(ctx, body, spans.options({ deadLetter: (_, letter) => console.error(letter) }));
  end(); // one order is enough
};
await worker(stop, orders.source(source), orders.handler(handle), orders.options({ backoff: () => 1 }));
await close();
// #endregion

// The rest prints the spans.
const finished = exporter.getFinishedSpans();
const idOf = (span) => span.spanContext().spanId;
const [request] = finished.filter(({ name }) => name === "POST /orders");

function print(span, depth) {
  const { "headgate.verdict": verdict, "headgate.saga.status": status, "error.type": error } = span.attributes;
  const notes = [verdict, status, error].filter((note) => note !== undefined).join(", ");
  console.log(`${"   ".repeat(depth)}${span.name}${notes === "" ? "" : `  (${notes})`}`);
  for (const child of finished) if (child.parentSpanContext?.spanId === idOf(span)) print(child, depth + 1);
}
// Spans end from the inside out; they are printed in the order of their starts.
finished.sort((a, b) => a.startTime[0] - b.startTime[0] || a.startTime[1] - b.startTime[1]);
print(request, 0);
const { traceId } = request.spanContext();
for (const span of finished) {
  const links = span.links.filter(({ context }) => context.traceId === traceId);
  if (span.spanContext().traceId !== traceId && links.length > 0)
    console.log(`${span.name}, linked to ${links.map(({ context }) => nameOf(context.spanId)).join(", ")}`);
}

function nameOf(id) {
  return finished.find((span) => idOf(span) === id)?.name;
}
