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
  withoutCancel,
  withValue,
} from "./context.ts";
export { withDeadline, withDeadlineCause, withTimeout, withTimeoutCause } from "./deadline.ts";
export { Canceled, DeadlineExceeded } from "./errors.ts";
export { withSignal } from "./signal.ts";
export { wait } from "./wait.ts";
