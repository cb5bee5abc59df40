/**
 * The exploration of a scenario: it is run again and again, each time under another schedule, until one fails or all
 * are done.
 *
 * The order is from what is easiest to understand to what is hardest to find:
 *
 *     1  the plain order: first in, first out
 *     2  the plain order, cancelled at every point; then between any two microtasks of every step     (cancel, microtasks)
 *     3  the second signal at every point after the first                                             (signals: 2)
 *     4  every operation refused, one at a time                                                       (fail)
 *     5  the schedules that differ from the plain order in up to `bound` choices, the cancel included (search, bound)
 *     6  random schedules, cancelled at a random point                                                (search, randomRuns)
 *
 * Invariant: nothing is kept from one execution to the next. The choices of a schedule are all there is to know of it,
 * so it can be replayed.
 */
import { isA } from "../internal/foreign.ts";
import type { Bubble } from "./bubble.ts";
import { OTHER_COPY } from "./copies.ts";
import { NondeterminismError } from "./errors.ts";
import type { Execution } from "./execution.ts";
import { fingerprint, scheduleError } from "./failure.ts";
import { type Branch, Frontier, ROOT } from "./frontier.ts";
import { acquire, release } from "./lock.ts";
import type { ExploreSettings } from "./options.ts";
import { drained, nextTurn, realTime } from "./platform.ts";
import { collect, type Unhandled } from "./rejections.ts";
import { type RunOptions, Runner } from "./runner.ts";
import {
  BLAME,
  decode,
  fifo,
  generator,
  type Injection,
  mustFit,
  pct,
  type Recipe,
  replaying,
  type Schedule,
  scheduleOf,
  trimmed,
  uniform,
} from "./schedule.ts";

/** The result of an exploration that found no failure. */
export interface ExploreReport {
  /** Number of schedules that were run. */
  readonly schedules: number;
  /** Number of points at which the plain order was cancelled. */
  readonly points: number;
  /**
   * True if all that was asked for was run. False if `maxSchedules` or `boundedRuns` ended it, or if another copy of
   * headgate was used.
   */
  readonly complete: boolean;
  /** Names what was used that the kit cannot see. Missing if it has seen everything. */
  readonly warning?: string;
  /** Duration in ms of real time. */
  readonly ms: number;
}

/**
 * Schedules that are run before the platform gets time to report unhandled rejections: a turn of the event loop for
 * each would cost a tenth of the time.
 */
const BATCH = 16;
/** Steps spent on minimizing a schedule: a few seconds' worth, but the same number everywhere. */
const MINIMIZING_STEPS = 300_000;
/** To stop an endless step takes as long as this number of steps. */
const STEPS_A_STOP = 50_000;

export class Exploration {
  private readonly settings: ExploreSettings;
  private readonly runner: Runner;
  private schedules = 0;
  private points = 0;
  private complete = true;
  /** The schedules that were run since the platform had time to report unhandled rejections. */
  private unchecked: Recipe[] = [];

  constructor(scenario: (t: Bubble) => PromiseLike<void> | void, settings: ExploreSettings) {
    this.settings = settings;
    this.runner = new Runner(scenario, settings);
  }

  /** Another copy of headgate was used. */
  get usesOther(): boolean {
    return this.runner.usesOther;
  }

  async run(): Promise<ExploreReport> {
    const { replay } = this.settings;
    const recipe = replay === undefined ? undefined : decode(replay, "explore");
    const begun = realTime();
    let replayed: Execution | undefined;
    try {
      if (recipe === undefined) await this.runAll();
      else replayed = await this.attempt(scheduleOf(recipe));
    } catch (error) {
      // The kit cannot repeat what another copy does, so this is no failure of the scenario.
      if (!this.usesOther || !isA(error, NondeterminismError) || error.cause !== undefined) throw error;
    }
    await this.checkRejections(false);
    const { schedules, points, complete, usesOther } = this;
    if (recipe !== undefined && replayed !== undefined && !usesOther) {
      mustFit(recipe, replayed.steps, replayed.leftOver(recipe), "explore");
    }
    const report = { schedules, points, complete: complete && !usesOther, ms: Math.round(realTime() - begun) };
    return usesOther ? { ...report, warning: OTHER_COPY } : report;
  }

  /** Runs all phases. */
  private async runAll(): Promise<void> {
    const { cancel, search, signals, fail } = this.settings;
    const plain = await this.attempt(injecting({}));
    const lengths = cancel ? await this.cancelEverywhere(plain) : [];
    if (signals === 2) await this.signalTwice(lengths);
    if (fail !== undefined) await this.failEverywhere();
    if (!search) return;
    await this.searchBounded(plain);
    await this.sampleRandom(plain.steps);
  }

  /** Number of schedules that may still be run. */
  private get budget(): number {
    return Math.max(0, this.settings.maxSchedules - this.schedules);
  }

