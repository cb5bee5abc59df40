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
  const few = { randomRuns: 20, bound: 1, microtasks: 1 } as const;

  it("is true: at every point, and as one of the next steps of the search and of random schedules", async () => {
    const orders = await ordersOf(few);
    expect(orders).toContain("abc!");
    expect(orders.some((order) => order.endsWith("!") && !order.startsWith("abc"))).toBe(true);
    expect(orders.some((order) => !order.endsWith("!") && order !== "abc")).toBe(true);
  });

  it("false means never", async () => {
    const orders = await ordersOf({ ...few, cancel: false });
    expect(orders.filter((order) => order.endsWith("!"))).toEqual([]);
    expect(new Set(orders).size).toBeGreaterThan(1);
  });
});

describe("search", () => {
  const few = { randomRuns: 20, bound: 1, microtasks: 1 } as const;

  it("is true: other orders than the plain one are run", async () => {
    expect(await ordersOf({ ...few, search: true })).toEqual(await ordersOf(few));
    expect(new Set(await ordersOf({ ...few, cancel: false })).size).toBeGreaterThan(1);
  });

  it("as false leaves the plain order, cancelled at every point", async () => {
    const orders = await ordersOf({ ...few, search: false });
    expect(new Set(orders)).toEqual(new Set(["abc", "abc!"]));
  });

  it("as false, with cancel as false, leaves the plain order", async () => {
    expect(await ordersOf({ ...few, search: false, cancel: false })).toEqual(["abc"]);
  });
});

describe("bound, boundedRuns, randomRuns and maxSchedules", () => {
  it("are 2, 1 000, 500 and 5 000", async () => {
    const scenario = (t: Bubble): void => {
      for (let i = 0; i < 3; i++) go(() => t.yield());
    };
    const given = await explore(scenario, { cancel: false, bound: 2, boundedRuns: 1_000, randomRuns: 500 });
    expect(await explore(scenario, { cancel: false })).toEqual({ ...given, ms: expect.any(Number) });
    expect(given.complete).toBe(true);
    const { schedules, complete } = await explore(() => {}, { randomRuns: 10_000, cancel: false });
    expect({ schedules, complete }).toEqual({ schedules: 5_000, complete: false });
  });

  it("leave out what is 0", async () => {
    expect(await ordersOf({ cancel: false, bound: 0, randomRuns: 0 })).toEqual(["abc"]);
    expect(await ordersOf({ search: false, microtasks: 0 })).toHaveLength(1 + 6);
  });

  it("limit the schedules within the bound by boundedRuns, 1 000 by default", async () => {
    const scenario = (t: Bubble): void => {
      for (let i = 0; i < 5; i++) go(() => t.yield());
    };
    const options = { cancel: false, bound: 3, randomRuns: 0 } as const;
    // The plain order comes before them.
    expect(await explore(scenario, options)).toMatchObject({ schedules: 1 + 1_000, complete: false });
    expect(await explore(scenario, { ...options, boundedRuns: 7 })).toMatchObject({
      schedules: 1 + 7,
      complete: false,
    });
    const all = await explore(scenario, { ...options, boundedRuns: Infinity });
    expect(all.schedules).toBeGreaterThan(1 + 1_000);
    expect(all.complete).toBe(true);
  });

  it("have no limit but maxSchedules where bound is Infinity, unless boundedRuns says so", async () => {
    const scenario = (t: Bubble): void => {
      for (let i = 0; i < 5; i++) go(() => t.yield());
    };
    const options = { cancel: false, bound: Infinity, randomRuns: 0, maxSchedules: 1_500 } as const;
    expect(await explore(scenario, options)).toMatchObject({ schedules: 1_500, complete: false });
    const few = await explore(scenario, { ...options, boundedRuns: 7 });
    expect(few).toMatchObject({ schedules: 1 + 7, complete: false });
  });

  it("may be Infinity, because there is always a limit", async () => {
    const orders = await ordersOf({ cancel: false, bound: Infinity, randomRuns: Infinity, maxSchedules: 100 });
    expect(orders).toHaveLength(100);
  });

  it("take undefined for what is left out", async () => {
    const options = { cancel: undefined, bound: undefined, randomRuns: 0, seed: undefined, replay: undefined } as never;
    expect(await ordersOf(options)).toEqual(await ordersOf({ randomRuns: 0 }));
  });
});

