/**
 * Exploring a scenario: it is run again and again, each time under another schedule, until one fails or all that was asked for is done.
 *
 * In this order, from what is easiest to understand to what is hardest to find:
 *
 *     1  the plain order
 *     2  the plain order, cancelled at every point; then between any two microtasks of every step     (cancel, hops)
 *     3  the second signal at every point after the first                                             (signals: 2)
 *     4  every operation refused, one at a time                                                       (fail)
 *     5  every schedule that differs from the plain order in up to `bound` choices, one of which may be the cancel
 *     6  schedules by chance, cancelled at a point by chance
 *
 * Nothing is kept from run to run: a schedule is known by its choices alone, which is what makes it replayable.
 */
import { mustBeReadable } from "../internal/errors.ts";
import { type Bubble, apiOf, mannerOf, mustBeOutside, wholeNumber } from "./bubble.ts";
import { NondeterminismError } from "./errors.ts";
import {
  BLAME,
  byPriority,
  decode,
  following,
  generator,
  type Injection,
  PLAIN,
  type Plan,
  type Recipe,
  uniform,
} from "./schedule.ts";
import { OTHER_COPY, warn } from "./others.ts";
import { isA, isError } from "../internal/foreign.ts";
import { text } from "./plain.ts";
import { drained, environment, nextTurn, realTime } from "./platform.ts";
import { collect, type Unhandled } from "./rejections.ts";
import type { Manner } from "./scheduler.ts";
import { Run } from "./execution.ts";
import { hold, letGo } from "./seam.ts";
import { essence, scheduleError } from "./story.ts";
import { acquire, release } from "./eventloop.ts";
import { mustBeFunction } from "../internal/args.ts";

/** What to explore. What is left out has the default given. */
export interface ExploreOptions {
  /** Cancel `t.ctx` at every point, and as one of the possible next steps of the search; "everywhere": at every point, and nothing else; false: never. true */
  readonly cancel?: boolean | "everywhere";
  /** In how many choices a schedule may differ from the plain order. At most 1 000 such schedules are run. 2 */
  readonly bound?: number;
  /** Every schedule there is, up to `max`, whatever the `bound`. false */
  readonly exhaustive?: boolean;
  /** How many schedules by chance come after that. 500 */
  readonly runs?: number;
  /** What chance begins with: a whole number. The environment variable HEADGATE_SEED overrides it. 1 */
  readonly seed?: number;
  /** Cancel also inside of each step, after each of so many microtasks: between awaits that are not headgate's. 10 000 at the most. 4 */
  readonly hops?: number;
  /** 2: after each point of the first cancellation, `t.abort` is cancelled at every later one. 1 */
  readonly signals?: 1 | 2;
  /** Refuse each awaited operation once with this error, before it has had any effect. The error itself may come out of the scenario. */
  readonly fail?: Error;
  /** "any": the next timer may fire although there is something to do, as on a slow machine. "idle" */
  readonly timers?: "idle" | "any";
  /** How many schedules to run in all; cancellation points and hops are always all run. 5 000 */
  readonly max?: number;
  /** Run exactly this schedule: the string from a {@link ScheduleError}. The environment variable HEADGATE_REPLAY overrides it. */
  readonly replay?: string;
  /** When the bubble's time begins: epoch ms, or a Date. 2000-01-01T00:00Z */
  readonly start?: number | Date;
  /** How long to wait for a promise from outside: ms of real time; a tenth of it if nothing was begun. 1 000 */
  readonly external?: number;
  /** How many steps of one schedule are taken for an endless loop. A single step may make 500 000 promises, or as many as this says. 20 000 */
  readonly steps?: number;
}

/** What has been explored, and held. */
export interface ExploreReport {
  /** How many schedules were run. */
  readonly schedules: number;
  /** At how many points the plain order was cancelled. */
  readonly points: number;
  /** Whether all that was asked for was run: false if `max` came before, and where another copy of headgate was used. */
  readonly complete: boolean;
  /** What was used that the kit cannot see. Not there if it has seen everything. */
  readonly warning?: string;
  /** ms of real time. */
  readonly ms: number;
}

