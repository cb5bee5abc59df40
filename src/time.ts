/**
 * Sleeping, timers and tickers: Go's package `time`, with the rules of Go 1.23.
 *
 * Invariants:
 * - A timer channel sets a platform timer only while a receiver waits on it. One that lost its select leaves nothing behind: no timer,
 *   no memory, and no process kept alive. A poll reads the clock, so an overdue timer is ready even if no platform timer was set (T6).
 * - A timer channel never holds a value: a receive takes it from the timer itself. So none is left over after stop or reset (T1).
 * - Durations are measured on the monotonic clock. The value is the time at which the timer was due, not when it was received (T5).
 */
import { Chan, nil, type TimerSource } from "./chan/chan.ts";
import { entryError, suspend } from "./internal/suspend.ts";
import { prepared } from "./chan/go.ts";
import { panic } from "./internal/errors.ts";
import { Inspectable } from "./internal/inspect.ts";
import { WaitQueue, Waiter, type QueueWatcher } from "./internal/waitqueue.ts";
import {
  type Alarm,
  type Clock,
  clockOf,
  resolvedVoid,
  type TimerTarget,
  rejected,
  note,
  now as wallClock,
  report,
  setAlarm,
  wake,
} from "./internal/runtime.ts";
import type { Context, RecvChan } from "./types.ts";
import { mustBeFunction, duration } from "./internal/args.ts";

/**
 * The state behind a timer or a ticker: its next due time, its period, and the alarm while it needs one. It serves the channel, or starts
 * the function.
 */
class TimerState implements TimerSource, QueueWatcher, TimerTarget {
  readonly chan: Chan<Date>;
  private readonly fn: (() => unknown) | undefined;
  /** The clock that `next` is a time of. */
  clock!: Clock;
  /** The next due time; null: not running. */
  private next: number | null = null;
  /** The time between two ticks, in ms; 0: it fires once. */
  private period = 0;
  /** The difference between epoch time and the clock's. */
  private epoch = 0;
  private alarm: Alarm | null = null;
  private keepsAlive = true;

  constructor(ms: number, period: number, owner?: Timer | Ticker, fn?: () => unknown) {
    this.fn = fn;
    this.chan = new Chan<Date>(0, owner ?? this);
    this.chan.source = this;
    this.chan.receivers.watcher = this;
    if (fn !== undefined) this.prepare();
    this.reset(ms, period);
  }

  get isRunning(): boolean {
    return this.next !== null;
  }

  stop(): boolean {
    const wasRunning = this.isRunning;
    note("stop", this.chan);
    this.next = null;
    this.arm();
    return wasRunning;
  }

  reset(ms: number, period: number): boolean {
    const wasRunning = this.isRunning;
    this.clock = clockOf(this.chan);
    const instant = this.clock.monotonic();
    this.next = instant + Math.max(0, ms);
    this.period = period;
    this.epoch = wallClock(this.chan) - instant;
    this.arm();
    return wasRunning;
  }

  unref(): void {
    this.keepsAlive = false;
    this.alarm?.unref();
  }

  instant(): number {
    return this.clock.monotonic();
  }

  serve(instant: number): void {
    // Receivers that wait come first, even if the platform's timer is late (H6).
    while (this.due(instant) && this.chan.receivers.head !== null) this.expire();
  }

  due(instant: number): boolean {
    return this.next !== null && this.next <= instant;
  }

  take(): Date {
    const due = this.next!;
    this.next = this.period === 0 ? null : this.nextTick(due);
    return new Date(due + this.epoch);
  }

  /** A ticker keeps its beat, and drops the ticks that were not received. */
  private nextTick(due: number): number {
    const now = this.instant();
    const next = due + this.period * (1 + Math.floor(Math.max(0, now - due) / this.period));
    // A period may be below the resolution of the clock.
    return next > due && next < Infinity ? next : now;
  }

  onFirst(): void {
    this.arm(true);
  }

  onLeave(): void {
    if (this.chan.receivers.head === null) this.arm();
  }

  expire(): void {
    if (this.fn !== undefined) {
      this.next = null;
      if (this.startFn === null) this.pendingStarts++;
      else this.start();
      return;
    }
    const receiver = this.chan.receivers.head;
    if (receiver === null) return;
    const time = this.take();
    receiver.withdraw();
    wake(receiver, receiver.shape!(time, true, receiver.key));
    this.arm();
  }

  /** Arms the alarm if a receiver waits or there is a function to run; otherwise clears it. */
  private arm(needed: boolean = this.fn !== undefined || this.chan.receivers.head !== null): void {
    this.alarm?.stop();
    this.alarm = null;
    if (!needed || this.next === null || this.next === Infinity) return;
    this.alarm = setAlarm(this.clock, this.next, this, this.chan);
    if (!this.keepsAlive) this.alarm.unref();
  }

  // The function must run in the async context of the call that passed it, whichever code sets the timer again. `prepared` captures that
  // context, for one start. So each run prepares the next start, while it is in that context. The timer may fire again between a start
  // and its run: such starts are counted, and made by the run.

