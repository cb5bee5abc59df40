/**
 * An OpenTelemetry of the tests' own: it keeps the spans and the metrics, and carries a span in the attribute `trace`, as `TRACE/SPAN`.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import type { OtelApi, OtelAttributes, OtelContext, OtelSpan, OtelSpanContext, OtelSpanOptions } from "headgate/otel";

const KINDS = ["internal", "server", "client", "producer", "consumer"];

export class FakeSpan implements OtelSpan {
  readonly attributes: OtelAttributes;
  readonly events: string[] = [];
  readonly exceptions: unknown[] = [];
  readonly links: OtelSpanContext[];
  readonly kind: string;
  status: string | undefined;
  /** How often it was ended. */
  ends = 0;

  readonly name: string;
  readonly ids: OtelSpanContext;
  readonly parent: FakeSpan | OtelSpanContext | undefined;

  constructor(
    name: string,
    ids: OtelSpanContext,
    parent: FakeSpan | OtelSpanContext | undefined,
    { kind = 0, attributes = {}, links = [] }: OtelSpanOptions,
  ) {
    this.name = name;
    this.ids = ids;
    this.parent = parent;
    this.kind = KINDS[kind]!;
    this.attributes = { ...attributes };
    this.links = links.map(({ context }) => context);
  }

  spanContext = (): OtelSpanContext => this.ids;
  setAttribute = (key: string, value: string | number | boolean): unknown => (this.attributes[key] = value);
  setStatus = ({ message = "" }: { code: number; message?: string }): unknown => (this.status = message);
  addEvent = (name: string): unknown => this.events.push(name);
  recordException = (exception: unknown): void => void this.exceptions.push(exception);
  end = (): void => void this.ends++;
}

interface Active {
  readonly span?: FakeSpan | OtelSpanContext;
  readonly baggage?: string;
}

export interface Measured {
  readonly name: string;
  readonly value: number;
  readonly attributes: OtelAttributes;
}

export class Fake {
  readonly spans: FakeSpan[] = [];
  readonly measured: Measured[] = [];
  private readonly active: AsyncLocalStorage<Active> = new AsyncLocalStorage();
  private ids = 0;

  /** A name for a span's place: its name, and those of the spans above it. */
  pathOf(span: FakeSpan): string {
    const above = this.spans.find(({ ids }) => ids.spanId === this.idOf(span.parent));
    return above === undefined ? span.name : `${this.pathOf(above)} > ${span.name}`;
  }

  private idOf(parent: FakeSpan["parent"]): string | undefined {
    return parent instanceof FakeSpan ? parent.ids.spanId : parent?.spanId;
  }

  named(name: string): FakeSpan[] {
    return this.spans.filter((span) => span.name === name);
  }

  /** The span that is active here. */
  get current(): FakeSpan | undefined {
    const { span } = this.active.getStore() ?? {};
    return span instanceof FakeSpan ? span : undefined;
  }

  get baggage(): string | undefined {
    return this.active.getStore()?.baggage;
  }

  start = (name: string, options: OtelSpanOptions = {}, context: OtelContext = this.context.active()): FakeSpan => {
    const parent = (context as Active).span;
    const above = parent instanceof FakeSpan ? parent.ids : parent;
    const id = String(++this.ids);
    const span = new FakeSpan(
      name,
      { traceId: above?.traceId ?? `t${id}`, spanId: id, traceFlags: 1 },
      parent,
      options,
    );
    this.spans.push(span);
    return span;
  };

  private readonly context: OtelApi["context"] = {
    active: () => this.active.getStore() ?? {},
    with: (context, fn) => this.active.run(context, fn),
  };

  /** Runs a function while this span is active. */
  within<T>(span: FakeSpan, fn: () => T): T {
    return this.active.run({ span }, fn);
  }

  private metric(name: string): (value: number, attributes?: OtelAttributes) => void {
    return (value, attributes = {}) => void this.measured.push({ name, value, attributes });
  }

  readonly api: OtelApi = {
    trace: {
      getTracer: () => ({ startSpan: this.start }),
      getSpan: (context) => {
        const { span } = context as Active;
        return span instanceof FakeSpan || span === undefined ? span : new FakeSpan("remote", span, undefined, {});
      },
      setSpan: (context, span) => ({ ...context, span }),
      deleteSpan: (context) => ({ ...context, span: undefined }),
      getSpanContext: (context) => {
        const { span } = context as Active;
        return span instanceof FakeSpan ? span.ids : span;
      },
      isSpanContextValid: ({ traceId }) => traceId !== "0",
    },
    context: this.context,
    propagation: {
      inject: (context, carrier) => {
        const { span } = context as Active;
        if (span instanceof FakeSpan) carrier["trace"] = `${span.ids.traceId}/${span.ids.spanId}`;
      },
      extract: (context, carrier, getter) => {
        const [traceId, spanId] = getter.get(carrier, "trace")?.split("/") ?? [];
        const baggage = getter.get(carrier, "baggage");
        return {
          ...context,
          ...(traceId === undefined ? {} : { span: { traceId, spanId: spanId!, traceFlags: 1 } }),
          ...(baggage === undefined ? {} : { baggage }),
        };
      },
    },
    metrics: {
      getMeter: () => ({
        createCounter: (name) => ({ add: this.metric(name) }),
        createHistogram: (name) => ({ record: this.metric(name) }),
      }),
    },
  };
}
