/**
 * The base of headgate's error classes: their name, and an `instanceof` that works across two copies of the package.
 *
 * An application may hold two copies (two versions, or a bundle beside a module). So each error names its class by a
 * symbol of the global registry, its brand, and the class answers `instanceof` by it. Only the class itself does. For a
 * subclass `instanceof` stays ordinary: otherwise every Canceled would be an instance of every class derived from it.
 * An object that cannot be asked, such as a proxy whose traps throw, is an instance of none.
 */
import { attempt } from "./foreign.ts";

const KIND = /* @__PURE__ */ Symbol.for("headgate.error");

/** The statics of an error class: `kind` is its brand, `label` the `name` of its errors. */
interface ErrorClass {
  readonly kind: string;
  readonly label?: string;
}

/**
 * The base class. Its subclasses have the statics of `ErrorClass`. Name and brand are on the prototype, so an
 * error costs no more than its stack, and the stack begins with the name.
 */
export const Branded: new (message?: string, options?: ErrorOptions) => Error = /* @__PURE__ */ (() =>
  class extends Error {
    static override [Symbol.hasInstance](value: unknown): boolean {
      try {
        if (!Object.hasOwn(this, "kind")) return Function.prototype[Symbol.hasInstance].call(this, value);
        return (value as { [KIND]?: string } | null | undefined)?.[KIND] === (this as unknown as ErrorClass).kind;
      } catch {
        // One of its traps or getters has thrown. That must not end the program that asks.
        return false;
      }
    }

    constructor(message?: string, options?: ErrorOptions) {
      try {
        super(message, options);
      } catch {
        // The message or the cause cannot be read. The error is made all the same, because the caller waits for it.
        super(attempt(() => String(message)));
      }
    }

    get [KIND](): string {
      return (this.constructor as unknown as ErrorClass).kind;
    }

    override get name(): string {
      const { kind, label = kind } = this.constructor as unknown as ErrorClass;
      return label;
    }
  })();

/**
 * Throws an error with the exact message of Go's panic. The `cause`, which consoles print below it, says what to do.
 */
export function panic(
  message: string,
  advice: string,
  Class: new (message: string, options: ErrorOptions) => Error = Error,
): never {
  throw new Class(message, { cause: advice });
}

/**
 * The result of `read`. If a foreign getter or proxy throws in it, throws a TypeError with this message and that cause.
 */
export function mustBeReadable<T>(message: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new TypeError(message, { cause });
  }
}
