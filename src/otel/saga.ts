/**
 * OpenTelemetry for a saga: a span for each run, each step and each compensation.
 *
 *     saga transfer             from the event `started` to `finished`
 *     ├─ step debit             its attempts that failed are events
 *     ├─ step credit            the status of an error: it is not done
 *     └─ compensate debit       with a link to the step
 *
 * Invariants:
 * - A run changes nothing else: spans are made from its events, and the functions of the caller are only called with a span that is active.
 * - Compensations come one after the other, so one of them is under way at a time. It ends when it is done, when the next one begins, or with the run.
 */
import { attempt } from "../internal/foreign.ts";
import { monotonic } from "../internal/runtime.ts";
import type { Compensate, Run, SagaEvent, SagaOptions, SerializedError } from "../saga/index.ts";
import {
  checkedApi,
  INTERNAL,
  type OtelApi,
  type OtelAttributes,
  type OtelContext,
  type OtelHistogram,
  type OtelSpan,
  type OtelSpanOptions,
  type OtelTracer,
  SCOPE,
  SECONDS,
} from "./api.ts";

/** The instrumentation of a saga. */
export interface SagaInstrument {
  /**
   * The options of a run, with an `observe` that makes the spans, and then calls yours.
   *
   * **Errors**: TypeError if `observe` is no function.
   */
  readonly options: (options: SagaOptions) => SagaOptions;
  /**
   * A step whose span is active while it runs: what it calls is a child of it.
   *
   * **Errors**: TypeError for what is no function.
   */
  readonly step: <In, Done, Out>(run: Run<In, Done, Out>) => Run<In, Done, Out>;
  /**
   * A compensation whose span is active while it runs. One that is not wrapped has a span, too.
   *
   * **Errors**: TypeError for what is no function.
   */
  readonly compensate: <In, Done, Out>(undo: Compensate<In, Done, Out>) => Compensate<In, Done, Out>;
}

/**
 * Makes spans of the runs of a saga, with the `@opentelemetry/api` that you pass. Take one for each saga, because it knows a run by its id.
 *
 * - `saga NAME`, with `headgate.saga.name`, `headgate.saga.id` and `headgate.saga.status`. Its parent is the span that is active where `run` was
 *   called, such as that of a worker's handler. It has the status of an error if the saga is not committed.
 * - `step STEP`, with `headgate.saga.step`, `headgate.saga.key`, `headgate.saga.outcome` and `headgate.saga.attempts`. Attempts that fail
 *   are events.
 * - `compensate STEP`, with a link to the step.
 * - The metric `headgate.saga.duration`.
 *
 * **Errors**: TypeError for what is not `@opentelemetry/api`.
 *
 * @see docs/observability.md
 *
 * @example
 * ```ts no-run
 * import { context } from "headgate";
 * import { instrumentSaga, type OtelApi } from "headgate/otel";
 * import { saga } from "headgate/saga";
 *
 * declare const otel: OtelApi; // import * as otel from "@opentelemetry/api";
 * const spans = instrumentSaga(otel);
 * const trip = saga<string>("trip").step(
 *   "hotel",
 *   spans.step((ctx, { input }) => `room in ${input}`),
 *   spans.compensate((ctx, { output }) => console.log("cancel", output)),
 * );
 * await trip.run(context.background(), "Oslo", spans.options({ deadLetter: (ctx, letter) => console.error(letter) }));
 * ```
 */
export function instrumentSaga(api: OtelApi): SagaInstrument {
  return new Instrumentation(checkedApi("instrumentSaga", api));
}

/** A run under way. */
interface Running {
  readonly span: OtelSpan;
  /** The context in which its steps begin. */
  readonly within: OtelContext;
  readonly attributes: OtelAttributes;
  /** On the monotonic clock. */
  readonly startedAt: number;
  /** By the keys of the steps. */
  readonly steps: Map<string, { readonly span: OtelSpan; error?: SerializedError }>;
  /** The compensation under way. */
  undo?: { readonly key: string; readonly span: OtelSpan; error?: SerializedError };
  /** When the last one ended, in epoch ms. */
  since: number;
}

const ERROR = 2;

class Instrumentation implements SagaInstrument {
  private readonly api: OtelApi;
  private readonly tracer: OtelTracer;
  private readonly took: OtelHistogram;
  /** By the ids of the runs. */
  private readonly runs: Map<string, Running> = new Map();

  constructor(api: OtelApi) {
    this.api = api;
    this.tracer = api.trace.getTracer(SCOPE);
    this.took = api.metrics
      .getMeter(SCOPE)
      .createHistogram("headgate.saga.duration", { ...SECONDS, description: "Duration of sagas." });
  }

  options = (options: SagaOptions): SagaOptions => {
    const observe = options?.observe;
    if (observe !== undefined && typeof observe !== "function")
      throw new TypeError(`instrumentSaga: observe must be a function, got ${typeof observe}`);
    return {
      ...options,
      observe: (event) => {
        attempt(() => this.observe(event));
        return observe?.(event);
      },
    };
  };

