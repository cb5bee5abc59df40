/**
 * A verdict that the source refuses for ever does not hold the places of what can be told, nor the stop; it is given back, or named.
 */
import { context, time } from "headgate";
import {
  type Delivery,
  type Handler,
  Permanent,
  type Report,
  type Source,
  worker,
  type WorkerEvent,
  type WorkerOptions,
} from "headgate/worker";
import { describe, expect, it } from "vitest";
import { elapse, virtualTime } from "../support/clock.ts";
import { account } from "./harness.ts";

type D = Delivery<number>;
type Call = "ack" | "nack" | "deadLetter";

const refused = new Error("refused");

/** Bodies below 0 are bad: so many of them come first. What is given back comes again after its delay. */
function sourceOf(bad: number, good: number, refusing: readonly Call[], lease?: number) {
  const queue: { body: number; due: number }[] = [];
  for (let i = 1; i <= bad; i++) queue.push({ body: -i, due: 0 });
  for (let i = 1; i <= good; i++) queue.push({ body: i, due: 0 });
  const acked = new Set<number>();
  const given: number[] = [];
  const held = { most: 0, now: 0 };
  const state = { isAway: false, id: 0 };
  const tell = async (call: Call, all: readonly D[]): Promise<void> => {
    await time.sleep(5);
    if (state.isAway) throw new Error("away");
    if (refusing.includes(call) && all.some(({ body }) => body < 0)) throw refused;
    held.now -= all.length;
  };
  const source: Source<D> = {
    async pull(ctx, max) {
      const ready = (): boolean => queue.some(({ due }) => due <= performance.now());
      while (!ready() && ctx.err() === undefined) await time.sleep(50, ctx).catch(() => {});
      const got: D[] = [];
      for (let i = 0; i < queue.length && got.length < max;) {
        if (queue[i]!.due > performance.now()) i++;
        else got.push({ id: `d${++state.id}`, body: queue.splice(i, 1)[0]!.body });
      }
      held.now += got.length;
      held.most = Math.max(held.most, held.now);
      return got;
    },
    async ack(_, ds) {
      await tell("ack", ds);
      for (const { body } of ds) acked.add(body);
    },
    async nack(_, items) {
      await tell(
        "nack",
        items.map(({ delivery }) => delivery),
      );
      for (const { delivery, delay } of items) {
        given.push(delivery.body);
        queue.push({ body: delivery.body, due: performance.now() + delay });
      }
    },
    deadLetter: (_, items) =>
      tell(
        "deadLetter",
        items.map(({ delivery }) => delivery),
      ),
    ...(lease === undefined
      ? {}
      : { lease, extend: async () => (state.isAway ? Promise.reject(new Error("away")) : []) }),
  };
  return { source, acked, given, held, state };
}

/** Bad ones end so that the call is made which is refused. */
const handlers: Record<Call, Handler<D>> = {
  ack: () => time.sleep(1),
  nack: async (_, { body }) => {
    if (body < 0) throw new Error("boom");
  },
  deadLetter: async (_, { body }) => {
    if (body < 0) throw new Permanent("no use");
  },
};

function start(source: Source<D>, handle: Handler<D>, options: WorkerOptions<D> = {}) {
  const [ctx, stop] = context.withCancel(context.background());
  const running = {
    stop: (): void => {},
    report: undefined as Report<D> | undefined,
    events: [] as WorkerEvent<D>[],
    took: NaN,
  };
  const observe = (event: WorkerEvent<D>): void => void running.events.push(event);
  let stopped = NaN;
  running.stop = () => {
    stopped = performance.now();
    stop();
  };
  void worker(ctx, source, handle, { concurrency: 3, prefetch: 3, observe, ...options }).then((report) => {
    running.report = report;
    running.took = performance.now() - stopped;
  });
  return running;
}

const goods = (acked: ReadonlySet<number>): number => [...acked].filter((body) => body > 0).length;

describe.each<[call: Call, lease: string, ms: number | undefined]>([
  ["ack", "a lease", 2_000],
  ["nack", "a lease", 2_000],
  ["deadLetter", "a lease", 2_000],
  ["deadLetter", "no lease", undefined],
])("six messages whose %s is refused, where there is %s,", (call, _, lease) => {
  virtualTime();

  it("do not hold the six places of the worker: fifty others are handled within 20 s", async () => {
    const { source, acked, held } = sourceOf(6, 50, [call], lease);
    const running = start(source, handlers[call]);
    await elapse(20_000);
    expect(goods(acked)).toBe(50);
    running.stop();
    await elapse(25_000);
    expect(held.most).toBeLessThanOrEqual(6 + 6);
    const { pulled, retried, released, dead, expired, acked: told } = running.report!;
    expect(pulled).toBe(told + retried + released + dead + expired);
    if (call !== "deadLetter")
      expect(running.report!.leftovers.map(({ delivery }) => delivery.body).sort((a, b) => b - a)).toEqual([
        -1, -2, -3, -4, -5, -6,
      ]);
    else expect(running.report!.expired).toBe(0);
  });

  it("do not hold one place either", async () => {
    const { source, acked } = sourceOf(1, 5, [call], lease);
    const running = start(source, handlers[call], { concurrency: 1, prefetch: 0 });
    // The pauses between the tries are random: 20 s are enough for most runs only.
    await elapse(60_000);
    expect(goods(acked)).toBe(5);
    running.stop();
    await elapse(25_000);
    expect(running.report).toBeDefined();
  });

  it("do not hold up a stop for the whole grace", async () => {
    const { source } = sourceOf(6, 20, [call], lease);
    const running = start(source, handlers[call]);
    await elapse(200);
    running.stop();
    await elapse(60_000);
    expect(running.took).toBeLessThan(15_000);
  });
});

