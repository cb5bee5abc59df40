/**
 * Livelocks within one step: loops such as `for (;;) await null`, which never let another task run. The microtasks of
 * such a step never end, so no timer of the process can stop it. Promises are counted as they are made; a step that
 * makes too many is stopped.
 *
 * V8's promise hooks report each promise, also those that an `await` makes. Its inspector terminates the running code
 * and drops the waiting microtasks, which all belong to the step. Node and Deno offer both. Elsewhere such a loop hangs
 * the process, as a loop without an await does.
 *
 * Invariants:
 * - Only the count decides: neither the clock nor the machine.
 * - Only code of a bubble is stopped. Other code may run between two steps, for as long as it likes.
 */
import { callsite, type CallSite } from "./callsite.ts";
import { text } from "./format.ts";
import { builtin, platform } from "./platform.ts";
import { cutShort } from "./eventloop.ts";

/** Promises that a step may make, unless the option `maxSteps` allows more. */
const MAX_PROMISES = 500_000;
/** Promises sampled before the loop is stopped: the lines that make them are the loop. */
const SAMPLES = 60;

/** Called when a loop has been stopped, with the call sites of its last promises. */
type OnStopped = (sites: readonly CallSite[]) => void;

interface PromiseHooks {
  readonly onInit: (made: () => void) => () => void;
}

interface Inspector {
  readonly Session: new () => { connect(): void; disconnect(): void; post(method: string): void };
}

/** Returns the callback of the bubble whose code runs; null if it is no bubble's. */
let ownerOf: () => OnStopped | null = () => null;
let unhook: (() => void) | undefined;
let limit = MAX_PROMISES;
let left = MAX_PROMISES;
let sites: CallSite[] = [];

/** Begins to count promises. `owner` returns the callback for the code that runs, or null if that is no bubble's. */
export function startCounting(owner: () => OnStopped | null): void {
  ownerOf = owner;
  try {
    unhook = (builtin("node:v8") as { promiseHooks?: PromiseHooks } | undefined)?.promiseHooks?.onInit(onPromise);
  } catch {
    // Bun has the function, and throws.
  }
}

export function stopCounting(): void {
  unhook?.();
  unhook = undefined;
}

/** Starts the count at zero: for a step, or for a turn of the event loop. */
export function resetCount(allowed: number): void {
  limit = Math.max(MAX_PROMISES, allowed);
  left = limit;
  if (sites.length > 0) sites = [];
}

/** Called by V8 in the middle of the code that makes a promise; it must not throw. */
function onPromise(): void {
  if (--left > 0) return;
  const onStopped = ownerOf();
  if (onStopped === null) return resetCount(limit);
  if (sites.push(callsite()) < SAMPLES) return;
  const found = sites;
  left = Infinity;
  stop(() => onStopped(found));
}

/**
 * Terminates the step, its waiting microtasks included. `then` is called afterwards.
 *
 * A microtask of ours does that, and it must not count for Node's async hooks: they push an entry before each promise
 * reaction and pop it after it. Terminated in between, the stack of entries would be corrupt, and Node would abort the
 * process. Hooks skip a reaction whose derived "promise" is none, so the species of `free` makes an object of {@link
 * NoPromise}.
 */
function stop(then: () => void): void {
  const free = Promise.resolve() as Promise<void> & { constructor: unknown };
  void Object.defineProperty(free, "constructor", { value: { [Symbol.species]: NoPromise } });
  void free.then(() => {
    try {
      const { Session } = builtin("node:inspector") as Inspector;
      const session = new Session();
      session.connect();
      cutShort(() => {
        session.disconnect();
        then();
      });
      // Nothing after this call runs.
      session.post("Runtime.terminateExecution");
    } catch (error) {
      exit(error);
    }
  });
}

class NoPromise {
  constructor(settle: (resolve: () => void, reject: () => void) => void) {
    settle(
      () => {},
      () => {},
    );
  }
}

/** Ends the process with a message: without an inspector, or if it is forbidden, the loop would hang it silently. */
function exit(reason: unknown): void {
  const where = sites.map((site) => site.at).find((at) => at !== "") ?? "an unknown place";
  const message = `headgate/testing: livelock: a loop at ${where} awaits one promise after the other. It could only be stopped by node:inspector (${text(reason)}), so the process is ended.\n`;
  // Asynchronous output would be lost.
  (builtin("node:fs") as { writeSync?: (fd: number, text: string) => void } | undefined)?.writeSync?.(2, message);
  platform.process?.exit?.(1);
}
