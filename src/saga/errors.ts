/**
 * The errors of a saga, and errors as plain JSON: a dead letter outlives the process, an Error does not.
 *
 * Invariants:
 * - Anything can be thrown: a cycle, an object with a throwing getter, a revoked proxy, no error at all. No function here throws because
 *   of it, and what `serializeError` returns survives `JSON.stringify`.
 */
import { Branded } from "../internal/errors.ts";
import { isA, isError, kindOf, propertyOf, textOf } from "../internal/foreign.ts";
import { retry } from "../index.ts";
import type { DeadLetter, Entry, Result, SerializedError } from "./types.ts";

/**
 * Thrown by a step that KNOWS that nothing happened: the input or the connection was refused. Such a step is not undone. If in doubt,
 * throw any other error: the step is then undone, and undoing nothing does no harm.
 *
 * It speaks for its own attempt only: a step that was tried several times counts as not applied if every attempt says so. To say it and
 * to prevent more attempts, throw a `retry.Permanent` whose `cause` is a NotApplied.
 */
export class NotApplied extends Branded {
  /** @internal */ static readonly kind = "NotApplied";

  /** Thrown by a step that knows that it had no effect. */
  constructor(message: string = "saga: the step was not applied", options?: ErrorOptions) {
    super(message, options);
  }
}

/** True if this error of an attempt says that the attempt had no effect. */
export function isNotApplied(error: unknown): boolean {
  return isA(error, NotApplied) || (isA(error, retry.Permanent) && isA(propertyOf(error, "cause"), NotApplied));
}

/** The error of {@link orThrow} for a saga that was not committed. Its `cause` is that of the result. */
export class SagaError extends Branded {
  /** @internal */ static readonly kind = "SagaError";
  /** The id of the saga. */
  readonly id: string;
  /** The status of the result. */
  readonly status: "compensated" | "dead-lettered" | "lost";
  /** The letters of the result; empty if the saga was compensated. */
  readonly letters: readonly DeadLetter[];
  /** Why the sink refused the letters; empty unless they are lost. */
  readonly errors: readonly Error[];
  /** The steps, in their order. */
  readonly log: readonly Entry[];

  /** Made by {@link orThrow}. */
  constructor(result: {
    readonly id: string;
    readonly status: "compensated" | "dead-lettered" | "lost";
    readonly cause: Error;
    readonly letters?: readonly DeadLetter[];
    readonly errors?: readonly Error[];
    readonly log: readonly Entry[];
  }) {
    const { id, status, cause, letters = [], errors = [], log } = result;
    const steps = letters.map(({ step, reason }) => `${step} (${reason})`).join(", ");
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

  /** For a log: includes the message, the cause, and the errors of the steps. */
  toJSON(): object {
    const { name, message, id, status, letters } = this;
    return { name, message, id, status, letters, ...withPlainErrors(this) };
  }
}

/**
 * Returns the output of a committed saga: `run(…).then(orThrow)` is the form that throws.
 *
 * **Errors**: throws a {@link SagaError} for every other result, and a TypeError for what is none.
 */
export function orThrow<Done>(result: Result<Done>): Done {
  if (typeof propertyOf(result, "status") !== "string")
    throw new TypeError(`orThrow: expected the result of a saga, got ${kindOf(result)}; write .then(orThrow)`);
  if (result.status === "committed") return result.output;
  throw new SagaError(result);
}

// -------------------------------------------------------------------------------------------------------------------- JSON

/** Adds a toJSON to a result. It is not enumerable, so it is neither printed nor compared. */
export function withJson<Done>(result: Result<Done>): Result<Done> {
  return Object.defineProperty(result, "toJSON", { value: () => ({ ...result, ...withPlainErrors(result) }) });
}

/** The parts of a result, or of its error, that contain errors, as plain JSON. */
function withPlainErrors(of: {
  readonly cause?: unknown;
  readonly errors?: readonly Error[];
  /** The steps, in their order. */
  readonly log: readonly Entry[];
}): object {
  const { cause, errors, log } = of;
  return {
    ...(cause === undefined ? {} : { cause: serializeError(cause) }),
    ...(errors === undefined ? {} : { errors: errors.map((error) => serializeError(error)) }),
    log: log.map(({ error, ...entry }) =>
      error === undefined ? entry : { ...entry, error: withoutStack(serializeError(error)) },
    ),
  };
}

/** The longest chain of causes that is serialized. */
const MAX_CAUSES = 16;

/** An error, or any other thrown value, as plain JSON. A chain of causes ends before it would repeat itself. */
export function serializeError(error: unknown, outer: readonly unknown[] = []): SerializedError {
  if (!isError(error)) return { name: typeof error, message: textOf(error) };
  const [stack, code, cause] = [propertyOf(error, "stack"), propertyOf(error, "code"), propertyOf(error, "cause")];
  const path = [...outer, error];
  const hasCause = cause !== undefined && path.length < MAX_CAUSES && !path.includes(cause);
  return {
    name: textOf(propertyOf(error, "name") ?? "Error"),
    message: textOf(propertyOf(error, "message") ?? "an error that cannot be shown"),
    ...(typeof stack === "string" ? { stack } : {}),
    ...(typeof code === "string" || Number.isFinite(code) ? { code: code as string | number } : {}),
    ...(hasCause ? { cause: serializeError(cause, path) } : {}),
  };
}

/** The same without stacks, for a log. */
export function withoutStack({ stack: _, cause, ...error }: SerializedError): SerializedError {
  return cause === undefined ? error : { ...error, cause: withoutStack(cause) };
}

/** An Error with what its JSON has kept. */
export function deserializeError({ name, message, stack, code, cause }: SerializedError): Error {
  const error = new Error(message, cause === undefined ? undefined : { cause: deserializeError(cause) });
  const own = { name, ...(stack === undefined ? {} : { stack }), ...(code === undefined ? {} : { code }) };
  for (const [key, value] of Object.entries(own))
    Object.defineProperty(error, key, { value, configurable: true, writable: true });
  return error;
}

/** A thrown value as an Error. */
export function errorOf(thrown: unknown): Error {
  return isError(thrown) ? thrown : new Error(textOf(thrown), { cause: thrown });
}
