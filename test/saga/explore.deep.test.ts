/**
 * The invariants A1 to A7 of a saga at every point at which it can be cancelled, and at every point at which it can be aborted after that;
 * by itself, and in the handler of a worker that is stopped and aborted. The scenario is in `explore.ts`.
 */
import { context } from "headgate";
import { explore, ScheduleError } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { type Cast, type Mode, MODES, scenario, UNDOABLE } from "./explore.ts";

/** Explores a mode with both signals. Returns what happened in one schedule or another. */
async function everywhere(mode: Mode, host: Cast["host"] = "alone"): Promise<ReadonlySet<string>> {
  const outcomes = new Set<string>();
  const found = scenario(mode, { host, outcome: (what) => outcomes.add(what) });
  const report = await explore(found, { search: false, signals: 2, maxSchedules: 100_000 });
  expect(report.complete).toBe(true);
  expect(report.points).toBeGreaterThan(10);
  return outcomes;
}

/** What must happen in one schedule or another, beside being undone and being aborted; or they would prove little. */
const OUTCOMES: Record<Mode, readonly string[]> = {
  plain: ["committed"],
  "a step fails": ["attemptFailed"],
  "a step fails once": ["committed", "attemptFailed"],
  "a step was not applied": ["not applied"],
  "a step is deaf to its ctx": ["committed"],
  "undo fails once": ["committed", "attemptFailed"],
  "undo fails": ["committed", "undo: failed"],
  "undo hangs": ["committed", "undo: failed"],
  "undo is deaf to its ctx": ["committed", "undo: out of time"],
  "no undo": ["committed", "undo: cannot be undone"],
  "the sink fails once": ["committed", "dead-lettered"],
  "the sink fails": ["committed", "lost"],
  "the sink hangs": ["committed", "lost"],
  pivot: ["committed", "finish: aborted"],
  "pivot, and a step fails once": ["committed", "finish: aborted"],
  "pivot, and a step fails": ["finish: failed", "finish: aborted"],
  "pivot, and a step hangs": ["committed", "finish: out of time", "finish: aborted"],
};

describe("cancelled at any point, and aborted at any later one, a saga keeps its invariants (A1–A7)", () => {
  it.each(MODES)("when the mode is: %s", { timeout: 60_000 }, async (mode) => {
    const outcomes = await everywhere(mode);
    expect([...outcomes]).toEqual(expect.arrayContaining(["compensated", "undo: aborted", ...OUTCOMES[mode]]));
  });
});

describe("in a worker that is stopped at any point, and aborted at any later one, a saga keeps its invariants (A1–A7)", () => {
  it.each(MODES)("when the mode is: %s", { timeout: 60_000 }, async (mode) => {
    const outcomes = await everywhere(mode, "worker");
    // What ends there before its time is out of time: the abort is the worker's.
    const expected = OUTCOMES[mode].filter((what) => !what.endsWith(": aborted"));
    expect([...outcomes]).toEqual(expect.arrayContaining(["compensated", ...expected]));
    expect([...outcomes].filter((what) => what.endsWith(": aborted"))).toEqual([]);
  });
});

describe("aborted at any point, and never cancelled, a saga keeps its invariants", () => {
  it.each(MODES)("when the mode is: %s", { timeout: 60_000 }, async (mode) => {
    const report = await explore(scenario(mode, { signal: "abort" }), { search: false, maxSchedules: 100_000 });
    expect(report.complete).toBe(true);
    expect(report.points).toBeGreaterThan(10);
  });
});

describe("in other orders of its tasks, too, a saga keeps its invariants", () => {
  it.each<Mode>(["plain", "pivot", "undo is deaf to its ctx", "the sink fails", "pivot, and a step hangs"])(
    "when the mode is: %s",
    { timeout: 60_000 },
    async (mode) => {
      const { schedules, points } = await explore(scenario(mode));
      expect(schedules - points).toBeGreaterThan(500);
    },
  );
});

describe("0 dead letters", () => {
  it.each(UNDOABLE)("when every compensation can succeed, wherever it is cancelled, and: %s", async (mode) => {
    const outcomes = new Set<string>();
    await explore(scenario(mode, { outcome: (what) => outcomes.add(what) }), { search: false });
    expect(outcomes).toContain("compensated");
    for (const what of ["deadLettered", "dead-lettered", "lost"]) expect(outcomes).not.toContain(what);
  });
});

describe("it is found out that a saga", () => {
  /** What the first schedule says in which it goes wrong. */
  async function failure(mode: Mode, cast: Cast): Promise<string> {
    const error: unknown = await explore(scenario(mode, cast), { search: false }).catch((error) => error);
    if (error instanceof ScheduleError) return error.message;
    throw new Error(`no schedule was found that fails; instead: ${String(error)}`);
  }

  it.each<[what: string, invariant: string, cast: Cast]>([
    [
      "undoes on the ctx that was cancelled",
      "dead letters, and all could be undone: t:a (A5)",
      { undo: (undo, stop) => (_, call) => undo(stop, call) },
    ],
    [
      "does not undo what is unknown",
      "is left, and there is no letter (A5)",
      { undo: (undo) => async (ctx, call) => (call.outcome === "unknown" ? undefined : undo(ctx, call)) },
    ],
    [
      "goes on when it is cancelled",
      "was called after the cancellation (A3)",
      { run: (run) => (ctx, options) => run(context.withoutCancel(ctx), options) },
    ],
    [
      "returns as soon as it is cancelled",
      "was undone after the return",
      { run: (run) => (ctx, options) => context.wait(run(ctx, options), ctx) },
    ],
    [
      "says that what was undone is done",
      "it is committed, and",
      {
        run: (run) => async (ctx, options) => {
          const { id, log } = await run(ctx, options);
          return { status: "committed", id, log, output: { a: "output of a", b: "output of b", c: "output of c" } };
        },
      },
    ],
  ])("%s", async (_, said, cast) => {
    // When nobody cancels it, nothing shows.
    await explore(scenario("plain", cast), { cancel: false, bound: 0, randomRuns: 0 });
    expect(await failure("plain", cast)).toContain(said);
  });
});
