/**
 * `npm run example`: the list of the programs, and one of them by its name.
 */
import { spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, it } from "vitest";
import { bundled, folder, Program } from "./program.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));

function example(...args: string[]): { code: number | null; out: string; errors: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(root, "docs/run.mjs"), ...args], {
    encoding: "utf8",
  });
  return { code: status, out: stdout, errors: stderr };
}

const [path, remove] = folder();
afterAll(remove);

const programs = join(root, "docs/examples");
const names = readdirSync(programs, { withFileTypes: true })
  .filter((entry) => entry.isFile() || existsSync(join(programs, entry.name, "main.ts")))
  .map(({ name }) => name.replace(/\.ts$/, ""));

/** The names that stand in a list, each with a line that says something. */
const listed = (text: string): string[] => [...text.matchAll(/^ {2}(\S+) {2,}\S.{20,}$/gm)].map(([, name]) => name!);

describe("npm run example", () => {
  it("lists every program, each in a line that a terminal has room for", () => {
    for (const args of [[], ["--help"]]) {
      const { code, out, errors } = example(...args);
      expect([code, errors]).toEqual([0, ""]);
      expect(names.length).toBeGreaterThanOrEqual(5);
      expect(listed(out)).toEqual(names);
      for (const line of out.split("\n")) expect(line.length).toBeLessThanOrEqual(80);
    }
  });

  it.each([
    "nope",
    "examples/nope.ts",
    "examples/transfer/api.ts",
    "transfer/api",
    "../README.md",
    "",
    "--fast",
    "demo/gateway.ts",
  ])("says in a sentence that there is no %j, lists those there are, and ends with 1", (name) => {
    const { code, out, errors } = example(name);
    expect([code, out]).toEqual([1, ""]);
    expect(errors.split("\n")[0]).toBe(`there is no example called "${name}"`);
    expect(listed(errors)).toEqual(names);
    expect(errors).not.toMatch(/^ +at /m);
  });

  it.each(names)("tells with --help what %s is, and how it is called", (name) => {
    const { code, out, errors } = example(name, "--help");
    expect([code, errors]).toEqual([0, ""]);
    expect(out).toContain(`npm run example -- ${name}`);
  });

  it("says that an example takes no options if it takes none", () => {
    const { code, errors } = example("two-goroutines", "--fast");
    expect([code, errors]).toEqual([2, 'the example two-goroutines takes no options, and not "--fast"\n']);
  });

  it.each([
    ["server.ts", ["--port", "3"], '"--port" is no URL of a bank'],
    ["server.ts", ["http://a", "http://b", "http://c"], "there are two banks, not 3"],
    ["journal.ts", [], "it needs a file, and a number of transfers"],
    ["journal.ts", ["file", "many"], 'COUNT is a whole number, not "many"'],
    ["transfer/main.ts", ["--runs", "x"], '--runs takes a whole number, not "x"'],
    ["kill.ts", ["--kils", "3"], "Unknown option '--kils'"],
  ])("says in a sentence what is wrong with %s %j", async (file, args, sentence) => {
    const { code, lines, errors } = await new Program(await bundled(file, path), args).ended;
    expect([code, lines]).toEqual([2, []]);
    expect(errors).toContain(`${sentence}\nusage: `);
    expect(errors).not.toMatch(/^ +at /m);
  });

  it("says in a sentence what is wrong with a time of the server", async () => {
    const server = new Program(await bundled("server.ts", path), [], { DRAIN: "1s" });
    const { code, errors } = await server.ended;
    expect([code, errors]).toEqual([2, 'DRAIN is a whole number of ms, not "1s"\nusage: DRAIN=1000\n']);
  });
});
