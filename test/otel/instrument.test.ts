/**
 * The spans and metrics of a worker, made with a tracer of the tests' own. `run.mjs` makes them with the SDK of OpenTelemetry.
 */
import { context, type Context, time } from "headgate";
import { instrument, type InstrumentOptions, type OtelApi } from "headgate/otel";
import { type Delivery, memoryBroker, type MemoryBroker, Permanent, type Source, worker } from "headgate/worker";
import { describe, expect, it } from "vitest";
import { elapse, virtualTime } from "../support/clock.ts";
import { override } from "../worker/harness.ts";
import { Fake } from "./fake.ts";

const background = context.background();
const OPTIONS: InstrumentOptions = { system: "memory", destination: "orders" };

/** Sends these bodies, one after the other, each in a span of its own. */
async function send(orders: ReturnType<typeof instrument>, broker: MemoryBroker<string>, ...bodies: string[]) {
  for (const body of bodies) await orders.publish((attributes) => broker.publish(body, { attributes }));
}

describe("a message", () => {
  virtualTime();

  it("is one trace, from the span that sends it to what its handler calls", async () => {
    const fake = new Fake();
    const orders = instrument(fake.api, OPTIONS);
    const broker = memoryBroker<string>();
    await send(orders, broker, "a");
    broker.end();
    const handle = async (ctx: Context): Promise<void> => {
      await time.sleep(1, ctx);
      fake.start("SELECT").end();
    };
    const running = worker(background, orders.source(broker), orders.handler(handle), orders.options());
    await elapse(100);
    await running;
    expect(fake.spans.map((span) => [fake.pathOf(span), span.kind, span.ends])).toEqual([
      ["send orders", "producer", 1],
      ["send orders > process orders", "consumer", 1],
      ["send orders > process orders > SELECT", "internal", 1],
      ["ack orders", "client", 1],
    ]);
    const [sent, processed, , ack] = fake.spans;
    expect(processed!.links).toEqual([sent!.ids]);
    expect(ack!.links).toEqual([sent!.ids]);
    expect(processed!.attributes).toEqual({
      "messaging.system": "memory",
      "messaging.destination.name": "orders",
      "messaging.operation.name": "process",
      "messaging.operation.type": "process",
      "headgate.delivery.id": "1.1",
      "headgate.attempt": 1,
      "headgate.verdict": "acked",
    });
    expect(processed!.status).toBeUndefined();
  });

  it("without a trace has a span that begins one, and no links", async () => {
    const fake = new Fake();
    const orders = instrument(fake.api, OPTIONS);
    const broker = memoryBroker<string>();
    await broker.publish("a");
    broker.end();
    await worker(
      background,
      orders.source(broker),
      orders.handler(() => {}),
      orders.options(),
    );
    expect(fake.spans.map((span) => [fake.pathOf(span), span.links])).toEqual([
      ["process orders", []],
      ["ack orders", []],
    ]);
  });

  it("whose ids are invalid, or cannot be read, counts as one without a trace", async () => {
    const fake = new Fake();
    const orders = instrument(fake.api, OPTIONS);
    const handle = orders.handler(() => {});
    const hostile = Object.defineProperty({ id: "1", body: "a" }, "attributes", {
      get: () => {
        throw new Error("no");
      },
    });
    await handle(background, { id: "1", body: "a", attributes: { trace: "0/1" } });
    await handle(background, { id: "1", body: "a", attributes: { trace: 7 as never } });
    await handle(background, hostile);
    expect(fake.spans.map((span) => span.links)).toEqual([[], [], []]);
  });

  it("carries its ids under names of any case, and its baggage to the handler", async () => {
    const fake = new Fake();
    let baggage: string | undefined;
    for (const parent of ["producer", "link"] as const) {
      const handle = instrument(fake.api, { ...OPTIONS, parent }).handler(() => (baggage = fake.baggage));
      await handle(background, { id: "1", body: "a", attributes: { Trace: "t/7", Baggage: "tenant=1" } });
      expect(fake.spans.at(-1)!.links).toEqual([{ traceId: "t", spanId: "7", traceFlags: 1 }]);
      expect(baggage).toBe("tenant=1");
    }
  });

  it("has links to both when its handler runs in a span of its own", async () => {
    const fake = new Fake();
    const poll = fake.start("poll");
    const delivery = { id: "1", body: "a", attributes: { trace: "t/7" } };
    const run = (parent: "producer" | "link"): unknown =>
      fake.within(poll, () => instrument(fake.api, { ...OPTIONS, parent }).handler(() => {})(background, delivery));
    await run("producer");
    await run("link");
    const [child, linked] = fake.named("process orders");
    expect([child!.ids.traceId, child!.links.map(({ spanId }) => spanId)]).toEqual(["t", ["7", poll.ids.spanId]]);
    expect([linked!.ids.traceId, linked!.links.map(({ spanId }) => spanId)]).toEqual([poll.ids.traceId, ["7"]]);
  });
});

