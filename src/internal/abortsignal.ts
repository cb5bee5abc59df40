/**
 * The type of the platform's AbortSignal, also where the compiler has been told of none: without the DOM and without `@types/node`.
 *
 * Where there is one these are its own types; elsewhere, what headgate itself makes use of.
 */

/** The platform's AbortSignal. */
export type AbortSignal = typeof globalThis extends { AbortSignal: { prototype: infer Own } } ? Own : LeastSignal;

/** The platform's AbortController. */
export type AbortController = typeof globalThis extends { AbortController: { prototype: infer Own } }
  ? Own
  : { readonly signal: LeastSignal; abort(reason?: unknown): void };

/** What an AbortSignal has at least. */
export interface LeastSignal {
  /** Whether it has ended. */
  readonly aborted: boolean;
  /** Why it has ended. */
  readonly reason: unknown;
  /** Calls the listener when it ends. */
  addEventListener(type: "abort", listener: (this: unknown, event: unknown) => void): void;
  /** Undoes an `addEventListener`. */
  removeEventListener(type: "abort", listener: (this: unknown, event: unknown) => void): void;
}
