/**
 * The lines of a test file that a report has to name.
 */
import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";

/** Finds the lines of a test file that are marked by a comment such as `// line: send`, as reports name them. */
export function linesOf(url: string): (mark: string) => string {
  const path = fileURLToPath(url);
  const lines = readFileSync(path, "utf8").split("\n");
  return (mark) => {
    const i = lines.findIndex((line) => line.endsWith(`// line: ${mark}`));
    expect(i, `the line marked ${mark}`).toBeGreaterThanOrEqual(0);
    return `${relative(process.cwd(), path)}:${i + 1}:`;
  };
}
