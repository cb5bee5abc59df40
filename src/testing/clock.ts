/**
 * The virtual clock of a bubble: it stands still until the execution makes it jump.
 */
import { CancelCtx } from "../context/cancel.ts";
import type { Alarm, TimerTarget } from "../internal/runtime.ts";
import type { Names } from "./names.ts";
import type { CallSite } from "./callsite.ts";

/** 2000-01-01T00:00Z, where Go's bubbles begin, too (Y1). */
export const START = 946_684_800_000;

export class Clock {
  /** ms since the bubble began. */
  elapsed = 0;
  /** The alarms that are set, in the order in which they were set. A bubble has few, so a list serves. */
  readonly alarms: BubbleAlarm[] = [];

  get isSet(): boolean {
    return this.alarms.length > 0;
  }

  /** True if an alarm is due now. */
  get isDue(): boolean {
    return this.alarms.some((alarm) => alarm.due <= this.elapsed);
  }

  set(alarm: BubbleAlarm): BubbleAlarm {
    this.alarms.push(alarm);
    return alarm;
  }

  /** The alarms that share the earliest due time. */
  due(): BubbleAlarm[] {
    let first = Infinity;
    for (const { due } of this.alarms) if (due < first) first = due;
    return this.alarms.filter((alarm) => alarm.due === first);
  }

  /** Jumps to this time; never backwards. */
  advance(to: number): void {
    if (to > this.elapsed) this.elapsed = to;
  }
}

export class BubbleAlarm implements Alarm {
  readonly due: number;
  readonly target: TimerTarget;
  /** The call that set it. */
  readonly site: CallSite;
  /** The name of the task that set it; empty if nothing is recorded. */
  readonly task: string;
  private readonly clock: Clock;
  private readonly on: unknown;

  constructor(clock: Clock, due: number, target: TimerTarget, on: unknown, site: CallSite, task: string) {
    this.clock = clock;
    this.due = due;
    this.target = target;
    this.on = on;
    this.site = site;
    this.task = task;
  }

  stop(): void {
    const i = this.clock.alarms.indexOf(this);
    if (i >= 0) this.clock.alarms.splice(i, 1);
  }

  /** A virtual alarm never keeps the process alive. */
  unref(): void {}

  /** The purpose of the alarm, for traces and reports. */
  label(names: Names): string {
    if (this.target instanceof CancelCtx) return `deadline of ${names.of(this.target) ?? "a context"}`;
    const name = names.of(this.on);
    return name !== undefined && name.includes("timer") ? name : "sleep";
  }

  /** The same among other alarms: a sleep has the name of its task. */
  nameAmong(names: Names): string {
    const label = this.label(names);
    return label === "sleep" ? `sleep of ${this.task}` : label;
  }
}
