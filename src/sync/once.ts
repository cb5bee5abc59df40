/**
 * Calling a function exactly once: Go's `sync.OnceValue`.
 */
import { mustBeFunction } from "../internal/args.ts";

/**
 * Returns a function that calls `fn` at its first call. All calls have the same result: the same value, the same promise, or the same
 * error thrown.
 *
 * **Errors**: throws the error of `fn`, at each call. Throws if `fn` calls the returned function. TypeError if `fn` is not a function.
 *
 * @see Go's [sync.OnceValue](https://pkg.go.dev/sync#OnceValue)
 * @example
 * ```ts
 * import { sync } from "headgate";
 *
 * const config = sync.once(() => {
 *   console.log("loading");
 *   return { port: 8080 };
 * });
 * console.log(config().port, config().port);
 * // => loading
 * // => 8080 8080
 * ```
 */
export function once<T>(fn: () => T): () => T {
  mustBeFunction(fn, "once");
  let state: "new" | "running" | "done" | "failed" = "new";
  let result: T;
  let failure: unknown;
  return () => {
    if (state === "new") {
      state = "running";
      try {
        result = fn();
        state = "done";
      } catch (error) {
        failure = error;
        state = "failed";
      }
    }
    if (state === "running") throw new Error("sync: once was called from inside its own function");
    if (state === "failed") throw failure;
    return result;
  };
}
