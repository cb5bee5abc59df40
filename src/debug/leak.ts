/**
 * Leaks, as the garbage collector finds them.
 *
 * In Go a goroutine that waits for ever stays. In JavaScript the collector takes it away. A waiter, its promise, the
 * function that awaits it and its variables are one circle. If nothing else holds a part of it, all of it is garbage.
 * There is no error, and no `finally` runs. So a waiter that has been collected before its wait was over is
 * one that nothing could ever wake, and a report of it is never wrong.
 *
 * The other way round it may miss some: what is reachable may still never be woken.
 *
 * Invariant: a record holds nothing strongly that its wait, task or context needs to be garbage.
 */
import type { CancelCtx } from "../context/cancel.ts";
import { TimerCtx } from "../context/deadline.ts";
import { MergeCtx } from "../context/merge.ts";
import { SignalCtx } from "../context/signal.ts";
import type { Waiter } from "../internal/waitqueue.ts";
import type { Info } from "./info.ts";
import { nameOf } from "./name.ts";
import { clock, later } from "./platform.ts";
import { type Frame, NOWHERE, type Site } from "./stack.ts";
import type { TaskRecord } from "./task.ts";
import type { WaitRecord } from "./wait.ts";

/** What can never end any more, or what no code can end. */
export interface Leak {
  /**
   * `wait`: an operation that nothing can wake. `task`: one that awaits what can never happen, such as a promise that
   * no code can settle. `cancel`: a context whose cancel function is gone, and that stays with its parent.
   */
  readonly kind: "wait" | "task" | "cancel";
  /** A sentence that says what it is. */
  readonly text: string;
  /** The line of the call, file:line:column; empty if its stack was not taken. */
  readonly at: string;
  /** That line and those it was called from, the innermost first. */
  readonly stack: readonly Frame[];
  /** The time from its begin to the report, in ms. */
  readonly age: number;
  /** The line where the object was made that is waited for; empty if it is not known, and for the other kinds. */
  readonly made: string;
  /** The number of equal ones: of one kind, text and place, whatever the numbers of objects. The rest is of the oldest. */
  readonly count: number;
}

/** The text without numbers of objects and durations. */
export function generic(text: string): string {
  return text.replace(/#\d+/g, "").replace(/, in -?\d+ms$/, "");
}

/** The text of equal leaks, with their number. */
export function leakText({ text, count }: Leak): string {
  return count === 1 ? text : `${count} × ${generic(text)}`;
}

/**
 * When what leaks has begun: on the platform's clock, which is as coarse as the time between two sweeps, and the number
 * of those that were registered before it.
 */
interface Begin {
  readonly at: number;
  readonly order: number;
}

/** Equal leaks. */
interface Known {
  /** The oldest. */
  leak: Leak;
  begin: Begin;
  count: number;
}

/** The largest number of places whose leaks are kept. */
const MOST = 1_000;

export class LeakFinder {
  private readonly report: (leak: Leak) => void;
  private readonly leaks: Map<string, Known> = new Map();
  /** The number of all that was found, also of what is no longer kept. */
  all = 0;
  /** The number of what has been registered. */
  private registered = 0;
  /** What the collector has reported since the last call of {@link found}. */
  private lost: (() => unknown)[] = [];

  constructor(report: (leak: Leak) => void) {
    this.report = report;
  }

  /**
   * Called with what the collector has taken. It is one registry, because those of one collection come in one turn: a
   * task and its wait are reported together.
   */
  private readonly registry: FinalizationRegistry<() => void> = new FinalizationRegistry((lost) => lost());

  // What is registered must not be a variable of the callback: it would be kept alive by it.

  /** Reports the wait if its waiter is collected before it is over. Until then it is in `old`. */
  watchWait(waiter: Waiter, record: WaitRecord, isForEver: boolean, old: Set<WaitRecord>): void {
    const begin = this.begin(record.begun);
    this.registry.register(waiter, () => {
      if (record.isOver) return;
      old.delete(record);
      if (isForEver) return;
      if (record.task !== null) record.task.hasLostWait = true;
      const text = `${record.what}: nothing can wake it any more, so it never ends`;
      this.lose(() => this.add("wait", text, record.site, begin, record.made.at));
    });
  }

  /** Reports the task if its promise is collected before it has settled. Until then it is in `old`. */
  watchTask(result: object, record: TaskRecord, old: Set<TaskRecord>): void {
    const begin = this.begin(record.begun);
    this.registry.register(result, () => {
      if (record.isOver) return;
      old.delete(record);
      const text = `${record.name}: what it awaits can never happen, so it never ends`;
      // Its wait says more.
      this.lose(() => record.hasLostWait || this.add("task", text, record.site, begin, ""));
    });
  }

  /** Reports the context if its cancel function is collected, and it has not ended. */
  watchCancel(cancel: object, ctx: CancelCtx, info: Info | undefined): void {
    const weak = new WeakRef(ctx);
    const begin = this.begin(info?.at ?? clock());
    this.registry.register(cancel, () => this.lose(() => this.addCancel(weak.deref(), info, begin)));
  }

  private begin(at: number): Begin {
    return { at, order: this.registered++ };
  }

  private lose(report: () => unknown): void {
    if (this.lost.push(report) === 1) later(() => this.found(), 0);
  }

  /** Reports what has been found, and returns all that is known, the oldest first. */
  found(): readonly Leak[] {
    const { lost } = this;
    this.lost = [];
    for (const report of lost) report();
    // The collector reports in any order.
    const known = [...this.leaks.values()].sort((a, b) => compare(a.begin, b.begin));
    return known.map(({ leak, count }) => ({ ...leak, count }));
  }

  private addCancel(ctx: CancelCtx | undefined, info: Info | undefined, begin: Begin): void {
    // A child of the background that has been dropped is plain garbage.
    if (ctx === undefined || ctx.outcome !== null || ctx.listedBy === null) return;
    const text = `${nameOf(ctx)}: its cancel function is lost, so it stays with its parent until ${endOf(ctx)}`;
    this.add("cancel", text, info?.made?.site ?? NOWHERE, begin, "");
  }

  private add(kind: Leak["kind"], text: string, { at, frames }: Site, begin: Begin, made: string): void {
    const leak: Leak = { kind, text, at, stack: frames, age: Math.round(clock() - begin.at), made, count: 1 };
    this.all++;
    const key = [kind, generic(text), at].join("\n");
    const known = this.leaks.get(key);
    if (known === undefined) this.addFirst(key, leak, begin);
    else {
      known.count++;
      if (compare(begin, known.begin) < 0) Object.assign(known, { leak, begin });
    }
    this.report(leak);
  }

  private addFirst(key: string, leak: Leak, begin: Begin): void {
    this.leaks.set(key, { leak, begin, count: 1 });
    if (this.leaks.size <= MOST) return;
    for (const first of this.leaks.keys()) return void this.leaks.delete(first);
  }
}

function compare(a: Begin, b: Begin): number {
  return a.at - b.at || a.order - b.order;
}

/** What ends a context that no cancel function can end. */
function endOf(ctx: CancelCtx): string {
  if (ctx instanceof TimerCtx) return `its deadline, in ${Math.round(ctx.left())}ms`;
  if (ctx instanceof MergeCtx) return "its parent or the context that was merged with it ends";
  return ctx instanceof SignalCtx ? "its parent ends or its signal aborts" : "its parent ends";
}
