/**
 * The platform as the kit needs it: a later turn of the event loop, the end of all microtasks, a real clock, a real
 * timer. A library of fake timers may replace all of these, before the kit is imported or after.
 *
 * Invariants:
 * - A function that was real at import is used for good, whatever replaces it later.
 * - A function that was a fake at import is never used. Another one takes its place: a MessageChannel, the clock of the
 *   process, or what is real when the first bubble begins. If there is none, a bubble refuses to begin.
 */
import { isPerRequest } from "../internal/platform.ts";

interface Platform {
  readonly process?: {
    readonly nextTick?: (f: () => void) => void;
    readonly versions?: { readonly node?: string; readonly bun?: string; readonly deno?: string };
    readonly env?: Record<string, string | undefined>;
    readonly getBuiltinModule?: (name: string) => unknown;
    readonly getActiveResourcesInfo?: () => readonly string[];
    readonly cwd?: () => string;
    readonly uptime?: () => number;
    readonly exit?: (code: number) => void;
    readonly emitWarning?: (message: string, type: string) => void;
  };
  readonly console?: { readonly warn: (message: string) => void };
  readonly setImmediate?: (f: () => void) => unknown;
  readonly setTimeout?: (f: () => void, ms: number) => unknown;
  readonly performance?: { readonly now: () => number };
  readonly MessageChannel?: new () => MessageChannel;
  readonly Event?: new (type: string) => { readonly timeStamp: number };
}

export const platform: Platform = globalThis as Platform;

/** The functions of the platform as they are now; undefined if missing or a fake. */
function genuine() {
  const { setImmediate, setTimeout, MessageChannel, performance, process } = platform;
  const { nextTick } = process ?? {};
  return {
    immediate: isFake(setImmediate) ? undefined : setImmediate,
    timeout: isFake(setTimeout) ? undefined : setTimeout,
    // Node documents `process` as its `this`.
    tick: isFake(nextTick) ? undefined : (f: () => void) => nextTick!.call(process, f),
    Channel: isFake(MessageChannel) ? undefined : MessageChannel,
    clock: isFakeClock(performance) ? undefined : performance!.now.bind(performance),
  };
}

/** True if a function is missing, or looks like a fake of sinon, vitest or jest, a mock, or a fake of node:test. */
function isFake(f: unknown): boolean {
  if (typeof f !== "function") return true;
  return Object.hasOwn(f, "clock") || Object.hasOwn(f, "mock") || f.name.startsWith("bound #");
}

/** True if the clock is missing or a fake: the libraries' fake `performance` has no prototype. */
function isFakeClock(clock: Platform["performance"]): boolean {
  return clock === undefined || Object.getPrototypeOf(clock) === null || isFake(clock.now);
}

const atImport = /* @__PURE__ */ genuine();

/** The functions that the kit uses, found by {@link prepare}. */
interface Means {
  readonly nextTurn: (f: () => void) => void;
  /**
   * Calls its argument when no microtask is left, before anything else happens; undefined if the platform has no such
   * function.
   */
  readonly tick: ((f: () => void) => void) | undefined;
  readonly realTime: () => number;
  readonly timeout: ((f: () => void, ms: number) => unknown) | undefined;
}

let means: Means | undefined;

/** Finds the functions that a bubble needs. Throws if every one that would do is a fake. */
export function prepare(): void {
  means ??= find();
}

function find(): Means {
  const now = genuine();
  const immediate = atImport.immediate ?? now.immediate;
  const timeout = atImport.timeout ?? now.timeout;
  const Channel = atImport.Channel ?? now.Channel ?? channelOfNode();
  const nextTurn =
    immediate !== undefined
      ? (f: () => void) => void immediate(f)
      : Channel !== undefined
        ? byMessage(Channel)
        : timeout !== undefined
          ? (f: () => void) => void timeout(f, 0)
          : undefined;
  if (nextTurn === undefined) {
    throw new Error(
      "headgate/testing: every timer of the platform is a fake (setImmediate, MessageChannel, setTimeout), and was one when headgate/testing was imported, so no bubble can ever go on. Import headgate/testing before the fake timers are installed, or uninstall them (vi.useRealTimers, jest.useRealTimers, clock.uninstall, mock.timers.reset)",
    );
  }
  return { nextTurn, timeout, tick: atImport.tick ?? now.tick, realTime: atImport.clock ?? now.clock ?? otherClock() };
}

