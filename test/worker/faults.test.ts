/**
 * What a worker does about a broker that fails: nothing is lost, and nothing stops that could go on. Errors of the
 * functions it was given are in errors.test.ts.
 */
import { context, type Context, time } from "headgate";
import {
  type Delivery,
  type Handler,
  LeaseLost,
  memoryBroker,
  Permanent,
  type Source,
  type WorkerOptions,
} from "headgate/worker";
import { afterEach, describe, expect, it, vi } from "vitest";
import { elapse, settle, timersSet, virtualTime } from "../support/clock.ts";
import { account, brokerOf, never, override, start as begin } from "./harness.ts";

const background = context.background();
const boom = new Error("boom");
const down = new Error("the broker is down");

type D = Delivery<number>;

/** Starts a worker whose grace is 1000 ms. */
const start = (source: Source<D>, handle: Handler<D>, options?: WorkerOptions<D>) =>
  begin(source, handle, { grace: 1000, ...options });

/** Runs `fn` and returns the rejections that nobody has handled by its end. */
async function unhandled(fn: () => Promise<void>): Promise<unknown[]> {
  const listeners = process.listeners("unhandledRejection");
  const rejections: unknown[] = [];
  process.removeAllListeners("unhandledRejection");
  process.on("unhandledRejection", (error) => rejections.push(error));
  try {
    await fn();
    await settle();
  } finally {
    process.removeAllListeners("unhandledRejection");
    for (const listener of listeners) process.on("unhandledRejection", listener);
  }
  return rejections;
}

describe("a pull", () => {
  virtualTime();

  it.each<[how: string, fault: () => unknown, error: unknown]>([
    ["rejects", () => Promise.reject(down), down],
    ["rejects with nothing", () => Promise.reject(), undefined],
    [
      "throws",
      () => {
        throw down;
      },
      down,
    ],
    ["returns no list", async () => ({ length: 1 }), expect.any(TypeError)],
    ["returns nothing", () => undefined, expect.any(TypeError)],
    ["returns a list of what is no delivery", async () => [null], expect.any(TypeError)],
  ])("that %s is made again after a pause", async (_, fault, error) => {
    const broker = await brokerOf(3);
    let calls = 0;
    const pull: Source<D>["pull"] = (ctx, max) => (++calls <= 2 ? fault() : broker.pull(ctx, max)) as Promise<D[]>;
    const running = start(override(broker, { pull }), () => undefined);
    await elapse(2000);
    expect(account(running.report)).toBe("3 pulled: 3 acked");
    expect(running.report!.stopped).toBe("source ended");
    expect(running.faults).toEqual([
      { type: "sourceError", call: "pull", error, retryIn: expect.any(Number) },
      { type: "sourceError", call: "pull", error, retryIn: expect.any(Number) },
    ]);
    expect(running.faults[0]!.retryIn).toBeLessThanOrEqual(500);
    expect(running.faults[1]!.retryIn).toBeLessThanOrEqual(1000);
    expect(running.returned).toBeGreaterThanOrEqual(
      Math.floor(running.faults[0]!.retryIn + running.faults[1]!.retryIn),
    );
  });

  it("that rejects because of the stop is no failure", async () => {
    const pull = async (ctx: Context): Promise<never> => {
      await ctx.done().recv();
      throw ctx.err();
    };
    const running = start(override(memoryBroker(), { pull }), () => undefined);
    await elapse(10);
    running.stop(boom);
    await elapse(0);
    expect(running.report).toMatchObject({ pulled: 0, stopped: "cancelled", cause: boom });
  });

  it("that fails for ever does not keep the worker from stopping at once", async () => {
    const running = start(override(memoryBroker(), { pull: () => Promise.reject(down) }), () => undefined);
    await elapse(100_000);
    expect(running.faults.length).toBeGreaterThan(3);
    running.stop(boom);
    await elapse(0);
    expect(running.report).toMatchObject({ pulled: 0, stopped: "cancelled" });
    expect([running.returned, timersSet()]).toEqual([100_000, 0]);
  });

  it("that ignores the end of its ctx is given up: the worker stops as failed, with its handlers done", async () => {
    const broker = await brokerOf(2);
    let calls = 0;
    const pull: Source<D>["pull"] = (ctx, max) => (++calls === 1 ? broker.pull(ctx, max) : never());
    const running = start(override(broker, { pull }), (ctx) => time.sleep(500, ctx), { callTimeout: 200, settle: 100 });
    await elapse(200);
    expect(running.report).toBeUndefined();
    await elapse(200);
    // A stop that comes now does not hide what has failed.
    running.stop(boom);
    await elapse(600);
    expect(account(running.report)).toBe("2 pulled: 2 acked");
    const cause = expect.objectContaining({ message: "worker: source.pull ignored the end of its ctx" }) as unknown;
    expect(running.report).toMatchObject({ stopped: "failed", cause });
    expect([running.returned, calls, timersSet()]).toEqual([500, 2, 0]);
  });

  it("that returns a little after the end of its ctx has not ignored it, however short the grace", async () => {
    const broker = memoryBroker<number>();
    const pull: Source<D>["pull"] = async (ctx, max) => {
      const deliveries = await broker.pull(ctx, max);
      await time.sleep(5);
      return deliveries;
    };
    const running = start(override(broker, { pull }), () => undefined, { grace: 20, callTimeout: 100 });
    await elapse(1000);
    expect(running.report).toBeUndefined();
    running.stop(boom);
    await elapse(20);
    expect(running.report).toMatchObject({ pulled: 0, stopped: "cancelled", cause: boom });
  });

  it.each(["before", "after"])(
    "that was given up, and brings messages %s the return, has them released",
    async (when) => {
      const broker = await brokerOf(3);
      const pull: Source<D>["pull"] = async (ctx, max) => {
        const deliveries = await broker.pull(ctx, max);
        await time.sleep(when === "before" ? 500 : 5000);
        return deliveries;
      };
      let other = 0;
      const first = await broker.pull(background, 1);
      const source = override(broker, {
        pull: (ctx, max) => (other++ === 0 ? Promise.resolve(first) : pull(ctx, max)),
      });
      const handle = when === "before" ? (ctx: Context) => time.sleep(800, ctx) : () => undefined;
      const running = start(source, handle, { callTimeout: 200, settle: 100 });
      await elapse(10_000);
      expect(account(running.report)).toBe("1 pulled: 1 acked");
      expect(running.returned).toBe(when === "before" ? 800 : 300);
      expect(await broker.pull(background, 10)).toMatchObject([{ attempt: 1 }, { attempt: 1 }]);
      expect(timersSet()).toBe(0);
    },
  );

  it.each<[how: string, nack: () => Promise<never>]>([
    ["rejects", () => Promise.reject(down)],
    [
      "throws",
      () => {
        throw down;
      },
    ],
  ])("that brings messages too late, to a broker whose nack %s, harms nobody", async (_, nack) => {
    const broker = await brokerOf(1);
    const pull: Source<D>["pull"] = async (_ctx, max) => {
      await time.sleep(500);
      return broker.pull(background, max);
    };
    const running = start(override(broker, { pull, nack }), () => undefined, { callTimeout: 200, settle: 100 });
    const rejections = await unhandled(() => elapse(1000));
    expect(running.report).toMatchObject({ pulled: 0, stopped: "failed" });
    expect(running.faults).toEqual([{ type: "sourceError", call: "nack", error: down, retryIn: Infinity }]);
    expect(rejections).toEqual([]);
  });

  it("of a source that cannot say whether it has ended still lets the worker stop in time", async () => {
    const source: Source<D> = {
      ...(await brokerOf(2)),
      get ended(): boolean {
        throw down;
      },
    };
    const running = start(source, () => undefined);
    await elapse(100);
    running.stop(boom);
    await elapse(1000);
    expect(running.report).toBeDefined();
  });
});

