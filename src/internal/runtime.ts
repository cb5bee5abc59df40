/**
 * The seam between the library and its scheduler, and the scheduler that holds outside of test bubbles.
 *
 * Every suspension is one pair, `park` and `wake`: Go's gopark and goready. An operation that completes at once ends in
 * `resolved` or `rejected`. Timers, clocks, starts of tasks and random choices go through this file too. Only
 * `platform.ts` below it names the platform's own.
 *
 * In production a settlement resolves its promise, and the platform is asked for the rest. In a test bubble the bubble
 * decides both. That makes time virtual and every interleaving reachable.
 *
 * Invariants:
 * - No primitive awaits a promise of its own. A promise is made only for a caller. Compositions, such as `retry.run`,
 *   are callers.
 * - `credit` is positive only outside of bubbles, and while the current turn of the event loop is young.
 * - An operation takes effect when it is called. Only the moment at which its caller resumes is decided here.
 */
import {
  type Alarm,
  type Clock,
  type TimerTarget,
  type OverdueAlarms,
  overdueAlarms,
  platformClock,
} from "./timerwheel.ts";
import { register } from "./copies.ts";
import { isPerRequest, nextTurn, onMicrotask, ownNow } from "./platform.ts";
import type { NoteEvent, Op, Probe, Scheduler, Seam, Task, TaskParts } from "./seam.ts";
import { Waiter } from "./waitqueue.ts";

export type { Alarm, Clock, TimerTarget };

// Variables of the core's modules are `var`s. At each access to a `let` of a module V8 checks that it has been set.
// With `let` a buffered trySend and tryRecv took 13 to 19 % longer, a send and a recv with a ctx 24 to 27 %. `err()`
// took 12 to 15 % longer. (Node 20, first quartile of 21 and 25 interleaved runs.)

// ------------------------------------------------------------------------------------------------------------ the seam

var seam: Seam | null = null;
var probe: Probe | null = null;
/** True if there is a seam or a probe: one comparison for both, where every wait and every new object passes. */
var isSeen = false;

/** Installs the test kit's seam; null removes it. */
export function install(next: Seam | null): void {
  seam = next;
  isSeen = seam !== null || probe !== null;
  credit = 0;
}

/** Installs a probe; null removes it. Unlike a seam it does not slow down a settlement. */
export function installProbe(next: Probe | null): void {
  probe = next;
  isSeen = seam !== null || probe !== null;
}

/** True once this copy has made itself known to test kits, which it does on first use. */
var isAnnounced = false;

function announce(): void {
  if (isAnnounced) return;
  isAnnounced = true;
  register(install);
}

/** Registers a new object; every constructor of an object with operations calls this. `parent`: see the seam. */
export function created(object: object, parent?: object): void {
  announce();
  if (isSeen) createdSeen(object, parent);
}

function createdSeen(object: object, parent: object | undefined): void {
  if (seam !== null) seam.created(object, parent);
  probeOf(parent)?.created(object, parent);
}

/** Called by every cancel function, even when its call has no effect. */
export function cancelCalled(ctx: object): void {
  if (seam !== null) seam.cancelCalled(ctx);
}

function bubbleOf(on: unknown): Scheduler | null {
  return seam === null ? null : seam.bubble(on);
}

/** The probe, unless a bubble claims the code that runs, or else `on`. */
function probeOf(on: unknown): Probe | null {
  return probe === null || bubbleOf(on) !== null ? null : probe;
}

/** Called with each context that a caller is to cancel, and its cancel function. */
export function owned(ctx: object, cancel: object): void {
  if (probe !== null) probeOf(ctx)?.owned(ctx, cancel);
}

/** Called when a lock is taken, by this call or by `waiter`. */
export function acquired(lock: object, waiter: Waiter | null): void {
  if (probe !== null) probeOf(lock)?.acquired(lock, waiter);
}

/** The parts of a task that a probe follows; undefined: none does. */
export function followed<A, T>(
  fn: TaskParts<A, T>["fn"],
  succeeded: TaskParts<A, T>["succeeded"],
  failed: TaskParts<A, T>["failed"],
): TaskParts<A, T> | undefined {
  return probe === null ? undefined : probeOf(undefined)?.task({ fn, succeeded, failed });
}

/** Records an event that is no scheduling point, so that the trace of a test is complete. */
export function note(event: NoteEvent, on: unknown, detail?: unknown): void {
  if (seam !== null) bubbleOf(on)?.note(event, on, detail);
}

/** The error that a test injects into the operation being called, before it has had any effect; undefined: none. */
export function fault(): unknown {
  return seam === null ? undefined : bubbleOf(undefined)?.fault();
}

