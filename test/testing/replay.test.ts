/**
 * The schedule that failed: what the ScheduleError tells of it, how it is run again, and that the same exploration
 * does the same each time; and what is said of a scenario with which that cannot be.
 */
import { Chan, errgroup, go, sync, time } from "headgate";
import {
  type Bubble,
  explore,
  type ExploreOptions,
  NondeterminismError,
  record,
  ScheduleError,
  Trace,
} from "headgate/testing";
import { afterEach, describe, expect, it, vi } from "vitest";
import { failureOf } from "../support/errors.ts";
import { linesOf } from "./lines.ts";

type Scenario = (t: Bubble) => Promise<void> | void;
const at = linesOf(import.meta.url);
const foundIn = (scenario: Scenario, options?: ExploreOptions): Promise<ScheduleError> =>
  failureOf(explore(scenario, options), ScheduleError);

afterEach(() => {
  vi.unstubAllEnvs();
});

/** Two tasks hand over to each other; the test fails if the second comes first. */
const order =
  (isFixed: boolean): Scenario =>
  async (t) => {
    const ch = t.name(new Chan<number>(2), "ch");
    const second = new sync.Mutex();
    await second.lock();
    go(async function one() {
      await ch.send(1);
      second.unlock();
    });
    go(async function two() {
      if (isFixed) await second.lock();
      await ch.send(2);
    });
    const [first] = await ch.recv();
    if (first === 2) throw new RangeError("two came first"); // line: thrown
    await ch.recv();
  };

describe("a ScheduleError", () => {
  it("has the original error as its cause, with its stack, and the facts in its fields", async () => {
    const error = await foundIn(order(false));
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe("ScheduleError");
    expect(error.cause).toBeInstanceOf(RangeError);
    expect((error.cause as Error).stack).toContain(at("thrown"));
    expect(error.replay).toBe("1");
    expect(error.schedules).toBeGreaterThan(1);
    expect(error.trace).toBeInstanceOf(Trace);
    expect(error.trace.rows.at(-2)).toMatchObject({
      task: "main",
      event: "throw",
      detail: "RangeError: two came first",
    });
    expect(error.tasks.map((task) => task.name)).toEqual(["one", "two"]);
    expect(error.message).toMatch(/\n\ntasks that had not ended:\n {2}one +(ready|blocked).*\n {2}two .*\n\n/);
  });

  it("tells the whole story: the error, how it was found, who was blocked where, the timeline, the replay", async () => {
    const scenario: Scenario = async (t) => {
      const [group, ctx] = errgroup.withContext(t.ctx);
      const jobs = t.name(new Chan<number>(), "jobs");
      void group.go(async function producer() {
        await jobs.send(1);
        await jobs.send(2); // line: producer sends
      });
      void group.go(async function consumer() {
        for (;;) await jobs.recv(ctx); // line: consumer receives
      });
      await group.wait().catch(() => {}); // line: main waits
    };
    const { message, schedules, replay, trace } = await foundIn(scenario);
    expect({ schedules, replay }).toEqual({ schedules: 1, replay: "0" });
    const [story, ...rest] = message.split("\n\n");
    expect(story).toMatch(/^DeadlockError: deadlock: all tasks in the bubble are blocked and no timer is pending\n/);
    expect(rest[0]).toBe(
      [
        "found by schedule 1, in the plain order; run it again with",
        `  explore(scenario, { replay: "0" })   or   HEADGATE_REPLAY='0'`,
      ].join("\n"),
    );
    for (const line of [
      `main         blocked 0ms in group.wait group1 at ${at("main waits")}`,
      `consumer     blocked 0ms in recv jobs at ${at("consumer receives")}`,
    ]) {
      expect(message).toContain(line);
    }
    expect(message.endsWith(String(trace))).toBe(true);
  });

  it.each<[string, Scenario, ExploreOptions, RegExp]>([
    ["a point", (t) => failIf(t, t.ctx.err()), {}, /in the plain order, t\.ctx cancelled after step 1;/],
    [
      "a place inside of a step",
      async (t) => {
        await t.yield();
        await Promise.resolve();
        await failIf(t, t.ctx.err());
      },
      { search: false },
      /t\.ctx cancelled/,
    ],
    ["choices", order(false), {}, /which leaves the plain order 1 time\(s\);/],
  ])("says how it was found: by %s", async (_, scenario, options, how) => {
    expect((await foundIn(scenario, options)).message).toMatch(how);
  });

  it("takes what is thrown and is no error", async () => {
    const error = await foundIn(() => {
      throw "text";
    });
    expect(error.cause).toBe("text");
    expect(error.message).toMatch(/^thrown: text\n/);
  });

  it("shows the beginning and the end of a long timeline, and keeps all in its trace", async () => {
    const { message, trace } = await foundIn(async (t) => {
      for (let i = 0; i < 300; i++) await t.yield();
      throw new Error("in the end");
    });
    const rows = String(trace).split("\n").slice(1);
    expect(rows).toHaveLength(1 + 2 * 300 + 2);
    const shown = message.slice(message.indexOf("step  time")).split("\n").slice(1);
    const gap = shown.findIndex((line) => line.includes("rows more: see error.trace"));
    expect(shown[gap]).toContain(`(${rows.length - shown.length + 1} rows more`);
    expect(shown.slice(0, gap)).toEqual(rows.slice(0, gap));
    expect(shown.slice(gap + 1)).toEqual(rows.slice(gap + 1 - shown.length));
    expect(Math.min(gap, shown.length - gap)).toBeGreaterThan(10);
  });
});

