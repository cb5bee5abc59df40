/**
 * The guard of everything that waits under a context: a second waiter, a sibling of the operation's own, waits for the end of ctx.
 * Whichever wins withdraws the other, in O(1).
 *
 * Invariants:
 * - An operation that is refused has not been tried, and one whose ctx has ended while it waited has had no effect.
 * - What a context of somebody else's does when it is asked, it does before the operation is judged: from then on until the operation
 *   is done, or waits, none of its code runs. Its listener is called off on a microtask.
 */
import { isAborted, onAbort } from "./abort.ts";
import type { AbortSignal } from "./abortsignal.ts";
import { attempt, hasMethod, isA, propertyOf } from "./foreign.ts";
import { Queue, Waiter, type Watcher } from "./waitqueue.ts";
import { failed, fault, park, wakeError } from "./runtime.ts";
import type { Context, RecvChan } from "../types.ts";

/** What closes when a context ends: a channel of ours, or the end of a context that has none. */
export interface Ending {
  readonly receivers: Queue;
  readonly closed: boolean;
}

/** What tells the objects of this copy of the package from all others: the contexts, the channels, and nil. */
export const OURS: object = /* @__PURE__ */ Object.freeze({});
export const CHANNEL: object = /* @__PURE__ */ Object.freeze({});
export const NEVER: object = /* @__PURE__ */ Object.freeze({});

/** A context of this copy: nothing of it calls anybody else's code. */
export interface OurContext extends Context {
  readonly ours: object | undefined;
  /** `err()` without asking the clock first: no effect on anybody. */
  known(): unknown;
}

export function isOurs(ctx: Context): ctx is OurContext {
  try {
    return (ctx as Partial<OurContext>).ours === OURS;
  } catch {
    return false;
  }
}

/**
 * What refuses an operation before it is tried: `ctx.err()`, or that ctx is no context; undefined: go ahead. Whatever a context of
 * somebody else's does when it is asked, it does here: from then on until the operation has been done, or waits, none of its code runs.
 */
export function refusal(ctx: Context | undefined): unknown {
  const error = fault();
  if (error !== undefined) return error;
  if (ctx === undefined) return undefined;
  try {
    if (isOurs(ctx)) return ctx.err();
  } catch (thrown) {
    // In somebody's proxy.
    return failedContext(thrown);
  }
  return refusalOf(ctx);
}

function refusalOf(ctx: Context): unknown {
  if (!hasMethod(ctx, "err") || !hasMethod(ctx, "done")) return notAContext(ctx, "ctx");
  try {
    const error = ask(() => ctx.err());
    if (error !== undefined) return error;
    // Not at once the one that was asked last: while it is asked it may wait under another.
    const asked = { ctx, ...endOf(ctx) };
    foreign = asked;
    void Promise.resolve().then(forget);
    // It may have ended while it was asked.
    return asked.ending?.closed === true ? (ask(() => ctx.err()) ?? missingError()) : undefined;
  } catch (error) {
    return error;
  }
}

function endOf(ctx: Context): Pick<Foreign, "ending" | "unfit"> {
  const channel = ask(() => ctx.done());
  const kind = propertyOf(channel, "ours");
  if (kind === NEVER) return { ending: null };
  const receivers = kind === CHANNEL ? propertyOf(channel, "receivers") : undefined;
  if (isA(receivers, Queue)) return { ending: new ClosingOf(channel as unknown as Ending, receivers) };
  try {
    return { ending: bridge(ctx).listen() };
  } catch (unfit) {
    return { ending: null, unfit };
  }
}

/** A channel of ours, out of somebody else's hands: it may be in a proxy that does not always answer. */
class ClosingOf implements Ending {
  readonly receivers: Queue;
  private readonly channel: Ending;

  constructor(channel: Ending, receivers: Queue) {
    this.channel = channel;
    this.receivers = receivers;
  }

  get closed(): boolean {
    return propertyOf(this.channel, "closed") === true;
  }
}

/** What a context of somebody else's answers; null says as little as undefined. */
export function ask<T>(question: () => T): T | undefined {
  try {
    return question() ?? undefined;
  } catch (thrown) {
    throw failedContext(thrown);
  }
}

/** A context of somebody else's, and the channel that closes when it ends; null: it never does. */
interface Foreign {
  readonly ctx: Context;
  readonly ending: Ending | null;
  /** Why nobody can wait for its end. */
  readonly unfit?: unknown;
}

/** The one that was asked last. */
let foreign: Foreign | null = null;
const forget = (): void => void (foreign = null);

function endingOf(ctx: Context): Ending | null {
  if (!isOurs(ctx)) {
    if (foreign?.ctx !== ctx) {
      const error = refusalOf(ctx);
      if (error !== undefined) throw error;
    }
    const { ending, unfit } = foreign as Foreign;
    if (unfit !== undefined) throw unfit;
    return ending;
  }
  try {
    const channel: RecvChan<never> & { readonly ours?: unknown } = ctx.done();
    return channel.ours === NEVER ? null : (channel as unknown as Ending);
  } catch (thrown) {
    throw failedContext(thrown);
  }
}

/** `what` is the parameter's name. */
export function notAContext(ctx: unknown, what: string): TypeError {
  const hint = isSignal(ctx) ? "; make one of an AbortSignal with context.withSignal" : "";
  return new TypeError(`${what}: expected a Context, got ${ctx === null ? "null" : typeof ctx}${hint}`);
}

