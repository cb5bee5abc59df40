import { defineConfig } from "vitest/config";

const src = (path: string): string => new URL(`src/${path}`, import.meta.url).pathname;

export default defineConfig({
  resolve: {
    alias: [
      { find: /^headgate$/, replacement: src("index.ts") },
      { find: /^headgate\/(chan|context|saga|sync|testing|worker)$/, replacement: src("$1/index.ts") },
      { find: /^headgate\/worker\/(\w+)$/, replacement: src("worker/$1/index.ts") },
      { find: /^headgate\/(errgroup|retry|semaphore|singleflight|time|signal)$/, replacement: src("$1.ts") },
    ],
  },
  test: {
    include: ["test/**/*.test.ts"],
    exclude: ["**/node_modules/**", "test/brokers/**"],
    // Some start compilers and servers, on machines that may be busy.
    testTimeout: 60_000,
    // Some tests count bytes.
    pool: "forks",
    execArgv: ["--expose-gc"],
  },
});
