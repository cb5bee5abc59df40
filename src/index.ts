/**
 * headgate: Go's concurrency for TypeScript. Names only; each leads to the file that holds the whole concept.
 */
export * from "./chan/index.ts";
export type { CancelCauseFunc, CancelFunc, Context, Key } from "./context/index.ts";
export * as context from "./context/index.ts";
export * as errgroup from "./errgroup.ts";
export * as retry from "./retry.ts";
export * as semaphore from "./semaphore.ts";
export * as singleflight from "./singleflight.ts";
export * as sync from "./sync/index.ts";
export * as time from "./time.ts";
