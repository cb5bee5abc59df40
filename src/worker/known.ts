/**
 * Options that are misspelt: nobody would notice that a lease, or where the dead go, is not what was asked for.
 *
 * Invariant: the options are read once. What they are later, or whether they can still be read, changes nothing.
 */
import { mustBeReadable } from "../internal/errors.ts";
import { given } from "../internal/foreign.ts";

/**
 * The options as they are now; what is undefined is left out.
 *
 * **Errors**: TypeError for options that cannot be read, and, naming those there are, for an option that is not among them.
 */
export function onlyKnown<O extends object>(caller: string, options: O, known: Readonly<Record<keyof O, unknown>>): O {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`${caller}: expected an options object, got ${given(options)}`);
  }
  const own = mustBeReadable(`${caller}: the options cannot be read`, () => Object.keys(options));
  for (const name of own) {
    if (Object.hasOwn(known, name)) continue;
    throw new TypeError(`${caller}: there is no option ${given(name)}; there are ${Object.keys(known).join(", ")}`);
  }
  const read: Partial<O> = {};
  for (const name of Object.keys(known) as (keyof O & string)[]) {
    const value = mustBeReadable(`${caller}: the option ${name} cannot be read`, () => options[name]);
    if (value !== undefined) read[name] = value;
  }
  return read as O;
}
