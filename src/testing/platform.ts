/**
 * What the kit needs of the platform: a later turn of the event loop, the moment when no microtask is left, a clock and a timer that
 * are real. A library of fake timers may replace all of these, before the kit is imported or after.
 *
 * Invariants:
 * - What was real when this was imported is used for good, whatever replaces it later.
 * - What was a fake then is never used. Something else takes its place: a MessageChannel, the clock of the process; or what is real
 *   by the time of the first bubble. Where there is nothing left, a bubble refuses to begin.
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

/** The functions of the platform as they are now: undefined for what is not there, or is a fake. */
function genuine() {
  const { setImmediate, setTimeout, MessageChannel, performance, process } = platform;
  const { nextTick } = process ?? {};
  return {
    immediate: isFake(setImmediate) ? undefined : setImmediate,
    timeout: isFake(setTimeout) ? undefined : setTimeout,
    // Node says `process` is its `this`, the others do not mind.
    tick: isFake(nextTick) ? undefined : (f: () => void) => nextTick!.call(process, f),
    Channel: isFake(MessageChannel) ? undefined : MessageChannel,
    clock: isFakeClock(performance) ? undefined : performance!.now.bind(performance),
  };
}

/** A function that is not there, or whose looks are those of the fakes of sinon, vitest and jest, of a mock, or of node:test. */
function isFake(f: unknown): boolean {
  if (typeof f !== "function") return true;
  return Object.hasOwn(f, "clock") || Object.hasOwn(f, "mock") || f.name.startsWith("bound #");
}

/** The fake `performance` of the libraries has no class. */
function isFakeClock(clock: Platform["performance"]): boolean {
  return clock === undefined || Object.getPrototypeOf(clock) === null || isFake(clock.now);
}

const atImport = /* @__PURE__ */ genuine();

interface Means {
  readonly nextTurn: (f: () => void) => void;
  /** Calls its argument when no microtask is left, before anything else happens; undefined where nothing does that. */
  readonly tick: ((f: () => void) => void) | undefined;
  readonly realTime: () => number;
  readonly timeout: ((f: () => void, ms: number) => unknown) | undefined;
}

let means: Means | undefined;

/** Finds what a bubble needs. Throws where it is not to be had. */
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
      "headgate/testing: every timer of the platform is a fake (setImmediate, MessageChannel, setTimeout), and was one when headgate/testing was imported, so no bubble can ever go on; import headgate/testing before the fake timers are installed, or uninstall them (vi.useRealTimers, jest.useRealTimers, clock.uninstall, mock.timers.reset)",
    );
  }
  return { nextTurn, timeout, tick: atImport.tick ?? now.tick, realTime: atImport.clock ?? now.clock ?? otherClock() };
}

/** Node has one also where a test environment, such as that of a page, hides it. */
function channelOfNode(): (new () => MessageChannel) | undefined {
  try {
    const module = platform.process?.getBuiltinModule?.("node:worker_threads");
    return (module as { MessageChannel?: new () => MessageChannel } | undefined)?.MessageChannel;
  } catch {
    return undefined;
  }
}

/** A port on Node. */
interface Counted {
  ref?(): void;
  unref?(): void;
}

/** Turns by messages. The channel keeps the process alive only while somebody waits for a turn. */
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

/** Calls `f` on a later turn of the event loop, when I/O and timers have had theirs. */
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
  // Asked for inside a microtask, a tick comes when all microtasks are done, and before anything else. In Bun that is so unless the
  // main module has never awaited anything; a run begins a turn later, so that no step is ever made there.
  if (tick !== undefined) soon(() => tick(f));
  else nextTurn(f);
}

/** Whether {@link drained} lets nothing else come before `f`. */
export function isPrompt(): boolean {
  return means!.tick !== undefined;
}

/** Whether there are channels whose listeners the platform calls one by one, each followed by all its microtasks, as pages do. */
export function stageOf(): MessageChannel | undefined {
  const { process, MessageChannel } = platform;
  // Node's own are called all at once, as are those of servers that run each request apart.
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

/** A module of Node's; undefined elsewhere, and where it may not be had. */
export function builtin(name: string): unknown {
  try {
    return platform.process?.getBuiltinModule?.(name);
  } catch {
    return undefined;
  }
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
