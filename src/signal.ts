/**
 * The signals of the process as the end of contexts: Go's package `os/signal`, and a two-stage shutdown.
 *
 * Invariants:
 * - However many contexts wait for a signal, the process has one listener for it, and none once the last of them has been stopped.
 * - While there is one, the signal does not have its default effect (N3).
 * - If other code removes the listener, the next context adds it again, and all get signals again.
 */
import { CancelCtx, type CancelFunc, disposable, propagateCancel, withCancelCause } from "./context/cancel.ts";
import { mustBeParent } from "./context/context.ts";
import { Canceled } from "./context/errors.ts";
import { textOf } from "./context/text.ts";
import { kindOf } from "./internal/foreign.ts";
import type { Context } from "./types.ts";

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

function processHere(where: string): Process {
  const { process } = globalThis as { process?: Process };
  if (typeof process?.on !== "function") throw new Error(`${where}: there is no process here to get signals from`);
  const isThread =
    process.getBuiltinModule?.("node:worker_threads")?.isMainThread === false || process.chdir?.disabled === true;
  if (!isThread) return process;
  throw new Error(`${where}: a signal never comes to a worker thread; listen in the main thread, and tell this one`);
}

/** Calls `listener` at each of these signals. Returns the function that ends this. */
function listen(names: readonly string[], where: string, listener: (signal: string) => void): () => void {
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

/** The names, checked and without duplicates; SIGINT and SIGTERM if there are none. */
function namesOf(signals: readonly string[], where: string): readonly string[] {
  for (const name of signals) {
    if (typeof name !== "string" || !KNOWN.has(name)) {
      const got = typeof name === "string" ? JSON.stringify(name) : kindOf(name);
      throw new TypeError(`${where}: expected names of signals such as "SIGTERM", got ${got}`);
    }
    if (UNCATCHABLE.includes(name)) throw new RangeError(`${where}: ${name} cannot be caught`);
  }
  return signals.length === 0 ? ["SIGINT", "SIGTERM"] : [...new Set(signals)];
}

function received(signal: string): Canceled {
  return new Canceled(`${signal} signal received`);
}

/**
 * Derives a context that ends when one of the signals arrives, when `stop` is called, or when `parent` ends. Without names it listens
 * for SIGINT and SIGTERM. After a signal the error is Canceled. The cause is a Canceled that names the signal, such as "SIGTERM signal
 * received" (N2).
 *
 * The listener stays until `stop()`. Until then further signals are swallowed, and a second Ctrl-C does not end the process (N3). So
 * call `stop` as soon as the context has ended, or use {@link shutdown}.
 *
 * Waiting for a signal does not keep the process alive: a program with nothing else to do ends.
 *
 * **Errors**: throws "cannot create context from nil parent". TypeError for a name that no platform has; RangeError for a signal that
 * cannot be caught. Error if there is no `process`, and in a worker thread, which gets no signals.
 *
 * @see Go's [signal.NotifyContext](https://pkg.go.dev/os/signal#NotifyContext)
 * @example
 * ```ts
 * import process from "node:process";
 * import { context } from "headgate";
 * import { notifyContext } from "headgate/signal";
 *
 * const [ctx, stop] = notifyContext(context.background(), "SIGTERM");
 * process.kill(process.pid, "SIGTERM");
 * await ctx.done().recv();
 * stop();
 * console.log(String(context.cause(ctx))); // => AbortError: SIGTERM signal received
 * ```
 */
export function notifyContext(parent: Context, ...signals: string[]): readonly [ctx: Context, stop: CancelFunc] {
  mustBeParent(parent, "notifyContext");
  const names = namesOf(signals, "notifyContext");
  processHere("notifyContext");
  const ctx = new NotifyCtx(parent, names);
  propagateCancel(parent, ctx);
  const unlisten = listen(names, "notifyContext", (signal) => ctx.cancel(received(signal)));
  const stop = disposable(() => {
    ctx.cancel(undefined);
    unlisten();
  });
  return [ctx, stop];
}

class NotifyCtx extends CancelCtx {
  private readonly names: readonly string[];

  constructor(parent: Context, names: readonly string[]) {
    super(parent);
    this.names = names;
  }

  override toString(): string {
    return `signal.NotifyContext(${textOf(this.parent)}, [${this.names.join(" ")}])`;
  }

  override toJSON(): string {
    return `signal.NotifyContext([${this.names.join(" ")}])${this.outcomeText()}`;
  }
}

/**
 * A shutdown in stages, for programs that drain. The first signal ends `stop`: take nothing new, finish what you have. The second
 * ends `abort` too: drop it. The third has the platform's default effect (the process dies), unless other code listens for it. Without
 * names it listens for SIGINT and SIGTERM; each of them counts. The causes are as with {@link notifyContext}.
 *
 * `release` ends both contexts and removes the listeners. Call it when the program has stopped.
 *
 * **Errors**: as with {@link notifyContext}.
 *
 * @example
 * ```ts
 * import process from "node:process";
 * import { context } from "headgate";
 * import { shutdown } from "headgate/signal";
 *
 * const [stop, abort, release] = shutdown(context.background(), "SIGTERM");
 * using _ = release;
 * process.kill(process.pid, "SIGTERM");
 * await stop.done().recv();
 * console.log(String(context.cause(stop)), abort.err()); // => AbortError: SIGTERM signal received undefined
 * ```
 */
export function shutdown(
  parent: Context,
  ...signals: string[]
): readonly [stop: Context, abort: Context, release: CancelFunc] {
  mustBeParent(parent, "shutdown");
  const names = namesOf(signals, "shutdown");
  processHere("shutdown");
  const [abort, cancelAbort] = withCancelCause(parent);
  const [stop, cancelStop] = withCancelCause(abort);
  const unlisten = listen(names, "shutdown", (signal) => {
    if (stop.err() === undefined) {
      cancelStop(received(signal));
    } else {
      cancelAbort(received(signal));
      unlisten();
    }
  });
  const release = disposable(() => {
    cancelAbort();
    unlisten();
  });
  return [stop, abort, release];
}
