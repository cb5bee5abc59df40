/**
 * What a saga and its steps can be told, with the defaults, and the check that it makes sense.
 */
import { ms, onlyKnown, positive } from "../internal/args.ts";
import { mustBeReadable } from "../internal/errors.ts";
import { given } from "../internal/foreign.ts";
import { checkedPolicy } from "../internal/policy.ts";
import { randomId } from "../internal/random.ts";
import { context, type Context, type retry } from "../index.ts";
import type { DeadLetter, SagaEvent } from "./result.ts";

/** How a step is called. What is left out has the default given. */
export interface StepOptions {
  /**
   * ms that one attempt may take: the deadline of its ctx. An attempt that has not returned soon after its ctx has ended is abandoned, and
   * its outcome is unknown. None
   */
  readonly timeout?: number;
  /** How to try again; each attempt has the same key. One try; after a pivot, the policy of the compensation */
  readonly retry?: retry.Policy;
  /** Once this step is done there is no way back: those that follow are not undone, but tried again, and then dead-lettered. false */
  readonly pivot?: boolean;
}

/** How steps are undone, and finished after a pivot. What is left out has the default given. */
export interface CompensationOptions {
  /** ms for undoing all steps; after a pivot, for what is left from the cancellation on. 30 000 */
  readonly budget?: number;
  /** ms that one attempt to undo a step may take. 5 000 */
  readonly timeout?: number;
  /** How to try again. 5 tries, pauses of up to 200, 400, 800 and 1 600 ms, with full jitter */
  readonly retry?: retry.Policy;
}

/** How a saga runs. What is left out has the default given. */
export interface SagaOptions {
  /**
   * Names this run; the key of a step is `${id}:${step}`, so let no other saga that calls the same services have it. With your own, the
   * same each time, a run that is repeated after a crash makes the same calls. Never run one id twice at a time, nor again after it was
   * committed: what one run has done the other may undo. By chance
   */
  readonly id?: string;
  readonly compensation?: CompensationOptions;
  /**
   * Takes what a person must see to: a table, a queue, a file. It has 5 s for a letter, however the other contexts have ended, in which it
   * is called again if it fails; 2 s for a call; and is called for several letters at once. Required, for there is no good default for
   * lost money.
   */
  readonly deadLetter: (ctx: Context, letter: DeadLetter) => Promise<unknown> | void;
  /** The second signal: when it ends, nothing more is called, and what is not undone is dead-lettered. */
  readonly abort?: Context;
  /** Is told what happens, as it happens, and not waited for. An error it throws, or rejects with, is ignored. */
  readonly observe?: (event: SagaEvent) => void;
  /**
   * The journal of a run of this `id` that was killed: all that its `observe` was told, in that order. What it says is done is not called
   * again, what it says was called and not what came of it is, with the same key, and a compensation that had begun goes on. Outputs are as
   * the journal has them, so they must survive it; give the run the input that it had. Events of other sagas and ids are skipped.
   */
  readonly resume?: readonly SagaEvent[];
}

/** The options of a saga with nothing left open. */
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
      `saga: deadLetter must be a function, got ${typeof deadLetter}; what cannot be undone must go somewhere`,
    );
  if (observe !== undefined && typeof observe !== "function")
    throw new TypeError(`saga: observe must be a function, got ${typeof observe}`);
  if (abort !== undefined && !context.isContext(abort)) throw new TypeError("saga: abort must be a Context");
  if ((typeof options.compensation !== "object" && options.compensation !== undefined) || options.compensation === null)
    throw new TypeError(`saga: compensation must be an object, got ${given(options.compensation)}`);
  const compensation = onlyKnown("saga", options.compensation ?? {}, COMPENSATION, "compensation.");
  const resume = options.resume === undefined ? undefined : eventsOf(options.resume);
  if (resume !== undefined && !Array.isArray(resume)) throw new TypeError("saga: resume must be a list of events");
  if (resume !== undefined && options.id === undefined)
    throw new TypeError("saga: resume needs the id of the run that is to be resumed");
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

/** The list as it is now; undefined if it is none. */
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
