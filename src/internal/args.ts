/**
 * Checks of arguments. Each throws at the call that has the mistake, and names the function that was called.
 */
import { mustBeReadable } from "./errors.ts";
import { argKind, given, hasMethod, isPlain, isSignal, kindOf, propertyOf, shortened } from "./foreign.ts";

/**
 * Throws a TypeError unless `fn` is a function. `where` is the name of the function that was called, here and below. If it takes something
 * before `fn`, `where` has its parameters: the likely mistake is a forgotten one.
 */
export function mustBeFunction(fn: unknown, where: string): void {
  if (typeof fn === "function") return;
  // The likely mistake is a call: go(f()).
  const hint = hasMethod(fn, "then") ? "; pass f in place of f()" : "";
  throw new TypeError(`${where}: expected a function, got ${argKind(fn)}${hint}`);
}

/**
 * The error for an argument that is no Context. `where` is the name of the function, or of the parameter; `place` says which
 * argument it should be.
 */
export function notAContext(ctx: unknown, where: string, place: string): TypeError {
  const kind = kindOf(ctx);
  let hint = "";
  // An AbortController and options have one.
  if (isSignal(ctx) || isSignal(propertyOf(ctx, "signal"))) {
    hint = "; make one by context.withSignal";
  } else if (kind === "Array") hint = "; write const [ctx, cancel] = …";
  else if (kind === "function") hint = "; call it";
  return new TypeError(`${where}: expected a Context as the ${place}, got ${kind}${hint}`);
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
  const kind = argKind(value);
  return new TypeError(
    `${where}: expected ${expected}, got ${kind}${kind === "a Context" ? ", which comes last" : ""}`,
  );
}

/** Throws a TypeError if a constructor that takes nothing was called with something. `hint` says what to do. */
export function mustBeEmpty(args: { readonly length: number }, where: string, hint: string = ""): void {
  if (args.length > 0) throw new TypeError(`${where} takes no argument${hint}`);
}

// ----------------------------------------------------------------------------------------------------------------- options

/**
 * The options as they are now; what is undefined is left out. They are read once: what they are later, or whether they can still be read,
 * changes nothing. A misspelt option is an error, because it would silently have its default. `prefix` is what comes before the names of
 * these options in a message, such as `compensation.`
 *
 * **Errors**: TypeError for options that cannot be read, and, listing the known ones, for an unknown option.
 */
export function onlyKnown<O extends object>(
  where: string,
  options: O,
  known: Readonly<Record<keyof O, unknown>>,
  prefix: string = "",
): O {
  const refuse = (what: string): never => {
    throw new TypeError(`${where}: expected an options object, got ${what}`);
  };
  if (typeof options !== "object" || options === null) return refuse(given(options));
  // The likely mistake: the options before it are left out.
  if (hasMethod(options, "err")) return refuse("a Context; ctx has a place of its own among the arguments");
  const own = mustBeReadable(`${where}: the options cannot be read`, () => Object.keys(options));
  for (const name of own) {
    if (Object.hasOwn(known, name)) continue;
    const names = Object.keys(known).join(", ");
    throw new TypeError(`${where}: there is no option ${prefix}${shortened(name)}; there are ${names}`);
  }
  const read: Partial<O> = {};
  for (const name of Object.keys(known) as (keyof O & string)[]) {
    const value = mustBeReadable(`${where}: the option ${prefix}${name} cannot be read`, () => options[name]);
    if (value !== undefined) read[name] = value;
  }
  // It has no option, and is no options: a promise, a Map, an AbortSignal.
  if (own.length + Object.keys(read).length === 0 && !isPlain(options)) return refuse(kindOf(options));
  return read as O;
}

// Each returns the value of an option, or throws a RangeError. `where` names the caller and the option: "worker: grace".

/** A whole number that is at least `least`. */
export function whole(where: string, value: number, least: number): number {
  if (Number.isSafeInteger(value) && value >= least) return value;
  throw new RangeError(`${where} must be a whole number from ${least}; got ${given(value)}`);
}

/** The same, or Infinity. */
export function wholeOrInfinite(where: string, value: number, least: number): number {
  return value === Infinity ? Infinity : whole(where, value, least);
}

/** A number of ms from 0 to Infinity. */
export function ms(where: string, value: number): number {
  if (typeof value === "number" && value >= 0) return value;
  throw new RangeError(`${where} must be a number of ms, 0 or more; got ${given(value)}`);
}

/** A number of ms above 0, or Infinity. */
export function positive(where: string, value: number): number {
  if (typeof value === "number" && value > 0) return value;
  throw new RangeError(`${where} must be a positive number of ms; got ${given(value)}`);
}
