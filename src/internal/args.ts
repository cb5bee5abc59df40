/**
 * Checks of arguments. Each throws as soon as the mistake is made, and names the function that was called with it.
 */
import { hasMethod } from "./foreign.ts";

/** Throws a TypeError unless `fn` is a function. */
export function mustBeFunction(fn: unknown, where: string): void {
  if (typeof fn !== "function")
    throw new TypeError(`${where}: expected a function, got ${fn === null ? "null" : typeof fn}`);
}

/** Returns `ms`, a duration in milliseconds that is any number but NaN; else throws an error that names `where`. */
export function duration(ms: number, where: string): number {
  if (typeof ms !== "number") throw notANumber(ms, where, "a number of milliseconds");
  if (Number.isNaN(ms))
    throw new RangeError(`${where}: NaN is no duration; pass a number of milliseconds (Infinity = never)`);
  return ms;
}

/** Returns `n`, a whole number that is at least `least`; else throws an error that names `where`. */
export function count(n: number, least: number, where: string): number {
  if (typeof n !== "number") throw notANumber(n, where, "a number");
  if (!Number.isSafeInteger(n) || n < least) {
    throw new RangeError(
      `${where}: expected a whole number${least === -Infinity ? "" : ` of ${least} or more`}, got ${n}`,
    );
  }
  return n;
}

/** A ctx that has slipped into a number's place is the mistake to expect, for awaited operations take it last. */
function notANumber(value: unknown, where: string, expected: string): TypeError {
  const isContext = hasMethod(value, "done");
  return new TypeError(
    `${where}: expected ${expected}, got ${isContext ? "a Context, which comes last" : value === null ? "null" : typeof value}`,
  );
}
