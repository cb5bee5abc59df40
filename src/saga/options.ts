/**
 * The options of a saga and its steps, their defaults, and their checks.
 */
import { ms, notAContext, onlyKnown, positive } from "../internal/args.ts";
import { mustBeReadable } from "../internal/errors.ts";
import { argKind, given } from "../internal/foreign.ts";
import { checkedPolicy } from "../internal/policy.ts";
import { randomId } from "../internal/random.ts";
import { context, type Context, type retry } from "../index.ts";
import type { DeadLetter, SagaEvent } from "./types.ts";

/** The options of a step. */
export interface StepOptions {
  /**
   * ms for one attempt: the deadline of its ctx. An attempt that does not return soon after its ctx has ended is abandoned. Its outcome is
   * unknown then.
   *
   * @default Infinity
   */
  readonly timeout?: number;
  /**
   * The policy by which the step is retried. Each attempt has the same key.
   *
   * @default `{ tries: 1 }`; after a pivot, the policy of the compensation
   */
  readonly retry?: retry.Policy;
  /**
   * When this step is done there is no way back. The steps after it are not undone: they are retried, and then dead-lettered.
   *
   * @default false
   */
  readonly pivot?: boolean;
}

/** The options of the compensation. They hold for finishing the steps after a pivot, too. */
export interface CompensationOptions {
  /**
   * ms to undo all steps. After a pivot: ms to finish the steps, from the end of ctx on.
   *
   * @default 30_000
   */
  readonly budget?: number;
  /**
   * ms for one attempt to undo a step.
   *
   * @default 5_000
   */
  readonly timeout?: number;
  /**
   * The policy by which an undo is retried.
   *
   * @default `{ tries: 5, base: 200 }`: pauses of at most 200, 400, 800 and 1 600 ms, with full jitter
   */
  readonly retry?: retry.Policy;
}

/** The options of a run. */
export interface SagaOptions {
  /**
   * Names this run. The key of a step is `${id}:${step}`, so no other saga that calls the same services may have this id. With your own id
   * a run that is repeated after a crash makes the same calls. Never run one id twice at a time, nor again after it was committed: one run
   * may undo what the other did.
   *
   * @default the time and about a hundred random bits
   */
  readonly id?: string;
  /** The options of undoing. */
  readonly compensation?: CompensationOptions;
  /**
   * The sink of the dead letters: a table, a queue, a file. Required: lost money has no good default.
   *
   * It has 5 s for a letter, even if all other contexts have ended. It is called again in that time if it fails, has 2 s for each call,
   * and is called for several letters at once.
   */
  readonly deadLetter: (ctx: Context, letter: DeadLetter) => Promise<unknown> | void;
  /** The second signal: when it ends nothing more is called, and every step that is not undone is dead-lettered. */
  readonly abort?: Context;
  /** Called for each event as it happens. Its result is not awaited; its errors are ignored. */
  readonly observe?: (event: SagaEvent) => void;
  /**
   * The journal of a killed run of this `id`: all events of its `observe`, in order. Steps that are done are not called again. A step that
   * was called, without an outcome, is called again with the same key. A compensation that had begun goes on.
   *
   * Outputs are those of the journal, so they must survive it. Pass the input of the killed run. Events of other sagas and ids are skipped.
   */
  readonly resume?: readonly SagaEvent[];
}

/** The options of a run, with their defaults. */
export interface Settings {
  readonly id: string;
  readonly compensation: Required<CompensationOptions>;
  readonly deadLetter: SagaOptions["deadLetter"];
  readonly abort: Context | undefined;
  readonly observe: SagaOptions["observe"];
  readonly resume: readonly SagaEvent[];
}

const OPTIONS: Readonly<Record<keyof SagaOptions, true>> = {
  id: true,
  compensation: true,
  deadLetter: true,
  abort: true,
  observe: true,
  resume: true,
};
const COMPENSATION: Readonly<Record<keyof CompensationOptions, true>> = { budget: true, timeout: true, retry: true };
const STEP: Readonly<Record<keyof StepOptions, true>> = { timeout: true, retry: true, pivot: true };

/**
 * **Errors**: TypeError or RangeError, naming the option and the rule.
 */
export function checked(options: SagaOptions): Settings {
  options = onlyKnown("saga", options, OPTIONS);
  const { id = randomId(), deadLetter, abort, observe } = options;
  if (typeof id !== "string" || id === "")
    throw new TypeError(`saga: id must be a string that is not empty; got ${given(id)}`);
  if (typeof deadLetter !== "function")
    throw new TypeError(
      `saga: deadLetter must be a function, got ${argKind(deadLetter)}; a step that cannot be undone must go somewhere`,
    );
  if (observe !== undefined && typeof observe !== "function")
    throw new TypeError(`saga: observe must be a function, got ${argKind(observe)}`);
  if (abort !== undefined && !context.isContext(abort)) throw notAContext(abort, "saga", "option abort");
  if ((typeof options.compensation !== "object" && options.compensation !== undefined) || options.compensation === null)
    throw new TypeError(`saga: compensation must be an object, got ${given(options.compensation)}`);
  const compensation = onlyKnown("saga", options.compensation ?? {}, COMPENSATION, "compensation.");
  const resume = options.resume === undefined ? undefined : eventsOf(options.resume);
  if (resume !== undefined && !Array.isArray(resume)) throw new TypeError("saga: resume must be a list of events");
  if (resume !== undefined && options.id === undefined)
    throw new TypeError("saga: resume needs the id of the run to resume");
  const { budget = 30_000, timeout = 5_000, retry = { base: 200 } } = compensation;
  return {
    id,
    compensation: {
      budget: ms("saga: compensation.budget", budget),
      timeout: positive("saga: compensation.timeout", timeout),
      retry: policy("saga: compensation.retry", retry),
    },
    deadLetter,
    abort,
    observe,
    resume: resume ?? [],
  };
}

/**
 * **Errors**: TypeError or RangeError, naming the step, the option and the rule.
 */
export function checkedStep(step: string, options: StepOptions): StepOptions {
  options = onlyKnown(`saga: step ${step}`, options, STEP);
  if (options.timeout !== undefined) positive(`saga: step ${step}: timeout`, options.timeout);
  if (options.pivot !== undefined && typeof options.pivot !== "boolean")
    throw new TypeError(`saga: step ${step}: pivot must be true or false; got ${given(options.pivot)}`);
  if (options.retry === undefined) return options;
  return { ...options, retry: policy(`saga: step ${step}: retry`, options.retry) };
}

/** A copy of the list; null if the value is no list. */
function eventsOf(journal: readonly SagaEvent[]): readonly SagaEvent[] | null {
  return mustBeReadable("saga: resume cannot be read", () =>
    Array.isArray(journal) ? [...(journal as readonly SagaEvent[])] : null,
  );
}

/** A policy makes sense by the rules of `retry`; and here an attempt must have some time, too. */
function policy(where: string, value: retry.Policy): retry.Policy {
  const read = checkedPolicy(value, where);
  if (read.timeout !== undefined) positive(`${where}: policy.timeout`, read.timeout);
  return read;
}
