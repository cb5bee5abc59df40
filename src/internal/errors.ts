/**
 * What headgate's error classes share: their name, and an `instanceof` that works across two copies of the package.
 *
 * An application may well hold two copies (two versions, or a bundle beside a module). Each error therefore says by a symbol of the
 * global registry which of our classes it is of, and that class answers `instanceof` by it. Only the class itself does: for a subclass
 * `instanceof` stays ordinary, else every Canceled would be an instance of every class derived from it. What does not bear the question,
 * such as a proxy whose traps throw, is an instance of none.
 */
import { attempt } from "./foreign.ts";

const KIND = /* @__PURE__ */ Symbol.for("headgate.error");

/** The statics of a class of errors: `kind` is what its brand says, `label` the `name` of its errors. */
interface ErrorClass {
  readonly kind: string;
  readonly label?: string;
}

/**
 * The base of our error classes, which have the statics of `ErrorClass`. Name and brand come from the prototype, so that an error
 * costs no more than its stack, which then begins with the name.
 */
export const Branded: new (message?: string, options?: ErrorOptions) => Error = /* @__PURE__ */ (() =>
  class extends Error {
    static override [Symbol.hasInstance](value: unknown): boolean {
      try {
        if (!Object.hasOwn(this, "kind")) return Function.prototype[Symbol.hasInstance].call(this, value);
        return (value as { [KIND]?: string } | null | undefined)?.[KIND] === (this as unknown as ErrorClass).kind;
      } catch {
        // The value's own traps and getters: it is none of ours, and must not end the program that asks.
        return false;
      }
    }

    constructor(message?: string, options?: ErrorOptions) {
      try {
        super(message, options);
      } catch {
        // A message or a cause that cannot be read: an error is made all the same, for somebody waits for it.
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

/** What `read` returns. What it throws, out of somebody else's getter or proxy, becomes the cause of a TypeError with this message. */
export function mustBeReadable<T>(message: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new TypeError(message, { cause });
  }
}
