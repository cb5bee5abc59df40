/**
 * The options of explore: what each changes, what overrides it, and what is refused. What the modes of searching
 * find is in explore.test.ts.
 */
import { go, time } from "headgate";
import { type Bubble, DeadlockError, explore, type ExploreOptions, ScheduleError } from "headgate/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { failureOf } from "../support/errors.ts";

const START = Date.UTC(2000, 0, 1);

afterEach(() => {
  vi.unstubAllEnvs();
});

/** The orders in which three tasks began, schedule by schedule, and whether t.ctx had ended by then. */
async function ordersOf(options: ExploreOptions): Promise<string[]> {
  const orders: string[] = [];
  await explore(async (t) => {
    let order = "";
    for (const name of ["a", "b", "c"]) go(() => void (order += name));
    await t.yield();
    await t.wait();
    orders.push(order + (t.ctx.err() === undefined ? "" : "!"));
  }, options);
  return orders;
}

describe("cancel", () => {
  const few = { runs: 20, bound: 1, hops: 1 } as const;

  it("is true: at every point, and as one of the next steps of the search and of chance", async () => {
    const orders = await ordersOf(few);
    expect(orders).toContain("abc!");
    expect(orders.some((order) => order.endsWith("!") && !order.startsWith("abc"))).toBe(true);
    expect(orders.some((order) => !order.endsWith("!") && order !== "abc")).toBe(true);
  });

  it('"everywhere" means at every point, and nothing else', async () => {
    const orders = await ordersOf({ ...few, cancel: "everywhere" });
    expect(new Set(orders)).toEqual(new Set(["abc", "abc!"]));
  });

  it("false means never", async () => {
    const orders = await ordersOf({ ...few, cancel: false });
    expect(orders.filter((order) => order.endsWith("!"))).toEqual([]);
    expect(new Set(orders).size).toBeGreaterThan(1);
  });
});

describe("bound, runs and max", () => {
  it("are 2, 500 and 5 000", async () => {
    const scenario = (t: Bubble): void => {
      for (let i = 0; i < 3; i++) go(() => t.yield());
    };
    const given = await explore(scenario, { cancel: false, bound: 2, runs: 500 });
    expect(await explore(scenario, { cancel: false })).toEqual({ ...given, ms: expect.any(Number) });
    expect(given.complete).toBe(true);
    const { schedules, complete } = await explore(() => {}, { runs: 10_000, cancel: false });
    expect({ schedules, complete }).toEqual({ schedules: 5_000, complete: false });
  });

  it("leave out what is 0", async () => {
    expect(await ordersOf({ cancel: false, bound: 0, runs: 0 })).toEqual(["abc"]);
    expect(await ordersOf({ cancel: "everywhere", hops: 0 })).toHaveLength(1 + 6);
  });

  it("may be Infinity, for there is always a limit", async () => {
    const orders = await ordersOf({ cancel: false, bound: Infinity, runs: Infinity, max: 100 });
    expect(orders).toHaveLength(100);
  });

  it("take undefined for what is left out", async () => {
    const options = { cancel: undefined, bound: undefined, runs: 0, seed: undefined, replay: undefined } as never;
    expect(await ordersOf(options)).toEqual(await ordersOf({ runs: 0 }));
  });
});

describe("seed", () => {
  const chance = { cancel: false, bound: 0, runs: 40 } as const;

  it("is 1, and decides what chance does", async () => {
    const one = await ordersOf({ ...chance, seed: 1 });
    expect(await ordersOf(chance)).toEqual(one);
    const two = await ordersOf({ ...chance, seed: 2 });
    expect(two).not.toEqual(one);
    expect(await ordersOf({ ...chance, seed: -3 })).not.toEqual(two);
    expect(await ordersOf({ ...chance, seed: 2 })).toEqual(two);
  });

  it("is overridden by HEADGATE_SEED", async () => {
    const seven = await ordersOf({ ...chance, seed: 7 });
    vi.stubEnv("HEADGATE_SEED", "7");
    expect(await ordersOf({ ...chance, seed: 2 })).toEqual(seven);
    expect(await ordersOf(chance)).toEqual(seven);
    vi.stubEnv("HEADGATE_SEED", "");
    expect(await ordersOf({ ...chance, seed: 2 })).not.toEqual(seven);
  });

  it.each(["first", "1.5", "1e99", "Infinity"])("is refused as %s in HEADGATE_SEED", async (seed) => {
    vi.stubEnv("HEADGATE_SEED", seed);
    const { message } = await failureOf(
      explore(() => {}),
      RangeError,
    );
    expect(message).toMatch(/^explore: HEADGATE_SEED must be a whole number; got /);
  });
});

