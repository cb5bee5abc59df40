/**
 * The probe: what it remembers of a program that runs.
 *
 * Most waits are over in no time, and must cost next to nothing. Those that last are few, and may cost a little. So
 * there are generations, and a sweep every `sweep` ms moves what has lasted to the next one:
 *
 *     young   since the last sweep           entries in arrays, nothing else
 *     middle  since the sweep before         records, which hold the wait strongly
 *     old     longer                         records, which hold it weakly; its stack has been read, and the garbage
 *                                            collector is asked to say when nothing can wake it any more
 *
 * Contexts and tasks pass through the same generations. What costs more than a tenth of an operation has a budget: so
 * many stacks a second, so many waits timed for the profile.
 *
 * Invariants:
 * - It changes nothing of what the program does.
 * - It keeps nothing of the program alive for longer than two sweeps, unless more waits last than a sweep can move.
 * - In a bubble it sees nothing: the test kit does.
 */
import { nil } from "../chan/chan.ts";
import { CancelCtx } from "../context/cancel.ts";
import { acquired, created, followed, park } from "../internal/runtime.ts";
import type { Op, Probe, TaskParts } from "../internal/seam.ts";
import type { Waiter } from "../internal/waitqueue.ts";
import { doneChannels, treesOf, type ContextNode } from "./contexts.ts";
import { infoOf, setInfo, type Info } from "./info.ts";
import { type Leak, LeakFinder } from "./leak.ts";
import { StackBudget } from "./budget.ts";
import { heldBy, States, withoutStack } from "./locks.ts";
import { isKnown, operationText } from "./name.ts";
import { chance, clock, createStorage, later, type Storage } from "./platform.ts";
import { Tallies } from "./tally.ts";
import { Stack } from "./stack.ts";
import { type Task, TaskRecord } from "./task.ts";
import { isForEver, isOutOfQueues, onEnd, type Part, type Wait, WaitRecord } from "./wait.ts";
import { YoungWaits } from "./young.ts";

/** The options, complete. */
export interface Budget {
  readonly stacks: number;
  readonly samples: number;
  readonly tasks: boolean;
  readonly sweep: number;
}

/** The number of waits that grow old in one sweep, unless there are many. */
const AT_ONCE = 500;
/** The number of young contexts and tasks after which those that have ended are dropped. */
const ENOUGH = 1_024;
/** The number of stacks after which they are read, though no sweep is due. */
const MOST_UNREAD = 4_096;
/** The number of sweeps after which a call counts as rare again, and has its stack taken before those of frequent ones. */
const RARE = 4;

export class Watching implements Probe {
  readonly tallies: Tallies = new Tallies();
  private readonly finder: LeakFinder;
  private readonly budget: Budget;
  private readonly storage: Storage<TaskRecord> | null;
  private isOn = true;
  private stopTimer: () => void;
  private readonly begun: number = clock();
  /** The time of the last sweep: the clock of what needs no better one. */
  private lastSweep: number = clock();
  /** The number of sweeps. */
  private sweeps = 0;

  // Budgets.
  private readonly stacks: StackBudget;
  /** The number of waits since the last sweep. */
  private parks = 0;
  /** The number of waits for which one that is timed stands. */
  private stride = 1;
  private untilSample = 1;
  /** The number of waits that were timed since the stride has changed. */
  private timed = 0;
  private lastId = 0;

  // Generations.
  private readonly young: YoungWaits = new YoungWaits();
  private middle: WaitRecord[] = [];
  private readonly old: Set<WaitRecord> = new Set();
  private youngTasks: TaskRecord[] = [];
  private middleTasks: TaskRecord[] = [];
  private readonly oldTasks: Set<TaskRecord> = new Set();
  private enoughTasks = ENOUGH;
  /** Contexts with a cancel function, which is in the other list, at the same place. */
  private youngCtxs: CancelCtx[] = [];
  private youngCancels: object[] = [];
  private middleCtxs: CancelCtx[] = [];
  private middleCancels: object[] = [];
  private youngRoots: CancelCtx[] = [];
  private enoughCtxs = ENOUGH;
  private readonly oldRoots: Set<WeakRef<CancelCtx>> = new Set();
  /** Stacks of what is no wait, to be read in the next sweep. */
  private unread: Stack[] = [];
  /** Where those that wait for a lock have called for it. */
  private readonly lockCalls: WeakMap<Waiter, Stack> = new WeakMap();

