/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Channels: Go's `chan`, with `await` where Go blocks. `Chan` and `nil` are in one file: nil is a channel, too, and
 * waits on a `Chan`. The link between a wait and its context is in `internal/suspend.ts`.
 *
 * Invariants:
 * - At least one of the two queues of a channel is empty, except for a select that waits on both sides of one channel.
 * - If there is a value in the buffer, no receiver waits.
 * - If there is room in the buffer, no sender waits.
 * - A waiter is in all the queues of its operation or in none. So a value is handed over exactly once or not at all. A
 *   waiter that is withdrawn has given and taken nothing, whether its select took another case or its context ended.
 * - Queues are served strictly first in, first out. Plain operations, selects and iterators share them, and the `try`
 *   forms do not overtake (H5, H6, H7).
 */
import { notAContext } from "../internal/args.ts";
import { Branded, panic } from "../internal/errors.ts";
import { hasMethod, shown } from "../internal/foreign.ts";
import { CHANNEL, isOurs, wakeCtxWaiter, NEVER } from "../internal/foreigncontext.ts";
import { entryError, suspend } from "../internal/suspend.ts";
import { Inspectable } from "../internal/inspect.ts";
import { CTX_WAITER, type Shape, Waiter, WaitQueue } from "../internal/waitqueue.ts";
import {
  created,
  resolvedVoid,
  rejected,
  fastPath,
  note,
  poll,
  resolved,
  slowPath,
  wake,
  wakeError,
} from "../internal/runtime.ts";
import type { Context, Recv, RecvChan, SendChan } from "../types.ts";
import { RingBuffer } from "../internal/ringbuffer.ts";

/**
 * The error for a channel that is used against its rules. Its message is one of Go's three: "send on closed channel",
 * "close of closed channel", "close of nil channel". `instanceof` works across copies of the package.
 */
export class ClosedChannel extends Branded {
  /** @internal */ static readonly kind = "ClosedChannel";
}

/** The largest capacity: the most slots that an array can have. */
const LARGEST = 4_294_967_295;

/** The result of every receive from a channel that is closed and drained. */
const CLOSED: Recv<never> = /* @__PURE__ */ Object.freeze([undefined, false] as const);

const asPair: Shape = (value, ok) => (ok ? [value, true] : CLOSED);
const asStep: Shape = (value, ok) => ({ value, done: !ok });
const asNothing: Shape = () => undefined;

/**
 * The source of a timer's channel. Such a channel holds nothing: the timer is asked whether it is due. Receivers that
 * wait are served before that question, never by it.
 */
export interface TimerSource {
  /** The clock of the timer. */
  readonly clock: unknown;
  /** The instant to judge by, on that clock. */
  instant(): number;
  /** Gives the ticks that are due at `instant` to the receivers that wait. */
  serve(instant: number): void;
  /** True if the timer is due at `instant`. */
  due(instant: number): boolean;
  /** Takes the tick that is due. */
  take(): unknown;
}

/**
 * A typed channel, buffered or not: values go in at one end, in order, and each comes out exactly once at the other.
 *
 * On an unbuffered channel (`new Chan<T>()`) a send completes when a receiver has the value. On a buffered one
 * (`new Chan<T>(n)`) it completes when there is room, and a receive waits only while the channel is empty. Waiters are
 * served strictly first in, first out. `undefined` is a legal value, and so is a promise (it arrives as a promise).
 * Only the sending side should close, and only when it has sent everything.
 *
 * @see Go's [channel types](https://go.dev/ref/spec#Channel_types)
 * @example
 * ```ts
 * import { Chan, go } from "headgate";
 *
 * const squares = new Chan<number>();
 * go(async () => {
 *   for (const n of [1, 2, 3]) await squares.send(n * n);
 *   squares.close();
 * });
 * for await (const square of squares) console.log(square);
 * // => 1
 * // => 4
 * // => 9
 * ```
 */
export class Chan<in out T> extends Inspectable implements SendChan<T>, RecvChan<T> {
  /** @internal */ readonly receivers: WaitQueue = new WaitQueue();
  /** @internal */ readonly senders: WaitQueue = new WaitQueue();
  /** @internal */ closed = false;
  /** @internal */ source: TimerSource | null = null;
  // Tells a channel from a proxy of one.
  readonly #own: true = true;
  private readonly buffer: RingBuffer<T> | null;

