/**
 * The debugger: names only. Read `watching.ts` first, then `leak.ts` and `dump.ts`; `heap.ts` is for what was not
 * watched.
 */
export type { ContextNode } from "./contexts.ts";
export { type Counts, dump, type Dump, type DumpOptions } from "./dump.ts";
export type { Leak } from "./leak.ts";
export { onExit } from "./onexit.ts";
export { onSignal } from "./onsignal.ts";
export { name } from "./name.ts";
export { leaks } from "./leaks.ts";
export type { LoopDelay } from "./platform.ts";
export { profile, type Profile, type Row } from "./profile.ts";
export { respond, type Response } from "./respond.ts";
export type { Frame } from "./stack.ts";
export type { Task } from "./task.ts";
export type { Wait } from "./wait.ts";
export { watch, type WatchOptions } from "./watch.ts";
