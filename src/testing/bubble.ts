/**
 * A bubble: a test in which time is virtual, and which fails when its tasks block each other or are left behind.
 */
import { given } from "../internal/foreign.ts";
import { mustBeReadable } from "../internal/errors.ts";
import { type TimerTarget } from "../internal/runtime.ts";
import { START } from "./clock.ts";
import { PLAIN } from "./schedule.ts";
import { warn } from "./others.ts";
import { text } from "./plain.ts";
import type { Manner } from "./scheduler.ts";
import { Run } from "./execution.ts";
import { hold, letGo, runningBubble } from "./seam.ts";
import type { TaskInfo } from "./task.ts";
import type { Trace } from "./trace.ts";
import type { Context } from "../types.ts";
import { mustBeFunction, duration } from "../internal/args.ts";

/** What a test can do in its bubble. Conventionally called `t`. */
export interface Bubble {
  /** The context of the test: ends when its function has returned, when `cancel` is called, and where {@link explore} wants it to. */
  readonly ctx: Context;
  /** What a second signal cancels, with `explore(…, { signals: 2 })`. It ends when the function has returned. */
  readonly abort: Context;
  /**
   * Waits until every other task is blocked in an operation of headgate, with nothing left to do but to wait for each other or for
   * time to pass (Y2).
   *
   * **Errors**: throws if a wait is under way already.
   *
   * @see Go's [synctest.Wait](https://pkg.go.dev/testing/synctest#Wait)
   */
  readonly wait: () => Promise<void>;
  /**
   * Sleeps for `ms` of the bubble's time and then waits until every other task is blocked (Y5): what is due by then has happened.
   *
   * **Errors**: rejects with a RangeError for NaN.
   */
  readonly sleep: (ms: number) => Promise<void>;
  /** The bubble's time in epoch ms: what `time.now()` says. */
  readonly now: () => number;
  /** Cancels `t.ctx`. */
  readonly cancel: (cause?: unknown) => void;
  /** Lets the others go first, if the schedule wants it: a bare scheduling point. */
  readonly yield: () => Promise<void>;
  /**
   * Brings a promise from outside (I/O, a platform timer) into the schedule: waits for it, and then resumes when it is this task's
   * turn. Time stands still meanwhile.
   *
   * **Errors**: rejects as the promise does.
   */
  readonly external: <V>(promise: PromiseLike<V>) => Promise<V>;
  /** Sets how reports call an object, or the task that will run a function. Returns it. */
  readonly name: <O extends object>(object: O, name: string) => O;
  /** The tasks that have not ended. */
  readonly tasks: () => readonly TaskInfo[];
  /**
   * What has happened so far. Under {@link explore} only the schedule that fails is recorded, and comes with the ScheduleError; in
   * the others the trace is empty.
   */
  readonly trace: () => Trace;
  /** One line, for logs: how far the bubble's time has come, and how many tasks have not ended. */
  readonly toJSON: () => string;
}

/** How to run a bubble. What is left out has the default given. */
export interface BubbleOptions {
  /** When its time begins: epoch ms, or a Date. 2000-01-01T00:00Z */
  readonly start?: number | Date;
  /** How long to wait for a promise from outside before the test fails: ms of real time; a tenth of it if nothing was begun. 1 000 */
  readonly external?: number;
  /** How many steps are taken for an endless loop. A single step may make 500 000 promises, or as many as this says. 100 000 */
  readonly steps?: number;
}

/**
 * Runs `fn` in a bubble: the time of everything of headgate that it uses is virtual. It stands still while anybody has something to
 * do, and jumps to the next timer when every task is blocked; so hours take milliseconds, and exactly the same ones each time.
 *
 * Resolves when `fn` has returned and every task has ended. When `fn` has returned, `t.ctx` is cancelled and time stands still.
 *
 * An ordinary async function: it works in every test runner, in as many tests at once as you like. Timers, dates and I/O of the
 * platform stay real; while a task waits for them, time stands still.
 *
 * **Cancellation**: `t.ctx` is cancelled when `fn` has returned, and also when the test has failed, so that `finally` blocks run.
 *
 * **Errors**: rejects with what `fn` throws, or any task that nobody waits for; with a {@link DeadlockError} when everybody is blocked
 * and no timer is set, or a promise from outside takes longer than `external` ms; with a {@link LeakError} when something is left: a
 * task, a context that was never cancelled, a timer. TypeError or RangeError for options that make no sense.
 *
 * **Ordering**: tasks resume in the order in which they became ready.
 *
 * @see Go's [testing/synctest](https://pkg.go.dev/testing/synctest)
 * @example
 * ```ts
 * import { context } from "headgate";
 * import { bubble } from "headgate/testing";
 *
 * await bubble(async (t) => {
 *   const [ctx, cancel] = context.withTimeout(t.ctx, 5_000);
 *   using _ = cancel;
 *   await t.sleep(4_999);
 *   console.log(ctx.err()); // => undefined
 *   await t.sleep(1);
 *   console.log(ctx.err()?.message); // => context deadline exceeded
 * });
 * ```
 */
