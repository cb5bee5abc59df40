/**
 * Choices: the forks of a recording, and the replay string with another candidate at one of them.
 */
import type { TraceRow, TraceStep } from "headgate/testing";
import type { Recording } from "../record.ts";

/** A choice of a recording: the number of its pick in the replay string, and its row. */
export interface Fork {
  readonly index: number;
  readonly row: TraceRow;
}

const forksOf = (steps: readonly TraceStep[]): readonly Fork[] =>
  steps
    .flatMap(({ rows }) => rows)
    .filter((row) => row.choices > 1)
    .map((row, index) => ({ index, row }));

/** The forks in one step; usually there is one at most. */
export function forksAt({ steps }: Recording, step: number): readonly Fork[] {
  return forksOf(steps).filter(({ row }) => row.step === step);
}

/** The step at which the reader cancels, by the replay string. */
export function cancelOf(replay: string): number | undefined {
  const at = /!c(\d+)/.exec(replay)?.[1];
  return at === undefined ? undefined : Number(at);
}

/** The picks before this fork, then candidate `i`; a cancel stays if it comes before. */
export function withPick(recording: Recording, fork: Fork, i: number): string {
  const picks = forksOf(recording.steps)
    .slice(0, fork.index)
    .map(({ row }) => row.pick!);
  const at = cancelOf(recording.replay);
  return text([...picks, i], at !== undefined && at < fork.row.step ? at : undefined);
}

/** The same choices up to this step, and then the cancel. */
export function withCancel(recording: Recording, step: number): string {
  const picks = forksOf(recording.steps).flatMap(({ row }) => (row.step <= step ? [row.pick!] : []));
  return text(picks, step);
}

function text(picks: readonly number[], cancelAt: number | undefined): string {
  let { length } = picks;
  while (length > 0 && picks[length - 1] === 0) length--;
  const chosen = picks.slice(0, length).map((pick) => pick.toString(36));
  return (chosen.length === 0 ? "0" : chosen.join(".")) + (cancelAt === undefined ? "" : `!c${cancelAt}`);
}
