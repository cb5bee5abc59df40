/**
 * The errors of the test kit: a test fails with them although none of its own assertions did.
 */
import { Branded } from "../internal/errors.ts";
import type { TaskInfo } from "./task.ts";
import type { Trace } from "./trace.ts";

/**
 * The tasks of a bubble make no progress. All are blocked and no timer is set; or a promise from outside takes too
 * long; or the test is an endless loop. `tasks` are those that have not ended, each with the line at which it waits.
 * JSON has the same data.
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
 * The function of a bubble has returned and has left something behind. That is a task which does not end although
 * `t.ctx` has, a context that was never cancelled, or a timer that is still set. `tasks` are the tasks left.
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
 * The scenario fails under a schedule. The message has the original error, the tasks and where each was blocked, the
 * timeline, and the string that replays it. `cause` is the original error. As JSON it is `replay`, `schedules` and
 * `tasks`: trace and cause are left out, so that a log of it stays short.
 */
export class ScheduleError extends Branded {
  /** @internal */ static readonly kind = "ScheduleError";

  /** For `explore(scenario, { replay })`, or the environment variable HEADGATE_REPLAY. */
  readonly replay: string;
  /** Number of schedules that were run until this one was found, itself included. */
  readonly schedules: number;
  /** The events of the schedule, step by step. */
  declare readonly trace: Trace;
  /** The tasks that had not ended when it failed. */
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
 * The same schedule did not lead to the same steps. Either the scenario depends on something besides its schedule: the
 * wall clock, Math.random, or state that outlives a run. Or a replay string belongs to another program. `cause` is the
 * failure that could not be reproduced, if there was one.
 */
export class NondeterminismError extends Branded {
  /** @internal */ static readonly kind = "NondeterminismError";
}
