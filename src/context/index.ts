/**
 * Package `context`: names only. Read `context.ts` first.
 */
export { afterFunc } from "./afterfunc.ts";
export type { CancelCauseFunc, CancelFunc } from "./cancelfunc.ts";
export {
  background,
  cause,
  type Context,
  isContext,
  key,
  type Key,
  lifetime,
  todo,
  withCancel,
  withCancelCause,
  withoutCancel,
  withValue,
} from "./context.ts";
export { unref, withDeadline, withDeadlineCause, withTimeout, withTimeoutCause } from "./deadline.ts";
export { Canceled, DeadlineExceeded } from "./errors.ts";
export { from, type Source } from "./from.ts";
export { merge } from "./merge.ts";
export { withSignal } from "./signal.ts";
export { wait } from "./wait.ts";
