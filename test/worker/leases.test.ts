/**
 * Leases: how a worker keeps what it holds, and what it does when it has lost it.
 */
import { context, type Context, time } from "headgate";
import {
  type Delivery,
  type Handler,
  LeaseExpired,
  LeaseLost,
  memoryBroker,
  type MemoryBroker,
  type Source,
  type WorkerOptions,
} from "headgate/worker";
import { describe, expect, it } from "vitest";
import { elapse, settle, timersSet, virtualTime } from "../support/clock.ts";
import { account, brokerOf as messagesOf, start } from "./harness.ts";

const background = context.background();
const boom = new Error("boom");
const why = new Error("enough");

type D = Delivery<number>;

/** A lease of 300 ms: a worker extends every 100 ms. */
const brokerOf = (n: number): Promise<MemoryBroker<number>> => messagesOf(n, 300);

/** The broker with some of its calls replaced, and a list of what was extended, and when. */
function watched(broker: MemoryBroker<number>, calls: Partial<Source<D>> = {}) {
  const begun = Date.now();
  const extended: [at: number, ...bodies: number[]][] = [];
  const extend: Source<D>["extend"] = (ctx, deliveries) => {
    extended.push([Date.now() - begun, ...deliveries.map(({ body }) => body)]);
    return (calls.extend ?? broker.extend)(ctx, deliveries);
  };
  return { extended, source: Object.assign(Object.create(broker) as MemoryBroker<number>, calls, { extend }) };
}

describe("the leases of a worker", () => {
  virtualTime();

  it("are extended three times each, in one call for all it holds: waiting, running, and not yet told of", async () => {
    const broker = await brokerOf(4);
    const { source, extended } = watched(broker, {
      ack: async (ctx, deliveries) => {
        await time.sleep(250, ctx);
        return broker.ack(ctx, deliveries);
      },
    });
    const running = start(source, (ctx, { body }) => time.sleep(body === 1 ? 50 : 350, ctx), { concurrency: 2 });
    await elapse(2000);
    expect(account(running.report)).toBe("4 pulled: 4 acked");
    expect(running.report!.redelivered).toBe(0);
    expect(extended.slice(0, 4)).toEqual([
      [100, 1, 2, 3, 4],
      [200, 1, 2, 3, 4],
      [300, 2, 3, 4],
      [400, 2, 3, 4],
    ]);
    expect(timersSet()).toBe(0);
  });

  it("last as long as the handler does, so that nobody else gets the message", async () => {
    const broker = await brokerOf(1);
    const running = start(broker, (ctx) => time.sleep(6000, ctx));
    await settle();
    const other = broker.pull(background, 1);
    await elapse(6000);
    expect(account(running.report)).toBe("1 pulled: 1 acked");
    expect(await other).toEqual([]);
  });

  it("are extended while the worker drains, too", async () => {
    const { source } = watched(await brokerOf(1));
    const running = start(source, (ctx) => time.sleep(5000, ctx));
    await elapse(50);
    running.stop(why);
    await elapse(5000);
    expect(account(running.report)).toBe("1 pulled: 1 acked");
  });

  it("are not extended when there is nothing to extend", async () => {
    const { source, extended } = watched(memoryBroker<number>({ lease: 300 }));
    const running = start(source, () => undefined);
    await elapse(1000);
    running.stop(why);
    await elapse(0);
    expect(running.report).toBeDefined();
    expect(extended).toEqual([]);
  });

  it.each<[what: string, change: Partial<Source<D>>]>([
    ["has no extend", { lease: 300, extend: undefined } as object],
    ["names no lease", { lease: undefined } as object],
    ["has leases without end", { lease: Infinity }],
  ])("are let alone by a worker whose source %s", async (_, change) => {
    const { source, extended } = watched(await brokerOf(1));
    const changed = Object.assign(Object.create(source) as Source<D>, change);
    const running = start(changed, (ctx) => time.sleep(250, ctx));
    await elapse(300);
    expect(account(running.report)).toBe("1 pulled: 1 acked");
    expect(extended).toEqual([]);
    expect(running.events.filter((event) => event.type === "sourceError")).toEqual([]);
  });

  it("are tried again at the next third when extend fails", async () => {
    const broker = await brokerOf(1);
    let calls = 0;
    const { source } = watched(broker, {
      extend: (ctx, ds) => (++calls % 2 === 1 ? Promise.reject(boom) : broker.extend(ctx, ds)),
    });
    const running = start(source, (ctx) => time.sleep(1000, ctx));
    await elapse(2000);
    expect(account(running.report)).toBe("1 pulled: 1 acked");
    const faults = running.events.filter((event) => event.type === "sourceError");
    expect(faults.length).toBe(Math.ceil(calls / 2));
    expect(faults[0]).toEqual({ type: "sourceError", call: "extend", error: boom, retryIn: 100 });
  });

  it("are tried again when extend hangs: a call of it ends with the next third", async () => {
    const broker = await brokerOf(1);
    let calls = 0;
    const { source } = watched(broker, {
      extend: (ctx, ds) => (++calls % 2 === 1 ? new Promise<never>(() => {}) : broker.extend(ctx, ds)),
    });
    const running = start(source, (ctx) => time.sleep(2000, ctx));
    await elapse(3000);
    expect(account(running.report)).toBe("1 pulled: 1 acked");
    const fault = { call: "extend", error: expect.any(context.DeadlineExceeded) as unknown };
    expect(running.events.find((event) => event.type === "sourceError")).toMatchObject(fault);
  });

  it("may be on their way to be extended when all is over: that is no fault of the source", async () => {
    const { source } = watched(await brokerOf(1), { extend: () => new Promise<never>(() => {}) });
    const running = start(source, (ctx) => time.sleep(120, ctx));
    await elapse(120);
    expect(account(running.report)).toBe("1 pulled: 1 acked");
    expect(running.events.filter((event) => event.type === "sourceError")).toEqual([]);
    expect(timersSet()).toBe(0);
  });

  it("are told of in events", async () => {
    const broker = await brokerOf(3);
    const { source } = watched(broker, {
      extend: async (ctx, ds) => [...(await broker.extend(ctx, ds)), ...ds.filter(({ body }) => body === 2)],
    });
    const running = start(source, (ctx) => time.sleep(250, ctx));
    await elapse(260);
    running.stop(why);
    await elapse(0);
    expect(account(running.report)).toBe("3 pulled: 2 acked, 1 expired");
    expect(running.events.filter((event) => event.type === "extended")).toEqual([
      { type: "extended", count: 2, lost: 1 },
      { type: "extended", count: 2, lost: 0 },
    ]);
  });
});