/**
 * Runs a scenario, a test for a bubble, under many schedules: cancelled at every point, in every order of its tasks up to a bound, and
 * in some by chance. The same ones every time. See {@link bubble} for what a scenario may do; in addition it must be repeatable, so
 * make everything it uses inside of it.
 *
 * **Cancellation**: that is what it does to `t.ctx`. A scenario that rejects because of it has failed; catch it where it is expected.
 *
 * **Errors**: rejects with a {@link ScheduleError} for the first schedule that fails; with a {@link NondeterminismError} if the same
 * schedule does not do the same twice; with a TypeError or RangeError for options that make no sense.
 *
 * **Ordering**: none is relied on. That tasks resume in the order in which they became ready is not promised, so the explorer permutes
 * it; a schedule it finds may be one that today's event loop happens not to produce.
 *
 * @example
 * ```ts
 * import { Chan, errgroup } from "headgate";
 * import { explore, ScheduleError } from "headgate/testing";
 *
 * try {
 *   await explore(async (t) => {
 *     const [group] = errgroup.withContext(t.ctx);
 *     const jobs = new Chan<number>();
 *     void group.go(async () => {
 *       for (const n of [1, 2, 3]) await jobs.send(n); // without a ctx
 *       jobs.close();
 *     });
 *     void group.go(async (ctx) => {
 *       for await (const n of jobs.values(ctx)) if (n === 4) return;
 *     });
 *     await group.wait().catch(() => {});
 *   });
 * } catch (error) {
 *   if (error instanceof ScheduleError) console.log(error.replay, String(error.cause).split(":")[0]); // => 0!c1 DeadlockError
 * }
 * ```
 */
export async function explore(
  scenario: (t: Bubble) => PromiseLike<void> | void,
  options: ExploreOptions = {},
): Promise<ExploreReport> {
  mustBeFunction(scenario, "explore");
  mustBeOutside("explore");
  const settings = checked(options);
  hold();
  const exploration = new Exploration(scenario, settings);
  try {
    return await exploration.run();
  } finally {
    if (exploration.usesOther) warn("explore");
    letGo();
  }
}

type Settings = Required<Omit<ExploreOptions, "fail" | "replay" | "start">> & {
  readonly start: number;
  readonly fail: Error | undefined;
  readonly replay: string | undefined;
};

function checked(given: ExploreOptions): Settings {
  const shared = mannerOf(given, 20_000, "explore");
  // Read once: it may be another one, or none, when it is looked at again.
  const options = mustBeReadable("explore: the options cannot be read", (): ExploreOptions => {
    const { cancel, bound, exhaustive, runs, seed, hops, signals, fail, timers, max, replay } = given;
    return { cancel, bound, exhaustive, runs, seed, hops, signals, fail, timers, max, replay } as ExploreOptions;
  });
  const { cancel = true, exhaustive = false, signals = 1, fail, timers = "idle" } = options;
  const mustBe = (isRight: boolean, rule: string, got: unknown): void => {
    if (!isRight) throw new TypeError(`explore: options.${rule}; got ${text(got)}`);
  };
  mustBe(typeof cancel === "boolean" || cancel === "everywhere", 'cancel must be true, false or "everywhere"', cancel);
  mustBe(typeof exhaustive === "boolean", "exhaustive must be true or false", exhaustive);
  mustBe(signals === 1 || signals === 2, "signals must be 1 or 2", signals);
  mustBe(
    signals === 1 || cancel !== false,
    "signals: 2 needs cancel, for the second signal comes after the first",
    cancel,
  );
  mustBe(timers === "idle" || timers === "any", 'timers must be "idle" or "any"', timers);
  mustBe(fail === undefined || isError(fail), "fail must be an Error", fail);
  const replay = environment("HEADGATE_REPLAY") ?? options.replay;
  mustBe(replay === undefined || typeof replay === "string", "replay must be a string", replay);
  const chosen = environment("HEADGATE_SEED");
  const seed = chosen === undefined ? (options.seed ?? 1) : Number(chosen);
  if (!Number.isSafeInteger(seed)) {
    const where = chosen === undefined ? "options.seed" : "HEADGATE_SEED";
    throw new RangeError(`explore: ${where} must be a whole number; got ${chosen ?? text(seed)}`);
  }
  const whole = (name: "bound" | "runs" | "hops" | "max", otherwise: number, least: number): number =>
    wholeNumber(options[name] ?? otherwise, least, `explore: options.${name}`);
  const finite = (hops: number): number => {
    if (hops <= HOPS) return hops;
    throw new RangeError(
      `explore: options.hops must be a whole number from 0; got ${hops}, and all of them are run, so ${HOPS} at the most`,
    );
  };
  return {
    ...shared,
    cancel,
    exhaustive,
    signals,
    fail,
    timers,
    replay,
    seed,
    bound: whole("bound", 2, 0),
    runs: whole("runs", 500, 0),
    hops: finite(whole("hops", 4, 0)),
    max: whole("max", 5_000, 1),
  };
}

