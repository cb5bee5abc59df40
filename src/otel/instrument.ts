/**
 * OpenTelemetry for a worker, by the conventions for messaging: spans, and metrics, and the trace of a message from the program that sent it to the
 * handler.
 *
 *     send orders          PRODUCER   publish: its ids travel in the attributes of the message
 *     └─ process orders    CONSUMER   from the start of the handler to the event `finished`; active in the handler
 *        └─ …                         what the handler calls
 *     ack orders           CLIENT     a call of the source, with a link to each message; its parent is what is active where the worker was called
 *
 * Invariants:
 * - The worker is not changed. Source, handler and options are wrapped, and each does what it did.
 * - Whatever OpenTelemetry throws, no message gets another verdict.
 * - A span of a handler that was started ends with `finished`, which comes once, also if the handler is abandoned.
 */
import { onlyKnown, whole } from "../internal/args.ts";
import { attempt, given } from "../internal/foreign.ts";
import { monotonic } from "../internal/runtime.ts";
import { context, type Context } from "../index.ts";
import {
  type Delivery,
  type Handler,
  LeaseExpired,
  LeaseLost,
  type Source,
  Stopping,
  type Verdict,
  type WorkerEvent,
  type WorkerOptions,
} from "../worker/index.ts";
import { checkedSource } from "../worker/options.ts";
import {
  checkedApi,
  CLIENT,
  CONSUMER,
  errorTypeOf,
  fail,
  type OtelApi,
  type OtelAttributes,
  type OtelContext,
  type OtelCounter,
  type OtelHistogram,
  type OtelSpan,
  type OtelSpanContext,
  type OtelSpanOptions,
  type OtelTracer,
  PRODUCER,
  SCOPE,
  SECONDS,
} from "./api.ts";
import { getter } from "./carrier.ts";

/** The options of the instrumentation of a worker. */
export interface InstrumentOptions {
  /** The broker, by the conventions' names: `rabbitmq`, `gcp_pubsub`; or another one, such as `nats`, `postgresql`, `redis`. */
  readonly system: string;
  /** The queue, stream, subject or subscription. It is in the names of the spans, so it must be one of few. */
  readonly destination: string;
  /** Attributes of all spans and metrics, such as `messaging.consumer.group.name`. Each value must be one of few.
   *
   * @default {}
   */
  readonly attributes?: Readonly<OtelAttributes>;
  /**
   * The parent of the span of a handler.
   *
   * `"producer"`: the span that sent the message, so a request is one trace. `"link"`: what is active where the worker was called; mostly
   * nothing, so each message has a trace of its own. The span has a link to the one that sent the message in both cases.
   *
   * @default "producer"
   */
  readonly parent?: "producer" | "link";
  /**
   * Whether a pull that has brought messages, or has failed, gets a span.
   *
   * @default false
   */
  readonly receive?: boolean;
  /**
   * Whether the calls with verdicts get spans.
   *
   * @default true
   */
  readonly settle?: boolean;
}

/** The options of a send. */
export interface SendOptions {
  /**
   * Attributes of the message. Those of the trace are added.
   *
   * @default {}
   */
  readonly attributes?: Readonly<Record<string, string>>;
  /**
   * The number of messages that are sent. All have the same attributes.
   *
   * @default 1
   */
  readonly count?: number;
}

/** The instrumentation of the workers of one queue, and of the programs that send to it. */
export interface Instrument {
  /**
   * A source whose calls are measured, and get spans. Pass it to the worker, and close the source itself.
   *
   * **Errors**: TypeError or RangeError, as the worker has for a source.
   */
  readonly source: <D extends Delivery>(source: Source<D>) => Source<D>;
  /**
   * A handler with a span, which is active in it: spans that are begun there are its children, and logs have its ids.
   *
   * **Errors**: TypeError for what is no function.
   */
  readonly handler: <D extends Delivery>(handle: Handler<D>) => Handler<D>;
  /**
   * The options of the worker, with an `observe` that ends the spans of handlers, and then calls yours. Without them such a span ends with its
   * handler, and has no verdict.
   *
   * **Errors**: TypeError if `observe` is no function.
   */
  readonly options: <D extends Delivery>(options?: WorkerOptions<D>) => WorkerOptions<D>;
  /**
   * Calls `send` in a span, with the attributes that the message must have for its trace to go on. Resolves to its result.
   *
   * **Cancellation**: takes no ctx.
   *
   * **Errors**: rejects as `send` does, and with a TypeError or RangeError for a wrong argument.
   */
  readonly publish: <T>(
    send: (attributes: Record<string, string>) => PromiseLike<T> | T,
    options?: SendOptions,
  ) => Promise<T>;
}

