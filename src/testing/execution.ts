/**
 * One execution of a scenario under a schedule: it makes one step after the other until the scenario is over or has
 * failed.
 *
 * A step resumes one task, fires one timer, or does one thing to the scenario from outside. It is over when no
 * microtask is left (`eventloop.ts`). Then the next one is decided:
 *
 *     a test has failed          →  cancel t.ctx, and let the tasks unwind
 *     an injection is due        →  do it: cancel t.ctx, or t.abort
 *     a resumption is queued     →  resume one, as the schedule picks
 *     a task waits outside       →  let the world go on; the clock stands still
 *     t.wait is called           →  that wait is over
 *     the function has returned  →  cancel t.ctx, then every task must end; the clock stands still
 *     a timer is set             →  the clock jumps to it
 *     none of these              →  deadlock
 *
 * The first three lines are `next`, the others `idle`.
 *
 * Invariants:
 * - Nothing here depends on real time, except how long to wait for the world outside.
 * - The clock moves only when every task is blocked in the library (Y1), or, with `timers: "any"`, when the schedule
 *   says so.
 */
import type { Context } from "../types.ts";
import { type CallSite, withoutStacks, withStacks } from "./callsite.ts";
import type { Choice } from "./candidates.ts";
import { Choices } from "./choices.ts";
import type { BubbleAlarm } from "./clock.ts";
import { step } from "./eventloop.ts";
import { Injections } from "./injections.ts";
import { resetCount } from "./livelock.ts";
import { acquire, release } from "./lock.ts";
import { canWatch, isConnected, unwatch, watch } from "./outside.ts";
import { drained, later, nextTurn, realTime } from "./platform.ts";
import { collect, firstOf } from "./rejections.ts";
import { blockedOutside, deadlock, endlessStep, History, HISTORY_STEPS, leak, livelock } from "./reports.ts";
import { type Recipe, type Schedule, trimmed } from "./schedule.ts";
import { BubbleScheduler, type Decider, type SchedulerOptions } from "./scheduler.ts";
import { enter, leave, register, unregister } from "./seam.ts";
import type { Resumption, Task, TaskInfo } from "./task.ts";
import { CLOCK } from "./rows.ts";

export interface ExecutionOptions extends SchedulerOptions {
  /** Longest wait for the world outside, in ms of real time. */
  readonly externalTimeout: number;
  /** Number of steps that counts as an endless loop. */
  readonly maxSteps: number;
  /** "any": a timer is a candidate although resumptions are queued. */
  readonly timers: "idle" | "any";
  /** Keep the choices, so that others can be taken the next time. They grow with each step. */
  readonly choices: boolean;
  /** Record the call site of each operation that may be refused. */
  readonly callers?: boolean;
  /** Wait at the end until the platform has reported unhandled rejections, which takes a turn of the event loop. */
  readonly checked: boolean;
  /** The error for the operation that the schedule refuses. */
  readonly fail?: Error | undefined;
}

/** The error of an execution, and what each task was doing then. */
export interface Failure {
  readonly error: unknown;
  readonly tasks: readonly TaskInfo[];
}

/** Ends an execution that must be repeated, with AsyncLocalStorage, to know what its tasks wait for. */
const UNDECIDED = new Error("the execution must be repeated with AsyncLocalStorage");
/** Steps in which the tasks of a failed scenario may run their `finally` blocks. */
const UNWIND_STEPS = 10_000;
/** Time that such a block may wait for the world outside, in ms of real time. */
const UNWIND_TIMEOUT = 100;
/** Number of steps between two turns of the event loop for the rest of the process. */
const STEPS_A_TURN = 1_024;
/** Turns of the event loop spent on the world outside, before it gets one look every millisecond. */
const POLLS = 20;

export class Execution implements Decider {
  readonly schedule: Schedule;
  readonly scheduler: BubbleScheduler;
  failure: Failure | null = null;
  /** The failure is only a rejection that nothing has handled. */
  isRejection = false;
  readonly choices: Choices;
  /** The point at which t.ctx was cancelled from outside. */
  cancelledAt: number | undefined;
  /** Number of choices before the cancel. */
  choicesAtCancel = 0;
  /** A task has waited for something outside. */
  wasOutside = false;
  /** Number of times that an endless step was stopped. */
  stops = 0;

  private readonly options: ExecutionOptions;
  private readonly injections: Injections;
  private phase: "main" | "cleanup" | "unwinding" = "main";
  /** Ends the t.wait that is under way. */
  private endWait: ((result: unknown, failed?: boolean) => void) | null = null;
  private isWatched = false;
  /** Real time at which the world outside got its first look since the last step, and the number of looks. */
  private outsideSince: number | null = null;
  private polls = 0;
  private unwindSteps = 0;
  private failedAt = 0;
  /** The last point at which something could be injected, and the last one before the failure. */
  private lastPoint = 0;
  private pointsAtFailure = 0;
  /** The tasks that waited outside when the scenario failed, and those that were stopped. */
  private readonly hung: Set<Task> = new Set();
  private readonly history: History = new History();
  private finish!: () => void;

