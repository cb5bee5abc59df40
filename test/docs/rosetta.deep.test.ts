/**
 * docs/rosetta.md: the programs in Go print the line of their row, too. Where there is no Go, or an older one than a program needs, the
 * stored line is all there is.
 */
import { describe, expect, it } from "vitest";
import { lineOf, namesOf, runGo } from "./rosetta.ts";

const names = namesOf(".go");
const went = runGo();

describe("the rows of the rosetta in Go", () => {
  it("are run, except those of a newer Go or a module that is not there", () => {
    if ("reason" in went) return expect(went.reason).toMatch(/ENOENT/);
    expect([...went.outputs.keys(), ...went.left.map((name) => `${name}.go`)].sort()).toEqual(
      names.map((name) => `${name}.go`),
    );
    if (went.left.length > 0)
      process.stderr.write(`NOT RUN in Go, only compared with what is stored: ${went.left.join(", ")}\n`);
  });

  it.each(names)("%s prints its line", (name) => {
    const printed = "reason" in went ? undefined : went.outputs.get(`${name}.go`);
    expect(printed ?? lineOf(name)).toBe(lineOf(name));
  });
});
