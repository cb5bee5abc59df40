/**
 * Sleeping, timers and tickers: Go's package `time`, with the rules of Go 1.23.
 *
 * Invariants:
 * - A timer channel sets a platform timer only while somebody waits on it. One that lost its select leaves nothing behind: no timer,
 *   no memory, and no process kept alive. A poll reads the clock, so a timer that is overdue and unset is ready all the same (T6).
 * - A timer channel never holds a value: what is due is taken from the timer itself. So none is left over after stop or reset (T1).
 * - Spans are measured on the monotonic clock; what is delivered is the time at which the timer was due, not when it was read (T5).
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
 * The time on the library's clock, in epoch ms. In a test bubble that clock is virtual, so code that asks it can be tested; `Date.now()`
 * stays real.
 *
 * @see Go's [time.Now](https://pkg.go.dev/time#Now)
 */
export function now(): number {
  return wallClock();
}

/**
 * Resolves after `ms` milliseconds, never earlier; at once for 0 or less, never for `Infinity`. Keeps the process alive meanwhile.
 *
 * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()` and the timer is gone.
 *
 * **Errors**: rejects with a RangeError for NaN, with a TypeError for what is no number.
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
  return suspend(new Waiter(() => undefined, undefined, ms), new Nap(ms, ctx), ctx, "sleep", ctx);
}

/** The queue of one sleeper: its alarm is set while he is in it. */
class Nap extends WaitQueue implements QueueWatcher, TimerTarget {
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
 * A channel that has one value, the time it was due, `ms` milliseconds from now; at once for 0 or less, never for `Infinity`. Made
 * for a case of `select`: if another case wins, nothing is left of it.
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
  return new Movement(duration(ms, "after"), 0).chan;
}

/**
 * The channel of a {@link Ticker} that is never stopped; it needs no stopping, for it holds nothing while nobody waits on it. The
 * {@link nil} channel for an interval of 0 or less (T4).
 *
 * **Errors**: RangeError for NaN.
 *
 * @see Go's [time.Tick](https://pkg.go.dev/time#Tick)
 */
export function tick(ms: number): RecvChan<Date> {
  return duration(ms, "tick") <= 0 ? nil : new Movement(ms, ms).chan;
}

/**
 * Runs `fn` after `ms` milliseconds, on a task of its own; `stop()` and `reset(ms)` of the timer that is returned call it off and set
 * it anew. Its `c` is {@link nil}. Keeps the process alive until it has fired or is stopped. `fn` runs in the async context
 * (AsyncLocalStorage) of this call, whoever sets the timer again.
 *
 * **Errors**: what `fn` throws is reported as uncaught, as with {@link go}. TypeError if `fn` is no function, RangeError for NaN.
 *
 * @see Go's [time.AfterFunc](https://pkg.go.dev/time#AfterFunc)
 */
export function afterFunc(ms: number, fn: () => unknown): Timer {
  mustBeFunction(fn, "afterFunc");
  duration(ms, "afterFunc");
  const timer = new Timer(Infinity, fn);
  timer.reset(ms);
  return timer;
}

/**
 * One event in the future: its channel `c` gets the time, `ms` milliseconds from now; at once for 0 or less, never for `Infinity`.
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
  /** Gets the time at which the timer was due, once for each time it is set. */
  readonly c: RecvChan<Date>;
  /** @internal */ readonly movement: Movement;

  /** **Errors**: RangeError for NaN. */
  constructor(ms: number);
  /** @internal */
  constructor(ms: number, fn: () => unknown);
  constructor(ms: number, fn?: () => unknown) {
    super();
    this.movement = new Movement(duration(ms, "Timer"), 0, this, fn);
    this.c = fn === undefined ? this.movement.chan : nil;
  }

  /**
   * Stops the timer. True if that prevented it: an event that is due but was not received counts as prevented (T1). False if the
   * timer was received or stopped before, or if its function was started (T2). Does not close `c`.
   */
  stop(): boolean {
    return this.movement.stop();
  }

  /**
   * Sets the timer anew, `ms` milliseconds from now. True if it was running, as with {@link stop}.
   *
   * **Errors**: RangeError for NaN.
   */
  reset(ms: number): boolean {
    return this.movement.reset(duration(ms, "Timer.reset"), 0);
  }

  /**
   * From now on the timer does not keep the process alive, though somebody waits for it or it has a function to run; as `unref` of a timer
   * of Node's. Where the platform cannot do it (a browser), nothing happens. Returns the timer.
   */
  unref(): this {
    this.movement.unref();
    return this;
  }

  /** What it is and how it stands, such as `time.Timer(running)`. */
  override toString(): string {
    return `time.Timer(${this.movement.isRunning ? "running" : "stopped"})`;
  }
}

