/**
 * The scheduler of a bubble, which the library calls through the seam: it owns the tasks, the queue of resumptions, the
 * clock, the names and the recorder. It chooses nothing: the execution that holds it (`execution.ts`) chooses the next
 * step.
 *
 * Invariants:
 * - Whatever is called while a step runs is done by the task whose step it is, unless AsyncLocalStorage knows better.
 * - Until the bubble is over, a task resumes only out of the queue; after that, at once.
 */
import { Chan } from "../chan/chan.ts";
import { AfterFuncCtx } from "../context/afterfunc.ts";
import { CancelCtx } from "../context/cancel.ts";
import { background, type CancelCauseFunc, withCancelCause } from "../context/index.ts";
import { attempt, hasMethod, isA } from "../internal/foreign.ts";
import type { Alarm, TimerTarget } from "../internal/runtime.ts";
import type { NoteEvent, Op, Task as Start } from "../internal/seam.ts";
import type { Parked, Waiter } from "../internal/waitqueue.ts";
import type { Context } from "../types.ts";
import { callsite, type CallSite, NOWHERE } from "./callsite.ts";
import { type Choice, choiceOf } from "./candidates.ts";
import { BubbleAlarm, Clock } from "./clock.ts";
import { isPlain, Names } from "./names.ts";
import { hasStorage } from "./platform.ts";
import { Recorder } from "./recorder.ts";
import type { Unhandled } from "./rejections.ts";
import { generator } from "./schedule.ts";
import { enter, isRunning, type LiveBubble, ownerOfCode, within } from "./seam.ts";
import { type AnyOp, type Resumption, type ResumptionQueue, Task, type TaskInfo, Wait } from "./task.ts";
import { CANCELLER, CLOCK } from "./rows.ts";
import { Trace } from "./trace.ts";
import { mayOnlyLook, Watch } from "./watch.ts";

export interface SchedulerOptions {
  /** The bubble's time at its beginning, in epoch ms. */
  readonly start: number;
  /** Record the trace and the call sites: several times slower. */
  readonly record: boolean;
  /** Use AsyncLocalStorage, if there is one: it names the task of code that continues after a promise from outside. */
  readonly storage: boolean;
}

/** The decisions that the scheduler leaves to its execution. */
export interface Decider {
  /** Picks one of `n` ready cases. */
  choose(n: number): number;
  /** The error to refuse the operation with that is being called; undefined: none. */
  fault(): unknown;
  /** Code of this task, or of the task whose step runs, was an endless loop and has been stopped. */
  stopped(task: Task | undefined, sites: readonly CallSite[]): void;
}

/** Number of contexts, and of tasks, that are kept before those that have ended are dropped. */
const DROP_AT = 1_024;

/** A task that has not begun: `resume` queues a microtask that calls `run`. */
interface Beginning {
  run: () => void;
  resume: () => void;
}

// One executor for all promises: a closure for each would be expensive.
let resolve: (value: unknown) => void;
let reject: (error: unknown) => void;
const capture = (res: (value: unknown) => void, rej: (error: unknown) => void): void => {
  resolve = res;
  reject = rej;
};

export class BubbleScheduler implements LiveBubble, ResumptionQueue {
  readonly names: Names;
  readonly clock: Clock = new Clock();
  readonly watch: Watch = new Watch();
  readonly unhandled: Unhandled = new Map();
  /** The resumptions that may be picked, in the order in which they became ready. */
  readonly queue: Resumption[] = [];
  /** The contexts that have not been cancelled yet and must be, and the calls that made them. */
  readonly contexts: Map<object, CallSite> = new Map();
  /** The tasks from which something may still come, and the pseudo-tasks. */
  tasks: Task[] = [];
  /** null: nothing is recorded, or not any more. */
  recorder: Recorder | null;
  /** The first error that nothing has caught. */
  error: { readonly error: unknown } | null = null;
  /** Number of steps begun, the one that runs included. */
  steps = 0;
  /** The task whose step runs, or ran last. */
  task: Task;
  /** The task of the function under test; undefined before it begins. */
  main!: Task;
  isOver = false;
  // Set from outside: `LiveBubble` in seam.ts says by what, and what they mean.
  usesOther = false;
  mayHearFromOutside = true;

