/**
 * The programs of docs/coming-from.md that stand before those of headgate do what the page says, with the rivals that bench/ has pinned.
 * They are run where those are installed (`npm ci --prefix bench`). The programs after them are run like those of every page.
 */
import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { basename, join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { fencesOf } from "./fences.ts";
import { filesUnder, root } from "./pages.ts";
import { node } from "./program.ts";

const bench = join(root, "bench");
const folder = join(bench, "node_modules", ".coming-from");
const page = fencesOf("docs/coming-from.md");
const files = filesUnder("docs/coming-from", ".mjs");
const { dependencies, devDependencies } = JSON.parse(readFileSync(join(bench, "package.json"), "utf8")) as Record<
  "dependencies" | "devDependencies",
  Record<string, string>
>;
const pinned: Record<string, string> = { ...dependencies, ...devDependencies };

/** What a program imports of rivals. */
const rivalsOf = (code: string): string[] => [...code.matchAll(/ from "(?!node:)([^"]+)"/g)].map(([, name]) => name!);

/** Those that are not installed as they are pinned. */
const lacking = (names: readonly string[]): string[] =>
  names.filter((name) => {
    const path = join(bench, "node_modules", name, "package.json");
    return (
      !existsSync(path) || (JSON.parse(readFileSync(path, "utf8")) as { version: string }).version !== pinned[name]
    );
  });

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("before and after", () => {
  it("are two programs in every part", () => {
    expect(page.map(({ kind }) => kind)).toEqual(files.flatMap(() => ["js shown", "js"]));
    expect(files.length).toBeGreaterThanOrEqual(8);
  });

  it("name rivals that are pinned, in their exact version", () => {
    const names = page.flatMap(({ kind, code }) => (kind === "js shown" ? rivalsOf(code) : []));
    expect(names.length).toBeGreaterThanOrEqual(4);
    for (const name of names) expect(pinned[name], name).toMatch(/^\d+\.\d+\.\d+$/);
  });

  for (const file of files) {
    const code = readFileSync(join(root, file), "utf8");
    const rivals = rivalsOf(code);
    const missing = lacking(rivals);
    if (missing.length > 0) {
      process.stdout.write(`SKIPPED ${file}: npm ci --prefix bench installs ${missing.join(", ")}\n`);
      continue;
    }
    it(`${file} does what it says`, { timeout: 600_000 }, async () => {
      let path = join(root, file);
      if (rivals.length > 0) {
        mkdirSync(folder, { recursive: true });
        path = join(folder, basename(file));
        copyFileSync(join(root, file), path);
      }
      const fence = page.find((fence) => fence.code.trim() === code.trim())!;
      const { printed, code: exit } = await node(bench, path);
      expect({ printed, exit }).toEqual({ printed: fence.prints, exit: fence.exit ?? 0 });
    });
  }
});
