/**
 * The test kit: names only. Read `bubble.ts` first, then `explore.ts` and `record.ts`; `execution.ts` is the machine
 * behind all of them.
 */
export { type Bubble, bubble } from "./bubble.ts";
export { DeadlockError, LeakError, NondeterminismError, ScheduleError } from "./errors.ts";
export type { ExploreReport } from "./exploration.ts";
export { explore } from "./explore.ts";
export type { BubbleOptions, ExploreOptions, RecordOptions } from "./options.ts";
export { record, type Recording } from "./record.ts";
export type { TaskInfo } from "./task.ts";
export { Trace, type TraceRow, type TraceStep } from "./trace.ts";
