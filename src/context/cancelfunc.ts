/// <reference lib="esnext.disposable" preserve="true" />
/**
 * The functions that end a context.
 */

/**
 * Ends a context and everything derived from it, before it returns (C10). Calls after the first do nothing (C11). Anything that is
 * passed is ignored, so it can be handed to whoever calls back.
 *
 * Disposable: `using _ = cancel` is Go's `defer cancel()`.
 *
 * @see Go's [context.CancelFunc](https://pkg.go.dev/context#CancelFunc)
 */
export interface CancelFunc extends Disposable {
  (): void;
}

/**
 * A {@link CancelFunc} that says why: the cause comes back from `cause(ctx)`, and as `err().cause`. Without one, or with undefined
 * or null, the cause is `err()`; `0`, `""` and `false` are causes.
 *
 * @see Go's [context.CancelCauseFunc](https://pkg.go.dev/context#CancelCauseFunc)
 */
export interface CancelCauseFunc extends Disposable {
  (cause?: unknown): void;
}

export function disposable<F extends () => void>(cancel: F): F & Disposable {
  // Not by Object.assign, which would be the dearest part of making a context.
  (cancel as Partial<Disposable>)[Symbol.dispose] = dispose;
  return cancel as F & Disposable;
}

function dispose(this: () => void): void {
  this();
}
