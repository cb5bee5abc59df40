/**
 * Checks of arguments. Each throws at the call that has the mistake, and names the function that was called.
 */
import { hasMethod } from "./foreign.ts";

/**
 * Throws a TypeError unless `fn` is a function. `where` is the name of the function that was called, here and below.
 */
export function mustBeFunction(fn: unknown, where: string): void {
  if (typeof fn !== "function")
    throw new TypeError(`${where}: expected a function, got ${fn === null ? "null" : typeof fn}`);
}

/** Returns `ms`, a duration in milliseconds: any number except NaN. Otherwise throws. */
export function duration(ms: number, where: string): number {
  if (typeof ms !== "number") throw notANumber(ms, where, "a number of milliseconds");
  if (Number.isNaN(ms))
    throw new RangeError(`${where}: NaN is no duration; pass a number of milliseconds (Infinity = never)`);
  return ms;
}

/** Returns `n`, a whole number that is at least `least`. Otherwise throws. */
export function count(n: number, least: number, where: string): number {
  if (typeof n !== "number") throw notANumber(n, where, "a number");
  if (!Number.isSafeInteger(n) || n < least) {
    throw new RangeError(
      `${where}: expected a whole number${least === -Infinity ? "" : ` of ${least} or more`}, got ${n}`,
    );
  }
  return n;
}

/** The likely mistake is a ctx in the place of the number, because awaited operations take the ctx last. */
function notANumber(value: unknown, where: string, expected: string): TypeError {
  const isContext = hasMethod(value, "done");
  return new TypeError(
    `${where}: expected ${expected}, got ${isContext ? "a Context, which comes last" : value === null ? "null" : typeof value}`,
  );
}