  constructor(schedule: Schedule, options: ExecutionOptions) {
    this.schedule = schedule;
    this.options = options;
    this.scheduler = new BubbleScheduler(options, this);
    this.choices = new Choices(schedule.strategy, options.choices);
    this.injections = new Injections(schedule, this.scheduler, options.fail);
  }

  get steps(): number {
    return this.scheduler.steps;
  }

  /** Runs `body`; resolves when it is over. `failure` says how it failed. */
  start(body: () => PromiseLike<void> | void): Promise<void> {
    const { scheduler } = this;
    register(scheduler);
    this.isWatched = this.options.storage && watch();
    scheduler.mayHearFromOutside = !this.isWatched;
    const over = new Promise<void>((resolve) => (this.finish = resolve));
    const site = scheduler.callsite();
    const main = (ended: () => void): void => {
      const failed = (error: unknown): void => {
        // The error that was injected may come out of the scenario.
        if (!this.injections.isInjected(error)) scheduler.report(error);
        ended();
      };
      try {
        Promise.resolve(body()).then(ended, failed);
      } catch (error) {
        failed(error);
      }
    };
    // A reaction that is made here keeps the caller's async context, but does not run inside of the caller's code.
    void new Promise<void>((begin) => drained(() => this.acquire(begin))).then(() => {
      enter(scheduler);
      this.injections.begin();
      scheduler.main = scheduler.begin("main", main, site);
      leave();
      this.next();
    });
    return over;
  }

  /** Calls `act` when no other bubble runs. */
  private acquire(act: () => void): void {
    acquire(() => {
      collect(this.scheduler.unhandled);
      // A schedule that fails runs again, with stacks; so the first time it needs none.
      if (!this.options.record) withoutStacks();
      act();
    });
  }

  private release(): void {
    collect(null);
    withStacks();
    release();
  }

  /** The schedule as data, without what it has not come to. */
  get recipe(): Recipe {
    const picks = trimmed(this.choices.recipePicks);
    return { picks, cancelAt: this.cancelledAt, ...this.injections.done };
  }

  /** The parts of a recipe that this execution of it has not come to, in words. */
  leftOver(recipe: Recipe): readonly string[] {
    const { cancelAt, abortAt, failAt } = this.injections.done;
    const choices = trimmed(recipe.picks).length - this.choices.picks.length;
    return [
      ...(choices > 0 ? [`${choices} choice(s)`] : []),
      ...(recipe.cancelAt === cancelAt ? [] : [`the cancel of t.ctx after step ${recipe.cancelAt}`]),
      ...(recipe.abortAt === abortAt ? [] : [`the cancel of t.abort after step ${recipe.abortAt}`]),
      ...(recipe.failAt === failAt ? [] : [`the refusal of operation ${recipe.failAt}, by the option fail`]),
    ];
  }

  /** Number of points after which something can be injected before something else happens. They are numbered from 1. */
  get points(): number {
    return this.failure === null || this.isRejection ? this.steps - 1 : this.pointsAtFailure;
  }

  get context(): Context {
    return this.injections.context;
  }

  get abortContext(): Context {
    return this.injections.abortContext;
  }

  get callers(): readonly CallSite[] {
    return this.injections.callers;
  }

  cancel(cause?: unknown): void {
    this.injections.cancel(cause);
  }

  /** t.wait: calls `settle` when every other task is blocked. */
  whenIdle(settle: (result: unknown, failed?: boolean) => void): void {
    if (this.endWait === null) this.endWait = settle;
    else settle(new Error("t.wait: another wait is under way; let one task do the waiting"), true);
  }

  // --------------------------------------------------------------------------------------------------------- the steps

  private readonly next = (): void => {
    const { scheduler } = this;
    try {
      if (this.phase === "unwinding") this.unwind();
      else if (scheduler.error !== null) this.fail(scheduler.error.error);
      else if (this.steps >= this.options.maxSteps) this.fail(livelock(scheduler, this.history));
      else if (this.inject()) return;
      else if (scheduler.queue.length > 0) this.resumeOne();
      else if (this.pick(1, null) === 1) this.cancelAsStep();
      else this.idle();
    } catch (error) {
      // The schedule does not fit the program.
      this.fail(error);
    }
  };

  private step(task: Task, act: () => void): void {
    step(() => {
      this.beginStep(task);
      act();
    }, this.after);
  }

  private beginStep(task: Task): void {
    this.outsideSince = null;
    this.polls = 0;
    resetCount(this.options.maxSteps);
    this.scheduler.beginStep(task);
  }

