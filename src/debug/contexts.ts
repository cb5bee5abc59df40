/**
 * The contexts that have not ended, as trees. There is no list of them: the lists of children are walked from the roots.
 */
import { AfterFuncCtx } from "../context/afterfunc.ts";
import type { CancelCtx } from "../context/cancel.ts";
import type { BaseCtx } from "../context/context.ts";
import { TimerCtx } from "../context/deadline.ts";
import { MergeWatcher } from "../context/merge.ts";
import { infoOf } from "./info.ts";
import { nameOf } from "./name.ts";
import { clock } from "./platform.ts";

/** A context that has not ended, and those that end with it. */
export interface ContextNode {
  /** Its name, such as `request#7`. */
  readonly name: string;
  /** The function that has made it: `WithCancel`, `WithDeadline`, `Merge`, `AfterFunc`. */
  readonly kind: string;
  /** The time since it was made, in ms; undefined if that is not known. */
  readonly age: number | undefined;
  /** The time until its own deadline, in ms; undefined if it has none. */
  readonly deadline: number | undefined;
  /** The line where it was made, file:line:column; empty if it is not known. */
  readonly made: string;
  /** The number of waits that end with it. */
  readonly waiting: number;
  /** The contexts that were derived from it and end with it, in the order in which they were made. */
  readonly children: readonly ContextNode[];
  /** The number of children that are not listed, because there are too many. */
  readonly more: number;
}

/** The largest number of children of a context, and of generations, that are listed. */
const MOST = 1_000;

/** The trees of these contexts that are in no parent's list. */
export function treesOf(contexts: Iterable<CancelCtx>): ContextNode[] {
  const roots = new Set<CancelCtx>();
  for (const ctx of contexts) if (ctx.outcome === null && ctx.listedBy === null) roots.add(ctx);
  return [...roots].map((root) => nodeOf(root, 1));
}

function nodeOf(ctx: CancelCtx, generation: number): ContextNode {
  const info = infoOf(ctx);
  const children: ContextNode[] = [];
  let more = 0;
  for (let child = ctx.children; child !== null; child = child.next) {
    // The other end of a merged context, which is listed below its parent.
    if (child instanceof MergeWatcher) continue;
    if (children.length < MOST && generation < MOST) children.push(nodeOf(child, generation + 1));
    else more++;
  }
  return {
    name: nameOf(ctx),
    kind: ctx instanceof AfterFuncCtx ? "AfterFunc" : (/\w+/.exec((ctx as BaseCtx).text(true))?.[0] ?? ""),
    age: info === undefined ? undefined : Math.round(clock() - info.at),
    deadline: ctx instanceof TimerCtx ? Math.round(ctx.left()) : undefined,
    made: info?.made?.site.at ?? "",
    waiting: ctx.observers?.done?.receivers.count() ?? 0,
    children,
    more,
  };
}

/** The names of the done channels of these contexts, and of those below them. */
export function doneChannels(contexts: Iterable<CancelCtx>): Map<object, string> {
  const names = new Map<object, string>();
  const queue = [...contexts];
  for (let ctx; (ctx = queue.pop()) !== undefined;) {
    const done = ctx.observers?.done;
    if (done !== null && done !== undefined) names.set(done, `${nameOf(ctx)}.done()`);
    for (let child = ctx.children; child !== null; child = child.next) queue.push(child);
  }
  return names;
}
