/**
 * What comes out of a saga: its result, the log of its steps, its dead letters, and its events while it runs.
 */
import { plain, SagaError, type SerializedError } from "./errors.ts";

/**
 * How a saga ended. Every outcome of the world is one of these; `log` has an entry for each step that was started, in that order, and,
 * if the way back was closed, for those that were not, too.
 *
 * `JSON.stringify` of a result has its errors as {@link SerializedError}s, so that a log shows them; `output` and letters are as they are.
 */
export type Result<Done> =
  /** Every step is done. */
  | { readonly status: "committed"; readonly id: string; readonly output: Done; readonly log: readonly Entry[] }
  /** As if it had never run. */
  | { readonly status: "compensated"; readonly id: string; readonly cause: Error; readonly log: readonly Entry[] }
  /** Something is left that a person must see to, and the sink has been told. */
  | {
      readonly status: "dead-lettered";
      readonly id: string;
      readonly cause: Error;
      readonly letters: readonly DeadLetter[];
      readonly log: readonly Entry[];
    }
  /** The same, and the sink has failed: these letters, which it did not take, are in your hands alone. `errors` says why, one a letter. */
  | {
      readonly status: "lost";
      readonly id: string;
      readonly cause: Error;
      readonly letters: readonly DeadLetter[];
      readonly errors: readonly Error[];
      readonly log: readonly Entry[];
    };

/** What is known of a step. `unknown`: it was called, and may have been applied. */
export type Outcome = "not started" | "not applied" | "unknown" | "done" | "compensated" | "dead-lettered";

/** A step in the log. */
export interface Entry {
  readonly step: string;
  readonly key: string;
  readonly outcome: Outcome;
  /** How often its `run` was called. */
  readonly attempts: number;
  /** How often its `compensate` was called. */
  readonly undos: number;
  /** The last error of its run; if undoing failed, of that. */
  readonly error?: Error;
  /** How long its run took, all attempts and pauses, in ms. */
  readonly ms: number;
}

/** An entry as plain JSON; its error has no stack. */
export interface LoggedEntry extends Omit<Entry, "error"> {
  readonly error?: SerializedError;
}

/**
 * A step that a person must see to. Plain JSON, if `input` and `output` are. It may arrive twice, if the sink took it and could not say
 * so: its `key` tells.
 */
export interface DeadLetter {
  /** The name of the saga. */
  readonly saga: string;
  readonly id: string;
  readonly step: string;
  readonly key: string;
  /** Of the saga. */
  readonly input: unknown;
  /** Of the step, where it is known. */
  readonly output?: unknown;
  /** What is to be done: the step is to be undone; or, after a pivot, to be finished. */
  readonly todo: "undo" | "finish";
  /** What was known of the step. Only what is to be finished can be `not started` or `not applied`. */
  readonly outcome: "not started" | "not applied" | "unknown" | "done";
  readonly why: "failed" | "out of time" | "aborted" | "cannot be undone";
  /** Why the saga was not committed. */
  readonly cause: SerializedError;
  /** Of the attempts to undo the step, or to finish it: the last 16. */
  readonly errors: readonly SerializedError[];
  /** The steps, when the letter was written: this one and its neighbours, 100 at most. The result has all. */
  readonly log: readonly LoggedEntry[];
  /** How many steps are not in the log. Absent: none. */
  readonly omitted?: number;
  /** When: ISO 8601. */
  readonly at: string;
}

/**
 * What happens in a saga, as it happens: `at` is the time in epoch ms. Plain JSON, if inputs and outputs are. Enough to journal it: a call
 * is announced before it is made, so a journal that is written at once knows of every call that may have left.
 */
export type SagaEvent = { readonly saga: string; readonly id: string; readonly at: number } & Happening;

/** The events by themselves. */
export type Happening =
  | { readonly type: "started"; readonly input: unknown }
  /** A step is about to be called. */
  | { readonly type: "stepStarted"; readonly step: string; readonly key: string }
  /** An attempt has failed; another may follow. */
  | {
      readonly type: "attemptFailed";
      readonly step: string;
      readonly key: string;
      readonly call: "run" | "compensate";
      readonly attempt: number;
      readonly error: SerializedError;
    }
  | {
      readonly type: "stepFinished";
      readonly step: string;
      readonly key: string;
      readonly outcome: "done" | "unknown" | "not applied";
      readonly output?: unknown;
      readonly attempts: number;
      readonly ms: number;
    }
  /** There is no way forward: what has been started is about to be undone. */
  | { readonly type: "compensating"; readonly cause: SerializedError }
  | { readonly type: "compensated"; readonly step: string; readonly key: string }
  | { readonly type: "deadLettered"; readonly step: string; readonly key: string; readonly letter: DeadLetter }
  /** The sink has not taken the letter. */
  | {
      readonly type: "lost";
      readonly step: string;
      readonly key: string;
      readonly letter: DeadLetter;
      readonly error: SerializedError;
    }
  | { readonly type: "finished"; readonly status: "committed" | "compensated" | "dead-lettered" | "lost" };

/** Gives a result its form as JSON. That is not enumerable, so a result shows itself, and is compared, by what it says. */
export function withJson<Done>(result: Result<Done>): Result<Done> {
  return Object.defineProperty(result, "toJSON", { value: () => ({ ...result, ...plain(result) }) });
}

/**
 * The output of a saga that was committed: `run(…).then(orThrow)` is the form that throws.
 *
 * **Errors**: throws a {@link SagaError} for every other result.
 */
export function orThrow<Done>(result: Result<Done>): Done {
  if (result.status === "committed") return result.output;
  throw new SagaError(result);
}
