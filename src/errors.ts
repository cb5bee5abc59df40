/**
 * What headgate's error classes share: their name, a stack that begins where the caller is, and an `instanceof` that works across
 * two copies of the package.
 *
 * An application may well hold two copies (two versions, or a bundle beside a module). Each error therefore carries a brand from
 * the global symbol registry, and its class answers `instanceof` by the brand. Only the class itself does: for a subclass
 * `instanceof` stays ordinary, else every Canceled would be an instance of every class derived from it.
 */
type ErrorClass = abstract new (...args: never[]) => Error;

/** To be called by the constructor of `own`: brands the error as one of that class and gives it its `name`. */
export function brand(error: Error, own: ErrorClass, id: string, name: string = id): void {
  Object.defineProperty(error, Symbol.for(`headgate.${id}`), { value: true });
  Object.defineProperty(error, "name", { value: name, configurable: true, writable: true });
  // Anew, because the text of the first stack was made before the error had its name.
  (Error as { captureStackTrace?: (error: Error, above: ErrorClass) => void }).captureStackTrace?.(error, own);
}

/** The body of a class's `Symbol.hasInstance`: `target` is its `this`, `own` the class that carries the brand. */
export function isBranded(value: unknown, target: unknown, own: ErrorClass, id: string): boolean {
  if (target !== own) return Function.prototype[Symbol.hasInstance].call(target as ErrorClass, value);
  return (
    typeof value === "object" &&
    value !== null &&
    (value as Record<symbol, unknown>)[Symbol.for(`headgate.${id}`)] === true
  );
}

/**
 * Throws what Go panics with: its message to the letter, and as the `cause`, which consoles print below it, a sentence that says
 * what to do.
 */
export function panic(
  message: string,
  advice: string,
  Class: new (message: string, options: ErrorOptions) => Error = Error,
): never {
  throw new Class(message, { cause: advice });
}

/** Throws a TypeError unless `fn` is a function. */
export function mustBeFunction(fn: unknown, where: string): void {
  if (typeof fn !== "function")
    throw new TypeError(`${where}: expected a function, got ${fn === null ? "null" : typeof fn}`);
}
