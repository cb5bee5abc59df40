/**
 * The seam between the library and whoever runs it.
 *
 * Every suspension is one pair, `park` and `wake`; an operation that completes at once ends in `settled` or `failed`; every timer,
 * clock reading, start of a task and random choice goes through this file too, and none but `platform.ts` below it names the platform's. In
 * production that means: resolve the promise, ask the platform. In a test bubble the bubble decides, which is what makes time
 * virtual and every interleaving reachable.
 *
 * Invariants:
 * - Nothing the library awaits is a promise of its own; a promise is made only for whoever called.
 * - `credit` is positive only outside of bubbles and while the current turn of the event loop is young. So one comparison, made at
 *   every settlement, serves both the bubbles and the fairness below; what it finds is sorted out in the slow path.
 * - What an operation does is done when it is called. Only the moment at which its caller resumes is decided here.
 */
import {
  type Alarm,
  type Clock,
  type TimerTarget,
  type OverdueAlarms,
  overdueAlarms,
  platformClock,
} from "./timerwheel.ts";
import { join } from "./copies.ts";
import { isPerRequest, nextTurn, onMicrotask, ownNow } from "./platform.ts";
import type { NoteEvent, Op, Scheduler, Seam, Task } from "./seam.ts";
import { Waiter } from "./waitqueue.ts";

export type { Alarm, Clock, TimerTarget };

// ---------------------------------------------------------------------------------------------------------------- the seam

let seam: Seam | null = null;

/** Installs the test kit's seam, or with null removes it. */
export function install(next: Seam | null): void {
  seam = next;
  credit = 0;
}

/** Whether this copy of the package has been used, from when on the world knows of it. */
let isAnnounced = false;

function announce(): void {
  if (isAnnounced) return;
  isAnnounced = true;
  join(install);
}

/** To be called by the constructor of everything that operations are made on. */
export function created(object: object, parent?: object): void {
  announce();
  if (seam !== null) seam.created(object, parent);
}

/** To be called whenever a context's own cancel function is, also if it changes nothing any more. */
export function cancelCalled(ctx: object): void {
  if (seam !== null) seam.cancelCalled(ctx);
}

function bubbleOf(on: unknown): Scheduler | null {
  return seam === null ? null : seam.bubble(on);
}

/** Records what nobody waits for: it makes the story that a test tells complete, and changes nothing. */
export function note(event: NoteEvent, on: unknown, detail?: unknown): void {
  if (seam !== null) bubbleOf(on)?.note(event, on, detail);
}

/** The error that a test wants the operation to fail with which is being called, before it has had any effect. */
export function fault(): unknown {
  return seam === null ? undefined : bubbleOf(undefined)?.fault();
}

// ------------------------------------------------------------------------------------------------------------- settlements

const RESOLVED: Promise<void> = /* @__PURE__ */ Promise.resolve();

const NO_WAITER: Waiter = /* @__PURE__ */ new Waiter(null);
let parking = NO_WAITER;
const capture = (resolve: (value: unknown) => void, reject: (error: unknown) => void): void => {
  parking.resolve = resolve;
  parking.reject = reject;
};

/** The promise of an operation that must wait: `wake` or `wakeError` settles it. The waiter's siblings settle the same one. */
export function park<T>(waiter: Waiter, op: Op, on: unknown): Promise<T> {
  // One shared executor: a closure a promise would cost a quarter of an unbuffered transfer.
  parking = waiter;
  const promise = new Promise<unknown>(capture) as Promise<T>;
  // Kept no longer than needed: through it the promise, and so its value, would stay reachable.
  parking = NO_WAITER;
  for (let w = waiter.sibling; w !== null && w !== waiter; w = w.sibling) {
    w.resolve = waiter.resolve;
    w.reject = waiter.reject;
  }
  if (seam !== null) parkInBubble(waiter, op, on);
  return promise;
}

function parkInBubble(waiter: Waiter, op: Op, on: unknown): void {
  const bubble = bubbleOf(on);
  if (bubble === null) return;
  const parked = bubble.park(waiter, op, on);
  waiter.parked = parked;
  for (let w = waiter.sibling; w !== null && w !== waiter; w = w.sibling) w.parked = parked;
}