  /**
   * Makes a channel whose buffer holds up to `capacity` values; without a capacity, or with 0, it is unbuffered. The
   * buffer takes memory as it fills.
   *
   * **Errors**: RangeError "makechan: size out of range" for a capacity that is negative, fractional, or larger than an
   * array can be.
   */
  constructor(capacity?: number);
  /** @internal `owner` is the object that the channel is a part of. */
  constructor(capacity: number, owner: object);
  constructor(capacity: number = 0, owner?: object) {
    super();
    if (!Number.isInteger(capacity) || capacity < 0 || capacity > LARGEST) {
      const advice = `a capacity is a whole number of values from 0 to ${LARGEST}; got ${shown(capacity)}`;
      panic("makechan: size out of range", advice, RangeError);
    }
    this.buffer = capacity === 0 ? null : new RingBuffer<T>(capacity);
    created(this, owner);
  }

  /** The number of values that the buffer can hold; 0 for an unbuffered channel. */
  get capacity(): number {
    return this.buffer === null ? 0 : this.buffer.capacity;
  }

  /** The number of values in the buffer now. The values of senders that wait are not counted (H2). */
  get length(): number {
    return this.buffer === null ? 0 : this.buffer.length;
  }

  /**
   * Sends `value`. Resolves when the channel has taken it: when it is in the buffer or, unbuffered, with a receiver.
   * The call fixes the value and its place in the queue, even if you `await` later. Do await it: that is what slows
   * down a fast producer.
   *
   * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()` and the value has not been and will not be
   * delivered.
   *
   * **Errors**: rejects with {@link ClosedChannel} "send on closed channel", also if the channel is closed while the
   * send waits.
   *
   * **Ordering**: senders are served in the order of their calls.
   *
   * @see Go's [send statements](https://go.dev/ref/spec#Send_statements)
   */
  send(value: T, ctx?: Context): Promise<void> {
    const error = entryError(ctx);
    if (error !== undefined) return rejected("send", this, error);
    if (this.closed) return rejected("send", this, sendOnClosed());
    if (this.give(value)) return resolvedVoid("send", this, value);
    return suspend(new Waiter(asNothing, undefined, value), this.senders, ctx, "send", this);
  }

  /**
   * Receives the next value, as the pair `[value, true]`, or `[undefined, false]` once the channel is closed and
   * drained.
   *
   * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()` and no value has been or will be taken.
   *
   * **Ordering**: receivers are served in the order of their calls.
   *
   * @see Go's [receive operator](https://go.dev/ref/spec#Receive_operator)
   * @example
   * ```ts
   * import { Chan } from "headgate";
   *
   * const jobs = new Chan<string>(1);
   * await jobs.send("dig");
   * jobs.close();
   * console.log(await jobs.recv()); // => [ 'dig', true ]
   * const [job, ok] = await jobs.recv();
   * console.log(job, ok); // => undefined false
   * ```
   */
  recv(ctx?: Context): Promise<Recv<T>> {
    const error = entryError(ctx);
    if (error !== undefined) return rejected("recv", this, error);
    if (this.hasValue()) {
      const value = this.take();
      return fastPath() ? Promise.resolve([value, true] as const) : slowPath("recv", this, [value, true]);
    }
    if (this.closed) return resolved("recv", this, CLOSED);
    return suspend(new Waiter(asPair), this.receivers, ctx, "recv", this);
  }

  /**
   * Sends `value` if that needs no waiting, and returns true if it did: Go's `select` with a send and a default. Never
   * overtakes a send that waits.
   *
   * **Errors**: throws {@link ClosedChannel} "send on closed channel".
   */
  trySend(value: T): boolean {
    if (this.closed) throw sendOnClosed();
    if (!this.give(value)) return false;
    note("trySend", this, value);
    return true;
  }

  /**
   * Receives if that needs no waiting: returns the pair that {@link recv} would resolve to, or undefined if it would
   * have to wait. Go's `select` with a receive and a default. Never overtakes a receive that waits.
   *
   * If the channel is empty, this polls the clock, as `ctx.err()` does. So a loop that never waits sees the end of
   * `ctx.done()` and its timers (C107).
   */
  tryRecv(): Recv<T> | undefined {
    // If it is empty, an overdue alarm may fill or close it: the end of a context, or a sender.
    if (!this.hasValue() && (this.closed || !poll() || !this.hasValue())) return this.closed ? CLOSED : undefined;
    const value = this.take();
    note("tryRecv", this, value);
    return [value, true];
  }

