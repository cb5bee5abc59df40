/**
 * `headgate/otel`: names only. Read `api.ts` (the part of OpenTelemetry that is used), then `instrument.ts` for a worker and `saga.ts` for a saga.
 */
export type {
  OtelApi,
  OtelAttributes,
  OtelContext,
  OtelCounter,
  OtelGetter,
  OtelHistogram,
  OtelInstrumentOptions,
  OtelMeter,
  OtelSpan,
  OtelSpanContext,
  OtelSpanOptions,
  OtelTracer,
} from "./api.ts";
export { instrument, type Instrument, type InstrumentOptions, type SendOptions } from "./instrument.ts";
export { instrumentSaga, type SagaInstrument } from "./saga.ts";
