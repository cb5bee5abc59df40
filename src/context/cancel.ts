/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Contexts that end when their cancel function is called, and how the end spreads down the tree. Read `context.ts` first.
 *
 * Invariants:
 * - `err()` is set ⇔ `done()` is closed ⇔ `signal.aborted` (once made). One cancel sets error and cause in the whole subtree, then closes
 *   its channels. Only then are signals aborted, so no listener ever sees half of it.
 * - A child is in the list of the parent that ends it, or it watches a foreign parent, or it has ended. One that has ended is in no list,
 *   and holds no timer.
 * - The core of `cancel` neither recurses nor calls foreign code: depth and width are limited by memory alone.
 * - A foreign parent that cannot be asked or watched is refused, and nothing is left on it. Later its code cannot keep a child alive.
 */
import type { AbortController, AbortSignal } from "../internal/abortsignal.ts";
import { onAbort } from "../internal/abort.ts";
import { Chan, nil } from "../chan/chan.ts";
import { attempt, isA, propertyOf } from "../internal/foreign.ts";
import { go } from "../chan/go.ts";
import { ask, errorOf, hasAfterFunc, missingError, signalOf } from "../internal/foreigncontext.ts";
import { cancelCalled, created, note, owned, poll } from "../internal/runtime.ts";
import { callbackWaiter, WaitQueue } from "../internal/waitqueue.ts";
import {
  BaseCtx,
  cancelCtxKey,
  EmptyCtx,
  mustBeContext,
  mustBeParent,
  stateCtxOf,
  WithoutCancelCtx,
} from "./context.ts";
import { Canceled, DeadlineExceeded, Outcome } from "./errors.ts";
import type { Context, Key, RecvChan } from "../types.ts";

/**
 * Ends a context and everything derived from it, before it returns (C10). Calls after the first do nothing (C11). Arguments are
 * ignored, so it can be passed as a callback.
 *
 * Disposable: `using _ = cancel` is Go's `defer cancel()`.
 *
 * @see Go's [context.CancelFunc](https://pkg.go.dev/context#CancelFunc)
 */
export interface CancelFunc extends Disposable {
  (): void;
}

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
  const ctx = new CancelCtx(mustBeParent(parent, "withCancel"));
  propagateCancel(parent, ctx);
  return [ctx, cancelOf(ctx, () => ctx.cancel(undefined))];
}

/**
 * A {@link CancelFunc} that says why: `cause(ctx)` returns the cause, and so does `err().cause`. Without one, or with undefined
 * or null, the cause is `err()`; `0`, `""` and `false` are causes.
 *
 * @see Go's [context.CancelCauseFunc](https://pkg.go.dev/context#CancelCauseFunc)
 */
export interface CancelCauseFunc extends Disposable {
  (cause?: unknown): void;
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
  const ctx = new CancelCtx(mustBeParent(parent, "withCancelCause"));
  propagateCancel(parent, ctx);
  return [ctx, cancelOf(ctx, (cause?: unknown) => ctx.cancel(cause))];
}

/** `cancel` as the function by which the caller is to end `ctx`. */
export function cancelOf<F extends () => void>(ctx: CancelCtx, cancel: F): F & Disposable {
  owned(ctx, cancel);
  return disposable(cancel);
}

export function disposable<F extends () => void>(cancel: F): F & Disposable {
  // A plain assignment: Object.assign would be the most expensive part of making a context.
  (cancel as Partial<Disposable>)[Symbol.dispose] = dispose;
  return cancel as F & Disposable;
}

function dispose(this: () => void): void {
  this();
}

