/**
 * headgate: Go's concurrency for TypeScript. Names only; each leads to the file that holds the whole concept.
 */
export * from "./chan/index.ts";
export type { CancelCauseFunc, CancelFunc, Context, Key } from "./context/index.ts";
/** Go's package context. */
export * as context from "./context/index.ts";
/** Go's package errgroup. */
export * as errgroup from "./errgroup.ts";
/** Retries with backoff. */
export * as retry from "./retry.ts";
/** Go's package semaphore. */
export * as semaphore from "./semaphore.ts";
/** Go's package singleflight. */
export * as singleflight from "./singleflight.ts";
/** Go's package sync: Cond, Mutex, RWMutex, WaitGroup. */
export * as sync from "./sync/index.ts";
/** Go's timers: after, sleep, Timer, Ticker. */
export * as time from "./time.ts";