  private readonly after = (): void => {
    if (this.phase !== "unwinding") this.scheduler.endStep();
    leave();
    if (this.steps % STEPS_A_TURN === 0) nextTurn(this.next);
    else this.next();
  };

  /**
   * The candidates are the queued resumptions, then the next timer if it may fire, then the cancel if it may be picked.
   */
  private resumeOne(): void {
    const { queue, clock, main } = this.scheduler;
    const mayFire = this.options.timers === "any" && this.phase === "main" && !main.ended && clock.isSet;
    const n = mayFire ? queue.length + 1 : queue.length;
    const i = this.pick(n, queue);
    if (i === n) this.cancelAsStep();
    else if (i === queue.length) this.fire(this.scheduler.choiceOfStep(i, n));
    else this.resume(i, n);
  }

  private resume(i: number, n: number): void {
    const { scheduler } = this;
    const choice = scheduler.recorder === null ? undefined : scheduler.choiceOfStep(i, n);
    const resumption = scheduler.dequeue(i);
    if (this.steps >= this.options.maxSteps - HISTORY_STEPS) this.history.add(resumption);
    step(() => {
      this.beginStep(resumption.task);
      scheduler.recorder?.resumption(this.steps, resumption, choice);
      resumption.resume();
      this.injections.enterStep(this.steps - 1);
    }, this.after);
  }

  /** Fires the next timer, by choice if tasks can run. Which of those that are due together is another choice. */
  private fire(choice?: Choice): void {
    const { scheduler } = this;
    const { clock, clockTask } = scheduler;
    const due = clock.due();
    const i = this.pick(due.length, null, false);
    const alarm = due[i]!;
    alarm.stop();
    clock.advance(alarm.due);
    this.step(clockTask, () => {
      if (scheduler.recorder !== null) this.recordFire(alarm, choice, scheduler.choiceOfTimer(i, due));
      alarm.target.expire();
    });
  }

  private recordFire(alarm: BubbleAlarm, choice: Choice | undefined, ofTimer: Choice | undefined): void {
    const { recorder, clockTask, names } = this.scheduler;
    if (choice !== undefined) recorder!.write(this.steps, clockTask, "choose", CLOCK, "", choice);
    recorder!.write(this.steps, clockTask, "fire", alarm.label(names), "", ofTimer);
  }

  // ------------------------------------------------------------------------------------------------------- the choices

  private pick(n: number, queue: readonly Resumption[] | null, mayCancel: boolean = this.mayCancel): number {
    return this.phase === "unwinding" ? 0 : this.choices.pick(n, queue, mayCancel);
  }

  private get mayCancel(): boolean {
    return this.schedule.mayCancel && this.phase === "main" && this.steps > 0 && this.context.err() === undefined;
  }

  choose(n: number): number {
    try {
      return this.pick(n, null, false);
    } catch (error) {
      // It must not be thrown into the select that asks.
      this.scheduler.fail(error);
      return 0;
    }
  }

  /** Does what the schedule injects at this point; returns false if that is nothing. */
  private inject(): boolean {
    this.lastPoint = this.steps;
    const due = this.injections.dueAt(this.steps);
    if (due === "t.ctx") this.cancelAsStep();
    else if (due === "t.abort") this.step(this.scheduler.canceller, () => this.injections.cancelAbort());
    return due !== undefined;
  }

  private cancelAsStep(): void {
    this.cancelledAt = this.steps;
    this.choicesAtCancel = this.choices.counts.length;
    this.step(this.scheduler.canceller, () => this.cancel());
  }

  fault(): unknown {
    return this.injections.fault(this.options.callers === true && this.scheduler.recorder !== null);
  }

  // -------------------------------------------------------------------------------------------------------------- idle

  /**
   * Nothing is queued, so nothing in the bubble continues by itself. The order of the cases matters.
   *
   * The world outside comes first, because it may yet queue a resumption at the present time; a jump of the clock would
   * overtake it. Only tasks that can hear nothing from outside are left waiting: they wait for each other.
   *
   * t.wait and t.sleep come next. The timers that are due at the present time fire before the wait ends (Y5), but no
   * later ones: the waiting task may want to act first.
   *
   * Once the function has returned, the clock stands still, else a timer could hide a leak by ending what is left. The
   * cancel of t.ctx is a step. Whatever is still there when the bubble is idle again has leaked.
   */
  private idle(): void {
    const { scheduler } = this;
    const { main, clock } = scheduler;
    scheduler.dropGone();
    const outside = scheduler.tasks.filter((task) => task.isOutside);
    if (outside.length > 0 && !this.isAmongThemselves) return this.waitOutside(outside);
    const { endWait } = this;
    if (endWait !== null && !main.ended && clock.isDue) {
      this.fire();
    } else if (endWait !== null) {
      this.endWait = null;
      endWait(undefined);
      this.next();
    } else if (this.phase === "cleanup") {
      this.endClean();
    } else if (main.ended) {
      this.cleanUp();
    } else if (clock.isSet) {
      this.fire();
    } else {
      this.fail(deadlock(scheduler));
    }
  }

