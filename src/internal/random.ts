/**
 * Random ids, out of the library's own source of chance, which a test controls.
 */
import { now, random } from "./runtime.ts";

/** The time, and about a hundred random bits: lower-case letters, digits and a hyphen. */
export function randomId(): string {
  return `${Math.floor(now()).toString(36)}-${fiftyBits()}${fiftyBits()}`;
}

function fiftyBits(): string {
  return Math.floor(random(undefined) * 2 ** 52)
    .toString(36)
    .padStart(11, "0");
}