  // Pseudo-tasks: they act, but run no code of the test.
  readonly canceller: Task = this.pseudoTask(CANCELLER);
  readonly clockTask: Task = this.pseudoTask(CLOCK);
  /** Stands for the task of code whose task is not known. */
  private readonly unknownTask: Task = this.pseudoTask("?");

  private readonly options: SchedulerOptions;
  private readonly decider: Decider;
  /** The recorder, also after the recording: the trace is read from it. Null: nothing was to be recorded. */
  private readonly written: Recorder | null;
  private readonly prng: () => number = generator(1);
  private dropContextsAt = DROP_AT;
  private dropTasksAt = DROP_AT;
  /** The alarm that was set last. */
  private lastAlarm: BubbleAlarm | null = null;

  constructor(options: SchedulerOptions, decider: Decider) {
    this.options = options;
    this.decider = decider;
    this.names = new Names(options.record);
    this.task = this.canceller;
    this.recorder = this.written = options.record ? new Recorder(this.names, this.clock) : null;
  }

  get knowsItsCode(): boolean {
    return this.options.storage && hasStorage && this.task !== this.canceller && this.task !== this.clockTask;
  }

  private pseudoTask(name: string): Task {
    const task = new Task(this, name, NOWHERE);
    task.ended = true;
    this.tasks.push(task);
    return task;
  }

  /** The task of the code that runs. */
  private currentTask(): Task {
    const owner = ownerOfCode();
    if (owner?.bubble === this) return owner.task;
    if (isRunning(this)) return this.task;
    // The code continues after a promise from outside. If only one task waits for one, it is that task's.
    const outside = this.tasks.filter((task) => task.isOutside);
    return outside.length === 1 ? outside[0]! : this.unknownTask;
  }

  /** The call of headgate that is under way, if call sites are recorded. */
  callsite(): CallSite {
    return this.recorder === null ? NOWHERE : callsite();
  }

  // --------------------------------------------------------------------------------------------------------- the waits

  park(waiter: Waiter, op: Op, on: unknown): Parked {
    this.refuseWhileLooking();
    // A sleep has just set its alarm, at the same call site; taking a stack is the most expensive part of a bubble.
    const { lastAlarm } = this;
    const isSleep = lastAlarm !== null && lastAlarm.target === (waiter.queue as unknown);
    const site = isSleep ? lastAlarm.site : this.callsite();
    this.lastAlarm = null;
    const wait = new Wait(this.currentTask(), op, on, waiter.value, this.clock.elapsed, site);
    this.recorder?.wait(this.steps, wait);
    return wait;
  }

  settled<T>(op: Op, on: unknown, result: unknown, failed: boolean, value: unknown): Promise<T> {
    this.refuseWhileLooking();
    // No scheduling point: no other task can observe that a task was admitted to a group, or left a loop.
    if ((op === "group.go" || op === "return") && !failed) return Promise.resolve(result as T);
    const wait = new Wait(this.currentTask(), op, on, value, this.clock.elapsed, this.callsite());
    this.recorder?.done(this.steps, wait, result, failed);
    const promise = new Promise(capture) as Promise<T>;
    wait.end(failed ? reject : resolve, result, failed);
    return promise;
  }

  /** An operation of the kit's own, such as `t.wait`. `parked` gets the function that ends it. */
  suspend<T>(
    op: AnyOp,
    parked: (settle: (result: unknown, failed?: boolean) => void) => unknown,
    value?: unknown,
  ): Promise<T> {
    this.refuseWhileLooking();
    const wait = new Wait(this.currentTask(), op, null, value, this.clock.elapsed, this.callsite());
    this.recorder?.wait(this.steps, wait);
    return new Promise<unknown>((resolve, reject) => {
      parked((result, failed = false) => wait.end(failed ? reject : resolve, result, failed));
    }) as Promise<T>;
  }

