import { defineConfig, type ViteUserConfig } from "vitest/config";

/** Where the names of the package lead: into `folder`, in which the files end in `extension`. */
export function names(folder: "src" | "dist", extension: "ts" | "js") {
  const at = (path: string): string => new URL(`${folder}/${path}.${extension}`, import.meta.url).pathname;
  return [
    { find: /^headgate$/, replacement: at("index") },
    { find: /^headgate\/(chan|context|saga|sync|testing|worker)$/, replacement: at("$1/index") },
    { find: /^headgate\/worker\/(\w+)$/, replacement: at("worker/$1/index") },
    { find: /^headgate\/(errgroup|retry|semaphore|singleflight|time|signal)$/, replacement: at("$1") },
  ];
}

export const elsewhere: readonly string[] = ["**/node_modules/**", "test/brokers/**"];

export const shared: NonNullable<ViteUserConfig["test"]> = {
  // Some start compilers and servers, on machines that may be busy.
  testTimeout: 60_000,
  // Some tests count bytes.
  pool: "forks",
  execArgv: ["--expose-gc"],
  // All cores: by default vitest leaves one idle, which is half of two.
  maxWorkers: "100%",
};

/** `npm test` runs the project unit, `npm run test:deep` the other: what explores for longer than a few seconds. */
export default defineConfig({
  resolve: { alias: names("src", "ts") },
  test: {
    ...shared,
    // `npm run test:coverage`. What runs in a process of its own is not counted: signals, the demo, the examples.
    coverage: { include: ["src/**"], reporter: ["text-summary"] },
    projects: [
      {
        extends: true,
        test: { name: "unit", include: ["test/**/*.test.ts"], exclude: [...elsewhere, "test/**/*.deep.test.ts"] },
      },
      { extends: true, test: { name: "deep", include: ["test/**/*.deep.test.ts"], exclude: [...elsewhere] } },
    ],
  },
});
