/**
 * The worker while it runs: what becomes of a message, how many are handled and held, and what handlers are given. How
 * it stops is in stop.test.ts; what it does about a broker that fails in faults.test.ts.
 */
import { context, type Context, retry, time } from "headgate";
import {
  type Delivery,
  memoryBroker,
  type MemoryBroker,
  Permanent,
  type Report,
  type Source,
  worker,
  type WorkerOptions,
} from "headgate/worker";
import { describe, expect, it } from "vitest";
import { elapse, timersSet, virtualTime } from "../support/clock.ts";
import { account, overheard, override } from "./harness.ts";

const background = context.background();
const boom = new Error("boom");

/** A broker with these messages, and no more to come. */
async function brokerOf<T>(...bodies: T[]): Promise<MemoryBroker<T>> {
  const broker = memoryBroker<T>();
  for (const body of bodies) await broker.publish(body);
  broker.end();
  return broker;
}

/** Runs a worker for as long as `ms`, in which it must have returned. */
async function run<T>(
  source: Source<Delivery<T>>,
  handle: (ctx: Context, delivery: Delivery<T>) => unknown,
  options: WorkerOptions<Delivery<T>> = {},
  ms = 10_000,
): Promise<Report<Delivery<T>>> {
  let report: Report<Delivery<T>> | undefined;
  void worker(background, source, handle, options).then((result) => (report = result));
  await elapse(ms);
  if (report === undefined) throw new Error(`the worker had not returned after ${ms} ms`);
  return report;
}