  constructor(budget: Budget, onLeak: (leak: Leak) => void) {
    this.budget = budget;
    this.stacks = new StackBudget(budget.stacks);
    this.storage = budget.tasks ? createStorage() : null;
    this.finder = new LeakFinder((leak) => this.isOn && onLeak(leak));
    this.stopTimer = later(this.onTimer, budget.sweep);
  }

  private readonly onTimer = (): void => {
    this.sweep();
    this.stopTimer = later(this.onTimer, this.budget.sweep);
  };

  /** The largest number of stacks that are taken in a second. */
  get perSecond(): number {
    return this.stacks.perSecond;
  }

  /** The time since it began, in ms. */
  get watchedFor(): number {
    return Math.round(clock() - this.begun);
  }

  /** Ends it: nothing is reported from now on. */
  stop(): void {
    this.isOn = false;
    this.stopTimer();
  }

  // ----------------------------------------------------------------------------------------------------------- the probe

  parked(waiter: Waiter, op: Op, on: unknown): void {
    this.parks++;
    const task = this.storage === null ? null : (this.storage.getStore() ?? null);
    const isTimed = this.budget.samples > 0 && --this.untilSample <= 0;
    const stack = this.stackOfWait(op, on, isTimed);
    if (stack !== null && (op === "lock" || op === "rLock" || op === "acquire" || op === "cond.wait"))
      this.lockCalls.set(waiter, stack);
    if (!isTimed && (waiter.queue !== null || !isOutOfQueues(waiter)))
      return this.young.push(waiter, op, on, stack, task);
    const record = new WaitRecord(waiter, op, on, this.lastSweep, stack, task);
    if (record.isQueueless) onEnd(waiter, () => (record.isOver = true));
    if (isTimed) this.time(record);
    this.young.push(waiter, op, on, record, task);
  }

  private stackOfWait(op: Op, on: unknown, isTimed: boolean): Stack | null {
    if (!isTimed && !this.stacks.hasSome) return null;
    const isObject = typeof on === "object" && on !== null;
    const isRare = !isObject || this.isRare(infoOf(on), op);
    if (isTimed) this.stacks.spend();
    else if (!this.stacks.grants(op, isRare)) return null;
    const stack = new Stack(park);
    if (isObject && isRare && isKnown(on)) this.remember(infoOf(on) ?? this.describe(on, null, undefined), op, stack);
    return stack;
  }

  /** True if this operation on this object had no stack lately. */
  private isRare(info: Info | undefined, op: string): boolean {
    const place = info?.places?.get(op);
    return place === undefined || this.sweeps - place.sweep >= RARE;
  }

  /** Keeps the stack as the last place of the operation. It is read in the next sweep, so it keeps nothing alive. */
  private remember(info: Info, op: string, stack: Stack): void {
    info.places ??= new Map();
    info.places.set(op, { stack, sweep: this.sweeps });
    this.unread.push(stack);
  }

  /** Times a wait, for as many as lie between two that are timed. */
  private time(record: WaitRecord): void {
    const weight = this.stride;
    // If more come than in the last sweep, a share of them has to do.
    if (++this.timed >= this.budget.samples * this.share) {
      this.timed = 0;
      this.stride *= 2;
    }
    this.untilSample = this.gap();
    const begun = clock();
    onEnd(record.waiter!, () => this.tallies.add(record.op, record.site, clock() - begun, weight));
  }

  /** A random distance to the next wait that is timed: from 1, and `stride` on average. */
  private gap(): number {
    return Math.ceil(chance() * (2 * this.stride - 1));
  }

  created(object: object, parent?: object): void {
    const isContext = CancelCtx.isOne(object);
    if (isContext && !CancelCtx.isOne(parent)) this.youngRoots.push(object);
    // An operation on nil waits on a channel that no other code knows.
    if (parent === nil) return void this.describe(object, null, nil);
    // The channel that is a part of a context or a timer is named after it.
    const isPart = !isContext && parent !== undefined;
    if (!this.stacks.grants(isPart ? "part" : "made")) return;
    const made = isPart ? null : this.takeToRead(created);
    this.describe(object, made, isPart && CancelCtx.isOne(parent) ? parent : undefined);
  }

  private describe(object: object, made: Stack | null, parent: object | undefined): Info {
    const info = { id: ++this.lastId, made, at: this.lastSweep, parent, holder: null, places: null };
    setInfo(object, info);
    return info;
  }

