/**
 * The options of `bubble` and `explore`, and their checks.
 *
 * Invariant: the options are read once, before anything runs. A later change of the object has no effect.
 */
import { duration, onlyKnown } from "../internal/args.ts";
import { mustBeReadable } from "../internal/errors.ts";
import { given, isError } from "../internal/foreign.ts";
import { text } from "./format.ts";
import { START } from "./clock.ts";
import { environment } from "./platform.ts";

/** The options of a bubble. */
export interface BubbleOptions {
  /**
   * The bubble's time at its beginning: epoch ms, or a Date.
   *
   * @default 2000-01-01T00:00Z
   */
  readonly start?: number | Date;
  /**
   * Longest wait for a promise from outside before the test fails, in ms of real time. The wait is a tenth of it if the
   * test has begun nothing that could settle the promise.
   *
   * @default 1_000
   */
  readonly externalTimeout?: number;
  /**
   * Number of steps that counts as an endless loop. A single step may make as many promises, and at least 500 000.
   *
   * @default 100_000
   */
  readonly maxSteps?: number;
}

/** Which schedules to explore. */
export interface ExploreOptions {
  /**
   * Cancels `t.ctx` at every point of the plain order, and anywhere in the schedules of the search.
   *
   * @default true
   */
  readonly cancel?: boolean;
  /**
   * Searches other orders than the plain one: those within `bound`, then random ones.
   *
   * @default true
   */
  readonly search?: boolean;
  /**
   * Number of choices in which a schedule may differ from the plain order. Infinity: any; then the search goes depth
   * first.
   *
   * @default 2
   */
  readonly bound?: number;
  /**
   * Number of schedules within `bound` that are run at most.
   *
   * @default 1_000; Infinity if `bound` is Infinity
   */
  readonly boundedRuns?: number;
  /**
   * Number of random schedules, which come last.
   *
   * @default 500
   */
  readonly randomRuns?: number;
  /**
   * Seed of the random schedules: a whole number. The environment variable HEADGATE_SEED overrides it.
   *
   * @default 1
   */
  readonly seed?: number;
  /**
   * Cancels `t.ctx` also inside of each step: after each of this number of microtasks. All of them are run, so 10 000
   * at most.
   *
   * @default 4
   */
  readonly microtasks?: number;
  /**
   * With 2, `t.abort` is cancelled after each point of the first cancellation, at every later point.
   *
   * @default 1
   */
  readonly signals?: 1 | 2;
  /**
   * Refuses each awaited operation once with this error, before it has had any effect. The error itself may come out of
   * the scenario.
   *
   * @default undefined: none is refused
   */
  readonly fail?: Error;
  /**
   * With "any", the next timer may fire although tasks can run, as on a slow machine.
   *
   * @default "idle"
   */
  readonly timers?: "idle" | "any";
  /**
   * Number of schedules in all. The points of cancellation, those inside of steps included, are always all run.
   *
   * @default 5_000
   */
  readonly maxSchedules?: number;
  /**
   * Runs exactly this schedule: the string from a {@link ScheduleError}. The environment variable HEADGATE_REPLAY
   * overrides it.
   *
   * @default undefined: explores
   */
  readonly replay?: string;
  /**
   * The bubble's time at its beginning: epoch ms, or a Date.
   *
   * @default 2000-01-01T00:00Z
   */
  readonly start?: number | Date;
  /**
   * Longest wait for a promise from outside before a schedule fails, in ms of real time. The wait is a tenth of it if
   * the scenario has begun nothing that could settle the promise.
   *
   * @default 1_000
   */
  readonly externalTimeout?: number;
  /**
   * Number of steps of one schedule that counts as an endless loop. A single step may make as many promises, and at
   * least 500 000.
   *
   * @default 20_000
   */
  readonly maxSteps?: number;
}

/**
 * The options of {@link record}. They are those options of {@link ExploreOptions} that change what a schedule does: give
 * those with which it was found.
 */
export type RecordOptions = Pick<ExploreOptions, "fail" | "timers" | "start" | "externalTimeout" | "maxSteps">;

/** The options of a bubble, checked and complete. */
export interface BubbleSettings {
  readonly start: number;
  readonly externalTimeout: number;
  readonly maxSteps: number;
}

/** The options that change the run of a schedule, checked and complete. */
export interface RunnerSettings extends BubbleSettings {
  readonly timers: "idle" | "any";
  readonly fail: Error | undefined;
}

/** The options of an exploration, checked and complete. */
export interface ExploreSettings
  extends RunnerSettings, Required<Omit<ExploreOptions, "replay" | keyof RunnerSettings>> {
  readonly replay: string | undefined;
}

const BUBBLE: Readonly<Record<keyof BubbleOptions, true>> = { start: true, externalTimeout: true, maxSteps: true };
const RECORD: Readonly<Record<keyof RecordOptions, true>> = { fail: true, timers: true, ...BUBBLE };
const EXPLORE: Readonly<Record<keyof ExploreOptions, true>> = {
  cancel: true,
  search: true,
  bound: true,
  boundedRuns: true,
  randomRuns: true,
  seed: true,
  microtasks: true,
  signals: true,
  fail: true,
  timers: true,
  maxSchedules: true,
  replay: true,
  ...BUBBLE,
};