describe("a message", () => {
  virtualTime();

  class Hopeless extends Permanent {}
  const permanent = new Permanent("no use", { cause: boom });
  const hopeless = new Hopeless("no use at all");
  const throwing = (error: unknown) => (): never => {
    throw error;
  };
  const acked = ["ack", "m"];
  const retried = ["nack", "m", "failed", 70];

  it.each<[what: string, expected: string, handle: () => unknown, told: unknown[]]>([
    ["returns nothing", "1 pulled: 1 acked", () => undefined, [acked]],
    ["returns an error", "1 pulled: 1 acked", () => boom, [acked]],
    ["resolves", "1 pulled: 1 acked", async () => "done", [acked]],
    ["rejects", "2 pulled: 1 acked, 1 retried", () => Promise.reject(boom), [retried, acked]],
    ["rejects with nothing", "2 pulled: 1 acked, 1 retried", () => Promise.reject(), [retried, acked]],
    ["throws instead of returning a promise", "2 pulled: 1 acked, 1 retried", throwing(boom), [retried, acked]],
    ["rejects with Permanent", "1 pulled: 1 dead", () => Promise.reject(permanent), [["deadLetter", "m", permanent]]],
    ["rejects with a kind of it", "1 pulled: 1 dead", () => Promise.reject(hopeless), [["deadLetter", "m", hopeless]]],
    ["throws Permanent so", "1 pulled: 1 dead", throwing(permanent), [["deadLetter", "m", permanent]]],
  ])("whose handler %s, the first time: %s", async (_, expected, handle, told) => {
    const [source, heard] = overheard(await brokerOf("m"));
    let calls = 0;
    const report = await run(source, () => (calls++ === 0 ? handle() : undefined), { backoff: () => 70 });
    expect(account(report)).toBe(expected);
    expect(heard).toEqual(told);
    expect(report).toMatchObject({ started: calls, abandoned: 0, leftovers: [], stopped: "source ended" });
  });

  it("that fails again and again comes back after each backoff, and is dead at the last attempt", async () => {
    const broker = await brokerOf("m");
    const [source, told] = overheard(broker);
    const start = Date.now();
    const tries: unknown[] = [];
    const handle = (_: Context, { attempt }: Delivery): never => {
      tries.push([attempt, Date.now() - start]);
      throw boom;
    };
    const report = await run(source, async (ctx, d) => handle(ctx, d), { maxAttempts: 3, backoff: (n) => n * 100 });
    expect(tries).toEqual([
      [1, 0],
      [2, 100],
      [3, 300],
    ]);
    expect(told).toEqual([
      ["nack", "m", "failed", 100],
      ["nack", "m", "failed", 200],
      ["deadLetter", "m", boom],
    ]);
    expect(account(report)).toBe("3 pulled: 2 retried, 1 dead");
    expect(report).toMatchObject({ started: 3, redelivered: 2, leftovers: [] });
    expect(broker.deadLetters).toMatchObject([{ body: "m", attempts: 3, error: boom }]);
  });

  it("is dead when it has failed five times, unless told otherwise, with the pauses of retry.backoff", async () => {
    const [source, told] = overheard(await brokerOf("m"));
    expect(account(await run(source, () => Promise.reject(boom)))).toBe("5 pulled: 4 retried, 1 dead");
    const delays = (told as [string, string, string, number][]).slice(0, 4).map(([, , , delay]) => delay);
    delays.forEach((delay, i) => {
      expect(delay).toBeGreaterThanOrEqual(0);
      expect(delay).toBeLessThanOrEqual(500 * 2 ** i);
    });
  });

  it("whose attempts the broker does not count has its failures counted by the worker", async () => {
    const broker = await brokerOf("x", "y");
    const current = new Map<string, Delivery<string>>();
    const real = ({ id }: Delivery): Delivery<string> => current.get(id)!;
    const source: Source<Delivery<string>> = override(broker, {
      pull: async (ctx, max) =>
        (await broker.pull(ctx, max)).map((delivery) => {
          current.set(delivery.body, delivery);
          return { id: delivery.body, body: delivery.body };
        }),
      ack: (ctx, deliveries) => broker.ack(ctx, deliveries.map(real)),
      nack: (ctx, items) =>
        broker.nack(
          ctx,
          items.map((item) => ({ ...item, delivery: real(item.delivery) })),
        ),
      deadLetter: (ctx, items) =>
        broker.deadLetter(
          ctx,
          items.map(({ delivery, error }) => ({ delivery: real(delivery), error })),
        ),
    });
    let good = 0;
    const backoffs: number[] = [];
    const report = await run(
      source,
      async (_, { body }) => {
        if (body === "x" || ++good < 3) throw boom;
      },
      { maxAttempts: 4, backoff: (attempt) => backoffs.push(attempt) * 0 + 10 },
    );
    expect(account(report)).toBe("7 pulled: 1 acked, 5 retried, 1 dead");
    expect(backoffs.sort((a, b) => a - b)).toEqual([1, 1, 2, 2, 3]);
    expect(report.redelivered).toBe(5);
  });

  it("that comes again is counted as redelivered, also where only the worker has seen it fail", async () => {
    const waiting: Delivery<number>[] = [1, 2, 3].map((body) => ({ id: `m${body}`, body }));
    const source: Source<Delivery<number>> = {
      get ended() {
        return acked === 3;
      },
      pull: async (ctx, max) => {
        await time.sleep(1, ctx).catch(() => {});
        return waiting.splice(0, max);
      },
      async ack(_, ds) {
        acked += ds.length;
      },
      async nack(_, items) {
        waiting.push(...items.map(({ delivery }) => delivery));
      },
    };
    let failed = 0;
    let acked = 0;
    const handle = async (_: Context, { body }: Delivery<number>): Promise<void> => {
      if (body === 2 && failed < 2) {
        failed++;
        throw boom;
      }
    };
    const report = await run(source, handle, { concurrency: 1, prefetch: 0 });
    expect(report).toMatchObject({ pulled: 5, acked: 3, retried: 2, redelivered: 2 });
  });

  it("that is dead where there are no dead letters is acked, and named in the report", async () => {
    const broker = await brokerOf("good", "bad");
    const [source, told] = overheard(broker);
    const handle = async (_: Context, { body }: Delivery<string>): Promise<void> => {
      if (body === "bad") throw new Permanent("no use", { cause: boom });
    };
    const report = await run(Object.assign(source, { deadLetter: undefined }) as typeof source, handle);
    expect(account(report)).toBe("2 pulled: 1 acked, 1 dead");
    expect(told).toEqual([
      ["ack", "good"],
      ["ack", "bad"],
    ]);
    const error = expect.objectContaining({ message: "no use", cause: boom }) as unknown;
    expect(report.leftovers).toEqual([{ delivery: expect.objectContaining({ body: "bad" }), verdict: "dead", error }]);
  });

  it("whose handler returns a thenable is acked when that resolves, and the thenable is asked once", async () => {
    let asked = 0;
    const lazy = {
      then(resolve: (value: unknown) => void): void {
        asked++;
        setTimeout(resolve, 50);
      },
    };
    const [source, told] = overheard(await brokerOf("m"));
    const running = run(source, () => lazy, {}, 100);
    expect(told).toEqual([]);
    expect(account(await running)).toBe("1 pulled: 1 acked");
    expect(asked).toBe(1);
  });

  it("is given up with the same Permanent in headgate/retry and headgate/worker", () => {
    expect(Permanent).toBe(retry.Permanent);
  });
});

