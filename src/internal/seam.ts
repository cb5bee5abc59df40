/**
 * The seam between the library and a test kit: what each sees of the other. `runtime.ts` asks the seam, the kit's bubbles answer.
 */
import type { Clock } from "./timerwheel.ts";
import type { Parked, Waiter } from "./waitqueue.ts";

/** The operations of the library, by the names that traces have for them. Each is a scheduling point. */
export type Op =
  | "send"
  | "recv"
  | "return"
  | "select"
  | "sleep"
  | "lock"
  | "rLock"
  | "cond.wait"
  | "wg.wait"
  | "acquire"
  | "group.go"
  | "group.wait"
  | "singleflight.do"
  | "context.wait"
  | "checkpoint";

/** What happens without a wait: no scheduling point, and noted for the record only. */
export type NoteEvent =
  | "trySend"
  | "tryRecv"
  | "close"
  | "cancel"
  | "unlock"
  | "rUnlock"
  | "release"
  | "signal"
  | "broadcast"
  | "add"
  | "done"
  | "stop";

/** A task to be started. It must not throw. In a bubble it is given a function to call when everything it began has ended. */
export type Task = (ended?: () => void) => void;

/** A test bubble, as the library sees it. */
export interface Scheduler extends Clock {
  /** `waiter` has begun to wait in the operation `op` on the object `on`. */
  park(waiter: Waiter, op: Op, on: unknown): Parked;
  /** The promise of an operation that has completed, or failed, without waiting. */
  settled<T>(op: Op, on: unknown, result: unknown, failed: boolean, detail: unknown): Promise<T>;
  /** Starts a task; `fn` is the user's function in it. */
  spawn(task: Task, fn: unknown): void;
  /** The same when the function that is returned is called, in the async context of now. */
  prepare(task: Task, fn: unknown): () => void;
  choose(n: number): number;
  random(): number;
  /** Epoch milliseconds. */
  now(): number;
  /** An error that nobody can catch. */
  report(error: unknown): void;
  /** Something has happened that nobody waits for, such as a close. For the record only. */
  note(event: NoteEvent, on: unknown, detail: unknown): void;
  /** The error with which the operation that is being called is to be refused, for the test's sake; undefined: none. */
  fault(): unknown;
}

export interface Seam {
  /** The bubble whose rules hold for an operation on this object; null: none's. */
  bubble(on: unknown): Scheduler | null;
  /** Registers a new object: it belongs to the current bubble, or else to that of `parent`, which it is a part of or derives from. */
  created(object: object, parent?: object): void;
  /** The cancel function of this context was called. */
  cancelCalled(ctx: object): void;
}
