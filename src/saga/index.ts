/**
 * `headgate/saga`: names only. Read `saga.ts`, then `types.ts` (calls and results), then `execution.ts`. The story is in docs/saga.md.
 */
export { NotApplied, orThrow, SagaError } from "./errors.ts";
export type { CompensationOptions, SagaOptions, StepOptions } from "./options.ts";
export { saga, type Saga } from "./saga.ts";
export type {
  Call,
  Compensate,
  DeadLetter,
  Entry,
  EventBody,
  LoggedEntry,
  Outcome,
  Result,
  Run,
  SagaEvent,
  SerializedError,
  UndoCall,
} from "./types.ts";
