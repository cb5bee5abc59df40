/**
 * The table of docs/figures/testing.md has what each search finds now, and after how many schedules: these are the same on every machine.
 */
import { explore, ScheduleError, type ExploreOptions } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { bugs } from "../testing/bugs/index.ts";
import { read } from "./pages.ts";

/** The columns of the table, in order: their names, and the options that they stand for. */
const searches: readonly (readonly [column: string, options: ExploreOptions])[] = [
  ["plain order", { cancel: false, microtasks: 0, search: false }],
  ["cancel everywhere", { microtasks: 0, search: false }],
  ["… and inside steps", { search: false }],
  ["orders only, no cancel", { cancel: false }],
  ["bound 1", { bound: 1, microtasks: 0, randomRuns: 0 }],
  ["bound 2", { microtasks: 0, randomRuns: 0 }],
  ["random", { bound: 0, microtasks: 0 }],
  ["default", {}],
];
const NOT_FOUND = "–";

const rows = read("docs/figures/testing.md")
  .split("\n## ")[1]!
  .split("\n")
  .filter((line) => line.startsWith("| "))
  .map((line) => line.slice(2, -2).split(" | "));
const [head, , ...body] = rows;

describe("the table of the searches", () => {
  it("has a column for each search, a row for each bug, and their sum", () => {
    expect(head).toEqual(["bug", ...searches.map(([column]) => column), "the repair, default"]);
    expect(body.map(([name]) => name)).toEqual([...bugs.map(({ name }) => name), "found"]);
    const sums = searches.map((_, i) => body.slice(0, -1).filter((row) => row[i + 1] !== NOT_FOUND).length);
    expect(body.at(-1)!.slice(1, -1)).toEqual(sums.map((sum) => `${sum} of ${bugs.length}`));
  });

  it.each(bugs.map((bug) => [bug.name, bug] as const))("has what each search finds of %s", async (name, bug) => {
    const found: string[] = [];
    for (const [, options] of searches) {
      const error: unknown = await explore(bug.scenario(false), options).catch((error: unknown) => error);
      found.push(error instanceof ScheduleError ? String(error.schedules) : NOT_FOUND);
    }
    const { schedules } = await explore(bug.scenario(true));
    expect(body.find((row) => row[0] === name)).toEqual([name, ...found, `${schedules} held`]);
  });
});
