/**
 * The platform as the debugger needs it. All of it is looked up when it is used, and may be missing.
 *
 * Invariant: nothing here keeps the process alive, or goes by a fake clock or timer of a test runner.
 */
import { OWN } from "../internal/platform.ts";

type Listener = (code: number) => void;

interface Process {
  readonly pid?: number;
  readonly exitCode?: number | string | null;
  readonly versions?: { readonly node?: string; readonly bun?: string; readonly deno?: string };
  readonly stderr?: { write(text: string): unknown };
  readonly getBuiltinModule?: (name: string) => unknown;
  readonly cwd?: () => string;
  readonly uptime?: () => number;
  readonly emitWarning?: (message: string, type: string) => void;
  readonly on?: (event: string, listener: Listener) => unknown;
  readonly off?: (event: string, listener: Listener) => unknown;
}

interface Platform {
  readonly process?: Process;
  readonly console?: { readonly error?: (message: string) => void };
  readonly Bun?: { readonly gc?: (force: boolean) => void };
  readonly gc?: () => void;
  readonly location?: { readonly origin?: string };
}

export const platform: Platform = globalThis as unknown as Platform;

// ------------------------------------------------------------------------------------------------------ modules of Node

/** The modules that `load` has brought. */
const loaded: Map<string, unknown> = /* @__PURE__ */ new Map();

/** A built-in module of Node; undefined on other platforms, if it may not be loaded, and before {@link load}. */
export function builtin(name: string): unknown {
  try {
    return platform.process?.getBuiltinModule?.(name) ?? loaded.get(name);
  } catch {
    return undefined;
  }
}

/** Brings a built-in module where the platform gives it only to an `import`: Node before 20.16. */
export async function load(name: string): Promise<void> {
  const { process } = platform;
  if (process?.versions?.node === undefined || process.getBuiltinModule !== undefined) return;
  try {
    // The name is no literal, so that a bundler for browsers does not look for the module.
    loaded.set(name, await import(/* @vite-ignore */ /* webpackIgnore: true */ name));
  } catch {
    // It stays missing.
  }
}

/** An AsyncLocalStorage. */
export interface Storage<T> {
  getStore(): T | undefined;
  run<A, R>(store: T, fn: (arg: A) => R, arg: A): R;
}

/** Makes an AsyncLocalStorage; null if the platform has none. */
export function createStorage<T>(): Storage<T> | null {
  const hooks = builtin("node:async_hooks") as { AsyncLocalStorage?: new () => Storage<T> } | undefined;
  return hooks?.AsyncLocalStorage === undefined ? null : new hooks.AsyncLocalStorage();
}

/** True where AsyncLocalStorage costs an `await` nothing: Node from 24 on. */
export function isStorageCheap(): boolean {
  const { node, bun, deno } = platform.process?.versions ?? {};
  return node !== undefined && bun === undefined && deno === undefined && Number.parseInt(node, 10) >= 24;
}

// ------------------------------------------------------------------------------------------------------- clock and timers

/** Milliseconds on a clock that cannot be set. */
export function clock(): number {
  return OWN.now();
}

/** Epoch milliseconds. */
export function epoch(): number {
  return Date.now();
}

/** A random number from 0 up to but not including 1. It decides only what is looked at. */
export function chance(): number {
  return Math.random();
}

/** Calls `f` once, after `ms` milliseconds. Does not keep the process alive. Returns the function that stops it. */
export function later(f: () => void, ms: number): () => void {
  const handle = OWN.setTimeout(f, ms);
  if (typeof handle === "object") handle.unref?.();
  else if (typeof handle === "number") {
    // Deno has a function for it, because its handles are numbers.
    (globalThis as { Deno?: { unrefTimer?(handle: number): void } }).Deno?.unrefTimer?.(handle);
  }
  return () => OWN.clearTimeout(handle);
}

/** Waits for `ms` milliseconds, and keeps the process alive meanwhile. */
export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => void OWN.setTimeout(resolve, ms));
}

/** The delay of the event loop in ms. */
export interface LoopDelay {
  /** 99 of 100 times it was at most so long. */
  readonly p99: number;
  /** The longest. */
  readonly max: number;
}

/** Begins to measure the delay of the event loop; null where it cannot be measured. */
export function measureLoop(): { read(): LoopDelay; stop(): void } | null {
  interface Histogram {
    readonly max: number;
    percentile(p: number): number;
    enable(): void;
    disable(): void;
  }
  const hooks = builtin("node:perf_hooks") as { monitorEventLoopDelay?(): Histogram } | undefined;
  try {
    const histogram = hooks?.monitorEventLoopDelay?.();
    if (histogram === undefined) return null;
    histogram.enable();
    const ms = (ns: number): number => (Number.isFinite(ns) ? Math.round(ns / 1e6) : 0);
    return {
      read: () => ({ p99: ms(histogram.percentile(99)), max: ms(histogram.max) }),
      stop: () => histogram.disable(),
    };
  } catch {
    return null;
  }
}

// -------------------------------------------------------------------------------------------------- the garbage collector

/** The function that runs a full garbage collection; undefined where there is none. */
export async function collector(): Promise<(() => void) | undefined> {
  const { gc, Bun } = platform;
  if (typeof gc === "function") return () => gc();
  if (Bun?.gc !== undefined) return () => Bun.gc!(true);
  await Promise.all([load("node:v8"), load("node:vm")]);
  const v8 = builtin("node:v8") as { setFlagsFromString?(flag: string): void } | undefined;
  const vm = builtin("node:vm") as { runInNewContext?(code: string): unknown } | undefined;
  try {
    // A global object that is made while the flag is set has the function.
    v8?.setFlagsFromString?.("--expose-gc");
    const found = vm?.runInNewContext?.("gc");
    v8?.setFlagsFromString?.("--no-expose-gc");
    return typeof found === "function" ? () => (found as () => void)() : undefined;
  } catch {
    return undefined;
  }
}

// ------------------------------------------------------------------------------------------------------------------ output

/** Writes to stderr; to the console where there is none. */
export function writeError(text: string): void {
  const { process, console } = platform;
  if (process?.stderr !== undefined) process.stderr.write(text);
  else console?.error?.(text);
}

/** Emits a warning of the process; to the console where there are none. */
export function warn(text: string, type: string): void {
  const { process, console } = platform;
  if (process?.emitWarning !== undefined) process.emitWarning(text, type);
  else console?.error?.(`${type}: ${text}`);
}