/** Resumes a waiter, which must be in no queue any more. */
export function wake(waiter: Waiter, value: unknown): void {
  if (--credit > 0) waiter.resolve(value);
  else if (waiter.parked !== null) waiter.parked.ready(waiter, value, false);
  else if (mustDefer()) deferred!.push(() => waiter.resolve(value));
  else waiter.resolve(value);
}

/** Resumes a waiter with an error. */
export function wakeError(waiter: Waiter, error: unknown): void {
  if (--credit > 0) waiter.reject(error);
  else if (waiter.parked !== null) waiter.parked.ready(waiter, error, true);
  else if (mustDefer()) deferred!.push(() => waiter.reject(error));
  else waiter.reject(error);
}

/** The promise of an operation that has completed without waiting. */
export function resolved<T>(op: Op, on: unknown, value: T): Promise<T> {
  return --credit > 0 ? Promise.resolve(value) : slowPath(op, on, value);
}

/** The same without a value: outside of bubbles one promise serves everybody. `detail` is what was sent, taken or slept. */
export function resolvedVoid(op: Op, on: unknown, detail?: unknown): Promise<void> {
  return --credit > 0 ? RESOLVED : slowPath(op, on, undefined, false, detail);
}

/** The promise of an operation that has failed without waiting. */
export function rejected(op: Op, on: unknown, error: unknown): Promise<never> {
  return --credit > 0 ? Promise.reject(error) : slowPath<never>(op, on, error, true);
}

/**
 * Whether an operation that has just completed may resolve its own promise; if not, `settledSlowly` makes the promise. For the hot
 * paths that write out their result right at `Promise.resolve`: V8 then sees that it is no thenable, which saves half an await.
 */
export function fastPath(): boolean {
  return --credit > 0;
}

/** The slow half of `settled`, `done` and `failed`. */
export function slowPath<T>(
  op: Op,
  on: unknown,
  result: unknown,
  isError: boolean = false,
  detail?: unknown,
): Promise<T> {
  const bubble = bubbleOf(on);
  if (bubble !== null) return bubble.settled(op, on, result, isError, detail);
  if (!mustDefer()) return isError ? Promise.reject(result) : Promise.resolve(result as T);
  return new Promise<T>((resolve, reject) => {
    deferred!.push(() => (isError ? reject(result as Error) : resolve(result as T)));
  });
}

/** Starts a task on a later microtask. `on` is what it belongs to, `fn` the user's function that it runs. */
export function spawn(task: Task, on: unknown, fn: unknown): void {
  if (--credit > 0) {
    void RESOLVED.then(task as () => void);
    return;
  }
  const bubble = bubbleOf(on);
  if (bubble !== null) bubble.spawn(task, fn);
  // As a reaction made here it runs in the async context of this call, not of what lets it go on.
  else if (mustDefer()) void new Promise<void>((resolve) => deferred!.push(resolve)).then(task as () => void);
  else void RESOLVED.then(task as () => void);
}

/**
 * The same when the function that is returned is called, which may be done once. The task runs in the async context of now: the platform
 * gives a promise's reaction that of the call that made it.
 */
export function prepare(task: Task, on: unknown, fn: unknown): () => void {
  const inBubble = prepareInBubble(task, on, fn);
  if (inBubble !== undefined) return inBubble;
  let begin!: () => void;
  void new Promise<void>((resolve) => (begin = resolve)).then(task as () => void);
  return () => (fastPath() || !mustDefer() ? begin() : deferred!.push(begin));
}

/** The same in a bubble; undefined outside of bubbles, for those who have a promise to hang the task on. */
export function prepareInBubble(task: Task, on: unknown, fn: unknown): (() => void) | undefined {
  return bubbleOf(on)?.prepare(task, fn);
}

/** Reports an error that nobody can catch, as the platform reports uncaught ones: Go's panic in a goroutine. */
export function report(error: unknown): void {
  const bubble = bubbleOf(undefined);
  if (bubble !== null) return bubble.report(error);
  onMicrotask(() => {
    throw error;
  });
}

// ---------------------------------------------------------------------------------------------------------------- fairness
// Promises resume before timers and I/O, so a loop of operations that are always ready would keep those waiting for ever; Go would
// preempt it. Settlements are counted instead, and every now and then the clock is read. When the current turn of the event loop
// has lasted too long, settlements are held back for the next turn: all of them, else a thousand tasks would starve the timers
// together where one alone may not. Whether the turn is still the same is known by a marker: a macrotask that has not run yet.