  enqueue(resumption: Resumption): void {
    // A task that resumes after the end does not concern the test any more, but must not hang.
    if (this.isOver) return resumption.resume();
    // A promise of the platform may settle during a step on one runtime, and after it on another: no step made it do so.
    const isFromOutside = resumption instanceof Wait && resumption.op === "external";
    if (this.recorder !== null && this.steps > 0 && isRunning(this) && !isFromOutside) resumption.by = this.steps;
    resumption.task.queued++;
    this.queue.push(resumption);
  }

  /** Takes a resumption out of the queue. */
  dequeue(i: number): Resumption {
    const resumption = this.queue[i]!;
    this.queue.splice(i, 1);
    resumption.task.queued--;
    return resumption;
  }

  /** A step of this task begins. */
  beginStep(task: Task): void {
    this.steps++;
    this.task = task;
    enter(this);
  }

  /** The step is over: calls the function of t.watch. */
  endStep(): void {
    const { watch, recorder } = this;
    if (!watch.isSet) return recorder?.endStep(this.steps, undefined);
    try {
      // As code of the bubble, so that what it does is refused.
      if (this.options.storage) within(this, this.task, () => watch.take());
      else watch.take();
      recorder?.endStep(this.steps, watch.snapshot);
    } catch (error) {
      recorder?.write(this.steps, this.task, "throw", "t.watch", this.names.value(error));
      this.fail(error);
    }
  }

  /** Called by everything that does something. While the function of t.watch runs, it throws, and the test fails. */
  private refuseWhileLooking(): void {
    if (!this.watch.isLooking) return;
    const error = mayOnlyLook();
    this.fail(error);
    throw error;
  }

  /** The choice of candidate `i` of `n` for the next step: a resumption, or the clock; undefined if there is none. */
  choiceOfStep(i: number, n: number): Choice | undefined {
    return choiceOf(n, i, (k) => this.queue[k]?.task.name ?? CLOCK);
  }

  /** The choice of timer `i` among those that are due. */
  choiceOfTimer(i: number, due: readonly BubbleAlarm[]): Choice | undefined {
    return choiceOf(due.length, i, (k) => due[k]!.nameAmong(this.names));
  }

  // --------------------------------------------------------------------------------------------------------- the tasks

  spawn(start: Start, fn: unknown): void {
    this.refuseWhileLooking();
    const name = this.names.task(fn);
    this.recorder?.write(this.steps, this.currentTask(), "go", name);
    this.begin(name, start);
  }

  prepare(start: Start, fn: unknown): () => void {
    this.refuseWhileLooking();
    const beginning = this.beginning();
    // The call that asks for the task, not the one that makes room for it.
    const site = this.callsite();
    return () => {
      const name = this.names.task(fn);
      this.recorder?.write(this.steps, this.currentTask(), "go", name);
      this.begin(name, start, site, beginning);
    };
  }

  /**
   * The task begins in a promise reaction that is made now, so it runs in the async context of this call, as in
   * production.
   */
  private beginning(): Beginning {
    const beginning: Beginning = { run: () => {}, resume: () => {} };
    const promise = new Promise(capture);
    beginning.resume = resolve as () => void;
    void promise.then(() => beginning.run());
    return beginning;
  }

  /** Adds a task and queues its beginning. */
  begin(
    name: string,
    start: (ended: () => void) => void,
    site: CallSite = this.callsite(),
    beginning: Beginning = this.beginning(),
  ): Task {
    const task = new Task(this, name, site);
    this.tasks.push(task);
    if (this.tasks.length > this.dropTasksAt) {
      this.dropGone();
      this.dropTasksAt = Math.max(DROP_AT, 2 * this.tasks.length);
    }
    const ended = (): void => {
      task.ended = true;
      this.recorder?.write(this.steps, task, "end");
    };
    const run = (): void => start(ended);
    beginning.run = this.options.storage ? () => within(this, task, run) : run;
    this.enqueue({ task, resume: beginning.resume, by: undefined });
    return task;
  }