/** Fails if there is an error when others have had their turn. */
async function failIf(t: Bubble, before: unknown): Promise<void> {
  await t.yield();
  if (t.ctx.err() !== before) throw new Error("it has ended");
}

describe("a replay string", () => {
  const refused = new Error("refused");
  const late = (t: Bubble, what: "ctx" | "abort"): Promise<void> =>
    t.yield().then(() => {
      if (t[what].err() !== undefined && what === "abort") throw new Error("aborted");
    });

  it.each<[string, RegExp, Scenario, ExploreOptions]>([
    ["0", /^0$/, () => Promise.reject(new Error("always")), {}],
    ["choices", /^\d(\.\d)*$/, order(false), {}],
    ["choices found at random", /^\d(\.\d)*$/, order(false), { bound: 0, cancel: false }],
    ["a point", /^0!c\d+$/, (t) => failIf(t, undefined), {}],
    ["a point and choices", /^0?[\d.]+!c\d+$/, cancelledSecond, { cancel: true }],
    ["a hop", /^0!h\d+\.\d+$/, betweenMicrotasks, {}],
    ["the second signal", /^0!c\d+!a\d+$/, async (t) => (await late(t, "ctx"), late(t, "abort")), { signals: 2 }],
    ["a refused operation", /^0!f2$/, refusedSecond, { fail: refused }],
    ["an early timer", /^[\d.]+$/, tooLate, { timers: "any", cancel: false }],
  ])("runs the one schedule again, to the letter: %s", async (_, pattern, scenario, options) => {
    const found = await foundIn(scenario, options);
    expect(found.replay).toMatch(pattern);
    const again = await foundIn(scenario, { ...options, replay: found.replay });
    expect({ replay: again.replay, schedules: again.schedules }).toEqual({ replay: found.replay, schedules: 1 });
    expect(String(again.trace)).toBe(String(found.trace));
    expect(again.message.replace("schedule 1,", `schedule ${found.schedules},`)).toBe(found.message);
  });

  it("passes once the scenario has been repaired", async () => {
    const { replay } = await foundIn(order(false));
    const report = await explore(order(true), { replay });
    expect(report).toEqual({ schedules: 1, points: 0, complete: true, ms: expect.any(Number) });
  });

  it("comes from HEADGATE_REPLAY, which overrides the option", async () => {
    const { replay } = await foundIn(order(false));
    vi.stubEnv("HEADGATE_REPLAY", replay);
    expect(await foundIn(order(false))).toMatchObject({ replay, schedules: 1 });
    expect(await foundIn(order(false), { replay: "0" })).toMatchObject({ replay, schedules: 1 });
    vi.stubEnv("HEADGATE_REPLAY", "");
    expect(await explore(order(false), { replay: "0" })).toMatchObject({ schedules: 1 });
  });

  it.each([
    "",
    "!c4",
    "0c1",
    "00",
    "1.02",
    "!4",
    "0!x1",
    "0!c",
    "1..2",
    "0.1!h3",
    "1,2",
    " 0",
    "A",
    "0!c1!c2",
    "0!f1!a1",
  ])("is refused if it is none: %j", async (replay) => {
    const { message } = await failureOf(explore(order(false), { replay }), RangeError);
    expect(message).toContain(`explore: ${JSON.stringify(replay)} is no replay string; it looks like "0.2.1!c7"`);
  });

  it("of another program is refused when it comes to a choice that is not there", async () => {
    const { message } = await failureOf(explore(order(true), { replay: "7" }), NondeterminismError);
    expect(message).toContain(
      "choice 1 is to be number 7, but there are only 2 candidates; the replay string belongs to",
    );
  });

  const passes: Scenario = async (t) => {
    for (let i = 0; i < 3; i++) await t.yield();
  };

  it.each<[string, string, ExploreOptions]>([
    ["abc", "1 choice(s)", {}],
    ["0.0.1.1", "4 choice(s)", {}],
    ["0!c99", "the cancel of t.ctx after step 99", {}],
    ["0!h99.1", "the cancel of t.ctx after step 99", {}],
    ["0!c1!a99", "the cancel of t.abort after step 99", {}],
    ["0!f99", "the refusal of operation 99, by the option fail", { fail: refused }],
    ["0!f1", "the refusal of operation 1, by the option fail", {}],
    ["1!c99!a100", "1 choice(s), the cancel of t.ctx after step 99, the cancel of t.abort after step 100", {}],
  ])("that goes on after the scenario has passed does not fit: %s", async (replay, leftOver, options) => {
    const { message } = await failureOf(explore(passes, { ...options, replay }), NondeterminismError);
    expect(message.replace(/after \d steps/, "after N steps")).toContain(
      `explore: the replay string "${replay}" does not fit the scenario, which passed after N steps and did not come to ${leftOver};`,
    );
    expect(message).toContain("the replay string belongs to another program or other options");
    // The recording names the schedule that was run.
    const { error, replay: run } = await record(
      passes,
      replay,
      options.fail === undefined ? {} : { fail: options.fail },
    );
    expect([error, run]).toEqual([undefined, replay.startsWith("0!c1") ? "0!c1" : "0"]);
  });

  it("does not name a cancel that came after the failure", async () => {
    const fails: Scenario = async (t) => {
      await t.yield();
      throw new Error("in any case");
    };
    expect(await foundIn(fails, { replay: "0!c99" })).toMatchObject({ replay: "0" });
    expect(await record(fails, "0!c99")).toMatchObject({ replay: "0", error: new Error("in any case") });
  });
});

