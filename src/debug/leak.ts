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

/** The number of leaks that are kept. */
const MOST = 1_000;

interface LostCancel {
  readonly ctx: WeakRef<CancelCtx>;
  readonly info: Info | undefined;
  readonly begun: number;
}

export class LeakFinder {
  private readonly report: (leak: Leak) => void;
  private readonly leaks: Leak[] = [];
  /** What the collector has reported since the last call of {@link found}. */
  private lost: (() => void)[] = [];
  private lostTasks: TaskRecord[] = [];

  constructor(report: (leak: Leak) => void) {
    this.report = report;
  }

  // Each registry has a record of what it waits for, and the set that has the record until then.

  private readonly waits: FinalizationRegistry<readonly [WaitRecord, boolean, Set<WaitRecord>]> =
    new FinalizationRegistry(([record, isForEver, old]) => {
      if (record.isOver) return;
      old.delete(record);
      if (isForEver) return;
      if (record.task !== null) record.task.hasLostWait = true;
      this.lose(() =>
        this.add("wait", `${record.what}: nothing can wake it any more, so it never ends`, record.site, record.begun),
      );
    });

  private readonly tasks: FinalizationRegistry<readonly [TaskRecord, Set<TaskRecord>]> = new FinalizationRegistry(
    ([record, old]) => {
      if (record.isOver) return;
      old.delete(record);
      this.lostTasks.push(record);
      this.lose(() => {});
    },
  );

  private readonly cancels: FinalizationRegistry<LostCancel> = new FinalizationRegistry((lost) => {
    this.lose(() => this.addCancel(lost));
  });

  /** Reports the wait if its waiter is collected before it is over. */
  watchWait(waiter: Waiter, record: WaitRecord, isForEver: boolean, old: Set<WaitRecord>): void {
    this.waits.register(waiter, [record, isForEver, old]);
  }

  /** Reports the task if its promise is collected before it has settled. */
  watchTask(result: object, record: TaskRecord, old: Set<TaskRecord>): void {
    this.tasks.register(result, [record, old]);
  }

  /** Reports the context if its cancel function is collected, and it has not ended. */
  watchCancel(cancel: object, ctx: CancelCtx, info: Info | undefined): void {
    this.cancels.register(cancel, { ctx: new WeakRef(ctx), info, begun: info?.at ?? clock() });
  }

  /** A task and its wait are found in any order; so they are reported together, a moment later. */
  private lose(report: () => void): void {
    if (this.lost.push(report) === 1) later(() => this.found(), 0);
  }

  /** Reports what has been found, and returns all that is known. */
  found(): readonly Leak[] {
    const { lost, lostTasks } = this;
    [this.lost, this.lostTasks] = [[], []];
    for (const report of lost) report();
    for (const task of lostTasks) {
      // Its wait says more.
      if (task.hasLostWait) continue;
      this.add("task", `${task.name}: what it awaits can never happen, so it never ends`, task.site, task.begun);
    }
    return [...this.leaks];
  }

  private addCancel({ ctx: ref, info, begun }: LostCancel): void {
    const ctx = ref.deref();
    // A child of the background that has been dropped is plain garbage.
    if (ctx === undefined || ctx.outcome !== null || ctx.listedBy === null) return;
    const until = ctx instanceof TimerCtx ? `its deadline, in ${Math.round(ctx.left())}ms` : "its parent ends";
    const text = `${nameOf(ctx)}: its cancel function is lost, so it stays with its parent until ${until}`;
    this.add("cancel", text, info?.made?.site ?? NOWHERE, begun);
  }

  private add(kind: Leak["kind"], text: string, { at, frames }: Site, begun: number): void {
    const leak: Leak = { kind, text, at, stack: frames, age: Math.round(clock() - begun) };
    if (this.leaks.push(leak) > MOST) this.leaks.shift();
    this.report(leak);
  }
}
