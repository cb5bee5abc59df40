/**
 * The options of a saga and its steps, their defaults, and their checks.
 */
import { mustBeReadable } from "../internal/errors.ts";
import { given } from "../internal/foreign.ts";
import { context, type Context, retry, time } from "../index.ts";
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
   * How the step is retried. Each attempt has the same key.
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
   * How an undo is retried.
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
  if (typeof options !== "object" || options === null)
    throw new TypeError(`saga: expected an options object, got ${given(options)}`);
  options = onlyKnown("saga: ", "", options, OPTIONS);
  const { id = randomId(), deadLetter, abort, observe } = options;
  if (typeof id !== "string" || id === "")
    throw new TypeError(`saga: id must be a string that is not empty; got ${given(id)}`);
  if (typeof deadLetter !== "function")
    throw new TypeError(
      `saga: deadLetter must be a function, got ${typeof deadLetter}; a step that cannot be undone must go somewhere`,
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
    throw new TypeError("saga: resume needs the id of the run to resume");
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

/** The options, read once. A misspelt option would silently have its default. */
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

/** A copy of the list; null if the value is no list. */
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

/** The time, and about a hundred random bits: the jitter of retry is a source of them that a test controls. */
function randomId(): string {
  const chance = (): string =>
    Math.floor(retry.backoff(1, { base: 2 ** 52, max: 2 ** 52 }))
      .toString(36)
      .padStart(11, "0");
  return `${Math.floor(time.now()).toString(36)}-${chance()}${chance()}`;
}
