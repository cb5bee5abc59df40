/**
 * The two errors a context can end with (C5). A cause never takes their place: it is beside them, as `cause`.
 */
import { Branded } from "../internal/errors.ts";

/**
 * The error of a context that was cancelled, and of every operation that this interrupted. Its `cause` is `cause(ctx)`, if one was
 * given. Its name and code are those of the platform's AbortError. `instanceof` is true across copies of the package, and false for the
 * platform's own AbortError.
 *
 * @see Go's [context.Canceled](https://pkg.go.dev/context#pkg-variables)
 */
export class Canceled extends Branded {
  /** @internal */ static readonly kind = "Canceled";
  /** @internal */ static readonly label = "AbortError";

  /** The code of an AbortError of the platform. */
  readonly code: "ABORT_ERR" = "ABORT_ERR";

  /** Needed for an error of your own that counts as this one. */
  constructor(message: string = "context canceled", options?: ErrorOptions) {
    super(message, options);
  }
}

/**
 * The error of a context whose deadline has passed, and of every operation that this interrupted. Its `cause` is `cause(ctx)`,
 * if one was given. Its name and code are those of the platform's TimeoutError. `instanceof` is true across copies of the package, and
 * false for the platform's own TimeoutError.
 *
 * @see Go's [context.DeadlineExceeded](https://pkg.go.dev/context#pkg-variables)
 */
export class DeadlineExceeded extends Branded {
  /** @internal */ static readonly kind = "DeadlineExceeded";
  /** @internal */ static readonly label = "TimeoutError";

  /** The code of a TimeoutError of the platform. */
  readonly code: "TIMEOUT_ERR" = "TIMEOUT_ERR";
  /** Always true, as Go's `Timeout()`. */
  readonly timeout: true = true;
  /** Always true, as Go's `Temporary()`. */
  readonly temporary: true = true;

  /** Needed for an error of your own that counts as this one. */
  constructor(message: string = "context deadline exceeded", options?: ErrorOptions) {
    super(message, options);
  }
}

/** The end of a context: its error and its cause. A whole subtree shares one. */
export class Outcome {
  readonly cause: unknown;
  private readonly Class: typeof Canceled | typeof DeadlineExceeded;
  private made: Canceled | DeadlineExceeded | undefined;

  /** Needed for an error of your own that counts as this one. */
  constructor(Class: typeof Canceled | typeof DeadlineExceeded, cause: unknown, made?: Canceled | DeadlineExceeded) {
    this.Class = Class;
    this.cause = cause ?? undefined;
    this.made = made;
  }

  /** Made on first use, which is rare: its stack costs more than all the rest of a cancel. */
  get error(): Canceled | DeadlineExceeded {
    return (this.made ??= new this.Class(undefined, this.cause === undefined ? undefined : { cause: this.cause }));
  }
}
