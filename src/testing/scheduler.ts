/**
 * What is in a bubble: its tasks, what may go on, the clock, and the names of things; and so the library's end of it, for all that the
 * library asks of a test comes here. Who decides what goes on next is the execution (`execution.ts`).
 *
 * Invariant: whatever is called while a step runs is the doing of the task whose step it is.
 */
import { AfterFuncCtx } from "../context/afterfunc.ts";
import { CancelCtx } from "../context/cancel.ts";
import type { Waiter } from "../internal/waitqueue.ts";
import type { Alarm, TimerTarget } from "../internal/runtime.ts";
import type { Task as Start } from "../internal/seam.ts";
import { BubbleAlarm, Clock } from "./clock.ts";
import { isPlain, Names } from "./names.ts";
import { NOWHERE, type Place, place } from "./callsite.ts";
import { tried } from "./plain.ts";
import { generator } from "./schedule.ts";
import type { Unhandled } from "./rejections.ts";
import { Recorder } from "./recorder.ts";
import { isRunning, stored, within } from "./seam.ts";
import { type Resumption, Task, type TaskInfo, Wait } from "./task.ts";
import { CANCELLER, CLOCK, Trace } from "./trace.ts";
import { hasStorage } from "./eventloop.ts";
import { type Parked } from "../internal/waitqueue.ts";
import type { Scheduler } from "../internal/seam.ts";

/** How a run is to be made. */
export interface Manner {
  /** When the bubble's time begins, in epoch ms. */
  readonly start: number;
  /** How long the world outside may take, in ms of real time. */
  readonly external: number;
  /** How many steps are taken for an endless loop. */
  readonly steps: number;
  readonly timers: "idle" | "any";
  /** Whether to write down what happens, and where: several times slower. */
  readonly record: boolean;
  /** Whether the choices are kept, for who wants to take others the next time. They are one more for each step, without end. */
  readonly choices: boolean;
  /** Whether to write down who calls each operation that may be refused. */
  readonly callers?: boolean;
  /** Whether to use AsyncLocalStorage, where there is one: exact in code that goes on after a promise from outside. */
  readonly storage: boolean;
  /** Whether to wait at the end until the platform has told of unhandled rejections, which takes a turn of the event loop. */
  readonly checked: boolean;
  /** With what to refuse the operation that the plan wants refused. */
  readonly fail?: Error | undefined;
}

/** How many contexts, and how many tasks, are kept before those that have ended are let go. */
const ENOUGH = 1_024;

/** How a task begins: `resume` lets it, and then `run` is called. */
interface Beginning {
  run: () => void;
  resume: () => void;
}

// One executor for all promises: a closure each would be dear.
let resolve: (value: unknown) => void;
let reject: (error: unknown) => void;
const capture = (res: (value: unknown) => void, rej: (error: unknown) => void): void => {
  resolve = res;
  reject = rej;
};

export abstract class Room implements Scheduler {
  readonly manner: Manner;
  readonly names: Names;
  readonly clock: Clock = new Clock();
  steps = 0;
  isOver = false;
  /** Whether another copy of headgate was used in it, of which nothing is seen. */
  usesOther = false;
  /** Whether anything has been begun that can bring news from outside, or nobody knows. */
  mayHearFromOutside = true;
  /** What has gone wrong: the first error that nobody has caught. */
  error: { readonly error: unknown } | null = null;
  /** Who has called the operations that may be refused, if that is asked for, and how many there were. */
  readonly callers: Place[] = [];
  protected calls = 0;

  protected recorder: Recorder | null;
  protected tasks: Task[] = [];
  protected readonly queue: Resumption[] = [];
  /** The contexts that somebody has to cancel and has not yet, and where they were made. */
  protected readonly contexts: Map<object, Place> = new Map();
  readonly unhandled: Unhandled = new Map();
  /** Whose step runs, or has run last. */
  protected task: Task;
  /** The task of the function that is tested; not there before it begins. */
  protected main!: Task;
  // Those who act without being tasks.
  protected readonly canceller: Task = this.ghost(CANCELLER);
  protected readonly clockwork: Task = this.ghost(CLOCK);
  private readonly stranger: Task = this.ghost("?");
  private readonly written: Recorder | null;
  private readonly chance: () => number = generator(1);
  private enoughContexts = ENOUGH;
  private enoughTasks = ENOUGH;
  /** The timer that was set last. */
  private alarmed: BubbleAlarm | null = null;

