/**
 * A bubble: a test in virtual time, which fails when its tasks block each other or are left behind.
 */
import { duration, mustBeFunction } from "../internal/args.ts";
import { given } from "../internal/foreign.ts";
import type { TimerTarget } from "../internal/runtime.ts";
import type { Context } from "../types.ts";
import { warn } from "./copies.ts";
import { Execution, type ExecutionOptions } from "./execution.ts";
import { type BubbleOptions, bubbleSettings } from "./options.ts";
import { fifo } from "./schedule.ts";
import { install, runningBubble, uninstall } from "./seam.ts";
import type { TaskInfo } from "./task.ts";
import type { Trace } from "./trace.ts";

/** The controls of a test in its bubble. Conventionally called `t`. */
export interface Bubble {
  /**
   * The context of the test. It ends when the test's function has returned, when `cancel` is called, and where {@link
   * explore} cancels it.
   */
  readonly ctx: Context;
  /**
   * The context that a second signal cancels, with `explore(…, { signals: 2 })`. It ends when the test's function has
   * returned.
   */
  readonly abort: Context;
  /**
   * Waits until every other task is blocked in an operation of headgate. Then they can only wait for each other, or for
   * time to pass (Y2).
   *
   * **Cancellation**: takes no ctx.
   *
   * **Errors**: throws if another wait is under way.
   *
   * @see Go's [synctest.Wait](https://pkg.go.dev/testing/synctest#Wait)
   */
  readonly wait: () => Promise<void>;
  /**
   * Sleeps for `ms` of the bubble's time, then waits until every other task is blocked (Y5): all that is due by then
   * has happened.
   *
   * **Cancellation**: takes no ctx.
   *
   * **Errors**: rejects with a RangeError for NaN.
   */
  readonly sleep: (ms: number) => Promise<void>;
  /** The bubble's time in epoch ms, as `time.now()` has it. */
  readonly now: () => number;
  /** Cancels `t.ctx`. */
  readonly cancel: (cause?: unknown) => void;
  /**
   * A bare scheduling point: other tasks may run first.
   *
   * **Cancellation**: takes no ctx.
   */
  readonly yield: () => Promise<void>;
  /**
   * Brings a promise from outside (I/O, a platform timer) into the schedule: waits for it, and then resumes when it is
   * this task's turn. The bubble's time stands still meanwhile.
   *
   * **Cancellation**: takes no ctx.
   *
   * **Errors**: rejects as the promise does.
   */
  readonly external: <V>(promise: PromiseLike<V>) => Promise<V>;
  /** Names an object for reports; or a function, for the task that will run it. Returns it. */
  readonly name: <O extends object>(object: O, name: string) => O;
  /** The tasks that have not ended. */
  readonly tasks: () => readonly TaskInfo[];
  /**
   * Calls `look` after each step from this one on, also in {@link explore}. What it returns is the snapshot of that
   * step, in `trace.steps`, as plain data: as JSON has it, so a channel is its text. It may only look: `ch.length`,
   * `String(ch)`, `ctx.err()`, `time.now()`, `t.tasks()`. There is one such function in a bubble.
   *
   * **Errors**: an error that it throws fails the test, so it can hold an invariant. So does an operation of headgate in
   * it, and a snapshot that cannot be JSON. Throws for a second function.
   */
  readonly watch: (look: () => unknown) => void;
  /**
   * The events so far. {@link explore} records only the schedule that fails, for its ScheduleError; in the others the
   * trace is empty.
   */
  readonly trace: () => Trace;
  /** One line for logs: the bubble's time since the beginning, and the number of tasks that have not ended. */
  readonly toJSON: () => string;
}

/**
 * Runs `fn` in a bubble: everything of headgate that it uses sees virtual time. Time stands still while a task can run,
 * and jumps to the next timer when every task is blocked. So hours take milliseconds, and the same test always takes
 * the same steps.
 *
 * Resolves when `fn` has returned and every task has ended. When `fn` has returned, `t.ctx` is cancelled and time
 * stands still.
 *
 * It is an ordinary async function: it works in every test runner, in any number of tests at once. Timers, dates and
 * I/O of the platform stay real; while a task waits for them, the bubble's time stands still.
 *
 * **Cancellation**: takes no ctx. `t.ctx` is cancelled when `fn` has returned, and also when the test has failed, so
 * that `finally` blocks run.
 *
 * **Errors**: rejects with the error of `fn`, or of any task whose result is not awaited. Rejects with a {@link
 * DeadlockError} when every task is blocked and no timer is set, when a promise from outside takes longer than
 * `externalTimeout` ms, and for an endless loop. Rejects with a {@link LeakError} when something is left: a task, a
 * context that was never cancelled, a timer. Rejects with a TypeError or a RangeError for invalid options.
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
  const executionOptions: ExecutionOptions = {
    ...bubbleSettings(options),
    timers: "idle",
    record: true,
    choices: false,
    storage: true,
    checked: true,
  };
  const execution = new Execution({ strategy: fifo, mayCancel: false }, executionOptions);
  install();
  try {
    await execution.start(() => fn(apiOf(execution)));
  } finally {
    uninstall();
  }
  if (execution.scheduler.usesOther) warn("bubble");
  if (execution.failure !== null) throw execution.failure.error;
}

/** Throws inside of a bubble: bubbles are not nested. */
export function mustBeOutside(where: string): void {
  if (runningBubble() === null) return;
  throw new Error(`${where}: called inside of a bubble; let one test be one bubble`);
}

/** The controls of an execution. */
export function apiOf(execution: Execution): Bubble {
  const { scheduler } = execution;
  const wait = (): Promise<void> => scheduler.suspend("t.wait", (settle) => execution.whenIdle(settle));
  return {
    get ctx() {
      return execution.context;
    },
    get abort() {
      return execution.abortContext;
    },
    wait,
    async sleep(ms) {
      duration(ms, "t.sleep");
      const due = scheduler.monotonic() + ms;
      const target = (settle: (result: unknown) => void): TimerTarget => ({ expire: () => settle(undefined) });
      await scheduler.suspend("t.sleep", (settle) => due < Infinity && scheduler.alarm(due, target(settle), null), ms);
      await wait();
    },
    now: () => scheduler.now(),
    cancel: (cause) => execution.cancel(cause),
    yield: () => scheduler.suspend("yield", (settle) => settle(undefined)),
    external<V>(promise: PromiseLike<V>) {
      return scheduler.suspend<V>("external", (settle) => {
        try {
          Promise.resolve(promise).then(settle, (error) => settle(error, true));
        } catch (error) {
          // The `constructor` or the `then` of a foreign promise may throw.
          settle(error, true);
        }
      });
    },
    name(object, name) {
      if ((typeof object !== "object" || object === null) && typeof object !== "function") {
        throw new TypeError(`t.name: expected an object or a function to name, got ${given(object)}`);
      }
      if (typeof name !== "string" || name === "") throw new TypeError("t.name: expected a name");
      scheduler.names.give(object, name);
      return object;
    },
    watch(look) {
      mustBeFunction(look, "t.watch");
      scheduler.watch.set(look);
    },
    tasks: () => scheduler.infos(),
    trace: () => scheduler.trace(),
    toJSON: () => `Bubble(+${scheduler.clock.elapsed}ms, ${scheduler.infos().length} task(s))`,
  };
}