/**
 * Why `ctx` has ended: the argument of the cancel function, or the cause given with the deadline, of `ctx` or of an ancestor; else
 * the same as `ctx.err()`. Undefined while `ctx` has not ended.
 *
 * **Errors**: TypeError if `ctx` is not a Context.
 *
 * @see Go's [context.Cause](https://pkg.go.dev/context#Cause)
 * @example
 * ```ts
 * import { context } from "headgate";
 *
 * const [ctx, cancel] = context.withCancelCause(context.background());
 * cancel(new Error("the disk is full"));
 * console.log(ctx.err()?.message); // => context canceled
 * console.log(String(context.cause(ctx))); // => Error: the disk is full
 * ```
 */
export function cause(ctx: Context): unknown {
  mustBeContext(ctx, "cause");
  const err: unknown = ask(() => ctx.err());
  return err === undefined ? undefined : causeOf(ctx, err);
}

function causeOf(ctx: Context, err: unknown): unknown {
  // err() is asked first, and only then the nearest CancelCtx (C34): a foreign context may have ended by itself.
  const outcome = parentCancelCtx(ctx)?.outcome ?? null;
  // A context of another copy has its cause in its error. Our nearest is above it, and may have ended later, for another reason.
  if (isFromOtherCopy(err) && err !== outcome?.error) return propertyOf(err, "cause") ?? err;
  return outcome === null ? err : (outcome.cause ?? outcome.error);
}

/** True if it is an error of another copy's context. One of ours comes from behind a wrapper that hides its cause (C68). */
function isFromOtherCopy(err: unknown): boolean {
  if (!isA(err, Canceled) && !isA(err, DeadlineExceeded)) return false;
  const proto: unknown = attempt(() => Object.getPrototypeOf(err));
  return proto !== Canceled.prototype && proto !== DeadlineExceeded.prototype;
}

/** The nearest CancelCtx from `parent` upwards; undefined if there is none, or a foreign context hides it. */
function parentCancelCtx(parent: Context): CancelCtx | undefined {
  const found: unknown = attempt(() => parent.value(cancelCtxKey));
  return CancelCtx.isOne(found) ? found : undefined;
}

/** Adds `child` to the children of `parent`, or ends it if that has ended. */
function addChild(parent: CancelCtx, child: CancelCtx): void {
  if (parent.outcome !== null) return child.end(parent.outcome);
  child.listedBy = parent;
  const first = parent.children;
  if (first === null) {
    parent.children = child.prev = child;
  } else {
    child.prev = first.prev;
    first.prev!.next = child;
    first.prev = child;
  }
}

/** Takes a context from the children of its parent (C16). */
function removeChild(child: CancelCtx): void {
  const { listedBy, prev, next } = child;
  child.listedBy = child.prev = child.next = null;
  if (listedBy === null) return;
  if (listedBy.children === child) {
    listedBy.children = next;
    if (next !== null) next.prev = prev;
  } else {
    prev!.next = next;
    (next ?? listedBy.children!).prev = prev;
  }
}

/** Those that learn of a context's end, other than its children. */
class Observers {
  done: Chan<never> | null = null;
  controller: AbortController | null = null;
  /** Stops watching a foreign parent: the stop function that Go keeps in a stopCtx. */
  stop: (() => void) | null = null;

  stopWatching(): void {
    // An error of the foreign parent must not look as if the cancel had failed: it has been carried out.
    const { stop } = this;
    this.stop = null;
    attempt(() => stop?.());
  }
}

/**
 * A context that can be cancelled. Its children form an intrusive list: `children` is the first, its `prev` is the last, the `next` of
 * the last is null. It is the third list of this form, beside the wait queue and the timing wheel. They are not one class, because each
 * is on a hot path and in objects of another shape.
 */
export class CancelCtx extends BaseCtx {
  /** True if `value` is one itself. A proxy of one is not: its traps may throw at any moment, so it counts as foreign. */
  static isOne(value: unknown): value is CancelCtx {
    return typeof value === "object" && value !== null && #listedBy in value;
  }

  // A private field, because it also tells a CancelCtx from a proxy of one.
  #listedBy: CancelCtx | null = null;

