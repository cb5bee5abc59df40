/**
 * Reports name lines, which they take from stacks. Others have a say in those: they freeze Error, set its limit, or replace
 * `Error.prepareStackTrace`. A report may then lack its lines; nothing else changes.
 */
import { Chan, go } from "headgate";
import { type Bubble, bubble, DeadlockError, explore, ScheduleError } from "headgate/testing";
import { afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { build, run } from "../support/child.ts";
import { failureOf } from "../support/errors.ts";
import { linesOf } from "./lines.ts";

const errors = Error as { stackTraceLimit?: number; prepareStackTrace?: unknown };
const at = linesOf(import.meta.url);

/** Blocks for ever. */
const blocked = async (): Promise<void> => {
  await new Chan().recv(); // line: blocked
};
/** Fails in one order of two. */
const racing = async (t: Bubble): Promise<void> => {
  let order = "";
  for (const name of ["a", "b"]) go(() => void (order += name));
  await t.wait();
  if (order === "ba") throw new Error("b came first");
};

let before: { limit: number | undefined; prepare: unknown };
beforeEach(() => {
  before = { limit: errors.stackTraceLimit, prepare: errors.prepareStackTrace };
});
afterEach(() => {
  errors.stackTraceLimit = before.limit as number;
  errors.prepareStackTrace = before.prepare;
});

describe("a report", () => {
  it.each([0, 1, 200, Infinity])(
    "names its lines whatever Error.stackTraceLimit is, and leaves it: %d",
    async (limit) => {
      errors.stackTraceLimit = limit;
      const { message } = await failureOf(bubble(blocked), DeadlockError);
      expect(message).toContain(`blocked 0ms in recv ch1 at ${at("blocked")}`);
      await failureOf(explore(racing), ScheduleError);
      expect(errors.stackTraceLimit).toBe(limit);
    },
  );

  it("leaves no limit where there was none", async () => {
    delete errors.stackTraceLimit;
    await failureOf(bubble(blocked), DeadlockError);
    await failureOf(explore(racing), ScheduleError);
    await explore(() => {}, { randomRuns: 3 });
    expect(Object.hasOwn(Error, "stackTraceLimit")).toBe(false);
  });

  it.each<[string, (error: Error, frames: unknown[]) => unknown]>([
    ["returns the frames", (_, frames) => frames],
    ["returns another list", (_, frames) => frames.map((frame) => ({ toString: () => `at ${String(frame)}` }))],
    [
      "throws",
      () => {
        throw new Error("prepareStackTrace");
      },
    ],
  ])("names a line also where Error.prepareStackTrace %s", async (_, prepare) => {
    errors.prepareStackTrace = prepare;
    const { tasks } = await failureOf(bubble(blocked), DeadlockError);
    // What is not mapped to the source names a line of what was compiled from it.
    expect(tasks[0]!.at).toMatch(/test\/testing\/stacks\.test\.ts:\d+:\d+$/);
    expect(errors.prepareStackTrace).toBe(prepare);
  });

  it.each([
    ["nothing", undefined],
    ["null", null],
    ["a number", 5],
    ["an object", {}],
    ["a list of nonsense", [null, Object.create(null), Symbol("frame")]],
  ])("lacks its line, and nothing else, where Error.prepareStackTrace returns %s", async (_, stack) => {
    errors.prepareStackTrace = () => stack;
    const { message } = await failureOf(bubble(blocked), DeadlockError);
    expect(message).toMatch(/^deadlock: .*\n {2}main {9}blocked 0ms in recv ch1$/);
    expect(await failureOf(explore(racing), ScheduleError)).toMatchObject({ replay: "1" });
  });
});

describe("where Error cannot be changed", () => {
  beforeAll(build);

  const program = (prelude: string): string => `
    import { Chan, context, go, sync, time } from "headgate";
    import { bubble, explore } from "headgate/testing";
    ${prelude}
    await bubble(async (t) => {
      const ch = new Chan();
      go(async () => { await time.sleep(1000); await ch.send(1); });
      const [ctx, cancel] = context.withTimeout(t.ctx, 5000);
      console.log(JSON.stringify(await ch.recv(ctx)), time.now() - 946684800000);
      cancel();
    });
    await bubble(() => new Chan().recv()).catch((error) => console.log(error.message.split("\\n")[0]));
    await explore(async (t) => {
      let order = "";
      for (const name of ["a", "b"]) go(() => void (order += name));
      await t.wait();
      if (order === "ba") throw new Error("b came first");
    }).catch((error) => console.log(error.name, error.replay, String(error.cause)));
    console.log((await explore(async (t) => { await t.yield(); })).complete);
  `;
  const lines = [
    "[1,true] 1000",
    "deadlock: all tasks in the bubble are blocked and no timer is pending",
    "ScheduleError 1 Error: b came first",
    "true",
  ];

  it.each([
    ["node --frozen-intrinsics", ["--frozen-intrinsics", "--no-warnings"], ""],
    ["Error is frozen", [], "Object.freeze(Error);"],
    ["Error is frozen and has no limit", [], "delete Error.stackTraceLimit; Object.freeze(Error);"],
    [
      "the limit has accessors, of which the setter throws",
      [],
      `Object.defineProperty(Error, "stackTraceLimit", { get: () => 10, set() { throw new TypeError("tamed"); } });`,
    ],
    [
      "all is frozen that can be",
      [],
      `for (const name of Object.getOwnPropertyNames(globalThis)) {
         const value = Object.getOwnPropertyDescriptor(globalThis, name).value;
         if (typeof value === "function") { Object.freeze(value); Object.freeze(value.prototype); }
       }
       Object.preventExtensions(globalThis);`,
    ],
  ])("bubbles and explorations do what they always do: %s", async (_, flags, prelude) => {
    const end = await run(program(prelude), flags);
    expect(end).toEqual({ code: 0, signal: null, lines, errors: "" });
  });
});