describe("the handlers of a worker", () => {
  virtualTime();

  it("are started in the order of the pull, as many at a time as the concurrency allows", async () => {
    let running = 0;
    let most = 0;
    const started: number[] = [];
    const broker = await brokerOf(...Array.from({ length: 20 }, (_, i) => i));
    const report = await run(
      broker,
      async (ctx, { body }) => {
        started.push(body);
        most = Math.max(most, ++running);
        await time.sleep(10 + ((body * 7) % 5), ctx);
        running--;
      },
      { concurrency: 3, prefetch: 2 },
    );
    expect(account(report)).toBe("20 pulled: 20 acked");
    expect(started).toEqual(Array.from({ length: 20 }, (_, i) => i));
    expect(most).toBe(3);
  });

  it("get the values of the caller, but neither its deadline nor its end", async () => {
    const trace = context.key<string>("trace");
    const [limited, cancel] = context.withTimeout(context.withValue(background, trace, "t-1"), 5000);
    let seen: unknown;
    const running = worker(limited, await brokerOf("m"), async (ctx) => {
      await time.sleep(100, ctx);
      seen = [ctx.value(trace), ctx.deadline(), ctx.err()];
    });
    await elapse(50);
    cancel();
    await elapse(50);
    expect(account(await running)).toBe("1 pulled: 1 acked");
    expect(seen).toEqual(["t-1", undefined, undefined]);
  });

  it("get a ctx of their own each, and the lifetime of all", async () => {
    const seen: Context[] = [];
    const lifetimes: (Context | undefined)[] = [];
    const states: unknown[] = [];
    await run(await brokerOf(1, 2), (ctx) => {
      seen.push(ctx);
      lifetimes.push(context.withoutCancel(ctx).value(context.lifetime));
      states.push(ctx.err(), lifetimes[0]?.err(), lifetimes[0]?.deadline());
    });
    expect(seen).toHaveLength(2);
    expect(seen[0]!.done()).not.toBe(seen[1]!.done());
    expect(lifetimes[0]).toBeDefined();
    expect(lifetimes[1]).toBe(lifetimes[0]);
    expect(lifetimes[0]!.done()).not.toBe(seen[0]!.done());
    expect(new Set(states)).toEqual(new Set([undefined]));
  });
});

