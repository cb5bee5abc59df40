/**
 * The voice of the house (CONTRIBUTING.md, "Words"): no sentence of over 30 words, and none of the words that its list replaces, in any
 * comment and any printed text of the sources, and on any page.
 */
import { describe, expect, it } from "vitest";
import { filesUnder, pages, read } from "./pages.ts";

const LONGEST = 30;

/** Words that a reader stumbles over, and what to write instead. */
const replaced: readonly (readonly [pattern: RegExp, instead: string])[] = [
  [/\bwhoever\b/i, "name the actor"],
  [/\bnobody\b/i, "name the actor, or: no one"],
  [/\bsomebody\b/i, "name the actor"],
  [/\banew\b/i, "again"],
  [/\bdear(er|ly)?\b/i, "expensive"],
  [/\bheed(s|ed|ing)?\b/i, "respect"],
  [/\bby chance\b/i, "at random"],
  [/\bbut for\b/i, "except for"],
  [/\bat the (most|least)\b/i, "at most, at least"],
  [/\b(is|are|was|were|be|been|being) told\b/i, "is notified, reported, settled, called"],
  [/\bhow many-th\b/i, "the number of"],
  [/\bof one's own accord\b/i, "by itself"],
  [/, for (it|he|she|they|that|this|there|nothing|nobody)\b/, "because"],
];

/** The sentences of a text in prose: no code, no tables, no headings, no links' targets. */
function sentencesOf(prose: string): string[] {
  return (
    prose
      .replace(/```[^]*?(```|$)/g, "\n\n")
      // Lists of figures.
      .replace(/<!-- generated[^]*?<!-- \/generated -->/g, "\n\n")
      // Where the text of a file begins and ends, or a figure.
      .replace(/<!--[^]*?-->/g, "")
      .replace(/^\s*(\||#|<).*$/gm, "\n\n")
      .replace(/^\s*([-*]|\d+\.)\s/gm, "\n\n")
      .replace(/`[^`]*`/g, "code")
      .replace(/\{@link ([^}]*)\}/g, "$1")
      .replace(/\]\([^)]*\)/g, "]")
      .split(/\n\s*\n|(?<=[.!?:;])["”)*_]*\s+(?=[A-Z0-9`"“(*_[]|code\b)|@\w+/)
      .map((sentence) => sentence.replace(/\s+/g, " ").trim())
      .filter((sentence) => sentence !== "")
  );
}

const wordsOf = (sentence: string): number => sentence.split(" ").filter((word) => /[\p{L}\p{N}]/u.test(word)).length;

function faultsOf(text: string): string[] {
  return sentencesOf(text).flatMap((sentence) => [
    ...(wordsOf(sentence) > LONGEST ? [`${wordsOf(sentence)} words: ${sentence}`] : []),
    ...replaced
      .filter(([pattern]) => pattern.test(sentence))
      .map(([pattern, instead]) => `"${pattern.exec(sentence)![0]}" (${instead}): ${sentence}`),
  ]);
}

/** The comments of a source file, a text each; a block of `//` lines is one. */
function commentsOf(source: string): string[] {
  const blocks = source.match(/\/\*\*?[^]*?\*\/|(?:^[ \t]*\/\/.*\n?)+|\/\/ .*/gm) ?? [];
  return blocks
    .filter((block) => !/^\s*\/\/\/|^\s*\/\/ -{3,}/.test(block))
    .map((block) =>
      block
        .replace(/^\s*\/\*\*?|\*\/$/g, "")
        .replace(/^[ \t]*(\*|\/\/)[ \t]?/gm, "")
        // Drawings.
        .replace(/^ {4,}.*$/gm, "\n\n"),
    );
}

/** The texts in quotes of a source file that say something: those of four words and more. A sum of texts is one text. */
function textsOf(source: string): string[] {
  const code = source.replace(/\/\*[^]*?\*\/|^\s*\/\/.*$/gm, "");
  const quoted = code.match(/"(?:[^"\\\n]|\\.)*"(?:\s*\+\s*"(?:[^"\\\n]|\\.)*")*|`(?:[^`\\\n]|\\.)*`/g) ?? [];
  return (
    quoted
      .map((text) =>
        text
          .slice(1, -1)
          .replace(/"\s*\+\s*"/g, "")
          .replace(/\$\{[^}]*\}/g, "code"),
      )
      // A list of names in capitals says nothing.
      .filter((text) => text.split(" ").length >= 4 && /[a-z]/.test(text))
  );
}

/** The files whose comments and texts are read: what is published, and the programs that print something for people. */
const sources = [
  ...filesUnder("src", ".ts"),
  ...filesUnder("test/testing/bugs", ".ts"),
  ...["bench", "scripts"].flatMap((folder) => [".mjs", ".go"].flatMap((ending) => filesUnder(folder, ending))),
  // docs/play and docs/site are programs of their own.
  ...[".ts", ".mjs", ".go"]
    .flatMap((ending) => filesUnder("docs", ending))
    .filter((file) => !/^docs\/(play|site)\//.test(file)),
];

describe("the voice", () => {
  it.each(sources)("of the comments and the texts in %s", (file) => {
    const source = read(file);
    expect([...commentsOf(source), ...textsOf(source)].flatMap(faultsOf)).toEqual([]);
  });

  it.each(pages)("of %s", (file) => {
    expect(faultsOf(read(file))).toEqual([]);
  });
});

describe("what reads for it", () => {
  const long = `${"word ".repeat(31)}.`;

  it.each([
    ["a sentence of 31 words", long, 1],
    ["one of 30", `${"word ".repeat(29)}end.`, 0],
    ["two of 20", `${"word ".repeat(19)}end. ${"Word ".repeat(19)}end.`, 0],
    ["a word of the list", "Whoever calls it.", 1],
    ["for as because", "It waits, for it must.", 1],
    ["for as a purpose", "A table, for one reader.", 0],
    ["code", "```ts\nconst whoever = 1;\n```", 0],
    ["a comment of the page", `${"word ".repeat(29)}<!-- figures: a.json whoever -->26<!-- end -->.`, 0],
    ["a row of a table", "| whoever |", 0],
  ])("counts %s", (_, text, faults) => {
    expect(faultsOf(text)).toHaveLength(faults);
  });

  it("finds the comments of a file, and nothing else", () => {
    const source = '/**\n * Whoever.\n */\nconst nobody = "whoever"; // anew\n// one\n// text\n';
    expect(commentsOf(source).map((text) => text.replace(/\s+/g, " ").trim())).toEqual([
      "Whoever.",
      "anew",
      "one text",
    ]);
  });

  it("finds the texts of a file that say something, and nothing else", () => {
    const source = [
      '/** A comment with "four words in quotes". */',
      'import { a } from "a";',
      'fail("whoever calls it " +',
      '  "must wait", `of ${n} tasks in all`, "HUP INT QUIT ILL");',
    ];
    expect(textsOf(source.join("\n"))).toEqual(["whoever calls it must wait", "of code tasks in all"]);
  });
});
