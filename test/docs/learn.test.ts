/**
 * The chapters of docs/learn: the points at which a cancel breaks their programs. The pages have these figures from docs/learn/figures.json.
 * After a change, `npx vitest run test/docs/learn.test.ts --update` writes that file.
 */
import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { type Bubble, explore } from "headgate/testing";
import { transfers, workers } from "../../docs/learn/scenarios/index.ts";
import { type Points, pointsOf } from "./points.ts";

const root = new URL("../..", import.meta.url).pathname;

const programs = [...workers, ...transfers].map(({ id, file, run }) => ({ id, file, scenario: (t: Bubble) => run(t) }));

const counted = new Map<string, Promise<Points>>();

/** Each program is counted once. */
function countOf({ id, scenario }: (typeof programs)[number]): Promise<Points> {
  if (!counted.has(id)) counted.set(id, pointsOf(scenario));
  return counted.get(id)!;
}

describe("the programs of the chapters", () => {
  it.each(programs)("$id holds as long as no test cancels it", async ({ scenario }) => {
    await explore(scenario, { cancel: false, search: false });
  });

  it.each(programs.filter(({ id }) => !id.endsWith("/fixed")))("$id breaks when it is cancelled", async (program) => {
    expect((await countOf(program)).broken.size).toBeGreaterThan(0);
    await expect(explore(program.scenario)).rejects.toThrow("0!c");
  });

  it.each(programs.filter(({ id }) => id.endsWith("/fixed")))("$id holds wherever it is cancelled", async (program) => {
    const { points, complete } = await explore(program.scenario, { search: false });
    expect({ points, complete }).toEqual({ points: (await countOf(program)).all, complete: true });
    expect([...(await countOf(program)).broken]).toEqual([]);
  });

  it("break at as many points as the pages say", async () => {
    const figures: Record<string, string> = {};
    for (const program of programs) {
      const { all, broken } = await countOf(program);
      figures[program.id] = `${broken.size} of ${all}`;
    }
    await expect(`${JSON.stringify(figures, null, 2)}\n`).toMatchFileSnapshot(`${root}docs/learn/figures.json`);
  });

  it.each(programs)("$id has marks at the lines that wait", ({ file }) => {
    expect(readFileSync(root + file, "utf8")).toMatch(/ \/\/@ \w+ /);
  });
});
