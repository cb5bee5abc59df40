/**
 * Package `context`: names only. Read `context.ts` first.
 */
export { afterFunc } from "./afterfunc.ts";
export type { CancelCauseFunc, CancelFunc } from "./cancelfunc.ts";
export {
  background,
  cause,
  type Context,
  key,
  type Key,
  lifetime,
  todo,
  withCancel,
  withCancelCause,
  withDeadline,
  withDeadlineCause,
  withoutCancel,
  withTimeout,
  withTimeoutCause,
  withValue,
} from "./context.ts";
export { Canceled, DeadlineExceeded } from "./errors.ts";
export { withSignal } from "./signal.ts";
export { wait } from "./wait.ts";
