/**
 * docs/rosetta.md: the programs in Go print the line of their row, too. Where there is no Go, or an older one than a program needs, the
 * stored line is all there is.
 */
import { describe, expect, it } from "vitest";
import { lineOf, namesOf, runGo } from "./rosetta.ts";

const names = namesOf(".go");
const went = runGo();
const ran = "reason" in went ? [] : names.filter((name) => went.outputs.has(`${name}.go`));

describe("the rows of the rosetta in Go", () => {
  it("are run, except where there is no Go, or an older one, or no golang.org/x/sync", () => {
    const left = names.filter((name) => !ran.includes(name));
    const why = "reason" in went ? went.reason : "it is older than they need, or has no golang.org/x/sync";
    if (left.length > 0)
      process.stderr.write(`SKIPPED in Go (${why}), so that only their stored line counts: ${left.join(", ")}\n`);
    if ("reason" in went) expect(went.reason).toMatch(/ENOENT/);
    else expect(left).toEqual(went.left);
  });

  it.each(ran)("%s prints its line", (name) => {
    expect((went as { outputs: Map<string, string> }).outputs.get(`${name}.go`)).toBe(lineOf(name));
  });
});
