/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Contexts that end when they are told to, and how every context that can end hangs on its parent, whoever made that. Read `context.ts` first.
 *
 * Invariants:
 * - A child is in the list of its parent, or on the nearest context of ours that ends with it, or it watches somebody else's context.
 * - A parent that cannot be asked, or watched, is refused, and nothing is left on it. Later its code cannot keep a child from its end.
 */
import type { AbortSignal } from "../internal/abortsignal.ts";
import { onAbort } from "../internal/abort.ts";
import { Chan, nil } from "../chan/chan.ts";
import { attempt, isA, propertyOf } from "../internal/foreign.ts";
import { go } from "../chan/go.ts";
import { ask, errorOf, hasAfterFunc, missingError, signalOf } from "../internal/foreigncontext.ts";
import { callbackWaiter, WaitQueue } from "../internal/waitqueue.ts";
import { type CancelCauseFunc, type CancelFunc, disposable } from "./cancelfunc.ts";
import {
  abort,
  baseOf,
  CancelCtx,
  mark,
  mustBeContext,
  mustBeParent,
  NEAREST,
  RootCtx,
  Told,
  WithoutCancelCtx,
} from "./context.ts";
import { Canceled, DeadlineExceeded, Ending } from "./errors.ts";
import type { Context } from "../types.ts";

/**
 * Derives a context that ends when `cancel` is called or `parent` ends, whichever is first. Call `cancel` when the work is done:
 * until then the context stays in its parent's list.
 *
 * **Errors**: throws "cannot create context from nil parent".
 *
 * @see Go's [context.WithCancel](https://pkg.go.dev/context#WithCancel)
 * @example
 * ```ts
 * import { context, time } from "headgate";
 *
 * const [ctx, cancel] = context.withCancel(context.background());
 * const nap = time.sleep(60_000, ctx);
 * cancel();
 * await nap.catch((err) => console.log(err === ctx.err(), err.message)); // => true context canceled
 * ```
 */
export function withCancel(parent: Context): readonly [ctx: Context, cancel: CancelFunc] {
  const ctx = new CancelCtx(mustBeParent(parent));
  attach(ctx, parent);
  return [ctx, disposable(() => ctx.cancel(undefined))];
}

/**
 * Like {@link withCancel}; `cancel(cause)` says why. The first call decides, both the error and the cause (C31).
 *
 * **Errors**: throws "cannot create context from nil parent".
 *
 * @see Go's [context.WithCancelCause](https://pkg.go.dev/context#WithCancelCause)
 * @example
 * ```ts
 * import { context } from "headgate";
 *
 * const [ctx, cancel] = context.withCancelCause(context.background());
 * cancel(new Error("disk full"));
 * console.log(ctx.err()?.message); // => context canceled
 * console.log(String(context.cause(ctx))); // => Error: disk full
 * ```
 */
export function withCancelCause(parent: Context): readonly [ctx: Context, cancel: CancelCauseFunc] {
  const ctx = new CancelCtx(mustBeParent(parent));
  attach(ctx, parent);
  return [ctx, disposable((cause?: unknown) => ctx.cancel(cause))];
}

/**
 * Why `ctx` has ended: what was passed to the cancel function or given as the cause of its deadline, its own or an ancestor's; else
 * the same as `ctx.err()`. Undefined while ctx has not ended.
 *
 * @see Go's [context.Cause](https://pkg.go.dev/context#Cause)
 */
export function cause(ctx: Context): unknown {
  mustBeContext(ctx, "cause: ctx");
  const err: unknown = ask(() => ctx.err());
  return err === undefined ? undefined : causeOf(ctx, err);
}

function causeOf(ctx: Context, err: unknown): unknown {
  // Err is asked first, and only then the nearest standard context (C34): a context of somebody's own may have ended by itself.
  const ending = nearest(ctx)?.ending ?? null;
  // Of another copy's context the error says it: the nearest of ours is above that, and may have ended later, for another reason.
  if (isTheirs(err) && err !== ending?.error) return propertyOf(err, "cause") ?? err;
  return ending === null ? err : (ending.cause ?? ending.error);
}

/** Whether it is an error of another copy's context. One of ours comes from behind a wrapper that hides its cause (C68). */
function isTheirs(err: unknown): boolean {
  if (!isA(err, Canceled) && !isA(err, DeadlineExceeded)) return false;
  const proto: unknown = attempt(() => Object.getPrototypeOf(err));
  return proto !== Canceled.prototype && proto !== DeadlineExceeded.prototype;
}

/** The nearest context of ours from here upwards that can end; undefined if there is none, or somebody's own hides it. */
function nearest(ctx: Context): CancelCtx | undefined {
  const found: unknown = attempt(() => ctx.value(NEAREST));
  return CancelCtx.isOne(found) ? found : undefined;
}

/** Lets `child` end with `parent`: now, if that has ended; else by the cheapest way the parent offers (C100). */
export function attach(child: CancelCtx, parent: Context): void {
  const base = baseOf(parent);
  if (CancelCtx.isOne(base)) join(child, base);
  else if (!isA(base, RootCtx) && !isA(base, WithoutCancelCtx)) attachForeign(child, parent);
}

function join(child: CancelCtx, holder: CancelCtx): void {
  if (holder.ending !== null) return child.end(holder.ending);
  child.holder = holder;
  const first = holder.children;
  if (first === null) {
    holder.children = child.prev = child;
  } else {
    child.prev = first.prev;
    first.prev!.next = child;
    first.prev = child;
  }
}

function attachForeign(child: CancelCtx, parent: Context): void {
  const channel: unknown = ask(() => parent.done());
  if (channel === nil) return;
  const near = nearest(parent);
  // Last of all that is asked: what it is asked may end it.
  if (ask(() => parent.err()) !== undefined) return child.end(endingOf(parent));
  const isChan = isA(channel, Chan);
  if (isChan && propertyOf(channel, "closed") === true) throw missingError();
  if (near !== undefined && near.done() === channel) return join(child, near);
  const receivers = isChan ? propertyOf(channel, "receivers") : undefined;
  if (hasAfterFunc(parent)) {
    const stop: unknown = ask(() => parent.afterFunc(() => child.ending ?? child.end(endingOf(parent))));
    if (child.ending === null && typeof stop === "function") (child.told ??= new Told()).leave = () => void stop();
  } else if (isA(receivers, WaitQueue)) {
    // Not inside the other party's close(): its goroutine would come later, too (C102).
    const waiter = callbackWaiter(() => go(() => child.ending ?? child.end(endingOf(parent))));
    receivers.push(waiter);
    (child.told ??= new Told()).leave = () => waiter.withdraw();
  } else {
    (child.told ??= new Told()).leave = endWith(child, signalOf(parent), () => endingOf(parent));
  }
}

/** Ends `ctx` when `signal` aborts, together with all the others that this signal ends. Returns how to call that off. */
export function endWith(ctx: CancelCtx, signal: AbortSignal, ending: () => Ending): () => void {
  return onAbort(signal, () => {
    // Why it ends may be asked of somebody else, who may end it meanwhile.
    const why = ctx.ending ?? ending();
    if (ctx.ending !== null) return undefined;
    const { told } = ctx;
    ctx.detach();
    const observed = mark(ctx, why);
    return () => {
      abort(observed);
      told?.quit();
    };
  });
}

function endingOf(parent: Context): Ending {
  const err = errorOf(parent) as Canceled;
  const why = causeOf(parent, err);
  return new Ending(Canceled, why === err ? undefined : why, err);
}