/** Checks the options of `bubble`. */
export function bubbleSettings(options: BubbleOptions): BubbleSettings {
  return shared(onlyKnown("bubble", options, BUBBLE), 100_000, "bubble");
}

function shared(options: BubbleOptions, defaultSteps: number, where: string): BubbleSettings {
  const { start = START, externalTimeout = 1_000, maxSteps = defaultSteps } = options;
  const begin = epochOf(start, where);
  if (typeof begin !== "number") duration(begin, `${where}: options.start`);
  if (!Number.isFinite(begin))
    throw new RangeError(`${where}: options.start must be a time, in epoch ms or as a valid Date; got ${begin}`);
  return {
    start: begin,
    externalTimeout: duration(externalTimeout, `${where}: options.externalTimeout`),
    maxSteps: wholeNumber(maxSteps, 1, `${where}: options.maxSteps`),
  };
}

/** A Date is known by its `getTime`, so that those of other realms and of fake timers are taken, too. */
function epochOf(start: number | Date, where: string): number {
  return mustBeReadable(`${where}: options.start cannot be read`, () =>
    typeof start === "object" && typeof start?.getTime === "function" ? start.getTime() : (start as number),
  );
}

/**
 * Longest chain of microtasks to cancel in: each takes a run of its own, so as many take seconds, and more soon a
 * minute.
 */
const MAX_MICROTASKS = 10_000;

/** Throws a TypeError, which says what an option must be, unless it is right. */
type Rule = (isRight: boolean, rule: string, got: unknown) => void;

const rulesOf =
  (where: string): Rule =>
  (isRight, rule, got) => {
    if (!isRight) throw new TypeError(`${where}: options.${rule}; got ${optionText(got)}`);
  };

/** Checks the options of `record`. */
export function recordSettings(given: RecordOptions): RunnerSettings {
  return runnerSettings(onlyKnown("record", given, RECORD), "record");
}

function runnerSettings(options: RecordOptions, where: string): RunnerSettings {
  const { fail, timers = "idle" } = options;
  const mustBe = rulesOf(where);
  mustBe(timers === "idle" || timers === "any", 'timers must be "idle" or "any"', timers);
  mustBe(fail === undefined || isError(fail), "fail must be an Error", fail);
  return { ...shared(options, 20_000, where), timers, fail };
}

/** Checks the options of `explore`. */
export function exploreSettings(given: ExploreOptions): ExploreSettings {
  const options = onlyKnown("explore", given, EXPLORE);
  const { cancel = true, search = true, bound = 2, signals = 1 } = options;
  const mustBe = rulesOf("explore");
  mustBe(typeof cancel === "boolean", "cancel must be true or false", cancel);
  mustBe(typeof search === "boolean", "search must be true or false", search);
  mustBe(signals === 1 || signals === 2, "signals must be 1 or 2", signals);
  mustBe(signals === 1 || cancel, "signals: 2 needs cancel, because the second signal comes after the first", cancel);
  const settings = runnerSettings(options, "explore");
  const whole = (name: keyof ExploreOptions, value: number, least: number): number =>
    wholeNumber(value, least, `explore: options.${name}`);
  const microtasks = whole("microtasks", options.microtasks ?? 4, 0);
  if (microtasks > MAX_MICROTASKS) {
    throw new RangeError(
      `explore: options.microtasks must be a whole number from 0; got ${microtasks}, and all of them are run, so ${MAX_MICROTASKS} at most`,
    );
  }
  return {
    ...settings,
    cancel,
    search,
    signals,
    microtasks,
    replay: replayOf(options, mustBe),
    seed: seedOf(options),
    bound: whole("bound", bound, 0),
    boundedRuns: whole("boundedRuns", options.boundedRuns ?? (bound === Infinity ? Infinity : 1_000), 0),
    randomRuns: whole("randomRuns", options.randomRuns ?? 500, 0),
    maxSchedules: whole("maxSchedules", options.maxSchedules ?? 5_000, 1),
  };
}

function replayOf(options: ExploreOptions, mustBe: Rule): string | undefined {
  const replay = environment("HEADGATE_REPLAY") ?? options.replay;
  mustBe(replay === undefined || typeof replay === "string", "replay must be a string", replay);
  return replay;
}

function seedOf(options: ExploreOptions): number {
  const chosen = environment("HEADGATE_SEED");
  const seed = chosen === undefined ? (options.seed ?? 1) : Number(chosen);
  if (Number.isSafeInteger(seed)) return seed;
  const name = chosen === undefined ? "options.seed" : "HEADGATE_SEED";
  throw new RangeError(`explore: ${name} must be a whole number; got ${chosen ?? optionText(seed)}`);
}

/** Returns `n` if it is a whole number from `least`, or Infinity; else throws. */
function wholeNumber(n: number, least: number, where: string): number {
  if (n === Infinity || (Number.isSafeInteger(n) && n >= least)) return n;
  throw new RangeError(`${where} must be a whole number from ${least}; got ${optionText(n)}`);
}

/** An option that is wrong, for a message: a string with its type. */
function optionText(value: unknown): string {
  return typeof value === "string" ? given(value) : text(value);
}
