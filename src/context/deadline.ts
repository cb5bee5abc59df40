/**
 * Contexts that end when a time is reached.
 *
 * Invariant: a deadline is a point on the monotonic clock. `deadline()` returns the time of day that this was when it was set.
 */
import { attempt, kindOf } from "../internal/foreign.ts";
import { type Alarm, type Clock, clockOf, type TimerTarget, now, setAlarm } from "../internal/runtime.ts";
import { failedContext } from "../internal/foreigncontext.ts";
import { CancelCtx, type CancelFunc, cancelOf, propagateCancel, withCancel } from "./cancel.ts";
import { deadlineCtxOf, deadlineOf, mustBeContext, mustBeParent } from "./context.ts";
import { DeadlineExceeded, Outcome } from "./errors.ts";
import { MergeCtx } from "./merge.ts";
import { goDuration } from "./text.ts";
import type { Context } from "../types.ts";
import { duration } from "../internal/args.ts";

/**
 * Derives a context that ends when the clock reaches `at` (epoch ms, or a Date), when `cancel` is called, or when `parent` ends,
 * whichever is first. If the parent's deadline is earlier, this is {@link withCancel} (C41). If `at` has passed, the context is born
 * done. It never ends before `at`, and a change of the wall clock does not move it. The pending deadline keeps the process alive,
 * so call `cancel` when the work is done.
 *
 * **Errors**: throws "cannot create context from nil parent"; RangeError for NaN and an invalid Date; TypeError for anything but a number or a
 * Date.
 *
 * @see Go's [context.WithDeadline](https://pkg.go.dev/context#WithDeadline)
 * @example
 * ```ts
 * import { context, time } from "headgate";
 *
 * const [ctx, cancel] = context.withDeadline(context.background(), time.now() + 5);
 * using _ = cancel;
 * await ctx.done().recv();
 * console.log(ctx.err()?.message); // => context deadline exceeded
 * ```
 */
export function withDeadline(parent: Context, at: number | Date): readonly [ctx: Context, cancel: CancelFunc] {
  return withDeadlineCause(parent, at, undefined);
}

/**
 * Like {@link withDeadline}; after the deadline, `context.cause` returns `cause`. `cancel` does not use it (C45).
 *
 * **Errors**: as {@link withDeadline}.
 *
 * @see Go's [context.WithDeadlineCause](https://pkg.go.dev/context#WithDeadlineCause)
 */
export function withDeadlineCause(
  parent: Context,
  at: number | Date,
  cause: unknown,
): readonly [ctx: Context, cancel: CancelFunc] {
  mustBeParent(parent, "withDeadline");
  const epoch = epochOf(at);
  return deadline(parent, epoch, epoch - now(parent), cause);
}

/** A Date may be of another realm: it is recognised by its method. */
function epochOf(at: number | Date): number {
  const epoch: unknown = typeof at === "number" ? at : attempt(() => at.getTime());
  if (typeof epoch !== "number") throw new TypeError(`withDeadline: expected epoch ms or a Date, got ${kindOf(at)}`);
  if (Number.isNaN(epoch)) throw new RangeError("withDeadline: the time is invalid (NaN); pass epoch ms or a Date");
  return epoch;
}

/**
 * Derives a context that ends after `ms` milliseconds, when `cancel` is called, or when `parent` ends, whichever is first: see
 * {@link withDeadline}. `Infinity`: no deadline. 0 or less: born done.
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
 * Like {@link withTimeout}; after the timeout, `context.cause` returns `cause`. `cancel` does not use it (C45).
 *
 * **Errors**: as {@link withTimeout}.
 *
 * @see Go's [context.WithTimeoutCause](https://pkg.go.dev/context#WithTimeoutCause)
 * @example
 * ```ts
 * import { context, time } from "headgate";
 *
 * const [ctx, cancel] = context.withTimeoutCause(context.background(), 5, "the price service is slow");
 * using _ = cancel;
 * await time.sleep(60_000, ctx).catch((err) => console.log(err.cause)); // => the price service is slow
 * ```
 */
export function withTimeoutCause(
  parent: Context,
  ms: number,
  cause: unknown,
): readonly [ctx: Context, cancel: CancelFunc] {
  mustBeParent(parent, "withTimeout");
  duration(ms, "withTimeout");
  return deadline(parent, now(parent) + ms, ms, cause);
}

/**
 * Lets the process end while the deadline of `ctx` is pending, like `unref` of a Node timer. It is for a deadline that only guards
 * against the improbable. The deadline is the one that `ctx.deadline()` reports, which may be an ancestor's; for a merged context,
 * those of both. Without a deadline, or on a platform that cannot do it (a browser), nothing happens. Returns `ctx`.
 *
 * **Errors**: TypeError if `ctx` is not a Context.
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
  mustBeContext(ctx, "unref");
  // A proxy that cannot be asked has no timer of ours.
  const timer = attempt(() => deadlineCtxOf(ctx));
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
  // Equal deadlines are compared as given: on the monotonic clock they differ by a fraction of a millisecond.
  if (due === Infinity || (dueOf(parent, clock, instant) < due && parent.deadline() !== at)) return withCancel(parent);
  const ctx = new TimerCtx(parent, at, clock, due, cause);
  // The parent before the clock: if both are over, the parent's error counts (C43).
  propagateCancel(parent, ctx);
  ctx.start(instant);
  return [ctx, cancelOf(ctx, () => ctx.cancel(undefined))];
}

/** The deadline of `ctx` as a point on this clock, which is at `instant`; Infinity: none. */
function dueOf(ctx: Context, clock: Clock, instant: number): number {
  let timer: Context | null;
  try {
    timer = deadlineCtxOf(ctx);
    if (timer instanceof TimerCtx) return timer.clock === clock ? timer.due : instant + timer.left();
  } catch (thrown) {
    throw failedContext(thrown);
  }
  const at = timer === null ? undefined : deadlineOf(timer);
  const left = at === undefined ? Infinity : at - now(ctx);
  // A foreign context that has not ended though its deadline has passed may never end.
  return left > 0 ? instant + left : Infinity;
}

export class TimerCtx extends CancelCtx implements TimerTarget {
  /** The deadline as `deadline()` reports it, in epoch ms. */
  readonly at: number;
  /** The clock that decides. */
  readonly clock: Clock;
  /** The deadline as a point on that clock. */
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
    if (this.outcome !== null) return;
    if (this.due <= instant) this.expire();
    else this.alarm = setAlarm(this.clock, this.due, this, this);
  }

  /** The time until the deadline, in ms. */
  left(): number {
    return this.due - this.clock.monotonic();
  }

  unref(): void {
    this.alarm?.unref();
  }

  expire(): void {
    if (this.outcome === null) this.end(new Outcome(DeadlineExceeded, this.cause));
  }

  override onEnd(): void {
    this.alarm?.stop();
    this.alarm = null;
  }

  override text(isJson?: boolean): string {
    if (isJson === true) return ".WithDeadline";
    const day = Math.abs(this.at) <= 8.64e15 ? new Date(this.at).toISOString() : String(this.at);
    return `.WithDeadline(${day} [${goDuration(this.left())}])`;
  }
}
