/**
 * What explore does to a scenario: which schedules it runs, where it cancels, what it refuses, and what it finds
 * by that. The numbers of schedules are counted by hand.
 */
import { Chan, context, errgroup, go, select, semaphore, sync, time } from "headgate";
import { type Bubble, bubble, DeadlockError, explore, type ExploreOptions, ScheduleError } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { failureOf } from "../support/errors.ts";

type Scenario = (t: Bubble) => Promise<void> | void;
const foundIn = (scenario: Scenario, options?: ExploreOptions): Promise<ScheduleError> =>
  failureOf(explore(scenario, options), ScheduleError);
/** Nothing but the search, without cancelling. */
const search: ExploreOptions = { cancel: false, randomRuns: 0 };
/** Nothing but the points. */
const points: ExploreOptions = { search: false, microtasks: 0 };
const messageOf = (error: ScheduleError): string => (error.cause as Error).message;

/** Tells how far `progress` was when t.ctx ended, without any step of its own. */
function onCancel(t: Bubble, seen: (at: "ctx" | "abort") => void): void {
  t.ctx.signal.addEventListener("abort", () => seen("ctx"));
  t.abort.signal.addEventListener("abort", () => seen("abort"));
}

/** Fails if t.ctx ends while it awaits a promise that is not headgate's. */
async function unchanged(t: Bubble): Promise<void> {
  const before = t.ctx.err();
  await Promise.resolve();
  if (t.ctx.err() !== before) throw new Error("cancelled in between");
}

