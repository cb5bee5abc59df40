/**
 * The catalogue of bugs, each as it was written first and as it should have been: exploring finds every one, finds it
 * again by its replay string, and has nothing to say against the repair.
 */
import { AssertionError } from "node:assert";
import { ClosedChannel } from "headgate";
import { DeadlockError, explore, record, LeakError, ScheduleError } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { bugs } from "./bugs/index.ts";

/** What it takes to see a bug: a cancel between two steps of the plain order, or inside of one; another order; both. */
type Needs = "a cancel" | "a cancel inside of a step" | "another order" | "a cancel and another order";

type Expected = readonly [name: string, needs: Needs, cause: new (...args: never[]) => Error, says: RegExp];

const expected: readonly Expected[] = [
  ["stale id, stopped by the test", "a cancel", AssertionError, /^m1 was settled 2 times: ack, nack$/],
  ["stale id, cancelled from outside", "a cancel", AssertionError, /^m1 was settled 2 times: ack, nack$/],
  ["ack with the request's ctx", "a cancel", AssertionError, /^m1 was handled and never settled$/],
  ["acks left in the channel", "a cancel", AssertionError, /^m1 was handled and never settled$/],
  ["result sent with a ctx", "a cancel", AssertionError, /^m1 was handled and never settled$/],
  ["results without a reader", "a cancel", DeadlockError, /handle +blocked 0ms in send ch2 "m2"/],
  [
    "lease extended after its return",
    "a cancel and another order",
    AssertionError,
    /^the lease was extended after its return$/,
  ],
  ["closed before the flush", "another order", AssertionError, /^the file was closed before the flush$/],
  ["timer set again after the stop", "a cancel", LeakError, /left 1 timer\(s\) still set/],
  ["callback that fires after its stop", "a cancel", AssertionError, /^an aborted connection is in the pool$/],
  ["channel closed twice", "a cancel", ClosedChannel, /^close of closed channel$/],
  ["retry that sleeps through the stop", "a cancel", AssertionError, /^the program went on for seconds/],
  ["loop that swallows the cancel", "a cancel", Error, /^livelock: .* 20000 steps/],
  ["rollback under the cancelled ctx", "a cancel", AssertionError, /^a seat stays reserved for ever$/],
  ["duplicate handled twice", "another order", AssertionError, /^m1 was handled twice$/],
  ["cache stampede", "another order", AssertionError, /^the database was asked twice/],
  ["flight of a cancelled caller", "a cancel", AssertionError, /^a caller failed that had not been cancelled$/],
  ["permit lost on the way to the finally", "a cancel", DeadlockError, /main +blocked 0ms in acquire sem1 2/],
  ["unlock without the lock", "a cancel", AssertionError, /^two tasks in the critical section$/],
  ["lock granted to an abandoned wait", "a cancel", DeadlockError, /main +blocked 0ms in lock mu1/],
  ["lost wake-up", "another order", DeadlockError, /checkThenLock +blocked 0ms in cond.wait cond1/],
  ["counted too late", "another order", AssertionError, /^the wait was over before the work$/],
  ["producer without a ctx", "a cancel", DeadlockError, /produce +blocked 0ms in send ch1 1/],
  ["cancelled between two plain awaits", "a cancel inside of a step", AssertionError, /^stored after the end$/],
  ["value won by an abandoned receive", "a cancel", AssertionError, /^a job was lost$/],
  ["cancel reported instead of the error", "another order", AssertionError, /^the disk was full/],
];

type Scenario = Parameters<typeof explore>[0];

/** The ScheduleError with which exploring ends; undefined if it finds nothing. */
async function found(...args: Parameters<typeof explore>): Promise<ScheduleError | undefined> {
  try {
    await explore(...args);
    return undefined;
  } catch (error) {
    if (error instanceof ScheduleError) return error;
    throw error;
  }
}

/** What a failure is known by: the class of its cause, and the first line. */
function symptom(error: ScheduleError | undefined): string {
  const cause = error?.cause as Error | undefined;
  return cause === undefined ? "nothing" : `${cause.constructor.name}: ${cause.message.split("\n")[0]}`;
}

/** What the kinds of exploring find, each by itself. */
async function needsOf(scenario: Scenario): Promise<Needs | "either"> {
  const between = await found(scenario, { search: false, microtasks: 0 });
  const inside = between ?? (await found(scenario, { search: false }));
  const ordered = await found(scenario, { cancel: false });
  if (ordered !== undefined) return inside === undefined ? "another order" : "either";
  if (between !== undefined) return "a cancel";
  return inside === undefined ? "a cancel and another order" : "a cancel inside of a step";
}

it("has an expectation for each bug of the catalogue, and each bug a name of its own", () => {
  expect(expected.map(([name]) => name)).toEqual(bugs.map(({ name }) => name));
  expect(new Set(expected.map(([name]) => name)).size).toBe(expected.length);
});

describe.each(expected)("%s", (name, needs, cause, says) => {
  const { scenario } = bugs.find((bug) => bug.name === name)!;
  const [broken, repaired] = [scenario(false), scenario(true)];

  it("does not show in the plain order", async () => {
    const report = await explore(broken, { cancel: false, bound: 0, randomRuns: 0 });
    expect(report.complete).toBe(true);
  });

  it("is found by exploring with the default options, and again by the replay string", async () => {
    const failure = await found(broken);
    expect(failure?.cause).toBeInstanceOf(cause);
    expect((failure!.cause as Error).message).toMatch(says);

    const again = await found(broken, { replay: failure!.replay });
    expect(symptom(again)).toBe(symptom(failure));
    expect([again!.schedules, again!.replay]).toEqual([1, failure!.replay]);
    expect(String(again!.trace)).toBe(String(failure!.trace));
  });

  it(`is seen with ${needs}, and not without`, async () => {
    expect(await needsOf(broken)).toBe(needs);
  });

  it("is gone from the repaired program, under the schedule that failed and under all others", async () => {
    const failure = await found(broken);
    // The repaired program makes other steps. It may end before it comes to all that is in the string.
    expect((await record(repaired, failure!.replay)).error).toBeUndefined();

    const report = await explore(repaired);
    expect(report.complete).toBe(true);
    expect(report.points).toBeGreaterThan(0);
    expect(report.schedules).toBeGreaterThan(500);
  });
});
