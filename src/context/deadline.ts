/**
 * Contexts that end by the clock.
 *
 * Invariant: a deadline is an instant on the monotonic clock; what `deadline()` reports is the time of day it had when it was set.
 */
import { attempt, kindOf } from "../internal/foreign.ts";
import { type Alarm, type Clock, clockOf, type TimerTarget, now, setAlarm } from "../internal/runtime.ts";
import { failedContext } from "../internal/foreigncontext.ts";
import { type CancelFunc, disposable } from "./cancelfunc.ts";
import { attach, withCancel } from "./cancel.ts";
import { CancelCtx, deadlineOf, deciderOf, mustBeContext, mustBeParent } from "./context.ts";
import { DeadlineExceeded, Ending } from "./errors.ts";
import { MergeCtx } from "./merge.ts";
import { goDuration } from "./text.ts";
import type { Context } from "../types.ts";
import { duration } from "../internal/args.ts";

/**
 * Derives a context that ends when the clock reaches `at` (epoch ms, or a Date), when `cancel` is called, or when `parent` ends,
 * whichever is first. If the parent's deadline is earlier this is {@link withCancel} (C41); if `at` has passed the context is born
 * done. It never ends before `at`, and a change of the wall clock does not move it. The pending deadline keeps the process alive,
 * so call `cancel` when the work is done.
 *
 * **Errors**: throws "cannot create context from nil parent"; RangeError for NaN.
 *
 * @see Go's [context.WithDeadline](https://pkg.go.dev/context#WithDeadline)
 */
export function withDeadline(parent: Context, at: number | Date): readonly [ctx: Context, cancel: CancelFunc] {
  return withDeadlineCause(parent, at, undefined);
}

/**
 * Like {@link withDeadline}; when the deadline passes, `cause` is what {@link cause} returns. `cancel` does not use it (C45).
 *
 * @see Go's [context.WithDeadlineCause](https://pkg.go.dev/context#WithDeadlineCause)
 */
export function withDeadlineCause(
  parent: Context,
  at: number | Date,
  cause: unknown,
): readonly [ctx: Context, cancel: CancelFunc] {
  mustBeParent(parent);
  const epoch = duration(epochOf(at), "withDeadline");
  return deadline(parent, epoch, epoch - now(parent), cause);
}

/** A Date may be of another realm: it is known by what it does. */
function epochOf(at: number | Date): number {
  if (typeof at === "number") return at;
  const epoch: unknown = attempt(() => at.getTime());
  if (typeof epoch === "number") return epoch;
  throw new TypeError(`withDeadline: expected epoch ms or a Date, got ${kindOf(at)}`);
}

/**
 * Derives a context that ends after `ms` milliseconds, when `cancel` is called, or when `parent` ends, whichever is first: see
 * {@link withDeadline}. `Infinity` = no deadline, 0 or less = born done.
 *
 * **Errors**: throws "cannot create context from nil parent"; RangeError for NaN.
 *
 * @see Go's [context.WithTimeout](https://pkg.go.dev/context#WithTimeout)
 * @example
 * ```ts
 * import { context, time } from "headgate";
 *
 * const [ctx, cancel] = context.withTimeout(context.background(), 5);
 * using _ = cancel;
 * await time.sleep(60_000, ctx).catch((err) => console.log(err.message)); // => context deadline exceeded
 * ```
 */
export function withTimeout(parent: Context, ms: number): readonly [ctx: Context, cancel: CancelFunc] {
  return withTimeoutCause(parent, ms, undefined);
}

/**
 * Like {@link withTimeout}; when the time is over, `cause` is what {@link cause} returns. `cancel` does not use it (C45).
 *
 * @see Go's [context.WithTimeoutCause](https://pkg.go.dev/context#WithTimeoutCause)
 */
export function withTimeoutCause(
  parent: Context,
  ms: number,
  cause: unknown,
): readonly [ctx: Context, cancel: CancelFunc] {
  mustBeParent(parent);
  duration(ms, "withTimeout");
  return deadline(parent, now(parent) + ms, ms, cause);
}