  /** The context that has this one among its children: the one that Go finds by parentCancelCtx; null: none. */
  get listedBy(): CancelCtx | null {
    return this.#listedBy;
  }

  set listedBy(parent: CancelCtx | null) {
    this.#listedBy = parent;
  }

  readonly parent: Context;
  /** Set by the first cancel, then never changed. */
  outcome: Outcome | null = null;
  /** Null after the end. */
  children: CancelCtx | null = null;
  prev: CancelCtx | null = null;
  next: CancelCtx | null = null;
  /** Made on first use: most contexts end before anything observes them. */
  observers: Observers | null = null;

  constructor(parent: Context) {
    super();
    this.parent = parent;
    created(this, parent);
  }

  override value<T>(key: Key<T>): T | undefined {
    return (key as Key<unknown>) === cancelCtxKey ? (this as unknown as T) : super.value(key);
  }

  done(): RecvChan<never> {
    const observers = (this.observers ??= new Observers());
    if (observers.done === null) {
      observers.done = new Chan<never>(0, this);
      if (this.outcome !== null) observers.done.close();
    }
    return observers.done;
  }

  err(): Canceled | DeadlineExceeded | undefined {
    if (this.outcome === null) poll();
    return this.known();
  }

  known(): Canceled | DeadlineExceeded | undefined {
    return this.outcome === null ? undefined : this.outcome.error;
  }

  get signal(): AbortSignal {
    const observers = (this.observers ??= new Observers());
    if (observers.controller === null) {
      observers.controller = new AbortController();
      if (this.outcome !== null) observers.controller.abort(this.outcome.error);
    }
    return observers.controller.signal;
  }

  text(): string {
    return ".WithCancel";
  }

  /** Called by the cancel functions, also when the context has ended. */
  cancel(cause: unknown): void {
    cancelCalled(this);
    if (this.outcome === null) this.end(new Outcome(Canceled, cause));
  }

  /** Ends this context and its subtree, unless it has ended: Go's cancelCtx.cancel. */
  end(outcome: Outcome): void {
    if (this.outcome !== null) return;
    const { observers } = this;
    note("cancel", this, outcome);
    removeChild(this);
    abortSignals(cancelTree(this, outcome));
    observers?.stopWatching();
  }

  /** Runs in the step in which this context ends. It may return one context of another tree that ends in the same step. */
  onEnd(): CancelCtx | null | void {}
}

const NONE: readonly CancelCtx[] = [];

/**
 * Ends the contexts of a list, which is in no parent any more, and all contexts below them. A loop in place of Go's recursion: the
 * children of each context are put in front of the rest of the list, so parents come first, depth first (C14).
 *
 *     list: a → b           children of a: c → d
 *     after a: c → d → b    (`children.prev` is d, the last)
 *
 * Only when all have an outcome are the channels closed. The contexts with a signal are returned: their listeners are foreign code.
 * So whatever learns of an end finds the whole tree ended.
 */
function cancelTree(list: CancelCtx | null, outcome: Outcome): readonly CancelCtx[] {
  let withSignal: CancelCtx[] | undefined;
  let channels: Chan<never>[] | undefined;
  let watching: Observers[] | undefined;
  let others: CancelCtx[] | undefined;
  do {
    while (list !== null) {
      const ctx: CancelCtx = list;
      const { children } = ctx;
      list = ctx.next;
      if (children !== null) {
        children.prev!.next = list;
        list = children;
      }
      ctx.children = ctx.listedBy = ctx.prev = ctx.next = null;
      ctx.outcome = outcome;
      const other = ctx.onEnd() ?? null;
      if (other !== null) (others ??= []).push(other);
      const { observers } = ctx;
      if (observers === null) continue;
      if (observers.done !== null) (channels ??= []).push(observers.done);
      if (observers.controller !== null) (withSignal ??= []).push(ctx);
      if (observers.stop !== null) (watching ??= []).push(observers);
    }
    // Those of other trees leave their lists only while no list is walked: it might be theirs.
    for (let other; list === null && (other = others?.pop()) !== undefined;) {
      if (other.outcome !== null) continue;
      removeChild(other);
      list = other;
    }
  } while (list !== null);
  // In plain JavaScript the caller of `done()` can close it: the others are closed all the same.
  if (channels !== undefined) for (const channel of channels) if (!channel.closed) channel.close();
  // On a microtask, because it is foreign code.
  if (watching !== undefined) void Promise.resolve().then(() => watching.forEach((one) => one.stopWatching()));
  return withSignal ?? NONE;
}