  /**
   * Closes the channel: no more values will be sent. The values in the buffer can still be received. Receivers that
   * wait get `[undefined, false]`; sends that wait reject, their values undelivered (H10, H11).
   *
   * **Errors**: throws {@link ClosedChannel} "close of closed channel".
   *
   * @see Go's [close](https://go.dev/ref/spec#Close)
   */
  close(): void {
    if (this.closed) throw new ClosedChannel("close of closed channel", { cause: "close once, on the sending side" });
    this.closed = true;
    note("close", this);
    for (let waiter; (waiter = this.receivers.shift()) !== null;) {
      if (waiter.shape === CTX_WAITER) wakeCtxWaiter(waiter);
      else wake(waiter, waiter.shape!(undefined, false, waiter.key));
    }
    for (let waiter; (waiter = this.senders.shift()) !== null;) wakeError(waiter, sendOnClosed());
  }

  /**
   * Iterates over the values still to come, for `for await`: Go's `range`. Ends when the channel is closed and drained.
   * To leave the loop does not close the channel, and a second loop goes on where the first one stopped.
   *
   * **Cancellation**: when `ctx` ends first, `next()` rejects with `ctx.err()` and has taken nothing. `return()`
   * withdraws a `next()` that waits, which then resolves with `done: true`.
   *
   * **Errors**: TypeError, at once, if `ctx` is not a Context.
   *
   * @see Go's [range over a channel](https://go.dev/ref/spec#For_range)
   */
  values(ctx?: Context): AsyncIterableIterator<T> {
    // Before the first `next()`, which may be far away.
    if (ctx !== undefined && !isOurs(ctx) && !hasMethod(ctx, "err")) throw notAContext(ctx, "ctx", "last argument");
    return new Values(this, ctx);
  }

  /** The values until the channel is closed and empty, as `for await` takes them. */
  [Symbol.asyncIterator](): AsyncIterableIterator<T> {
    return new Values(this, undefined);
  }

  /** The channel and its state, such as `Chan(10/10, 2 senders waiting)`. */
  override toString(): string {
    const parts = [`${this.length}/${this.capacity}`];
    for (const [queue, who] of [
      [this.receivers, "receiver"],
      [this.senders, "sender"],
    ] as const) {
      const n = queue.count();
      if (n > 0) parts.push(`${n} ${who}${n === 1 ? "" : "s"} waiting`);
    }
    if (this.closed) parts.push("closed");
    return `Chan(${parts.join(", ")})`;
  }

  /** @internal */
  get ours(): object {
    return CHANNEL;
  }

  /** @internal True for a channel, but not for a proxy of one, which may fail in the middle of an operation. */
  static isOne(value: unknown): value is Chan<unknown> {
    return typeof value === "object" && value !== null && #own in value && value.#own;
  }

  /** @internal True if a send would not wait. On a closed channel it would not: it would fail. */
  canSend(): boolean {
    return (
      this.closed || this.receivers.head !== null || (this.buffer !== null && this.buffer.length < this.buffer.capacity)
    );
  }

  /**
   * @internal Gives the value to the receiver that waits longest, otherwise to the buffer. False if the value would
   * have to wait.
   */
  give(value: T): boolean {
    const receiver = this.receivers.head;
    if (receiver !== null) {
      receiver.withdraw();
      wake(receiver, receiver.shape!(value, true, receiver.key));
    } else if (this.buffer !== null && this.buffer.length < this.buffer.capacity) {
      this.buffer.push(value);
    } else {
      return false;
    }
    return true;
  }

  /** @internal True if there is a value to take. For a timer, the receivers that wait have been served before. */
  hasValue(): boolean {
    const { source } = this;
    if (source === null) return this.holdsValue();
    const instant = source.instant();
    source.serve(instant);
    return source.due(instant);
  }

  /**
   * @internal True if a receive would not wait. A timer is judged by `instant`, which its clock has shown, and serves
   * no receiver.
   */
  canReceive(instant: number): boolean {
    return this.source !== null ? this.source.due(instant) : this.holdsValue() || this.closed;
  }

  /** @internal True if there is a value, provided that `canReceive` has just been true. */
  holdsValue(): boolean {
    return this.source !== null || this.senders.head !== null || (this.buffer !== null && this.buffer.length > 0);
  }

