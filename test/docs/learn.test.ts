/**
 * The chapters of docs/learn: the points at which a cancel breaks their programs, and what else their pages say that they do.
 *
 * The pages have it from docs/learn/figures.json and from the texts beside the programs. After a change, `npx vitest run
 * test/docs/learn.test.ts --update` writes these files, and `node scripts/pages.mjs` the pages.
 */
import { readdirSync, readFileSync } from "node:fs";
import { afterEach, describe, expect, it, vi } from "vitest";
import { time } from "headgate";
import { bubble, explore, record } from "headgate/testing";
import { memoryBroker } from "headgate/worker";
import { drained } from "../../docs/learn/06-half-fix/fixed.ts";
import { again } from "../../docs/learn/06-half-fix/replay.ts";
import { type Program, programs } from "../../docs/learn/scenarios/all.ts";
import { LEASE } from "../../docs/learn/scenarios/queue.ts";
import { transfers, workers } from "../../docs/learn/scenarios/index.ts";
import { type Points, pointsOf } from "./points.ts";

const learn = new URL("../../docs/learn/", import.meta.url).pathname;

const isFixed = ({ fixed }: Program): boolean => fixed;
/** It waits for itself, so it needs no cancel to break. */
const isAlwaysBroken = ({ id }: Program): boolean => id === "02-hand-over/broken";
const programOf = (id: string): Program => programs.find((program) => program.id === id)!;

const counted = new Map<string, Promise<Points>>();

/** Each program is counted once. */
function countOf({ id, scenario }: Program): Promise<Points> {
  if (!counted.has(id)) counted.set(id, pointsOf(scenario));
  return counted.get(id)!;
}

describe("the programs of the chapters", () => {
  it.each(programs.filter((program) => !isAlwaysBroken(program)))(
    "$id passes if nothing cancels it",
    async (program) => {
      await explore(program.scenario, { cancel: false, search: false });
    },
  );

  it.each(programs.filter((program) => !isFixed(program)))("$id breaks when it is cancelled", async (program) => {
    expect((await countOf(program)).broken.size).toBeGreaterThan(0);
    await expect(explore(program.scenario, { search: false })).rejects.toThrow();
  });

  it.each(programs.filter(isFixed))("$id holds wherever it is cancelled", async (program) => {
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
    for (const id of ["05-sigterm/broken", "05-sigterm/fixed", "06-half-fix/fixed"]) {
      const { trace } = await record(programOf(id).scenario);
      figures[`${id}/ms`] = `${trace.rows.at(-1)!.time - 2 * LEASE} ms`; // at its end it waits for two leases
    }
    await expect(`${JSON.stringify(figures, null, 2)}\n`).toMatchFileSnapshot(`${learn}figures.json`);
  });

  it.each([...workers, ...transfers])("$id has marks at the lines that wait", ({ file }) => {
    expect(readFileSync(`${learn}../../${file}`, "utf8")).toMatch(/ \/\/@ \w+ /);
  });
});

it("the worker of chapter 6 ends if its acks fail, with their error", () =>
  bubble(async (t) => {
    const broker = memoryBroker<string>();
    for (const body of ["m1", "m2"]) await broker.publish(body);
    time.afterFunc(50, () => t.cancel());
    const ack = () => Promise.reject(new Error("the broker is away"));
    const running = drained(t.ctx, { pull: broker.pull, nack: broker.nack, ack }, () => time.sleep(10), t.name);
    await expect(running).rejects.toThrow("the broker is away");
  }));

describe("the chapters", () => {
  const chapters = readdirSync(learn).filter((name) => /^\d\d-.*\.md$/.test(name));

  it("are eight, and the index leads to each", () => {
    expect(chapters).toHaveLength(8);
    const index = readFileSync(`${learn}README.md`, "utf8");
    expect(chapters.filter((chapter) => !index.includes(`](${chapter})`))).toEqual([]);
  });

  it.each(chapters)("%s has a picture, its figures, an exercise, and says where to go", (chapter) => {
    const text = readFileSync(learn + chapter, "utf8");
    const folder = chapter.replace(".md", "");
    const parts = [
      "```mermaid\n",
      `figures.json ${folder}/broken -->`,
      `figures.json ${folder}/fixed -->`,
      "\n## Exercise\n",
      `](${folder}/exercise.ts)`,
      `docs/learn/vitest.config.ts ${folder.slice(0, 2)}\n`,
      "\n## What you can say now\n",
      "\n## Where to go\n",
    ];
    expect(parts.filter((part) => !text.includes(part))).toEqual([]);
    expect(readdirSync(learn + folder)).toEqual(
      expect.arrayContaining(["broken.ts", "fixed.ts", "exercise.ts", "exercise.test.ts", "solution.ts"]),
    );
  });
});

describe("the texts of the chapters", () => {
  const log = vi.spyOn(console, "log");
  afterEach(() => void log.mockReset());

  it("have what the two tasks of chapter 1 print", async () => {
    log.mockImplementation(() => {});
    // It begins when it is imported.
    await bubble(async () => void (await import("../../docs/learn/01-one-task/talk.ts")), { externalTimeout: 60_000 });
    await expect(`${log.mock.calls.join("\n")}\n`).toMatchFileSnapshot(`${learn}01-one-task/talk.txt`);
  });

  it.each(["05-sigterm", "06-half-fix", "08-two-apis"])(
    "have a schedule that breaks the program of %s",
    async (chapter) => {
      const program = programOf(`${chapter}/broken`);
      const [[point, error]] = (await countOf(program)).broken as unknown as [[number, string]];
      const { trace } = await record(program.scenario, `0!c${point}`);
      // How the broker gets its messages is not of interest.
      const lines = String(trace).split("\n");
      const text = `0!c${point}: ${error}\n\n${lines.filter((line) => !/main +(resume )?checkpoint/.test(line)).join("\n")}\n`;
      await expect(text).toMatchFileSnapshot(`${learn}${chapter}/schedule.txt`);
    },
  );

  it("have a replay string of chapter 6 that fails", async () => {
    await expect(again()).rejects.toThrow("m1 was handled, and is delivered again");
  });
});
