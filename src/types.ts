/**
 * The interfaces that contexts and channels share: an operation on a channel takes a Context, and `done()` of a Context returns a channel.
 * They are in one file, so that neither side imports the other for a type.
 */
import type { Canceled, DeadlineExceeded } from "./context/errors.ts";
import type { AbortSignal } from "./internal/abortsignal.ts";

/**
 * The end of an operation, its deadline and its values. All methods may be called at any time, and answer for that moment.
 *
 * This package makes contexts. Any other object of this shape may also be a parent, and may be passed wherever a Context is
 * expected (C8).
 *
 * @see Go's [context.Context](https://pkg.go.dev/context#Context)
 */
export interface Context {
  /** The time when the work should be given up, in epoch ms; undefined if no deadline is set. Never changes (C7). */
  deadline(): number | undefined;
  /**
   * A channel that is closed when the work should stop: the same one at every call (C3). It is {@link nil} if that can never
   * happen (C4). It is for a case of `select`; an awaited operation takes the context itself instead.
   *
   * @example
   * ```ts
   * import { Chan, context, select } from "headgate";
   *
   * const [ctx, cancel] = context.withTimeout(context.background(), 5);
   * using _ = cancel;
   * const got = await select({ done: ctx.done(), job: new Chan<string>() });
   * if (got.case === "done") console.log(String(ctx.err())); // => TimeoutError: context deadline exceeded
   * ```
   */
  done(): RecvChan<never>;
  /**
   * Why the context has ended: the same error for ever (C5); undefined while it has not ended. See `context.cause`.
   *
   * It reads the clock, so a loop that never yields sees its own deadline (C107). Everything that is overdue ends before it returns, so
   * listeners of `signal` may run inside it.
   */
  err(): Canceled | DeadlineExceeded | undefined;
  /** The value that the nearest `context.withValue` has set for this key; undefined if there is none. */
  value<T>(key: Key<T>): T | undefined;
  /** For APIs that take an AbortSignal: aborts when the context ends, with `reason === ctx.err()`. Made on first use. */
  readonly signal: AbortSignal;
}

/** The name of a value of type `T` in contexts. Made by `context.key`; two keys are never equal, even with one description (C61). */
export interface Key<in out T> {
  /** The name of the key in `String(ctx)`. */
  readonly description: string;
  /** Always absent. It ties the key to the type of its values. */
  readonly type?: (value: T) => T;
}

/** The result of a receive: the value and true; once the channel is closed and drained, undefined and false (H8, H9). */
export type Recv<T> = readonly [value: T, ok: true] | readonly [value: undefined, ok: false];

/**
 * The sending half of a channel, Go's `chan<- T`: take it as a parameter to promise that you only send. Every {@link Chan} is one,
 * and so is {@link nil}.
 *
 * @see Go's [channel types](https://go.dev/ref/spec#Channel_types)
 */
export interface SendChan<in T> {
  /** The number of values that the buffer can hold; 0 for an unbuffered channel. */
  readonly capacity: number;
  /** The number of values in the buffer now. */
  readonly length: number;
  /** As {@link Chan.send}. */
  readonly send: (value: T, ctx?: Context) => Promise<void>;
  /** As {@link Chan.trySend}. */
  readonly trySend: (value: T) => boolean;
  /** As {@link Chan.close}. */
  readonly close: () => void;
}

/**
 * The receiving half of a channel, Go's `<-chan T`: as a parameter it promises that you only receive, as a result that the caller can.
 * Every {@link Chan} is one, and so is {@link nil}.
 *
 * @see Go's [channel types](https://go.dev/ref/spec#Channel_types)
 */
export interface RecvChan<out T> {
  /** The number of values that the buffer can hold; 0 for an unbuffered channel. */
  readonly capacity: number;
  /** The number of values in the buffer now. */
  readonly length: number;
  /** As {@link Chan.recv}. */
  readonly recv: (ctx?: Context) => Promise<Recv<T>>;
  /** As {@link Chan.tryRecv}. */
  readonly tryRecv: () => Recv<T> | undefined;
  /** As {@link Chan.values}. */
  readonly values: (ctx?: Context) => AsyncIterableIterator<T>;
  /** The same as `values()`, so that `for await (const v of ch)` is Go's `for v := range ch`. */
  readonly [Symbol.asyncIterator]: () => AsyncIterableIterator<T>;
}