describe("the options that a bubble has, too", () => {
  it("start says when each schedule begins", async () => {
    const begins = new Set<number>();
    const scenario = async (t: Bubble): Promise<void> => {
      begins.add(t.now());
      await time.sleep(5);
    };
    await explore(scenario);
    await explore(scenario, { start: 5 });
    await explore(scenario, { start: new Date(6) });
    expect(begins).toEqual(new Set([START, 5, 6]));
  });

  it("steps is when a schedule counts as an endless loop: 20 000", async () => {
    const scenario = async (t: Bubble): Promise<void> => {
      for (;;) await t.yield();
    };
    const byDefault = await failureOf(explore(scenario), ScheduleError);
    expect(byDefault.message).toMatch(/^DeadlockError: livelock: the scenario has made 20000 steps;/);
    const error = await failureOf(explore(scenario, { steps: 12 }), ScheduleError);
    expect(error.message).toContain("livelock: the scenario has made 12 steps;");
  });

  it("external is the patience with the world outside", async () => {
    const error = await failureOf(
      explore(() => new Promise((resolve) => setTimeout(resolve, 60_000).unref()), { external: 7 }),
      ScheduleError,
    );
    expect(error.cause).toBeInstanceOf(DeadlockError);
    expect(error.message).toContain("for more than 7ms of real time");
  });
});

describe("bad input to explore", () => {
  it.each([undefined, null, 5, "text", {}])("refuses %o where a function belongs", async (fn) => {
    const what = fn === null ? "null" : typeof fn;
    await expect(explore(fn as never)).rejects.toThrow(new TypeError(`explore: expected a function, got ${what}`));
  });

  it.each([
    [null, TypeError, "explore: expected an object of options, got null"],
    ["fast", TypeError, "explore: expected an object of options, got fast"],
    [{ cancel: "never" }, TypeError, 'explore: options.cancel must be true, false or "everywhere"; got never'],
    [{ cancel: 1 }, TypeError, 'explore: options.cancel must be true, false or "everywhere"; got 1'],
    [{ bound: -1 }, RangeError, "explore: options.bound must be a whole number from 0; got -1"],
    [{ bound: 1.5 }, RangeError, "explore: options.bound must be a whole number from 0; got 1.5"],
    [{ bound: "2" }, RangeError, "explore: options.bound must be a whole number from 0; got 2"],
    [{ exhaustive: "yes" }, TypeError, "explore: options.exhaustive must be true or false; got yes"],
    [{ runs: -1 }, RangeError, "explore: options.runs must be a whole number from 0; got -1"],
    [{ runs: NaN }, RangeError, "explore: options.runs must be a whole number from 0; got NaN"],
    [{ seed: 1.5 }, RangeError, "explore: options.seed must be a whole number; got 1.5"],
    [{ seed: "first" }, RangeError, "explore: options.seed must be a whole number; got first"],
    [{ hops: -1 }, RangeError, "explore: options.hops must be a whole number from 0; got -1"],
    [{ signals: 3 }, TypeError, "explore: options.signals must be 1 or 2; got 3"],
    [{ signals: 2, cancel: false }, TypeError, "explore: options.signals: 2 needs cancel"],
    [{ fail: "boom" }, TypeError, "explore: options.fail must be an Error; got boom"],
    [{ timers: "all" }, TypeError, 'explore: options.timers must be "idle" or "any"; got all'],
    [{ max: 0 }, RangeError, "explore: options.max must be a whole number from 1; got 0"],
    [{ max: 0.5 }, RangeError, "explore: options.max must be a whole number from 1; got 0.5"],
    [{ replay: 5 }, TypeError, "explore: options.replay must be a string; got 5"],
    [{ start: "now" }, TypeError, "explore: options.start: expected a number of milliseconds, got string"],
    [{ start: NaN }, RangeError, "explore: options.start: NaN"],
    [{ start: Infinity }, RangeError, "explore: options.start"],
    [{ external: NaN }, RangeError, "explore: options.external: NaN is no duration"],
    [{ steps: 0 }, RangeError, "explore: options.steps must be a whole number from 1; got 0"],
  ])("refuses the options %o", async (options, Class, rule) => {
    let runs = 0;
    const { message } = await failureOf(
      explore(() => void runs++, options as never),
      Class,
    );
    expect(message).toContain(rule);
    expect(runs).toBe(0);
  });

  it("refuses endless hops, for hops are always all run", async () => {
    let runs = 0;
    const scenario = (): void => {
      if (++runs === 1_000) throw new Error("it would never end");
    };
    const { message } = await failureOf(explore(scenario, { hops: Infinity }), RangeError);
    expect(message).toContain("hops");
  });
});
