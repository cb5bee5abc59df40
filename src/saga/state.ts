/**
 * The state of a step during a run.
 */
import { serializeError, withoutStack } from "./errors.ts";
import type { StepOptions } from "./options.ts";
import type { Compensate, Entry, LoggedEntry, Outcome, Run } from "./types.ts";

/** The outputs of the steps, by name. */
export type Outputs = Readonly<Record<string, unknown>>;

/** A step, without its types. */
export interface Step extends StepOptions {
  readonly name: string;
  readonly run: Run<unknown, Outputs, unknown>;
  readonly compensate: Compensate<unknown, Outputs, unknown> | undefined;
}

/** A step in a run. */
export interface State {
  readonly step: Step;
  readonly key: string;
  outcome: Outcome;
  /** Set when the step is done. */
  output: unknown;
  attempts: number;
  undos: number;
  /** The errors of the last attempts to run the step; from its undo on, those of the last attempts to undo it. */
  errors: Error[];
  error: Error | undefined;
  /** At least one attempt may have been applied. */
  isDoubtful: boolean;
  ms: number;
}

export function stateOf(step: Step, id: string): State {
  const key = `${id}:${step.name}`;
  return {
    step,
    key,
    outcome: "not started",
    output: undefined,
    attempts: 0,
    undos: 0,
    errors: [],
    error: undefined,
    isDoubtful: false,
    ms: 0,
  };
}

export function entryOf({ step, key, outcome, attempts, undos, error, ms }: State): Entry {
  return { step: step.name, key, outcome, attempts, undos, ...(error === undefined ? {} : { error }), ms };
}

export function loggedOf(state: State): LoggedEntry {
  const { error, ...entry } = entryOf(state);
  return error === undefined ? entry : { ...entry, error: withoutStack(serializeError(error)) };
}

/** The outputs of the steps before `end`. */
export function outputsBefore(states: readonly State[], end?: State): Outputs {
  const before = end === undefined ? states : states.slice(0, states.indexOf(end));
  // fromEntries defines own properties, so a step may be called __proto__.
  return Object.fromEntries(before.map(({ step, output }) => [step.name, output]));
}
