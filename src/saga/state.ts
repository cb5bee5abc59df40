/**
 * What a run of a saga knows of each of its steps.
 */
import { serialized, withoutStack } from "./errors.ts";
import type { StepOptions } from "./options.ts";
import type { Entry, LoggedEntry, Outcome } from "./result.ts";
import type { Compensate, Run } from "./saga.ts";

/** The outputs of steps, by name. */
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
  /** Once it is done. */
  output: unknown;
  attempts: number;
  undos: number;
  /** Of the last attempts to run it; once it is being undone, of the last attempts at that. */
  errors: Error[];
  error: Error | undefined;
  /** Of one attempt at least it is not known that it was not applied. */
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
  return error === undefined ? entry : { ...entry, error: withoutStack(serialized(error)) };
}

/** The outputs of the steps that are done, up to but without this one. */
export function outputsBefore(states: readonly State[], end?: State): Outputs {
  const before = end === undefined ? states : states.slice(0, states.indexOf(end));
  // Also for a step that is called __proto__.
  return Object.fromEntries(before.map(({ step, output }) => [step.name, output]));
}