/**
 * Lets the process end though the deadline of `ctx` is pending, as `unref` of a timer of Node's does: for a deadline that only guards
 * against what may never happen. The deadline is the one that `ctx.deadline()` reports, which may be an ancestor's; of a merged one
 * it is those of both. Where there is none, or
 * the platform cannot do it (a browser), nothing happens. Returns `ctx`.
 *
 * @example
 * ```ts
 * import { context } from "headgate";
 *
 * const [ctx] = context.withTimeout(context.background(), 60_000);
 * context.unref(ctx); // the program ends now, not in a minute
 * ```
 */
export function unref<C extends Context>(ctx: C): C {
  mustBeContext(ctx, "unref: ctx");
  // One in somebody's proxy that cannot be asked has no timer to let go of.
  const timer = attempt(() => deciderOf(ctx));
  if (!CancelCtx.isOne(timer)) return ctx;
  if (timer instanceof TimerCtx) timer.unref();
  if (timer instanceof MergeCtx) for (const side of [timer.parent, timer.other]) unref(side);
  return ctx;
}

function deadline(
  parent: Context,
  at: number,
  ms: number,
  cause: unknown,
): readonly [ctx: Context, cancel: CancelFunc] {
  const clock = clockOf(parent);
  const instant = clock.monotonic();
  const due = instant + ms;
  // Equal deadlines are compared as they were given, for on the monotonic clock they differ by a fraction of a millisecond.
  if (due === Infinity || (dueOf(parent, clock, instant) < due && parent.deadline() !== at)) return withCancel(parent);
  const ctx = new TimerCtx(parent, at, clock, due, cause);
  // The parent before the clock: if both are over, the parent's error counts (C43).
  attach(ctx, parent);
  ctx.start(instant);
  return [ctx, disposable(() => ctx.cancel(undefined))];
}

/** When `ctx` will end by its deadline, on this clock, which is at `instant`; Infinity if it has none. */
function dueOf(ctx: Context, clock: Clock, instant: number): number {
  let timer: Context | null;
  try {
    timer = deciderOf(ctx);
    if (timer instanceof TimerCtx) return timer.clock === clock ? timer.due : instant + timer.left();
  } catch (thrown) {
    throw failedContext(thrown);
  }
  const at = timer === null ? undefined : deadlineOf(timer);
  const left = at === undefined ? Infinity : at - now(ctx);
  // One of somebody else's that has not ended though its time is over may never do so.
  return left > 0 ? instant + left : Infinity;
}

export class TimerCtx extends CancelCtx implements TimerTarget {
  /** Epoch ms, as `deadline()` reports it. */
  readonly at: number;
  /** The clock that decides. */
  readonly clock: Clock;
  /** The same moment on that clock. */
  readonly due: number;
  private readonly cause: unknown;
  private alarm: Alarm | null = null;

  constructor(parent: Context, at: number, clock: Clock, due: number, cause: unknown) {
    super(parent);
    this.at = at;
    this.clock = clock;
    this.due = due;
    this.cause = cause;
  }

  override deadline(): number {
    return this.at;
  }

  start(instant: number): void {
    if (this.ending !== null) return;
    if (this.due <= instant) this.expire();
    else this.alarm = setAlarm(this.clock, this.due, this, this);
  }

  /** ms until it ends. */
  left(): number {
    return this.due - this.clock.monotonic();
  }

  unref(): void {
    this.alarm?.unref();
  }

  expire(): void {
    if (this.ending === null) this.end(new Ending(DeadlineExceeded, this.cause));
  }

  override ended(): void {
    this.alarm?.stop();
    this.alarm = null;
  }

  override text(isJson?: boolean): string {
    if (isJson === true) return ".WithDeadline";
    const day = Math.abs(this.at) <= 8.64e15 ? new Date(this.at).toISOString() : String(this.at);
    return `.WithDeadline(${day} [${goDuration(this.left())}])`;
  }
}
