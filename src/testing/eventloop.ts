/**
 * The step that runs, among all bubbles of the process, and how its end is known.
 *
 * Invariant: while a step runs, nothing else runs. It begins with one resumption and is over when no microtask is left,
 * so whatever happens meanwhile is done by its task; the user's code needs no bookkeeping. There is one exception: a
 * process that began with fake timers may offer no way to see the end of all microtasks. Then other code may come in
 * between, and AsyncLocalStorage tells whose it is.
 */
import { drained, isPrompt, nextTurn, stageOf } from "./platform.ts";

/** Called when the step that runs is over; null if none runs. */
let onOver: (() => void) | null = null;
/** Number of steps so far, of all bubbles. */
let steps = 0;

/** Makes a step: calls `act`, and `after` as soon as no microtask of it is left, before anything else happens. */
export function step(act: () => void, after: () => void): void {
  steps++;
  onOver = after;
  if (stage === undefined) stage = isPrompt() ? null : openStage();
  if (stage === null) {
    act();
    drained(over);
  } else {
    scene = act;
    stage.port2.postMessage(null);
  }
}

function over(): void {
  const after = onOver;
  onOver = null;
  after?.();
}

/**
 * Ends the step that runs although its microtasks have been dropped. `then` is called first, also if no step runs.
 */
export function cutShort(then: () => void): void {
  const number = steps;
  nextTurn(() => {
    then();
    if (number === steps) over();
  });
}

// A page has no nextTick, so it needs a stage: a channel with two listeners. When a listener has returned, the platform
// runs all microtasks, and nothing else, before it calls the next one. So the first listener acts, and the second finds
// the step over.

/** undefined: not yet known; null: not needed. */
let stage: MessageChannel | null | undefined;
let scene: () => void;

function openStage(): MessageChannel | null {
  const channel = stageOf();
  if (channel === undefined) return null;
  channel.port1.addEventListener("message", () => scene());
  channel.port1.addEventListener("message", over);
  channel.port1.start();
  return channel;
}
