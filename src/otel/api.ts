/**
 * The part of OpenTelemetry's API that is used, as types of our own: nothing is imported from it. The module `@opentelemetry/api` fits them, from
 * version 1.3 on.
 *
 * Invariant: telemetry looks on. Whatever the API or an SDK behind it throws, the program goes on as without it.
 */
import { attempt, hasMethod, isError, kindOf, propertyOf, textOf } from "../internal/foreign.ts";

/** Names and values of a span, an event or a metric. */
export type OtelAttributes = Record<string, string | number | boolean>;

/** A context of OpenTelemetry: the active span, and baggage. It has nothing to do with a `Context` of headgate. */
export type OtelContext = object;

/** The ids of a span, as a message carries them. */
export interface OtelSpanContext {
  /** The id of the trace. */
  readonly traceId: string;
  /** The id of the span. */
  readonly spanId: string;
  /** Bit 0: it is sampled. */
  readonly traceFlags: number;
}

/** The options of a span. */
export interface OtelSpanOptions {
  /** Internal, server, client, producer or consumer: 0 to 4. */
  kind?: number;
  /** Its attributes. */
  attributes?: OtelAttributes;
  /** Other spans that it has to do with. */
  links?: { context: OtelSpanContext }[];
  /** Epoch ms of its start. */
  startTime?: number;
}

/** A span. */
export interface OtelSpan {
  /** Its ids. */
  spanContext(): OtelSpanContext;
  /** Sets an attribute. */
  setAttribute(key: string, value: string | number | boolean): unknown;
  /** Sets its status; 2 is an error. */
  setStatus(status: { code: number; message?: string }): unknown;
  /** Adds an event. */
  addEvent(name: string, attributes?: OtelAttributes): unknown;
  /** Adds an event for what was thrown. */
  recordException(exception: Error | string): void;
  /** Ends it. */
  end(): void;
}

/** Makes spans. */
export interface OtelTracer {
  /** Starts a span, whose parent is the span of this context. */
  startSpan(name: string, options?: OtelSpanOptions, context?: OtelContext): OtelSpan;
}

/** Counts. */
export interface OtelCounter {
  /** Adds to the count. */
  add(value: number, attributes?: OtelAttributes): void;
}

/** Keeps a distribution. */
export interface OtelHistogram {
  /** Adds a value. */
  record(value: number, attributes?: OtelAttributes): void;
}

/** The options of a metric. */
export interface OtelInstrumentOptions {
  /** A sentence. */
  description?: string;
  /** The unit, such as `s`. */
  unit?: string;
  /** What suits it. */
  advice?: { explicitBucketBoundaries?: number[] };
}

/** Makes metrics. */
export interface OtelMeter {
  /** Makes a counter. */
  createCounter(name: string, options?: OtelInstrumentOptions): OtelCounter;
  /** Makes a histogram. */
  createHistogram(name: string, options?: OtelInstrumentOptions): OtelHistogram;
}

/** Reads the attributes of a message. */
export interface OtelGetter {
  /** The names. */
  keys(carrier: Readonly<Record<string, string>>): string[];
  /** The value of a name. */
  get(carrier: Readonly<Record<string, string>>, key: string): string | undefined;
}

/** The module `@opentelemetry/api`: `import * as otel from "@opentelemetry/api"`. */
export interface OtelApi {
  /** Spans. */
  readonly trace: {
    getTracer(name: string): OtelTracer;
    getSpan(context: OtelContext): OtelSpan | undefined;
    setSpan(context: OtelContext, span: OtelSpan): OtelContext;
    deleteSpan(context: OtelContext): OtelContext;
    getSpanContext(context: OtelContext): OtelSpanContext | undefined;
    isSpanContextValid(spanContext: OtelSpanContext): boolean;
  };
  /** The active context. */
  readonly context: {
    active(): OtelContext;
    with<T>(context: OtelContext, fn: () => T): T;
  };
  /** Contexts in messages. */
  readonly propagation: {
    inject(context: OtelContext, carrier: Record<string, string>): void;
    extract(context: OtelContext, carrier: Readonly<Record<string, string>>, getter: OtelGetter): OtelContext;
  };
  /** Metrics. */
  readonly metrics: {
    getMeter(name: string): OtelMeter;
  };
}

// By OpenTelemetry's enumerations.
export const INTERNAL = 0;
export const CLIENT = 2;
export const PRODUCER = 3;
export const CONSUMER = 4;
const ERROR = 2;

/** The name under which spans and metrics are made. */
export const SCOPE = "headgate";

/** The bounds that the conventions recommend for durations, in seconds. */
export const SECONDS: OtelInstrumentOptions = {
  unit: "s",
  advice: { explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10] },
};

const METHODS = {
  trace: ["getTracer", "getSpan", "setSpan", "deleteSpan", "getSpanContext", "isSpanContextValid"],
  context: ["active", "with"],
  propagation: ["inject", "extract"],
  metrics: ["getMeter"],
} as const;

/**
 * **Errors**: TypeError that says what the module lacks.
 */
export function checkedApi(where: string, api: OtelApi): OtelApi {
  for (const [part, methods] of Object.entries(METHODS)) {
    const missing = methods.find((method) => !hasMethod(propertyOf(api, part), method));
    if (missing === undefined) continue;
    throw new TypeError(
      `${where}: the first argument must be the module @opentelemetry/api, 1.3 or later; got ${kindOf(api)} without ${part}.${missing}`,
    );
  }
  return api;
}

/** The `error.type` of what was thrown: the name of its class, or the value that the conventions have for all else. */
export function errorTypeOf(error: unknown): string {
  const name = isError(error) ? propertyOf(error, "name") : undefined;
  return typeof name === "string" && name !== "" ? name : "_OTHER";
}

/** Records an error on a span, and gives it the status of one. */
export function fail(span: OtelSpan, error: unknown): void {
  attempt(() => span.recordException(isError(error) ? error : textOf(error)));
  const message = textOf(isError(error) ? propertyOf(error, "message") : error);
  attempt(() => span.setAttribute("error.type", errorTypeOf(error)));
  attempt(() => span.setStatus({ code: ERROR, message }));
}
