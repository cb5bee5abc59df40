/**
 * Tasks: Go's `go` statement, and what groups, timers and contexts start theirs with.
 *
 * Invariants:
 * - A task starts on a later microtask, never inside the call that starts it.
 * - A task runs in the async context (AsyncLocalStorage) of the call that passed its function, whatever starts it
 *   later.
 * - A task's error is passed to the code that started it. It is never awaited, even if it has a `then`.
 */
import { followed, prepare, report, spawn } from "../internal/runtime.ts";
import { mustBeFunction } from "../internal/args.ts";
import type { Task } from "../internal/seam.ts";

/**
 * Starts `fn` on a later microtask, never inside the call: Go's `go` statement. You cannot wait for it, and its result
 * is dropped. To wait for it, use an `errgroup.Group` or a `sync.WaitGroup`.
 *
 * **Errors**: if `fn` throws or its promise rejects, the error is reported as uncaught, like a panic in a goroutine. On
 * Node that ends the process. Throws a TypeError, at once, if `fn` is not a function.
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

/** Starts `fn(arg)` as a task that belongs to `on`, and then calls `succeeded` or `failed`. */
export function start<A, T>(
  fn: (arg: A) => Promise<T> | T,
  arg: A,
  on: unknown,
  succeeded: ((value: T) => void) | undefined,
  failed: (error: unknown) => void,
): void {
  spawn(taskOf(fn, arg, succeeded, failed), on, fn);
}

/** Prepares such a task: the function that is returned starts it, once, in the async context of this call. */
export function prepared<A, T>(
  fn: (arg: A) => Promise<T> | T,
  arg: A,
  on: unknown,
  succeeded: ((value: T) => void) | undefined,
  failed: (error: unknown) => void,
): () => void {
  return prepare(taskOf(fn, arg, succeeded, failed), on, fn);
}

/** A task that runs `fn(arg)`, and then calls `succeeded` or `failed`. It never throws. */
export function taskOf<A, T>(
  fn: (arg: A) => Promise<T> | T,
  arg: A,
  succeeded: ((value: T) => void) | undefined,
  failed: (error: unknown) => void,
): Task {
  const parts = followed(fn, succeeded, failed);
  if (parts === undefined) return taskOfParts(fn, arg, succeeded, failed);
  return taskOfParts(parts.fn, arg, parts.succeeded, parts.failed);
}

function taskOfParts<A, T>(
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