/** Fails if t.ctx has ended and the tasks began the other way round. */
async function cancelledSecond(t: Bubble): Promise<void> {
  let begun = "";
  for (const name of ["a", "b"]) go(() => void (begun += name));
  await t.wait();
  await t.yield();
  if (t.ctx.err() !== undefined && begun === "ba") throw new Error("cancelled, and the other way round");
}

async function betweenMicrotasks(t: Bubble): Promise<void> {
  await t.yield();
  const before = t.ctx.err();
  await Promise.resolve();
  if (t.ctx.err() !== before) throw new Error("cancelled in between");
}

async function refusedSecond(): Promise<void> {
  const ch = new Chan<number>(1);
  await ch.send(1);
  await ch.recv().catch(() => {
    throw new Error("not received");
  });
}

async function tooLate(t: Bubble): Promise<void> {
  const begun = t.now();
  go(() => time.sleep(1_000));
  await t.yield();
  await t.yield();
  if (t.now() > begun) throw new Error("too late");
  await t.sleep(2_000);
}

describe("the same exploration", () => {
  /** What explore did, schedule by schedule, and how it ended. */
  async function journalOf(options: ExploreOptions): Promise<unknown> {
    const journal: string[] = [];
    const scenario: Scenario = async (t) => {
      let line = "";
      const [ch, group] = [new Chan<string>(), new errgroup.Group()];
      for (const name of ["a", "b", "c"]) {
        void group.go(async () => {
          await time.sleep(10);
          await ch.send(name, t.ctx).catch(() => {});
        });
      }
      t.ctx.signal.addEventListener("abort", () => (line += "!"));
      for (let i = 0; i < 3; i++) line += (await ch.recv(t.ctx).catch(() => ["-"]))[0];
      await group.wait();
      journal.push(line);
      if (options.seed !== undefined && line === "cba") throw new Error("backwards");
    };
    const end: unknown = await explore(scenario, { randomRuns: 60, ...options }).then(
      ({ schedules, points }) => ({ schedules, points }),
      ({ message, replay, schedules }: ScheduleError) => ({ message, replay, schedules }),
    );
    return { journal, end };
  }

  it("runs the same schedules each time, which are others for another seed", async () => {
    const [first, second] = [await journalOf({}), await journalOf({})];
    expect(second).toEqual(first);
    vi.stubEnv("HEADGATE_SEED", "12345");
    expect(await journalOf({})).not.toEqual(first);
  });

  it("finds the same failure after the same number of schedules, with the same story and replay string", async () => {
    for (const options of [{ seed: 1 }, { seed: 99, bound: 0, cancel: false }]) {
      const first = await journalOf(options);
      expect(first).toMatchObject({ end: { message: expect.stringContaining("Error: backwards") } });
      expect(await journalOf(options)).toEqual(first);
    }
  });
});