describe("a verdict", () => {
  virtualTime();
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const fates: Record<string, Handler<D>> = {
    ack: () => undefined,
    nack: () => Promise.reject(boom),
    deadLetter: () => Promise.reject(new Permanent("no use")),
  };
  const verdicts = { ack: "acked", nack: "retried", deadLetter: "dead" } as const;
  type Call = keyof typeof verdicts;
  const calls: Call[] = ["ack", "nack", "deadLetter"];

  /** A broker that knows of each call of `name`, and lets `fault` answer instead of it, if that returns something. */
  async function faulty(name: Call, fault: (call: number, ctx: Context) => Promise<readonly D[]> | undefined) {
    const broker = await brokerOf(2);
    const told: string[][] = [];
    const tell = (ctx: Context, items: readonly (D | { delivery: D })[]): unknown => {
      told.push(items.map((item) => ("delivery" in item ? item.delivery : item).id));
      return fault(told.length, ctx) ?? (broker[name] as typeof tell)(ctx, items);
    };
    return { broker, told, source: override(broker, { [name]: tell }) };
  }

  it.each(calls)(
    "that the broker does not take (%s rejects) is told again, and the handler is not run again",
    async (call) => {
      const { source, told } = await faulty(call, (n) => (n <= 3 ? Promise.reject(down) : undefined));
      let started = 0;
      // Whoever is nacked comes back, and then all is well.
      const handle: Handler<D> = (ctx, delivery) => (started++ < 2 ? fates[call]!(ctx, delivery) : undefined);
      const running = start(source, handle, { backoff: () => 10, prefetch: 0, concurrency: 2 });
      await elapse(60_000);
      expect(running.report).toMatchObject({ [verdicts[call]]: 2, expired: 0, leftovers: [], stopped: "source ended" });
      expect(running.report!.started).toBe(call === "nack" ? 4 : 2);
      expect(running.faults).toHaveLength(3);
      expect(running.faults.every((fault) => fault.call === call && fault.error === down)).toBe(true);
      const seen = told.flat();
      expect(new Set(seen).size).toBe(2);
      expect(seen.length).toBeGreaterThanOrEqual(5);
    },
  );

  it.each(calls)("whose call hangs (%s) is told again after callTimeout", async (call) => {
    const { source, told } = await faulty(call, (n) => (n === 1 ? never() : undefined));
    let started = 0;
    const handle: Handler<D> = (ctx, delivery) => (started++ < 2 ? fates[call]!(ctx, delivery) : undefined);
    const running = start(source, handle, { callTimeout: 100, backoff: () => 0 });
    await elapse(99);
    expect(running.faults).toEqual([]);
    await elapse(1);
    expect(running.faults).toMatchObject([{ call, error: expect.any(context.DeadlineExceeded) }]);
    await elapse(1000);
    expect(running.report).toMatchObject({ [verdicts[call]]: 2, expired: 0, stopped: "source ended" });
    expect(told[1]!.slice(0, told[0]!.length)).toEqual(told[0]);
  });

  it.each(calls)(
    "whose lease was lost (%s says so) is expired, and named; the others of the call are not",
    async (call) => {
      const lost: D[] = [];
      const { source, broker } = await faulty(call, () => undefined);
      const real = source[call] as (ctx: Context, items: readonly unknown[]) => Promise<void>;
      const tell = async (ctx: Context, items: readonly (D | { delivery: D })[]): Promise<readonly D[]> => {
        const one = items.findIndex((item) => ("delivery" in item ? item.delivery : item).body === 1);
        await real(
          ctx,
          items.filter((_, i) => i !== one),
        );
        if (one < 0 || lost.length > 0) return [];
        const item = items[one]!;
        lost.push("delivery" in item ? item.delivery : item);
        return lost;
      };
      let started = 0;
      const handle: Handler<D> = (ctx, delivery) => (started++ < 2 ? fates[call]!(ctx, delivery) : undefined);
      const running = start(override(broker, { [call]: tell }), handle, { backoff: () => 0 });
      await elapse(10);
      running.stop(boom);
      await elapse(1000);
      expect(running.report).toMatchObject({ [verdicts[call]]: 1, expired: 1 });
      const { leftovers } = running.report!;
      expect(leftovers).toEqual([{ delivery: lost[0], verdict: verdicts[call], error: expect.any(LeaseLost) }]);
    },
  );

  it.each(calls)("that never reaches the broker (%s) is expired at the end of the grace, and named", async (call) => {
    const { source } = await faulty(call, () => Promise.reject(down));
    const running = start(source, fates[call]!);
    await elapse(10);
    running.stop(boom);
    await elapse(1000);
    expect(account(running.report)).toBe("2 pulled: 2 expired");
    expect(running.returned).toBe(1010);
    const error = expect.objectContaining({
      message: `worker: the grace was over before ${call} succeeded`,
    }) as unknown;
    const named = {
      delivery: expect.objectContaining({ body: expect.any(Number) }) as unknown,
      verdict: verdicts[call],
      error,
    };
    expect(running.report!.leftovers).toEqual([named, named]);
    expect(timersSet()).toBe(0);
  });

  it.each(calls)("that fails (%s) is tried until the very end of the grace", async (call) => {
    let works = false;
    const { source } = await faulty(call, () => (works ? undefined : Promise.reject(down)));
    const running = start(source, fates[call]!, { backoff: () => 1e6 });
    await elapse(10);
    running.stop(boom);
    await elapse(950);
    works = true;
    await elapse(50);
    expect(running.report).toMatchObject({ [verdicts[call]]: 2, expired: 0 });
  });

  it("that fails again and again is told at growing intervals, which begin anew after a success", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.5);
    const { source } = await faulty("ack", (n) => (n === 3 ? undefined : Promise.reject(down)));
    const running = start(source, (ctx, { body }) => time.sleep(body * 1000, ctx));
    await elapse(10_000);
    const pauses = running.faults.map(({ retryIn }) => retryIn);
    expect(pauses.slice(0, 4)).toEqual([250, 500, 250, 500]);
  });

  it("that fails does not hold up those of another kind", async () => {
    const broker = await brokerOf(2);
    const acks: Source<D>["ack"] = () => Promise.reject(down);
    const handle: Handler<D> = (_, { body }) => (body === 1 ? undefined : Promise.reject(boom));
    const running = start(override(broker, { ack: acks }), handle, { backoff: () => 0, maxAttempts: 3 });
    await elapse(20);
    expect(broker.deadLetters).toMatchObject([{ body: 2, attempts: 3 }]);
    running.stop(boom);
    await elapse(1000);
    expect(account(running.report)).toBe("4 pulled: 2 retried, 1 dead, 1 expired");
  });
});
