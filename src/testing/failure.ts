/**
 * The report of a schedule that has failed: the error, how to replay it, the tasks and where each was blocked, and the
 * timeline.
 */
import { isA } from "../internal/foreign.ts";
import { DeadlockError, LeakError, ScheduleError } from "./errors.ts";
import type { Execution } from "./execution.ts";
import { thrownText } from "./format.ts";
import { encode, type Recipe } from "./schedule.ts";
import { lineOf } from "./task.ts";

/** Rows of a long timeline that a message shows, at its beginning and at its end. */
const FIRST_ROWS = 40;
const LAST_ROWS = 100;

/**
 * The error for an execution that has failed under this recipe. `schedules` is the number of schedules run until then.
 */
export function scheduleError(execution: Execution, recipe: Recipe, schedules: number): ScheduleError {
  const { error, tasks } = execution.failure!;
  const replay = encode(recipe);
  const trace = execution.scheduler.trace();
  const timeline = String(trace).split("\n");
  const rows = timeline.slice(1);
  const hidden = rows.length - FIRST_ROWS - LAST_ROWS;
  // The messages of these errors list the tasks already.
  const isListed = isA(error, DeadlockError) || isA(error, LeakError);
  const message = [
    thrownText(error),
    ...(error === execution.context.err()
      ? ["(the error of t.ctx, which was cancelled: catch it if the scenario may end so)"]
      : []),
    "",
    `found by schedule ${schedules}, ${describe(recipe)}; run it again with`,
    `  explore(scenario, { replay: ${JSON.stringify(replay)} })   or   HEADGATE_REPLAY='${replay}'`,
    "",
    ...(isListed || tasks.length === 0 ? [] : ["tasks that had not ended:", ...tasks.map(lineOf), ""]),
    timeline[0],
    ...(hidden <= 0
      ? rows
      : [...rows.slice(0, FIRST_ROWS), `   …  (${hidden} rows more: see error.trace)`, ...rows.slice(-LAST_ROWS)]),
  ];
  return new ScheduleError(message.join("\n"), error, { replay, schedules, trace, tasks });
}

/** A recipe in words. */
function describe({ picks, cancelAt, microtask, abortAt, failAt }: Recipe): string {
  const deviations = picks.filter((pick) => pick !== 0).length;
  const parts = [deviations === 0 ? "in the plain order" : `which leaves the plain order ${deviations} time(s)`];
  if (cancelAt !== undefined) {
    parts.push(
      microtask === undefined
        ? `t.ctx cancelled after step ${cancelAt}`
        : `t.ctx cancelled after step ${cancelAt} and microtask ${microtask} of the next`,
    );
  }
  if (abortAt !== undefined) parts.push(`t.abort cancelled after step ${abortAt}`);
  if (failAt !== undefined) parts.push(`operation ${failAt} refused`);
  return parts.join(", ");
}

/** The name and first line of an error. Two failures with the same are taken for the same. */
export function fingerprint(error: unknown): string {
  return thrownText(error).split("\n")[0]!;
}