/**
 * A clock that ticks every `ms` milliseconds on its channel `c`. A reader who is slow finds one tick, however many have passed (T4).
 * It needs no stopping to be let go.
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
  /** Gets the time of each tick that somebody is there to take. */
  readonly c: RecvChan<Date>;
  /** @internal */ readonly movement: Movement;

  /** **Errors**: throws "non-positive interval for NewTicker"; RangeError for NaN. */
  constructor(ms: number) {
    super();
    if (duration(ms, "Ticker") <= 0) {
      panic("non-positive interval for NewTicker", `an interval is a positive number of milliseconds; got ${ms}`);
    }
    this.movement = new Movement(ms, ms, this);
    this.c = this.movement.chan;
  }

  /** Stops the ticking; true if it was on. Does not close `c`. */
  stop(): boolean {
    return this.movement.stop();
  }

  /**
   * Ticks every `ms` milliseconds from now on; true if it was ticking before.
   *
   * **Errors**: throws "non-positive interval for Ticker.Reset"; RangeError for NaN.
   */
  reset(ms: number): boolean {
    if (duration(ms, "Ticker.reset") <= 0) {
      panic("non-positive interval for Ticker.Reset", `an interval is a positive number of milliseconds; got ${ms}`);
    }
    return this.movement.reset(ms, ms);
  }

  /**
   * From now on the ticker does not keep the process alive, though somebody waits for a tick; as `unref` of a timer of Node's. Where the
   * platform cannot do it (a browser), nothing happens. Returns the ticker.
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
    this.movement.unref();
    return this;
  }

  /** What it is and how it stands, such as `time.Ticker(running)`. */
  override toString(): string {
    return `time.Ticker(${this.movement.isRunning ? "running" : "stopped"})`;
  }
}

/** What moves the hands: the timer behind a channel, or behind a function. */
class Movement implements TimerSource, QueueWatcher, TimerTarget {
  readonly chan: Chan<Date>;
  private readonly fn: (() => unknown) | undefined;
  /** The clock by which it was set: `next` is an instant of it. */
  clock!: Clock;
  /** When it is due; null when it is not running. */
  private next: number | null = null;
  /** ms between ticks; 0 = it runs once. */
  private period = 0;
  /** What to add to a monotonic time to get the epoch's. */
  private epoch = 0;
  private alarm: Alarm | null = null;
  private holds = true;

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
    this.set();
    return wasRunning;
  }

  reset(ms: number, period: number): boolean {
    const wasRunning = this.isRunning;
    this.clock = clockOf(this.chan);
    const instant = this.clock.monotonic();
    this.next = instant + Math.max(0, ms);
    this.period = period;
    this.epoch = wallClock(this.chan) - instant;
    this.set();
    return wasRunning;
  }

  unref(): void {
    this.holds = false;
    this.alarm?.unref();
  }

  instant(): number {
    return this.clock.monotonic();
  }

  serve(instant: number): void {
    // Whoever waits comes first, even if the platform's timer is late (H6).
    while (this.due(instant) && this.chan.receivers.head !== null) this.expire();
  }

  due(instant: number): boolean {
    return this.next !== null && this.next <= instant;
  }

  take(): Date {
    const due = this.next!;
    this.next = this.period === 0 ? null : this.following(due);
    return new Date(due + this.epoch);
  }

  /** A ticker keeps its beat and drops the ticks that nobody took. */
  private following(due: number): number {
    const now = this.instant();
    const next = due + this.period * (1 + Math.floor(Math.max(0, now - due) / this.period));
    // A period may be too short for the clock to tell.
    return next > due && next < Infinity ? next : now;
  }

  onFirst(): void {
    this.set(true);
  }

  onLeave(): void {
    if (this.chan.receivers.head === null) this.set();
  }

  expire(): void {
    if (this.fn !== undefined) {
      this.next = null;
      if (this.begin === null) this.begun++;
      else this.run();
      return;
    }
    const receiver = this.chan.receivers.head;
    if (receiver === null) return;
    const time = this.take();
    receiver.withdraw();
    wake(receiver, receiver.shape!(time, true, receiver.key));
    this.set();
  }

  /** Sets the alarm if somebody needs it, else puts it off. */
  private set(needed: boolean = this.fn !== undefined || this.chan.receivers.head !== null): void {
    this.alarm?.stop();
    this.alarm = null;
    if (!needed || this.next === null || this.next === Infinity) return;
    this.alarm = setAlarm(this.clock, this.next, this, this.chan);
    if (!this.holds) this.alarm.unref();
  }

  // The function runs in the async context in which it was handed over, however often and by whom the timer is set again.

  /** Starts the function; null from then until it runs. */
  private begin: (() => void) | null = null;
  /** How often it has been started besides. */
  private begun = 0;

  private prepare(): void {
    const run = (): unknown => {
      this.prepare();
      if (this.begun > 0) {
        this.begun--;
        this.run();
      }
      return this.fn!();
    };
    this.begin = prepared(run, undefined, this.fn, undefined, report);
  }

  private run(): void {
    const { begin } = this;
    this.begin = null;
    begin!();
  }
}
