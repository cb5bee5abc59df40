/**
 * Foreign values as text, for messages and traces.
 *
 * Invariant: nothing here throws, awaits or adopts the value. A getter, a conversion or a trap of a proxy may throw, or
 * return the wrong type; the report is written all the same, and says so.
 */
import { attempt, isError, propertyOf } from "../internal/foreign.ts";

/** A thrown value: name and message of an error, the text of anything else. */
export function thrownText(thrown: unknown): string {
  return isError(thrown) ? errorText(thrown) : `thrown: ${text(thrown)}`;
}

/** Name and message. */
export function errorText(error: Error): string {
  const name = attempt(() => text(error.name)) ?? "Error";
  const message = attempt(() => text(error.message)) ?? "(a message that cannot be read)";
  return `${name}: ${message}`;
}

/** `String(value)`; its class if that throws. */
export function text(value: unknown): string {
  return (
    attempt(() => String(value)) ??
    attempt(() => Object.prototype.toString.call(value)) ??
    "[an object that cannot be read]"
  );
}

/** A value as JSON, or the beginning of it; a function by its name; else its text. */
export function valueText(value: unknown): string {
  if (typeof value === "function") return `${nameOf(value) || "function"}()`;
  if (typeof value !== "object" || value === null) return typeof value === "string" ? json(value, 0)! : text(value);
  if (isError(value)) return errorText(value);
  return attempt(() => json(value, 0)) ?? text(value);
}

/** Number of characters after which the JSON of a value ends: a message may have millions. */
const ENOUGH = 100;

/**
 * JSON.stringify that stops after {@link ENOUGH} characters, and only counts bytes. `length` characters have been
 * written already, for the objects `around`, which enclose the value.
 */
function json(value: unknown, length: number, around: readonly object[] = []): string | undefined {
  if (typeof value === "string") return JSON.stringify(value.slice(0, ENOUGH));
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength})`;
  if (around.includes(value)) throw new TypeError("a circular structure");
  const within = [...around, value];
  const { toJSON } = value as { toJSON?: unknown };
  if (typeof toJSON === "function") return json(toJSON.call(value, ""), length + 1, within);
  const isList = Array.isArray(value);
  let out = isList ? "[" : "{";
  for (const key of isList ? value.keys() : Object.keys(value)) {
    if (length + out.length > ENOUGH) return out;
    const part = json((value as Record<PropertyKey, unknown>)[key], length + out.length, within);
    if (part === undefined && !isList) continue;
    if (out.length > 1) out += ",";
    out += isList ? (part ?? "null") : `${json(key, 0)}:${part}`;
  }
  return out + (isList ? "]" : "}");
}

/** The first `length` characters of a text. A slice would keep the whole text in memory. */
export function cut(text: string, length: number): string {
  return text.length <= length ? text : `${Array.from(text.slice(0, length - 1)).join("")}…`;
}

/** The name of a function; empty if it has none, or if its name is no string. */
export function nameOf(fn: unknown): string {
  const name = propertyOf(fn, "name");
  return typeof fn === "function" && typeof name === "string" ? name : "";
}