/**
 * Makes spans and metrics of a worker, with the `@opentelemetry/api` that you pass: nothing is imported.
 *
 * - `process DESTINATION`: the handler of one message, with `headgate.verdict`, `headgate.attempt`, `headgate.delivery.id`. It has the status of an
 *   error if the message is retried, dead, or its lease is lost; not if it is released. `headgate.cause` has the name of the cause that ended
 *   its ctx, and `headgate.abandoned` says that it ended before its handler.
 * - `ack DESTINATION`, `nack …`, `dead_letter …`: one call of the source, with a link to each message. Extending a lease has no span.
 * - `send DESTINATION`: the call of `publish`.
 * - The metrics `messaging.process.duration`, `messaging.client.operation.duration`, `messaging.client.consumed.messages` and
 *   `messaging.client.sent.messages`.
 *
 * A handler that was abandoned, and ends later, changes nothing. The id of a delivery is that of the broker for this delivery. If the broker has
 * one for the message, set `messaging.message.id` on the active span.
 *
 * **Errors**: TypeError or RangeError, naming the argument and the rule.
 *
 * @see docs/observability.md
 *
 * @example
 * ```ts no-run
 * import { context } from "headgate";
 * import { instrument, type OtelApi } from "headgate/otel";
 * import { memoryBroker, worker } from "headgate/worker";
 *
 * declare const otel: OtelApi; // import * as otel from "@opentelemetry/api";
 * const broker = memoryBroker<string>();
 * const orders = instrument(otel, { system: "memory", destination: "orders" });
 * await orders.publish((attributes) => broker.publish("order 1", { attributes }));
 * broker.end();
 * await worker(context.background(), orders.source(broker), orders.handler(() => {}), orders.options());
 * ```
 */
export function instrument(api: OtelApi, options: InstrumentOptions): Instrument {
  return new Instrumentation(checkedApi("instrument", api), checked(options));
}

type Settings = Required<InstrumentOptions>;

const OPTIONS: Readonly<Record<keyof InstrumentOptions, true>> = {
  system: true,
  destination: true,
  attributes: true,
  parent: true,
  receive: true,
  settle: true,
};
const SEND: Readonly<Record<keyof SendOptions, true>> = { attributes: true, count: true };

/** **Errors**: TypeError or RangeError, naming the option and the rule. */
function checked(options: InstrumentOptions): Settings {
  const read = onlyKnown("instrument", options, OPTIONS);
  const { parent = "producer", receive = false, settle = true, attributes = {} } = read;
  for (const name of ["system", "destination"] as const) {
    if (typeof read[name] !== "string" || read[name] === "")
      throw new TypeError(`instrument: ${name} must be a text that is not empty; got ${given(read[name])}`);
  }
  for (const [name, value] of Object.entries({ receive, settle })) {
    if (typeof value !== "boolean")
      throw new TypeError(`instrument: ${name} must be true or false; got ${given(value)}`);
  }
  if (parent !== "producer" && parent !== "link")
    throw new RangeError(`instrument: parent must be "producer" or "link"; got ${given(parent)}`);
  if (typeof attributes !== "object" || attributes === null)
    throw new TypeError(`instrument: attributes must be an object, got ${given(attributes)}`);
  return { ...read, parent, receive, settle, attributes: { ...attributes } };
}

/** A handler under way. */
interface Processing {
  readonly span: OtelSpan;
  /** The context in which its handler runs. */
  readonly within: OtelContext;
  readonly ctx: Context;
  /** When it started, on the monotonic clock. */
  readonly startedAt: number;
  hasEnded: boolean;
}

