/**
 * docs/semantics.md is complete, and holds: every behaviour of Go's has one row, every row a test that exists or a reason for having
 * none, and every number that a test or a comment cites leads to a row.
 */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { filesUnder } from "./docs/pages.ts";

const root = new URL("..", import.meta.url).pathname;

/** The numbers there are: for each letter its ranges, both ends included. */
const ITEMS: Readonly<Record<string, readonly (readonly [first: number, last: number])[]>> = {
  C: [
    [1, 8],
    [10, 20],
    [30, 37],
    [40, 51],
    [60, 68],
    [70, 73],
    [80, 90],
    [100, 108],
    [110, 112],
  ],
  E: [[1, 24]],
  W: [[1, 4]],
  H: [[1, 22]],
  S: [[1, 17]],
  G: [[1, 6]],
  L: [[1, 15]],
  M: [[1, 8]],
  F: [[1, 7]],
  T: [[1, 6]],
  N: [[1, 7]],
  Y: [[1, 5]],
};
const items = Object.entries(ITEMS).flatMap(([letter, ranges]) =>
  ranges.flatMap(([first, last]) => Array.from({ length: last - first + 1 }, (_, i) => `${letter}${first + i}`)),
);

/** The rules that a folder numbers itself, in the header of a file: by other letters than this page's, from 1 on. */
const RULES: Readonly<Record<string, readonly [folder: string, last: number]>> = { A: ["saga", 7], I: ["worker", 10] };
const ruleOf = (folder: string): RegExp | undefined => {
  const [letter, [, last]] = Object.entries(RULES).find(([, [of]]) => of === folder) ?? ["", ["", 0]];
  const numbers = Array.from({ length: last }, (_, i) => i + 1).join("|");
  return letter === "" ? undefined : new RegExp(`^${letter}(${numbers})$`);
};

/** The titles of the tests of a file, as they are written there: first arguments of `it(…, …)` and of `it.each(…)(…, …)`. */
function titlesOf(file: string): string[] {
  const calls = /(?:\bit(?:\.\w+)*|\))\(\s*(["'`])((?:\\.|(?!\1)[^\\])*)\1\s*,/g;
  return [...readFileSync(join(root, file), "utf8").matchAll(calls)].map(([, , title]) =>
    title!.replace(/\\(.)/g, "$1"),
  );
}
const titles = new Map(filesUnder("test", ".ts").map((file) => [file, titlesOf(file)]));

/** The numbers that a text cites in parentheses, such as (C10), (H5, H6) or (C30–C36, twice). */
function citedIn(text: string): string[] {
  return [...text.matchAll(/\(([^()]*)\)/g)].flatMap(([, inside]) => inside!.match(/\b[A-Z]\d+\b/g) ?? []);
}

const commentsOf = (file: string): string[] =>
  readFileSync(join(root, file), "utf8").match(/\/\*[^]*?\*\/|\/\/.*/g) ?? [];

/** Whether a number leads to a rule of the folder of this file, if that has rules; else to a row of this page. */
function leadsSomewhere(file: string, item: string): boolean {
  const rule = ruleOf(file.split("/")[1]!);
  return rule === undefined ? items.includes(item) : rule.test(item);
}

/** The rows of all tables of the page, without heads and rules, and without markdown's backslashes. */
const rows = readFileSync(join(root, "docs/semantics.md"), "utf8")
  .split("\n")
  .filter((line, i, lines) => line.startsWith("|") && !line.startsWith("|-") && !lines[i + 1]!.startsWith("|-"))
  .map((line) => [...line.matchAll(/ ((?:[^|\\]|\\.)*?) (?=\|)/g)].map(([, cell]) => cell!.replace(/\\(\W)/g, "$1")));
const numbered = rows.filter(([first]) => /^[A-Z]\d+$/.test(first!));

/** What is wrong with the last cell of a row; undefined: nothing. */
function faultOf(heldBy: string): string | undefined {
  if (/^no counterpart: \S.{9}/.test(heldBy)) return undefined;
  // No link: the page is in the package, and the tests are not.
  const [, label, title] = /^`([^`]+)` "(.+)"$/.exec(heldBy) ?? [];
  if (label === undefined) return 'neither `a/file.test.ts` "a test" nor a reason for having none';
  const path = `test/${label}`;
  const known = titles.get(path);
  if (known === undefined) return `there is no ${path}`;
  return known.includes(title!) ? undefined : `${path} has no test ${JSON.stringify(title)}`;
}

describe("the page of Go's behaviour", () => {
  it("has each number once, in order", () => {
    expect(numbered.map(([item]) => item)).toEqual(items);
  });

  it("says in each row what Go does, what we do, and what holds it", () => {
    for (const row of numbered)
      expect(
        row.map((cell) => cell.trim() !== ""),
        row[0],
      ).toEqual([true, true, true, true]);
  });

  it("names for each row a test that exists, or a reason why there can be none", () => {
    const faults = rows.map((row) => [row[0], faultOf(row.at(-1)!)]).filter(([, fault]) => fault !== undefined);
    expect(faults).toEqual([]);
  });

  it("is where every number leads that the title of a test cites", () => {
    const lost = [...titles].flatMap(([file, known]) =>
      known.flatMap((title) =>
        citedIn(title).flatMap((item) => (leadsSomewhere(file, item) ? [] : [`${file}: ${item}`])),
      ),
    );
    expect(lost).toEqual([]);
  });

  it("is where every number leads that a comment in the sources cites", () => {
    const cited = filesUnder("src", ".ts").flatMap((file) =>
      commentsOf(file)
        .flatMap(citedIn)
        .map((item) => [file, item] as const),
    );
    expect(cited.length).toBeGreaterThan(50);
    expect(cited.filter(([file, item]) => !leadsSomewhere(file, item))).toEqual([]);
  });

  it("shares no letter with the rules that saga and worker number themselves, and these are cited in their folders alone", () => {
    expect(Object.keys(RULES).filter((letter) => letter in ITEMS)).toEqual([]);
    for (const [letter, [folder, last]] of Object.entries(RULES)) {
      expect(leadsSomewhere(`src/${folder}/any.ts`, `${letter}${last}`)).toBe(true);
      expect(leadsSomewhere(`src/${folder}/any.ts`, `${letter}${last + 1}`)).toBe(false);
      expect(leadsSomewhere(`src/${folder}/any.ts`, "S1")).toBe(false);
      expect(leadsSomewhere("src/chan/select.ts", `${letter}1`)).toBe(false);
    }
  });
});

describe("what reads that page", () => {
  it("finds the tests of this folder", () => {
    expect([...titles.values()].flat().length).toBeGreaterThan(600);
    expect(titles.get("test/semantics.test.ts")).toContain("finds the tests of this folder");
  });

  it("finds citations, alone, in lists, and in ranges", () => {
    expect(citedIn("a (C10) b (H5, H6) c (C30–C36, twice) d C1 (I2) (1.9)")).toEqual([
      "C10",
      "H5",
      "H6",
      "C30",
      "C36",
      "I2",
    ]);
  });

  it.each([
    ["", /neither/],
    ["no counterpart", /neither/],
    ["no counterpart: ", /neither/],
    ['[`chan/chan.test.ts`](../test/chan/chan.test.ts) "a link to what is not in the package"', /neither/],
    ["`chan/chan.test.ts`", /neither/],
    ['`no.test.ts` "x"', /there is no/],
    ['`chan/chan.test.ts` "a title that no test has"', /has no test/],
  ])("rejects %j as what holds a row", (heldBy, fault) => {
    expect(faultOf(heldBy)).toMatch(fault);
  });
});