  /** @internal Takes the oldest value; there must be one. */
  take(): T {
    if (this.source !== null) return this.source.take() as T;
    const sender = this.senders.head;
    const value = this.buffer === null ? (sender!.value as T) : this.buffer.shift();
    if (sender !== null) {
      // The sender's value moves up in the same step, so that the order is kept and the buffer stays full (H5).
      if (this.buffer !== null) this.buffer.push(sender.value as T);
      sender.withdraw();
      wake(sender, sender.shape!(undefined, true, sender.key));
    }
    return value;
  }
}

export function sendOnClosed(): ClosedChannel {
  return new ClosedChannel("send on closed channel", {
    cause: "let only the sending side close a channel, when every send has completed",
  });
}

/**
 * The iterator of a channel. Written by hand, because an async generator takes three microtasks for a value, and this
 * takes one.
 */
class Values<T> extends Inspectable implements AsyncIterableIterator<T> {
  private readonly chan: Chan<T>;
  private readonly ctx: Context | undefined;
  private finished = false;

  constructor(chan: Chan<T>, ctx: Context | undefined) {
    super();
    this.chan = chan;
    this.ctx = ctx;
  }

  next(): Promise<IteratorResult<T, undefined>> {
    if (this.finished) return resolved("recv", this.chan, { value: undefined, done: true });
    const error = entryError(this.ctx);
    if (error !== undefined) return rejected("recv", this.chan, error);
    if (this.chan.hasValue()) {
      const value = this.chan.take();
      return fastPath()
        ? Promise.resolve({ value, done: false } as const)
        : slowPath("recv", this.chan, { value, done: false });
    }
    if (this.chan.closed) return resolved("recv", this.chan, { value: undefined, done: true } as const);
    return suspend(new Waiter(asStep, this), this.chan.receivers, this.ctx, "recv", this.chan);
  }

  return(): Promise<IteratorResult<T, undefined>> {
    this.finished = true;
    for (let waiter = this.chan.receivers.head; waiter !== null;) {
      const { next } = waiter;
      if (waiter.key === this) {
        waiter.withdraw();
        wake(waiter, { value: undefined, done: true });
      }
      waiter = next;
    }
    return resolved("return", this.chan, { value: undefined, done: true });
  }

  override toString(): string {
    return `values of ${this.chan}`;
  }

  /** The values until the channel is closed and empty, as `for await` takes them. */
  [Symbol.asyncIterator](): this {
    return this;
  }
}

// ----------------------------------------------------------------------------------------------------------------- nil

class Nil extends Inspectable implements SendChan<unknown>, RecvChan<never> {
  readonly capacity = 0;
  readonly length = 0;
  // An operation on nil waits on a new channel, which no other code can reach: it is never ready, and it keeps no
  // waiter alive.
  private never(): Chan<unknown> {
    return new Chan<unknown>(0, this);
  }
  send(value: unknown, ctx?: Context): Promise<void> {
    return this.never().send(value, ctx);
  }
  recv(ctx?: Context): Promise<Recv<never>> {
    return this.never().recv(ctx) as Promise<Recv<never>>;
  }
  trySend(): boolean {
    return false;
  }
  tryRecv(): undefined {
    return undefined;
  }
  values(ctx?: Context): AsyncIterableIterator<never> {
    return this.never().values(ctx) as AsyncIterableIterator<never>;
  }
  /** The values until the channel is closed and empty, as `for await` takes them. */
  [Symbol.asyncIterator](): AsyncIterableIterator<never> {
    return this.values();
  }
  close(): void {
    throw new ClosedChannel("close of nil channel", { cause: "only a channel made by new Chan() can be closed" });
  }
  get ours(): object {
    return NEVER;
  }
  override toString(): string {
    return "nil";
  }
}

/**
 * Go's nil channel: never ready. Sends and receives wait for ever, or until their ctx ends. A select case on it is
 * never chosen, so assign it to the variable of a case to switch that case off. `length` and `capacity` are 0, and
 * `close` throws {@link ClosedChannel} "close of nil channel".
 *
 * @see Go's [channel types](https://go.dev/ref/spec#Channel_types)
 */
export const nil: SendChan<unknown> & RecvChan<never> = /* @__PURE__ */ new Nil();
