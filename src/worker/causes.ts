/**
 * The causes with which the worker ends the ctx of a handler: `context.cause(ctx)` is one of these.
 */
import { Branded } from "../internal/errors.ts";

/**
 * The worker is stopping, and the time for handlers to end by themselves is over, or the worker was aborted. The handler has `abortWindow` ms
 * from now. If it throws within these, its message is released, which is no failure. The `cause` is that of the stop.
 */
export class Stopping extends Branded {
  /** @internal */ static readonly kind = "Stopping";

  constructor(options?: ErrorOptions) {
    super("worker: stopping", options);
  }
}

/**
 * The source says that the lease was lost: another consumer may have the message by now. Whatever the handler does, the message is not acked;
 * its verdict is `expired`. A leftover has this as its `error`, too.
 */
export class LeaseLost extends Branded {
  /** @internal */ static readonly kind = "LeaseLost";

  constructor(options?: ErrorOptions) {
    super("worker: lease lost", options);
  }
}

/** The handler has held its message for `maxLease` ms, and its lease is not extended any more. If it throws now, that is a failure. */
export class LeaseExpired extends Branded {
  /** @internal */ static readonly kind = "LeaseExpired";

  constructor(options?: ErrorOptions) {
    super("worker: held longer than maxLease", options);
  }
}