describe("the span of a handler", () => {
  virtualTime();

  /** Runs a worker until `ms` have passed since its stop, if it is stopped. */
  async function run(
    handle: (ctx: Context, delivery: Delivery<string>) => unknown,
    { bodies = ["a"], source = (broker) => broker, ...options }: RunOptions = {},
  ): Promise<Fake> {
    const fake = new Fake();
    const orders = instrument(fake.api, OPTIONS);
    const broker = memoryBroker<string>({ lease: 300 });
    await send(orders, broker, ...bodies);
    if (options.stopAfter === undefined) broker.end();
    const [stop, end] = context.withCancel(background);
    const running = worker(
      stop,
      orders.source(source(broker)),
      orders.handler(handle),
      orders.options({ backoff: () => 1, maxAttempts: 2, grace: 1_000 }),
    );
    await elapse(options.stopAfter ?? 2_000);
    end();
    await elapse(2_000);
    await running;
    return fake;
  }

  interface RunOptions {
    readonly bodies?: readonly string[];
    readonly stopAfter?: number;
    readonly source?: (broker: MemoryBroker<string>) => Source<Delivery<string>>;
  }

  it("has the status of an error, and the error, when the message is retried and when it is dead", async () => {
    const fake = await run(() => {
      throw new RangeError("out of stock");
    });
    const spans = fake.named("process orders");
    expect(
      spans.map(({ status, attributes: a }) => [status, a["error.type"], a["headgate.verdict"], a["headgate.attempt"]]),
    ).toEqual([
      ["out of stock", "RangeError", "retried", 1],
      ["out of stock", "RangeError", "dead", 2],
    ]);
    expect(spans.map(({ exceptions }) => String(exceptions))).toEqual([
      "RangeError: out of stock",
      "RangeError: out of stock",
    ]);
  });

  it("has one also when undefined is thrown, or what cannot be shown", async () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const thrown of [undefined, "no", proxy]) {
      const fake = await run(() => {
        throw thrown;
      });
      const spans = fake.named("process orders");
      expect(spans.map(({ ends, attributes }) => [ends, attributes["error.type"]])).toEqual([
        [1, "_OTHER"],
        [1, "_OTHER"],
      ]);
    }
  });

  it("has none when the message is released because the worker stops, and says so", async () => {
    const fake = await run((ctx) => time.sleep(60_000, ctx), { stopAfter: 100 });
    const [span] = fake.named("process orders");
    expect(span).toMatchObject({ status: undefined, exceptions: [], ends: 1 });
    expect(span!.attributes).toMatchObject({ "headgate.verdict": "released", "headgate.cause": "Stopping" });
    expect(span!.attributes).not.toHaveProperty("headgate.abandoned");
  });

  it("ends when the handler is abandoned, and its late end changes nothing", async () => {
    const fake = await run(() => time.sleep(10_000), { stopAfter: 100 });
    const [span] = fake.named("process orders");
    const attributes = { ...span!.attributes };
    expect(attributes).toMatchObject({ "headgate.verdict": "released", "headgate.abandoned": true });
    await elapse(20_000);
    expect([span!.ends, span!.attributes]).toEqual([1, attributes]);
    expect(fake.measured.filter(({ name }) => name === "messaging.process.duration").length).toBe(1);
  });

  it("has the status of an error when the lease was lost, whatever the handler does then", async () => {
    for (const after of [
      (): void => {},
      (): never => {
        throw new Error("boom");
      },
    ]) {
      const fake = await run(
        async (ctx) => {
          await time.sleep(1_000, ctx).catch(() => {});
          after();
        },
        { source: (broker) => override(broker, { extend: async (_, deliveries) => deliveries }), stopAfter: 250 },
      );
      const [span] = fake.named("process orders");
      expect(span!.attributes).toMatchObject({
        "headgate.verdict": "expired",
        "headgate.cause": "LeaseLost",
        "error.type": "LeaseLost",
      });
      expect(span!.status).toBe("worker: lease lost");
    }
  });

  it("ends with the handler when the options are not passed to the worker", async () => {
    const fake = new Fake();
    const orders = instrument(fake.api, OPTIONS);
    const broker = memoryBroker<string>();
    for (const body of ["good", "bad"]) await broker.publish(body);
    broker.end();
    const handle = (_: Context, { body }: Delivery<string>): void => {
      if (body === "bad") throw new Permanent("no use");
    };
    await worker(background, orders.source(broker), orders.handler(handle));
    const spans = fake.named("process orders");
    expect(spans.map(({ ends, status, attributes }) => [ends, status, attributes["headgate.verdict"]])).toEqual([
      [1, undefined, undefined],
      [1, "no use", undefined],
    ]);
  });
});

