/** The lines of pino, each with the ids of the trace in which it was written. */
import * as otel from "@opentelemetry/api";
import { NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { context, time } from "headgate";
import { instrument } from "headgate/otel";
import { memoryBroker, worker } from "headgate/worker";
import { pino } from "pino";

new NodeTracerProvider().register();

// #region log
const log = pino({
  mixin() {
    const { traceId, spanId } = otel.trace.getActiveSpan()?.spanContext() ?? {};
    return { trace_id: traceId, span_id: spanId };
  },
});
// #endregion

const broker = memoryBroker();
const orders = instrument(otel, { system: "memory", destination: "orders" });
for (const body of ["a", "b"]) await orders.publish((attributes) => broker.publish(body, { attributes }));
broker.end();

// #region handler
const handle = async (ctx, { body }) => {
  await time.sleep(5, ctx); // other messages are handled meanwhile
  log.info({ body }, "handled");
};
const report = await worker(context.background(), orders.source(broker), orders.handler(handle), orders.options());
log.info(report, "the worker has ended");
// #endregion
