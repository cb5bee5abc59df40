/**
 * Whose turn it is, among all bubbles of the process: the step that runs now, the lock that lets one bubble run at a time, and how
 * to know that a step is over.
 *
 * Invariants:
 * - While a step runs, nothing but that step runs: it begins with one resumption and is over when no microtask is left. So whatever
 *   happens meanwhile is the doing of its task, which is why no bookkeeping in the user's code is needed. (Where the end of all
 *   microtasks cannot be told, because the process began with fake timers, something else may come in between; AsyncLocalStorage tells
 *   whose it is.)
 * - A bubble gives the lock back when it has ended, and when only the world outside can help it on.
 */
import { builtin, drained, isPrompt, nextTurn, stageOf } from "./platform.ts";

/** What is to be called when the step that runs is over; null: none runs. */
let open: (() => void) | null = null;
/** How many steps there have been, of all bubbles. */
let steps = 0;

/** Makes a step: calls `act`, and `after` when no microtask is left of it, before anything else happens. */
export function step(act: () => void, after: () => void): void {
  steps++;
  open = after;
  if (stage === undefined) stage = isPrompt() ? null : theStage();
  if (stage === null) {
    act();
    drained(over);
  } else {
    scene = act;
    stage.port2.postMessage(null);
  }
}

function over(): void {
  const after = open;
  open = null;
  after?.();
}

/**
 * The step that runs was cut short, its microtasks dropped: sees to it that it is over even so. `cut` is called before, and also where
 * no step runs.
 */
export function cutShort(cut: () => void): void {
  const number = steps;
  nextTurn(() => {
    cut();
    if (number === steps) over();
  });
}

/** undefined: nobody knows yet; null: not needed. */
let stage: MessageChannel | null | undefined;
let scene: () => void;

/** When a listener has returned, the platform runs all microtasks, and nothing else, before it calls the next one. */
function theStage(): MessageChannel | null {
  const made = stageOf();
  if (made === undefined) return null;
  made.port1.addEventListener("message", () => scene());
  made.port1.addEventListener("message", over);
  made.port1.start();
  return made;
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

// ----------------------------------------------------------------------------------------------------- AsyncLocalStorage

interface Storage<T> {
  getStore(): T | undefined;
  run<R>(store: T | undefined, f: () => R): R;
}

/** Whether there is an AsyncLocalStorage here. */
export const hasStorage: boolean = /* @__PURE__ */ builtin("node:async_hooks") !== undefined;

/** Makes an AsyncLocalStorage where there is one; null elsewhere, such as in browsers. */
export function storage<T>(): Storage<T> | null {
  if (!hasStorage) return null;
  const hooks = builtin("node:async_hooks") as { AsyncLocalStorage: new () => Storage<T> };
  return new hooks.AsyncLocalStorage();
}
