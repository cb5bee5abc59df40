/**
 * Waiting under a context. Every operation that takes a ctx is checked by `entryError`, is tried, and waits by
 * `suspend`.
 *
 * A wait has two waiters: its own in a queue of the object, and a ctx waiter in the queue of the context's done
 * channel. They are siblings: the one that is woken takes the other out of its queue, in O(1).
 *
 * Invariants:
 * - An operation that fails its check has not been tried. One whose ctx ended while it waited has had no effect.
 */
import {
  ask,
  doneOf,
  failedContext,
  foreignEntryError,
  isOurs,
  missingError,
  wakeCtxWaiter,
} from "./foreigncontext.ts";
import { attempt } from "./foreign.ts";
import { fault, park, rejected } from "./runtime.ts";
import type { Op } from "./seam.ts";
import { CTX_WAITER, Waiter, type WaitQueue } from "./waitqueue.ts";
import type { Context } from "../types.ts";

/**
 * The error to reject an operation with before it is tried: `ctx.err()`, or that ctx is no context; undefined: go
 * ahead.
 */
export function entryError(ctx: Context | undefined): unknown {
  const error = fault();
  if (error !== undefined) return error;
  if (ctx === undefined) return undefined;
  try {
    if (isOurs(ctx)) return ctx.err();
  } catch (thrown) {
    // It is ours, but in a proxy.
    return failedContext(thrown);
  }
  return foreignEntryError(ctx);
}

/**
 * Lets an operation wait: `waiter` in `queue`, or for ever if that is null. If there is a ctx, a ctx waiter beside it
 * rejects the operation when the ctx ends.
 */
export function suspend<T>(
  waiter: Waiter,
  queue: WaitQueue | null,
  ctx: Context | undefined,
  op: Op,
  on: unknown,
): Promise<T> {
  if (ctx !== undefined) {
    try {
      linkContext(waiter, ctx);
    } catch (error) {
      return rejected(op, on, error);
    }
  }
  if (queue !== null) queue.push(waiter);
  return park(waiter, op, on);
}

/**
 * Puts a ctx waiter beside `waiter`, which is in no queue yet. When ctx ends, the operation is rejected; if `onEnd` is
 * given, it is called instead, in the same step. Throws, without an effect, if the end of ctx cannot be awaited.
 */
export function linkContext(waiter: Waiter, ctx: Context, onEnd?: (error: unknown) => void): void {
  const done = doneOf(ctx);
  if (done === null) return;
  // It ended while it was asked, or it breaks the Context contract (C105).
  if (done.closed) throw ask(() => ctx.err()) ?? missingError();
  const ctxWaiter = new Waiter(CTX_WAITER, ctx, onEnd);
  done.receivers.push(ctxWaiter);
  waiter.addSibling(ctxWaiter);
}

/**
 * True if the context of this waiter has ended. If that context is ours, it is about to wake the waiter. If it is
 * foreign, the waiter has been woken by this call, because a foreign context that has ended may never call back.
 */
export function isCancelled(waiter: Waiter): boolean {
  for (let w = waiter.sibling; w !== null && w !== waiter; w = w.sibling) {
    if (w.shape !== CTX_WAITER) continue;
    const ctx = w.key as Context;
    // Not err(), which may end other contexts.
    if (isOurs(ctx)) return attempt(() => ctx.known()) !== undefined;
    const error = attempt(() => ctx.err()) ?? undefined;
    // The waiter may have left while the context was asked.
    if (error === undefined || w.queue === null) return w.queue === null;
    w.withdraw();
    wakeCtxWaiter(w, error);
    return true;
  }
  return false;
}