  // ------------------------------------------------------------------------------------------------------ one schedule

  /** Runs the scenario under a schedule; throws if it fails. */
  private async attempt(schedule: Schedule): Promise<Execution> {
    const execution = await this.execute(schedule);
    const { failure, isRejection } = execution;
    if (isA(failure?.error, NondeterminismError)) throw failure.error;
    if (failure !== null && !isRejection) throw await this.explain(execution);
    this.unchecked.push(execution.recipe);
    if (isRejection || this.unchecked.length === BATCH) await this.checkRejections(isRejection);
    return execution;
  }

  /**
   * Platforms report unhandled rejections late. If they report one, the schedules since the last check run again, one
   * by one.
   */
  private async checkRejections(isReported: boolean): Promise<void> {
    const suspects = this.unchecked;
    this.unchecked = [];
    if (!isReported && !(await flushRejections())) return;
    const { schedules } = this;
    for (const [i, recipe] of suspects.entries()) {
      const execution = await this.execute(scheduleOf(recipe), { checked: true });
      this.schedules = schedules - suspects.length + 1 + i;
      if (execution.failure !== null) throw await this.explain(execution);
    }
    this.schedules = schedules;
  }

  /** Runs the scenario. What is recorded has been run before, so it does not count. */
  private execute(schedule: Schedule, options: RunOptions = {}): Promise<Execution> {
    if (options.record !== true) this.schedules++;
    return this.runner.run(schedule, options);
  }

  // ---------------------------------------------------------------------------------------------------- the injections

  /**
   * Cancels the plain order at every point, and inside of every step. Returns the number of steps it then took, by
   * point.
   */
  private async cancelEverywhere(plain: Execution): Promise<number[]> {
    const lengths: number[] = [];
    let base = plain;
    for (let cancelAt = 1; cancelAt < base.steps; cancelAt++) {
      const execution = await this.attempt(injecting({ cancelAt }));
      if (!hasSamePrefix(base, execution, cancelAt)) {
        // The very first execution may have prepared something.
        base = await this.attempt(injecting({}));
        if (!hasSamePrefix(base, execution, cancelAt)) {
          throw differs(`${base.steps} steps`, execution.steps);
        }
      }
      lengths[cancelAt] = execution.steps;
      this.points++;
    }
    for (let cancelAt = 0; cancelAt < base.steps; cancelAt++) {
      for (let microtask = 0; microtask < this.settings.microtasks; microtask++) {
        await this.attempt(injecting({ cancelAt, microtask }));
      }
    }
    return lengths;
  }

  private async signalTwice(lengths: readonly number[]): Promise<void> {
    let pairs = 0;
    lengths.forEach((length, cancelAt) => (pairs += Math.max(0, length - cancelAt - 1)));
    // If the budget is too small for all pairs, they are run at regular intervals.
    const stride = this.budget === 0 ? Infinity : Math.ceil(pairs / this.budget);
    if (stride > 1) this.complete = false;
    if (stride === Infinity) return;
    let n = 0;
    for (let cancelAt = 1; cancelAt < lengths.length; cancelAt++) {
      for (let abortAt = cancelAt + 1; abortAt < lengths[cancelAt]!; abortAt++) {
        if (n++ % stride === 0) await this.attempt(injecting({ cancelAt, abortAt }));
      }
    }
  }

  private async failEverywhere(): Promise<void> {
    const { callers } = await this.execute(injecting({}), { checked: true, record: true, callers: true });
    for (let i = 0; i < callers.length; i++) {
      // The worker's own operations never fail in production, so refusing them shows nothing.
      if (callers[i]!.within !== "") continue;
      if (this.budget === 0) return void (this.complete = false);
      await this.attempt(injecting({ failAt: i + 1 }));
    }
  }

  // -------------------------------------------------------------------------------------------------------- the search

  /** Searches the tree of schedules (`frontier.ts`), from the plain order on. */
  private async searchBounded(plain: Execution): Promise<void> {
    const { bound, boundedRuns, cancel, seed } = this.settings;
    const frontier = new Frontier(bound, generator(seed));
    let left = Math.min(boundedRuns, this.budget);
    let execution = plain;
    let branch = ROOT;
    // If the cancel is no candidate, the root has been run already.
    if (cancel) {
      if (left-- <= 0) return void (this.complete = false);
      execution = await this.runRoot(plain);
    }
    for (;;) {
      if (!frontier.expand(branch, execution.choices, left)) this.complete = false;
      const next = frontier.next();
      if (next === undefined) return;
      if (left-- <= 0) return void (this.complete = false);
      branch = next;
      execution = await this.runBranch(branch);
    }
  }

  /**
   * Runs the root with the cancel as a candidate. It must be the plain order, or what that is once the first execution
   * is over.
   */
  private async runRoot(plain: Execution): Promise<Execution> {
    const execution = await this.runBranch(ROOT);
    if (execution.steps === plain.steps) return execution;
    // The very first execution may have prepared something.
    const { steps } = await this.attempt(injecting({}));
    if (execution.steps !== steps) throw differs(`${execution.steps} steps`, steps);
    return execution;
  }

