/**
 * The seam between the library and a test kit: what each sees of the other. `runtime.ts` asks the seam, the kit's bubbles answer.
 */
import type { Clock } from "./timerwheel.ts";
import type { Parked, Waiter } from "./waitqueue.ts";

/** A task to be started. It must not throw. In a bubble it is given a function to call when everything it began has ended. */
export type Task = (ended?: () => void) => void;

/** A test bubble, as the library sees it. */
export interface Scheduler extends Clock {
  /** `waiter` has begun to wait in the operation `op` on the object `on`. */
  park(waiter: Waiter, op: string, on: unknown): Parked;
  /** The promise of an operation that has completed, or failed, without waiting. */
  settled<T>(op: string, on: unknown, result: unknown, failed: boolean, detail: unknown): Promise<T>;
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
  note(event: string, on: unknown, detail: unknown): void;
  /** The error with which the operation that is being called is to be refused, for the test's sake; undefined: none. */
  refuse(): unknown;
}

export interface Seam {
  /** The bubble whose rules hold for an operation on this object; null: none's. */
  bubble(on: unknown): Scheduler | null;
  /**
   * `object` came to be, out of `parent` if it has one: it belongs to the bubble that runs now, or to its parent's. May be told again
   * once there is a parent to tell.
   */
  created(object: object, parent?: object): void;
  /** Whoever has to cancel this context has done so. */
  cancelCalled(ctx: object): void;
}
