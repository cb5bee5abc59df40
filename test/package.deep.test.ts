/**
 * The package as the tools see it that look at packages.
 */
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { describe, expect, it } from "vitest";

const root = new URL("..", import.meta.url).pathname;

function run(tool: string, ...args: string[]): string {
  return execFileSync(process.execPath, [join(root, "node_modules", tool), ...args], {
    cwd: root,
    encoding: "utf8",
    env: { ...process.env, NO_COLOR: "1" },
  });
}

describe("the package", () => {
  it("is clean for publint", () => {
    expect(run("publint/src/cli.js", "--strict")).toContain("All good!");
  });

  it("is clean for arethetypeswrong, in node10, too", () => {
    // It ends with an error when it finds a problem. That it is ESM only is no problem, but what it is.
    const found = run("@arethetypeswrong/cli/dist/index.js", "--pack", ".", "--ignore-rules", "cjs-resolves-to-esm");
    for (const path of ["worker", "saga"]) expect(found).toContain(`"headgate/${path}"`);
  });
});
