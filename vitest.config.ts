import { defineConfig, type ViteUserConfig } from "vitest/config";

/** Where the names of the package lead: into `folder`, in which the files end in `extension`. */
export function names(folder: "src" | "dist", extension: "ts" | "js") {
  const at = (path: string): string => new URL(`${folder}/${path}.${extension}`, import.meta.url).pathname;
  return [
    { find: /^headgate$/, replacement: at("index") },
    { find: /^headgate\/(chan|context|debug|eslint|otel|saga|sync|testing|worker)$/, replacement: at("$1/index") },
    { find: /^headgate\/worker\/(\w+)$/, replacement: at("worker/$1/index") },
    { find: /^headgate\/(errgroup|retry|semaphore|singleflight|time|signal)$/, replacement: at("$1") },
  ];
}

export const elsewhere: readonly string[] = ["**/node_modules/**", "test/brokers/**"];

export const shared: NonNullable<ViteUserConfig["test"]> = {
  // Some start compilers and servers, on machines that may be busy.
  testTimeout: 60_000,
  hookTimeout: 60_000,
  // Some tests count bytes.
  pool: "forks",
  execArgv: ["--expose-gc"],
  // All cores: by default vitest leaves one idle, which is half of two.
  maxWorkers: "100%",
};

/** Files that leave the globals as they were. They share a process: sync, time and errgroup take 8 s of processor time so, not 18. */
const together = [
  "test/{chan,context,errgroup,go,model,odd,otel,saga,sync,time,worker}/**/*.test.ts",
  "test/{retry,semaphore,singleflight}.test.ts",
];

/** The unit tests as two projects, `name` and `name`-alone, but for those that are in `not`. */
export function unitTests(name: string, not: readonly string[]) {
  const exclude = [...not, "test/**/*.deep.test.ts"];
  return [
    { extends: true as const, test: { name, isolate: false, include: together, exclude } },
    {
      extends: true as const,
      test: { name: `${name}-alone`, include: ["test/**/*.test.ts"], exclude: [...exclude, ...together] },
    },
  ];
}

/** `npm test` runs the unit tests; `npm run test:deep` what explores for longer than a few seconds. */
export default defineConfig({
  resolve: { alias: names("src", "ts") },
  test: {
    ...shared,
    // `npm run test:coverage`, or COVERAGE=1. What runs in a process of its own is not counted: signals, the demo, the examples.
    coverage: {
      enabled: process.env["COVERAGE"] === "1",
      include: ["src/**"],
      reporter: ["text-summary"],
      reportsDirectory: ".build/coverage",
    },
    projects: [
      ...unitTests("unit", elsewhere),
      { extends: true, test: { name: "deep", include: ["test/**/*.deep.test.ts"], exclude: [...elsewhere] } },
    ],
  },
});
