/**
 * How a worker stops: what is given back, what is waited for, and what becomes of handlers that take long. The grace is
 * 1000 ms here: handlers are cancelled 800 ms after the stop, and abandoned 900 ms after it. Whether the grace is kept,
 * whatever happens, is in grace.test.ts.
 */
import { type Chan, context, type Context, time } from "headgate";
import {
  type Delivery,
  type Handler,
  memoryBroker,
  type MemoryBroker,
  Permanent,
  type Source,
  Stopping,
  worker,
  type WorkerOptions,
} from "headgate/worker";
import { describe, expect, it } from "vitest";
import type { CancelCtx } from "../../src/context/cancel.ts";
import { elapse, timersSet, virtualTime } from "../support/clock.ts";
import { account, endingWithItsFirstPull, never, openBrokerOf, override, start as begin } from "./harness.ts";

const background = context.background();
const boom = new Error("boom");
const why = new Error("enough");

const limits = { grace: 1000, abortWindow: 100, settle: 100 };

/** A broker with the messages 1 to n, which may get more, and leases that do not matter. */
const brokerOf = (n: number, lease = 1e6): Promise<MemoryBroker<number>> => openBrokerOf(n, lease);

/** Starts a worker with these limits. */
const start = <T>(source: Source<Delivery<T>>, handle: Handler<Delivery<T>>, options?: WorkerOptions<Delivery<T>>) =>
  begin(source, handle, { ...limits, ...options });

describe("a worker whose ctx ends", () => {
  virtualTime();

  it("gives back at once what it has not started, and lets the running handlers finish", async () => {
    const broker = await brokerOf(5);
    const seen: unknown[] = [];
    const handle = async (ctx: Context, { body }: Delivery<number>): Promise<void> => {
      await time.sleep(100, ctx);
      seen.push(body, ctx.err());
    };
    const running = start(broker, handle, { concurrency: 2, prefetch: 3 });
    await elapse(50);
    running.stop(why);
    await elapse(0);
    const others = await broker.pull(background, 10);
    expect(others.map(({ body, attempt }) => [body, attempt])).toEqual([
      [3, 1],
      [4, 1],
      [5, 1],
    ]);
    await elapse(1000);
    expect(seen).toEqual([1, undefined, 2, undefined]);
    expect(account(running.report)).toBe("5 pulled: 2 acked, 3 released");
    expect(running.report).toMatchObject({ started: 2, leftovers: [], stopped: "cancelled", cause: why });
    expect(running.report!.phaseMs).toEqual({ draining: 50, aborting: 0, settling: 0 });
    expect([running.phases, running.returned]).toEqual([["draining at 50", "done at 100"], 100]);
  });

  it("waits for the pull that is under way, gives back what that brings, and pulls no more", async () => {
    let pulls = 0;
    const broker = await brokerOf(4);
    const source = override(broker, {
      pull: async (ctx, max) => {
        const deliveries = await broker.pull(ctx, ++pulls === 1 ? 1 : max);
        if (pulls > 1) await time.sleep(60);
        return deliveries;
      },
    });
    // The only handler is busy all the while.
    const running = start(source, (ctx) => time.sleep(500, ctx), { concurrency: 1, prefetch: 3 });
    await elapse(20);
    running.stop(why);
    await elapse(40);
    expect(await broker.pull(background, 10)).toMatchObject([{ attempt: 1 }, { attempt: 1 }, { attempt: 1 }]);
    await elapse(1000);
    expect(account(running.report)).toBe("4 pulled: 1 acked, 3 released");
    expect([pulls, running.report!.started, running.returned]).toEqual([2, 1, 500]);
  });

  it("returns at once when it has nothing", async () => {
    const running = start(memoryBroker<number>(), () => undefined);
    await elapse(10);
    running.stop(why);
    await elapse(0);
    expect(account(running.report)).toBe("0 pulled: ");
    expect(running.phases).toEqual(["draining at 10", "done at 10"]);
  });

  it("stops for a deadline as well as for a cancel", async () => {
    const [limited] = context.withTimeout(background, 30);
    const running = worker(limited, await brokerOf(1), (ctx) => time.sleep(50, ctx));
    await elapse(50);
    const report = await running;
    expect(report).toMatchObject({ acked: 1, stopped: "cancelled", cause: expect.any(context.DeadlineExceeded) });
  });

  it("takes a failure while it drains for a failure", async () => {
    const broker = await brokerOf(2);
    const handle = async (ctx: Context, { body }: Delivery<number>): Promise<void> => {
      await time.sleep(100, ctx);
      throw body === 1 ? boom : new Permanent("no use");
    };
    const running = start(broker, handle, { backoff: () => 10 });
    await elapse(50);
    running.stop(why);
    await elapse(1000);
    expect(account(running.report)).toBe("2 pulled: 1 retried, 1 dead");
    expect(running.returned).toBe(100);
  });

  it("pulls nothing when its ctx had ended before the start", async () => {
    const [ctx, cancel] = context.withCancelCause(background);
    cancel(why);
    let pulls = 0;
    const source = override(await brokerOf(3), { pull: async () => (pulls++, []) });
    const running = worker(ctx, source, () => undefined);
    await elapse(0);
    const report = await running;
    expect(account(report)).toBe("0 pulled: ");
    expect(report).toMatchObject({ started: 0, stopped: "cancelled", cause: why });
    expect([pulls, timersSet()]).toEqual([0, 0]);
  });

  it("gives back what waits also when the source has ended, which by itself ends nothing", async () => {
    const broker = await brokerOf(6);
    const source = endingWithItsFirstPull(broker);
    const running = start(source, (ctx) => time.sleep(100, ctx), { concurrency: 2, prefetch: 10 });
    await elapse(150);
    expect(running.phases).toEqual(["draining at 0"]);
    running.stop(why);
    await elapse(1000);
    expect(account(running.report)).toBe("6 pulled: 4 acked, 2 released");
    expect(running.report).toMatchObject({ started: 4, stopped: "cancelled", cause: why });
    expect(running.phases).toEqual(["draining at 0", "done at 200"]);
  });
});

