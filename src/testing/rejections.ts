/**
 * Unhandled rejections: in production they end the process, so they fail a test.
 *
 * Invariants:
 * - While bubbles run, the kit is the only listener, so that the test runner does not report what a bubble reports. The
 *   listeners from before are restored afterwards; meanwhile the kit passes on to them what is not a bubble's.
 * - The platform reports a rejection at the end of a turn. A bubble lasts until then, so what is reported while it runs
 *   is its own.
 */
import { isError } from "../internal/foreign.ts";
import { errorText, text } from "./format.ts";
import { nextTurn, platform } from "./platform.ts";

type Listener = (reason: unknown, promise: Promise<unknown>) => void;

interface Emitter {
  rawListeners(event: string): Listener[];
  removeAllListeners(event: string): void;
  on(event: string, listener: (...args: never[]) => void): void;
  off(event: string, listener: (...args: never[]) => void): void;
}

interface Page {
  addEventListener?(type: string, listener: (event: PromiseRejectionEvent) => void): void;
  removeEventListener?(type: string, listener: (event: PromiseRejectionEvent) => void): void;
}

const emitter = platform.process as Partial<Emitter> | undefined;
const page = globalThis as Page;

/**
 * Reasons of the rejected promises that are unhandled so far. An entry is deleted when its promise is handled after
 * all.
 */
export type Unhandled = Map<Promise<unknown>, unknown>;

/** The rejections of the bubble that runs. */
let running: Unhandled | null = null;
/** Returns the rejections of the bubble whose code runs, as AsyncLocalStorage knows it. */
let ofCode: () => Unhandled | null = () => null;
/** The entry of each promise that has been reported to the kit. */
const reported: WeakMap<Promise<unknown>, Unhandled> = new WeakMap();
/** The listeners from before. */
let others: Listener[] = [];

const onRejection: Listener = (reason, promise) => {
  const unhandled = ofCode() ?? running;
  if (unhandled !== null) report(unhandled, promise, reason);
  else if (others.length > 0) for (const listener of others) listener.call(emitter, reason, promise);
  else {
    // As the platform does if there is no listener.
    nextTurn(() => {
      throw reason;
    });
  }
};
const onHandled = (promise: Promise<unknown>): void => void reported.get(promise)?.delete(promise);
const onPageRejection = (event: PromiseRejectionEvent): void => {
  if (running === null) return;
  event.preventDefault();
  report(running, event.promise, event.reason);
};
const onPageHandled = (event: PromiseRejectionEvent): void => onHandled(event.promise);

function report(unhandled: Unhandled, promise: Promise<unknown>, reason: unknown): void {
  unhandled.set(promise, reason);
  reported.set(promise, unhandled);
}

/**
 * Makes the kit the only listener. `unhandledOf` returns where the rejections of the code that runs are collected; null
 * if that is not known.
 */
export function listen(unhandledOf: () => Unhandled | null): void {
  ofCode = unhandledOf;
  if (isEmitter(emitter)) {
    others = emitter.rawListeners("unhandledRejection");
    emitter.removeAllListeners("unhandledRejection");
    emitter.on("unhandledRejection", onRejection);
    emitter.on("rejectionHandled", onHandled);
  } else {
    page.addEventListener?.("unhandledrejection", onPageRejection);
    page.addEventListener?.("rejectionhandled", onPageHandled);
  }
}

/** Restores the listeners from before. */
export function unlisten(): void {
  if (isEmitter(emitter)) {
    emitter.off("unhandledRejection", onRejection);
    emitter.off("rejectionHandled", onHandled);
    for (const listener of others) emitter.on("unhandledRejection", listener);
    others = [];
  } else {
    page.removeEventListener?.("unhandledrejection", onPageRejection);
    page.removeEventListener?.("rejectionhandled", onPageHandled);
  }
}

/** Collects rejections here from now on; null: no bubble runs. */
export function collect(unhandled: Unhandled | null): void {
  running = unhandled;
}

/** The first unhandled rejection as an error; undefined if there is none. */
export function firstOf(unhandled: Unhandled): Error | undefined {
  if (unhandled.size === 0) return undefined;
  const [reason] = unhandled.values();
  const what = isError(reason) ? errorText(reason) : text(reason);
  const rule = "nothing awaits the promise that was rejected, and in production that ends the process";
  return new Error(`unhandled rejection: ${what} (${rule})`, { cause: reason });
}

function isEmitter(process: Partial<Emitter> | undefined): process is Emitter {
  return typeof process?.rawListeners === "function";
}
