/**
 * One run of a scenario: makes one step after the other, until all is over or something has gone wrong.
 *
 * A step releases one resumption, fires one timer, or does one thing to the scenario from outside; it is over when no microtask is
 * left. Then the next is picked:
 *
 *     something may go on        →  one of those that may, as the plan says
 *     a task waits outside       →  let the world go on; time stands still
 *     somebody is in t.wait      →  that wait is over
 *     the function has returned  →  cancel t.ctx, then all must end; time stands still
 *     a timer is set             →  the clock jumps to it
 *     else                       →  deadlock
 *
 * Invariants:
 * - Nothing here depends on real time, but for the patience with the world outside.
 * - The clock moves only when every task is blocked in the library (Y1), or, with `timers: "any"`, when the plan says so.
 */
import { background, type CancelCauseFunc, withCancelCause } from "../context/index.ts";
import { recount } from "./circle.ts";
import { canTell, isConnected, unwatch, watch } from "./outside.ts";
import { byFrequency, type Doing } from "./doings.ts";
import { DeadlockError, LeakError } from "./errors.ts";
import type { Plan } from "./schedule.ts";
import { OTHER_COPY } from "./others.ts";
import { place, type Place, withoutStacks, withStacks } from "./callsite.ts";
import { tried } from "./plain.ts";
import { drained, later, nextTurn, realTime, soon } from "./platform.ts";
import { type Manner, Room } from "./scheduler.ts";
import { collect, firstOf } from "./rejections.ts";
import { enter, join, leave, part } from "./seam.ts";
import { lineOf, type Resumption, type Task, type TaskInfo, Wait } from "./task.ts";
import { acquire, release, step } from "./eventloop.ts";
import type { Context } from "../types.ts";

/** What ends a run that had to be watched more closely to know what it waits for. */
const UNDECIDED = new Error("the run must be repeated with AsyncLocalStorage");
/** How often at most a scenario that has failed is helped on, so that its `finally` blocks run. */
const UNWINDING = 10_000;
/** How long such a block may wait for the world outside, in ms of real time. */
const PATIENCE = 100;
/** Every so many steps the rest of the process gets a turn. */
const TURN = 1_024;

/** How many resumptions are remembered, to tell what a loop does. To remember them at all times would cost a tenth of all. */
const REMEMBERED = 100;
/** In how many steps there are that many: a timer fires in between, the clock and the test have their say. */
const LAST_STEPS = 4 * REMEMBERED;

/** How many turns of the event loop are spent on the world outside before it is asked every millisecond only. */
const POLLS = 20;

/** What has gone wrong, and who was doing what at that moment. */
export interface Failure {
  readonly error: unknown;
  readonly tasks: readonly TaskInfo[];
}

type Pair = readonly [ctx: Context, cancel: CancelCauseFunc];

export class Run extends Room {
  readonly plan: Plan;
  failure: Failure | null = null;
  /** Whether it is nothing but a rejection that nobody has handled. */
  isRejection = false;
  /** What the picker took at each choice, and among how many. */
  readonly picks: number[] = [];
  readonly counts: number[] = [];
  /** The same as a recipe says it: a cancel that was picked is no choice, but happened at a point. */
  readonly schedule: number[] = [];
  cancelledAt: number | undefined;
  /** How many choices had been made by then. */
  choicesAtCancel = 0;
  /** Whether a task has ever waited for something outside. */
  wasOutside = false;

  private phase: "main" | "cleanup" | "unwinding" = "main";
  private root!: Pair;
  private abort: Pair | null = null;
  private waiting: ((result: unknown, failed?: boolean) => void) | null = null;
  private isWatched = false;
  private outsideSince: number | null = null;
  private polls = 0;
  private unwound = 0;
  private failedAt = 0;
  /** Who waited outside when the run failed, or was stopped. */
  private readonly hung: Set<Task> = new Set();
  /** The last resumptions, in a ring, and how many there have been. */
  private readonly last: Resumption[] = [];
  private resumed = 0;
  /** How often code had to be stopped. */
  stops = 0;
  private finish!: () => void;

  constructor(plan: Plan, manner: Manner) {
    super(manner);
    this.plan = plan;
  }

