/**
 * Promises that are rejected and that nobody handles: in production they end the process, so a test has to see them.
 *
 * Invariants:
 * - While tests run, the platform tells us and nobody else, so that the runner does not report what a bubble reports. Whoever listened
 *   before listens again afterwards, and hears meanwhile of what is not a bubble's.
 * - Platforms tell of a rejection at the end of a turn. A bubble lasts until then, so what is told while it runs is its own.
 */
import { isError } from "../internal/foreign.ts";
import { errorText, text } from "./plain.ts";
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

/** Rejections that nobody has handled so far: one entry for each promise, until somebody does, or the run is over. */
export type Unhandled = Map<Promise<unknown>, unknown>;

/** Those of the bubble that runs. */
let running: Unhandled | null = null;
/** Those of the bubble whose code it is, by AsyncLocalStorage. */
let own: () => Unhandled | null = () => null;
const reported: WeakMap<Promise<unknown>, Unhandled> = new WeakMap();
let others: Listener[] = [];

const rejected: Listener = (reason, promise) => {
  const unhandled = own() ?? running;
  if (unhandled !== null) report(unhandled, promise, reason);
  else if (others.length > 0) for (const listener of others) listener.call(emitter, reason, promise);
  else {
    // As the platform would have done, had we not listened.
    nextTurn(() => {
      throw reason;
    });
  }
};
const handled = (promise: Promise<unknown>): void => void reported.get(promise)?.delete(promise);
const told = (event: PromiseRejectionEvent): void => {
  if (running === null) return;
  event.preventDefault();
  report(running, event.promise, event.reason);
};
const toldHandled = (event: PromiseRejectionEvent): void => handled(event.promise);

function report(unhandled: Unhandled, promise: Promise<unknown>, reason: unknown): void {
  unhandled.set(promise, reason);
  reported.set(promise, unhandled);
}

/** From now on the platform tells us. `whose` says to which bubble the code belongs that is told of, if anybody can. */
export function listen(whose: () => Unhandled | null): void {
  own = whose;
  if (isEmitter(emitter)) {
    others = emitter.rawListeners("unhandledRejection");
    emitter.removeAllListeners("unhandledRejection");
    emitter.on("unhandledRejection", rejected);
    emitter.on("rejectionHandled", handled);
  } else {
    page.addEventListener?.("unhandledrejection", told);
    page.addEventListener?.("rejectionhandled", toldHandled);
  }
}

/** From now on it tells again who listened before. */
export function unlisten(): void {
  if (isEmitter(emitter)) {
    emitter.off("unhandledRejection", rejected);
    emitter.off("rejectionHandled", handled);
    for (const listener of others) emitter.on("unhandledRejection", listener);
    others = [];
  } else {
    page.removeEventListener?.("unhandledrejection", told);
    page.removeEventListener?.("rejectionhandled", toldHandled);
  }
}

/** From now on rejections go here; null: there is no bubble that runs. */
export function collect(unhandled: Unhandled | null): void {
  running = unhandled;
}

/** The first rejection that nobody has handled, as an error; undefined if there is none. */
export function firstOf(unhandled: Unhandled): Error | undefined {
  if (unhandled.size === 0) return undefined;
  const [reason] = unhandled.values();
  const what = isError(reason) ? errorText(reason) : text(reason);
  const rule = "nobody awaits the promise that was rejected so, and in production that ends the process";
  return new Error(`unhandled rejection: ${what} (${rule})`, { cause: reason });
}

function isEmitter(process: Partial<Emitter> | undefined): process is Emitter {
  return typeof process?.rawListeners === "function";
}
