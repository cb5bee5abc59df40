import { defineConfig } from "vitest/config";

export default defineConfig({
  root: import.meta.dirname,
  test: {
    include: ["vitest/*.test.js"],
    testTimeout: 20_000,
    pool: "forks",
    // As an application has it that bundles its dependencies: the package is loaded with the tests, and so after the fakes.
    server: { deps: { inline: [/headgate/] } },
  },
});