describe("the calls of a source", () => {
  virtualTime();

  async function settled(options: Partial<InstrumentOptions>, calls: Partial<Source<Delivery<string>>> = {}) {
    const fake = new Fake();
    const orders = instrument(fake.api, { ...OPTIONS, ...options });
    const broker = memoryBroker<string>();
    await send(orders, broker, "good", "good", "flaky", "bad");
    broker.end();
    const handle = (_: Context, { body, attempt }: Delivery<string>): void => {
      if (body === "flaky" && attempt === 1) throw new Error("again");
      if (body === "bad") throw new Permanent("no use");
    };
    const source = orders.source(override(broker, calls));
    const [stop, end] = context.withCancel(background);
    const running = worker(stop, source, orders.handler(handle), orders.options({ backoff: () => 1 }));
    await elapse(20_000);
    // A message that is never settled would keep the broker from ending.
    end();
    await elapse(60_000);
    await running;
    return fake;
  }

  it("have a span each, with the number of messages and a link to each", async () => {
    const fake = await settled({});
    const spans = fake.spans.filter(({ kind }) => kind === "client");
    expect(
      spans.map(({ name, attributes, links }) => [name, attributes["messaging.batch.message_count"], links.length]),
    ).toEqual([
      ["ack orders", 2, 2],
      ["nack orders", 1, 1],
      ["dead_letter orders", 1, 1],
      ["ack orders", 1, 1],
    ]);
    const sent = fake.named("send orders").map(({ ids }) => ids);
    expect(spans[0]!.links).toEqual(sent.slice(0, 2));
    expect(spans[2]!.links).toEqual([sent[3]]);
  });

  it("are active while the source is called, so that its client's spans are their children", async () => {
    const fake = new Fake();
    const orders = instrument(fake.api, OPTIONS);
    const source = orders.source({
      pull: async () => [],
      ack: async () => void fake.start("UPDATE"),
      nack: async () => {},
    });
    await source.ack(background, []);
    expect(fake.spans.map((span) => fake.pathOf(span))).toEqual(["ack orders", "ack orders > UPDATE"]);
  });

  it("have an error when they fail, and say how many leases were lost", async () => {
    let calls = 0;
    const fake = await settled(
      {},
      {
        ack: async (_, deliveries) => {
          if (calls++ === 0) throw new TypeError("away");
          return deliveries;
        },
      },
    );
    const [failed, answered] = fake.named("ack orders");
    expect([failed!.status, failed!.attributes["error.type"], failed!.ends]).toEqual(["away", "TypeError", 1]);
    expect(answered!.attributes["headgate.leases_lost"]).toBe(answered!.attributes["messaging.batch.message_count"]);
  });

  it("have no spans with settle: false, and a span for each pull that brings something with receive: true", async () => {
    expect((await settled({ settle: false })).spans.filter(({ kind }) => kind === "client")).toEqual([]);
    const fake = await settled({ receive: true });
    const [first] = fake.named("receive orders");
    expect([first!.attributes["messaging.batch.message_count"], first!.links.length]).toEqual([4, 4]);
    expect(fake.named("receive orders").every(({ links, ends }) => links.length > 0 && ends === 1)).toBe(true);
  });

  it("are measured, by operation and by error", async () => {
    const fake = await settled({ settle: false }, { deadLetter: () => Promise.reject(new SyntaxError("no")) });
    const rows = fake.measured.map(({ name, value, attributes: a }) =>
      [name, a["messaging.operation.name"], a["error.type"] ?? "", name.endsWith("duration") ? "" : value].join(" "),
    );
    expect(rows.filter((row) => row.startsWith("messaging.process.duration")).sort()).toEqual([
      "messaging.process.duration process  ",
      "messaging.process.duration process  ",
      "messaging.process.duration process  ",
      "messaging.process.duration process Error ",
      "messaging.process.duration process Permanent ",
    ]);
    expect(rows).toContain("messaging.client.operation.duration dead_letter SyntaxError ");
    expect(rows).toContain("messaging.client.operation.duration ack  ");
    expect(rows).toContain("messaging.client.consumed.messages receive  4");
    expect(rows.filter((row) => row === "messaging.client.sent.messages send  1").length).toBe(4);
  });

  it("do what the source does, and offer what it offers", async () => {
    const orders = instrument(new Fake().api, OPTIONS);
    const broker = memoryBroker<string>({ lease: 77 });
    const source = orders.source(broker);
    expect([source.lease, source.ended, typeof source.deadLetter, typeof source.extend]).toEqual([
      77,
      false,
      "function",
      "function",
    ]);
    broker.end();
    expect(source.ended).toBe(true);
    const plain = orders.source({ pull: async () => [], ack: async () => {}, nack: async () => {} });
    expect(Object.keys(plain).sort()).toEqual(["ack", "ended", "nack", "pull"]);
  });
});

