/**
 * Reading foreign values: the user's objects and errors, whose getters may throw, and whose proxies may lie.
 *
 * Invariants:
 * - Nothing here throws, whatever the value is.
 * - A thrown value is never returned from an async function, nor given to `resolve`, because one with a `then` would be
 *   awaited, and lost. It is thrown again, rejected with, or carried in an object of ours.
 */

import type { AbortSignal } from "./abortsignal.ts";

/** The result of `read`; undefined if it throws. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** The property `name` of `value`; undefined if there is none, or it cannot be read. */
export function propertyOf(value: unknown, name: PropertyKey): unknown {
  return attempt(() => (value as Record<PropertyKey, unknown> | null | undefined)?.[name]);
}

/** True if `value` has a method of this name. */
export function hasMethod(value: unknown, name: PropertyKey): boolean {
  return typeof propertyOf(value, name) === "function";
}

/** True if `value` is an instance of `Class`, and can be asked. */
export function isA<T>(value: unknown, Class: abstract new (...args: never[]) => T): value is T {
  try {
    return value instanceof Class;
  } catch {
    return false;
  }
}

/** True for an AbortSignal, and for what behaves like one. */
export function isSignal(value: unknown): value is AbortSignal {
  return hasMethod(value, "addEventListener") && typeof propertyOf(value, "aborted") === "boolean";
}

/** False for an object that has a class, such as a promise or a Map. An object literal may be of another realm. */
export function isPlain(value: object): boolean {
  const prototype: unknown = attempt(() => Object.getPrototypeOf(value) as unknown) ?? null;
  return prototype === null || attempt(() => Object.getPrototypeOf(prototype) as unknown) === null;
}

/** The text for an unexpected value in a message: its class or its type, never its contents. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  const name = propertyOf(propertyOf(value, "constructor"), "name");
  return typeof name === "string" && name !== "" ? name : "object";
}

/** The same for an argument: a Context is called so, whatever its class is. */
export function argKind(value: unknown): string {
  return hasMethod(value, "err") && hasMethod(value, "value") ? "a Context" : kindOf(value);
}

/** The text for an invalid value in a message: a number and the like as it is, all else as {@link kindOf}. */
export function shown(value: unknown): string {
  return ["object", "function", "string", "bigint"].includes(typeof value) ? kindOf(value) : String(value);
}

/** The most characters of a string in a message. */
const LONGEST = 100;

/** A string for a message: as it is, or its beginning. */
export function shortened(text: string): string {
  return text.length <= LONGEST ? text : `${text.slice(0, LONGEST)}…`;
}

/** The text for an invalid option in a message: a string with its type, because `3` and `"3"` differ; all else as {@link shown}. */
export function given(value: unknown): string {
  return typeof value === "string" ? `the string ${JSON.stringify(shortened(value))}` : shown(value);
}

/** True for an error, also for one of another realm, such as that of a test runner. */
export function isError(value: unknown): value is Error {
  return isA(value, Error) || attempt(() => Object.prototype.toString.call(value) === "[object Error]") === true;
}

/** A value as a string: `String(value)`, or else its tag or type. */
export function textOf(value: unknown): string {
  return attempt(() => String(value)) ?? attempt(() => Object.prototype.toString.call(value)) ?? `[${typeof value}]`;
}

/**
 * `Promise.resolve`, which throws if the `constructor` of a promise cannot be read. Here that is a rejection, as it is
 * with `await`.
 */
export function promiseOf<T>(value: PromiseLike<T> | T): Promise<Awaited<T>> {
  try {
    return Promise.resolve(value) as Promise<Awaited<T>>;
  } catch (error) {
    return Promise.reject(error);
  }
}