describe("a handler that takes longer than the drain", () => {
  virtualTime();

  it("is cancelled with the cause Stopping, which says why, but its lifetime goes on", async () => {
    const broker = await brokerOf(1);
    const seen: unknown[] = [];
    const running = start(broker, async (ctx) => {
      const lifetime = ctx.value(context.lifetime)!;
      await ctx.done().recv();
      seen.push(running.now(), context.cause(ctx), (context.cause(ctx) as Error).cause, lifetime.err());
      await lifetime.done().recv();
      seen.push(running.now(), context.cause(lifetime));
      await never();
    });
    await elapse(50);
    running.stop(why);
    await elapse(1000);
    // The last quarter of the 100 ms is for what it has to say when its lifetime is over.
    expect(seen).toEqual([850, expect.any(Stopping), why, undefined, 925, expect.any(Stopping)]);
    expect(running.phases).toEqual(["draining at 50", "aborting at 850", "settling at 950", "done at 950"]);
    expect(running.report!.phaseMs).toEqual({ draining: 800, aborting: 100, settling: 0 });
  });

  it.each<[how: string, error: (ctx: Context) => unknown]>([
    ["the error of its ctx", (ctx) => ctx.err()],
    ["any error", () => boom],
    ["Permanent", () => new Permanent("no use")],
  ])("and then throws %s is released, even at its last attempt", async (_, error) => {
    const broker = await brokerOf(1);
    const handle = async (ctx: Context): Promise<never> => {
      await ctx.done().recv();
      throw error(ctx);
    };
    const running = start(broker, handle, { maxAttempts: 1 });
    await elapse(10);
    running.stop(why);
    await elapse(2000);
    expect(account(running.report)).toBe("1 pulled: 1 released");
    expect([running.report!.abandoned, running.report!.leftovers, running.returned]).toEqual([0, [], 810]);
    expect(await broker.pull(background, 1)).toMatchObject([{ attempt: 1 }]);
  });

  it("and then returns is acked", async () => {
    const running = start(await brokerOf(1), async (ctx) => {
      await ctx.done().recv();
      await time.sleep(50);
    });
    await elapse(10);
    running.stop(why);
    await elapse(2000);
    expect(account(running.report)).toBe("1 pulled: 1 acked");
    expect(running.phases).toEqual(["draining at 10", "aborting at 810", "done at 860"]);
  });

  it("and returns after its lifetime, but within the abortWindow, is waited for", async () => {
    const broker = await brokerOf(1);
    const running = start(broker, async (ctx) => {
      await ctx.value(context.lifetime)!.done().recv();
      await time.sleep(24); // writes down what it leaves undone
    });
    await elapse(50);
    running.stop(why);
    await elapse(1000);
    expect(account(running.report)).toBe("1 pulled: 1 acked");
    expect([running.report!.abandoned, running.returned, timersSet()]).toEqual([0, 949, 0]);
  });

  it("and is deaf is abandoned: its message is released, and what it says later counts for nothing", async () => {
    const broker = await brokerOf(3);
    const fates = [() => time.sleep(5000), () => time.sleep(5000).then(() => Promise.reject(boom)), never];
    const running = start(broker, (_, { body }) => fates[body - 1]!());
    await elapse(10);
    running.stop(why);
    await elapse(2000);
    expect(account(running.report)).toBe("3 pulled: 3 released");
    expect(running.report).toMatchObject({ started: 3, abandoned: 3, leftovers: [], stopped: "cancelled" });
    expect([running.returned, running.late]).toEqual([910, []]);
    await elapse(10_000);
    expect(running.late).toEqual([1, 2]);
    expect(account(running.report)).toBe("3 pulled: 3 released");
    expect(await broker.pull(background, 10)).toMatchObject([{ attempt: 1 }, { attempt: 1 }, { attempt: 1 }]);
  });
});

describe("a worker that has returned", () => {
  virtualTime();

  it.each<[how: string, end: (running: ReturnType<typeof start<number>>, broker: MemoryBroker<number>) => void]>([
    ["because the source ended", (_, broker) => broker.end()],
    ["because it was stopped", (running) => running.stop(why)],
    ["because it was aborted", (running) => running.abort(new Error("at once"))],
  ])("%s has left nothing on the contexts it was given, and no timer", async (_, end) => {
    const broker = await brokerOf(5);
    const running = start(broker, (ctx) => time.sleep(10, ctx), { concurrency: 2, prefetch: 0 });
    await elapse(5);
    end(running, broker);
    await elapse(1000);
    expect(running.report).toBeDefined();
    for (const ctx of [running.ctx, running.aborted]) {
      expect((ctx as CancelCtx).children).toBeNull();
      expect((ctx.done() as Chan<never>).receivers.count()).toBe(0);
    }
    expect(timersSet()).toBe(0);
  });
});