  owned(ctx: object, cancel: object): void {
    this.youngCancels.push(cancel);
    if (this.youngCtxs.push(ctx as CancelCtx) < this.enoughCtxs) return;
    [this.youngCtxs, this.youngCancels] = livePairs(this.youngCtxs, this.youngCancels);
    this.youngRoots = this.youngRoots.filter(isLive);
    this.enoughCtxs = Math.max(ENOUGH, 2 * this.youngCtxs.length);
  }

  task<A, T>({ fn, succeeded, failed }: TaskParts<A, T>): TaskParts<A, T> {
    const stack = this.stacks.grants("task") ? this.takeToRead(followed) : null;
    const record = new TaskRecord(++this.lastId, fn, stack);
    return {
      fn: (arg) => this.run(record, fn, arg),
      succeeded: (value) => {
        this.ended(record);
        succeeded?.(value);
      },
      failed: (error) => {
        this.ended(record);
        failed(error);
      },
    };
  }

  private run<A, T>(record: TaskRecord, fn: (arg: A) => Promise<T> | T, arg: A): Promise<T> | T {
    record.begun = this.lastSweep;
    if (this.youngTasks.push(record) >= this.enoughTasks) {
      this.youngTasks = this.youngTasks.filter(({ isOver }) => !isOver);
      this.enoughTasks = Math.max(ENOUGH, 2 * this.youngTasks.length);
    }
    const result = this.storage === null ? fn(arg) : this.storage.run(record, fn, arg);
    if (typeof result === "object" && result !== null) record.result = result;
    return result;
  }

  private ended(record: TaskRecord): void {
    record.isOver = true;
    record.result = null;
    this.oldTasks.delete(record);
  }

  acquired(lock: object, waiter: Waiter | null): void {
    let info = infoOf(lock);
    const isRare = this.isRare(info, "held");
    const stack = this.stackOfHolder(waiter, isRare);
    if (stack !== null) info ??= this.describe(lock, null, undefined);
    if (info === undefined) return;
    info.holder = stack;
    if (stack !== null && isRare) this.remember(info, "held", stack);
  }

  private stackOfHolder(waiter: Waiter | null, isRare: boolean): Stack | null {
    if (waiter === null) return this.stacks.grants("held", isRare) ? this.takeToRead(acquired) : null;
    const call = this.lockCalls.get(waiter);
    if (call === undefined) return null;
    this.unread.push(call);
    return call;
  }

  private takeToRead(above: (...args: never[]) => unknown): Stack {
    const stack = new Stack(above);
    if (this.unread.push(stack) >= MOST_UNREAD) this.readStacks();
    return stack;
  }

  private readStacks(): void {
    for (const stack of this.unread) void stack.site;
    this.unread = [];
  }

  // ----------------------------------------------------------------------------------------------------------- the sweep

  /** Moves what has lasted to the next generation. At most `atOnce` waits grow old, or an eighth of those that might. */
  sweep(atOnce: number = AT_ONCE): void {
    this.readStacks();
    this.sweepWaits(Math.max(atOnce, this.middle.length >> 3));
    this.sweepTasks();
    this.sweepContexts();
    this.refill();
    this.sweeps++;
    this.lastSweep = clock();
  }

  /** The share of a second's budget that is for one sweep. */
  private get share(): number {
    return Math.min(1, this.budget.sweep / 1_000);
  }

  private refill(): void {
    const { samples } = this.budget;
    this.stacks.refill(this.share);
    this.stride = Math.max(1, Math.round(this.parks / Math.max(1, samples * this.share)));
    this.timed = 0;
    this.untilSample = Math.min(this.untilSample, this.gap());
    this.parks = 0;
  }

  private sweepWaits(atOnce: number): void {
    const waiting = this.middle.filter((record) => !record.isGone);
    for (const record of waiting.splice(0, atOnce)) this.age(record);
    // A stack that stays unread keeps alive what is on it.
    for (const record of waiting) void record.site;
    this.middle = waiting.concat(this.young.take(this.lastSweep));
  }

  private age(record: WaitRecord): void {
    const { op, on } = record;
    const waiter = record.waiter!;
    record.age(operationText(op, on, record.value));
    onEnd(waiter, () => {
      record.isOver = true;
      this.old.delete(record);
    });
    this.old.add(record);
    this.finder.watchWait(waiter, record, isForEver(op, on), this.old);
  }

  private sweepTasks(): void {
    for (const record of this.middleTasks) {
      if (record.isOver) continue;
      if (record.result !== null) this.finder.watchTask(record.result, record, this.oldTasks);
      record.result = null;
      this.oldTasks.add(record);
    }
    this.middleTasks = this.youngTasks.filter(({ isOver }) => !isOver);
    this.youngTasks = [];
    this.enoughTasks = ENOUGH;
  }

