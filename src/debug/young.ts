/**
 * Young waits: those that began since the last sweep. Most are over at once, so a young wait is an entry in parallel
 * arrays: no object is made, no clock is read, and its end is not noted.
 *
 * Invariant: an entry is dropped when its wait is found to be over, at the latest in the next sweep.
 */
import type { Waiter } from "../internal/waitqueue.ts";
import type { Stack } from "./stack.ts";
import type { TaskRecord } from "./task.ts";
import { isOutOfQueues, WaitRecord } from "./wait.ts";

/** The number of entries after which those that are over are dropped. */
const ENOUGH = 1_024;

export class YoungWaits {
  private length = 0;
  private enough = ENOUGH;
  private readonly waiters: (Waiter | null)[] = [];
  private readonly ops: string[] = [];
  private readonly ons: unknown[] = [];
  /** The stack that was taken, or the record that was needed at once. */
  private readonly notes: (Stack | WaitRecord | null)[] = [];
  private readonly tasks: (TaskRecord | null)[] = [];

  push(waiter: Waiter, op: string, on: unknown, note: Stack | WaitRecord | null, task: TaskRecord | null): void {
    if (this.length === this.enough) this.compact();
    const i = this.length++;
    this.waiters[i] = waiter;
    this.ops[i] = op;
    this.ons[i] = on;
    this.notes[i] = note;
    this.tasks[i] = task;
  }

  /** The waits that are not over, as records of waits that began at `begun`. */
  records(begun: number): WaitRecord[] {
    this.compact();
    const records: WaitRecord[] = [];
    for (let i = 0; i < this.length; i++) {
      const note = this.notes[i]!;
      if (note instanceof WaitRecord) records.push(note);
      else records.push(new WaitRecord(this.waiters[i]!, this.ops[i]!, this.ons[i], begun, note, this.tasks[i]!));
    }
    return records;
  }

  /** The same, and they are young no longer. */
  take(begun: number): WaitRecord[] {
    const records = this.records(begun);
    this.clear(0);
    this.enough = ENOUGH;
    return records;
  }

  /** Drops those that are over. */
  private compact(): void {
    const { waiters, ops, ons, notes, tasks, length } = this;
    let to = 0;
    for (let i = 0; i < length; i++) {
      const note = notes[i]!;
      if (note instanceof WaitRecord ? note.isGone : isOutOfQueues(waiters[i]!)) continue;
      if (to !== i) {
        waiters[to] = waiters[i]!;
        ops[to] = ops[i]!;
        ons[to] = ons[i];
        notes[to] = note;
        tasks[to] = tasks[i]!;
      }
      to++;
    }
    this.clear(to);
    this.enough = Math.max(ENOUGH, 2 * to);
  }

  private clear(from: number): void {
    for (let i = from; i < this.length; i++) {
      this.waiters[i] = null;
      this.ons[i] = undefined;
      this.notes[i] = null;
      this.tasks[i] = null;
    }
    this.length = from;
  }
}
