/**
 * `npm run test:dist`: the unit tests on what is published, `dist`, instead of the sources.
 */
import { defineConfig } from "vitest/config";
import { elsewhere, names, shared, unitTests } from "./vitest.config.ts";

export default defineConfig({
  resolve: {
    alias: [
      ...names("dist", "js"),
      { find: /^(?:\.\.\/)+src\/(.*)\.ts$/, replacement: new URL("dist/$1.js", import.meta.url).pathname },
    ],
  },
  test: {
    ...shared,
    projects: unitTests("dist", [
      ...elsewhere,
      // These read the sources, the pages or the programs beside them.
      "test/docs/**",
      "test/{bench,package,release,semantics,types}.test.ts",
      "test/go/table.test.ts",
      // It takes dist for the second copy.
      "test/testing/concurrent.test.ts",
    ]),
  },
});
