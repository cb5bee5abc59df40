/**
 * What somebody else's value says of itself: in a message, in a trace.
 *
 * Invariant: nothing here throws, and nothing awaits or adopts the value. A getter, a conversion or a trap of a proxy may throw, or
 * return what it should not; a report survives that, and says so.
 */
import { isError } from "../internal/foreign.ts";

/** What `look` returns; `otherwise` if it throws. For looks at values that are not ours. */
export function tried<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch {
    return otherwise;
  }
}

/** Something that was thrown: name and message of an error, and the text of anything else. */
export function thrownText(thrown: unknown): string {
  return isError(thrown) ? errorText(thrown) : `thrown: ${text(thrown)}`;
}

/** Name and message. */
export function errorText(error: Error): string {
  const name = tried(() => text(error.name), "Error");
  const message = tried(() => text(error.message), "(a message that cannot be read)");
  return `${name}: ${message}`;
}

/** `String(value)`, or at least what kind of thing it is. */
export function text(value: unknown): string {
  const kind = (): string => tried(() => Object.prototype.toString.call(value), "[an object that cannot be read]");
  return tried(() => String(value), undefined) ?? kind();
}

/** A value as JSON, where it can be, or the beginning of it; a function by its name. */
export function valueText(value: unknown): string {
  if (typeof value === "function") return `${nameOf(value) || "function"}()`;
  if (typeof value !== "object" || value === null) return typeof value === "string" ? json(value, 0)! : text(value);
  if (isError(value)) return errorText(value);
  return tried(() => json(value, 0), undefined) ?? text(value);
}

/** How many characters of a value are made at least, if it has as many: a message may have millions. */
const ENOUGH = 100;

/**
 * As JSON.stringify, but that it stops when that is enough, and that bytes are only counted. `length` is what has been made already, for
 * the objects `around`.
 */
function json(value: unknown, length: number, around: readonly object[] = []): string | undefined {
  if (typeof value === "string") return JSON.stringify(value.slice(0, ENOUGH));
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}(${value.byteLength})`;
  if (around.includes(value)) throw new TypeError("a ring");
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

/** The name of a function; empty where it has none, or something else in its place. */
export function nameOf(fn: unknown): string {
  const name: unknown = tried(() => (fn as { name?: unknown } | null | undefined)?.name, undefined);
  return typeof fn === "function" && typeof name === "string" ? name : "";
}
