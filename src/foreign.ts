/**
 * Questions to what is not ours: an error that was thrown, a value that was returned.
 *
 * It may be anything: a proxy whose traps throw or that was revoked, an object whose getters throw, an error with a `then`. Two rules follow.
 *
 * Invariants:
 * - No function here throws, whatever it is asked about. An answer that cannot be had is the answer of something that is no such thing.
 * - What was thrown is never returned from an async function, nor given to `resolve`: what has a `then` would be awaited, and lost. It is
 *   thrown again, rejected with, or carried in an object of ours.
 */

/** The property of a value; `undefined` where it cannot be had. */
export function property(of: unknown, key: PropertyKey): unknown {
  try {
    return (of as Record<PropertyKey, unknown> | null | undefined)?.[key];
  } catch {
    return undefined;
  }
}

/** `value instanceof Class`, and `false` where the value does not bear the question. */
export function isA<T>(value: unknown, Class: abstract new (...args: never) => T): value is T {
  try {
    return value instanceof Class;
  } catch {
    return false;
  }
}

/** Also for errors of another realm, such as a test runner's. */
export function isError(value: unknown): value is Error {
  try {
    return value instanceof Error || Object.prototype.toString.call(value) === "[object Error]";
  } catch {
    return false;
  }
}

/** A value as a text: `String(value)`, or what else can be said of it. */
export function textOf(value: unknown): string {
  for (const text of [String, (value: unknown) => Object.prototype.toString.call(value)]) {
    try {
      return text(value);
    } catch {
      // Then not like this.
    }
  }
  return `[${typeof value}]`;
}

/** An error in a line or more: its name and its message. */
export function errorText(error: unknown): string {
  return `${textOf(property(error, "name") ?? "Error")}: ${textOf(property(error, "message") ?? "an error that cannot be shown")}`;
}

/** `Promise.resolve`, which throws at a promise whose `constructor` cannot be read. Here that is a rejection, as if it had been awaited. */
export function promiseOf<T>(value: PromiseLike<T> | T): Promise<Awaited<T>> {
  try {
    return Promise.resolve(value) as Promise<Awaited<T>>;
  } catch (error) {
    return Promise.reject(error);
  }
}
