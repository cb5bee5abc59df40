/**
 * The causes with which the worker ends a handler's ctx: `context.cause(ctx)` is one of these.
 *
 * Invariant: as with all errors of headgate, `instanceof` knows them across two copies of the package, by the same symbol of the global
 * registry; and is ordinary for a subclass.
 */
const KIND = /* @__PURE__ */ Symbol.for("headgate.error");

const Cause: new (message: string, options?: ErrorOptions) => Error = /* @__PURE__ */ (() =>
  class extends Error {
    static override [Symbol.hasInstance](value: unknown): boolean {
      if (!Object.hasOwn(this, "kind")) return Function.prototype[Symbol.hasInstance].call(this, value);
      return (value as { [KIND]?: string } | null | undefined)?.[KIND] === (this as unknown as { kind: string }).kind;
    }

    get [KIND](): string {
      return (this.constructor as unknown as { kind: string }).kind;
    }

    override get name(): string {
      return this[KIND];
    }
  })();

/**
 * The worker is stopping, and the time for handlers to end by themselves is over, or it was aborted. The handler has `abortWindow` ms from
 * now; if it throws within these, its message is released, which is no failure. The `cause` is that of the stop.
 */
export class Stopping extends Cause {
  /** @internal */ static readonly kind = "Stopping";

  constructor(options?: ErrorOptions) {
    super("worker: stopping", options);
  }
}

/**
 * The source says that somebody else may have the message by now. Whatever the handler does, it will not be acked: its verdict is
 * `expired`. A leftover has this as its `error`, too.
 */
export class LeaseLost extends Cause {
  /** @internal */ static readonly kind = "LeaseLost";

  constructor(options?: ErrorOptions) {
    super("worker: lease lost", options);
  }
}

/** The handler has held its message for `maxLease` ms, and its lease is not extended any more. If it throws now, that is a failure. */
export class LeaseExpired extends Cause {
  /** @internal */ static readonly kind = "LeaseExpired";

  constructor(options?: ErrorOptions) {
    super("worker: held longer than maxLease", options);
  }
}