// --------------------------------------------------------------------------------------------------------- settlements
// The fast path: a settlement resolves its promise by itself unless a bubble decides when the caller resumes, or the
// turn has lasted too long and the promise must wait for the next one (fairness, below). Both are one number. `credit`
// counts down to the next reading of the clock, and is never positive while a seam is installed. So `--credit > 0` is
// the whole check; the slow path finds out which it was. Two checks cost 0 to 2 % more: 149 instead of 146 ns for a
// buffered transfer, 100 and 99 for a select that is ready, 69 and 68 for a mutex (Node 20, least of 30 interleaved
// runs).

const RESOLVED: Promise<void> = /* @__PURE__ */ Promise.resolve();

const NO_WAITER: Waiter = /* @__PURE__ */ new Waiter(null);
var parking = NO_WAITER;
const capture = (resolve: (value: unknown) => void, reject: (error: unknown) => void): void => {
  parking.resolve = resolve;
  parking.reject = reject;
};

/**
 * The promise of an operation that must wait; `wake` or `wakeError` settles it. The waiter's siblings settle the same
 * promise.
 */
export function park<T>(waiter: Waiter, op: Op, on: unknown): Promise<T> {
  // One executor for all: a closure for each promise would cost a quarter of an unbuffered transfer.
  parking = waiter;
  const promise = new Promise<unknown>(capture) as Promise<T>;
  // Not kept longer than needed: it would keep the promise reachable, and so its value.
  parking = NO_WAITER;
  for (let w = waiter.sibling; w !== null && w !== waiter; w = w.sibling) {
    w.resolve = waiter.resolve;
    w.reject = waiter.reject;
  }
  if (isSeen) parkSeen(waiter, op, on);
  return promise;
}

function parkSeen(waiter: Waiter, op: Op, on: unknown): void {
  const bubble = bubbleOf(on);
  if (bubble === null) return probe?.parked(waiter, op, on);
  const parked = bubble.park(waiter, op, on);
  waiter.parked = parked;
  for (let w = waiter.sibling; w !== null && w !== waiter; w = w.sibling) w.parked = parked;
}

/** Resumes a waiter. It must have left its queue. */
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

/**
 * The same without a value; outside of bubbles all share one promise. `detail` is for the trace: what was sent, taken
 * or slept.
 */
export function resolvedVoid(op: Op, on: unknown, detail?: unknown): Promise<void> {
  return --credit > 0 ? RESOLVED : slowPath(op, on, undefined, false, detail);
}

/** The promise of an operation that has failed without waiting. */
export function rejected(op: Op, on: unknown, error: unknown): Promise<never> {
  return --credit > 0 ? Promise.reject(error) : slowPath<never>(op, on, error, true);
}

/**
 * True if an operation that has completed may resolve its promise by itself; if not, `slowPath` makes the promise. For
 * hot paths that write their result as a literal at `Promise.resolve`: V8 then sees that it is no thenable, which saves
 * half an await.
 */
export function fastPath(): boolean {
  return --credit > 0;
}

/**
 * The promise of an operation that has completed, when it may not be settled by itself: the bubble's, or one that is
 * deferred.
 */
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

/** Starts a task on a later microtask. `on` is the object that it belongs to, `fn` the user's function that it runs. */
export function spawn(task: Task, on: unknown, fn: unknown): void {
  if (--credit > 0) {
    void RESOLVED.then(task as () => void);
    return;
  }
  const bubble = bubbleOf(on);
  if (bubble !== null) bubble.spawn(task, fn);
  // The reaction is made here, so it runs in the async context of this call, not of the turn that resolves it.
  else if (mustDefer()) void new Promise<void>((resolve) => deferred!.push(resolve)).then(task as () => void);
  else void RESOLVED.then(task as () => void);
}

/**
 * Prepares a task: the function that is returned starts it, and may be called once. The task runs in the async context
 * of this call, because the platform gives a promise's reaction the context in which it was made.
 */
export function prepare(task: Task, on: unknown, fn: unknown): () => void {
  const inBubble = prepareInBubble(task, on, fn);
  if (inBubble !== undefined) return inBubble;
  let begin!: () => void;
  void new Promise<void>((resolve) => (begin = resolve)).then(task as () => void);
  return () => (fastPath() || !mustDefer() ? begin() : deferred!.push(begin));
}

/**
 * The same in a bubble; undefined outside of bubbles, for a caller that has a promise of its own to start the task
 * from.
 */
export function prepareInBubble(task: Task, on: unknown, fn: unknown): (() => void) | undefined {
  return bubbleOf(on)?.prepare(task, fn);
}

