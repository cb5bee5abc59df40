/**
 * A wait that the debugger knows.
 *
 * While it is young its waiter is at hand, strongly. Once it is old there are weak references alone, so that the
 * garbage collector can find it unreachable: then nothing can ever wake it.
 */
import { nil } from "../chan/chan.ts";
import { propertyOf } from "../internal/foreign.ts";
import type { Waiter } from "../internal/waitqueue.ts";
import { infoOf } from "./info.ts";
import { casesOf } from "./name.ts";
import { NOWHERE, type Frame, type Site, type Stack } from "./stack.ts";
import type { TaskRecord } from "./task.ts";

/** An operation that waits. */
export interface Wait {
  /** The operation and its object, such as `recv jobs`. */
  readonly what: string;
  /** The object and its state, such as `Chan(0/10, 4 receivers waiting)`; empty for a select and a sleep. */
  readonly state: string;
  /** The time it has waited, in ms; undefined without `watch`. It may be too long by the time between two sweeps. */
  readonly age: number | undefined;
  /** The line of the call, file:line:column; empty if its stack was not taken. */
  readonly at: string;
  /**
   * Why there is no line: `no stack was taken`, and where the same operation on this object was called before, if that
   * is known; or `headgate itself has called it`. Empty if there is a line, and without `watch`.
   */
  readonly why: string;
  /** That line and those it was called from, the innermost first. */
  readonly stack: readonly Frame[];
  /** The line where the object was made; empty if it is not known. */
  readonly made: string;
  /**
   * The function and the line that took the lock last. In brackets: that its stack was not taken, and where the lock was
   * taken before. Empty if it is free or no lock, and without `watch`.
   */
  readonly heldBy: string;
  /** The task it is in, such as `worker#12`; empty if it is not known. */
  readonly task: string;
  /** False once nothing can wake it any more: it is about to be reported as a leak. */
  readonly reachable: boolean;
}

/** A part of a list, and the length of all of it. */
export interface Part<T> {
  readonly listed: readonly T[];
  readonly all: number;
}

/** What is remembered of a wait. */
export class WaitRecord {
  readonly op: string;
  /** The duration of a sleep, the units of an `acquire`. */
  readonly value: unknown;
  /** When it began, on the platform's clock. */
  readonly begun: number;
  readonly task: TaskRecord | null;
  /** True if it is known by its end alone: its waiter is in no queue from the beginning. */
  readonly isQueueless: boolean;
  stack: Stack | null;
  /** Null once it is old. */
  waiter: Waiter | null;
  on: unknown;
  weakWaiter: WeakRef<Waiter> | null = null;
  weakOn: WeakRef<object> | null = null;
  /** Its operation and object as they were when it became old. */
  what = "";
  /** Where its object was made, as it was known then. */
  made: Site = NOWHERE;
  isOver = false;

  constructor(waiter: Waiter, op: string, on: unknown, begun: number, stack: Stack | null, task: TaskRecord | null) {
    this.waiter = waiter;
    this.op = op;
    // Not what is sent: it is the user's, and may be large.
    this.value = op === "sleep" || op === "acquire" ? waiter.value : undefined;
    this.on = on;
    this.begun = begun;
    this.stack = stack;
    this.task = task;
    this.isQueueless = isOutOfQueues(waiter);
  }

  /** Where it was called. If headgate itself has called it, in a later turn, that is where its object was made. */
  get site(): Site {
    if (this.stack === null) return NOWHERE;
    const { site } = this.stack;
    if (site.frames.length > 0) return site;
    return typeof this.on === "object" && this.on !== null ? madeAt(this.on) : this.made;
  }

  /** True if a young wait is over. */
  get isGone(): boolean {
    return this.isQueueless ? this.isOver : isOutOfQueues(this.waiter!);
  }

  /** From now on the wait is held weakly. `what` is its text. */
  age(what: string): void {
    const { waiter, on } = this;
    if (typeof on === "object" && on !== null) this.made = madeAt(on);
    // It is read now, because a stack keeps alive what is on it.
    void this.site;
    this.what = what;
    this.weakWaiter = new WeakRef(waiter!);
    if (typeof on === "object" && on !== null) this.weakOn = new WeakRef(on);
    this.waiter = null;
    this.on = undefined;
  }
}

function madeAt(object: object): Site {
  return infoOf(object)?.made?.site ?? NOWHERE;
}

/**
 * True if the operation is in no queue: it is over, because the waiter that is woken takes all of its siblings out. Or
 * it never was in one: it waits for ever, or in two steps, as on a Cond.
 */
export function isOutOfQueues(waiter: Waiter): boolean {
  if (waiter.queue !== null) return false;
  for (let w = waiter.sibling; w !== null && w !== waiter; w = w.sibling) if (w.queue !== null) return false;
  return true;
}

/** Calls `ended` when the wait is over, just before its promise is settled. */
export function onEnd(waiter: Waiter, ended: () => void): void {
  const { resolve, reject } = waiter;
  const resolved = (value: unknown): void => {
    ended();
    resolve(value);
  };
  const rejected = (error: unknown): void => {
    ended();
    reject(error);
  };
  waiter.resolve = resolved;
  waiter.reject = rejected;
  for (let w = waiter.sibling; w !== null && w !== waiter; w = w.sibling) {
    w.resolve = resolved;
    w.reject = rejected;
  }
}

/** True for a wait that is meant to last for ever: on nil, on a timer without an end, in a select without other cases. */
export function isForEver(op: string, on: unknown): boolean {
  if (op === "sleep") return true;
  if (op !== "select") return isNever(on);
  return casesOf(on).every(([, c]) => isNever(c));
}

function isNever(on: unknown): boolean {
  if (on === null || on === undefined || on === nil || propertyOf(on, "chan") === null) return true;
  if (typeof on === "object" && infoOf(on)?.parent === nil) return true;
  // A timer's next time.
  return propertyOf(propertyOf(on, "source"), "next") === Infinity;
}