/** How many settlements pass between two readings of the clock, at most. */
const BATCH = 64;
/** ms that a turn may last. The marker is set after one such span and settlements are held after another. */
const SPAN = 1;

let credit = BATCH;
/** How many settlements pass before the next reading: fewer where long work lies between them. */
let batch = BATCH;
let lastRead = 0;
/** When the marker was set, or, once it has run, when it ran. */
let turnBegan = 0;
let isMarked = false;
let deferred: (() => void)[] | null = null;

function mustDefer(): boolean {
  credit = 0;
  announce();
  // Inside a bubble's step all turns are the bubble's.
  if (seam !== null && seam.bubble(undefined) !== null) return false;
  if (deferred !== null) return true;
  const now = ownNow();
  const apart = now - lastRead;
  lastRead = now;
  if (now - turnBegan >= SPAN) {
    if (isMarked) {
      deferred = [];
      return true;
    }
    turnBegan = now;
    // One request's turn would not come for the settlements of another.
    isMarked = !isPerRequest() && nextTurn(beginTurn);
  }
  if (apart > SPAN / 4) batch = Math.max(1, batch >> 3);
  else if (apart < SPAN / 16) batch = Math.min(BATCH, batch * 2);
  if (seam === null) credit = batch;
  return false;
}

function beginTurn(): void {
  isMarked = false;
  turnBegan = lastRead = ownNow();
  credit = seam === null ? batch : 0;
  const settlements = deferred;
  deferred = null;
  if (settlements !== null) for (const settle of settlements) settle();
}

// --------------------------------------------------------------------------------------------------------------- questions
// Go preempts a loop that never waits, and so its deadline comes all the same. Here such a loop can only ask, by `ctx.err()`: so that is
// what lets the clock have its say. The clock is read only while an alarm is set, and seldom where the questions follow each other fast.

/** How many questions pass between two readings of the clock, at most: reading at each would make a question ten times as dear. */
const POLLS = 32;

let pollCredit = 0;
let pollBatch = 1;
let lastPoll = 0;

/**
 * To be called where it is asked whether something has happened that the clock may bring about: lets everything happen that is overdue,
 * and says whether there was anything.
 */
export function poll(): boolean {
  return --pollCredit < 0 && pollClock();
}

/** The alarms; null until the first is set, so that a program without any carries nothing of them. */
let alarms: OverdueAlarms | null = null;

function pollClock(): boolean {
  pollCredit = POLLS;
  // In a bubble no time passes while code runs.
  if (alarms === null || !alarms.isSet || (seam !== null && seam.bubble(undefined) !== null)) return false;
  const now = ownNow();
  const apart = now - lastPoll;
  lastPoll = now;
  pollBatch = apart > SPAN / 4 ? Math.max(1, pollBatch >> 3) : Math.min(POLLS, pollBatch * 2);
  pollCredit = pollBatch - 1;
  return alarms.fire(now);
}

// -------------------------------------------------------------------------------------------------- clock, timers, chance

/** Epoch milliseconds. */
export function now(on?: unknown): number {
  return bubbleOf(on)?.now() ?? Date.now();
}

/** The clock that measures the spans of an operation on `on`, and what rings by it: a change of the wall clock does not touch it. */
export function clockOf(on?: unknown): Clock {
  return bubbleOf(on) ?? platformClock();
}

/** Milliseconds on that clock. */
export function monotonic(on?: unknown): number {
  return clockOf(on).monotonic();
}

/** A number from 0 to n − 1. */
export function choose(n: number, on: unknown): number {
  return bubbleOf(on)?.choose(n) ?? Math.floor(Math.random() * n);
}

/** A number from 0 up to but not including 1, for jitter: unlike a choice, nothing is decided by it. */
export function random(on: unknown): number {
  return bubbleOf(on)?.random() ?? Math.random();
}

/**
 * Calls `target.expire()` once, when `clock` has reached `due` (ms) and never before it. Keeps the process alive. `on` is what it is set
 * for.
 */
export function setAlarm(clock: Clock, due: number, target: TimerTarget, on?: unknown): Alarm {
  announce();
  alarms = overdueAlarms;
  // The next question shall not wait for its turn.
  pollCredit = 0;
  pollBatch = 1;
  return clock.alarm(due, target, on);
}