  /** Runs `body`; resolves when it is over. What has gone wrong is in `failure`. */
  start(body: () => PromiseLike<void> | void): Promise<void> {
    join(this);
    this.isWatched = this.manner.storage && watch();
    this.mayHearFromOutside = !this.isWatched;
    const over = new Promise<void>((resolve) => (this.finish = resolve));
    const place = this.here();
    const main = (ended: () => void): void => {
      const failed = (error: unknown): void => {
        // What was done to it on purpose may come out of it.
        if (!this.isInjected(error)) this.report(error);
        ended();
      };
      try {
        Promise.resolve(body()).then(ended, failed);
      } catch (error) {
        failed(error);
      }
    };
    // Not inside of the caller's code, but as a reaction to it: so it keeps the caller's asynchronous context.
    void new Promise<void>((begin) => drained(() => this.take(begin))).then(() => {
      enter(this);
      this.root = this.pair("t.ctx");
      this.main = this.begin("main", main, place);
      leave();
      this.next();
    });
    return over;
  }

  /** Calls `act` when no other bubble runs. A schedule that fails is run again with stacks, so the first time it needs none. */
  private take(act: () => void): void {
    acquire(() => {
      collect(this.unhandled);
      if (!this.manner.record) withoutStacks();
      act();
    });
  }

  private giveBack(): void {
    collect(null);
    withStacks();
    release();
  }

  /** A context that the kit itself cancels. */
  private pair(name: string): Pair {
    const pair = withCancelCause(background());
    this.names.own(pair[0], name);
    this.contexts.delete(pair[0]);
    return pair;
  }

  get context(): Context {
    return this.root[0];
  }

  get abortContext(): Context {
    return (this.abort ??= this.pair("t.abort"))[0];
  }

  cancel(cause?: unknown): void {
    this.root[1](cause);
  }

  private cancelAll(): void {
    this.cancel();
    this.abort?.[1]();
  }

  /** `settle` is called when every task is blocked. */
  whenIdle(settle: (result: unknown, failed?: boolean) => void): void {
    if (this.waiting === null) this.waiting = settle;
    else settle(new Error("t.wait: another wait is under way; let one task do the waiting"), true);
  }

  // ----------------------------------------------------------------------------------------------------------------- the steps