  report(error: unknown): void {
    this.recorder?.write(this.steps, this.currentTask(), "throw", "", this.names.value(error));
    this.fail(error);
  }

  /** Remembers the first error. */
  fail(error: unknown): void {
    this.error ??= { error };
  }

  /** Drops the tasks that are gone; except the main task, which the execution asks about. */
  dropGone(): void {
    this.tasks = this.tasks.filter((task) => !task.isGone || task === this.main);
  }

  stopped(task: Task | undefined, sites: readonly CallSite[]): void {
    this.decider.stopped(task, sites);
  }

  /** The tasks that have not ended, and those that have left operations behind. */
  infos(): TaskInfo[] {
    return this.tasks.filter((task) => !task.isGone).map((task) => this.infoOf(task));
  }

  infoOf(task: Task): TaskInfo {
    const hasTheStep = isRunning(this) && task === this.task && !this.watch.isLooking;
    return task.info(this.clock.elapsed, hasTheStep, ({ op, on, value }) => {
      const text = value === undefined || op === "select" ? "" : this.names.value(value);
      return [op, this.names.target(on, op), text].filter((part) => part !== "").join(" ");
    });
  }

  // ----------------------------------------------------------------------------------------- time, randomness, choices

  now(): number {
    return this.options.start + this.clock.elapsed;
  }

  monotonic(): number {
    return this.clock.elapsed;
  }

  alarm(due: number, target: TimerTarget, on: unknown): Alarm {
    this.refuseWhileLooking();
    const task = this.recorder === null ? "" : this.currentTask().name;
    const alarm = (this.lastAlarm = new BubbleAlarm(this.clock, due, target, on, this.callsite(), task));
    this.recorder?.set(this.steps, this.currentTask(), alarm);
    return this.clock.set(alarm);
  }

  random(): number {
    return this.prng();
  }

  choose(n: number, cases: unknown, list: readonly unknown[]): number {
    this.refuseWhileLooking();
    const pick = this.decider.choose(n);
    this.recorder?.choose(this.steps, this.currentTask(), cases, list, pick);
    return pick;
  }

  fault(): unknown {
    this.refuseWhileLooking();
    return this.decider.fault();
  }

  // ------------------------------------------------------------------------------------------------ objects, the trace

  created(object: object, parent?: object): void {
    // `ctx.done()` makes its channel when it is called first.
    if (!isA(object, Chan) || !hasMethod(parent, "done")) this.refuseWhileLooking();
    const site = this.callsite();
    this.names.created(object, parent, site);
    // A context without a cancel function cannot be left uncancelled.
    if (!(object instanceof CancelCtx) || object instanceof AfterFuncCtx) return;
    this.contexts.set(object, site);
    if (this.contexts.size > this.dropContextsAt) {
      this.dropEnded();
      this.dropContextsAt = Math.max(DROP_AT, 2 * this.contexts.size);
    }
  }

  cancelCalled(ctx: object): void {
    this.contexts.delete(ctx);
  }

  /** Drops the contexts that have ended: they are attached to no parent any more, so nothing leaks. */
  dropEnded(): void {
    for (const ctx of this.contexts.keys()) if ((ctx as CancelCtx).outcome !== null) this.contexts.delete(ctx);
  }

  /** Makes a context that the kit itself cancels. */
  ownContext(name: string): readonly [ctx: Context, cancel: CancelCauseFunc] {
    const pair = withCancelCause(background());
    this.names.own(pair[0], name);
    this.contexts.delete(pair[0]);
    return pair;
  }

  owns(on: unknown): boolean {
    if (typeof on !== "object" || on === null) return false;
    if (this.names.has(on)) return true;
    return isPlain(on) && (attempt(() => Object.values(on)) ?? []).some((part) => this.names.has(part));
  }

  note(event: NoteEvent, on: unknown, detail: unknown): void {
    this.refuseWhileLooking();
    this.recorder?.note(this.steps, this.currentTask(), event, on, detail);
  }

  trace(): Trace {
    return new Trace([...(this.written?.rows ?? [])]);
  }
}