/** Node's MessageChannel, also if a test environment hides it, as one that imitates a page does. */
function channelOfNode(): (new () => MessageChannel) | undefined {
  try {
    const module = platform.process?.getBuiltinModule?.("node:worker_threads");
    return (module as { MessageChannel?: new () => MessageChannel } | undefined)?.MessageChannel;
  } catch {
    return undefined;
  }
}

/** A port on Node, which keeps the process alive unless `unref` is called. */
interface Counted {
  ref?(): void;
  unref?(): void;
}

/** Turns of the event loop by messages. The channel keeps the process alive only while a call is pending. */
function byMessage(Channel: new () => MessageChannel): (f: () => void) => void {
  const posted: (() => void)[] = [];
  let ports: MessageChannel | undefined;
  return (f) => {
    if (ports === undefined) {
      const { port1 } = (ports = new Channel());
      port1.onmessage = () => {
        const next = posted.shift()!;
        if (posted.length === 0) (port1 as Counted).unref?.();
        next();
      };
    }
    if (posted.length === 0) (ports.port1 as Counted).ref?.();
    posted.push(f);
    ports.port2.postMessage(null);
  };
}

/** A clock that no library of fake timers replaces. */
function otherClock(): () => number {
  const { process, Event } = platform;
  if (typeof process?.uptime === "function") return () => process.uptime!() * 1_000;
  return () => (Event === undefined ? 0 : new Event("").timeStamp);
}

/** Calls `f` on a later turn of the event loop, after I/O and timers that are due. */
export function nextTurn(f: () => void): void {
  means!.nextTurn(f);
}

const RESOLVED: Promise<void> = /* @__PURE__ */ Promise.resolve();

/** Calls `f` as a microtask. */
export function soon(f: () => void): void {
  void RESOLVED.then(f);
}

/** Calls `f` when no microtask is left, and as soon after that as the platform allows. */
export function drained(f: () => void): void {
  const { tick } = means!;
  // A tick that is requested inside a microtask comes after all microtasks, and before anything else. In Bun that holds
  // once the main module has awaited something; an execution begins a turn later, so no step is made before.
  if (tick !== undefined) soon(() => tick(f));
  else nextTurn(f);
}

/** True if nothing else can run between the last microtask and the call of {@link drained}. */
export function isPrompt(): boolean {
  return means!.tick !== undefined;
}

/**
 * A channel whose listeners the platform calls one by one, with all microtasks run after each, as pages do. Undefined
 * if the platform has no such channel.
 */
export function stageOf(): MessageChannel | undefined {
  const { process, MessageChannel } = platform;
  // Node calls all listeners at once, and so do servers that run each request apart.
  const isAtOnce = process?.versions?.node !== undefined || isPerRequest();
  return isAtOnce || isFake(MessageChannel) ? undefined : new MessageChannel!();
}

/** ms of real time. */
export function realTime(): number {
  return means!.realTime();
}

/** Calls `f` after at least `ms` milliseconds of real time. */
export function later(f: () => void, ms: number): void {
  const { timeout } = means!;
  if (timeout !== undefined) return void timeout(f, ms);
  const begun = realTime();
  const look = (): void => (realTime() - begun >= ms ? f() : nextTurn(look));
  nextTurn(look);
}

/** A built-in module of Node; undefined on other platforms, and if it may not be loaded. */
export function builtin(name: string): unknown {
  try {
    return platform.process?.getBuiltinModule?.(name);
  } catch {
    return undefined;
  }
}

/** A variable of the environment; undefined if it is unset, empty, or may not be read. */
export function environment(name: string): string | undefined {
  try {
    const value = platform.process?.env?.[name];
    return value === "" ? undefined : value;
  } catch {
    return undefined;
  }
}

/** An AsyncLocalStorage. */
export interface Storage<T> {
  getStore(): T | undefined;
  run<R>(store: T | undefined, f: () => R): R;
}

/** True if the platform has AsyncLocalStorage. */
export const hasStorage: boolean = /* @__PURE__ */ builtin("node:async_hooks") !== undefined;

/** Makes an AsyncLocalStorage; null if the platform has none, as browsers. */
export function createStorage<T>(): Storage<T> | null {
  if (!hasStorage) return null;
  const hooks = builtin("node:async_hooks") as { AsyncLocalStorage: new () => Storage<T> };
  return new hooks.AsyncLocalStorage();
}