class Instrumentation implements Instrument {
  private readonly api: OtelApi;
  private readonly settings: Settings;
  private readonly tracer: OtelTracer;
  private readonly processed: OtelHistogram;
  private readonly operated: OtelHistogram;
  private readonly consumed: OtelCounter;
  private readonly sent: OtelCounter;
  /** The handlers under way, by their deliveries. */
  private readonly open: WeakMap<Delivery, Processing> = new WeakMap();
  /** The events of a worker end the spans. */
  private isObserved = false;

  constructor(api: OtelApi, settings: Settings) {
    this.api = api;
    this.settings = settings;
    this.tracer = api.trace.getTracer(SCOPE);
    const meter = api.metrics.getMeter(SCOPE);
    const histogram = (name: string, description: string): OtelHistogram =>
      meter.createHistogram(name, { ...SECONDS, description });
    const counter = (name: string, description: string): OtelCounter =>
      meter.createCounter(name, { unit: "{message}", description });
    this.processed = histogram("messaging.process.duration", "Duration of handlers.");
    this.operated = histogram("messaging.client.operation.duration", "Duration of the calls of the broker.");
    this.consumed = counter("messaging.client.consumed.messages", "Messages that were delivered.");
    this.sent = counter("messaging.client.sent.messages", "Messages that were sent.");
  }

  // ---------------------------------------------------------------------------------------------------------------- the source

  source = <D extends Delivery>(source: Source<D>): Source<D> => {
    const inner = checkedSource(source);
    const deliveriesOf = (items: readonly { readonly delivery: D }[]): D[] => items.map(({ delivery }) => delivery);
    return {
      pull: (ctx, max, room) => this.pull(() => inner.pull(ctx, max, room)),
      get ended() {
        return inner.ended === true;
      },
      ack: (ctx, deliveries) => this.settle("ack", deliveries, () => inner.ack(ctx, deliveries)),
      nack: (ctx, items) => this.settle("nack", deliveriesOf(items), () => inner.nack(ctx, items)),
      ...(inner.deadLetter === undefined
        ? {}
        : {
            deadLetter: (ctx, items) =>
              this.settle("dead_letter", deliveriesOf(items), () => inner.deadLetter!(ctx, items)),
          }),
      ...(inner.extend === undefined ? {} : { extend: (ctx, deliveries) => inner.extend!(ctx, deliveries) }),
      ...(inner.lease === undefined ? {} : { lease: inner.lease }),
    };
  };

  /** A pull that has brought nothing leaves no trace. */
  private async pull<D extends Delivery>(call: () => Promise<readonly D[]>): Promise<readonly D[]> {
    const begun = monotonic();
    try {
      const deliveries = await call();
      const count = Array.isArray(deliveries) ? deliveries.length : 0;
      if (count > 0) this.received(begun, deliveries);
      return deliveries;
    } catch (error) {
      const span = this.settings.receive ? this.start("receive", "receive", CLIENT) : undefined;
      this.finishCall("receive", "receive", begun, span, { error });
      throw error;
    }
  }

  private received(begun: number, deliveries: readonly Delivery[]): void {
    const span = this.settings.receive ? this.start("receive", "receive", CLIENT, deliveries) : undefined;
    attempt(() => this.consumed.add(deliveries.length, this.attributesOf("receive", "receive")));
    this.finishCall("receive", "receive", begun, span);
  }

  private async settle<D extends Delivery>(
    operation: string,
    deliveries: readonly D[],
    call: () => Promise<readonly D[] | void>,
  ): Promise<readonly D[] | void> {
    const begun = monotonic();
    const span = this.settings.settle ? this.start(operation, "settle", CLIENT, deliveries) : undefined;
    try {
      const lost = await this.runIn(span, call);
      if (Array.isArray(lost) && lost.length > 0)
        attempt(() => span?.setAttribute("headgate.leases_lost", lost.length));
      this.finishCall(operation, "settle", begun, span);
      return lost;
    } catch (error) {
      this.finishCall(operation, "settle", begun, span, { error });
      throw error;
    }
  }

  // --------------------------------------------------------------------------------------------------------------- the handler

