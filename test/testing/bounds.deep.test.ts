/**
 * What bounds each container of the kit. A long test makes any number of channels, contexts, tasks and rows; what is kept of them must
 * not grow with it. Counted in bytes, in processes of their own.
 */
import { Chan, go, select } from "headgate";
import { type Bubble, bubble, explore } from "headgate/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { build, run } from "../support/child.ts";

beforeAll(build);

/** In MB. What each row below would leave behind, were it kept, is several times as much. */
const MOST = 12;

/** How much memory is in use more after 3 n rounds than after n, in MB. `round` is the body of a loop in a bubble. */
async function growth(n: number, round: string, where: string = "bubble"): Promise<number> {
  const program = `
    import { Chan, context, errgroup, go, select, sending, sync, time } from "headgate";
    import { bubble, explore } from "headgate/testing";
    const used = () => (gc(), process.memoryUsage().heapUsed / 2 ** 20);
    const scenario = async (t) => {
      const ch = new Chan(1);
      // Fills the trace: it has a hundred thousand rows at most.
      for (let i = 0; i < 55_000; i++) ch.trySend(i), ch.tryRecv();
      let before = 0;
      for (let i = 0; i < ${3 * n}; i++) {
        ${round}
        if (i === ${n}) before = used();
      }
      globalThis.grown = used() - before;
    };
    if (${JSON.stringify(where)} === "bubble") await bubble(scenario, { maxSteps: Infinity });
    else await explore(scenario, { maxSteps: Infinity, replay: "0" });
    console.log(globalThis.grown);
  `;
  const { lines, errors } = await run(program, ["--expose-gc"]);
  expect(errors).toBe("");
  return Number(lines[0]);
}

describe("memory does not grow with", () => {
  // What is lost to the trace, which drops its older half each time it is full, is half of these.
  it.each([
    ["the steps", 20_000, "await t.yield();"],
    ["the sleeps", 15_000, "await time.sleep(1);"],
    ["the channels that are made", 15_000, "await new Chan(1).send(i);"],
    [
      "the contexts that are made",
      3_000,
      "const [ctx, cancel] = context.withTimeout(t.ctx, 5); ctx.done(); cancel(); await t.yield();",
    ],
    ["the tasks", 15_000, "go(() => {}); await t.yield();"],
    ["the selects", 15_000, "await select({ out: sending(ch, i), in: ch }); ch.tryRecv();"],
    ["the size of what is sent", 1_500, "await ch.send('x'.repeat(100_000)); await ch.recv();"],
    [
      "the size of errors",
      1_500,
      "await Promise.reject(new Error('x'.repeat(100_000))).catch((e) => ch.send(e)); await ch.recv();",
    ],
  ])("%s of a bubble", async (_, n, round) => {
    expect(await growth(n, round)).toBeLessThan(MOST);
  });

  it.each([
    ["the channels that are made", 25_000, "await new Chan(1).send(i);"],
    ["the tasks", 25_000, "go(() => {}); await t.yield();"],
    [
      "the contexts that are made",
      20_000,
      "const [ctx, cancel] = context.withTimeout(t.ctx, 5); ctx.done(); cancel(); await t.yield();",
    ],
  ])("%s of a schedule of explore", async (_, n, round) => {
    expect(await growth(n, round, "explore")).toBeLessThan(MOST);
  });
});

describe("a trace", () => {
  it("has a hundred thousand rows at most, the last ones", async () => {
    await bubble(async (t) => {
      const ch = new Chan<number>(1);
      for (let i = 0; i < 60_000; i++) {
        ch.trySend(i);
        ch.tryRecv();
      }
      const { rows } = t.trace();
      expect(rows.length).toBeLessThanOrEqual(100_000);
      expect(rows.length).toBeGreaterThanOrEqual(50_000);
      expect(rows.at(-1)).toMatchObject({ event: "tryRecv", detail: "59999" });
      await t.yield();
    });
  });

  it("tells at most some forty characters of a value, and twenty cases of a select", async () => {
    const text = await textOf(async () => {
      const ch = new Chan<unknown>(10);
      await ch.send({ body: new Uint8Array(1_000_000), lines: Array.from({ length: 1_000 }, () => "line") });
      await ch.send("x".repeat(1_000_000));
      const cases = Object.fromEntries(Array.from({ length: 1_000 }, (_, i) => [`case${i}`, new Chan()]));
      await select({ ...cases, ready: ch });
    });
    expect(text).toContain('send ch1 {"body":Uint8Array(1000000),"lines…');
    for (const line of text.split("\n")) expect(line.length).toBeLessThan(450);
  });
});

describe("a search", () => {
  it("remembers no more schedules than it has room for", async () => {
    // Some two thousand choices: each schedule would leave as many others to be tried, of which a thousand are.
    const scenario = async (t: Bubble): Promise<void> => {
      go(async () => {
        for (let i = 0; i < 1_000; i++) await t.yield();
      });
      for (let i = 0; i < 1_000; i++) await t.yield();
    };
    const before = process.memoryUsage().heapUsed;
    const report = await explore(scenario, { cancel: false, randomRuns: 0, maxSchedules: 50 });
    expect(report).toMatchObject({ complete: false, schedules: 50 });
    expect(process.memoryUsage().heapUsed - before).toBeLessThan(100e6);
  });

  it("is complete only if every schedule in the bound was run, though none was left to remember", async () => {
    const twice = async (t: Bubble): Promise<void> => {
      go(() => t.yield());
      await t.yield();
    };
    const all = await explore(twice, { cancel: false, randomRuns: 0 });
    expect(all.complete).toBe(true);
    for (let max = 1; max <= all.schedules + 1; max++) {
      const { complete, schedules } = await explore(twice, { cancel: false, randomRuns: 0, maxSchedules: max });
      expect({ max, complete, schedules }).toEqual({
        max,
        complete: max >= all.schedules,
        schedules: Math.min(max, all.schedules),
      });
    }
  });
});

async function textOf(fn: () => Promise<void>): Promise<string> {
  let text = "";
  await bubble(async (t) => {
    await fn();
    text = String(t.trace());
  });
  return text;
}
