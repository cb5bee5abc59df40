/**
 * `record`: one schedule of a scenario, with its whole trace.
 */
import { mustBeFunction } from "../internal/args.ts";
import { given, isA } from "../internal/foreign.ts";
import { type Bubble, mustBeOutside } from "./bubble.ts";
import { warn } from "./copies.ts";
import { NondeterminismError } from "./errors.ts";
import { type RecordOptions, recordSettings } from "./options.ts";
import { Runner } from "./runner.ts";
import { decode, encode, scheduleOf } from "./schedule.ts";
import { install, uninstall } from "./seam.ts";
import type { Trace } from "./trace.ts";

/** One schedule of a scenario, recorded. */
export interface Recording {
  /** The events, step by step, up to the failure if there was one. */
  readonly trace: Trace;
  /** The error with which the schedule failed, as the `cause` of a {@link ScheduleError}. Missing if it has passed. */
  readonly error?: unknown;
  /**
   * Number of points at which `t.ctx` can be cancelled in this order of steps. Point k is after step k, so they are the
   * replay strings from `0!c1` on, if this is `0`.
   */
  readonly points: number;
  /**
   * The schedule that was run, in its shortest form: without trailing zeros, and without choices and cancels to which the scenario did not come.
   */
  readonly replay: string;
}

/**
 * Runs one schedule of a scenario and returns its whole trace, also if nothing failed. For debuggers, for pictures, and
 * for what happens before a failure. See {@link explore} for what a scenario may do.
 *
 * `replay` is a string of a {@link ScheduleError}, or one of your own: choices, then `!c` and the point of a cancel.
 * `0` is the plain order, and `0!c7` the same with `t.ctx` cancelled after step 7. A string that was found with the
 * options `fail` or `timers` needs the same ones here. HEADGATE_REPLAY does not override it.
 *
 * **Cancellation**: takes no ctx. A scenario that rejects with the error of `t.ctx` has failed, as in {@link explore}.
 *
 * **Errors**: a failure of the scenario is returned as `error`, not thrown. Rejects with a RangeError if `replay` is no
 * replay string, and with a {@link NondeterminismError} if it asks for a choice that is not there. Rejects with a
 * TypeError or a RangeError for invalid options.
 *
 * @example
 * ```ts
 * import { Chan, go } from "headgate";
 * import { type Bubble, record } from "headgate/testing";
 *
 * async function greet(t: Bubble) {
 *   const names = t.name(new Chan<string>(), "names");
 *   go(async function sender() {
 *     await names.send("Ada", t.ctx).catch(() => {});
 *   });
 *   await names.recv(t.ctx);
 * }
 *
 * const { trace, error, points } = await record(greet);
 * console.log(trace.rows.length, error, points); // => 10 undefined 4
 * const stopped = await record(greet, "0!c1");
 * console.log(stopped.replay, String(stopped.error)); // => 0!c1 AbortError: context canceled
 * ```
 */
export async function record(
  scenario: (t: Bubble) => PromiseLike<void> | void,
  replay: string = "0",
  options: RecordOptions = {},
): Promise<Recording> {
  mustBeFunction(scenario, "record");
  mustBeOutside("record");
  if (typeof replay !== "string") throw new TypeError(`record: expected a replay string, got ${given(replay)}`);
  const schedule = scheduleOf(decode(replay, "record"));
  const runner = new Runner(scenario, recordSettings(options));
  install();
  try {
    const { failure, points, recipe, scheduler } = await runner.run(schedule, { checked: true, record: true });
    if (isA(failure?.error, NondeterminismError)) throw failure.error;
    const recording = { trace: scheduler.trace(), points, replay: encode(recipe) };
    return failure === null ? recording : { ...recording, error: failure.error };
  } finally {
    if (runner.usesOther) warn("record");
    uninstall();
  }
}