  /** Starts the function; null from a start until the function runs. */
  private startFn: (() => void) | null = null;
  /** The number of starts due since then. */
  private pendingStarts = 0;

  private prepare(): void {
    const run = (): unknown => {
      this.prepare();
      if (this.pendingStarts > 0) {
        this.pendingStarts--;
        this.start();
      }
      return this.fn!();
    };
    this.startFn = prepared(run, undefined, this.fn, undefined, report);
  }

  private start(): void {
    const { startFn } = this;
    this.startFn = null;
    startFn!();
  }
}

/**
 * The time on the library's clock, in epoch ms. In a test bubble this clock is virtual, so code that reads it can be tested; `Date.now()`
 * stays real.
 *
 * @see Go's [time.Now](https://pkg.go.dev/time#Now)
 */
export function now(): number {
  return wallClock();
}

/**
 * Resolves after `ms` milliseconds, never earlier; at once for 0 or less, never for `Infinity`. Keeps the process alive until then.
 *
 * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()` and the timer is gone.
 *
 * **Errors**: rejects with a RangeError for NaN, and with a TypeError for anything but a number.
 *
 * @see Go's [time.Sleep](https://pkg.go.dev/time#Sleep)
 * @example
 * ```ts
 * import { context, time } from "headgate";
 *
 * const [ctx, cancel] = context.withTimeout(context.background(), 5);
 * using _ = cancel;
 * await time.sleep(1);
 * await time.sleep(60_000, ctx).catch((err) => console.log(err.message)); // => context deadline exceeded
 * ```
 */
export function sleep(ms: number, ctx?: Context): Promise<void> {
  try {
    duration(ms, "sleep");
  } catch (error) {
    return rejected("sleep", ctx, error);
  }
  const error = entryError(ctx);
  if (error !== undefined) return rejected("sleep", ctx, error);
  if (ms <= 0) return resolvedVoid("sleep", ctx, ms);
  return suspend(new Waiter(() => undefined, undefined, ms), new SleepQueue(ms, ctx), ctx, "sleep", ctx);
}

/** The queue of one sleeper. Its alarm is set while the sleeper is in it. */
class SleepQueue extends WaitQueue implements QueueWatcher, TimerTarget {
  private readonly ms: number;
  private readonly ctx: Context | undefined;
  private alarm: Alarm | undefined;

  constructor(ms: number, ctx: Context | undefined) {
    super();
    this.ms = ms;
    this.ctx = ctx;
    this.watcher = this;
  }

  onFirst(): void {
    const clock = clockOf(this.ctx);
    const due = clock.monotonic() + this.ms;
    if (due < Infinity) this.alarm = setAlarm(clock, due, this, this.ctx);
  }

  onLeave(): void {
    this.alarm?.stop();
  }

  expire(): void {
    const sleeper = this.shift();
    if (sleeper !== null) wake(sleeper, undefined);
  }
}

/**
 * A channel that gets one value after `ms` milliseconds, the time it was due; at once for 0 or less, never for `Infinity`. It is for a
 * case of `select`: if another case wins, nothing is left of it.
 *
 * **Errors**: RangeError for NaN.
 *
 * @see Go's [time.After](https://pkg.go.dev/time#After)
 * @example
 * ```ts
 * import { Chan, select, time } from "headgate";
 *
 * const got = await select({ job: new Chan<string>(), idle: time.after(5) });
 * console.log(got.case); // => idle
 * ```
 */
export function after(ms: number): RecvChan<Date> {
  return new TimerState(duration(ms, "after"), 0).chan;
}

/**
 * The channel of a {@link Ticker} that is never stopped. It needs no stopping, because it holds nothing while no receiver waits. For an
 * interval of 0 or less, the {@link nil} channel (T4).
 *
 * **Errors**: RangeError for NaN.
 *
 * @see Go's [time.Tick](https://pkg.go.dev/time#Tick)
 */
export function tick(ms: number): RecvChan<Date> {
  return duration(ms, "tick") <= 0 ? nil : new TimerState(ms, ms).chan;
}

/**
 * Runs `fn` after `ms` milliseconds, in a task of its own. `stop()` of the returned timer prevents the run, `reset(ms)` sets it again.
 * Its `c` is {@link nil}. Keeps the process alive until it has fired or is stopped. `fn` runs in the async context
 * (AsyncLocalStorage) of this call, whichever code sets the timer again.
 *
 * **Errors**: an error of `fn` is reported as uncaught, as with `go`. TypeError if `fn` is not a function, RangeError for NaN.
 *
 * @see Go's [time.AfterFunc](https://pkg.go.dev/time#AfterFunc)
 */
export function afterFunc(ms: number, fn: () => unknown): Timer {
  mustBeFunction(fn, "afterFunc(ms, fn)");
  duration(ms, "afterFunc");
  const timer = new Timer(Infinity, fn);
  timer.reset(ms);
  return timer;
}

