/**
 * What the pages point at is there, and what they say in figures is figures.
 */
import { existsSync, statSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { describe, expect, it } from "vitest";
import { filesUnder, pages, read, root } from "./pages.ts";

const pictures = filesUnder("docs", ".svg");

/** The text of a page without its programs. */
const prose = (text: string): string =>
  text.replaceAll(/^( *)(```+|~~~+)[^]*?^\1?\2 *$/gm, "").replaceAll(/`[^`\n]*`/g, "``");

/** What GitHub makes of headings, so that one can link to them. */
function anchorsOf(text: string): Set<string> {
  const anchors = new Set<string>();
  for (const [, heading] of text.replaceAll(/^( *)(```+)[^]*?^\1?\2 *$/gm, "").matchAll(/^#{1,6} +(.*?)(?: +#+)?$/gm)) {
    const words = heading!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").toLowerCase();
    const slug = words.replaceAll(/[^\p{L}\p{N}\p{M} _-]/gu, "").replaceAll(" ", "-");
    let anchor = slug;
    for (let i = 1; anchors.has(anchor); i++) anchor = `${slug}-${i}`;
    anchors.add(anchor);
  }
  return anchors;
}

/** What a page points at, in its links, its pictures, and its HTML. */
function targetsOf(text: string): string[] {
  const patterns = [
    /!?\[(?:[^\][]|\[[^\]]*\])*\]\(<?([^)\s>]+)>?(?: +"[^"]*")?\)/g,
    /^ {0,3}\[[^\]]+\]: *<?([^\s>]+)>?/gm,
    /<(?:a|img|source)\b[^>]*?\b(?:href|src|srcset)="([^"]+)"/g,
  ];
  return patterns.flatMap((pattern) => [...prose(text).matchAll(pattern)].map(([, target]) => target!));
}

/** What is wrong with the target of a page, if anything is. */
function faultOf(page: string, target: string): string | undefined {
  if (/^[a-z][a-z+.-]*:/i.test(target)) return undefined;
  const [path, anchor] = target.split("#") as [string, string | undefined];
  const file = path === "" ? page : normalize(join(dirname(page), decodeURIComponent(path)));
  if (!existsSync(join(root, file))) return `${page}: there is no ${target}`;
  if (anchor === undefined) return undefined;
  if (!file.endsWith(".md") || statSync(join(root, file)).isDirectory()) return `${page}: ${target} has no headings`;
  return anchorsOf(read(file)).has(anchor) ? undefined : `${page}: ${file} has no heading for #${anchor}`;
}

const NONE = "nan|undefined|null|infinity|\\[object object\\]";
/** A word that stands where a number should, with its unit, or alone in a cell of a table. */
const NO_FIGURE = [
  new RegExp(`(?:^|[^\\w.])-?(?:${NONE}) ?(?:×|%|h\\b|ns\\b|µs\\b|ms\\b|s\\b|MB\\b|kB\\b|bytes\\b)`, "iu"),
  new RegExp(`\\| *(?:\\*\\*)?(?:≈ |≤ |≥ )?-?(?:${NONE})(?:\\*\\*)? *(?:<br>[^|]*)?(?=\\|)`, "i"),
];

const noFiguresOf = (text: string): string[] =>
  prose(text)
    .split("\n")
    .filter((line) => NO_FIGURE.some((pattern) => pattern.test(line)));

describe("the pages", () => {
  it("are many, and so are their links", () => {
    expect(pages).toEqual(
      expect.arrayContaining(["README.md", "CONTRIBUTING.md", "docs/README.md", "docs/benchmarks.md"]),
    );
    expect(pages.flatMap((page) => targetsOf(read(page))).length).toBeGreaterThan(60);
  });

  it.each(pages)("%s points at nothing that is not there", (page) => {
    const faults = targetsOf(read(page)).flatMap((target) => faultOf(page, target) ?? []);
    expect(faults).toEqual([]);
  });

  it.each(pages)("%s has a number wherever there should be one", (page) => {
    expect(noFiguresOf(read(page))).toEqual([]);
  });

  it.each(pictures)("%s has a number wherever there should be one", (picture) => {
    expect(read(picture)).not.toMatch(/NaN|undefined|Infinity/);
  });

  it("of a picture show all there are: none is drawn that nobody sees", () => {
    const shown = new Set(pages.flatMap((page) => targetsOf(read(page)).map((target) => join(dirname(page), target))));
    expect(pictures.filter((picture) => !shown.has(picture))).toEqual([]);
  });
});

describe("the page of the benchmarks", () => {
  it("never says of headgate what the figures beside that contradict", () => {
    const line = /\| \*\*([\d\s.]+)\*\*[^|]*\|[^|]*\|[^|]* ([\d\s.]+) \| (?:\*\*)?(?:≈ )?[\d.]+× (\w+)/g;
    const compared = [...read("docs/benchmarks.md").matchAll(line)];
    expect(compared.length).toBeGreaterThan(30);
    for (const [text, ...figures] of compared) {
      const [ours, theirs] = figures.slice(0, 2).map((figure) => Number(figure.replaceAll(/\s/g, "")));
      const isMore = ["slower", "more", "later"].includes(figures[2]!);
      expect({ text, isTrue: isMore ? ours! >= theirs! : ours! <= theirs! }).toEqual({ text, isTrue: true });
    }
  });
});

describe("this test", () => {
  it("finds links, pictures and HTML, and none in programs", () => {
    const text = '[a](b.md) ![c](d.svg "e") <img src="f.png"> [[g]](h)\n[i]: j\n```ts\nk[0](l)\n```\n`[m](n)`';
    expect(targetsOf(text).sort()).toEqual(["b.md", "d.svg", "f.png", "h", "j"]);
  });

  it("finds what points nowhere", () => {
    expect(faultOf("docs/README.md", "benchmarks/none.svg")).toContain("there is no");
    expect(faultOf("docs/README.md", "../README.md#no-such-heading")).toContain("no heading");
    expect(faultOf("docs/README.md", "../README.md#which-one-do-i-want")).toBeUndefined();
    expect(faultOf("docs/README.md", "https://example.com/#any")).toBeUndefined();
  });

  it.each([
    "| a | nan× slower |",
    "| **NaN**<br><sub>1…2</sub> | 1 |",
    "it takes undefined ms",
    "| Infinity |",
    "≈ Infinity×",
  ])("finds that %j has no figure", (line) => expect(noFiguresOf(line)).toEqual([line]));

  it.each(["an undefined that was sent", "| `NaN` a RangeError | 1 |", "with null is refused", "nanoseconds, 3 ns"])(
    "leaves %j alone",
    (line) => expect(noFiguresOf(line)).toEqual([]),
  );
});
