/**
 * headgate: Go's concurrency for TypeScript. Names only; each leads to the file that holds the whole concept.
 */
export * from "./language.ts";
export type { CancelCauseFunc, CancelFunc, Context, Key } from "./context/index.ts";
export * as context from "./context/index.ts";
