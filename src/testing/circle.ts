/**
 * Loops that never let anybody else go on: `for (;;) await null`. Such a step never ends, for its microtasks never do, and no timer of
 * the process ever comes to end it. So promises are counted while they are made, and one that is too many stops the loop.
 *
 * V8 tells of each promise, also of those that an `await` makes; and its inspector ends what runs, and drops the microtasks that
 * wait, which are all of that step. Node and Deno offer both. Elsewhere such a loop hangs the process, as a loop without an await does.
 *
 * Invariants:
 * - Nothing but the count decides: neither the clock nor the machine.
 * - What is stopped is code of a bubble. What others do between two steps is let be, however long it takes.
 */
import { place, type Place } from "./callsite.ts";
import { text } from "./plain.ts";
import { builtin, platform } from "./platform.ts";
import { cutShort } from "./eventloop.ts";

/** How many promises a step may make, unless the option `steps` allows more. */
const MOST = 500_000;
/** How many are looked at before the loop is stopped: where it makes them is where it is. */
const LOOKED_AT = 60;

/** What is told when a loop has been stopped: where it made its promises, the last ones. */
type Stopped = (places: readonly Place[]) => void;

interface PromiseHooks {
  readonly onInit: (made: () => void) => () => void;
}

interface Inspector {
  readonly Session: new () => { connect(): void; disconnect(): void; post(method: string): void };
}

/** Whose code runs, if it is a bubble's: whom to tell. */
let owner: () => Stopped | null = () => null;
let unhook: (() => void) | undefined;
let most = MOST;
let left = MOST;
let places: Place[] = [];

/** From now on promises are counted. `whose` says whom to tell of a loop in the code that runs; null: it is no bubble's. */
export function count(whose: () => Stopped | null): void {
  owner = whose;
  try {
    unhook = (builtin("node:v8") as { promiseHooks?: PromiseHooks } | undefined)?.promiseHooks?.onInit(made);
  } catch {
    // Bun has the function, and throws.
  }
}

export function uncount(): void {
  unhook?.();
  unhook = undefined;
}

/** Begins to count from nothing: for a step, or for a turn of the world outside. */
export function recount(allowed: number): void {
  most = Math.max(MOST, allowed);
  left = most;
  if (places.length > 0) places = [];
}

/** Called by V8 in the middle of the code that makes a promise; it must not throw. */
function made(): void {
  if (--left > 0) return;
  const told = owner();
  if (told === null) return recount(most);
  if (places.push(place()) < LOOKED_AT) return;
  const found = places;
  left = Infinity;
  stop(() => told(found));
}

/**
 * Ends what waits to run: the microtasks of the step. That is done in one of them, as nobody's code: Node counts who runs before and after
 * each reaction of a promise, and a count that is cut short would end the process. A reaction whose promise is none is not counted.
 */
function stop(told: () => void): void {
  const free = Promise.resolve() as Promise<void> & { constructor: unknown };
  void Object.defineProperty(free, "constructor", { value: { [Symbol.species]: NoPromise } });
  void free.then(() => {
    try {
      const { Session } = builtin("node:inspector") as Inspector;
      const session = new Session();
      session.connect();
      cutShort(() => {
        session.disconnect();
        told();
      });
      // What comes after this call does not happen any more.
      session.post("Runtime.terminateExecution");
    } catch (error) {
      giveUp(error);
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

/** Where there is no inspector, or it is forbidden, the process would hang without a word. */
function giveUp(reason: unknown): void {
  const where = places.map((made) => made.at).find((at) => at !== "") ?? "an unknown place";
  const message = `headgate/testing: livelock: a loop at ${where} awaits one promise after the other. It could only be stopped by node:inspector (${text(reason)}), so the process is ended.\n`;
  // Nothing that is written later would be written.
  (builtin("node:fs") as { writeSync?: (fd: number, text: string) => void } | undefined)?.writeSync?.(2, message);
  platform.process?.exit?.(1);
}