/** Whether it is an AbortSignal, or behaves like one. */
export function isSignal(value: unknown): value is AbortSignal {
  return hasMethod(value, "addEventListener") && typeof propertyOf(value, "aborted") === "boolean";
}

export function failedContext(thrown: unknown): TypeError {
  return new TypeError("ctx: a Context of your own has thrown, where its err() and done() must return", {
    cause: thrown,
  });
}

/**
 * Lets an operation wait: `waiter` in `queue` (null: in none, for ever) and, if there is a ctx, a sentinel beside it that rejects
 * the operation when the ctx ends.
 */
export function suspend<T>(
  waiter: Waiter,
  queue: Queue | null,
  ctx: Context | undefined,
  op: string,
  on: unknown,
): Promise<T> {
  if (ctx !== undefined) {
    try {
      guard(waiter, ctx);
    } catch (error) {
      return failed(op, on, error);
    }
  }
  if (queue !== null) queue.push(waiter);
  return park(waiter, op, on);
}

/**
 * Puts a sentinel for the end of `ctx` beside `waiter`, which is in no queue yet: if ctx is unfit, nothing has happened. The end rejects
 * the operation; where that is to have an effect at once, `ended` has it.
 */
export function guard(waiter: Waiter, ctx: Context, ended?: (error: unknown) => void): void {
  const ending = endingOf(ctx);
  if (ending === null) return;
  // It ended while it was asked, or it is no proper context (C105).
  if (ending.closed) throw ask(() => ctx.err()) ?? missingError();
  const sentinel = new Waiter(null, ctx, ended);
  ending.receivers.push(sentinel);
  waiter.join(sentinel);
}

/**
 * Whether the context that guards this waiter has ended. The waiter is about to be told, and has been told where the context is somebody
 * else's: who says that it has ended may never call back.
 */
export function isCancelled(waiter: Waiter): boolean {
  for (let w = waiter.sibling; w !== null && w !== waiter; w = w.sibling) {
    if (w.shape !== null) continue;
    const ctx = w.key as Context;
    // Not by err(), which may let others end.
    if (isOurs(ctx)) return attempt(() => ctx.known()) !== undefined;
    const error = attempt(() => ctx.err()) ?? undefined;
    // It may have gone while the context was asked.
    if (error === undefined || w.queue === null) return w.queue === null;
    w.withdraw();
    cancelled(w, error);
    return true;
  }
  return false;
}

/** The context of this sentinel has ended. */
export function cancelled(sentinel: Waiter, error: unknown = errorOf(sentinel.key as Context)): void {
  if (sentinel.value === undefined) wakeError(sentinel, error);
  else (sentinel.value as (error: unknown) => void)(error);
}

/** Why a context has ended. What goes wrong in one of somebody's own must not end the cancel of everybody else. */
export function errorOf(ctx: Context): unknown {
  try {
    return ask(() => ctx.err()) ?? missingError();
  } catch (failure) {
    return failure;
  }
}

/** A context of somebody else's is done and has no err() (C105). */
export function missingError(): Error {
  return new Error("context: internal error: missing cancel error", {
    cause: "a context whose done() is closed, or whose signal has aborted, must return an error from err()",
  });
}

const bridges: WeakMap<Context, Bridge> = /* @__PURE__ */ new WeakMap();

/** The one watch on a context whose `done()` is no channel of ours: another copy's, or anybody's object. */
function bridge(ctx: Context): Bridge {
  let found = bridges.get(ctx);
  if (found === undefined) bridges.set(ctx, (found = new Bridge(ctx)));
  return found;
}

/** Somebody else's context that offers to call back (C101): cheaper than any watch on it. */
export interface AfterFuncer extends Context {
  afterFunc(ended: () => void): () => boolean;
}

export function hasAfterFunc(ctx: Context): ctx is AfterFuncer {
  return hasMethod(ctx, "afterFunc");
}

/** The signal of somebody else's context, which has not ended. */
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

/**
 * One listener on a foreign context for all who wait for it. It goes with the last of them, on a microtask: the context's own code never
 * runs in the middle of an operation of ours.
 */
class Bridge implements Ending, Watcher {
  readonly receivers: Queue = new Queue();
  closed = false;
  private readonly ctx: Context;
  private stop: (() => unknown) | null = null;
  private isLeaving = false;

  constructor(ctx: Context) {
    this.ctx = ctx;
    this.receivers.watcher = this;
  }

  /** Listens, for as long as somebody waits. Closes when the context ends. */
  listen(): Ending {
    this.leave();
    if (this.stop !== null) return this;
    const ended = (): void => {
      this.closed = true;
      for (let sentinel; (sentinel = this.receivers.shift()) !== null;) cancelled(sentinel);
    };
    const { ctx } = this;
    const stop = hasAfterFunc(ctx) ? ask(() => ctx.afterFunc(ended)) : onAbort(signalOf(ctx), () => ended);
    this.stop = typeof stop === "function" ? stop : () => {};
    return this;
  }

  left(): void {
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
      // What goes wrong in it is nobody's business here: nobody waits any more.
      attempt(() => stop?.());
    });
  }
}