describe("a send", () => {
  it("resolves to its result, and rejects with its error, in a span of its own", async () => {
    const fake = new Fake();
    const orders = instrument(fake.api, OPTIONS);
    expect(await orders.publish(() => 7)).toBe(7);
    const away = new Error("away");
    await expect(orders.publish(() => Promise.reject(away))).rejects.toBe(away);
    expect(fake.spans.map(({ kind, status, ends }) => [kind, status, ends])).toEqual([
      ["producer", undefined, 1],
      ["producer", "away", 1],
    ]);
  });

  it("has the attributes that it was given, and those of the trace, in an object of its own", async () => {
    const fake = new Fake();
    const attributes = { colour: "red" };
    let got: Record<string, string> | undefined;
    await instrument(fake.api, OPTIONS).publish((carrier) => (got = carrier), { attributes, count: 3 });
    expect(got).toEqual({ colour: "red", trace: "t1/1" });
    expect(attributes).toEqual({ colour: "red" });
    expect(fake.spans[0]!.attributes["messaging.batch.message_count"]).toBe(3);
    expect(fake.measured.find(({ name }) => name === "messaging.client.sent.messages")!.value).toBe(3);
  });
});

describe("an OpenTelemetry that throws", () => {
  it.each(["startSpan", "end", "setAttribute", "record", "extract", "inject", "active"])(
    "in %s changes nothing that happens to a message",
    async (method) => {
      const orders = instrument(throwingIn(new Fake().api, method), { ...OPTIONS, receive: true });
      const broker = memoryBroker<string>();
      await send(orders, broker, "good", "bad");
      broker.end();
      const handle = (_: Context, { body }: Delivery<string>): void => {
        if (body === "bad") throw new Permanent("no use");
      };
      const report = await worker(background, orders.source(broker), orders.handler(handle), orders.options());
      expect(report).toMatchObject({ pulled: 2, started: 2, acked: 1, dead: 1 });
      expect(report.sourceErrors).toBeUndefined();
    },
  );
});