/** Reports an error that no caller can catch, as the platform reports uncaught ones: Go's panic in a goroutine. */
export function report(error: unknown): void {
  const bubble = bubbleOf(undefined);
  if (bubble !== null) return bubble.report(error);
  onMicrotask(() => {
    throw error;
  });
}

// ------------------------------------------------------------------------------------------------------------ fairness
// Promises resume before timers and I/O. So a loop of operations that are always ready would starve those for ever; Go
// would preempt it. Here settlements are counted, and after each batch the clock is read. Once the turn of the event
// loop has lasted too long, settlements are deferred to the next turn. All of them are: otherwise a thousand tasks
// together would starve the timers, though each alone may not. A marker tells whether the turn is still the same: a
// macrotask that has not run yet.
//
//     turn begins       after 1 ms: set the marker     after 2 ms, it has not run: defer     it runs: the next turn
//     ├─────────────────┼──────────────────────────────┼─────────────────────────────────────┤
//
// Batches shrink while long work lies between settlements, so that the clock is read in time. They grow while
// settlements are dense. So a loop that begins, and one whose work becomes long, are seen within a batch.

/** The most settlements between two readings of the clock. */
const BATCH = 64;
/** ms from the begin of a turn to its marker, and from there until settlements are deferred. */
const SPAN = 1;

var credit = 1;
/** The settlements between two readings at present. */
var batch = 1;
var lastRead = 0;
/** The instant at which the marker was set; once it has run, that at which it ran. */
var turnBegan = 0;
var isMarked = false;
var deferred: (() => void)[] | null = null;

/** Reads the clock, and says whether settlements are deferred to the next turn. If not, there is new credit. */
function mustDefer(): boolean {
  credit = 0;
  announce();
  // The code of a bubble takes turns as its bubble decides.
  if (seam !== null && seam.bubble(undefined) !== null) return false;
  if (deferred !== null) return true;
  const now = ownNow();
  const apart = now - lastRead;
  lastRead = now;
  if (apart > SPAN / 4) batch = apart > SPAN ? 1 : Math.max(1, batch >> 3);
  else if (apart < SPAN / 16) batch = Math.min(BATCH, batch * 2);
  if (now - turnBegan >= SPAN) {
    if (isMarked) {
      deferred = [];
      return true;
    }
    turnBegan = now;
    // If timers belong to a request, the marker of one would not run for the settlements of another.
    isMarked = !isPerRequest() && nextTurn(beginTurn);
  }
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

// ------------------------------------------------------------------------------------------------------------- polling
// Go preempts a loop that never waits, so its deadline comes in time. Here such a loop can only ask, by `ctx.err()`,
// `tryRecv` or `trySelect`. So these poll the clock and let everything happen that is overdue. The clock is read only
// while an alarm is set, and rarely while polls follow each other fast.

/** The most polls between two readings of the clock. To read it at each would make a poll ten times as expensive. */
const POLLS = 32;

var pollCredit = 0;
var pollBatch = 1;
var lastPoll = 0;

/** Fires what is overdue, if it is time to read the clock. False if nothing was. */
export function poll(): boolean {
  return --pollCredit < 0 && pollClock();
}

/** The alarms on the platform's clock. Null until one is set, so that a program that sets none does not bundle them. */
var alarms: OverdueAlarms | null = null;

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

// ----------------------------------------------------------------------------------------------- clock, alarms, random

/** Epoch milliseconds. */
export function now(on?: unknown): number {
  return bubbleOf(on)?.now() ?? Date.now();
}

/** The clock for the durations and alarms of an operation on `on`. A change of the wall clock does not affect it. */
export function clockOf(on?: unknown): Clock {
  return bubbleOf(on) ?? platformClock();
}

/** Milliseconds on that clock. */
export function monotonic(on?: unknown): number {
  return clockOf(on).monotonic();
}

/** A random choice among the `n` ready cases of `list`, which are those of `on`: a whole number from 0 to n − 1. */
export function choose(n: number, on: unknown, list: readonly unknown[]): number {
  return bubbleOf(on)?.choose(n, on, list) ?? Math.floor(Math.random() * n);
}

/** A random number from 0 up to but not including 1, for jitter. Unlike a choice it decides nothing. */
export function random(on: unknown): number {
  return bubbleOf(on)?.random() ?? Math.random();
}

/**
 * Calls `target.expire()` once, when `clock` has reached `due` (ms), never earlier. Keeps the process alive until then.
 */
export function setAlarm(clock: Clock, due: number, target: TimerTarget, on?: unknown): Alarm {
  announce();
  alarms = overdueAlarms;
  // The next poll reads the clock.
  pollCredit = 0;
  pollBatch = 1;
  return clock.alarm(due, target, on);
}
