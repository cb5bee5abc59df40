/**
 * The errors of a saga, and errors as plain JSON: a dead letter outlives the process, an Error does not.
 *
 * Invariants:
 * - What was thrown may be anything: a cycle, a getter that throws, a proxy that was revoked, no error at all. Nothing here throws over it,
 *   and what `serialized` returns survives `JSON.stringify`.
 */
import { Branded } from "../internal/errors.ts";
import { isA, isError, propertyOf, textOf } from "../internal/foreign.ts";
import { retry } from "../index.ts";
import type { DeadLetter, Entry } from "./result.ts";

/**
 * Thrown by a step that KNOWS that nothing has happened: the input was refused, the connection too. Such a step is not undone. If in
 * doubt, throw anything else: it is undone then, and an undo of nothing does no harm.
 *
 * It speaks for its own attempt alone: a step that is tried again counts as not applied only if every attempt says so. To say it and
 * to prevent further attempts, throw a `retry.Permanent` whose `cause` is a NotApplied.
 */
export class NotApplied extends Branded {
  /** @internal */ static readonly kind = "NotApplied";

  constructor(message: string = "saga: the step was not applied", options?: ErrorOptions) {
    super(message, options);
  }
}

/** Whether an attempt that threw this has had no effect for sure. */
export function saysNotApplied(error: unknown): boolean {
  return isA(error, NotApplied) || (isA(error, retry.Permanent) && isA(propertyOf(error, "cause"), NotApplied));
}

/** What {@link orThrow} throws for a saga that was not committed. Its `cause` says why, as that of the result does. */
export class SagaError extends Branded {
  /** @internal */ static readonly kind = "SagaError";
  readonly id: string;
  readonly status: "compensated" | "dead-lettered" | "lost";
  /** As in the result; none if it was compensated. */
  readonly letters: readonly DeadLetter[];
  /** Why the sink did not take the letters; none unless they are lost. */
  readonly errors: readonly Error[];
  readonly log: readonly Entry[];

  constructor(result: {
    readonly id: string;
    readonly status: "compensated" | "dead-lettered" | "lost";
    readonly cause: Error;
    readonly letters?: readonly DeadLetter[];
    readonly errors?: readonly Error[];
    readonly log: readonly Entry[];
  }) {
    const { id, status, cause, letters = [], errors = [], log } = result;
    const steps = letters.map(({ step, why }) => `${step} (${why})`).join(", ");
    super(
      `saga ${id}: ${status}${steps === "" ? "" : `: ${steps}`}; ${textOf(propertyOf(cause, "message") ?? "an error that cannot be shown")}`,
      { cause },
    );
    this.id = id;
    this.status = status;
    this.letters = letters;
    this.errors = errors;
    this.log = log;
  }

  /** For a log: with its message, its cause, and the errors of its steps. */
  toJSON(): object {
    const { name, message, id, status, letters } = this;
    return { name, message, id, status, letters, ...plain(this) };
  }
}

/** What of a result, or of its error, is no JSON by itself: errors, as plain JSON. */
export function plain(of: {
  readonly cause?: unknown;
  readonly errors?: readonly Error[];
  readonly log: readonly Entry[];
}): object {
  const { cause, errors, log } = of;
  return {
    ...(cause === undefined ? {} : { cause: serialized(cause) }),
    ...(errors === undefined ? {} : { errors: errors.map((error) => serialized(error)) }),
    log: log.map(({ error, ...entry }) =>
      error === undefined ? entry : { ...entry, error: withoutStack(serialized(error)) },
    ),
  };
}

/** An error as plain JSON. */
export interface SerializedError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly code?: string | number;
  readonly cause?: SerializedError;
}

/** How long a chain of causes may get. */
const DEPTH = 16;

/** An error, or whatever was thrown, as plain JSON. A chain of causes ends where it would come back to itself. */
export function serialized(error: unknown, outer: readonly unknown[] = []): SerializedError {
  if (!isError(error)) return { name: typeof error, message: textOf(error) };
  const [stack, code, cause] = [propertyOf(error, "stack"), propertyOf(error, "code"), propertyOf(error, "cause")];
  const path = [...outer, error];
  const goesOn = cause !== undefined && path.length < DEPTH && !path.includes(cause);
  return {
    name: textOf(propertyOf(error, "name") ?? "Error"),
    message: textOf(propertyOf(error, "message") ?? "an error that cannot be shown"),
    ...(typeof stack === "string" ? { stack } : {}),
    ...(typeof code === "string" || Number.isFinite(code) ? { code: code as string | number } : {}),
    ...(goesOn ? { cause: serialized(cause, path) } : {}),
  };
}

/** The same without stacks, for a log. */
export function withoutStack({ stack: _, cause, ...error }: SerializedError): SerializedError {
  return cause === undefined ? error : { ...error, cause: withoutStack(cause) };
}

/** The error that was serialized, as far as that is possible. */
export function revived({ name, message, stack, code, cause }: SerializedError): Error {
  const error = new Error(message, cause === undefined ? undefined : { cause: revived(cause) });
  const own = { name, ...(stack === undefined ? {} : { stack }), ...(code === undefined ? {} : { code }) };
  for (const [key, value] of Object.entries(own))
    Object.defineProperty(error, key, { value, configurable: true, writable: true });
  return error;
}

/** What was thrown, as an Error. */
export function errorOf(thrown: unknown): Error {
  return isError(thrown) ? thrown : new Error(textOf(thrown), { cause: thrown });
}
