/**
 * scripts/pages.mjs: the programs and the figures in the pages are those of the files.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { afterAll, beforeEach, describe, expect, it } from "vitest";

const root = fileURLToPath(new URL("../..", import.meta.url));
const { update, render } = (await import(pathToFileURL(join(root, "scripts/pages.mjs")).href)) as {
  update: (root: string, check: boolean) => { stale: readonly string[]; faults: readonly string[] };
  render: (text: string, page: string, root: string) => string;
};

const folder = mkdtempSync(join(tmpdir(), "pages-"));
afterAll(() => rmSync(folder, { recursive: true }));

function write(path: string, text: string): void {
  mkdirSync(dirname(join(folder, path)), { recursive: true });
  writeFileSync(join(folder, path), text);
}
const read = (path: string): string => readFileSync(join(folder, path), "utf8");
const shown = (text: string): string => render(text, "docs/a.md", folder);

const file = (path: string, ...between: string[]): string =>
  ["before", `<!-- file: ${path} -->`, ...between, "<!-- end of file -->", "after"].join("\n");
const figure = (path: string, key: string, value: string): string =>
  `It is <!-- figures: ${path} ${key} -->${value}<!-- end -->.`;

beforeEach(() => {
  write(
    "one.ts",
    "// #region all\nfunction f() {\n  // #region part\n  go(); //@ ack\n\n  // #endregion\n}\n// #endregion\n",
  );
  write("plain.mjs", "//@ a line of its own\nrun(); //@ a b\n");
  write("main.go", "package main\n\n// #region show\n\tgo func() {\n\t\tf()\n\t}()\n// #endregion\n");
  write("figures.json", '{ "lost": "26 of 40", "worker": { "lost": 0 }, "a.b": 1, "list": [] }');
});

describe("the pages of this repository", () => {
  it("have the programs and the figures of today", () => {
    expect(update(root, true)).toEqual({ stale: [], faults: [] });
  });
});

describe("a page", () => {
  it("gets the text of a file, without the lines of its regions and the trailing marks", () => {
    expect(shown(file("one.ts"))).toBe(file("one.ts", "```ts shown", "function f() {", "  go();", "", "}", "```"));
  });

  it("gets the part of a file, without its indent", () => {
    expect(shown(file("one.ts#part"))).toBe(file("one.ts#part", "```ts shown", "go();", "```"));
    expect(shown(file("main.go#show"))).toBe(file("main.go#show", "```go", "go func() {", "    f()", "}()", "```"));
  });

  it.each(["ts", "ts fails", "js"])("keeps the info string %s of its fence", (info) => {
    const old = file("plain.mjs", `\`\`\`${info}`, "old();", "```");
    expect(shown(old)).toBe(file("plain.mjs", `\`\`\`${info}`, "run();", "```"));
  });

  it("gets a longer fence for code that has one", () => {
    write("fence.ts", "/* ```ts\n``` */\n");
    expect(shown(file("fence.ts"))).toContain("````ts shown\n/* ```ts\n``` */\n````");
  });

  it("gets figures by their name, and by a path of names", () => {
    const page = (a: string, b: string, c: string): string =>
      [
        figure("figures.json", "lost", a),
        figure("figures.json", "worker.lost", b) + figure("figures.json", "a.b", c),
      ].join("\n");
    expect(shown(page("", "?", "7"))).toBe(page("26 of 40", "0", "1"));
  });

  it("is as it was when it is written again", () => {
    const once = shown(file("one.ts", "old") + figure("figures.json", "lost", "?"));
    expect(shown(once)).toBe(once);
  });

  it("may show a marker in a fence, and in code", () => {
    const page = `\`\`\`text\n<!-- file: none.ts -->\n${figure("none.json", "a", "1")}\n\`\`\`\nsee \`<!-- file: none.ts -->\``;
    expect(shown(page)).toBe(page);
  });

  it("that is stale is found, named and left alone by a check, and written without it", () => {
    write("docs/a.md", file("plain.mjs", "```js shown", "old();", "```"));
    write("docs/learn/b.md", file("plain.mjs", "```js shown", "run();", "```"));
    write("README.md", figure("figures.json", "lost", "25 of 40"));
    const before = read("docs/a.md");
    expect(update(folder, true)).toEqual({ stale: ["README.md", "docs/a.md"], faults: [] });
    expect(read("docs/a.md")).toBe(before);
    expect(update(folder, false).stale).toEqual(["README.md", "docs/a.md"]);
    expect(read("docs/a.md")).toBe(file("plain.mjs", "```js shown", "run();", "```"));
    expect(update(folder, true)).toEqual({ stale: [], faults: [] });
  });

  it("with a fault is left alone, and the others are written", () => {
    write("docs/a.md", file("none.ts"));
    write("README.md", figure("figures.json", "lost", "?"));
    expect(update(folder, false)).toEqual({
      stale: ["README.md"],
      faults: ["docs/a.md:2: there is no file none.ts"],
    });
    expect(read("docs/a.md")).toBe(file("none.ts"));
  });
});

describe("the message names the page, its line, and what is wrong", () => {
  it.each([
    ["a file that is not there", file("none.ts"), "2: there is no file none.ts"],
    ["a region that is not there", file("one.ts#none"), "2: one.ts has no region none"],
    ["a marker without its end", "<!-- file: one.ts -->\ntext", "1: <!-- file: one.ts --> has no <!-- end of file -->"],
    [
      "a marker whose end is another's",
      `<!-- file: one.ts -->\n${file("plain.mjs")}`,
      "1: <!-- file: one.ts --> has no <!-- end of file -->",
    ],
    ["an end without a marker", "a\n<!-- end of file -->", "2: <!-- end of file --> without a <!-- file: … -->"],
    ["figures that are not there", figure("none.json", "lost", ""), "1: there is no file none.json"],
    ["figures that are not JSON", figure("one.ts", "lost", ""), "1: one.ts is not JSON: "],
    [
      "a figure that is not there",
      figure("figures.json", "worker.none", ""),
      "1: figures.json has no figure worker.none",
    ],
    ["a name of every object", figure("figures.json", "toString", ""), "1: figures.json has no figure toString"],
    [
      "a figure that is none",
      figure("figures.json", "list", ""),
      "1: list of figures.json is not a string or a number",
    ],
    ["a figure without an end", "<!-- figures: figures.json lost -->26", "1: the figure lost has no <!-- end -->"],
    ["a marker among other words", "see <!-- file: one.ts -->", "1: this marker is not of the form"],
    ["a marker that is misspelt", "<!--file: one.ts -->", "1: this marker is not of the form"],
  ])("%s", (_, page, message) => {
    expect(() => shown(page)).toThrow(`docs/a.md:${message}`);
  });

  it.each([
    ["a region without an end", "// #region a\nrun();\n", "the region a of bad.ts has no #endregion"],
    ["an end without a region", "run();\n// #endregion\n", "bad.ts has an #endregion without a #region"],
    [
      "two regions of one name",
      "// #region a\n// #endregion\n// #region a\n// #endregion\n",
      "bad.ts has two regions a",
    ],
  ])("%s", (_, text, message) => {
    write("bad.ts", text);
    expect(() => shown(file("bad.ts#a"))).toThrow(`docs/a.md:2: ${message}`);
  });
});