  constructor(manner: Manner) {
    this.manner = manner;
    this.names = new Names(manner.record);
    this.task = this.canceller;
    this.recorder = this.written = manner.record ? new Recorder(this.names, this.clock) : null;
  }

  /** Whether all code that runs now and is the bubble's carries its task in AsyncLocalStorage. */
  get knowsItsCode(): boolean {
    return this.manner.storage && hasStorage && this.task !== this.canceller && this.task !== this.clockwork;
  }

  private ghost(name: string): Task {
    const task = new Task(this, name, NOWHERE);
    task.ended = true;
    this.tasks.push(task);
    return task;
  }

  /** Whose code runs. */
  protected who(): Task {
    const task = stored();
    if (task !== undefined && task.room === this) return task;
    if (isRunning(this)) return this.task;
    // Code that goes on after a promise from outside: of those who wait for one, if there is but one.
    const outside = this.tasks.filter((task) => task.isOutside);
    return outside.length === 1 ? outside[0]! : this.stranger;
  }

  protected here(): Place {
    return this.recorder === null ? NOWHERE : place();
  }

  // --------------------------------------------------------------------------------------------------------------- the waits

  park(waiter: Waiter, op: string, on: unknown): Parked {
    // A sleep has just set its timer: it is the same place, and to take one is what costs most in a bubble.
    const { alarmed } = this;
    const here = alarmed !== null && alarmed.target === (waiter.queue as unknown) ? alarmed.set : this.here();
    this.alarmed = null;
    const wait = new Wait(this.who(), op, on, waiter.value, this.clock.elapsed, here);
    this.recorder?.wait(this.steps, wait);
    return wait;
  }

  settled<T>(op: string, on: unknown, result: unknown, failed: boolean, value: unknown): Promise<T> {
    // To be admitted to a group, or to leave a loop, is no communication: nobody else could tell.
    if ((op === "group.go" || op === "return") && !failed) return Promise.resolve(result as T);
    const wait = new Wait(this.who(), op, on, value, this.clock.elapsed, this.here());
    this.recorder?.done(this.steps, wait, result, failed);
    const promise = new Promise(capture) as Promise<T>;
    wait.end(failed ? reject : resolve, result, failed);
    return promise;
  }

  /** A wait of the test's own. `parked` gets what ends it. */
  suspend<T>(
    op: string,
    parked: (settle: (result: unknown, failed?: boolean) => void) => unknown,
    value?: unknown,
  ): Promise<T> {
    const wait = new Wait(this.who(), op, null, value, this.clock.elapsed, this.here());
    this.recorder?.wait(this.steps, wait);
    return new Promise<unknown>((resolve, reject) => {
      parked((result, failed = false) => wait.end(failed ? reject : resolve, result, failed));
    }) as Promise<T>;
  }

  enqueue(resumption: Resumption): void {
    // What comes after the end is not the test's business any more, but it shall not hang.
    if (this.isOver) return resumption.resume();
    resumption.task.queued++;
    this.queue.push(resumption);
  }

  // --------------------------------------------------------------------------------------------------------------- the tasks

  spawn(start: Start, fn: unknown): void {
    const name = this.names.task(fn);
    this.recorder?.write(this.steps, this.who(), "go", name);
    this.begin(name, start);
  }

  prepare(start: Start, fn: unknown): () => void {
    const beginning = this.beginning();
    // Where somebody asked for it, and not where the slot became free.
    const here = this.here();
    return () => {
      const name = this.names.task(fn);
      this.recorder?.write(this.steps, this.who(), "go", name);
      this.begin(name, start, here, beginning);
    };
  }

