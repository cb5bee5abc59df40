/**
 * Contexts, as the operations under them see them: this copy's own, and foreign ones, which are any object of the right
 * shape.
 *
 * A foreign context is asked with care: its methods may throw, call back, or end other contexts. Its end is awaited by
 * the cheapest way that it offers: a channel of ours, `afterFunc`, or its signal.
 *
 * Invariants:
 * - A foreign context runs its code while an operation is checked. From then on none of it runs until the operation has
 *   been done, or waits.
 * - One listener serves all operations that wait under a foreign context. It is removed on a microtask.
 */
import { isAborted, onAbort } from "./abort.ts";
import { notAContext } from "./args.ts";
import type { AbortSignal } from "./abortsignal.ts";
import { attempt, hasMethod, isA, isSignal, propertyOf } from "./foreign.ts";
import { type QueueWatcher, type Waiter, WaitQueue } from "./waitqueue.ts";
import { wakeError } from "./runtime.ts";
import type { Context, RecvChan } from "../types.ts";

/** The channel that closes when a context ends, or what stands for it if the context has none of ours. */
export interface DoneChan {
  readonly receivers: WaitQueue;
  readonly closed: boolean;
}

// The `ours` of every context, of every channel, and of nil: this copy of the package knows its own objects by it.
export const OURS: object = /* @__PURE__ */ Object.freeze({});
export const CHANNEL: object = /* @__PURE__ */ Object.freeze({});
export const NEVER: object = /* @__PURE__ */ Object.freeze({});

/** A context of this copy: none of its methods calls foreign code. */
export interface OurContext extends Context {
  readonly ours: object | undefined;
  /** `err()` without polling the clock first, and so without any effect. */
  known(): unknown;
}

export function isOurs(ctx: Context): ctx is OurContext {
  try {
    return (ctx as Partial<OurContext>).ours === OURS;
  } catch {
    return false;
  }
}

// -------------------------------------------------------------------------------------------- asking a foreign context

/** The answer of a foreign context; null means the same as undefined. */
export function ask<T>(question: () => T): T | undefined {
  try {
    return question() ?? undefined;
  } catch (thrown) {
    throw failedContext(thrown);
  }
}

/**
 * The error to reject an operation with before it is tried, because its ctx has ended or is unfit; undefined: go ahead.
 */
export function foreignEntryError(ctx: Context): unknown {
  if (!hasMethod(ctx, "err") || !hasMethod(ctx, "done")) return notAContext(ctx, "ctx", "last argument");
  try {
    const error = ask(() => ctx.err());
    if (error !== undefined) return error;
    // Stored only after the questions: a question may itself start an operation under another foreign context.
    const asked = { ctx, ...foreignDoneOf(ctx) };
    foreign = asked;
    void Promise.resolve().then(forget);
    // It may have ended while it was asked.
    return asked.done?.closed === true ? (ask(() => ctx.err()) ?? missingError()) : undefined;
  } catch (error) {
    return error;
  }
}

/** A foreign context and its done channel; null: it never ends. */
interface Foreign {
  readonly ctx: Context;
  readonly done: DoneChan | null;
  /** The error of an operation that has to wait: the end of this context cannot be awaited. */
  readonly unfit?: unknown;
}

/** The foreign context that was asked last, from the check of an operation until it waits. */
var foreign: Foreign | null = null;
const forget = (): void => void (foreign = null);

function foreignDoneOf(ctx: Context): Pick<Foreign, "done" | "unfit"> {
  const channel = ask(() => ctx.done());
  const kind = propertyOf(channel, "ours");
  if (kind === NEVER) return { done: null };
  const receivers = kind === CHANNEL ? propertyOf(channel, "receivers") : undefined;
  if (isA(receivers, WaitQueue)) return { done: new OurDone(channel as unknown as DoneChan, receivers) };
  try {
    return { done: bridge(ctx).listen() };
  } catch (unfit) {
    return { done: null, unfit };
  }
}

/** A channel of ours that a foreign context has returned: it may be in a proxy that does not always answer. */
class OurDone implements DoneChan {
  readonly receivers: WaitQueue;
  private readonly channel: DoneChan;

  constructor(channel: DoneChan, receivers: WaitQueue) {
    this.channel = channel;
    this.receivers = receivers;
  }

  get closed(): boolean {
    return propertyOf(this.channel, "closed") === true;
  }
}

/**
 * The done channel of any context that has passed its check; null: it never ends. Throws if the end cannot be awaited.
 */