  handler = <D extends Delivery>(handle: Handler<D>): Handler<D> => {
    if (typeof handle !== "function")
      throw new TypeError(`instrument: the handler must be a function, got ${typeof handle}`);
    return async (ctx, delivery) => {
      const processing = attempt(() => this.begin(ctx, delivery));
      if (processing === undefined) return handle(ctx, delivery);
      let failure: { readonly error: unknown } | undefined;
      try {
        return await this.api.context.with(processing.within, () => handle(ctx, delivery));
      } catch (error) {
        failure = { error };
        throw error;
      } finally {
        processing.hasEnded = true;
        if (!this.isObserved) this.end(delivery, monotonic() - processing.startedAt, undefined, failure);
      }
    };
  };

  private begin(ctx: Context, delivery: Delivery): Processing {
    const { trace, propagation, context } = this.api;
    const ambient = context.active();
    const ambientSpan = trace.getSpan(ambient);
    // With the baggage of the message.
    const carried = propagation.extract(trace.deleteSpan(ambient), attributesOf(delivery), getter);
    const origin = this.originOf(delivery);
    const isChild = this.settings.parent === "producer" && origin !== undefined;
    const above = isChild
      ? carried
      : ambientSpan === undefined
        ? trace.deleteSpan(carried)
        : trace.setSpan(carried, ambientSpan);
    const links = [origin, isChild ? ambientSpan?.spanContext() : undefined].filter((each) => each !== undefined);
    const { id, attempt } = delivery;
    const attributes = {
      ...this.attributesOf("process", "process"),
      ...(typeof id === "string" ? { "headgate.delivery.id": id } : {}),
      ...(typeof attempt === "number" ? { "headgate.attempt": attempt } : {}),
    };
    const options = { kind: CONSUMER, attributes, links: links.map((each) => ({ context: each })) };
    const span = this.tracer.startSpan(`process ${this.settings.destination}`, options, above);
    const within = trace.setSpan(above, span);
    const processing = { span, within, ctx, startedAt: monotonic(), hasEnded: false };
    this.open.set(delivery, processing);
    return processing;
  }

  options = <D extends Delivery>(options: WorkerOptions<D> = {}): WorkerOptions<D> => {
    const observe = options?.observe;
    if (observe !== undefined && typeof observe !== "function")
      throw new TypeError(`instrument: observe must be a function, got ${typeof observe}`);
    this.isObserved = true;
    return {
      ...options,
      observe: (event) => {
        this.observe(event);
        return observe?.(event);
      },
    };
  };

  private observe(event: WorkerEvent): void {
    if (event.type !== "finished") return;
    const { delivery, ms, verdict, error } = event;
    const isFailure = verdict === "retried" || verdict === "dead" || verdict === "expired";
    this.end(delivery, ms, verdict, isFailure ? { error } : undefined);
  }

  /** Ends the span of a handler, and measures it. */
  private end(
    delivery: Delivery,
    ms: number,
    verdict: Verdict | undefined,
    failure: { readonly error: unknown } | undefined,
  ): void {
    const processing = this.open.get(delivery);
    this.open.delete(delivery);
    const cause = processing === undefined ? undefined : causeOf(processing.ctx);
    // If the lease was lost, that is why the message was not settled, whatever the handler has made of it.
    const error = verdict === "expired" ? (cause ?? new LeaseLost()) : failure?.error;
    attempt(() =>
      this.processed.record(ms / 1_000, {
        ...this.attributesOf("process", "process"),
        ...(failure === undefined ? {} : { "error.type": errorTypeOf(error) }),
      }),
    );
    if (processing === undefined) return;
    const { span, hasEnded } = processing;
    attempt(() => {
      if (verdict !== undefined) span.setAttribute("headgate.verdict", verdict);
      if (cause !== undefined) span.setAttribute("headgate.cause", cause.name);
      if (!hasEnded) span.setAttribute("headgate.abandoned", true);
      if (failure !== undefined) fail(span, error);
    });
    attempt(() => span.end());
  }

  // --------------------------------------------------------------------------------------------------------------- the producer