  /** As a reaction that is made now, what begins goes on in the async context of now, as it would in production. */
  private beginning(): Beginning {
    const beginning: Beginning = { run: () => {}, resume: () => {} };
    const promise = new Promise(capture);
    beginning.resume = resolve as () => void;
    void promise.then(() => beginning.run());
    return beginning;
  }

  protected begin(
    name: string,
    start: (ended: () => void) => void,
    place: Place = this.here(),
    beginning: Beginning = this.beginning(),
  ): Task {
    const task = new Task(this, name, place);
    this.tasks.push(task);
    if (this.tasks.length > this.enoughTasks) {
      this.dropGone();
      this.enoughTasks = Math.max(ENOUGH, 2 * this.tasks.length);
    }
    const ended = (): void => {
      task.ended = true;
      this.recorder?.write(this.steps, task, "end");
    };
    const run = (): void => start(ended);
    beginning.run = this.manner.storage ? () => within(task, run) : run;
    this.enqueue({ task, resume: beginning.resume });
    return task;
  }

  report(error: unknown): void {
    this.recorder?.write(this.steps, this.who(), "throw", "", this.names.value(error));
    this.error ??= { error };
  }

  /** A task of which nothing can come any more is forgotten; but for the first, which has what the test's own function does. */
  protected dropGone(): void {
    this.tasks = this.tasks.filter((task) => !task.isGone || task === this.main);
  }

  /** The code of a task, or of whoever has the step, was stopped, for it went on without end here. */
  abstract stopped(task: Task | undefined, places: readonly Place[]): void;

  /** The tasks that have not ended, and who else still waits for something. */
  infos(): TaskInfo[] {
    return this.tasks.filter((task) => !task.isGone).map((task) => this.infoOf(task));
  }

  protected infoOf(task: Task): TaskInfo {
    const hasTheStep = isRunning(this) && task === this.task;
    return task.info(this.clock.elapsed, hasTheStep, ({ op, on, value }) => {
      const text = value === undefined || op === "select" ? "" : this.names.value(value);
      return [op, this.names.target(on, op), text].filter((part) => part !== "").join(" ");
    });
  }

  // ------------------------------------------------------------------------------------------------------- time, chance, choice

  now(): number {
    return this.manner.start + this.clock.elapsed;
  }
  monotonic(): number {
    return this.clock.elapsed;
  }
  alarm(due: number, target: TimerTarget, on: unknown): Alarm {
    const alarm = (this.alarmed = new BubbleAlarm(this.clock, due, target, on, this.here()));
    this.recorder?.set(this.steps, this.who(), alarm);
    return this.clock.set(alarm);
  }
  random(): number {
    return this.chance();
  }
  abstract choose(n: number): number;
  abstract fault(): unknown;

  // ------------------------------------------------------------------------------------------------------ objects, the record

  created(object: object, parent?: object): void {
    const made = this.here();
    this.names.created(object, parent, made);
    // A context that nobody can cancel cannot be forgotten either.
    if (!(object instanceof CancelCtx) || object instanceof AfterFuncCtx) return;
    this.contexts.set(object, made);
    if (this.contexts.size > this.enoughContexts) {
      this.dropEnded();
      this.enoughContexts = Math.max(ENOUGH, 2 * this.contexts.size);
    }
  }

  cancelCalled(ctx: object): void {
    this.contexts.delete(ctx);
  }

  /** A context that has ended is attached to nobody any more. */
  protected dropEnded(): void {
    for (const ctx of this.contexts.keys()) if ((ctx as CancelCtx).outcome !== null) this.contexts.delete(ctx);
  }

  /** Whether `on`, an object or the cases of a select, belongs to this bubble. */
  owns(on: unknown): boolean {
    if (typeof on !== "object" || on === null) return false;
    if (this.names.has(on)) return true;
    return isPlain(on) && tried(() => Object.values(on), []).some((part) => this.names.has(part));
  }

  note(event: string, on: unknown, detail: unknown): void {
    this.recorder?.note(this.steps, this.who(), event, on, detail);
  }

  trace(): Trace {
    return new Trace([...(this.written?.rows ?? [])]);
  }
}
