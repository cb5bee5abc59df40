/**
 * The options of a worker, their defaults, and their checks; and the checks of a source.
 */
import { mustBeReadable } from "../internal/errors.ts";
import { argKind, attempt, given } from "../internal/foreign.ts";
import { context, type Context, retry } from "../index.ts";
import { ms, notAContext, onlyKnown, positive, whole, wholeOrInfinite } from "../internal/args.ts";
import type { Progress, WorkerEvent } from "./report.ts";
import type { Delivery, Source } from "./source.ts";

/** The options of a worker. */
export interface WorkerOptions<D extends Delivery = Delivery> {
  /**
   * The number of handlers that may run at once.
   *
   * @default 16
   */
  readonly concurrency?: number;
  /**
   * The number of messages that may be in flight beyond those that run.
   *
   * @default `concurrency`
   */
  readonly prefetch?: number;
  /**
   * The number of messages that a pull may bring, and that a call with verdicts may have.
   *
   * @default 100
   */
  readonly batch?: number;
  /**
   * ms from the stop to the return; nothing takes longer. The default fits the 30 s that Kubernetes gives. Infinity: handlers are waited for
   * until the abort.
   *
   * @default 25_000
   */
  readonly grace?: number;
  /**
   * ms of the grace from cancelling the handlers to abandoning them. After three quarters of it their `context.lifetime` ends.
   *
   * @default a fifth of the grace, but at most 2_000
   */
  readonly abortWindow?: number;
  /**
   * ms of the grace that are kept for the last acks and nacks: of what ends last, and of what is abandoned. It must cover two calls of the
   * source, one after the other, when the broker is busy.
   *
   * @default a fifth of the grace, but at most 2_000
   */
  readonly settle?: number;
  /**
   * When it ends, handlers are cancelled without waiting for the grace: the second signal of `shutdown`.
   *
   * @default undefined
   */
  readonly abort?: Context;
  /**
   * The number of deliveries after which a message counts as dead; Infinity: it never does.
   *
   * @default 5
   */
  readonly maxAttempts?: number;
  /**
   * ms before the next delivery, after failed attempt n (from 1). If it throws, or returns no such number, the default is used.
   *
   * @default `retry.backoff`
   */
  readonly backoff?: (attempt: number) => number;
  /**
   * ms that a call of the source may take. A pull that ignores it is given up soon after, and the worker stops as failed.
   *
   * @default 10_000
   */
  readonly callTimeout?: number;
  /**
   * ms that a handler may have its message, from its start. Then its ctx ends with the cause LeaseExpired, and the lease, if the source has
   * any, is no longer extended. What the handler throws then is a failure like any other.
   *
   * @default 3_600_000
   */
  readonly maxLease?: number;
  /**
   * The number of tries for a verdict that the source refuses for one message alone while it takes others. Then it is given up. A dead letter
   * is given back instead, to come again a minute later, and counts as retried. If the worker has no room left for other messages, half as
   * many tries are enough. Any other verdict counts as expired, and the report names the message with the error. What fails because the source is
   * away is tried again for as long as the worker runs. Infinity: never given up.
   *
   * @default 6
   */
  readonly callTries?: number;
  /**
   * The number of messages that the report names, the last ones: those that are expired, and the dead if the source has no `deadLetter`. Each is kept
   * with its body; `observe` gets all of them. Infinity: all are named.
   *
   * @default 1_000, or as many as can be in flight if that is more
   */
  readonly leftovers?: number;
  /**
   * Called for every event, as it happens. Its result is not awaited; its errors are ignored.
   *
   * @default undefined
   */
  readonly observe?: (event: WorkerEvent<D>) => void;
  /**
   * Live counters. You make the object, and one worker keeps it current.
   *
   * @default undefined
   */
  readonly progress?: Progress;
}

/** The options with nothing left open. */
export type Settings<D extends Delivery> = Required<Omit<WorkerOptions<D>, "abort" | "observe" | "progress">> &
  Pick<WorkerOptions<D>, "abort" | "observe" | "progress">;

const KNOWN: Readonly<Record<keyof WorkerOptions, true>> = {
  concurrency: true,
  prefetch: true,
  batch: true,
  grace: true,
  abortWindow: true,
  settle: true,
  abort: true,
  maxAttempts: true,
  backoff: true,
  callTimeout: true,
  maxLease: true,
  callTries: true,
  leftovers: true,
  observe: true,
  progress: true,
};