  private sweepContexts(): void {
    for (const [i, ctx] of this.middleCtxs.entries())
      if (isLive(ctx)) this.finder.watchCancel(this.middleCancels[i]!, ctx, infoOf(ctx));
    [this.middleCtxs, this.middleCancels] = livePairs(this.youngCtxs, this.youngCancels);
    [this.youngCtxs, this.youngCancels] = [[], []];
    this.enoughCtxs = ENOUGH;
    for (const ctx of this.youngRoots) if (isLive(ctx) && ctx.listedBy === null) this.oldRoots.add(new WeakRef(ctx));
    this.youngRoots = [];
    for (const ref of this.oldRoots) {
      const ctx = ref.deref();
      if (ctx === undefined || !isLive(ctx)) this.oldRoots.delete(ref);
    }
  }

  // ---------------------------------------------------------------------------------------------------------- the reports

  /** The waits, the oldest first, at most `most`. */
  waits(most: number): Part<Wait> {
    const owners = doneChannels(this.roots());
    const states = new States();
    const middle = this.middle.filter((record) => !record.isGone);
    const known = [...this.old, ...middle, ...this.young.records(this.lastSweep)];
    const now = clock();
    const listed = known
      .sort((a, b) => a.begun - b.begun)
      .slice(0, most)
      .map((record) => waitOf(record, owners, states, now));
    return { listed, all: known.length };
  }

  /** The tasks that run, the oldest first, at most `most`. */
  tasks(most: number): Part<Task> {
    const now = clock();
    const known = [...this.oldTasks, ...this.middleTasks, ...this.youngTasks].filter(({ isOver }) => !isOver);
    const listed = known
      .sort((a, b) => a.begun - b.begun)
      .slice(0, most)
      .map(({ name, begun, site }) => ({ name, age: Math.round(now - begun), at: site.at, stack: site.frames }));
    return { listed, all: known.length };
  }

  contexts(): ContextNode[] {
    return treesOf(this.roots());
  }

  private roots(): CancelCtx[] {
    const old = [...this.oldRoots].map((ref) => ref.deref()).filter((ctx) => ctx !== undefined);
    return [...old, ...this.youngRoots];
  }

  /** The leaks that have been found so far, the oldest first. */
  leaks(): readonly Leak[] {
    return this.finder.found();
  }

  /** The number of all of them, equal ones and those no longer kept as well. */
  get leaksFound(): number {
    return this.finder.all;
  }
}

function waitOf(record: WaitRecord, owners: ReadonlyMap<object, string>, states: States, now: number): Wait {
  const { op, site, task, weakWaiter } = record;
  const on = weakWaiter === null ? record.on : record.weakOn?.deref();
  const isObject = typeof on === "object" && on !== null;
  // The cases of a select may be gone, and there may be none of a sleep.
  const isAtHand = isObject || weakWaiter === null;
  return {
    what: isAtHand ? operationText(op, on, record.value, owners) : record.what,
    state: isObject && op !== "sleep" ? states.of(on) : "",
    age: Math.round(now - record.begun),
    at: site.at,
    why: site.at === "" ? whyNowhere(record, isObject ? infoOf(on) : undefined) : "",
    stack: site.frames,
    made: isObject && op !== "sleep" ? (infoOf(on)?.made?.site.at ?? "") : "",
    heldBy: isObject ? heldBy(on) : "",
    task: task?.name ?? "",
    reachable: weakWaiter === null || weakWaiter.deref() !== undefined,
  };
}

function whyNowhere({ op, stack }: WaitRecord, info: Info | undefined): string {
  return stack === null ? withoutStack(info?.places?.get(op)?.stack.site.text) : "headgate itself has called it";
}

function isLive(ctx: CancelCtx): boolean {
  return ctx.outcome === null;
}

/** The contexts that have not ended, and what is at the same places of the other list. */
function livePairs(ctxs: CancelCtx[], cancels: object[]): [CancelCtx[], object[]] {
  const [liveCtxs, liveCancels]: [CancelCtx[], object[]] = [[], []];
  for (const [i, ctx] of ctxs.entries()) {
    if (!isLive(ctx)) continue;
    liveCtxs.push(ctx);
    liveCancels.push(cancels[i]!);
  }
  return [liveCtxs, liveCancels];
}
