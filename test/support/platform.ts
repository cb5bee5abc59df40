/**
 * A platform for tests of what is below the timers: its clock stands until it is told to go on, it knows which timers
 * are set on it, and they may be late, or early.
 */
import { vi } from "vitest";
import type { Alarm } from "../../src/internal/timerwheel.ts";

/** The longest delay a platform takes, in ms. */
export const LONGEST: number = 2 ** 31 - 1;

class Timer {
  readonly at: number;
  readonly fn: () => void;
  /** Whether it keeps the process alive. */
  held = true;

  constructor(at: number, fn: () => void) {
    this.at = at;
    this.fn = fn;
  }
  ref(): void {
    this.held = true;
  }
  unref(): void {
    this.held = false;
  }
}

/** A platform with timers like Node's: whole ms, at least 1, and 1 for what is too long. */
export class Platform {
  now: number;
  /** How many ms before its time a timer fires. */
  early = 0;
  /** How many timers have fired. */
  fired = 0;
  /** The timers that are set, by handle. */
  readonly timers: Map<unknown, Timer> = new Map();
  private readonly handles: "objects" | "numbers";
  private handle = 0;

  constructor(now = 0, handles: "objects" | "numbers" = "objects") {
    this.now = now;
    this.handles = handles;
  }

  /** How many timers keep the process alive. */
  get held(): number {
    return [...this.timers.values()].filter((timer) => timer.held).length;
  }

  /** Becomes what the globals stand for. */
  install(): void {
    vi.stubGlobal("setTimeout", this.setTimeout);
    vi.stubGlobal("clearTimeout", this.clearTimeout);
    this.installClock();
  }

  installClock(): void {
    clock.now = () => this.now;
  }

  /** Goes on to this instant; every timer fires when it should. */
  goTo(instant: number): void {
    this.fire(instant, (timer) => Math.max(this.now, timer.at - this.early));
    this.now = Math.max(this.now, instant);
  }

  /** The event loop is blocked until this instant: all timers that should have fired meanwhile fire then. */
  blockUntil(instant: number): void {
    this.fire(instant, () => Math.max(this.now, instant));
    this.now = Math.max(this.now, instant);
  }

  private fire(until: number, when: (timer: Timer) => number): void {
    for (;;) {
      const [first] = [...this.timers].sort(([, a], [, b]) => a.at - b.at);
      if (first === undefined || first[1].at - this.early > until) return;
      this.now = when(first[1]);
      this.timers.delete(first[0]);
      this.fired++;
      first[1].fn();
    }
  }

  private readonly setTimeout = (fn: () => void, delay: number): unknown => {
    const timer = new Timer(this.now + (delay >= 1 && delay <= LONGEST ? Math.trunc(delay) : 1), fn);
    const handle = this.handles === "objects" ? timer : ++this.handle;
    this.timers.set(handle, timer);
    return handle;
  };

  private readonly clearTimeout = (handle: unknown): void => void this.timers.delete(handle);
}

/** Where the platform has its clock's reading: what is on the object itself is somebody's fake. */
const clock = Object.getPrototypeOf(performance) as { now: () => number };
const { now } = clock;

/** Puts the real platform back. */
export function restore(): void {
  vi.unstubAllGlobals();
  clock.now = now;
}

/** Sets an alarm; `fire` is called when it fires. */
export type Setter = (due: number, fire?: () => void) => Alarm;

/** Loads the alarms where `platform` is the native one. `fired` lists the instants of those that have fired. */
export async function on(platform: Platform): Promise<{ set: Setter; fired: number[] }> {
  platform.install();
  vi.resetModules();
  const loaded = await import("../../src/internal/timerwheel.ts");
  const fired: number[] = [];
  const set: Setter = (due, fire) =>
    loaded.platformClock().alarm(due, { expire: () => (fired.push(due), fire?.()) }, null);
  return { set, fired };
}
