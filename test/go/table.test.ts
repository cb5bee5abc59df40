/**
 * Go's own tests, one a row in tests.tsv: each is cited by a test of ours in this folder, as `[file TestName]` in its title, or its row
 * says why it has no counterpart here.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const folder = new URL(".", import.meta.url).pathname;
const titles = readdirSync(folder)
  .filter((file) => file.endsWith(".test.ts") && file !== "table.test.ts")
  .map((file) => readFileSync(join(folder, file), "utf8"))
  .join("\n");

const rows = readFileSync(join(folder, "tests.tsv"), "utf8")
  .trim()
  .split("\n")
  .slice(1)
  .map((line) => line.split("\t") as [file: string, test: string, pins: string, portable: string]);

describe("the table of Go's tests", () => {
  it("has all of them", () => {
    expect(rows.length).toBeGreaterThan(100);
  });

  it("says of each whether it has a counterpart", () => {
    for (const [file, test, , portable] of rows) expect(portable, `${file} ${test}`).toMatch(/^(yes|partly|no)/);
  });

  for (const [file, tests, pins, portable] of rows) {
    if (portable.startsWith("no")) {
      it(`${file} ${tests} has a reason for having no counterpart`, () => {
        expect(portable.replace(/^no:?/, "").trim()).not.toBe("");
      });
    } else if (!tests.startsWith("Benchmark")) {
      const names = tests.replace(/\s*\(.*\)/, "").split(/, */);
      it(`${file} ${names.join(", ")} has a counterpart: ${pins}`, () => {
        for (const name of names) expect(titles.includes(`[${file} ${name}]`), name).toBe(true);
      });
    }
  }
});