  private readonly next = (): void => {
    try {
      if (this.phase === "unwinding") this.unwind();
      else if (this.error !== null) this.fail(this.error.error);
      else if (this.steps >= this.manner.steps) this.fail(this.livelock());
      else if (this.inject()) return;
      else if (this.queue.length > 0) this.resumeOne();
      else if (this.pick(1, null) === 1) this.cancelAsStep();
      else this.idle();
    } catch (error) {
      // A plan that does not fit.
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
    this.steps++;
    this.task = task;
    this.outsideSince = null;
    this.polls = 0;
    recount(this.manner.steps);
    enter(this);
  }

  private readonly after = (): void => {
    leave();
    if (this.steps % TURN === 0) nextTurn(this.next);
    else this.next();
  };

  private resumeOne(): void {
    const { queue } = this;
    const mayFire = this.manner.timers === "any" && this.phase === "main" && !this.main.ended && this.clock.isSet;
    const n = mayFire ? queue.length + 1 : queue.length;
    const i = this.pick(n, queue);
    if (i === n) this.cancelAsStep();
    else if (i === queue.length) this.fire();
    else this.resume(i, n);
  }

  private resume(i: number, n: number): void {
    const resumption = this.queue[i]!;
    this.queue.splice(i, 1);
    resumption.task.queued--;
    if (this.steps >= this.manner.steps - LAST_STEPS) this.last[this.resumed++ % REMEMBERED] = resumption;
    step(() => {
      this.beginStep(resumption.task);
      this.recorder?.resumption(this.steps, resumption, n);
      resumption.resume();
      const { cancelAt, hop } = this.plan;
      if (hop !== undefined && cancelAt === this.steps - 1) this.hop(hop);
    }, this.after);
  }

  private fire(): void {
    const due = this.clock.due();
    const alarm = due[this.pick(due.length, null, false)]!;
    alarm.stop();
    this.clock.advance(alarm.due);
    this.step(this.clockwork, () => {
      this.recorder?.write(this.steps, this.clockwork, "fire", alarm.label(this.names), "", due.length);
      alarm.target.expire();
    });
  }

  // --------------------------------------------------------------------------------------------------------------- the choices

  /** Which of `n` candidates it is. Where t.ctx may be cancelled, that is one more: n. */
  private pick(n: number, queue: readonly Resumption[] | null, mayCancel: boolean = this.mayCancel): number {
    const all = mayCancel ? n + 1 : n;
    if (all === 1 || this.phase === "unwinding") return 0;
    const i = this.plan.picker.pick(all, this.picks.length, queue);
    if (!this.manner.choices) return i;
    this.picks.push(i);
    this.counts.push(all);
    if (n > 1 && i < n) this.schedule.push(i);
    return i;
  }

  private get mayCancel(): boolean {
    return this.plan.mayCancel && this.phase === "main" && this.steps > 0 && this.context.err() === undefined;
  }

  choose(n: number): number {
    try {
      return this.pick(n, null, false);
    } catch (error) {
      this.error ??= { error };
      return 0;
    }
  }

  // ------------------------------------------------------------------------------------------------------------ what is done to it

  /** Does what the plan wants to be done at this point; false: nothing. */
  private inject(): boolean {
    const { cancelAt, hop, abortAt } = this.plan;
    if (cancelAt === this.steps && hop === undefined && this.context.err() === undefined) {
      this.cancelAsStep();
    } else if (abortAt === this.steps && this.abort?.[0].err() === undefined) {
      this.step(this.canceller, () => {
        this.abort ??= this.pair("t.abort");
        this.abort[1]();
      });
    } else {
      return false;
    }
    return true;
  }

  private cancelAsStep(): void {
    this.cancelledAt = this.steps;
    this.choicesAtCancel = this.counts.length;
    this.step(this.canceller, () => this.cancel());
  }

  /** Cancels from within a step, after so many of its microtasks: between two awaits of promises that are not the library's. */
  private hop(left: number): void {
    soon(() => {
      if (left > 0) return this.hop(left - 1);
      const { task } = this;
      this.task = this.canceller;
      this.cancel();
      this.task = task;
    });
  }

  fault(): unknown {
    this.calls++;
    if (this.manner.callers === true && this.recorder !== null) this.callers.push(place());
    return this.calls === this.plan.failAt ? this.manner.fail : undefined;
  }

  private isInjected(error: unknown): boolean {
    if (this.plan.failAt === undefined) return false;
    for (let e = error, depth = 0; e !== undefined && e !== null && depth < 10; depth++) {
      if (e === this.manner.fail) return true;
      const thrown = e as { cause?: unknown };
      e = tried(() => thrown.cause, undefined);
    }
    return false;
  }

  // --------------------------------------------------------------------------------------------------------------------- idle

  /** Nothing may go on by itself. */
  private idle(): void {
    this.dropGone();
    const outside = this.tasks.filter((task) => task.isOutside);
    if (outside.length > 0 && !this.isAmongThemselves) return this.waitOutside(outside);
    const settle = this.waiting;
    // What is due by now belongs to now (Y5).
    if (settle !== null && !this.main.ended && this.clock.isDue) this.fire();
    else if (settle !== null) {
      this.waiting = null;
      settle(undefined);
      this.next();
    } else if (this.phase === "cleanup") this.endClean();
    else if (this.main.ended) this.cleanUp();
    else if (this.clock.isSet) this.fire();
    else {
      const blocked = this.infos();
      const what = "deadlock: all tasks in the bubble are blocked and no timer is pending";
      this.fail(new DeadlockError(this.whole([what, ...blocked.map(lineOf)]), blocked));
    }
  }

  /** Whether those who wait for promises can only wait for each other, and something else in the bubble may help them on. */
  private get isAmongThemselves(): boolean {
    return !this.mayHearFromOutside && this.polls >= POLLS && this.isHelp && !isConnected();
  }

  private get isHelp(): boolean {
    return this.waiting !== null || (this.phase === "main" && !this.main.ended && this.clock.isSet);
  }

  private waitOutside(outside: readonly Task[]): void {
    this.wasOutside = true;
    const { external, storage } = this.manner;
    if (!storage && this.polls >= POLLS && canTell()) return this.fail(UNDECIDED);
    const now = realTime();
    this.outsideSince ??= now;
    // Where nothing was begun that could bring news, they may still wait for something that was begun before the test.
    const isLikely = this.mayHearFromOutside || outside.some((task) => task.isExternal) || isConnected();
    const patience = isLikely ? external : external / 10;
    // Some looks at the world there must have been, however long they took: the process itself may have been held up in between.
    if (this.polls >= POLLS && now - this.outsideSince > patience) {
      const what = [
        `blocked outside the bubble for more than ${patience}ms of real time${patience < external ? ", a tenth of `external`, for nothing was begun that could bring news" : ""}`,
        ...outside.map((task) => lineOf(this.infoOf(task))),
        "If it is I/O, bring it into the schedule by t.external(promise), and raise `external` if it may take longer; if it is another task of the test, let them use a channel",
      ].join("\n");
      const report = this.whole([what]);
      return this.fail(this.main.ended ? new LeakError(report, this.infos()) : new DeadlockError(report, this.infos()));
    }
    const again = (): void => this.take(this.next);
    recount(this.manner.steps);
    this.giveBack();
    if (this.polls++ < POLLS) nextTurn(again);
    else later(again, 1);
  }

  /** A report; where the kit has not seen all, it says so. */
  private whole(lines: readonly string[]): string {
    return (this.usesOther ? [...lines, `Beware: ${OTHER_COPY}`] : lines).join("\n");
  }

  private livelock(): DeadlockError {
    const tasks = this.infos();
    const what = `livelock: the scenario has made ${this.steps} steps; if it is not an endless loop, allow more by the option \`steps\``;
    const lines = [
      what,
      ...tasks.map(lineOf),
      `The last ${this.last.length} times a task went on, it was from`,
      ...byFrequency(this.last.map((resumption) => this.doingOf(resumption))),
    ];
    return new DeadlockError(this.whole(lines), tasks);
  }

  private doingOf(resumption: Resumption): Doing {
    const { name, place: begun } = resumption.task;
    if (!(resumption instanceof Wait)) return { what: `${name.padEnd(12)} start`, object: "", at: begun.at };
    const { op, on, place } = resumption;
    return { what: `${name.padEnd(12)} ${op}`, object: op === "select" ? "" : this.names.target(on, op), at: place.at };
  }

  /** A step that would never have ended. */
  stopped(task: Task | undefined, places: readonly Place[]): void {
    const looping = task ?? this.task;
    this.stops++;
    this.hung.add(looping);
    if (this.phase === "unwinding") return;
    const tasks = this.infos();
    const lines = [
      `livelock: ${looping.name} was stopped, for it awaits one promise after the other, and none that lets anybody else go on; if it is not an endless loop, allow more by the option \`steps\`, or put a t.yield() into it`,
      ...tasks.map(lineOf),
      `The last ${places.length} promises were made`,
      ...byFrequency(places.map(({ at }) => ({ what: at === "" ? "at an unknown place" : "", object: "", at }))),
    ];
    this.error ??= { error: new DeadlockError(this.whole(lines), tasks) };
  }

  // ------------------------------------------------------------------------------------------------------------------ the end

  /** The function has returned: time stands still, and everything that is left must end now that its ctx has ended. */
  private cleanUp(): void {
    this.phase = "cleanup";
    this.dropEnded();
    this.step(this.canceller, () => this.cancelAll());
  }

  private endClean(): void {
    const left = this.tasks.filter((task) => !task.isGone).map((task) => this.infoOf(task));
    const { contexts } = this;
    const { alarms } = this.clock;
    if (left.length + contexts.size + alarms.length === 0) return this.end();
    const found = [
      left.length > 0 && `${left.length} task(s) that do not end, although t.ctx has ended and time stands still`,
      contexts.size > 0 && `${contexts.size} context(s) that nobody cancelled: using _ = cancel`,
      alarms.length > 0 && `${alarms.length} timer(s) still set: stop them, or end their ctx`,
    ];
    const lines = [
      `leak: the test returned and left ${found.filter((text) => text !== false).join(", and ")}`,
      ...left.map(lineOf),
      ...[...contexts].map(([ctx, made]) => `  ${this.names.of(ctx)}${made.at === "" ? "" : ` made at ${made.at}`}`),
      ...alarms.map((alarm) => `  ${alarm.label(this.names)}${alarm.set.at === "" ? "" : ` set at ${alarm.set.at}`}`),
    ];
    this.fail(new LeakError(this.whole(lines), left));
  }

  /** The run has failed. Whoever heeds t.ctx gets a chance to clean up; that is not recorded. */
  private fail(error: unknown): void {
    this.failure ??= { error, tasks: this.infos() };
    this.failedAt = realTime();
    for (const task of this.tasks) if (task.isOutside) this.hung.add(task);
    this.recorder = null;
    this.phase = "unwinding";
    this.step(this.canceller, () => this.cancelAll());
  }

  private unwind(): void {
    if (this.queue.length > 0 && this.unwound++ < UNWINDING) return this.resume(0, 1);
    // A cleanup may have to do with the world outside. Who waited there before is not waited for.
    const isBusy = this.tasks.some((task) => task.isOutside && !this.hung.has(task));
    if (isBusy && this.queue.length === 0 && realTime() - this.failedAt < PATIENCE) later(this.next, 1);
    else this.end();
  }

  private end(): void {
    this.isOver = true;
    if (this.isWatched) unwatch();
    withStacks();
    if (this.manner.checked) nextTurn(() => this.judge());
    else this.judge();
  }

  private judge(): void {
    const error = firstOf(this.unhandled);
    if (error !== undefined && this.failure === null) {
      this.failure = { error, tasks: [] };
      this.isRejection = true;
    }
    part(this);
    this.finish();
    // Whoever waits for the end goes on before the next bubble does.
    drained(() => this.giveBack());
  }
}
