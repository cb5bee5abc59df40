/**
 * Asking what is not ours: values, errors and objects of other people, whose getters may throw, and whose proxies may lie.
 *
 * Invariants:
 * - Nothing here throws, whatever it is asked about.
 * - What was thrown is never returned from an async function, nor given to `resolve`: what has a `then` would be awaited, and lost. It is
 *   thrown again, rejected with, or carried in an object of ours.
 */

/** What `read` returns; undefined if it throws. */
export function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}

/** The property `name` of `value`; undefined where there is none, or it cannot be read. */
export function propertyOf(value: unknown, name: PropertyKey): unknown {
  return attempt(() => (value as Record<PropertyKey, unknown> | null | undefined)?.[name]);
}

/** Whether `value` has a method of this name. */
export function hasMethod(value: unknown, name: PropertyKey): boolean {
  return typeof propertyOf(value, name) === "function";
}

/** Whether `value` is an instance of `Class`; not if it will not say. */
export function isA<T>(value: unknown, Class: abstract new (...args: never[]) => T): value is T {
  try {
    return value instanceof Class;
  } catch {
    return false;
  }
}

/** What a message says of a value that is not what was expected: its class or its type, never what is in it. */
export function kindOf(value: unknown): string {
  if (value === null) return "null";
  if (typeof value !== "object") return typeof value;
  const name = propertyOf(propertyOf(value, "constructor"), "name");
  return typeof name === "string" && name !== "" ? name : "object";
}

/** What a message says of a value that is of no use: a number and its like as they are, all else by its kind. */
export function shown(value: unknown): string {
  const isLong = typeof value === "object" || typeof value === "function" || typeof value === "string";
  return isLong ? kindOf(value) : String(value);
}

/** How much of a text a message shows. */
const ENOUGH = 100;

/** What a message says of the value of an option that is of no use: a text as it is, or its beginning; all else as {@link shown}. */
export function given(value: unknown): string {
  if (typeof value !== "string") return shown(value);
  return value.length <= ENOUGH ? value : `${value.slice(0, ENOUGH)}…`;
}

/** Whether it is an error, also one of another realm, such as a test runner's. */
export function isError(value: unknown): value is Error {
  return isA(value, Error) || attempt(() => Object.prototype.toString.call(value) === "[object Error]") === true;
}

/** A value as a text: `String(value)`, or what else can be said of it. */
export function textOf(value: unknown): string {
  return attempt(() => String(value)) ?? attempt(() => Object.prototype.toString.call(value)) ?? `[${typeof value}]`;
}

/** `Promise.resolve`, which throws at a promise whose `constructor` cannot be read. Here that is a rejection, as if it had been awaited. */
export function promiseOf<T>(value: PromiseLike<T> | T): Promise<Awaited<T>> {
  try {
    return Promise.resolve(value) as Promise<Awaited<T>>;
  } catch (error) {
    return Promise.reject(error);
  }
}