describe("a NondeterminismError", () => {
  const unsteady = (scenario: Scenario, options?: ExploreOptions): Promise<NondeterminismError> =>
    failureOf(explore(scenario, options), NondeterminismError);
  const blame = /Math\.random, the wall clock, or state that outlives a run.*time\.now\(\)/;
  /** Starts `n` tasks: as many are there to choose from. */
  const branch = async (t: Bubble, n: number): Promise<void> => {
    for (let i = 0; i < n; i++) go(() => t.yield());
    await t.wait();
  };

  it("is thrown for a scenario that keeps state from run to run, and so has other choices", async () => {
    let runs = 0;
    const error = await unsteady((t) => branch(t, 2 + (runs++ % 2)));
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe("NondeterminismError");
    expect(error.message).toMatch(/^nondeterminism: /);
    expect(error.message).toMatch(blame);
    expect(error.cause).toBeUndefined();
  });

  it("is thrown for a scenario that asks Math.random or the wall clock what to do", async () => {
    vi.spyOn(Math, "random").mockImplementation(counter((n) => (n % 3) / 3));
    vi.spyOn(Date, "now").mockImplementation(counter((n) => n));
    try {
      for (const chance of [() => Math.floor(Math.random() * 3), () => Date.now() % 3]) {
        expect((await unsteady((t) => branch(t, 2 + chance()))).message).toMatch(blame);
      }
    } finally {
      vi.restoreAllMocks();
    }
  });

  it("is thrown by the search, too, at the choice that has changed", async () => {
    let runs = 0;
    const { message } = await unsteady((t) => branch(t, 2 + (runs++ >> 2)), { cancel: false });
    expect(message).toMatch(/^nondeterminism: at choice \d+ there were \d+ candidates before, and now there are \d+;/);
  });

  it("is thrown for a failure that does not come again, which is its cause", async () => {
    let runs = 0;
    const boom = new Error("only once");
    const error = await unsteady(async (t) => {
      await t.yield();
      if (++runs === 3) throw boom;
    });
    expect(error.message).toMatch(/^nondeterminism: a schedule failed, and when it was run again it passed; /);
    expect(error.message).toContain("The failure was: Error: only once");
    expect(error.message).toMatch(blame);
    expect(error.cause).toBe(boom);
  });

  it("is thrown for a failure that is another one each time", async () => {
    let runs = 0;
    const { message } = await unsteady(() => {
      throw new Error(`run ${++runs}`);
    });
    expect(message).toMatch(/when it was run again it failed otherwise: Error: run \d;/);
  });

  it("is thrown for a scenario that makes another number of steps each time, without any choice", async () => {
    let runs = 0;
    const { message } = await unsteady(async (t) => {
      runs++;
      for (let i = 1; i < runs; i++) await t.yield();
    });
    expect(message).toMatch(blame);
  });

  it("is not thrown for a scenario that asks time.now()", async () => {
    await explore(async (t) => {
      await time.sleep(3);
      await branch(t, time.now() % 5);
    });
  });
});

/** A function that computes something else of the number of the call, from 0, each time. */
function counter(f: (n: number) => number): () => number {
  let n = 0;
  return () => f(n++);
}
