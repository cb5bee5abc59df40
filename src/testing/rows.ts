/**
 * The rows of a trace, and what all ways to show them have in common.
 */

/** The names of the pseudo-tasks: the clock, and the canceller, which cancels from outside. */
export const CLOCK = "⏱";
export const CANCELLER = "⚡";

/** One event. */
export interface TraceRow {
  /** The number of the step in which it happened, from 1. */
  readonly step: number;
  /** ms since the bubble began. */
  readonly time: number;
  /** The task that did it; "⏱" is the clock, "⚡" cancels from outside. */
  readonly task: string;
  /**
   * The event: "go", "start", "end", "throw", an operation that was done at once; "wait", "resume", "fail" or "refuse"
   * with an operation; what was done to an object, such as "close"; "choose" for a choice that no other row has.
   */
  readonly event: string;
  /** The name of the object, task or timer that it was done to. */
  readonly object: string;
  /** The value, or the error. */
  readonly detail: string;
  /** Number of candidates that this one was picked from; 1 if there was no choice. */
  readonly choices: number;
  /**
   * The names of the candidates, if there was a choice: tasks, for a step; the cases that were ready, for a select; the
   * timers that are due together. There are 20 names at most. The rows with a choice are those of the replay string, in
   * its order.
   */
  readonly among?: readonly string[];
  /** The position of the one that was picked, from 0, as the replay string has it. Missing if there was no choice. */
  readonly pick?: number;
  /**
   * In the first row of a task's step: the number of the step that made it possible, such as the send that a receive has
   * waited for. Missing if no step did.
   */
  readonly by?: number;
  /** In the last row of a step, with `t.watch`: the snapshot after the step. */
  readonly snapshot?: unknown;
}

/** A step: one task resumes and runs until it waits again, or one timer fires, or something is cancelled from outside. */
export interface TraceStep {
  /** Its number, from 1. */
  readonly step: number;
  /** ms since the bubble began. */
  readonly time: number;
  /** The task that resumed; "⏱" is the clock, "⚡" cancels from outside. */
  readonly task: string;
  /** Everything that happened in it. */
  readonly rows: readonly TraceRow[];
  /** With `t.watch`: the snapshot after it. Missing otherwise. */
  readonly snapshot?: unknown;
}

/** The names of the tasks of these rows, in order of appearance; the clock and the canceller come last. */
export function tasksOf(rows: readonly TraceRow[]): string[] {
  const names = new Set(rows.map((row) => row.task));
  const outside = [CLOCK, CANCELLER].filter((name) => names.delete(name));
  return [...names, ...outside];
}

/** A row in words. */
export function textOf(row: TraceRow): string {
  return [row.event, row.object, row.detail].filter((part) => part !== "").join(" ");
}

/** True if the event goes from the object to the task. */
export function isAnswer(row: TraceRow): boolean {
  return row.event.startsWith("resume ") || row.event.startsWith("fail ");
}

export function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}
