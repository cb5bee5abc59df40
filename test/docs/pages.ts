/**
 * The files that the tests of this folder read.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = fileURLToPath(new URL("../..", import.meta.url));

export const read = (file: string): string => readFileSync(join(root, file), "utf8");

/** The files under a folder of the repository, by their paths in it, in order. What is installed or hidden is left out. */
export function filesUnder(folder: string, ending: string): string[] {
  const entries = readdirSync(join(root, folder), { withFileTypes: true });
  return entries
    .filter(({ name }) => name !== "node_modules" && !name.startsWith("."))
    .flatMap((entry) => {
      const path = join(folder, entry.name);
      return entry.isDirectory() ? filesUnder(path, ending) : path.endsWith(ending) ? [path] : [];
    })
    .sort();
}

/** All pages: those of the root, of docs/ with its folders, and of bench/. */
export const pages: readonly string[] = [
  ...readdirSync(root).filter((name) => name.endsWith(".md")),
  ...filesUnder("docs", ".md"),
  ...filesUnder("bench", ".md"),
];
