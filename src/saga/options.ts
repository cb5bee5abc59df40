/**
 * What a saga and its steps can be told, with the defaults, and the check that it makes sense.
 */
import { mustBeReadable } from "../internal/errors.ts";
import { given } from "../internal/foreign.ts";
import { context, type Context, retry, time } from "../index.ts";
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
  if (typeof options !== "object" || options === null)
    throw new TypeError(`saga: expected an options object, got ${given(options)}`);
  options = onlyKnown("saga: ", "", options, OPTIONS);
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
  const compensation = onlyKnown("saga: ", "compensation.", options.compensation ?? {}, COMPENSATION);
  const resume = options.resume === undefined ? undefined : eventsOf(options.resume);
  if (resume !== undefined && !Array.isArray(resume)) throw new TypeError("saga: resume must be a list of events");
  if (resume !== undefined && options.id === undefined)
    throw new TypeError("saga: resume needs the id of the run that is to be resumed");
  const { budget = 30_000, timeout = 5_000, retry = { base: 200 } } = compensation;
  return {
    id,
    compensation: {
      budget: ms("compensation.budget", budget),
      timeout: positive("compensation.timeout", timeout),
      retry: policy("compensation.retry", retry),
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
  if (typeof options !== "object" || options === null)
    throw new TypeError(`saga: step ${step}: expected an options object, got ${given(options)}`);
  options = onlyKnown(`saga: step ${step}: `, "", options, STEP);
  if (options.timeout !== undefined) positive(`step ${step}: timeout`, options.timeout);
  if (options.pivot !== undefined && typeof options.pivot !== "boolean")
    throw new TypeError(`saga: step ${step}: pivot must be true or false; got ${given(options.pivot)}`);
  if (options.retry === undefined) return options;
  return { ...options, retry: policy(`step ${step}: retry`, options.retry) };
}

/** The options, read once. Nobody would notice that one that is misspelt has its default. */
function onlyKnown<O extends object>(
  where: string,
  prefix: string,
  options: O,
  known: Readonly<Record<keyof O, true>>,
): O {
  const own = mustBeReadable(`${where}the options cannot be read`, () => Object.keys(options));
  for (const name of own) {
    if (Object.hasOwn(known, name)) continue;
    const names = Object.keys(known).join(", ");
    throw new TypeError(`${where}there is no option ${prefix}${given(name)}; there are ${names}`);
  }
  const read: Partial<O> = {};
  for (const name of Object.keys(known) as (keyof O & string)[]) {
    const value = mustBeReadable(`${where}the option ${prefix}${name} cannot be read`, () => options[name]);
    if (value !== undefined) read[name] = value;
  }
  return read as O;
}

/** The list as it is now; undefined if it is none. */
function eventsOf(journal: readonly SagaEvent[]): readonly SagaEvent[] | null {
  return mustBeReadable("saga: resume cannot be read", () =>
    Array.isArray(journal) ? [...(journal as readonly SagaEvent[])] : null,
  );
}

function ms(name: string, value: number): number {
  if (typeof value === "number" && value >= 0) return value;
  throw new RangeError(`saga: ${name} must be a number of ms, 0 or more; got ${given(value)}`);
}

function positive(name: string, value: number): number {
  if (typeof value === "number" && value > 0) return value;
  throw new RangeError(`saga: ${name} must be a positive number of ms; got ${given(value)}`);
}

/** `backoff` knows what makes sense in a policy; but not that an attempt must have some time. */
function policy(name: string, value: retry.Policy): retry.Policy {
  let read = value;
  try {
    // Read once: it may be another one, or none, when it is looked at again.
    if (typeof value === "object" && value !== null) {
      const { tries, base, max, timeout } = value;
      read = Object.fromEntries(Object.entries({ tries, base, max, timeout }).filter(([, each]) => each !== undefined));
    }
  } catch (cause) {
    throw new TypeError(`saga: ${name}: the policy cannot be read`, { cause });
  }
  try {
    retry.backoff(1, read);
  } catch (error) {
    const message = `saga: ${name}: ${(error as Error).message.replace(/^backoff: /, "")}`;
    throw error instanceof RangeError ? new RangeError(message) : new TypeError(message);
  }
  if (read.timeout !== undefined) positive(`${name}: policy.timeout`, read.timeout);
  return read;
}

/** The time, and about a hundred bits by chance: the jitter of retry is the library's source of it, which a test controls. */
function randomId(): string {
  const chance = (): string =>
    Math.floor(retry.backoff(1, { base: 2 ** 52, max: 2 ** 52 }))
      .toString(36)
      .padStart(11, "0");
  return `${Math.floor(time.now()).toString(36)}-${chance()}${chance()}`;
}
