/**
 * The chapters of docs/learn: each exercise fails as it is given and passes with its solution, the Go compiles, and the fixed programs hold in
 * every order of their tasks up to a bound, too.
 */
import { spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { beforeAll, describe, expect, it } from "vitest";
import { explore } from "headgate/testing";
import { programs } from "../../docs/learn/scenarios/all.ts";

const root = new URL("../..", import.meta.url).pathname;
const learn = join(root, "docs/learn");
const chapters = readdirSync(learn).filter((name) => /^\d\d-[a-z-]+$/.test(name));

interface Result {
  readonly name: string;
  readonly status: string;
  readonly failures: string;
}

/** The results of the tests of all exercises. */
function exercises(solved: boolean): Result[] {
  const out = join(tmpdir(), `headgate-exercises-${process.pid}-${solved}.json`);
  const vitest = join(root, "node_modules/vitest/vitest.mjs");
  const env: NodeJS.ProcessEnv = { ...process.env, SOLUTION: solved ? "1" : "", FORCE_COLOR: "0" };
  delete env["VITEST"];
  const args = [
    "run",
    "--config",
    "docs/learn/vitest.config.ts",
    "--reporter=json",
    `--outputFile=${out}`,
    "--maxWorkers=1",
  ];
  const { status, stderr } = spawnSync(process.execPath, [vitest, ...args], { cwd: root, env, encoding: "utf8" });
  expect({ status, stderr: solved ? stderr : "" }).toEqual({ status: solved ? 0 : 1, stderr: "" });
  const { testResults } = JSON.parse(readFileSync(out, "utf8")) as {
    testResults: { name: string; assertionResults: { status: string; failureMessages: string[] }[] }[];
  };
  rmSync(out);
  return testResults.flatMap(({ name, assertionResults }) =>
    assertionResults.map((one) => ({ name, status: one.status, failures: one.failureMessages.join("\n") })),
  );
}

describe("the exercises", { timeout: 600_000 }, () => {
  const results = new Map<boolean, Result[]>();
  beforeAll(() => {
    for (const solved of [false, true]) results.set(solved, exercises(solved));
  }, 600_000);

  const of = (chapter: string, solved: boolean): Result[] =>
    results.get(solved)!.filter(({ name }) => name.includes(`/${chapter}/`));

  it("are one in each of the eight chapters", () => {
    expect(chapters).toHaveLength(8);
  });

  it.each(chapters)("%s fails as it is given, and not because it does not run", (chapter) => {
    const failed = of(chapter, false).filter(({ status }) => status === "failed");
    expect(failed.length).toBeGreaterThan(0);
    for (const { failures } of failed)
      expect(failures).not.toMatch(/SyntaxError|ReferenceError|is not a function|Cannot find/);
  });

  it.each(chapters)("%s passes with its solution", (chapter) => {
    const all = of(chapter, true);
    expect(all.length).toBeGreaterThan(0);
    expect(all.filter(({ status }) => status !== "passed")).toEqual([]);
  });
});

describe("the fixed programs", () => {
  it.each(programs.filter(({ fixed }) => fixed))("$id holds in other orders, too", async ({ scenario }) => {
    expect((await explore(scenario)).schedules).toBeGreaterThan(50);
  });
});

const go = (...args: string[]) =>
  spawnSync("go", args, {
    cwd: learn,
    encoding: "utf8",
    env: { ...process.env, GOPROXY: "off", GOFLAGS: "-mod=mod", GOTOOLCHAIN: "local" },
  });

describe.runIf(go("version").status === 0)("the Go of the chapters", { timeout: 300_000 }, () => {
  it("compiles, and has nothing suspicious", () => {
    expect(go("vet", "./...")).toMatchObject({ status: 0, stderr: "" });
  });
});