/** How many microtasks of each step can be looked at: a run for each takes seconds then, and a minute soon. */
const HOPS = 10_000;
/** How many schedules are run before the platform gets time to tell of unhandled rejections: a turn for each would be a tenth of all. */
const BATCH = 16;
/** How many steps are spent on making a schedule plainer: a few seconds' worth, but the same everywhere. */
const SHRINKING = 300_000;
/** To stop a loop takes as long as so many steps. */
const STOPPED = 50_000;
/** How many schedules a bounded search runs. */
const SEARCHED = 1_000;

/** A schedule that the search has still to run: that of `parent` up to choice number `at`, where it takes `pick` instead. */
interface Branch {
  readonly picks: readonly number[];
  readonly counts: readonly number[];
  readonly at: number;
  readonly pick: number;
  readonly deviations: number;
}

class Exploration {
  private readonly scenario: (t: Bubble) => PromiseLike<void> | void;
  private readonly settings: Settings;
  private schedules = 0;
  private points = 0;
  private complete = true;
  /** Whether another copy of headgate was used. */
  usesOther = false;
  /** What has been run since the platform had time to tell of unhandled rejections. */
  private unchecked: Recipe[] = [];
  /** Whether a task has ever waited for something outside: from then on it must be known exactly whose code goes on after that. */
  private storage = false;

  constructor(scenario: (t: Bubble) => PromiseLike<void> | void, settings: Settings) {
    this.scenario = scenario;
    this.settings = settings;
  }

  async run(): Promise<ExploreReport> {
    const { replay } = this.settings;
    const begun = realTime();
    try {
      if (replay === undefined) await this.all();
      else await this.attempt(planOf(decode(replay)));
    } catch (error) {
      // What another copy does is not ours to repeat; nothing has failed.
      if (!this.usesOther || !isA(error, NondeterminismError) || error.cause !== undefined) throw error;
    }
    await this.check(false);
    const { schedules, points, complete, usesOther } = this;
    const report = { schedules, points, complete: complete && !usesOther, ms: Math.round(realTime() - begun) };
    return usesOther ? { ...report, warning: OTHER_COPY } : report;
  }

  /** Everything that was asked for. */
  private async all(): Promise<void> {
    const { cancel, signals, fail } = this.settings;
    const plain = await this.attempt({ picker: PLAIN, mayCancel: false });
    const lengths = cancel === false ? [] : await this.cancelEverywhere(plain);
    if (signals === 2) await this.signalTwice(lengths);
    if (fail !== undefined) await this.failEverywhere();
    if (cancel === "everywhere") return;
    await this.search(plain);
    await this.wander(plain.steps);
  }

  /** How many more schedules may be run. */
  private get room(): number {
    return Math.max(0, this.settings.max - this.schedules);
  }

  // ------------------------------------------------------------------------------------------------------------ one schedule

  /** Runs the scenario; throws if it fails. */
  private async attempt(plan: Plan): Promise<Run> {
    const run = await this.once(plan);
    if (isA(run.failure?.error, NondeterminismError)) throw run.failure.error;
    if (run.failure !== null && !run.isRejection) throw await this.explain(run);
    this.unchecked.push(recipeOf(run));
    if (run.isRejection || this.unchecked.length === BATCH) await this.check(run.isRejection);
    return run;
  }

  /** Platforms tell of unhandled rejections late. If they do, the schedules since the last time are run again, one by one. */
  private async check(isRejected: boolean): Promise<void> {
    const suspects = this.unchecked;
    this.unchecked = [];
    if (!isRejected && !(await toldOfRejections())) return;
    const { schedules } = this;
    for (const [i, recipe] of suspects.entries()) {
      const run = await this.once(planOf(recipe), true);
      this.schedules = schedules - suspects.length + 1 + i;
      if (run.failure !== null) throw await this.explain(run);
    }
    this.schedules = schedules;
  }

  private async once(
    plan: Plan,
    checked: boolean = false,
    record: boolean = false,
    callers: boolean = false,
  ): Promise<Run> {
    const { start, external, steps, timers, fail } = this.settings;
    const manner: Manner = {
      start,
      external,
      steps,
      timers,
      fail,
      record,
      callers,
      checked,
      choices: true,
      storage: this.storage,
    };
    const run = new Run(plan, manner);
    if (!record) this.schedules++;
    await run.start(() => this.scenario(apiOf(run)));
    if (run.usesOther) this.usesOther = true;
    if (!run.wasOutside || this.storage) return run;
    this.storage = true;
    if (run.failure === null) return run;
    // Without it we may have been wrong about who waited for what.
    if (!record) this.schedules--;
    return this.once(plan, checked, record, callers);
  }