export function doneOf(ctx: Context): DoneChan | null {
  if (!isOurs(ctx)) {
    if (foreign?.ctx !== ctx) {
      const error = foreignEntryError(ctx);
      if (error !== undefined) throw error;
    }
    const { done, unfit } = foreign as Foreign;
    if (unfit !== undefined) throw unfit;
    return done;
  }
  try {
    const channel: RecvChan<never> & { readonly ours?: unknown } = ctx.done();
    return channel.ours === NEVER ? null : (channel as unknown as DoneChan);
  } catch (thrown) {
    throw failedContext(thrown);
  }
}

// -------------------------------------------------------------------------------------------------------------- errors

export function failedContext(thrown: unknown): TypeError {
  return new TypeError("ctx: a Context of your own has thrown, where its err() and done() must return", {
    cause: thrown,
  });
}

/** The error for a foreign context that is done, but whose `err()` returns nothing (C105). */
export function missingError(): Error {
  return new Error("context: internal error: missing cancel error", {
    cause: "a context whose done() is closed, or whose signal has aborted, must return an error from err()",
  });
}

/**
 * The error of a context that has ended. It never throws: one faulty context must not stop the cancel of all others.
 */
export function errorOf(ctx: Context): unknown {
  try {
    return ask(() => ctx.err()) ?? missingError();
  } catch (failure) {
    return failure;
  }
}

// ------------------------------------------------------------------------------------------------------------- its end

/** Ends the operation of this ctx waiter with the error of the context, which has ended. */
export function wakeCtxWaiter(ctxWaiter: Waiter, error: unknown = errorOf(ctxWaiter.key as Context)): void {
  if (ctxWaiter.value === undefined) wakeError(ctxWaiter, error);
  else (ctxWaiter.value as (error: unknown) => void)(error);
}

/** A foreign context with a hook for its end (C101): cheaper than a listener on its signal. */
export interface AfterFuncer extends Context {
  afterFunc(ended: () => void): () => boolean;
}

export function hasAfterFunc(ctx: Context): ctx is AfterFuncer {
  return hasMethod(ctx, "afterFunc");
}

/** The signal of a foreign context that has not ended. */
export function signalOf(ctx: Context): AbortSignal {
  const signal = ask(() => ctx.signal);
  if (!isSignal(signal)) {
    throw new TypeError(
      "ctx: a Context of your own needs a done() that is a headgate channel, an afterFunc method, or a signal",
    );
  }
  if (isAborted(signal)) throw missingError();
  return signal;
}

const bridges: WeakMap<Context, Bridge> = /* @__PURE__ */ new WeakMap();

function bridge(ctx: Context): Bridge {
  let found = bridges.get(ctx);
  if (found === undefined) bridges.set(ctx, (found = new Bridge(ctx)));
  return found;
}

/**
 * The done channel of a foreign context whose `done()` returns none of ours. It listens to the context while an
 * operation waits. The listener is removed on a microtask, so that foreign code never runs in the middle of an
 * operation of ours.
 */
class Bridge implements DoneChan, QueueWatcher {
  readonly receivers: WaitQueue = new WaitQueue();
  closed = false;
  private readonly ctx: Context;
  private stop: (() => unknown) | null = null;
  private isLeaving = false;

  constructor(ctx: Context) {
    this.ctx = ctx;
    this.receivers.watcher = this;
  }

  /** Listens for as long as an operation waits. Closes when the context ends. */
  listen(): DoneChan {
    this.leave();
    if (this.stop !== null) return this;
    const ended = (): void => {
      this.closed = true;
      for (let ctxWaiter; (ctxWaiter = this.receivers.shift()) !== null;) wakeCtxWaiter(ctxWaiter);
    };
    const { ctx } = this;
    const stop = hasAfterFunc(ctx) ? ask(() => ctx.afterFunc(ended)) : onAbort(signalOf(ctx), () => ended);
    this.stop = typeof stop === "function" ? stop : () => {};
    return this;
  }

  onLeave(): void {
    if (this.receivers.head === null) this.leave();
  }

  private leave(): void {
    if (this.isLeaving) return;
    this.isLeaving = true;
    void Promise.resolve().then(() => {
      this.isLeaving = false;
      if (this.receivers.head !== null) return;
      const { stop } = this;
      this.stop = null;
      // Its errors have no caller to go to: no operation waits any more.
      attempt(() => stop?.());
    });
  }
}
