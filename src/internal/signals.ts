/**
 * Listening to the signals of the process.
 *
 * Invariants:
 * - However many listeners a signal has, the process has one for it, and none once the last of them has been removed.
 * - If other code removes that one, the next listener adds it again, and all get signals again.
 */
import { kindOf } from "./foreign.ts";

interface Process {
  on(signal: string, listener: () => void): unknown;
  off(signal: string, listener: () => void): unknown;
  listeners?(signal: string): readonly unknown[];
  getBuiltinModule?(name: string): { readonly isMainThread?: boolean } | undefined;
  /** Disabled in a worker thread. */
  readonly chdir?: { readonly disabled?: boolean };
}

/** One signal of the process: the one listener on the process, and those that it calls. */
interface SignalSource {
  readonly onSignal: () => void;
  readonly listeners: Set<(signal: string) => void>;
}

const sources: Map<string, SignalSource> = /* @__PURE__ */ new Map();

/** The process, if signals come to it. Throws where there is none, and in a worker thread. */
export function processHere(where: string): Process {
  const { process } = globalThis as { process?: Process };
  if (typeof process?.on !== "function") throw new Error(`${where}: there is no process here to get signals from`);
  const isThread =
    process.getBuiltinModule?.("node:worker_threads")?.isMainThread === false || process.chdir?.disabled === true;
  if (!isThread) return process;
  throw new Error(`${where}: a signal never comes to a worker thread; listen in the main thread, and tell this one`);
}

/** Calls `listener` at each of these signals. Returns the function that ends this. */
export function listen(names: readonly string[], where: string, listener: (signal: string) => void): () => void {
  const process = processHere(where);
  for (const name of names) {
    let source = sources.get(name);
    if (source === undefined) {
      const listeners = new Set<(signal: string) => void>();
      source = { listeners, onSignal: () => [...listeners].forEach((listener) => listener(name)) };
      process.on(name, source.onSignal);
      sources.set(name, source);
    } else if (process.listeners?.(name).includes(source.onSignal) === false) {
      process.on(name, source.onSignal);
    }
    source.listeners.add(listener);
  }
  return () => {
    for (const name of names) {
      const source = sources.get(name);
      if (source?.listeners.delete(listener) !== true || source.listeners.size > 0) continue;
      sources.delete(name);
      process.off(name, source.onSignal);
    }
  };
}

/** The signals that cannot be listened to. */
const UNCATCHABLE = ["SIGKILL", "SIGSTOP"];

/** All signals of all platforms: a program may name one that this platform lacks, and a misspelt one is found. */
const KNOWN: ReadonlySet<string> = /* @__PURE__ */ new Set(
  /* @__PURE__ */ (
    "HUP INT QUIT ILL TRAP ABRT IOT BUS EMT FPE KILL USR1 SEGV USR2 PIPE ALRM TERM CHLD STKFLT CONT STOP TSTP TTIN TTOU URG XCPU XFSZ " +
    "VTALRM PROF WINCH IO POLL LOST PWR INFO SYS UNUSED BREAK"
  )
    .split(" ")
    .map((name) => `SIG${name}`),
);

/**
 * The name of a signal that can be listened to. `where` is the name of the function that was called.
 *
 * **Errors**: TypeError for a name that no platform has; RangeError for a signal that cannot be caught.
 */
export function signalName(name: unknown, where: string): string {
  if (typeof name !== "string" || !KNOWN.has(name)) {
    const got = typeof name === "string" ? JSON.stringify(name) : kindOf(name);
    throw new TypeError(`${where}: expected names of signals such as "SIGTERM", got ${got}`);
  }
  if (UNCATCHABLE.includes(name)) throw new RangeError(`${where}: ${name} cannot be caught`);
  return name;
}
