/**
 * Options that are misspelt: nobody would notice that a lease, or where the dead go, is not what was asked for.
 */

/** **Errors**: TypeError, naming those there are, for an option that is not among them. */
export function onlyKnown<O extends object>(
  caller: string,
  options: O,
  known: Readonly<Record<keyof O, unknown>>,
): void {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`${caller}: expected an options object, got ${String(options)}`);
  }
  for (const name of Object.keys(options)) {
    if (Object.hasOwn(known, name)) continue;
    throw new TypeError(`${caller}: there is no option ${name}; there are ${Object.keys(known).join(", ")}`);
  }
}
