/**
 * The types keep their promises: what is in test/types/ compiles, and each line there marked with an expected error does not.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";

const root = new URL("..", import.meta.url).pathname;

it("sources, tests and docs pass the type checker, the type tests among them", () => {
  let said = "";
  try {
    execFileSync(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", join(root, "test")], {
      encoding: "utf8",
    });
  } catch (error) {
    said = (error as { stdout: string }).stdout;
  }
  expect(said).toBe("");
});

it("the type tests say what must not compile", () => {
  const folder = join(root, "test/types");
  const counts = readdirSync(folder).map((file) => {
    const text = readFileSync(join(folder, file), "utf8");
    return [file, text.split("@ts-expect-error").length - 1] as const;
  });
  expect(counts.length).toBeGreaterThanOrEqual(4);
  for (const [file, count] of counts) expect(count, file).toBeGreaterThan(2);
});