/**
 * **Errors**: TypeError or RangeError, naming the option and the rule.
 */
export function checked<D extends Delivery>(options: WorkerOptions<D>): Settings<D> {
  options = onlyKnown("worker", options, KNOWN);
  const concurrency = whole("worker: concurrency", options.concurrency ?? 16, 1);
  const grace = ms("worker: grace", options.grace ?? 25_000);
  const abortWindow = ms("worker: abortWindow", options.abortWindow ?? Math.min(grace / 5, 2_000));
  const settle = ms("worker: settle", options.settle ?? Math.min(grace / 5, 2_000));
  if (abortWindow === Infinity || settle === Infinity) {
    throw new RangeError("worker: abortWindow and settle must be finite, even if the grace is not");
  }
  if (abortWindow + settle > grace) {
    throw new RangeError(`worker: abortWindow + settle must fit into grace; got ${abortWindow} + ${settle} > ${grace}`);
  }
  for (const name of ["backoff", "observe"] as const) {
    const fn = options[name];
    if (fn !== undefined && typeof fn !== "function")
      throw new TypeError(`worker: ${name} must be a function, got ${argKind(fn)}`);
  }
  if (options.abort !== undefined && !context.isContext(options.abort))
    throw notAContext(options.abort, "worker", "option abort");
  const { progress } = options;
  const [maxAttempts, callTries] = [options.maxAttempts ?? 5, options.callTries ?? 6];
  const prefetch = whole("worker: prefetch", options.prefetch ?? concurrency, 0);
  const leftovers = options.leftovers ?? Math.max(1_000, concurrency + prefetch);
  if (progress !== undefined && !isWritable(progress))
    throw new TypeError("worker: progress must be an object that the worker can write to");
  return {
    ...options,
    concurrency,
    prefetch,
    batch: whole("worker: batch", options.batch ?? 100, 1),
    grace,
    abortWindow,
    settle,
    maxAttempts: wholeOrInfinite("worker: maxAttempts", maxAttempts, 1),
    backoff: options.backoff ?? retry.backoff,
    callTimeout: positive("worker: callTimeout", options.callTimeout ?? 10_000),
    maxLease: positive("worker: maxLease", options.maxLease ?? 3_600_000),
    callTries: wholeOrInfinite("worker: callTries", callTries, 1),
    leftovers: wholeOrInfinite("worker: leftovers", leftovers, 0),
  };
}

function isWritable(progress: unknown): boolean {
  return typeof progress === "object" && progress !== null && attempt(() => Object.isFrozen(progress)) === false;
}

/**
 * A source whose properties, except `ended`, can no longer change or fail to be read. Its methods are looked up at each call, where an
 * error is expected anyway.
 *
 * **Errors**: TypeError or RangeError, naming the property and the rule.
 */
export function checkedSource<D extends Delivery>(source: Source<D>): Source<D> {
  const read = <K extends keyof Source<D>>(name: K): Source<D>[K] | undefined =>
    mustBeReadable(`worker: the source's ${name} cannot be read`, () => source?.[name]);
  for (const name of ["pull", "ack", "nack"] as const) {
    if (typeof read(name) !== "function") throw new TypeError(`worker: the source has no ${name}`);
  }
  const [deadLetter, extend] = (["deadLetter", "extend"] as const).map((name) => {
    const method: unknown = read(name);
    if (method === undefined || typeof method === "function") return method;
    throw new TypeError(`worker: the source's ${name} must be a function, or be left out; got ${argKind(method)}`);
  });
  const lease = read("lease");
  if (lease !== undefined && !(typeof lease === "number" && lease > 0)) {
    throw new RangeError(`worker: the source's lease must be a positive number of ms; got ${given(lease)}`);
  }
  return {
    pull: (ctx, max, room) => source.pull(ctx, max, room),
    get ended() {
      return source.ended === true;
    },
    ack: (ctx, deliveries) => source.ack(ctx, deliveries),
    nack: (ctx, items) => source.nack(ctx, items),
    ...(deadLetter === undefined ? {} : { deadLetter: (ctx, items) => source.deadLetter!(ctx, items) }),
    ...(extend === undefined ? {} : { extend: (ctx, deliveries) => source.extend!(ctx, deliveries) }),
    ...(lease === undefined ? {} : { lease }),
  };
}