describe("seed", () => {
  const chance = { cancel: false, bound: 0, randomRuns: 40 } as const;

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

  it("maxSteps is when a schedule counts as an endless loop: 20 000", async () => {
    const scenario = async (t: Bubble): Promise<void> => {
      for (;;) await t.yield();
    };
    const byDefault = await failureOf(explore(scenario), ScheduleError);
    expect(byDefault.message).toMatch(/^DeadlockError: livelock: the scenario has made 20000 steps;/);
    const error = await failureOf(explore(scenario, { maxSteps: 12 }), ScheduleError);
    expect(error.message).toContain("livelock: the scenario has made 12 steps;");
  });

  it("externalTimeout is the patience with the world outside", async () => {
    const error = await failureOf(
      explore(() => new Promise((resolve) => setTimeout(resolve, 60_000).unref()), { externalTimeout: 7 }),
      ScheduleError,
    );
    expect(error.cause).toBeInstanceOf(DeadlockError);
    expect(error.message).toContain("for more than 7ms of real time");
  });
});

describe("bad input to explore", () => {
  it.each([undefined, null, 5, "text", {}])("refuses %o where a function belongs", async (fn) => {
    const what = fn === null ? "null" : typeof fn === "object" ? "Object" : typeof fn;
    await expect(explore(fn as never)).rejects.toThrow(new TypeError(`explore: expected a function, got ${what}`));
  });

  it.each([
    [null, TypeError, "explore: expected an options object, got null"],
    ["fast", TypeError, 'explore: expected an options object, got the string "fast"'],
    [{ cancel: "never" }, TypeError, 'explore: options.cancel must be true or false; got the string "never"'],
    [{ cancel: "everywhere" }, TypeError, 'explore: options.cancel must be true or false; got the string "everywhere"'],
    [{ cancel: 1 }, TypeError, "explore: options.cancel must be true or false; got 1"],
    [{ search: "yes" }, TypeError, 'explore: options.search must be true or false; got the string "yes"'],
    [{ bound: -1 }, RangeError, "explore: options.bound must be a whole number from 0; got -1"],
    [{ bound: 1.5 }, RangeError, "explore: options.bound must be a whole number from 0; got 1.5"],
    [{ bound: "2" }, RangeError, 'explore: options.bound must be a whole number from 0; got the string "2"'],
    [{ boundedRuns: -1 }, RangeError, "explore: options.boundedRuns must be a whole number from 0; got -1"],
    [{ randomRuns: -1 }, RangeError, "explore: options.randomRuns must be a whole number from 0; got -1"],
    [{ randomRuns: NaN }, RangeError, "explore: options.randomRuns must be a whole number from 0; got NaN"],
    [{ seed: 1.5 }, RangeError, "explore: options.seed must be a whole number; got 1.5"],
    [{ seed: "first" }, RangeError, 'explore: options.seed must be a whole number; got the string "first"'],
    [{ microtasks: -1 }, RangeError, "explore: options.microtasks must be a whole number from 0; got -1"],
    [{ signals: 3 }, TypeError, "explore: options.signals must be 1 or 2; got 3"],
    [{ signals: 2, cancel: false }, TypeError, "explore: options.signals: 2 needs cancel"],
    [{ fail: "boom" }, TypeError, 'explore: options.fail must be an Error; got the string "boom"'],
    [{ timers: "all" }, TypeError, 'explore: options.timers must be "idle" or "any"; got the string "all"'],
    [{ maxSchedules: 0 }, RangeError, "explore: options.maxSchedules must be a whole number from 1; got 0"],
    [{ maxSchedules: 0.5 }, RangeError, "explore: options.maxSchedules must be a whole number from 1; got 0.5"],
    [{ replay: 5 }, TypeError, "explore: options.replay must be a string; got 5"],
    [{ start: "now" }, TypeError, "explore: options.start: expected a number of milliseconds, got string"],
    [{ start: NaN }, RangeError, "explore: options.start must be a time"],
    [{ start: Infinity }, RangeError, "explore: options.start"],
    [{ externalTimeout: NaN }, RangeError, "explore: options.externalTimeout: NaN is no duration"],
    [{ maxSteps: 0 }, RangeError, "explore: options.maxSteps must be a whole number from 1; got 0"],
  ])("refuses the options %o", async (options, Class, rule) => {
    let runs = 0;
    const { message } = await failureOf(
      explore(() => void runs++, options as never),
      Class,
    );
    expect(message).toContain(rule);
    expect(runs).toBe(0);
  });

  it.each(["hops", "runs", "max", "steps", "external", "exhaustive", "sead"])(
    "refuses the unknown option %s, and lists the known ones",
    async (name) => {
      const { message } = await failureOf(
        explore(() => {}, { [name]: 1 }),
        TypeError,
      );
      expect(message).toBe(
        `explore: there is no option ${name}; there are cancel, search, bound, boundedRuns, randomRuns, seed, microtasks, signals, fail, timers, maxSchedules, replay, start, externalTimeout, maxSteps`,
      );
    },
  );

  it("refuses endless microtasks, because all of them are run", async () => {
    let runs = 0;
    const scenario = (): void => {
      if (++runs === 1_000) throw new Error("it would never end");
    };
    const { message } = await failureOf(explore(scenario, { microtasks: Infinity }), RangeError);
    expect(message).toContain("microtasks");
  });
});