  private async runBranch({ prefix, counts }: Branch): Promise<Execution> {
    const strategy = replaying(prefix, counts);
    const execution = await this.attempt({ strategy, mayCancel: this.settings.cancel });
    const { picks } = execution.choices;
    if (picks.length < prefix.length) throw differs(`${prefix.length} choices`, picks.length);
    return execution;
  }

  /** Runs random schedules. Every other one has priorities, for bugs that need one task to be late for long. */
  private async sampleRandom(length: number): Promise<void> {
    const { randomRuns, seed, cancel, signals } = this.settings;
    if (randomRuns > this.budget) this.complete = false;
    const count = Math.min(randomRuns, this.budget);
    for (let i = 0; i < count; i++) {
      const random = generator(Math.imul(seed, 1_000_003) + i);
      const cancelAt = cancel ? Math.floor(random() * (length + 1)) || undefined : undefined;
      const abortAt =
        signals === 2 && cancelAt !== undefined ? cancelAt + 1 + Math.floor(random() * length) : undefined;
      const strategy = i % 2 === 0 ? uniform(random) : pct(random, length, 2);
      await this.attempt({ strategy, mayCancel: false, cancelAt, abortAt });
    }
  }

  // ------------------------------------------------------------------------------------------------------- the failure

  /** Minimizes the schedule that failed, runs it once more with everything recorded, and makes the error. */
  private async explain(failed: Execution): Promise<Error> {
    const first = failed.failure!.error;
    const isSame = ({ failure }: Execution): boolean =>
      failure !== null && fingerprint(failure.error) === fingerprint(first);
    const { schedules } = this;
    // A replay is exactly the schedule that was asked for.
    const isReplay = this.settings.replay !== undefined;
    const recipe = isReplay ? failed.recipe : await this.minimize(failed.recipe, isSame);
    const execution = await this.execute(scheduleOf(recipe), { checked: true, record: true });
    this.schedules = schedules;
    if (isSame(execution)) return scheduleError(execution, recipe, schedules);
    const { failure } = execution;
    const what = failure === null ? "it passed" : `it failed otherwise: ${fingerprint(failure.error)}`;
    const blame = this.usesOther ? OTHER_COPY : BLAME;
    const message = `nondeterminism: a schedule failed, and when it was run again ${what}; ${blame}. The failure was: ${fingerprint(first)}`;
    return new NondeterminismError(message, { cause: first });
  }

  /**
   * Sets choices back to the plain order, in ever smaller groups, as long as the failure stays the same (delta
   * debugging).
   */
  private async minimize(recipe: Recipe, isSame: (execution: Execution) => boolean): Promise<Recipe> {
    let { picks } = recipe;
    let left = MINIMIZING_STEPS;
    for (let size = picks.length; size >= 1; size = Math.floor(size / 2)) {
      for (let end = picks.length; end > 0; end -= size) {
        const begin = Math.max(0, end - size);
        if (picks.slice(begin, end).every((pick) => pick === 0)) continue;
        const plainer = trimmed(picks.map((pick, i) => (i >= begin && i < end ? 0 : pick)));
        const execution = await this.execute(scheduleOf({ ...recipe, picks: plainer }), { checked: true });
        if (isSame(execution)) picks = plainer;
        left -= execution.steps + execution.stops * STEPS_A_STOP;
        if (left < 0) return { ...recipe, picks };
      }
    }
    return { ...recipe, picks };
  }
}

// --------------------------------------------------------------------------------------------------------- comparisons

/** The plain order with this injection. */
function injecting(injection: Injection): Schedule {
  return { strategy: fifo, mayCancel: false, ...injection };
}

/** True if an execution that was cancelled at this point did the same as the plain one up to there. */
function hasSamePrefix(plain: Execution, execution: Execution, cancelAt: number): boolean {
  const choices = execution.choicesAtCancel;
  const prefixOf = ({ choices: { counts } }: Execution): string => counts.slice(0, choices).join();
  return execution.steps > cancelAt && prefixOf(plain) === prefixOf(execution);
}

function differs(before: string, now: number): NondeterminismError {
  return new NondeterminismError(`nondeterminism: the same schedule had ${before} before, and now ${now}; ${BLAME}`);
}

/** Gives the platform time to report unhandled rejections; returns whether it has reported one. */
function flushRejections(): Promise<boolean> {
  const unhandled: Unhandled = new Map();
  return new Promise((resolve) => {
    acquire(() => {
      collect(unhandled);
      nextTurn(() => {
        collect(null);
        resolve(unhandled.size > 0);
        // Code that waits for this continues before the next bubble does.
        drained(release);
      });
    });
  });
}
