/**
 * What somebody else's value says of itself: in a message, in a trace.
 *
 * Invariant: nothing here throws, and nothing awaits or adopts the value. A getter, a conversion or a trap of a proxy may throw, or
 * return what it should not; a report survives that, and says so.
 */

/** What `look` returns; `otherwise` if it throws. For looks at values that are not ours. */
export function tried<T>(look: () => T, otherwise: T): T {
  try {
    return look();
  } catch {
    return otherwise;
  }
}

/** `value instanceof Class`; false for what cannot be asked. */
export function isA<T>(value: unknown, Class: abstract new (...args: never[]) => T): value is T {
  return tried(() => value instanceof Class, false);
}

/** Whether it is an error, of whatever realm. */
export function isError(value: unknown): value is Error {
  return isA(value, Error) || tried(() => Object.prototype.toString.call(value) === "[object Error]", false);
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

/** A value as JSON, where it can be; a function by its name. */
export function valueText(value: unknown): string {
  if (typeof value === "function") return `${nameOf(value) || "function"}()`;
  if (typeof value !== "object" || value === null)
    return typeof value === "string" ? JSON.stringify(value) : text(value);
  if (isError(value)) return errorText(value);
  const json: unknown = tried(() => JSON.stringify(value), undefined);
  return typeof json === "string" ? json : text(value);
}

/** The name of a function; empty where it has none, or something else in its place. */
export function nameOf(fn: unknown): string {
  const name: unknown = tried(() => (fn as { name?: unknown } | null | undefined)?.name, undefined);
  return typeof fn === "function" && typeof name === "string" ? name : "";
}