describe("a dead letter that is refused", () => {
  virtualTime();

  it("is given back, comes again a minute later, and counts as retried; the report says so in words", async () => {
    const { source, given } = sourceOf(1, 3, ["deadLetter"], 2_000);
    const running = start(source, handlers.deadLetter);
    await elapse(30_000);
    expect(given).toEqual([-1]);
    expect(running.events.filter(({ type }) => type === "pulled").length).toBe(1);
    await elapse(50_000);
    expect(running.events.filter(({ type }) => type === "pulled").length).toBe(2);
    await elapse(10_000);
    running.stop();
    await elapse(25_000);
    expect(account(running.report)).toBe("5 pulled: 3 acked, 2 retried");
    const { sourceErrors } = running.report!;
    expect(sourceErrors).toMatchObject({ call: "deadLetter", error: refused });
    expect(sourceErrors!.count).toBeGreaterThanOrEqual(8);
    expect(sourceErrors!.trouble).toContain(
      "the source has refused 2 dead letters, the last time with: Error: refused",
    );
  });

  it("is expired, and named with the error, where it cannot be given back either", async () => {
    const { source } = sourceOf(1, 30, ["deadLetter", "nack"], 2_000);
    const running = start(source, async (ctx, delivery) => {
      await time.sleep(1_000);
      return handlers.deadLetter(ctx, delivery);
    });
    await elapse(60_000);
    running.stop();
    await elapse(25_000);
    expect(account(running.report)).toBe("31 pulled: 30 acked, 1 expired");
    const [leftover] = running.report!.leftovers;
    expect(leftover).toMatchObject({ delivery: { body: -1 }, verdict: "dead" });
    expect(leftover!.error).toMatchObject({
      message: expect.stringMatching(
        /^worker: the source has refused the deadLetter of this message \d+ times$/,
      ) as string,
      cause: refused,
    });
    expect(running.events.filter(({ type }) => type === "leftover")).toHaveLength(1);
  });

  it.each([1, 2])("is told %i times if callTries is that", async (callTries) => {
    const { source } = sourceOf(1, 0, ["deadLetter"]);
    const running = start(source, handlers.deadLetter, { callTries });
    await elapse(30_000);
    const failed = running.events.filter((event) => event.type === "sourceError" && event.call === "deadLetter");
    expect(failed).toHaveLength(callTries);
    expect(failed.at(-1)).toMatchObject({ retryIn: Infinity });
    running.stop();
    await elapse(25_000);
  });

  it("is never given up if callTries is Infinity", async () => {
    const { source, given } = sourceOf(1, 5, ["deadLetter"], 2_000);
    const running = start(source, handlers.deadLetter, { callTries: Infinity });
    await elapse(600_000);
    expect(given).toEqual([]);
    running.stop();
    await elapse(25_000);
    expect(running.report!.leftovers).toMatchObject([
      { error: { message: "worker: the grace was over before deadLetter succeeded", cause: refused } },
    ]);
  });
});

describe("a source that is away for two minutes", () => {
  virtualTime();

  // A dead letter may be given back then, and comes again.
  it.each<[what: string, lease: number | undefined]>([
    ["a lease", 500_000],
    ["no lease", undefined],
  ])("is told of everything when it comes back, where there is %s: nothing is given up", async (_, lease) => {
    const { source, state } = sourceOf(2, 4, [], lease);
    const running = start(source, async (ctx, delivery) => {
      await time.sleep(100);
      return handlers.deadLetter(ctx, delivery);
    });
    await elapse(50);
    state.isAway = true;
    await elapse(120_000);
    state.isAway = false;
    await elapse(240_000);
    running.stop();
    await elapse(25_000);
    expect(running.report).toMatchObject({ acked: 4, dead: 2, released: 0, expired: 0, leftovers: [] });
  });
});

describe("a worker that stops", () => {
  virtualTime();

  it("tells all its acks, in as many calls as they take, before it gives anything back", async () => {
    const calls: string[] = [];
    let given = 0;
    const call = async (what: string, n: number): Promise<void> => {
      calls.push(`${what} ${n}`);
      await time.sleep(10);
    };
    const source: Source<D> = {
      async pull(ctx, max) {
        if (given >= 60) await ctx.done().recv();
        return Array.from({ length: Math.min(max, 60 - given) }, () => ({ id: `m${++given}`, body: given }));
      },
      ack: (_, ds) => call("ack", ds.length),
      nack: (_, items) => call("nack", items.length),
    };
    const running = start(source, (_, { body }) => time.sleep(body === 1 ? 5 : 10), {
      concurrency: 30,
      prefetch: 30,
      batch: 10,
    });
    await elapse(9);
    running.stop();
    await elapse(1_000);
    expect(account(running.report)).toBe("60 pulled: 31 acked, 29 released");
    expect(calls).toEqual(["ack 1", "ack 10", "ack 10", "ack 10", "nack 10", "nack 10", "nack 9"]);
  });

  it("gives back what it must also when its acks hang", async () => {
    const { source, given } = sourceOf(0, 60, []);
    const hanging = { ...source, ack: () => new Promise<void>(() => {}) };
    const running = start(hanging, (_, { body }) => time.sleep(body === 1 ? 5 : 10), {
      concurrency: 30,
      prefetch: 30,
      batch: 5,
      callTimeout: 10_000,
    });
    await elapse(9);
    running.stop();
    await elapse(25_000);
    expect(given.length).toBeGreaterThan(0);
    expect(running.report!.expired).toBeGreaterThanOrEqual(30);
  });
});
