/**
 * Tasks: Go's `go` statement, and how the other packages start theirs.
 *
 * Invariants:
 * - A task starts on a later microtask, never inside the call that starts it.
 * - A task runs in the async context (AsyncLocalStorage) of the call that handed it over, whatever lets it start.
 * - What a task throws is told to the one who started it. It is never awaited, even where it has a `then`.
 */
import { prepare, report, spawn } from "../internal/runtime.ts";
import { mustBeFunction } from "../internal/args.ts";
import type { Task } from "../internal/seam.ts";

/**
 * Starts `fn` on a later microtask, never inside the call: Go's `go` statement. Nobody waits for it and its result is dropped; use
 * an `errgroup.Group` or a `sync.WaitGroup` where somebody should.
 *
 * **Errors**: what `fn` throws, or its promise rejects with, is reported as an uncaught error, like a panic in a goroutine: on
 * Node it ends the process. TypeError, at once, if `fn` is not a function.
 *
 * @see Go's [go statements](https://go.dev/ref/spec#Go_statements)
 * @example
 * ```ts
 * import { go } from "headgate";
 *
 * go(() => console.log("second"));
 * console.log("first");
 * // => first
 * // => second
 * ```
 */
export function go(fn: () => unknown): void {
  mustBeFunction(fn, "go");
  start(fn, undefined, fn, undefined, report);
}

/** Runs `fn(arg)` as a task that belongs to `on`, and then tells how it went. */
export function start<A, T>(
  fn: (arg: A) => Promise<T> | T,
  arg: A,
  on: unknown,
  succeeded: ((value: T) => void) | undefined,
  failed: (error: unknown) => void,
): void {
  spawn(taskOf(fn, arg, succeeded, failed), on, fn);
}

/** The same when the function that is returned is called, once; but in the async context of now. */
export function prepared<A, T>(
  fn: (arg: A) => Promise<T> | T,
  arg: A,
  on: unknown,
  succeeded: ((value: T) => void) | undefined,
  failed: (error: unknown) => void,
): () => void {
  return prepare(taskOf(fn, arg, succeeded, failed), on, fn);
}

/** What runs `fn(arg)` when it is called, and then tells how it went. It never throws. */
export function taskOf<A, T>(
  fn: (arg: A) => Promise<T> | T,
  arg: A,
  succeeded: ((value: T) => void) | undefined,
  failed: (error: unknown) => void,
): Task {
  return (ended) => {
    try {
      const result = fn(arg);
      if (isThenable(result)) {
        const end = Promise.resolve(result).then(succeeded, failed);
        if (ended !== undefined) void end.then(ended);
        return;
      }
      succeeded?.(result);
    } catch (error) {
      failed(error);
    }
    ended?.();
  };
}

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof (value as PromiseLike<unknown> | null | undefined)?.then === "function";
}
