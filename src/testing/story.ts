/**
 * The story of a schedule that has failed: what went wrong, how to run it again, who was blocked where, and the timeline.
 */
import { DeadlockError, LeakError, ScheduleError } from "./errors.ts";
import { isA } from "../internal/foreign.ts";
import { thrownText } from "./plain.ts";
import { encode, type Recipe } from "./schedule.ts";
import type { Run } from "./execution.ts";
import { lineOf } from "./task.ts";

/** How many rows of a long timeline a message shows. */
const BEGINNING = 40;
const ENDING = 100;

/** The error for a run that has failed under this recipe, as the so many-th that was tried. */
export function scheduleError(run: Run, recipe: Recipe, schedules: number): ScheduleError {
  const { error, tasks } = run.failure!;
  const replay = encode(recipe);
  const trace = run.trace();
  const timeline = String(trace).split("\n");
  const rows = timeline.slice(1);
  const hidden = rows.length - BEGINNING - ENDING;
  // These say themselves who is blocked where.
  const isListed = isA(error, DeadlockError) || isA(error, LeakError);
  const message = [
    thrownText(error),
    ...(error === run.context.err()
      ? ["(the error of t.ctx, which was cancelled: catch it if the scenario may end so)"]
      : []),
    "",
    `found by schedule ${schedules}, ${tellOf(recipe)}; run it again with`,
    `  explore(scenario, { replay: ${JSON.stringify(replay)} })   or   HEADGATE_REPLAY='${replay}'`,
    "",
    ...(isListed || tasks.length === 0 ? [] : ["tasks that had not ended:", ...tasks.map(lineOf), ""]),
    timeline[0],
    ...(hidden <= 0
      ? rows
      : [...rows.slice(0, BEGINNING), `   …  (${hidden} rows more: see error.trace)`, ...rows.slice(-ENDING)]),
  ];
  return new ScheduleError(message.join("\n"), error, { replay, schedules, trace, tasks });
}

function tellOf({ picks, cancelAt, hop, abortAt, failAt }: Recipe): string {
  const deviations = picks.filter((pick) => pick !== 0).length;
  const parts = [deviations === 0 ? "in the plain order" : `which leaves the plain order ${deviations} time(s)`];
  if (cancelAt !== undefined) {
    parts.push(
      hop === undefined
        ? `t.ctx cancelled after step ${cancelAt}`
        : `t.ctx cancelled after step ${cancelAt} and microtask ${hop} of the next`,
    );
  }
  if (abortAt !== undefined) parts.push(`t.abort cancelled after step ${abortAt}`);
  if (failAt !== undefined) parts.push(`operation ${failAt} refused`);
  return parts.join(", ");
}

/** By what two failures are taken for the same: name and first line. */
export function essence(error: unknown): string {
  return thrownText(error).split("\n")[0]!;
}