  step = <In, Done, Out>(run: Run<In, Done, Out>): Run<In, Done, Out> => {
    mustBeFunction("step", run);
    return (ctx, call) => {
      const span = this.runOf(call.key)?.steps.get(call.key)?.span;
      return this.runIn(span, () => run(ctx, call));
    };
  };

  compensate = <In, Done, Out>(undo: Compensate<In, Done, Out>): Compensate<In, Done, Out> => {
    mustBeFunction("compensate", undo);
    return (ctx, call) => {
      const run = this.runOf(call.key);
      const span = run === undefined ? undefined : attempt(() => this.undoing(run, call.key));
      return this.runIn(span, () => undo(ctx, call));
    };
  };

  /** The run that a step belongs to: the key is the id, a colon, and the name of the step, which has none. */
  private runOf(key: string): Running | undefined {
    return this.runs.get(key.slice(0, key.lastIndexOf(":")));
  }

  private runIn<T>(span: OtelSpan | undefined, call: () => T): T {
    const { trace, context } = this.api;
    const within = span === undefined ? undefined : attempt(() => trace.setSpan(context.active(), span));
    return within === undefined ? call() : context.with(within, call);
  }

  private observe(event: SagaEvent): void {
    if (event.type === "started") return this.started(event);
    const run = this.runs.get(event.id);
    if (run === undefined) return;
    switch (event.type) {
      case "stepStarted":
        run.steps.set(event.key, { span: this.start("step", run, event.key) });
        break;
      case "attemptFailed": {
        if (event.call === "compensate") this.undoing(run, event.key);
        const called = event.call === "run" ? run.steps.get(event.key) : run.undo;
        if (called === undefined) break;
        called.error = event.error;
        called.span.addEvent("attempt failed", { ...describe(event.error), "headgate.saga.attempt": event.attempt });
        break;
      }
      case "stepFinished": {
        const step = run.steps.get(event.key);
        step?.span.setAttribute("headgate.saga.outcome", event.outcome);
        step?.span.setAttribute("headgate.saga.attempts", event.attempts);
        if (event.outcome !== "done") fail(step, event.outcome);
        step?.span.end();
        break;
      }
      case "compensating":
        run.since = event.at;
        run.span.setAttribute("error.type", event.cause.name);
        run.span.addEvent("compensating", describe(event.cause));
        break;
      case "compensated":
        this.undoing(run, event.key).end();
        delete run.undo;
        run.since = event.at;
        break;
      case "deadLettered":
      case "lost":
        this.abandonUndo(run);
        run.span.addEvent(event.type === "lost" ? "letter lost" : "dead-lettered", {
          "headgate.saga.step": event.step,
          "headgate.saga.key": event.key,
        });
        break;
      case "finished":
        this.finished(run, event.id, event.status);
    }
  }

  private started({ saga, id, at }: SagaEvent): void {
    const { trace, context } = this.api;
    const attributes = { "headgate.saga.name": saga };
    const options = { kind: INTERNAL, attributes: { ...attributes, "headgate.saga.id": id } };
    const span = this.tracer.startSpan(`saga ${saga}`, options);
    const within = trace.setSpan(context.active(), span);
    this.runs.set(id, { span, within, attributes, startedAt: monotonic(), steps: new Map(), since: at });
  }

  private finished(run: Running, id: string, status: string): void {
    this.runs.delete(id);
    this.abandonUndo(run);
    run.span.setAttribute("headgate.saga.status", status);
    if (status !== "committed") run.span.setStatus({ code: ERROR, message: status });
    run.span.end();
    this.took.record((monotonic() - run.startedAt) / 1_000, { ...run.attributes, "headgate.saga.status": status });
  }

  private start(operation: string, run: Running, key: string, more: OtelSpanOptions = {}): OtelSpan {
    const step = key.slice(key.lastIndexOf(":") + 1);
    const attributes = { ...run.attributes, "headgate.saga.step": step, "headgate.saga.key": key };
    return this.tracer.startSpan(`${operation} ${step}`, { kind: INTERNAL, attributes, ...more }, run.within);
  }

  /** The span of the compensation that is under way now. If it begins, the one before has ended without success. */
  private undoing(run: Running, key: string): OtelSpan {
    if (run.undo?.key === key) return run.undo.span;
    this.abandonUndo(run);
    const step = run.steps.get(key);
    const links = step === undefined ? [] : [{ context: step.span.spanContext() }];
    const span = this.start("compensate", run, key, { links, startTime: run.since });
    run.undo = { key, span };
    return span;
  }

  private abandonUndo(run: Running): void {
    if (run.undo === undefined) return;
    fail(run.undo, "not undone");
    run.undo.span.end();
    delete run.undo;
  }
}

/** Gives a span the status of an error, and the type of the last one. */
function fail(
  called: { readonly span: OtelSpan; readonly error?: SerializedError } | undefined,
  message: string,
): void {
  if (called?.error !== undefined) called.span.setAttribute("error.type", called.error.name);
  called?.span.setStatus({ code: ERROR, message });
}

function describe({ name, message }: SerializedError): OtelAttributes {
  return { "exception.type": name, "exception.message": message };
}

function mustBeFunction(what: string, fn: unknown): void {
  if (typeof fn !== "function") throw new TypeError(`instrumentSaga: ${what} takes a function, got ${typeof fn}`);
}
