/**
 * The test's end of the seam (`runtime.ts`): whose rules hold for an operation.
 *
 * They are those of the bubble whose step runs. Where none runs, code goes on that has awaited something from outside: then it is
 * the bubble of that code's AsyncLocalStorage, where there is one, else the bubble of the object it uses.
 *
 * Invariant: the seam is in place exactly while tests run that use it, so production code pays nothing for tests that are over.
 */
import { install } from "../internal/runtime.ts";
import { count, uncount } from "./circle.ts";
import type { Place } from "./callsite.ts";
import { observe, unobserve } from "./others.ts";
import { prepare } from "./platform.ts";
import { listen, unlisten } from "./rejections.ts";
import type { Room } from "./scheduler.ts";
import type { Task } from "./task.ts";
import { storage } from "./eventloop.ts";
import type { Seam } from "../internal/seam.ts";

/** The bubble whose step runs now. */
let running: Room | null = null;
const live: Set<Room> = new Set();

export function enter(room: Room): void {
  running = room;
}

export function leave(): void {
  running = null;
}

export function isRunning(room: Room): boolean {
  return running === room;
}

export function runningBubble(): Room | null {
  return stored()?.room ?? running;
}

// ------------------------------------------------------------------------------------------------------ AsyncLocalStorage

let tasks: ReturnType<typeof storage<Task>> | undefined;

/** Begins a task so that everything it awaits will know whose it is. */
export function within(task: Task, begin: () => void): void {
  tasks ??= storage<Task>();
  if (tasks === null) begin();
  else tasks.run(task, begin);
}

/** Calls `f` as nobody's code. */
function outside(f: () => void): void {
  if (tasks === undefined || tasks === null) f();
  else tasks.run(undefined, f);
}

/** The task whose code this is, according to AsyncLocalStorage; undefined where there is none, or its bubble is no more. */
export function stored(): Task | undefined {
  const task = tasks?.getStore();
  return task !== undefined && live.has(task.room) ? task : undefined;
}

// ---------------------------------------------------------------------------------------------------------------- the seam

const seam: Seam = {
  bubble(on) {
    // A task may go on in the step of another bubble, which has settled a promise that both know.
    const task = stored();
    if (task !== undefined) return task.room;
    // Where AsyncLocalStorage knows all code of the bubble, this is none of it: somebody else's turn came before the step was over.
    if (running !== null) return running.knowsItsCode ? null : running;
    for (const room of live) if (room.owns(on)) return room;
    return null;
  },
  created(object, parent) {
    (this.bubble(parent) as Room | null)?.created(object, parent);
  },
  cancelCalled(ctx) {
    for (const room of live) room.cancelCalled(ctx);
  },
};

const INSTALLED: unique symbol = Symbol.for("headgate.seam") as never;
const world = globalThis as { [INSTALLED]?: Seam };

let holders = 0;

/** Puts the seam in place, until {@link letGo} has been called as often. */
export function hold(): void {
  if (world[INSTALLED] !== undefined && world[INSTALLED] !== seam) {
    throw new Error(
      "headgate/testing: another copy of headgate is running a bubble in this process, and neither would see what the other does; make sure that one copy is installed (npm ls headgate), that libraries have headgate among their peerDependencies, and that it is not bundled a second time",
    );
  }
  prepare();
  if (holders++ > 0) return;
  // In a frozen world it is not to be seen.
  Reflect.set(world, INSTALLED, seam);
  install(seam);
  listen(() => stored()?.room.unhandled ?? null);
  count(looping);
  observe(() => {
    const room = roomOf(stored());
    if (room !== null) room.usesOther = true;
  });
}

/** The bubble whose code runs, which is that of a task if AsyncLocalStorage knows one. */
function roomOf(task: Task | undefined): Room | null {
  return task?.room ?? (running?.knowsItsCode === true ? null : running);
}

/** Whom to tell that the code which runs was stopped, for it is a loop. */
function looping(): ((places: readonly Place[]) => void) | null {
  const task = stored();
  const room = roomOf(task);
  return room === null ? null : (places) => outside(() => room.stopped(task, places));
}

export function letGo(): void {
  if (--holders > 0) return;
  install(null);
  unlisten();
  uncount();
  unobserve();
  Reflect.deleteProperty(world, INSTALLED);
}

/** Lets this bubble take part. */
export function join(room: Room): void {
  live.add(room);
}

export function part(room: Room): void {
  live.delete(room);
}