describe("cancelling at every point", () => {
  it("runs the plain order, and then cancels it after each of its steps", async () => {
    const seen: number[] = [];
    const scenario: Scenario = async (t) => {
      let progress = 0;
      onCancel(t, (at) => void (at === "ctx" && seen.push(progress)));
      for (; progress < 3; progress++) await t.yield();
    };
    const { schedules, points: made } = await explore(scenario, points);
    expect(seen).toEqual([3, 0, 1, 2, 3]);
    expect({ schedules, made }).toEqual({ schedules: 5, made: 4 });
  });

  it("finds what is lost between receiving and handing on", async () => {
    const scenario =
      (isFixed: boolean): Scenario =>
      async (t) => {
        const [from, to] = [new Chan<number>(1), new Chan<number>(1)];
        from.trySend(1);
        const pump = async (): Promise<void> => {
          const [value] = await from.recv(t.ctx);
          await to.send(value!, isFixed ? undefined : t.ctx);
        };
        await pump().catch(() => {});
        if (from.length + to.length !== 1) throw new Error("the value is lost");
      };
    const error = await foundIn(scenario(false));
    expect(messageOf(error)).toBe("the value is lost");
    expect(error.message).toContain("t.ctx cancelled after step");
    await explore(scenario(true));
  });

  it("counts a scenario as failed that rejects with the error of t.ctx, and says what to do", async () => {
    const error = await foundIn(async (t) => {
      await t.yield();
      await time.sleep(1, t.ctx);
    });
    expect(error.cause).toBeInstanceOf(context.Canceled);
    expect(error.message).toMatch(/^AbortError: context canceled\n\(the error of t\.ctx, .*: catch it/);
  });

  it("cancels inside of each step, too, after each of the first `microtasks` microtasks", async () => {
    const seen = new Set<number>();
    const scenario: Scenario = async (t) => {
      let progress = 0;
      onCancel(t, () => seen.add(progress));
      for (; progress < 4; progress++) await Promise.resolve();
      await t.yield();
    };
    const without = await explore(scenario, { search: false, microtasks: 0 });
    expect([...seen]).toEqual([4]);
    const { schedules } = await explore(scenario, { search: false, microtasks: 3 });
    expect(seen.size).toBeGreaterThan(2);
    // The plain order has three steps: the start, the end of the yield, and the cancel at the end of the test.
    expect([without.schedules, schedules]).toEqual([1 + 2, 1 + 2 + 3 * 3]);
  });

  it("finds by hops what goes wrong between two awaits that are not headgate's", async () => {
    const scenario: Scenario = async (t) => {
      await t.yield();
      await unchanged(t);
    };
    await explore(scenario, { microtasks: 0 });
    expect(messageOf(await foundIn(scenario))).toBe("cancelled in between");
  });

  it("finds it also between the first line of a task and what comes after its first await", async () => {
    expect(messageOf(await foundIn(unchanged))).toBe("cancelled in between");
  });

  it("gives every schedule a bubble of its own", async () => {
    const contexts = new Set<unknown>();
    const { schedules } = await explore(async (t) => {
      expect([t.now(), t.ctx.err(), t.abort.err()]).toEqual([Date.UTC(2000, 0, 1), undefined, undefined]);
      contexts.add(t.ctx);
      await t.sleep(1_000).catch(() => {});
    }, points);
    expect(contexts.size).toBe(schedules);
  });
});

describe("the search", () => {
  /** Three tasks that only begin, in any order. */
  const starts =
    (orders: Set<string>): Scenario =>
    async (t) => {
      let order = "";
      for (const name of ["a", "b", "c"]) go(() => void (order += name));
      await t.wait();
      orders.add(order);
    };

  it.each([
    [0, ["abc"], 1],
    [1, ["abc", "acb", "bac", "cab"], 4],
    [2, ["abc", "acb", "bac", "bca", "cab", "cba"], 6],
  ])("with the bound %d leaves the plain order at most so often", async (bound, expected, found) => {
    const orders = new Set<string>();
    const { schedules, complete } = await explore(starts(orders), { ...search, bound });
    expect(orders).toEqual(new Set(expected));
    expect({ schedules, complete }).toEqual({ schedules: found, complete: true });
  });

  const yields =
    (n: number) =>
    async (t: Bubble): Promise<void> => {
      for (let i = 0; i < n; i++) await t.yield();
    };
  const tasks =
    (...fns: ((t: Bubble) => unknown)[]): Scenario =>
    (t) => {
      for (const fn of fns) go(() => fn(t));
    };
  const sleepers =
    (...times: number[]): Scenario =>
    async () => {
      const group = new errgroup.Group();
      for (const ms of times) void group.go(() => time.sleep(ms));
      await group.wait();
    };

  it.each<[string, number, Scenario]>([
    ["one task alone", 1, yields(5)],
    ["three tasks that only begin: 3!", 6, tasks(yields(0), yields(0), yields(0))],
    ["two tasks of two steps each: 4 over 2", 6, tasks(yields(1), yields(1))],
    ["two tasks of three steps each: 6 over 3", 20, tasks(yields(2), yields(2))],
    ["three tasks of two steps each: 6! / 2!³", 90, tasks(yields(1), yields(1), yields(1))],
    [
      "a task of two steps beside the last step of main: 3 over 1",
      3,
      async (t) => {
        go(() => t.yield());
        await t.yield();
      },
    ],
    ["two tasks whose timers are due together: 2 · 2", 4, sleepers(10, 10)],
    ["two tasks whose timers are not: 2", 2, sleepers(10, 20)],
    [
      "a select with three ready cases",
      3,
      async () => {
        const [a, b, c] = [new Chan<number>(1), new Chan<number>(1), new Chan<number>(1)];
        for (const ch of [a, b, c]) ch.trySend(1);
        await select({ a, b, c });
      },
    ],
  ])("has as many schedules in all as there are: %s", async (_, count, scenario) => {
    const { schedules, complete } = await explore(scenario, { ...search, bound: Infinity });
    expect({ schedules, complete }).toEqual({ schedules: count, complete: true });
  });

  it("has the cancel as one more step, which may come after any other or never", async () => {
    const scenario = tasks(yields(1), yields(1));
    const { schedules, points: made } = await explore(scenario, { bound: Infinity, randomRuns: 0, microtasks: 0 });
    // Five steps in six orders. The sixth step of the plain order is the cancel at the end of the test.
    expect({ schedules, made }).toEqual({ schedules: 1 + 5 + 6 * (5 + 1), made: 5 });
  });

  it("finds a check that has become stale when it acts, which no cancel shows", async () => {
    const scenario =
      (isFixed: boolean): Scenario =>
      async (t) => {
        const [group, mu] = [new errgroup.Group(), new sync.Mutex()];
        let balance = 10;
        const withdraw = async (): Promise<void> => {
          using _ = isFixed ? await mu.lock() : null;
          if (balance < 10) return;
          await t.yield();
          balance -= 10;
        };
        void group.go(withdraw);
        void group.go(withdraw);
        await group.wait();
        if (balance < 0) throw new Error("overdrawn");
      };
    await explore(scenario(true));
    const error = await foundIn(scenario(false), { cancel: false });
    expect(messageOf(error)).toBe("overdrawn");
  });

  it("sees timers that are due together fire in any order, where the plain order has one (Y5)", async () => {
    const orders = new Set<string>();
    const scenario: Scenario = async (t) => {
      let order = "";
      time.afterFunc(10, () => void (order += "a"));
      time.afterFunc(10, () => void (order += "b"));
      await t.sleep(20);
      orders.add(order);
    };
    await bubble(scenario);
    expect(orders).toEqual(new Set(["ab"]));
    await explore(scenario, search);
    expect(orders).toEqual(new Set(["ab", "ba"]));
  });

  it("sees every ready case of a select win", async () => {
    const winners = new Set<string>();
    const scenario: Scenario = async () => {
      const [left, right] = [new Chan<number>(1), new Chan<number>(1)];
      left.trySend(1);
      right.trySend(2);
      winners.add((await select({ left, right })).case);
    };
    await explore(scenario, search);
    expect(winners).toEqual(new Set(["left", "right"]));
  });

  it("makes a schedule that chance has found as plain as it can be", async () => {
    const scenario: Scenario = async (t) => {
      const begun: string[] = [];
      for (const name of ["a", "b", "c", "d"]) {
        go(async () => {
          begun.push(name);
          for (let i = 0; i < 5; i++) await t.yield();
        });
      }
      await t.wait();
      if (begun.indexOf("d") < begun.indexOf("a")) throw new Error("d before a");
    };
    const { replay, message } = await foundIn(scenario, { cancel: false, bound: 0 });
    expect(replay.split(".").filter((choice) => choice !== "0")).toHaveLength(1);
    expect(message).toContain("which leaves the plain order 1 time(s)");
  });
});

describe('timers: "any"', () => {
  const scenario: Scenario = async (t) => {
    const [ctx, cancel] = context.withTimeout(t.ctx, 1_000);
    using _ = cancel;
    await time.sleep(10, ctx);
    await t.yield();
    if (ctx.err() !== undefined) throw new Error("the deadline came between handle and ack");
  };

  it("finds a deadline between handle and ack, which no schedule has where time waits for the tasks", async () => {
    await explore(scenario, { cancel: false });
    const error = await foundIn(scenario, { cancel: false, timers: "any" });
    expect(messageOf(error)).toBe("the deadline came between handle and ack");
    expect(error.trace.rows.find((row) => row.task === "⏱")).toMatchObject({ time: 10 });
    expect(error.trace.rows.filter((row) => row.task === "⏱").at(-1)).toMatchObject({ time: 1_000 });
  });

  it("fires them in the order in which they are due, all the same", async () => {
    const orders = new Set<string>();
    const late: Scenario = async (t) => {
      let order = "";
      time.afterFunc(20, () => void (order += "later "));
      time.afterFunc(10, () => void (order += "sooner "));
      for (let i = 0; i < 3; i++) await t.yield();
      orders.add(`${order}${t.now() - Date.UTC(2000, 0, 1)}`);
      await t.sleep(21);
    };
    await explore(late, { ...search, timers: "any", bound: Infinity });
    expect(orders).toContain("sooner later 20");
    expect([...orders].filter((order) => order.startsWith("later") && order.endsWith(" 10"))).toEqual([]);
    expect(orders).toContain("0");
  });
});

describe("signals: 2", () => {
  it("cancels t.abort at every point after each point of the first cancel", async () => {
    const seen = new Set<string>();
    const scenario: Scenario = async (t) => {
      let [progress, cancelled] = [0, -1];
      onCancel(t, (at) => {
        if (at === "ctx") cancelled = progress;
        else seen.add(`${cancelled}, ${progress}`);
      });
      for (; progress < 2; progress++) await t.yield();
    };
    const { schedules, complete } = await explore(scenario, { ...points, signals: 2 });
    expect(seen).toEqual(new Set(["0, 0", "0, 1", "0, 2", "1, 1", "1, 2", "2, 2"]));
    // A cancelled run has five steps: start, cancel, two yields, end. So 3 + 2 + 1 points are left for the second.
    expect({ schedules, complete }).toEqual({ schedules: 1 + 3 + 6, complete: true });
  });

  it("finds a clean-up that the second signal breaks off", async () => {
    const scenario: Scenario = async (t) => {
      let isOpen = true;
      await new Chan(1).send(1, t.ctx).catch(() => {});
      await new Chan(1).send(1, t.abort).then(
        () => (isOpen = false),
        () => {},
      );
      if (isOpen) throw new Error("left open");
    };
    await explore(scenario);
    const error = await foundIn(scenario, { signals: 2 });
    expect(messageOf(error)).toBe("left open");
    expect(error.message).toMatch(/t\.ctx cancelled after step \d+, t\.abort cancelled after step \d+;/);
  });

  it("samples the pairs of points where there is no room for all of them, and says so", async () => {
    const scenario: Scenario = async (t) => {
      for (let i = 0; i < 20; i++) await t.yield();
    };
    const { schedules, complete } = await explore(scenario, { ...points, signals: 2, maxSchedules: 50 });
    expect(complete).toBe(false);
    expect(schedules).toBeGreaterThan(30);
    expect(schedules).toBeLessThanOrEqual(50);
  });
});

describe("fail", () => {
  const refused = new Error("refused");

  it("refuses each awaited operation, one at a time, before it has had any effect", async () => {
    const seen: unknown[] = [];
    const { schedules } = await explore(
      async (t) => {
        const [ch, sem, mu] = [new Chan<number>(1), new semaphore.Weighted(1), new sync.Mutex()];
        const outcome = async (op: Promise<unknown>): Promise<boolean> =>
          op.then(
            () => true,
            (error) => error !== refused,
          );
        const done = [
          await outcome(ch.send(1, t.ctx)),
          await outcome(time.sleep(1)),
          await outcome(sem.acquire()),
          await outcome(mu.lock()),
          await outcome(select({ ch, timeout: time.after(1) })),
        ];
        expect(ch.length).toBe(done[0] && !done[4] ? 1 : 0);
        expect([sem.tryAcquire(), mu.tryLock()]).toEqual([!done[2], !done[3]]);
        seen.push(done.indexOf(false));
      },
      { ...search, fail: refused },
    );
    // The plain order once to begin with, and once to see what may be refused, which does not count.
    expect(seen).toEqual([-1, -1, 0, 1, 2, 3, 4]);
    expect(schedules).toBe(1 + 5);
  });

  it("lets the error come out of the scenario, also as the cause of another", async () => {
    await explore(
      async () => {
        await new Chan(1).send(1);
        await time.sleep(1).catch((error: unknown) => {
          throw new Error("no sleep", { cause: error });
        });
      },
      { ...search, fail: refused },
    );
  });

  it("finds what is not given back when an operation fails", async () => {
    const scenario =
      (isFixed: boolean): Scenario =>
      async () => {
        const [sem, out] = [new semaphore.Weighted(1), new Chan<number>(2)];
        const work = async (): Promise<void> => {
          await sem.acquire();
          try {
            await out.send(1);
            if (!isFixed) sem.release();
          } finally {
            if (isFixed) sem.release();
          }
        };
        await work().catch(() => {});
        await work();
      };
    await explore(scenario(true), { fail: refused });
    const error = await foundIn(scenario(false), { fail: refused });
    expect(error.cause).toBeInstanceOf(DeadlockError);
    expect(error.message).toContain("operation 2 refused");
    expect(error.replay).toBe("0!f2");
  });
});

describe("the report", () => {
  it("says how many schedules were run, at how many points, in what time, and that it was all", async () => {
    const report = await explore((t) => t.yield(), { microtasks: 2, randomRuns: 7 });
    // Points: after start and yield. Hops: in three steps. Search: the plain order, and the cancel at both points.
    expect(report).toEqual({ schedules: 1 + 2 + 3 * 2 + 3 + 7, points: 2, complete: true, ms: expect.any(Number) });
    expect(Number.isInteger(report.ms) && report.ms >= 0).toBe(true);
  });

  it("says that it was not all where `maxSchedules` came first, but never at the cost of points or microtasks", async () => {
    const scenario: Scenario = async (t) => {
      go(() => t.yield());
      await t.yield();
    };
    const all = await explore(scenario, { bound: Infinity });
    expect(all.complete).toBe(true);
    for (const max of [1, all.points, all.schedules - 501, all.schedules - 1]) {
      const { schedules, points: made, complete } = await explore(scenario, { bound: Infinity, maxSchedules: max });
      expect({ made, complete }).toEqual({ made: all.points, complete: false });
      expect(schedules).toBe(Math.max(max, 1 + all.points + 4 * (all.points + 1)));
    }
    expect(await explore(scenario, { bound: Infinity, maxSchedules: all.schedules })).toMatchObject({ complete: true });
  });
});
