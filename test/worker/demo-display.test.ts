/**
 * What the demo shows in a terminal, wide or narrow, with colours and without: as text, for no terminal is needed to try it.
 */
import { stripVTControlCharacters } from "node:util";
import { time } from "headgate";
import { bubble } from "headgate/testing";
import type { Leftover, Progress, Report } from "headgate/worker";
import { describe, expect, it } from "vitest";
import type { Broker } from "../../docs/demo/brokers/broker.ts";
import { inMemory } from "../../docs/demo/brokers/memory.ts";
import { account, progressLine, Rate } from "../../docs/demo/display.ts";
import { folded, PLAIN, type Terminal, terminalOf } from "../../docs/demo/terminal.ts";

const screen = (columns: number, env: Record<string, string> = { NO_COLOR: "1" }): Terminal =>
  terminalOf({ isTTY: true, columns }, env);

describe("a terminal", () => {
  it.each<[what: string, isTTY: boolean, env: Record<string, string>, hasColour: boolean]>([
    ["a terminal", true, {}, true],
    ["a terminal with NO_COLOR", true, { NO_COLOR: "1" }, false],
    ["a terminal with an empty NO_COLOR, which does not count", true, { NO_COLOR: "" }, true],
    ["a dumb terminal", true, { TERM: "dumb" }, false],
    ["no terminal", false, {}, false],
    ["no terminal, with FORCE_COLOR", false, { FORCE_COLOR: "1" }, true],
    ["no terminal, with an empty FORCE_COLOR", false, { FORCE_COLOR: "" }, true],
    ["a terminal with FORCE_COLOR=0", true, { FORCE_COLOR: "0" }, false],
    ["both: FORCE_COLOR counts for more, as in Node", false, { FORCE_COLOR: "1", NO_COLOR: "1" }, true],
  ])("%s has the colours that it should", (_, isTTY, env, hasColour) => {
    expect(terminalOf({ isTTY }, env).paint("good", "text")).toBe(hasColour ? "\x1b[32mtext\x1b[0m" : "text");
  });

  it("is overwritten only where that can be seen", () => {
    expect(terminalOf({ isTTY: true, columns: 40 }, {})).toMatchObject({ isLive: true, columns: 40 });
    expect(terminalOf({ isTTY: true, columns: 0 }, {})).toMatchObject({ isLive: true, columns: 80 });
    expect(terminalOf({ isTTY: true, columns: 40 }, { TERM: "dumb" }).isLive).toBe(false);
    expect(terminalOf({}, {})).toMatchObject({ isLive: false, columns: Infinity });
  });

  it("gets long lines folded between words", () => {
    const text = "demo: Ctrl-C drains and accounts for every message";
    expect(folded(text, PLAIN)).toBe(text);
    expect(folded(text, screen(24)).split("\n")).toEqual([
      "demo: Ctrl-C drains and",
      "  accounts for every",
      "  message",
    ]);
    expect(folded("a redis://a.very.long.url b", screen(10))).toBe("a\n  redis://a.very.long.url\n  b");
  });
});

const zero = { pulled: 0, waiting: 0, running: 0, settling: 0, acked: 0, retried: 0, released: 0, dead: 0, expired: 0 };

describe("the line of progress of the demo", () => {
  const progress: Progress = { ...zero, acked: 3344, running: 50, waiting: 50, settling: 3, retried: 61, dead: 2 };
  const line = (terminal: Terminal): string =>
    stripVTControlCharacters(progressLine(progress, 5000, inMemory(), { terminal, rate: 1967 }));

  it("has a bar and a rate in a terminal", () => {
    expect(line(screen(200))).toBe(
      "████████░░░░  66 % · 3344/5000 acked · 1967/s · 50 running · 50 waiting · 3 settling · 61 retried · 2 dead",
    );
  });

  it("has a rate, and no bar, elsewhere", () => {
    expect(line(PLAIN)).toBe("3344/5000 acked · 1967/s · 50 running · 50 waiting · 3 settling · 61 retried · 2 dead");
  });

  it.each([10, 20, 30, 40, 60, 80, 100])("is shorter than a line of %i, whose most important part stays", (columns) => {
    for (const env of [{ NO_COLOR: "1" }, {}]) {
      const text = line(screen(columns, env));
      expect(text.length).toBeLessThan(columns);
      expect(text).toContain("3344/5000 acked".slice(0, columns - 1));
    }
  });

  it("in a line of 40 has the bar, and in one of 80 what is dead before what waits", () => {
    expect(line(screen(40))).toBe("████████░░░░  66 % · 3344/5000 acked");
    expect(line(screen(80))).toBe("████████░░░░  66 % · 3344/5000 acked · 1967/s · 61 retried · 2 dead");
  });

  it("while it drains begins with the time that is left, and leaves out the bar where there is no room for both", () => {
    const draining = (columns: number, left: number): string =>
      progressLine(progress, 5000, inMemory(), { terminal: screen(columns), left });
    expect(draining(80, 9_100)).toMatch(/^draining, 10 s left · █+░+ {2}66 % · 3344\/5000 acked · /);
    expect(draining(40, 900)).toBe("draining, 1 s left · 3344/5000 acked");
    expect(draining(40, -3)).toContain("draining, 0 s left");
  });

  it("has a bar that is full only when all is done", () => {
    const bar = (acked: number, dead: number): string =>
      progressLine({ ...zero, acked, dead }, 1000, inMemory(), { terminal: screen(80) }).split(" · ")[0]!;
    expect(bar(0, 0)).toBe("░░░░░░░░░░░░   0 %");
    expect(bar(999, 0)).toBe("███████████░  99 %");
    expect(bar(990, 10)).toBe("████████████ 100 %");
  });

  it("has no bar of nothing, nor where nobody knows when all is done", () => {
    expect(progressLine(zero, 0, inMemory(), { terminal: screen(80) })).not.toMatch(/[█░%]/);
    const shared = { ...inMemory(), shared: {} } as unknown as Broker;
    expect(progressLine(zero, 9, shared, { terminal: screen(80) })).not.toMatch(/[█░%]/);
  });
});