describe("a worker", () => {
  virtualTime();

  it("returns when the source has ended and everything pulled is handled, and leaves no timer", async () => {
    const broker = await brokerOf(...Array.from({ length: 5 }, (_, i) => i));
    const start = Date.now();
    let returned = NaN;
    const running = worker(background, broker, (ctx) => time.sleep(100, ctx), { concurrency: 2, prefetch: 10 });
    void running.then(() => (returned = Date.now() - start));
    await elapse(1000);
    const report = await running;
    expect(account(report)).toBe("5 pulled: 5 acked");
    expect(report).toEqual({
      pulled: 5,
      started: 5,
      redelivered: 0,
      abandoned: 0,
      acked: 5,
      retried: 0,
      released: 0,
      dead: 0,
      expired: 0,
      leftovers: [],
      stopped: "source ended",
      phaseMs: { draining: 0, aborting: 0, settling: 0 },
    });
    expect(returned).toBe(300);
    expect(timersSet()).toBe(0);
  });

  it("returns at once from a source that has ended before, without pulling", async () => {
    let pulls = 0;
    const source = override(await brokerOf(), { pull: async () => (pulls++, []) });
    expect(account(await run(source, () => undefined, {}, 0))).toBe("0 pulled: ");
    expect(pulls).toBe(0);
  });

  it("holds no more than concurrency + prefetch messages, counted until the broker has been told", async () => {
    const broker = await brokerOf(...Array.from({ length: 40 }, (_, i) => i));
    let held = 0;
    const most: number[] = [];
    const wanted: number[] = [];
    const source = override(broker, {
      pull: async (ctx, max) => {
        wanted.push(max);
        const deliveries = await broker.pull(ctx, max);
        most.push((held += deliveries.length));
        return deliveries;
      },
      ack: async (ctx, deliveries) => {
        await time.sleep(100, ctx);
        held -= deliveries.length;
        return broker.ack(ctx, deliveries);
      },
    });
    const report = await run(source, () => undefined, { concurrency: 2, prefetch: 3 });
    expect(account(report)).toBe("40 pulled: 40 acked");
    expect(wanted[0]).toBe(5);
    expect(Math.max(...most)).toBe(5);
  });

  it.each([
    [{ concurrency: 7, prefetch: 0 }, 7],
    [{ concurrency: 7 }, 14],
    [{ concurrency: 7, batch: 3 }, 3],
    [{}, 32],
    [{ concurrency: 1000 }, 100],
  ])("with %o first pulls %i", async (options, max) => {
    const wanted: number[] = [];
    const [ctx, cancel] = context.withCancel(background);
    const broker = memoryBroker();
    const source = override(broker, { pull: (ctx, max) => (wanted.push(max), broker.pull(ctx, max)) });
    const running = worker(ctx, source, () => undefined, options);
    await elapse(1);
    cancel();
    await running;
    expect(wanted).toEqual([max]);
  });

  it("tells the broker one thing at a time; what is decided meanwhile is the next batch", async () => {
    const broker = await brokerOf(...Array.from({ length: 10 }, (_, i) => i));
    const batches: unknown[] = [];
    let calls = 0;
    let most = 0;
    const slowly = async <R>(ctx: Context, name: string, n: number, tell: () => Promise<R>): Promise<R> => {
      batches.push([name, n]);
      most = Math.max(most, ++calls);
      await time.sleep(50, ctx);
      calls--;
      return tell();
    };
    const source = override(broker, {
      ack: (ctx, deliveries) => slowly(ctx, "ack", deliveries.length, () => broker.ack(ctx, deliveries)),
      deadLetter: (ctx, items) => slowly(ctx, "dead", items.length, () => broker.deadLetter(ctx, items)),
    });
    const handle = async (ctx: Context, { body }: Delivery<number>): Promise<void> => {
      await time.sleep(1 + body, ctx);
      if (body === 5) throw new Permanent();
    };
    const report = await run(source, handle, { concurrency: 10, batch: 6, prefetch: 0 });
    expect(account(report)).toBe("10 pulled: 9 acked, 1 dead");
    expect(most).toBe(1);
    expect(batches).toEqual([
      ["ack", 1],
      ["ack", 6],
      ["dead", 1],
      ["ack", 2],
    ]);
  });

  it("goes on when there is nothing to do: an idle pull is ended and begun again", async () => {
    const broker = memoryBroker<number>();
    const [ctx, cancel] = context.withCancel(background);
    const errors: unknown[] = [];
    const observe: WorkerOptions["observe"] = (event) => event.type === "sourceError" && errors.push(event);
    const running = worker(ctx, broker, () => undefined, { callTimeout: 100, observe });
    await elapse(10_050);
    await broker.publish(1);
    await elapse(10);
    cancel();
    expect(account(await running)).toBe("1 pulled: 1 acked");
    expect(errors).toEqual([]);
  });

  it("shares a broker with others: every message is handled by one of them", async () => {
    const broker = await brokerOf(...Array.from({ length: 30 }, (_, i) => i));
    const seen: number[] = [];
    const workers = Promise.all(
      [1, 2, 3].map((concurrency) =>
        worker(
          background,
          broker,
          async (ctx, { body }) => {
            await time.sleep(10, ctx);
            seen.push(body);
          },
          { concurrency },
        ),
      ),
    );
    await elapse(1000);
    const reports = await workers;
    expect(reports.map(({ pulled, acked }) => pulled === acked && acked > 0)).toEqual([true, true, true]);
    expect(seen.sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, i) => i));
  });
});
