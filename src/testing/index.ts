/**
 * The test kit: names only. Read `bubble.ts` first, then `explore.ts` and `record.ts`; `execution.ts` is the machine
 * behind all of them.
 */
export { type Bubble, bubble } from "./bubble.ts";
export type { ChromeTrace, ChromeTraceEvent } from "./chrometrace.ts";
export { DeadlockError, LeakError, NondeterminismError, ScheduleError } from "./errors.ts";
export type { ExploreReport } from "./exploration.ts";
export { explore } from "./explore.ts";
export type { BubbleOptions, ExploreOptions, RecordOptions } from "./options.ts";
export { record, type Recording } from "./record.ts";
export type { TraceRow, TraceStep } from "./rows.ts";
export type { TaskInfo } from "./task.ts";
export { Trace } from "./trace.ts";
