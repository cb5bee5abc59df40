/**
 * The recorder of a bubble: it writes the rows of the trace.
 */
import { Outcome } from "../context/errors.ts";
import type { BubbleAlarm, Clock } from "./clock.ts";
import type { Names } from "./names.ts";
import { type Resumption, type Task, Wait } from "./task.ts";
import type { TraceRow } from "./trace.ts";

/** Number of rows kept. Beyond it the older half is dropped: the end shows what went wrong. */
const MAX_ROWS = 100_000;

export class Recorder {
  readonly rows: TraceRow[] = [];
  private readonly names: Names;
  private readonly clock: Clock;

  constructor(names: Names, clock: Clock) {
    this.names = names;
    this.clock = clock;
  }

  write(step: number, task: Task, event: string, object: string = "", detail: string = "", choices: number = 1): void {
    if (this.rows.length === MAX_ROWS) this.rows.splice(0, MAX_ROWS / 2);
    this.rows.push({ step, time: round(this.clock.elapsed), task: task.name, event, object, detail, choices });
  }

  /** An operation was called, and must wait. */
  wait(step: number, { task, op, on, value }: Wait): void {
    this.write(step, task, `wait ${op}`, this.names.target(on, op), op === "select" ? "" : this.text(value));
  }

  /** An operation was called, and completed or failed at once. The wait's `value` is what was sent or taken. */
  done(step: number, { task, op, on, value }: Wait, result: unknown, failed: boolean): void {
    const event = failed ? `refuse ${op}` : op;
    this.write(step, task, event, this.names.target(on, op), this.result(op, result, failed) || this.text(value));
  }

  /** A resumption was picked, from among `choices`. */
  resumption(step: number, resumption: Resumption, choices: number): void {
    if (!(resumption instanceof Wait)) return this.write(step, resumption.task, "start", "", "", choices);
    const { task, op, on, result, failed } = resumption;
    const event = `${failed ? "fail" : "resume"} ${op}`;
    const target = op === "select" ? "" : this.names.target(on, op);
    this.write(step, task, event, target, this.result(op, result, failed), choices);
  }

  /** A timer was set. That of a sleep gets no row of its own. */
  set(step: number, task: Task, alarm: BubbleAlarm): void {
    const label = alarm.label(this.names);
    if (label !== "sleep") this.write(step, task, "set", label, `${round(alarm.due - this.clock.elapsed)}ms`);
  }

  /** Something was done to an object, such as a close. */
  note(step: number, task: Task, event: string, on: unknown, detail: unknown): void {
    const object = this.names.target(on);
    // It closes because of a cancel, which has a row already.
    if (event === "close" && object.endsWith(".done()")) return;
    this.write(step, task, event, object, this.text(detail instanceof Outcome ? detail.cause : detail));
  }

  private result(op: string, result: unknown, failed: boolean): string {
    if (failed) return this.names.value(result);
    if (result === null || typeof result !== "object") return "";
    if (op === "select") {
      const { case: name, value, ok } = result as { case: string | number; value?: unknown; ok?: boolean };
      return `→ ${name}${ok === undefined ? "" : ok ? ` ${this.names.value(value)}` : " closed"}`;
    }
    if (op !== "recv") return "";
    if (Array.isArray(result)) return result[1] === true ? this.names.value(result[0]) : "closed";
    const { value, done } = result as IteratorResult<unknown>;
    return done === true ? "closed" : this.names.value(value);
  }

  private text(value: unknown): string {
    return value === undefined ? "" : this.names.value(value);
  }
}

/** Rounds to microseconds: smaller differences are floating-point noise. */
function round(ms: number): number {
  return Math.round(ms * 1_000) / 1_000;
}
