/**
 * The errors with which a test fails that no assertion of its own has failed.
 */
import { Branded } from "../internal/errors.ts";
import type { TaskInfo } from "./task.ts";
import type { Trace } from "./trace.ts";

/**
 * Nothing can come of it any more: every task of a bubble is blocked and no timer is pending, or somebody has waited too long for a
 * promise from outside, or tasks run in a circle. `tasks` are those that have not ended, each with the line at which it waits; plain
 * data, which is also what JSON has of it.
 */
export class DeadlockError extends Branded {
  /** @internal */ static readonly kind = "DeadlockError";

  /** The tasks that had not ended. */
  readonly tasks: readonly TaskInfo[];

  /** Made by the test kit. */
  constructor(message: string, tasks: readonly TaskInfo[] = []) {
    super(message);
    this.tasks = tasks;
  }
}

/**
 * The function of a bubble has returned and has left something behind: a task that does not end although `t.ctx` has, a context that
 * nobody cancelled, or a timer that is still set. `tasks` are the tasks left.
 */
export class LeakError extends Branded {
  /** @internal */ static readonly kind = "LeakError";

  /** The tasks that had not ended. */
  readonly tasks: readonly TaskInfo[];

  /** Made by the test kit. */
  constructor(message: string, tasks: readonly TaskInfo[] = []) {
    super(message);
    this.tasks = tasks;
  }
}

/**
 * A schedule was found under which the scenario fails. Its message tells the whole story: the original error, who was blocked where,
 * the timeline, and the string that replays it. `cause` is the original error. As JSON it is `replay`, `schedules` and `tasks`: neither
 * the trace nor the cause is listed, so that a log of it stays short.
 */
export class ScheduleError extends Branded {
  /** @internal */ static readonly kind = "ScheduleError";

  /** For `explore(scenario, { replay })`, or the environment variable HEADGATE_REPLAY. */
  readonly replay: string;
  /** How many schedules were run until this one was found, itself included. */
  readonly schedules: number;
  /** What happened, step by step. */
  declare readonly trace: Trace;
  /** All tasks that had not ended when it failed. */
  readonly tasks: readonly TaskInfo[];

  /** Made by the test kit. */
  constructor(
    message: string,
    cause: unknown,
    found: { replay: string; schedules: number; trace: Trace; tasks: readonly TaskInfo[] },
  ) {
    super(message, { cause });
    this.replay = found.replay;
    this.schedules = found.schedules;
    Object.defineProperty(this, "trace", { value: found.trace });
    this.tasks = found.tasks;
  }
}

/**
 * The same schedule did not lead to the same steps: the scenario depends on something besides its schedule (the wall clock,
 * Math.random, state that outlives a run), or a replay string belongs to another program. `cause` is the failure that could not be
 * reproduced, if there was one.
 */
export class NondeterminismError extends Branded {
  /** @internal */ static readonly kind = "NondeterminismError";
}
