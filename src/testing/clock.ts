/**
 * The clock of a bubble: it stands still until it is told to jump.
 */
import { CancelCtx } from "../context/cancel.ts";
import type { Alarm, TimerTarget } from "../internal/runtime.ts";
import type { Names } from "./names.ts";
import type { Place } from "./callsite.ts";

/** 2000-01-01T00:00Z, where Go's bubbles begin, too (Y1). */
export const START = 946_684_800_000;

export class Clock {
  /** ms since the bubble began. */
  elapsed = 0;
  /** What is set, in the order in which it was set. */
  readonly alarms: BubbleAlarm[] = [];

  get isSet(): boolean {
    return this.alarms.length > 0;
  }

  /** Whether one is due now. */
  get isDue(): boolean {
    return this.alarms.some((alarm) => alarm.due <= this.elapsed);
  }

  set(alarm: BubbleAlarm): BubbleAlarm {
    this.alarms.push(alarm);
    return alarm;
  }

  /** Those that are due next, together. */
  due(): BubbleAlarm[] {
    let first = Infinity;
    for (const { due } of this.alarms) if (due < first) first = due;
    return this.alarms.filter((alarm) => alarm.due === first);
  }

  /** Jumps to this moment, if it is not past. */
  advance(to: number): void {
    if (to > this.elapsed) this.elapsed = to;
  }
}

export class BubbleAlarm implements Alarm {
  readonly due: number;
  readonly target: TimerTarget;
  /** Where it was set. */
  readonly set: Place;
  private readonly clock: Clock;
  private readonly on: unknown;

  constructor(clock: Clock, due: number, target: TimerTarget, on: unknown, set: Place) {
    this.clock = clock;
    this.due = due;
    this.target = target;
    this.on = on;
    this.set = set;
  }

  stop(): void {
    const i = this.clock.alarms.indexOf(this);
    if (i >= 0) this.clock.alarms.splice(i, 1);
  }

  /** No process lives by a virtual clock. */
  unref(): void {}

  /** What it is for. */
  label(names: Names): string {
    if (this.target instanceof CancelCtx) return `deadline of ${names.of(this.target) ?? "a context"}`;
    const name = names.of(this.on);
    return name !== undefined && name.includes("timer") ? name : "sleep";
  }
}
