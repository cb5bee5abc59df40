/**
 * Package `context`: names only. Read `context.ts` first.
 */
export { afterFunc } from "./afterfunc.ts";
export { type CancelCauseFunc, type CancelFunc, cause, withCancel, withCancelCause } from "./cancel.ts";
export { background, isContext, key, lifetime, todo, withoutCancel, withValue } from "./context.ts";
export { unref, withDeadline, withDeadlineCause, withTimeout, withTimeoutCause } from "./deadline.ts";
export { Canceled, DeadlineExceeded } from "./errors.ts";
export { errorFor, from, type Source } from "./from.ts";
export { merge } from "./merge.ts";
export { withSignal } from "./signal.ts";
export { wait } from "./wait.ts";
export type { Context, Key } from "../types.ts";