  publish = async <T>(
    send: (attributes: Record<string, string>) => PromiseLike<T> | T,
    options: SendOptions = {},
  ): Promise<T> => {
    if (typeof send !== "function")
      throw new TypeError(`instrument: publish takes a function that sends, got ${typeof send}`);
    const { attributes = {}, count } = onlyKnown("instrument: publish", options, SEND);
    if (count !== undefined) whole("instrument: publish: count", count, 1);
    if (typeof attributes !== "object" || attributes === null)
      throw new TypeError(`instrument: publish: attributes must be an object, got ${given(attributes)}`);
    const begun = monotonic();
    const span = this.start("send", "send", PRODUCER, undefined, count);
    const carrier = { ...attributes };
    try {
      const result = await this.runIn(span, () => {
        attempt(() => this.api.propagation.inject(this.api.context.active(), carrier));
        return send(carrier);
      });
      attempt(() => this.sent.add(count ?? 1, this.attributesOf("send", "send")));
      this.finishCall("send", "send", begun, span);
      return result;
    } catch (error) {
      this.finishCall("send", "send", begun, span, { error });
      throw error;
    }
  };

  // --------------------------------------------------------------------------------------------------------------- all of them

  private attributesOf(operation: string, type: string): OtelAttributes {
    const { system, destination, attributes } = this.settings;
    return {
      ...attributes,
      "messaging.system": system,
      "messaging.destination.name": destination,
      "messaging.operation.name": operation,
      "messaging.operation.type": type,
    };
  }

  /** Starts the span of a call of the broker, with links to the messages that it is about. */
  private start(
    operation: string,
    type: string,
    kind: number,
    deliveries: readonly Delivery[] = [],
    count: number | undefined = deliveries.length > 0 ? deliveries.length : undefined,
  ): OtelSpan | undefined {
    return attempt(() => {
      const attributes = this.attributesOf(operation, type);
      if (count !== undefined) attributes["messaging.batch.message_count"] = count;
      const links = deliveries.map((each) => this.originOf(each)).filter((each) => each !== undefined);
      const options: OtelSpanOptions = { kind, attributes, links: links.map((each) => ({ context: each })) };
      return this.tracer.startSpan(`${operation} ${this.settings.destination}`, options);
    });
  }

  /** Calls a function while a span is active: what it sends is a child of that. */
  private async runIn<T>(span: OtelSpan | undefined, call: () => PromiseLike<T> | T): Promise<T> {
    const { trace, context } = this.api;
    const within = span === undefined ? undefined : attempt(() => trace.setSpan(context.active(), span));
    return within === undefined ? call() : context.with(within, call);
  }

  /** Measures a call of the broker, and ends its span. */
  private finishCall(
    operation: string,
    type: string,
    begun: number,
    span: OtelSpan | undefined,
    failure?: { readonly error: unknown },
  ): void {
    attempt(() =>
      this.operated.record((monotonic() - begun) / 1_000, {
        ...this.attributesOf(operation, type),
        ...(failure === undefined ? {} : { "error.type": errorTypeOf(failure.error) }),
      }),
    );
    if (span === undefined) return;
    if (failure !== undefined) fail(span, failure.error);
    attempt(() => span.end());
  }

  /** The span that has sent a message, by the attributes of its delivery. */
  private originOf(delivery: Delivery): OtelSpanContext | undefined {
    return attempt(() => {
      const { trace, propagation, context } = this.api;
      const carried = propagation.extract(trace.deleteSpan(context.active()), attributesOf(delivery), getter);
      const origin = trace.getSpanContext(carried);
      return origin !== undefined && trace.isSpanContextValid(origin) ? origin : undefined;
    });
  }
}

/** The attributes of a delivery; none if they cannot be read. */
function attributesOf(delivery: Delivery): Readonly<Record<string, string>> {
  return attempt(() => delivery.attributes) ?? {};
}

/** The cause with which the worker has ended the ctx of a handler; undefined if it has not, or only because the handler was over. */
function causeOf(ctx: Context): Error | undefined {
  const cause = attempt(() => context.cause(ctx));
  const isOurs = [Stopping, LeaseLost, LeaseExpired].some((Class) => cause instanceof Class);
  return isOurs ? (cause as Error) : undefined;
}