  /**
   * True if the tasks that wait for promises can only wait for each other, while something else in the bubble may help
   * them on.
   */
  private get isAmongThemselves(): boolean {
    return !this.scheduler.mayHearFromOutside && this.polls >= POLLS && this.isHelp && !isConnected();
  }

  private get isHelp(): boolean {
    const { main, clock } = this.scheduler;
    return this.endWait !== null || (this.phase === "main" && !main.ended && clock.isSet);
  }

  /**
   * Gives the world outside a turn of the event loop, then decides again; fails when it has taken too long. Other
   * bubbles may run in the meantime.
   *
   * Without AsyncLocalStorage, which `explore` avoids because it is slow, the kit cannot know which task the code
   * belongs to that continues. So the execution ends undecided if that matters, and the exploration repeats it with
   * AsyncLocalStorage.
   */
  private waitOutside(outside: readonly Task[]): void {
    const { scheduler } = this;
    const { externalTimeout, storage } = this.options;
    this.wasOutside = true;
    if (!storage && this.polls >= POLLS && canWatch()) return this.fail(UNDECIDED);
    const now = realTime();
    this.outsideSince ??= now;
    // If nothing was begun that could bring news, the tasks may still wait for something that was begun before the
    // test.
    const isLikely = scheduler.mayHearFromOutside || outside.some((task) => task.isExternal) || isConnected();
    const patience = isLikely ? externalTimeout : externalTimeout / 10;
    // The looks count, too: the process itself may have been held up between two of them.
    if (this.polls >= POLLS && now - this.outsideSince > patience) {
      return this.fail(blockedOutside(scheduler, outside, patience, externalTimeout));
    }
    const again = (): void => this.acquire(this.next);
    resetCount(this.options.maxSteps);
    this.release();
    if (this.polls++ < POLLS) nextTurn(again);
    else later(again, 1);
  }

  /** An endless step was stopped; its task never continues. */
  stopped(task: Task | undefined, sites: readonly CallSite[]): void {
    const looping = task ?? this.scheduler.task;
    this.stops++;
    this.hung.add(looping);
    if (this.phase !== "unwinding") this.scheduler.fail(endlessStep(this.scheduler, looping, sites));
  }

  // ----------------------------------------------------------------------------------------------------------- the end

  /** The function has returned: cancels t.ctx, so that every task that is left can end. */
  private cleanUp(): void {
    this.phase = "cleanup";
    this.scheduler.dropEnded();
    this.step(this.scheduler.canceller, () => this.injections.cancelAll());
  }

  private endClean(): void {
    const error = leak(this.scheduler);
    if (error === undefined) this.end();
    else this.fail(error);
  }

  /** The scenario has failed. The tasks that respect t.ctx get a chance to clean up; that is not recorded. */
  private fail(error: unknown): void {
    const { scheduler } = this;
    this.failure ??= { error, tasks: scheduler.infos() };
    // A deadlock is found when nothing goes on; but a cancel at this point would have been something.
    this.pointsAtFailure = this.phase === "main" ? this.lastPoint : this.steps - 1;
    this.failedAt = realTime();
    for (const task of scheduler.tasks) if (task.isOutside) this.hung.add(task);
    scheduler.recorder = null;
    this.phase = "unwinding";
    this.step(scheduler.canceller, () => this.injections.cancelAll());
  }

  private unwind(): void {
    const { queue, tasks } = this.scheduler;
    if (queue.length > 0 && this.unwindSteps++ < UNWIND_STEPS) return this.resume(0, 1);
    // A cleanup may need the world outside. Tasks that waited there before the failure are not waited for.
    const isBusy = tasks.some((task) => task.isOutside && !this.hung.has(task));
    if (isBusy && queue.length === 0 && realTime() - this.failedAt < UNWIND_TIMEOUT) later(this.next, 1);
    else this.end();
  }

  private end(): void {
    this.scheduler.isOver = true;
    if (this.isWatched) unwatch();
    withStacks();
    if (this.options.checked) nextTurn(() => this.conclude());
    else this.conclude();
  }

  private conclude(): void {
    const error = firstOf(this.scheduler.unhandled);
    if (error !== undefined && this.failure === null) {
      this.failure = { error, tasks: [] };
      this.isRejection = true;
    }
    unregister(this.scheduler);
    this.finish();
    // Code that waits for the end continues before the next bubble does.
    drained(() => this.release());
  }
}
