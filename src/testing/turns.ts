/**
 * Whose turn it is, among all bubbles of the process: the step that runs now, the lock that lets one bubble run at a time, and how
 * to know that a step is over.
 *
 * Invariants:
 * - While a step runs, nothing but that step runs: it begins with one resumption and is over when no microtask is left. So whatever
 *   happens meanwhile is the doing of its task, which is why no bookkeeping in the user's code is needed.
 * - A bubble gives the lock back when it has ended, and when only the world outside can help it on.
 */

interface Platform {
  readonly process?: {
    readonly nextTick?: (f: () => void) => void;
    readonly versions?: { readonly bun?: string; readonly deno?: string };
    readonly env?: Record<string, string | undefined>;
    readonly getBuiltinModule?: (name: string) => unknown;
    readonly getActiveResourcesInfo?: () => readonly string[];
    readonly cwd?: () => string;
  };
  readonly setImmediate?: (f: () => void) => unknown;
}

/** The platform's own functions, as they were when this was imported: a library of fake timers may replace them later. */
export const platform: Platform = globalThis as Platform;
const {
  setImmediate: immediate,
  setTimeout: timeout,
  queueMicrotask: microtask,
} = globalThis as Platform & typeof globalThis;
const tick = platform.process?.nextTick;

/** Calls `f` on a later turn of the event loop, when I/O and timers have had theirs. */
export const nextTurn: (f: () => void) => void = immediate === undefined ? byMessage : (f) => void immediate(f);

/** Calls `f` when no microtask is left, and as soon after that as the platform allows. */
export const drained: (f: () => void) => void =
  tick === undefined
    ? nextTurn
    : // Asked for inside a microtask, a tick comes when all microtasks are done, and before anything else. In Bun that is so unless
      // the main module has never awaited anything; a run begins a turn later, so that no step is ever made there.
      (f) => microtask(() => tick(f));

/** Makes a step: calls `act`, and `after` when no microtask is left of it, before anything else happens. */
export const step: (act: () => void, after: () => void) => void =
  tick === undefined
    ? stepByMessage
    : (act, after) => {
        act();
        drained(after);
      };

let stage: MessageChannel | undefined;
let scene: { readonly act: () => void; readonly after: () => void };

/** When a listener has returned, the platform runs all microtasks, and nothing else, before it calls the next one. */
function stepByMessage(act: () => void, after: () => void): void {
  if (stage === undefined) {
    stage = new MessageChannel();
    stage.port1.addEventListener("message", () => scene.act());
    stage.port1.addEventListener("message", () => scene.after());
    stage.port1.start();
  }
  scene = { act, after };
  stage.port2.postMessage(null);
}

/** Calls `f` as a microtask. */
export const soon: (f: () => void) => void = (f) => microtask(f);

const realClock = performance;

/** ms of real time. */
export function realTime(): number {
  return realClock.now();
}

/** Calls `f` after at least `ms` milliseconds of real time. */
export function later(f: () => void, ms: number): void {
  timeout(f, ms);
}

let channel: MessageChannel | undefined;
const posted: (() => void)[] = [];

function byMessage(f: () => void): void {
  if (channel === undefined) {
    channel = new MessageChannel();
    channel.port1.onmessage = () => posted.shift()!();
  }
  posted.push(f);
  channel.port2.postMessage(null);
}

// ------------------------------------------------------------------------------------------------------------------ the lock

let isBusy = false;
const waiting: (() => void)[] = [];

/** Calls `f`, now or later, when no bubble runs. Whoever called it must call {@link release} in the end. */
export function acquire(f: () => void): void {
  if (isBusy) {
    waiting.push(f);
  } else {
    isBusy = true;
    f();
  }
}

export function release(): void {
  const next = waiting.shift();
  if (next === undefined) isBusy = false;
  else next();
}

const errors = Error as { stackTraceLimit?: number };
let limit: number | undefined;

/** Errors get no stacks until {@link withStacks}: half the time of a schedule goes into stacks that nobody reads. */
export function withoutStacks(): void {
  limit ??= errors.stackTraceLimit;
  if (limit !== undefined) errors.stackTraceLimit = 0;
}

export function withStacks(): void {
  if (limit !== undefined) errors.stackTraceLimit = limit;
  limit = undefined;
}

// ----------------------------------------------------------------------------------------------------- AsyncLocalStorage

interface Storage<T> {
  getStore(): T | undefined;
  run<R>(store: T, f: () => R): R;
}

/** Whether there is an AsyncLocalStorage here. */
export const hasStorage: boolean = platform.process?.getBuiltinModule?.("node:async_hooks") !== undefined;

/** Makes an AsyncLocalStorage where there is one; null elsewhere, such as in browsers. */
export function storage<T>(): Storage<T> | null {
  if (!hasStorage) return null;
  const hooks = platform.process!.getBuiltinModule!("node:async_hooks") as { AsyncLocalStorage: new () => Storage<T> };
  return new hooks.AsyncLocalStorage();
}

/** A variable of the environment; undefined where there is none, or where we may not look. */
export function environment(name: string): string | undefined {
  try {
    const value = platform.process?.env?.[name];
    return value === "" ? undefined : value;
  } catch {
    return undefined;
  }
}