export async function bubble(fn: (t: Bubble) => PromiseLike<void> | void, options: BubbleOptions = {}): Promise<void> {
  mustBeFunction(fn, "bubble");
  mustBeOutside("bubble");
  const manner: Manner = {
    ...mannerOf(options, 100_000, "bubble"),
    timers: "idle",
    record: true,
    choices: false,
    storage: true,
    checked: true,
  };
  const run = new Run({ picker: PLAIN, mayCancel: false }, manner);
  hold();
  try {
    await run.start(() => fn(apiOf(run)));
  } finally {
    letGo();
  }
  if (run.usesOther) warn("bubble");
  if (run.failure !== null) throw run.failure.error;
}

/** Throws where a bubble runs: bubbles are not nested. */
export function mustBeOutside(where: string): void {
  if (runningBubble() === null) return;
  throw new Error(`${where}: called inside of a bubble; let one test be one bubble`);
}

/** The options that {@link bubble} and {@link explore} share, checked. */
export function mannerOf(
  options: BubbleOptions,
  steps: number,
  where: string,
): Pick<Manner, "start" | "external" | "steps"> {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`${where}: expected an object of options, got ${text(options)}`);
  }
  const {
    start,
    external,
    steps: most,
  } = mustBeReadable(`${where}: the options cannot be read`, () => {
    const { start = START, external = 1_000, steps: most = steps } = options;
    return { start: momentOf(start), external, steps: most };
  });
  const begin = duration(start, `${where}: options.start`);
  if (!Number.isFinite(begin)) throw new RangeError(`${where}: options.start must be a moment; got ${begin}`);
  return {
    start: begin,
    external: duration(external, `${where}: options.external`),
    steps: wholeNumber(most, 1, `${where}: options.steps`),
  };
}

/** A Date of whatever realm, fake timers' too, is known by its `getTime`. */
function momentOf(start: number | Date): number {
  return typeof start === "object" && typeof start?.getTime === "function" ? start.getTime() : (start as number);
}

/** Returns `n`, a whole number from `least`, or Infinity. */
export function wholeNumber(n: number, least: number, where: string): number {
  if (n === Infinity || (Number.isSafeInteger(n) && n >= least)) return n;
  throw new RangeError(`${where} must be a whole number from ${least}; got ${text(n)}`);
}

/** What the test sees of a run. */
export function apiOf(run: Run): Bubble {
  const wait = (): Promise<void> => run.suspend("t.wait", (settle) => run.whenIdle(settle));
  return {
    get ctx() {
      return run.context;
    },
    get abort() {
      return run.abortContext;
    },
    wait,
    async sleep(ms) {
      duration(ms, "t.sleep");
      const due = run.monotonic() + ms;
      const target = (settle: (result: unknown) => void): TimerTarget => ({ expire: () => settle(undefined) });
      await run.suspend("t.sleep", (settle) => due < Infinity && run.alarm(due, target(settle), null), ms);
      await wait();
    },
    now: () => run.now(),
    cancel: (cause) => run.cancel(cause),
    yield: () => run.suspend("yield", (settle) => settle(undefined)),
    external<V>(promise: PromiseLike<V>) {
      return run.suspend<V>("external", (settle) => {
        try {
          Promise.resolve(promise).then(settle, (error) => settle(error, true));
        } catch (error) {
          // A promise of somebody's whose own `constructor` or `then` throws.
          settle(error, true);
        }
      });
    },
    name(object, name) {
      if ((typeof object !== "object" || object === null) && typeof object !== "function") {
        throw new TypeError(`t.name: expected an object or a function to name, got ${given(object)}`);
      }
      if (typeof name !== "string" || name === "") throw new TypeError("t.name: expected a name");
      run.names.give(object, name);
      return object;
    },
    tasks: () => run.infos(),
    trace: () => run.trace(),
    toJSON: () => `Bubble(+${run.clock.elapsed}ms, ${run.infos().length} task(s))`,
  };
}