/**
 * One event in the future: its channel `c` gets the time after `ms` milliseconds; at once for 0 or less, never for `Infinity`.
 *
 * @see Go's [time.Timer](https://pkg.go.dev/time#Timer)
 * @example
 * ```ts
 * import { time } from "headgate";
 *
 * const timer = new time.Timer(60_000);
 * console.log(timer.stop(), timer.stop()); // => true false
 * timer.reset(1);
 * const [due] = await timer.c.recv();
 * console.log(due instanceof Date); // => true
 * ```
 */
export class Timer extends Inspectable {
  /** Gets the time at which the timer was due, once each time it is set. */
  readonly c: RecvChan<Date>;
  /** @internal */ readonly state: TimerState;

  /** **Errors**: RangeError for NaN. */
  constructor(ms: number);
  /** @internal */
  constructor(ms: number, fn: () => unknown);
  constructor(ms: number, fn?: () => unknown) {
    super();
    this.state = new TimerState(duration(ms, "Timer"), 0, this, fn);
    this.c = fn === undefined ? this.state.chan : nil;
  }

  /**
   * Stops the timer. Returns true if that prevented the event; one that is due but not received counts as prevented (T1). Returns false
   * if the event was received, the timer stopped, or its function started before (T2). Does not close `c`.
   *
   * @see Go's [Timer.Stop](https://pkg.go.dev/time#Timer.Stop)
   */
  stop(): boolean {
    return this.state.stop();
  }

  /**
   * Sets the timer again, to `ms` milliseconds from now. Returns true if it was running, as {@link stop} does.
   *
   * **Errors**: RangeError for NaN.
   *
   * @see Go's [Timer.Reset](https://pkg.go.dev/time#Timer.Reset)
   */
  reset(ms: number): boolean {
    return this.state.reset(duration(ms, "Timer.reset"), 0);
  }

  /**
   * Stops the timer from keeping the process alive, although a receiver waits or it has a function to run: like `unref` of a Node timer.
   * On a platform that cannot do it (a browser), nothing happens. Returns the timer.
   */
  unref(): this {
    this.state.unref();
    return this;
  }

  /** The timer and its state, such as `time.Timer(running)`. */
  override toString(): string {
    return `time.Timer(${this.state.isRunning ? "running" : "stopped"})`;
  }
}

/**
 * A clock that ticks every `ms` milliseconds on its channel `c`. A slow reader finds one tick, however many have passed (T4).
 * It is garbage collected without being stopped.
 *
 * @see Go's [time.Ticker](https://pkg.go.dev/time#Ticker)
 * @example
 * ```ts
 * import { time } from "headgate";
 *
 * const ticker = new time.Ticker(2);
 * for (let i = 1; i <= 3; i++) {
 *   await ticker.c.recv();
 *   console.log("tick", i);
 * }
 * ticker.stop();
 * // => tick 1
 * // => tick 2
 * // => tick 3
 * ```
 */
export class Ticker extends Inspectable {
  /** Gets the time of each tick. The first that is not received is kept, and later ones are dropped (T4). */
  readonly c: RecvChan<Date>;
  /** @internal */ readonly state: TimerState;

  /** **Errors**: throws "non-positive interval for NewTicker"; RangeError for NaN. */
  constructor(ms: number) {
    super();
    if (duration(ms, "Ticker") <= 0) {
      panic("non-positive interval for NewTicker", `an interval is a positive number of milliseconds; got ${ms}`);
    }
    this.state = new TimerState(ms, ms, this);
    this.c = this.state.chan;
  }

  /**
   * Stops the ticking. Returns true if it was ticking. Does not close `c`.
   *
   * @see Go's [Ticker.Stop](https://pkg.go.dev/time#Ticker.Stop)
   */
  stop(): boolean {
    return this.state.stop();
  }

  /**
   * Ticks every `ms` milliseconds from now on. Returns true if it was ticking before.
   *
   * **Errors**: throws "non-positive interval for Ticker.Reset"; RangeError for NaN.
   *
   * @see Go's [Ticker.Reset](https://pkg.go.dev/time#Ticker.Reset)
   */
  reset(ms: number): boolean {
    if (duration(ms, "Ticker.reset") <= 0) {
      panic("non-positive interval for Ticker.Reset", `an interval is a positive number of milliseconds; got ${ms}`);
    }
    return this.state.reset(ms, ms);
  }

  /**
   * Stops the ticker from keeping the process alive, although a receiver waits for a tick: like `unref` of a Node timer. On a platform
   * that cannot do it (a browser), nothing happens. Returns the ticker.
   *
   * @example
   * ```ts
   * import { go, time } from "headgate";
   *
   * const ticker = new time.Ticker(60_000).unref();
   * go(async () => {
   *   for await (const _ of ticker.c) console.log("refreshed");
   * }); // and yet the program ends when everything else has
   * ```
   */
  unref(): this {
    this.state.unref();
    return this;
  }

  /** The ticker and its state, such as `time.Ticker(running)`. */
  override toString(): string {
    return `time.Ticker(${this.state.isRunning ? "running" : "stopped"})`;
  }
}
