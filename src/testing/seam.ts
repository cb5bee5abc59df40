/**
 * The test kit's end of the seam (`internal/seam.ts`): it finds the bubble whose rules hold for an operation.
 *
 * That is the bubble whose step runs. If none runs, code continues that has awaited something from outside. Then it is
 * the bubble of that code's AsyncLocalStorage; without one, the bubble of the object that the operation is made on.
 *
 * Invariant: the seam is installed exactly while bubbles run, so production code pays nothing for tests that are over.
 */
import { install as installSeam } from "../internal/runtime.ts";
import type { Scheduler, Seam } from "../internal/seam.ts";
import type { CallSite } from "./callsite.ts";
import { observe, unobserve } from "./copies.ts";
import { startCounting, stopCounting } from "./livelock.ts";
import { createStorage, prepare } from "./platform.ts";
import { listen, type Unhandled, unlisten } from "./rejections.ts";
import type { Task } from "./task.ts";

/** A bubble, as the process-wide parts of the kit see it. */
export interface LiveBubble extends Scheduler {
  readonly unhandled: Unhandled;
  /** True if AsyncLocalStorage names the task of all of the bubble's code that runs now. */
  readonly knowsItsCode: boolean;
  /** Another copy of headgate is used in it. */
  usesOther: boolean;
  /** It has begun something that can bring news from outside, or that cannot be known. */
  mayHearFromOutside: boolean;
  /** True if `on`, an object or the cases of a select, belongs to it. */
  owns(on: unknown): boolean;
  created(object: object, parent?: object): void;
  cancelCalled(ctx: object): void;
  /** Code of `task`, or of the task whose step runs, was an endless loop and has been stopped. */
  stopped(task: Task | undefined, sites: readonly CallSite[]): void;
}

/** The bubble whose step runs now. */
let running: LiveBubble | null = null;
const live: Set<LiveBubble> = new Set();

/** Registers a bubble that has begun. */
export function register(bubble: LiveBubble): void {
  live.add(bubble);
}

export function unregister(bubble: LiveBubble): void {
  live.delete(bubble);
}

/** A step of this bubble begins. */
export function enter(bubble: LiveBubble): void {
  running = bubble;
}

/** The step is over. */
export function leave(): void {
  running = null;
}

export function isRunning(bubble: LiveBubble): boolean {
  return running === bubble;
}

/** The bubble whose code runs; null outside of bubbles. */
export function runningBubble(): LiveBubble | null {
  return ownerOfCode()?.bubble ?? running;
}

// --------------------------------------------------------------------------------------------------- AsyncLocalStorage

/** The task that code belongs to, and its bubble. */
interface Owner {
  readonly bubble: LiveBubble;
  readonly task: Task;
}

let owners: ReturnType<typeof createStorage<Owner>> | undefined;

/** Begins a task so that all code that it runs knows its owner. */
export function within(bubble: LiveBubble, task: Task, begin: () => void): void {
  owners ??= createStorage<Owner>();
  if (owners === null) begin();
  else owners.run({ bubble, task }, begin);
}

/** Calls `f` as code without an owner. */
function withoutOwner(f: () => void): void {
  if (owners === undefined || owners === null) f();
  else owners.run(undefined, f);
}

/** The owner of the code that runs; undefined if there is no AsyncLocalStorage, or if the bubble is over. */
export function ownerOfCode(): Owner | undefined {
  const owner = owners?.getStore();
  return owner !== undefined && live.has(owner.bubble) ? owner : undefined;
}

// ------------------------------------------------------------------------------------------------------------ the seam

const seam: Seam = {
  bubble(on) {
    // A task may continue in the step of another bubble, which has settled a promise that both know.
    const owner = ownerOfCode();
    if (owner !== undefined) return owner.bubble;
    // If the bubble's code is known, this is none of it: other code got its turn before the step was over.
    if (running !== null) return running.knowsItsCode ? null : running;
    for (const bubble of live) if (bubble.owns(on)) return bubble;
    return null;
  },
  created(object, parent) {
    (this.bubble(parent) as LiveBubble | null)?.created(object, parent);
  },
  cancelCalled(ctx) {
    for (const bubble of live) bubble.cancelCalled(ctx);
  },
};

/** The bubble of the code that runs: its owner's, else the one whose step runs, if it does not know better. */
function bubbleOfCode(owner: Owner | undefined): LiveBubble | null {
  return owner?.bubble ?? (running?.knowsItsCode === true ? null : running);
}

/** The callback that reports a loop in the code that runs; null outside of bubbles. */
function loopReporter(): ((sites: readonly CallSite[]) => void) | null {
  const owner = ownerOfCode();
  const bubble = bubbleOfCode(owner);
  return bubble === null ? null : (sites) => withoutOwner(() => bubble.stopped(owner?.task, sites));
}

const INSTALLED: unique symbol = Symbol.for("headgate.seam") as never;
const world = globalThis as { [INSTALLED]?: Seam };

let users = 0;

/** Installs the seam, until {@link uninstall} has been called as often. */
export function install(): void {
  if (world[INSTALLED] !== undefined && world[INSTALLED] !== seam) {
    throw new Error(
      "headgate/testing: another copy of headgate is running a bubble in this process, and neither copy would see the tasks of the other. Make sure that one copy is installed (npm ls headgate). Libraries should have headgate among their peerDependencies, and it must not be bundled a second time",
    );
  }
  prepare();
  if (users++ > 0) return;
  // A frozen global object does not take it; that is no error.
  Reflect.set(world, INSTALLED, seam);
  installSeam(seam);
  listen(() => ownerOfCode()?.bubble.unhandled ?? null);
  startCounting(loopReporter);
  observe(() => {
    const bubble = bubbleOfCode(ownerOfCode());
    if (bubble !== null) bubble.usesOther = true;
  });
}

export function uninstall(): void {
  if (--users > 0) return;
  installSeam(null);
  unlisten();
  stopCounting();
  unobserve();
  Reflect.deleteProperty(world, INSTALLED);
}
