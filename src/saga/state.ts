/**
 * What a run of a saga knows of each of its steps; and how that is taken over from the journal of a run that was killed.
 */
import { revived, serialized, type SerializedError } from "./errors.ts";
import type { StepOptions } from "./options.ts";
import type { DeadLetter, Entry, LoggedEntry, Outcome, SagaEvent } from "./result.ts";
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
  return error === undefined ? entry : { ...entry, error: serialized(error) };
}

/** What a run takes over from the one before. */
export interface Past {
  /** Why that was being undone, if it was. */
  readonly cause: Error | undefined;
  /** What its sink has taken. */
  readonly letters: readonly DeadLetter[];
}

/**
 * Brings the steps to where the journal ends.
 *
 * **Errors**: TypeError if it names a step that there is none of.
 */
export function resumed(states: readonly State[], saga: string, id: string, journal: readonly SagaEvent[]): Past {
  const letters: DeadLetter[] = [];
  let cause: SerializedError | undefined;
  for (const event of journal) {
    if (event?.saga !== saga || event.id !== id) continue;
    if (event.type === "compensating") cause = event.cause;
    if (!("step" in event)) continue;
    const state = states.find(({ step }) => step.name === event.step);
    if (state === undefined) {
      throw new TypeError(
        `saga: resume: there is no step ${event.step} any more; keep the steps of the runs that go on`,
      );
    }
    if (event.type === "stepStarted") state.outcome = "unknown";
    else if (event.type === "compensated") state.outcome = "compensated";
    else if (event.type === "stepFinished") {
      const { outcome, output, attempts, ms } = event;
      Object.assign(state, { outcome, output, attempts, ms });
    } else if (event.type === "deadLettered") {
      state.outcome = "dead-lettered";
      letters.push(event.letter);
    }
  }
  return { cause: cause && revived(cause), letters };
}

/** The outputs of the steps that are done, up to but without this one. */
export function outputsBefore(states: readonly State[], end?: State): Outputs {
  const outputs: Record<string, unknown> = {};
  for (const state of states) {
    if (state === end) break;
    // Also for a step that is called __proto__.
    Object.defineProperty(outputs, state.step.name, {
      value: state.output,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  return outputs;
}
