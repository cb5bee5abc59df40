/**
 * docs/rosetta.md: the columns of headgate and of plain JavaScript print the line of their row.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { lineOf, namesOf, root, runJS, textOf } from "./rosetta.ts";

const names = namesOf(".out");
const { outputs, errors } = runJS();

describe("the rows of the rosetta", () => {
  it("are many, and each has all its columns", () => {
    expect(names.length).toBeGreaterThanOrEqual(34);
    for (const ending of [".go", ".ts", ".mjs"]) expect(namesOf(ending)).toEqual(names);
  });

  it.each(names)("%s prints one line", (name) => {
    expect(lineOf(name)).toMatch(/^\S.*\n$/);
  });

  it("are on the page, in order, each with its three columns and its line", () => {
    const page = readFileSync(join(root, "docs/rosetta.md"), "utf8");
    const shown = [...page.matchAll(/<!-- file: docs\/rosetta\/(\S+)#show -->|^All three print `(.*)`\.$/gm)];
    const rows = names.map((name) => [`${name}.go`, `${name}.ts`, `${name}.mjs`, lineOf(name).trimEnd()]);
    expect(shown.map(([, file, line]) => file ?? line)).toEqual(rows.flat());
  });

  it("print no error, and no warning", () => expect(errors).toBe(""));

  it.each(names)("%s prints it with headgate", (name) => expect(outputs.get(`${name}.ts`)).toBe(lineOf(name)));

  it.each(names)("%s prints it in plain JavaScript, which imports nothing but the platform", (name) => {
    expect(outputs.get(`${name}.mjs`)).toBe(lineOf(name));
    expect([...textOf(`${name}.mjs`).matchAll(/from "(?!node:)/g)]).toEqual([]);
  });
});
