/**
 * What a promise rejects with.
 */
import { expect } from "vitest";

/** What `promise` rejects with. The test fails if it does not. */
export function failure(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.unreachable("it should have rejected"),
    (error: unknown) => error,
  );
}

/** The error of class `Class` with which `promise` rejects. The test fails if it does not, or with another one. */
export async function failureOf<E extends Error>(
  promise: Promise<unknown>,
  Class: abstract new (...args: never[]) => E,
): Promise<E> {
  const error = await failure(promise);
  expect(error).toBeInstanceOf(Class);
  return error as E;
}

/** What `promise` rejects with; undefined if it resolves. */
export function errorOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  );
}

/** What a message calls a value of the wrong type: its type, or its class. */
export function kindIn(value: unknown): string {
  return value === null ? "null" : typeof value === "object" ? value.constructor.name : typeof value;
}

/** What a message says of an option: a string with its type, a value as it is, an object by its class. */
export function givenIn(value: unknown): string {
  if (typeof value === "string") return `the string ${JSON.stringify(value)}`;
  return (typeof value === "object" && value !== null) || typeof value === "bigint" ? kindIn(value) : String(value);
}
