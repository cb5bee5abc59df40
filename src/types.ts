/**
 * The interfaces of contexts and channels. An operation on a channel takes a Context, and `done()` of a Context returns
 * a channel. They are in one file so that neither folder imports the other for a type.
 */
import type { Canceled, DeadlineExceeded } from "./context/errors.ts";
import type { AbortSignal } from "./internal/abortsignal.ts";

/**
 * Carries the end of an operation, its deadline and its values. All methods may be called at any time, and return the
 * state of that moment.
 *
 * This package makes contexts, but any object of this shape may be a parent, and may be passed for a Context (C8).
 *
 * @see Go's [context.Context](https://pkg.go.dev/context#Context)
 */
export interface Context {
  /**
   * The time at which the work should be given up, in epoch ms; undefined if no deadline is set. Never changes (C7).
   */
  deadline(): number | undefined;
  /**
   * A channel that is closed when the work should stop, the same at every call (C3). It is `nil` if that can never
   * happen (C4). Use it as a case of `select`. Awaited operations take the context itself instead.
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
   * The error with which the context has ended; undefined while it has not. Once set, it is the same error for ever
   * (C5). `context.cause(ctx)` returns the reason behind it.
   *
   * It polls the clock, so a loop that never yields sees its own deadline (C107). All that is overdue ends before this
   * returns. So listeners of `signal` may run inside this call.
   */
  err(): Canceled | DeadlineExceeded | undefined;
  /** The value that the nearest `context.withValue` has set for this key; undefined if there is none. */
  value<T>(key: Key<T>): T | undefined;
  /**
   * A signal for APIs that take one: it aborts when the context ends, with `reason === ctx.err()`. Made on first use.
   */
  readonly signal: AbortSignal;
}

/**
 * The key of a value of type `T` in contexts. Made by `context.key`; two keys are never equal, even with the same
 * description (C61).
 */
export interface Key<in out T> {
  /** The name of the key in `String(ctx)`. */
  readonly description: string;
  /** Always absent. It ties the key to the type of its values. */
  readonly type?: (value: T) => T;
}

/**
 * The result of a receive: the value and true; or undefined and false, once the channel is closed and drained (H8, H9).
 */
export type Recv<T> = readonly [value: T, ok: true] | readonly [value: undefined, ok: false];

/**
 * The sending half of a channel, Go's `chan<- T`: take it as a parameter to promise that you only send. Every `Chan` is
 * one, and so is `nil`.
 *
 * @see Go's [channel types](https://go.dev/ref/spec#Channel_types)
 */
export interface SendChan<in T> {
  /** The number of values that the buffer can hold; 0 for an unbuffered channel. */
  readonly capacity: number;
  /** The number of values in the buffer now. */
  readonly length: number;
  /** As `Chan.send`. */
  readonly send: (value: T, ctx?: Context) => Promise<void>;
  /** As `Chan.trySend`. */
  readonly trySend: (value: T) => boolean;
  /** As `Chan.close`. */
  readonly close: () => void;
}

/**
 * The receiving half of a channel, Go's `<-chan T`: take or return it to promise that no code sends or closes through
 * it. Every `Chan` is one, and so is `nil`.
 *
 * @see Go's [channel types](https://go.dev/ref/spec#Channel_types)
 */
export interface RecvChan<out T> {
  /** The number of values that the buffer can hold; 0 for an unbuffered channel. */
  readonly capacity: number;
  /** The number of values in the buffer now. */
  readonly length: number;
  /** As `Chan.recv`. */
  readonly recv: (ctx?: Context) => Promise<Recv<T>>;
  /** As `Chan.tryRecv`. */
  readonly tryRecv: () => Recv<T> | undefined;
  /** As `Chan.values`. */
  readonly values: (ctx?: Context) => AsyncIterableIterator<T>;
  /** The same as `values()`: `for await (const v of ch)` is Go's `for v := range ch`. */
  readonly [Symbol.asyncIterator]: () => AsyncIterableIterator<T>;
}
