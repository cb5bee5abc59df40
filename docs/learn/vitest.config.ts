/**
 * Runs the tests of the exercises: `npx vitest run --config docs/learn/vitest.config.ts 01` those of chapter 1. With SOLUTION=1 in the
 * environment it takes the solutions instead of what you wrote.
 */
import process from "node:process";
import { defineConfig, type ViteUserConfig } from "vitest/config";
import { names } from "../../vitest.config.ts";

const solution = { find: /^\.\/exercise\.ts$/, replacement: "./solution.ts" };

const config: ViteUserConfig = defineConfig({
  root: new URL(".", import.meta.url).pathname,
  resolve: { alias: [...names("src", "ts"), ...(process.env["SOLUTION"] === "1" ? [solution] : [])] },
  test: { include: ["*/exercise.test.ts"], testTimeout: 60_000 },
});
export default config;