describe("a lost lease", () => {
  virtualTime();

  /** A source that says of the message 1 that its lease was lost, from the first time it is extended. */
  const losing = (broker: MemoryBroker<number>, calls: Partial<Source<D>> = {}) => {
    const told: string[] = [];
    const noting = Object.fromEntries(
      (["ack", "nack", "deadLetter"] as const).map((name) => [
        name,
        (ctx: Context, items: readonly (D | { delivery: D })[]) => {
          for (const item of items) told.push(`${name} ${("delivery" in item ? item.delivery : item).body}`);
          return (calls[name] ?? broker[name])(ctx, items as never);
        },
      ]),
    );
    const extend = async (ctx: Context, deliveries: readonly D[]): Promise<readonly D[]> => {
      await broker.extend(
        ctx,
        deliveries.filter(({ body }) => body !== 1),
      );
      return deliveries.filter(({ body }) => body === 1);
    };
    const { source } = watched(broker, { ...noting, extend });
    return { source, told };
  };

  it.each<[how: string, end: () => unknown, verdict: string]>([
    ["returns", () => undefined, "acked"],
    ["throws", () => Promise.reject(boom), "retried"],
  ])(
    "ends the ctx of the handler with the cause LeaseLost; when it then %s, nobody is told",
    async (_, end, verdict) => {
      const { source, told } = losing(await brokerOf(2));
      const causes: unknown[] = [];
      const handle: Handler<D> = async (ctx, { body }) => {
        if (body === 2) return time.sleep(150, ctx);
        await ctx.done().recv();
        causes.push(context.cause(ctx));
        return end();
      };
      const running = start(source, handle);
      await elapse(160);
      running.stop(why);
      await elapse(0);
      expect(causes).toEqual([expect.any(LeaseLost)]);
      expect(account(running.report)).toBe("2 pulled: 1 acked, 1 expired");
      expect(told).toEqual(["ack 2"]);
      const delivery = expect.objectContaining({ body: 1 }) as unknown;
      expect(running.report!.leftovers).toEqual([{ delivery, verdict, error: expect.any(LeaseLost) }]);
      const finished = running.events.filter((event) => event.type === "finished");
      expect(finished.map(({ verdict }) => verdict)).toEqual(["expired", "acked"]);
    },
  );

  it("of a message that waits means that its handler does not start", async () => {
    const broker = memoryBroker<number>({ lease: 300 });
    for (const n of [2, 3, 1, 4]) await broker.publish(n);
    const { source, told } = losing(broker);
    const started: number[] = [];
    const handle: Handler<D> = (ctx, { body }) => (started.push(body), time.sleep(150, ctx));
    const running = start(source, handle, { concurrency: 2 });
    await elapse(290);
    running.stop(why);
    await elapse(100);
    expect(started).toEqual([2, 3, 4]);
    expect(account(running.report)).toBe("4 pulled: 3 acked, 1 expired");
    expect(told).toEqual(["ack 2", "ack 3", "ack 4"]);
    const error = expect.any(LeaseLost) as unknown;
    expect(running.report!.leftovers).toMatchObject([{ delivery: { body: 1 }, verdict: "released", error }]);
  });

  it("is not extended any more, however long its handler goes on", async () => {
    const broker = await brokerOf(2);
    const { source, extended } = watched(broker, {
      extend: async (ctx, ds) => [...(await broker.extend(ctx, ds)), ...ds.filter(({ body }) => body === 1)],
    });
    const running = start(source, () => time.sleep(350), { prefetch: 0, concurrency: 2 });
    await elapse(360);
    expect(extended).toEqual([
      [100, 1, 2],
      [200, 2],
      [300, 2],
    ]);
    running.stop(why);
    await elapse(400);
    expect(running.report!.leftovers).toMatchObject([{ delivery: { body: 1 }, verdict: "acked" }]);
  });

  it("of a message that was handled, while its ack is put off, means that it is not acked any more", async () => {
    const broker = await brokerOf(1);
    let works = false;
    const ack: Source<D>["ack"] = (ctx, ds) => (works ? broker.ack(ctx, ds) : Promise.reject(boom));
    const { source, told } = losing(broker, { ack });
    const running = start(source, () => undefined);
    await elapse(110);
    works = true;
    const before = told.length;
    await elapse(60);
    running.stop(why);
    await elapse(0);
    expect(account(running.report)).toBe("1 pulled: 1 expired");
    expect(told.length).toBe(before);
    expect(running.report!.leftovers).toMatchObject([{ verdict: "acked", error: expect.any(LeaseLost) as unknown }]);
  });

  it("that the broker finds only when it is told is reported in the same way", async () => {
    const broker = await brokerOf(1);
    const { source } = watched(broker, { extend: () => Promise.reject(boom) });
    const running = start(source, (ctx) => time.sleep(400, ctx), { concurrency: 1, prefetch: 0 });
    await settle();
    const other = broker.pull(background, 1);
    await elapse(399);
    expect(await other).toMatchObject([{ attempt: 2 }]);
    await elapse(1);
    await broker.ack(background, await other);
    await elapse(0);
    expect(account(running.report)).toBe("1 pulled: 1 expired");
    const lost = { delivery: { attempt: 1 }, verdict: "acked", error: expect.any(LeaseLost) as unknown };
    expect(running.report!.leftovers).toMatchObject([lost]);
  });
});

