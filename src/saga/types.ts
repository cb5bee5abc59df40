/**
 * The types of a saga: what its functions are called with, its result, the log of its steps, its dead letters and its events.
 */
import type { Context } from "../index.ts";

/** The argument of a step. */
export interface Call<In, Done> {
  /** The idempotency key, `${id}:${step}`: the same at every attempt, and for the undo. Send it along. */
  readonly key: string;
  /** The input of the saga. */
  readonly input: In;
  /** The outputs of the steps before, by name. */
  readonly done: Done;
  /** The number of this attempt, from 1. */
  readonly attempt: number;
}

/** The argument of an undo. */
export interface UndoCall<In, Done, Out> extends Call<In, Done> {
  /** The output of the step; absent if it is not known. */
  readonly output?: Out;
  /** `unknown`: the step did not return. It may have been applied, may still be, or not at all. */
  readonly outcome: "done" | "unknown";
}

/** Does a step. When it returns, the step is done. NotApplied says that nothing happened; any other error leaves that unknown. */
export type Run<In, Done, Out> = (ctx: Context, call: Call<In, Done>) => Promise<Out> | Out;

/**
 * Undoes a step. It MUST be idempotent, and MUST succeed if there is nothing to undo (`outcome` is then `unknown`). It should also have
 * the service refuse a call of the same key that arrives after it. For a step that changes nothing, pass `() => {}`.
 */
export type Compensate<In, Done, Out> = (ctx: Context, call: UndoCall<In, Done, Out>) => Promise<unknown> | void;

/**
 * The end of a saga: one of these, whatever happens outside. `log` has an entry for each step that was started, in that order. After a
 * pivot it has those that were not started, too.
 *
 * `JSON.stringify` of a result shows its errors as {@link SerializedError}s. `output` and the letters are shown as they are.
 */
export type Result<Done> =
  /** Every step is done. */
  | { readonly status: "committed"; readonly id: string; readonly output: Done; readonly log: readonly Entry[] }
  /** Every step that may have been applied is undone. */
  | { readonly status: "compensated"; readonly id: string; readonly cause: Error; readonly log: readonly Entry[] }
  /** Some steps need a person. The sink has taken their letters. */
  | {
      readonly status: "dead-lettered";
      readonly id: string;
      readonly cause: Error;
      readonly letters: readonly DeadLetter[];
      readonly log: readonly Entry[];
    }
  /** Some steps need a person, and the sink refused these letters: only you have them. `errors` has the reason, one for each letter. */
  | {
      readonly status: "lost";
      readonly id: string;
      readonly cause: Error;
      readonly letters: readonly DeadLetter[];
      readonly errors: readonly Error[];
      readonly log: readonly Entry[];
    };

/** The state of a step. `unknown`: it was called, and may have been applied. */
export type Outcome = "not started" | "not applied" | "unknown" | "done" | "compensated" | "dead-lettered";

/** A step in the log. */
export interface Entry {
  /** The name of the step. */
  readonly step: string;
  /** The idempotency key: `${id}:${step}`. */
  readonly key: string;
  /** The state that the step ended in. */
  readonly outcome: Outcome;
  /** The number of calls of its `run`. */
  readonly attempts: number;
  /** The number of calls of its `compensate`. */
  readonly undos: number;
  /** The last error of its run; if undoing it failed, the last error of that. */
  readonly error?: Error;
  /** Duration of its run in ms: all attempts, and the pauses between them. */
  readonly ms: number;
}

/** An entry as plain JSON. Its error has no stack. */
export interface LoggedEntry extends Omit<Entry, "error"> {
  /** The error, without its stack. */
  readonly error?: SerializedError;
}

/**
 * A step that a person must look at. It is plain JSON if `input` and `output` are. It may arrive twice, if the sink took it but its answer
 * was lost; `key` tells.
 */
export interface DeadLetter {
  /** The name of the saga. */
  readonly saga: string;
  /** The id of the saga. */
  readonly id: string;
  /** The name of the step. */
  readonly step: string;
  /** The idempotency key: `${id}:${step}`. */
  readonly key: string;
  /** The input of the saga. */
  readonly input: unknown;
  /** The output of the step, if it is known. */
  readonly output?: unknown;
  /** The work that is left: undo the step or, after a pivot, finish it. */
  readonly todo: "undo" | "finish";
  /** The state of the step. Only a step to finish can be `not started` or `not applied`. */
  readonly outcome: "not started" | "not applied" | "unknown" | "done";
  /** Why the saga did not do it. */
  readonly reason: "failed" | "out of time" | "aborted" | "cannot be undone";
  /** Why the saga was not committed. */
  readonly cause: SerializedError;
  /** The errors of the last 16 attempts to undo the step, or to finish it. */
  readonly errors: readonly SerializedError[];
  /** This step and its neighbours at the time of the letter, at most 100. The result has all steps. */
  readonly log: readonly LoggedEntry[];
  /** The number of steps that are not in the log. Absent: none. */
  readonly omitted?: number;
  /** The time of the letter, ISO 8601. */
  readonly at: string;
}

/**
 * An event of a saga; `at` is its time in epoch ms. It is plain JSON if inputs and outputs are.
 *
 * Events are enough for a journal. A call is announced before it is made, so a journal that is written at once has every call that may
 * have been made.
 */
export type SagaEvent = { readonly saga: string; readonly id: string; readonly at: number } & EventBody;

/** An event without the name of its saga, the id and the time. */
export type EventBody =
  | { readonly type: "started"; readonly input: unknown }
  /** A step is about to be called. */
  | { readonly type: "stepStarted"; readonly step: string; readonly key: string }
  /** An attempt failed; another may follow. */
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
  /** The saga gave up, and is about to undo what was started. */
  | { readonly type: "compensating"; readonly cause: SerializedError }
  | { readonly type: "compensated"; readonly step: string; readonly key: string }
  | { readonly type: "deadLettered"; readonly step: string; readonly key: string; readonly letter: DeadLetter }
  /** The sink refused the letter. */
  | {
      readonly type: "lost";
      readonly step: string;
      readonly key: string;
      readonly letter: DeadLetter;
      readonly error: SerializedError;
    }
  | { readonly type: "finished"; readonly status: "committed" | "compensated" | "dead-lettered" | "lost" };

/** An error as plain JSON. */
export interface SerializedError {
  /** The name of the error's class. */
  readonly name: string;
  /** The text of the error. */
  readonly message: string;
  /** The stack, if it was asked for. */
  readonly stack?: string;
  /** The code, if the error has one. */
  readonly code?: string | number;
  /** The cause, if the error has one. */
  readonly cause?: SerializedError;
}
