/**
 * The page "When it hangs": each of its programs runs, and writes what the page shows, apart from times and numbers.
 */
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { beforeAll, describe, expect, it } from "vitest";
import { build } from "../support/child.ts";
import { read } from "./pages.ts";
import { node } from "./program.ts";

beforeAll(build);

const root = fileURLToPath(new URL("../..", import.meta.url));
const files = readdirSync(`${root}docs/debug`);
const programs = files.filter((file) => file.endsWith(".mjs"));

/** The text without what differs from run to run: durations, and the numbers of objects. */
const masked = (text: string): string =>
  text
    .replace(/\d+(\.\d+)?m?s( to \d+(\.\d+)?m?s)?/g, "_ms")
    .replace(/#\d+/g, "#_")
    .replace(/, event loop delay .*/, "")
    .trimEnd();

/** The parts of a text in some order: two waits may have begun in either. */
const parts = (text: string): string[] => masked(text).split("\n\n").sort();

const PRINTS: Readonly<Record<string, string>> = {
  "deadlock-mended.mjs": "both transfers have ended",
  "leak-mended.mjs": "0 leaks",
  "lost-cancel-mended.mjs": "0 leaks",
};

describe("a program of the page", () => {
  it.each(programs)("writes what the page shows: %s", async (file) => {
    const { printed, stderr } = await node(root, `docs/debug/${file}`);
    const expected = PRINTS[file] ?? read(`docs/debug/${file.replace(".mjs", ".out")}`);
    const written = [...printed, stderr.replace(/^Warning: Detected unsettled[^]*?\^\s*$/m, "")].join("\n").trim();
    expect(parts(written)).toEqual(parts(expected));
  });

  it.each(files)("is on the page: %s", (file) => {
    expect(read("docs/debug.md")).toContain(`<!-- file: docs/debug/${file} -->`);
  });
});
