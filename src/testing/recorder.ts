/**
 * The recorder of a bubble: it writes the rows of the trace.
 */
import { Outcome } from "../context/errors.ts";
import { type Choice, choiceOf, readyCases } from "./candidates.ts";
import type { BubbleAlarm, Clock } from "./clock.ts";
import type { Names } from "./names.ts";
import { type Resumption, type Task, Wait } from "./task.ts";
import type { TraceRow } from "./rows.ts";

/** Number of rows kept. Beyond it the older half is dropped: the end shows what went wrong. */
const MAX_ROWS = 100_000;

/** The choice of a select. */
interface SelectChoice {
  readonly step: number;
  readonly task: Task;
  /** Its cases, as they were given. */
  readonly on: unknown;
  /** The positions of those that were ready, and the number of the one that was taken. */
  readonly ready: readonly number[];
  readonly pick: number;
}

export class Recorder {
  readonly rows: TraceRow[] = [];
  /** The choice of a select whose row is to come. */
  private pending: SelectChoice | null = null;
  private readonly names: Names;
  private readonly clock: Clock;

  constructor(names: Names, clock: Clock) {
    this.names = names;
    this.clock = clock;
  }

  write(
    step: number,
    task: Task,
    event: string,
    object: string = "",
    detail: string = "",
    choice?: Choice,
    by?: number,
  ): void {
    this.flush();
    if (this.rows.length === MAX_ROWS) this.rows.splice(0, MAX_ROWS / 2);
    const row = { step, time: round(this.clock.elapsed), task: task.name, event, object, detail, choices: 1 };
    if (choice !== undefined) Object.assign(row, { choices: choice.n, among: choice.among, pick: choice.pick });
    if (by !== undefined) Object.assign(row, { by });
    this.rows.push(row);
  }

  /** A select takes number `pick` of the ready cases of `list`. Its own row follows, unless it throws. */
  choose(step: number, task: Task, on: unknown, list: readonly unknown[], pick: number): void {
    this.flush();
    this.pending = { step, task, on, ready: readyCases(list), pick };
  }

  /** Writes the row of a choice that no other row has. */
  private flush(): void {
    const { pending } = this;
    if (pending === null) return;
    this.pending = null;
    const { step, task, on, ready, pick } = pending;
    const name = this.names.keyOf(on, ready[pick]!);
    this.write(step, task, "choose", this.names.target(on, "select"), `→ ${name}`, this.choiceIn(pending));
  }

  /** Takes out the choice of this select; undefined if it had none. */
  private choiceOn(on: unknown): Choice | undefined {
    const { pending } = this;
    if (pending === null || pending.on !== on) return undefined;
    this.pending = null;
    return this.choiceIn(pending);
  }

  private choiceIn({ on, ready, pick }: SelectChoice): Choice | undefined {
    return choiceOf(ready.length, pick, (i) => this.names.keyOf(on, ready[i]!));
  }

  /** The step is over. `snapshot` is that of `t.watch`; undefined: there is none. */
  endStep(step: number, snapshot: unknown): void {
    this.flush();
    const last = this.rows.at(-1);
    if (snapshot !== undefined && last?.step === step) this.rows[this.rows.length - 1] = { ...last, snapshot };
  }

  /** An operation was called, and must wait. */
  wait(step: number, { task, op, on, value }: Wait): void {
    this.write(step, task, `wait ${op}`, this.names.target(on, op), op === "select" ? "" : this.text(value));
  }

  /** An operation was called, and completed or failed at once. The wait's `value` is what was sent or taken. */
  done(step: number, { task, op, on, value }: Wait, result: unknown, failed: boolean): void {
    const event = failed ? `refuse ${op}` : op;
    const detail = this.result(op, result, failed) || this.text(value);
    this.write(step, task, event, this.names.target(on, op), detail, this.choiceOn(on));
  }

  /** A resumption was picked. */
  resumption(step: number, resumption: Resumption, choice: Choice | undefined): void {
    const { by } = resumption;
    if (!(resumption instanceof Wait)) return this.write(step, resumption.task, "start", "", "", choice, by);
    const { task, op, on, result, failed } = resumption;
    const event = `${failed ? "fail" : "resume"} ${op}`;
    const target = op === "select" ? "" : this.names.target(on, op);
    this.write(step, task, event, target, this.result(op, result, failed), choice, by);
  }

  /** A timer was set. That of a sleep gets no row of its own. */
  set(step: number, task: Task, alarm: BubbleAlarm): void {
    const label = alarm.label(this.names);
    if (label !== "sleep") this.write(step, task, "set", label, `${round(alarm.due - this.clock.elapsed)}ms`);
  }

  /** Something was done to an object, such as a close. */
  note(step: number, task: Task, event: string, on: unknown, detail: unknown): void {
    const object = this.names.target(on);
    if (event === "trySelect") {
      return this.write(step, task, event, object, this.result("select", detail, false), this.choiceOn(on));
    }
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