describe("a handler that holds its message longer than maxLease", () => {
  virtualTime();

  /** Waits for the end of its ctx the first time, notes why that was, and ends so. */
  function slow(causes: unknown[], end: () => unknown): Handler<D> {
    return async (ctx, { attempt }) => {
      if (attempt! > 1) return undefined;
      await ctx.done().recv();
      causes.push(context.cause(ctx));
      return end();
    };
  }

  it.each<[how: string, end: () => unknown, options: WorkerOptions<D>, expected: string]>([
    ["throws", () => Promise.reject(boom), {}, "2 pulled: 1 acked, 1 retried"],
    ["throws at its last attempt", () => Promise.reject(boom), { maxAttempts: 1 }, "1 pulled: 1 dead"],
    ["returns", () => undefined, {}, "1 pulled: 1 acked"],
  ])("has its ctx ended with the cause LeaseExpired; when it %s, that counts", async (_, end, options, expected) => {
    const { source } = watched(await brokerOf(1));
    const causes: unknown[] = [];
    const running = start(source, slow(causes, end), { maxLease: 1000, backoff: () => 0, ...options });
    await elapse(999);
    expect(causes).toEqual([]);
    await elapse(101);
    expect(causes).toEqual([expect.any(LeaseExpired)]);
    expect(account(running.report)).toBe(expected);
  });

  it("and is deaf loses the lease: another gets the message, and it is not acked", async () => {
    const broker = await brokerOf(1);
    const { source, extended } = watched(broker);
    const running = start(source, (_, { attempt }) => (attempt === 1 ? time.sleep(5000) : undefined), {
      maxLease: 1000,
    });
    await elapse(6000);
    expect(extended.at(-1)![0]).toBeLessThan(1000);
    expect(account(running.report)).toBe("2 pulled: 1 acked, 1 expired");
    expect(running.report).toMatchObject({ redelivered: 1, abandoned: 0 });
    const lost = { delivery: { attempt: 1 }, verdict: "acked", error: expect.any(LeaseLost) as unknown };
    expect(running.report!.leftovers).toMatchObject([lost]);
  });

  it.each<[what: string, change: Partial<Source<D>>]>([
    ["has no extend", { extend: undefined } as object],
    ["names no lease", { lease: undefined } as object],
    ["has leases without end", { lease: Infinity }],
    ["has leases that are extended seldom", { lease: 1e6 }],
  ])("has its ctx ended in that very moment, also where the source %s", async (_, change) => {
    const broker = memoryBroker<number>();
    await broker.publish(1);
    broker.end();
    const { source } = watched(broker);
    const changed = Object.assign(Object.create(source) as Source<D>, change);
    const causes: unknown[] = [];
    const handle = slow(causes, () => Promise.reject(boom));
    const running = start(changed, handle, { maxLease: 500, backoff: () => 0 });
    await elapse(499);
    expect(causes).toEqual([]);
    await elapse(1);
    expect(causes).toEqual([expect.any(LeaseExpired)]);
    expect(account(running.report)).toBe("2 pulled: 1 acked, 1 retried");
    expect(timersSet()).toBe(0);
  });

  it("is judged by its own time, not by how long its message had waited", async () => {
    const broker = await brokerOf(3);
    const causes: unknown[] = [];
    const handle: Handler<D> = async (ctx) => {
      await time.sleep(400, ctx).catch(() => causes.push(context.cause(ctx)));
    };
    const running = start(broker, handle, { concurrency: 1, prefetch: 2, maxLease: 500 });
    await elapse(2000);
    expect(causes).toEqual([]);
    expect(account(running.report)).toBe("3 pulled: 3 acked");
  });

  it("is told so while the worker drains, too", async () => {
    const causes: unknown[] = [];
    const running = start(
      await brokerOf(1),
      slow(causes, () => Promise.reject(boom)),
      { maxLease: 500 },
    );
    await elapse(400);
    running.stop(why);
    await elapse(100);
    expect(causes).toEqual([expect.any(LeaseExpired)]);
    expect(account(running.report)).toBe("1 pulled: 1 retried");
  });

  it("may take an hour, unless told otherwise", async () => {
    const broker = memoryBroker<number>({ lease: 1_800_000 });
    await broker.publish(1);
    const causes: unknown[] = [];
    const handle = slow(causes, () => undefined);
    start(broker, handle, { callTimeout: 1e7 });
    await elapse(3_599_999);
    expect(causes).toEqual([]);
    await elapse(1);
    expect(causes).toEqual([expect.any(LeaseExpired)]);
  });
});