  // ----------------------------------------------------------------------------------------------------- what is done to it

  /** Cancels the plain order at every point, and inside of every step. Returns how many steps it then took, by point. */
  private async cancelEverywhere(plain: Run): Promise<number[]> {
    const lengths: number[] = [];
    let base = plain;
    for (let cancelAt = 1; cancelAt < base.steps; cancelAt++) {
      const run = await this.attempt(inject({ cancelAt }));
      if (!beginAlike(base, run, cancelAt)) {
        // The very first run may have had something to prepare.
        base = await this.attempt(inject({}));
        if (!beginAlike(base, run, cancelAt)) {
          throw unlike(`${base.steps} steps`, run.steps);
        }
      }
      lengths[cancelAt] = run.steps;
      this.points++;
    }
    for (let cancelAt = 0; cancelAt < base.steps; cancelAt++) {
      for (let hop = 0; hop < this.settings.hops; hop++) await this.attempt(inject({ cancelAt, hop }));
    }
    return lengths;
  }

  private async signalTwice(lengths: readonly number[]): Promise<void> {
    let pairs = 0;
    lengths.forEach((length, cancelAt) => (pairs += Math.max(0, length - cancelAt - 1)));
    // Where there is no room for all, every so many of them.
    const stride = this.room === 0 ? Infinity : Math.ceil(pairs / this.room);
    if (stride > 1) this.complete = false;
    if (stride === Infinity) return;
    let n = 0;
    for (let cancelAt = 1; cancelAt < lengths.length; cancelAt++) {
      for (let abortAt = cancelAt + 1; abortAt < lengths[cancelAt]!; abortAt++) {
        if (n++ % stride === 0) await this.attempt(inject({ cancelAt, abortAt }));
      }
    }
  }

  private async failEverywhere(): Promise<void> {
    const { callers } = await this.once({ picker: PLAIN, mayCancel: false }, true, true, true);
    for (let i = 0; i < callers.length; i++) {
      // The worker's own operations do not fail, so there is nothing to learn from it.
      if (callers[i]!.within !== "") continue;
      if (this.room === 0) return void (this.complete = false);
      await this.attempt(inject({ failAt: i + 1 }));
    }
  }

  // -------------------------------------------------------------------------------------------------------------- the search

  /** All schedules with one deviation from the plain order come before those with two, and these, if they are too many, by chance. */
  private async search(plain: Run): Promise<void> {
    const { bound, exhaustive, cancel, seed } = this.settings;
    const random = generator(seed);
    let now: Branch[] = [{ picks: [], counts: [], at: 0, pick: 0, deviations: 0 }];
    let next: Branch[] = [];
    let left = exhaustive ? this.room : Math.min(SEARCHED, this.room);
    for (;;) {
      const branch = now.pop();
      if (branch === undefined) {
        if (next.length === 0) return;
        now = shuffled(next, random);
        next = [];
        continue;
      }
      const { picks, counts, at, pick, deviations } = branch;
      const prefix = deviations === 0 ? [] : [...picks.slice(0, at), pick];
      let run = plain;
      // Where it cannot be cancelled, the root is the plain order, which has been run.
      if (deviations > 0 || cancel === true) {
        if (left-- <= 0) return void (this.complete = false);
        const picker = following(prefix, counts.slice(0, prefix.length));
        run = await this.attempt({ picker, mayCancel: cancel === true });
        if (run.picks.length < prefix.length) throw unlike(`${prefix.length} choices`, run.picks.length);
        // The root is the plain order, only that it could have been cancelled. The very first run may have had something to prepare.
        if (deviations === 0 && run.steps !== plain.steps) {
          const { steps } = await this.attempt(inject({}));
          if (run.steps !== steps) throw unlike(`${run.steps} steps`, steps);
        }
      }
      if (!exhaustive && deviations >= bound) continue;
      // There is no room for what would come after those that wait: nobody needs to remember it.
      const isFull = !exhaustive && left <= now.length;
      if (isFull && run.counts.slice(prefix.length).some((n) => n > 1)) this.complete = false;
      if (isFull) continue;
      for (let i = prefix.length; i < run.picks.length; i++) {
        for (let other = 1; other < run.counts[i]!; other++) {
          const found = { picks: run.picks, counts: run.counts, at: i, pick: other, deviations: deviations + 1 };
          (exhaustive ? now : next).push(found);
        }
      }
    }
  }