/** The API, one of whose methods throws. */
function throwingIn(api: OtelApi, method: string): OtelApi {
  const wrap = <T extends object>(value: T): T =>
    new Proxy(value, {
      get(target, name) {
        const property: unknown = Reflect.get(target, name);
        if (name === method)
          return () => {
            throw new Error("broken telemetry");
          };
        if (typeof property === "function")
          return (...args: unknown[]) => {
            const result: unknown = Reflect.apply(property, target, args);
            return typeof result === "object" && result !== null && /^(get|create|start)/.test(String(name))
              ? wrap(result)
              : result;
          };
        return typeof property === "object" && property !== null ? wrap(property) : property;
      },
    });
  return wrap(api);
}

describe("the arguments", () => {
  const { api } = new Fake();

  it.each([
    [{}, "instrument: system must be a text that is not empty; got undefined"],
    [{ system: "a", destination: "" }, "instrument: destination must be a text that is not empty; got the string"],
    [{ ...OPTIONS, parent: "child" }, 'instrument: parent must be "producer" or "link"; got the string "child"'],
    [{ ...OPTIONS, settle: 1 }, "instrument: settle must be true or false; got 1"],
    [{ ...OPTIONS, attributes: null }, "instrument: attributes must be an object, got null"],
    [{ ...OPTIONS, name: "a" }, /^instrument: there is no option name; there are system, destination/],
  ])("%o are refused", (options, message) => {
    expect(() => instrument(api, options as InstrumentOptions)).toThrow(message);
  });

  it("are refused if the first is not the module of OpenTelemetry, which the error names", () => {
    expect(() => instrument(undefined as never, OPTIONS)).toThrow(
      "instrument: the first argument must be the module @opentelemetry/api, 1.3 or later; got undefined without trace.getTracer",
    );
    expect(() => instrument({ ...api, metrics: undefined } as never, OPTIONS)).toThrow(/without metrics\.getMeter$/);
  });

  it("are refused as the worker does: a source without a method, a handler and an observer that are none", async () => {
    const orders = instrument(api, OPTIONS);
    expect(() => orders.source({ pull: 1 } as never)).toThrow("worker: the source has no pull");
    expect(() => orders.handler(1 as never)).toThrow("instrument: the handler must be a function, got number");
    expect(() => orders.options({ observe: 1 as never })).toThrow("instrument: observe must be a function, got number");
    await expect(orders.publish(1 as never)).rejects.toThrow(
      "instrument: publish takes a function that sends, got number",
    );
    await expect(orders.publish(() => {}, { count: 0 })).rejects.toThrow(/count must be a whole number from 1; got 0$/);
  });

  it("are passed on: what the worker has for other options, and the observer with every event", async () => {
    const types: string[] = [];
    const broker = memoryBroker<string>();
    await broker.publish("a");
    broker.end();
    const orders = instrument(api, OPTIONS);
    const options = orders.options<Delivery<string>>({ concurrency: 3, observe: ({ type }) => void types.push(type) });
    expect(options.concurrency).toBe(3);
    await worker(
      background,
      orders.source(broker),
      orders.handler(() => {}),
      options,
    );
    expect(types).toEqual(expect.arrayContaining(["pulled", "started", "finished", "settled", "phase"]));
  });
});
