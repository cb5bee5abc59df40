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
}

/**
 * When what leaks has begun: on the platform's clock, which is as coarse as the time between two sweeps, and the number
 * of those that were registered before it.
 */
interface Begin {
  readonly at: number;
  readonly order: number;
}

interface Known {
  readonly leak: Leak;
  readonly begin: Begin;
}

/** The number of leaks that are kept. */
const MOST = 1_000;

export class LeakFinder {
  private readonly report: (leak: Leak) => void;
  private readonly leaks: Known[] = [];
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
      this.lose(() => this.add("wait", text, record.site, begin));
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
      this.lose(() => record.hasLostWait || this.add("task", text, record.site, begin));
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
    this.leaks.sort((a, b) => a.begin.at - b.begin.at || a.begin.order - b.begin.order);
    return this.leaks.map(({ leak }) => leak);
  }

  private addCancel(ctx: CancelCtx | undefined, info: Info | undefined, begin: Begin): void {
    // A child of the background that has been dropped is plain garbage.
    if (ctx === undefined || ctx.outcome !== null || ctx.listedBy === null) return;
    const until = ctx instanceof TimerCtx ? `its deadline, in ${Math.round(ctx.left())}ms` : "its parent ends";
    const text = `${nameOf(ctx)}: its cancel function is lost, so it stays with its parent until ${until}`;
    this.add("cancel", text, info?.made?.site ?? NOWHERE, begin);
  }

  private add(kind: Leak["kind"], text: string, { at, frames }: Site, begin: Begin): void {
    const leak: Leak = { kind, text, at, stack: frames, age: Math.round(clock() - begin.at) };
    if (this.leaks.push({ leak, begin }) > MOST) this.leaks.shift();
    this.report(leak);
  }
}
