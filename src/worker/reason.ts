/**
 * The reason of a dead letter: one line that the header of any broker can hold. All sources write the same.
 *
 * Invariants:
 * - A reason is never empty, and has 1 000 bytes of UTF-8 at most, which every broker's header or attribute holds.
 * - It is one line of well-formed text: no control characters, no line breaks, no half of a surrogate pair, cut between two characters.
 * - A handler may throw anything, also what cannot be shown as a text: there is a reason all the same.
 */
import { isError, propertyOf } from "../internal/foreign.ts";

/** Bytes of UTF-8. The smallest limit of a broker is 1 024, for an attribute of Pub/Sub. */
const LONGEST = 1_000;

/** The number of errors in a chain of causes that are shown, at most. */
const CAUSES = 8;

/** `TypeError: no such order; caused by Error: 404`; of what is no error, its text. */
export function reasonOf(error: unknown): string {
  const shown: unknown[] = [];
  for (let at = error; shown.length < CAUSES && !shown.includes(at);) {
    shown.push(at);
    const cause = isError(at) ? propertyOf(at, "cause") : undefined;
    if (cause === undefined) break;
    at = cause;
  }
  return lineOf(shown.map(describe).join("; caused by "), LONGEST);
}

/** A text as one well-formed line of at most `bytes` bytes of UTF-8. An ellipsis stands for what is cut off. */
export function lineOf(text: string, bytes: number = Infinity): string {
  // A character is a byte at least, so what is beyond that is cut off anyway.
  const line = wellFormed(text.slice(0, Math.min(text.length, bytes * 2)).replaceAll(/[\s\p{Cc}]+/gu, " ")).trim();
  let size = 0;
  let length = 0;
  let fitting = 0;
  for (const character of line) {
    size += bytesOf(character.codePointAt(0)!);
    if (size > bytes) return `${line.slice(0, fitting)}…`;
    length += character.length;
    if (size <= bytes - ELLIPSIS) fitting = length;
  }
  return line;
}

/** Bytes of "…". */
const ELLIPSIS = 3;

function bytesOf(codePoint: number): number {
  return codePoint < 0x80 ? 1 : codePoint < 0x800 ? 2 : codePoint < 0x1_00_00 ? 3 : 4;
}

/** A text without halves of surrogate pairs, which UTF-8 cannot write: a replacement character stands for each. */
export function wellFormed(text: string): string {
  return text.replaceAll(/\p{Cs}/gu, "\uFFFD");
}

function describe(thrown: unknown): string {
  if (isError(thrown)) return describeError(thrown);
  if (typeof thrown === "string") return thrown.trim() === "" ? "an empty text was thrown" : thrown;
  if (thrown === undefined || thrown === null) return `${thrown} was thrown`;
  try {
    const text = String(thrown).trim();
    const asJson = typeof thrown === "object" && /^\[object .*\]$/.test(text) ? JSON.stringify(thrown) : text;
    return asJson || "an object without a text was thrown";
  } catch {
    return "an error that cannot be shown";
  }
}

function describeError(error: Error): string {
  const name = textIn(error, "name") ?? "Error";
  const message = textIn(error, "message") ?? firstOf(error) ?? textIn(error, "code");
  return message === undefined ? `${name} (without a message)` : `${name}: ${message}`;
}

/** The message of the first of several errors: an AggregateError of Node often has none of its own. */
function firstOf(error: Error): string | undefined {
  const first = propertyOf(propertyOf(error, "errors"), 0);
  return isError(first) ? textIn(first, "message") : undefined;
}

function textIn(error: Error, key: string): string | undefined {
  const text = propertyOf(error, key);
  return typeof text === "string" && text.trim() !== "" ? text : undefined;
}
