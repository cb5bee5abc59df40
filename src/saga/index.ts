/**
 * `headgate/saga`: names only. Read `saga.ts`, then `result.ts` (what comes out), then `execution.ts`. The story is in docs/saga.md.
 */
export { NotApplied, SagaError, type SerializedError } from "./errors.ts";
export type { CompensationOptions, SagaOptions, StepOptions } from "./options.ts";
export {
  type DeadLetter,
  type Entry,
  type LoggedEntry,
  orThrow,
  type Outcome,
  type Result,
  type SagaEvent,
} from "./result.ts";
export { type Call, type Compensate, type Run, saga, type Saga, type Undo } from "./saga.ts";
