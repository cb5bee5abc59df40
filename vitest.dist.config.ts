/**
 * `npm run test:dist`: the unit tests on what is published, `dist`, instead of the sources.
 */
import { defineConfig } from "vitest/config";
import { elsewhere, names, shared } from "./vitest.config.ts";

export default defineConfig({
  resolve: {
    alias: [
      ...names("dist", "js"),
      { find: /^(?:\.\.\/)+src\/(.*)\.ts$/, replacement: new URL("dist/$1.js", import.meta.url).pathname },
    ],
  },
  test: {
    ...shared,
    name: "dist",
    include: ["test/**/*.test.ts"],
    exclude: [...elsewhere, "test/**/*.deep.test.ts"],
  },
});