function abortSignals(withSignal: readonly CancelCtx[]): void {
  for (const { observers, outcome } of withSignal) observers!.controller!.abort(outcome!.error);
}

/**
 * Arranges for `child` to end with `parent`: at once, if that has ended; else by the cheapest way that the parent offers (C100). A parent
 * of ours that never ends needs nothing.
 */
export function propagateCancel(parent: Context, child: CancelCtx): void {
  const ctx = stateCtxOf(parent);
  if (CancelCtx.isOne(ctx)) addChild(ctx, child);
  else if (!isA(ctx, EmptyCtx) && !isA(ctx, WithoutCancelCtx)) propagateForeign(parent, child);
}

/**
 * The same for a foreign parent, in Go's order. A parent without a done channel: nothing. One whose done channel is that of a context of
 * ours inside it: the children of that one. One with a method afterFunc: that. In place of Go's goroutine: a waiter on the done channel
 * if it is a channel of ours, else a listener on the signal.
 */
function propagateForeign(parent: Context, child: CancelCtx): void {
  const done: unknown = ask(() => parent.done());
  if (done === nil) return;
  const inside = parentCancelCtx(parent);
  // The last question of all, because the parent may end while it answers one.
  if (ask(() => parent.err()) !== undefined) return child.end(outcomeOf(parent));
  const isChan = isA(done, Chan);
  if (isChan && propertyOf(done, "closed") === true) throw missingError();
  if (inside !== undefined && inside.done() === done) return addChild(inside, child);
  const receivers = isChan ? propertyOf(done, "receivers") : undefined;
  if (hasAfterFunc(parent)) {
    const stopf: unknown = ask(() => parent.afterFunc(() => child.outcome ?? child.end(outcomeOf(parent))));
    if (child.outcome === null && typeof stopf === "function")
      (child.observers ??= new Observers()).stop = () => void stopf();
  } else if (isA(receivers, WaitQueue)) {
    // In a task of its own, not inside the foreign close(): Go's goroutine would come later, too (C102).
    const waiter = callbackWaiter(() => go(() => child.outcome ?? child.end(outcomeOf(parent))));
    receivers.push(waiter);
    (child.observers ??= new Observers()).stop = () => waiter.withdraw();
  } else {
    (child.observers ??= new Observers()).stop = cancelOnAbort(child, signalOf(parent), () => outcomeOf(parent));
  }
}

function outcomeOf(parent: Context): Outcome {
  const err = errorOf(parent) as Canceled;
  const cause = causeOf(parent, err);
  return new Outcome(Canceled, cause === err ? undefined : cause, err);
}

/** Ends `ctx` when `signal` aborts, together with all others that this signal ends. Returns a function that undoes this. */
export function cancelOnAbort(ctx: CancelCtx, signal: AbortSignal, outcome: () => Outcome): () => void {
  return onAbort(signal, () => {
    // The outcome may come from foreign code, which may end ctx meanwhile.
    const found = ctx.outcome ?? outcome();
    if (ctx.outcome !== null) return undefined;
    const { observers } = ctx;
    removeChild(ctx);
    const withSignal = cancelTree(ctx, found);
    return () => {
      abortSignals(withSignal);
      observers?.stopWatching();
    };
  });
}
