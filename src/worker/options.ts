/**
 * What a worker can be told, with the defaults, and the check that it makes sense.
 */
import { mustBeReadable } from "../internal/errors.ts";
import { attempt, given } from "../internal/foreign.ts";
import { context, type Context, retry } from "../index.ts";
import { ms, onlyKnown, positive, whole, wholeOrInfinite } from "../internal/args.ts";
import type { Progress, WorkerEvent } from "./report.ts";
import type { Delivery, Source } from "./source.ts";

/** How a worker works. What is left out has the default given. */
export interface WorkerOptions<D extends Delivery = Delivery> {
  /** Handlers at once. 16 */
  readonly concurrency?: number;
  /** Messages held beyond those that run. As many as `concurrency` */
  readonly prefetch?: number;
  /** Messages per pull and per call that settles. 100 */
  readonly batch?: number;
  /** ms from the stop to the return; nothing takes longer. Infinity: handlers are waited for until the abort. 25 000, which fits the 30 s that Kubernetes gives */
  readonly grace?: number;
  /**
   * ms of the grace from cancelling the handlers to abandoning them. When three quarters of it are over, their `context.lifetime` ends. A
   * fifth of the grace, 2 000 at the most
   */
  readonly abortWindow?: number;
  /**
   * ms of the grace that are kept for the last acks and nacks: of what ends last, and of what is abandoned. It must cover two calls of the source,
   * one after the other, when the broker is busy. A fifth of the grace, 2 000 at the most
   */
  readonly settle?: number;
  /** When it ends, handlers are cancelled without waiting for the grace: the second signal of `shutdown`. */
  readonly abort?: Context;
  /** Deliveries of a message before it counts as dead; Infinity: it never does. 5 */
  readonly maxAttempts?: number;
  /** ms before the next delivery, after failed attempt n (from 1). If it throws, or returns no such number, the default is used. `retry.backoff` */
  readonly backoff?: (attempt: number) => number;
  /** ms that a call of the source may take. 10 000. A pull that ignores it is given up soon after, and the worker stops as failed */
  readonly callTimeout?: number;
  /**
   * ms that a handler may hold its message, from its start: then its ctx ends with the cause LeaseExpired, and the lease is no longer
   * extended, if the source has any. What it throws then is a failure like any other. 3 600 000
   */
  readonly maxLease?: number;
  /**
   * How often the source is told of one message that it refuses while it takes others, before that is given up. A dead letter is then given
   * back, to come again a minute later, and counts as retried; after half as many tries where the worker has no room left for other
   * messages. What else there is counts as expired, and is named with the error. What fails because the source is away is told again for
   * as long as the worker runs. Infinity: never given up. 6
   */
  readonly callTries?: number;
  /**
   * How many messages the report names, the last ones: those that are expired, and the dead where the source has no `deadLetter`. Each is kept
   * with its body; `observe` is told of all. Infinity: all of them. 1 000, or as many as the worker may hold if that is more
   */
  readonly leftovers?: number;
  /** Is told what happens, as it happens, and not waited for. An error it throws, or rejects with, is ignored. */
  readonly observe?: (event: WorkerEvent<D>) => void;
  /** Live counters; the object is the caller's, and one worker keeps it current. */
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
    throw new RangeError("worker: abortWindow and settle must be finite, also where the grace is not");
  }
  if (abortWindow + settle > grace) {
    throw new RangeError(`worker: abortWindow + settle must fit into grace; got ${abortWindow} + ${settle} > ${grace}`);
  }
  for (const name of ["backoff", "observe"] as const) {
    const fn = options[name];
    if (fn !== undefined && typeof fn !== "function")
      throw new TypeError(`worker: ${name} must be a function, got ${typeof fn}`);
  }
  if (options.abort !== undefined && !context.isContext(options.abort))
    throw new TypeError("worker: abort must be a Context");
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
 * A source whose properties cannot change, or fail to be read, any more, but for its `ended`. Its methods are asked for at each call, which
 * is known to fail.
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
    throw new TypeError(`worker: the source's ${name} must be a function, or be left out; got ${typeof method}`);
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
