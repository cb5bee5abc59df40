/**
 * The test kit: names only. Read `bubble.ts` first, then `explore.ts`; `execution.ts` is the machine behind both.
 */
export { type Bubble, bubble, type BubbleOptions } from "./bubble.ts";
export { DeadlockError, LeakError, NondeterminismError, ScheduleError } from "./errors.ts";
export { explore, type ExploreOptions, type ExploreReport } from "./explore.ts";
export type { TaskInfo } from "./task.ts";
export { Trace, type TraceRow } from "./trace.ts";
