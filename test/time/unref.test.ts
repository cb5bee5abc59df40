/**
 * What need not keep the process alive: `unref` of timers, tickers and deadlines, each in a process of its own.
 */
import { beforeAll, describe, expect, it } from "vitest";
import { build, run } from "../support/child.ts";

beforeAll(build);

const head = `import { Chan, context, go, time } from "headgate";
  process.on("exit", () => console.log("ended"));\n`;

describe("a process", () => {
  it.each([
    ["ends though a ticker is waited for", `const t = new time.Ticker(3_600_000).unref(); go(() => t.c.recv());`, []],
    [
      "ends though a ticker is unref'd while it is waited for",
      `const t = new time.Ticker(3_600_000); go(() => t.c.recv()); t.unref();`,
      [],
    ],
    ["ends though a function is to run", `time.afterFunc(3_600_000, () => {}).unref();`, []],
    [
      "ends though a deadline is pending",
      `context.unref(context.withTimeout(context.background(), 3_600_000)[0]);`,
      [],
    ],
    [
      "ends though a deadline above, and one of two that are merged, is pending",
      `const [a] = context.withTimeout(context.background(), 3_600_000); const [b] = context.withTimeout(context.background(), 60_000);
       context.unref(context.withCancel(context.merge(a, b)[0])[0]);`,
      [],
    ],
    [
      "lives as long as something else does, and the unref'd come meanwhile, also when they are set again",
      `const t = new time.Ticker(5).unref();
       time.afterFunc(10, () => console.log("function")).unref();
       await time.sleep(60);
       go(async () => { for await (const _ of t.c) break; console.log("tick"); });
       await time.sleep(60);
       t.reset(3_600_000);
       go(() => t.c.recv());`,
      ["function", "tick"],
    ],
    [
      "lives as long as a sleep that is set after one was unref'd",
      `time.afterFunc(3_600_000, () => {}).unref(); await time.sleep(30); console.log("slept");`,
      ["slept"],
    ],
    [
      "lives as long as a sleep that is longer than an unref'd deadline",
      `context.unref(context.withTimeout(context.background(), 5)[0]); await time.sleep(40); console.log("slept");`,
      ["slept"],
    ],
  ])("%s", async (_, program, lines) => {
    expect(await run(head + program)).toEqual({ code: 0, signal: null, lines: [...lines, "ended"], errors: "" });
  });
});
