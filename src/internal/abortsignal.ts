/**
 * The types of the platform's AbortSignal and AbortController, for compilers that have neither the DOM's types nor
 * `@types/node`.
 *
 * If the compiler knows them, these are the same types. Otherwise they have the members that headgate uses.
 */

/** The platform's AbortSignal. */
export type AbortSignal = typeof globalThis extends { AbortSignal: { prototype: infer Own } } ? Own : LeastSignal;

/** The platform's AbortController. */
export type AbortController = typeof globalThis extends { AbortController: { prototype: infer Own } }
  ? Own
  : { readonly signal: LeastSignal; abort(reason?: unknown): void };

/** The members of an AbortSignal that headgate uses. */
export interface LeastSignal {
  /** True if it has ended. */
  readonly aborted: boolean;
  /** Why it has ended. */
  readonly reason: unknown;
  /** Calls the listener when it ends. */
  addEventListener(type: "abort", listener: (this: unknown, event: unknown) => void): void;
  /** Undoes an `addEventListener`. */
  removeEventListener(type: "abort", listener: (this: unknown, event: unknown) => void): void;
}