  /** Schedules by chance: every other one with priorities, for bugs that need one task to be late for long. */
  private async wander(length: number): Promise<void> {
    const { runs, seed, cancel, signals } = this.settings;
    if (runs > this.room) this.complete = false;
    const count = Math.min(runs, this.room);
    for (let i = 0; i < count; i++) {
      const random = generator(Math.imul(seed, 1_000_003) + i);
      const cancelAt = cancel === true ? Math.floor(random() * (length + 1)) || undefined : undefined;
      const abortAt =
        signals === 2 && cancelAt !== undefined ? cancelAt + 1 + Math.floor(random() * length) : undefined;
      const picker = i % 2 === 0 ? uniform(random) : byPriority(random, length, 2);
      await this.attempt({ picker, mayCancel: false, cancelAt, abortAt });
    }
  }

  // ------------------------------------------------------------------------------------------------------------ the failure

  /** Makes the schedule that failed as plain as it can be and still fail, and tells its story. */
  private async explain(failed: Run): Promise<Error> {
    const first = failed.failure!.error;
    const isSame = (run: Run): boolean => run.failure !== null && essence(run.failure.error) === essence(first);
    const { schedules } = this;
    // What is replayed is exactly what was asked for.
    const isReplay = this.settings.replay !== undefined;
    const recipe = isReplay ? recipeOf(failed) : await this.shrunk(recipeOf(failed), isSame);
    const run = await this.once(planOf(recipe), true, true);
    this.schedules = schedules;
    if (!isSame(run)) {
      const what = run.failure === null ? "it passed" : `it failed otherwise: ${essence(run.failure.error)}`;
      const blame = this.usesOther ? OTHER_COPY : BLAME;
      const message = `nondeterminism: a schedule failed, and when it was run again ${what}; ${blame}. The failure was: ${essence(first)}`;
      return new NondeterminismError(message, { cause: first });
    }
    return scheduleError(run, recipe, schedules);
  }

  /** Puts choices back to the plain order, in ever smaller groups, as long as the failure stays the same. */
  private async shrunk(recipe: Recipe, isSame: (run: Run) => boolean): Promise<Recipe> {
    let { picks } = recipe;
    let left = SHRINKING;
    for (let size = picks.length; size >= 1; size = Math.floor(size / 2)) {
      for (let end = picks.length; end > 0; end -= size) {
        const begin = Math.max(0, end - size);
        if (picks.slice(begin, end).every((pick) => pick === 0)) continue;
        const plainer = trimmed(picks.map((pick, i) => (i >= begin && i < end ? 0 : pick)));
        const run = await this.once(planOf({ ...recipe, picks: plainer }), true);
        if (isSame(run)) picks = plainer;
        left -= run.steps + run.stops * STOPPED;
        if (left < 0) return { ...recipe, picks };
      }
    }
    return { ...recipe, picks };
  }
}

/** Whether a run that was cancelled at this point was the same up to there. */
function beginAlike(plain: Run, run: Run, cancelAt: number): boolean {
  const choices = run.choicesAtCancel;
  return run.steps > cancelAt && plain.counts.slice(0, choices).join() === run.counts.slice(0, choices).join();
}

function unlike(before: string, now: number): NondeterminismError {
  return new NondeterminismError(`nondeterminism: the same schedule had ${before} before, and now ${now}; ${BLAME}`);
}

/** Waits until the platform has told of unhandled rejections; whether there was one. */
function toldOfRejections(): Promise<boolean> {
  const unhandled: Unhandled = new Map();
  return new Promise((resolve) => {
    acquire(() => {
      collect(unhandled);
      nextTurn(() => {
        collect(null);
        resolve(unhandled.size > 0);
        // Whoever waits for this goes on before the next bubble does.
        drained(release);
      });
    });
  });
}

function inject(injection: Injection): Plan {
  return { picker: PLAIN, mayCancel: false, ...injection };
}

/** The schedule of a run, written down. */
function recipeOf({ plan: { hop, cancelAt, abortAt, failAt }, schedule, cancelledAt }: Run): Recipe {
  return { picks: trimmed(schedule), cancelAt: cancelAt ?? cancelledAt, hop, abortAt, failAt };
}

function planOf({ picks, ...injection }: Recipe): Plan {
  return { picker: following(picks), mayCancel: false, ...injection };
}

function trimmed(picks: readonly number[]): readonly number[] {
  let { length } = picks;
  while (length > 0 && picks[length - 1] === 0) length--;
  return picks.slice(0, length);
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}