describe("the rate of the demo", () => {
  it("is that of the last two seconds, and unknown at first", () =>
    bubble(async () => {
      const rate = new Rate();
      expect(rate.of(0)).toBeUndefined();
      let count = 0;
      for (let i = 0; i < 20; i++) {
        await time.sleep(100);
        rate.of((count += 100));
      }
      expect(rate.of(count)).toBe(1000);
      for (let i = 0; i < 30; i++) {
        await time.sleep(100);
        rate.of(count);
      }
      expect(rate.of(count)).toBe(0);
    }));
});

describe("the account of the demo", () => {
  const phaseMs = { draining: 1203, aborting: 0, settling: 2 };
  const counts = { pulled: 12, started: 12, redelivered: 0, acked: 4, retried: 0, released: 0, dead: 0, expired: 8 };
  const gateway = { requests: 12, accepted: 12, distinct: 12, refused: 0, hung: 0, brokenOff: 0 };
  const lost = (id: string, text: string): Leftover<{ id: string; body: unknown }> => ({
    delivery: { id, body: "" },
    verdict: "acked",
    error: new Error(text),
  });
  const report = (leftovers: Report["leftovers"] = []): Report => ({
    ...counts,
    abandoned: 0,
    leftovers,
    stopped: "cancelled",
    cause: new Error("SIGINT signal received"),
    phaseMs,
  });

  it("says why and how fast, and of the stop how long it took", () => {
    const lines = account(report(), gateway, inMemory(), 0, { ms: 2000 }).split("\n");
    expect(lines.slice(0, 3)).toEqual([
      "stopped: cancelled (SIGINT signal received); 4 acked in 2 s, 2 a second",
      "the stop: draining 1203 ms, aborting 0 ms, settling 2 ms",
      "",
    ]);
  });

  it("names equal leftovers in one line, with their count, and the most frequent first", () => {
    const leftovers = ["1", "2", "3", "4", "5"].map((id) => lost(id, "away\n  for good"));
    leftovers.unshift(lost("0", "late"), lost("6", "slow"), lost("7", "slow"));
    const text = account(report(leftovers), gateway, inMemory(), 0);
    expect(text.slice(text.indexOf("leftovers:")).split("\n")).toEqual([
      "leftovers:",
      "  5 × acked, but Error: away for good: 1, 2, 3 and 2 more",
      "  2 × acked, but Error: slow: 6, 7",
      "  0: acked, but Error: late",
    ]);
  });

  it("says so where the report names the last leftovers only", () => {
    const some = { ...report([lost("11", "away"), lost("12", "away")]), unnamed: 10 };
    expect(account(some, gateway, inMemory(), 0)).toContain(
      "leftovers, the last 2 of 12:\n  2 × acked, but Error: away: 11, 12",
    );
  });

  it.each([40, 57, 58, 80])("fits into %i columns", (columns) => {
    const text = account(report([lost("1", "the broker was away")]), gateway, inMemory(), 0, {
      terminal: screen(columns),
    });
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(columns);
    for (const name of ["the worker", "the gateway", "= acked", "left hanging"]) expect(text).toContain(name);
  });

  it("is the same with colours as without", () => {
    const coloured = account(report(), gateway, inMemory(), 0, { terminal: screen(80, {}) });
    expect(coloured).toContain("\x1b[31m+ expired              8\x1b[0m");
    expect(stripVTControlCharacters(coloured)).toBe(account(report(), gateway, inMemory(), 0));
  });
});
