/**
 * The seam between the library and a test kit, as interfaces. `runtime.ts` asks the seam; the kit's bubbles answer.
 *
 * A probe is at the same place, for debugging: it is notified of what happens outside of bubbles, and decides nothing.
 */
import type { Clock } from "./timerwheel.ts";
import type { Parked, Waiter } from "./waitqueue.ts";

/** The operations of the library, by their names in traces. Each is a scheduling point. */
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

/** The events that are no scheduling points, and noted for the trace only. */
export type NoteEvent =
  | "trySend"
  | "tryRecv"
  | "trySelect"
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

/**
 * A task to start. It must not throw. In a bubble it gets a function, which it calls when everything that it began has
 * ended.
 */
export type Task = (ended?: () => void) => void;

/** The scheduler of a test bubble, as the library sees it. */
export interface Scheduler extends Clock {
  /** `waiter` has begun to wait in the operation `op` on the object `on`. */
  park(waiter: Waiter, op: Op, on: unknown): Parked;
  /** The promise of an operation that has completed, or failed, without waiting. `detail` is for the trace. */
  settled<T>(op: Op, on: unknown, result: unknown, failed: boolean, detail: unknown): Promise<T>;
  /** Starts a task; `fn` is the user's function that it runs. */
  spawn(task: Task, fn: unknown): void;
  /** Prepares a task: the function that is returned starts it, in the async context of this call. */
  prepare(task: Task, fn: unknown): () => void;
  /** A choice among `n` ready cases: a whole number from 0 to n − 1. `list` are all cases, read from `cases`. */
  choose(n: number, cases: unknown, list: readonly unknown[]): number;
  /** A number from 0 up to but not including 1, that decides nothing. */
  random(): number;
  /** Epoch milliseconds. */
  now(): number;
  /** Reports an error that no caller can catch. */
  report(error: unknown): void;
  /** Records an event for the trace, such as a close. */
  note(event: NoteEvent, on: unknown, detail: unknown): void;
  /** The error to inject into the operation being called; undefined: none. */
  fault(): unknown;
}

/** A test kit, as the library sees it. */
export interface Seam {
  /** The bubble that the current code belongs to, or else the object `on`; null: none. */
  bubble(on: unknown): Scheduler | null;
  /**
   * Registers a new object. It belongs to the current bubble, or else to that of `parent`: what it is a part of, or
   * derives from.
   */
  created(object: object, parent?: object): void;
  /** The cancel function of this context was called. */
  cancelCalled(ctx: object): void;
}

/** The parts of a task: its function, and what is called with its result or its error. */
export interface TaskParts<A, T> {
  readonly fn: (arg: A) => Promise<T> | T;
  readonly succeeded: ((value: T) => void) | undefined;
  readonly failed: (error: unknown) => void;
}

/**
 * An onlooker, as the library sees it: Kotlin's debug probes. It is called for what happens outside of bubbles. No
 * method throws, or changes what the program does.
 */
export interface Probe {
  /** `waiter` has begun to wait in the operation `op` on the object `on`; its promise has been made. */
  parked(waiter: Waiter, op: Op, on: unknown): void;
  /** An object has been made. `parent`: see the seam. */
  created(object: object, parent?: object): void;
  /** `cancel` is the function by which `ctx` is to be cancelled. */
  owned(ctx: object, cancel: object): void;
  /** A task is being prepared. The parts that are returned take the place of its own. */
  task<A, T>(parts: TaskParts<A, T>): TaskParts<A, T>;
  /** `lock` has been acquired: by the call that is under way, or by `waiter`, which had waited for it. */
  acquired(lock: object, waiter: Waiter | null): void;
}
