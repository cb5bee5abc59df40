/**
 * Many callers, one call: Go's package `singleflight`.
 *
 * Invariants:
 * - At most one call per key is in the group. Nothing is kept after it has ended (F2).
 * - A caller that gives up does not affect the call or the other callers.
 */
import { Chan } from "./chan/chan.ts";
import { linkContext, entryError } from "./internal/suspend.ts";
import { start } from "./chan/go.ts";
import { Inspectable } from "./internal/inspect.ts";
import { WaitQueue, Waiter } from "./internal/waitqueue.ts";
import { created, rejected, park, wake, wakeError } from "./internal/runtime.ts";
import type { Context, RecvChan } from "./types.ts";
import { mustBeFunction, mustBeEmpty } from "./internal/args.ts";

/** The result of {@link Group.do}. */
export interface Result<T> {
  /** The value that the function returned. */
  readonly value: T;
  /** True if more than one caller shared the call. */
  readonly shared: boolean;
}

/** The result on the channel of {@link Group.doChan}: `error` if the function failed, else `value`. */
export interface ChanResult<T> {
  /** The value that the function returned. Absent: it failed. */
  readonly value?: T;
  /** The error that the function threw. Absent: it returned. */
  readonly error?: unknown;
  /** True if more than one caller shared the call. */
  readonly shared: boolean;
}

/** A running call. */
class Call<K, T> {
  callers = 1;
  readonly waiting: WaitQueue = new WaitQueue();
  chans: Chan<ChanResult<T>>[] | null = null;
  private readonly calls: Map<K, Call<K, T>>;
  private readonly key: K;

  constructor(calls: Map<K, Call<K, T>>, key: K) {
    this.calls = calls;
    this.key = key;
  }

  settle(how: typeof wake, result: unknown, message: ChanResult<T>): void {
    if (this.calls.get(this.key) === this) this.calls.delete(this.key);
    for (let waiter; (waiter = this.waiting.shift()) !== null;) how(waiter, result);
    if (this.chans !== null) for (const chan of this.chans) chan.trySend(message);
  }
}

/**
 * Runs a function once for all callers that ask for the same key while it runs.
 *
 * @see Go's [singleflight.Group](https://pkg.go.dev/golang.org/x/sync/singleflight#Group)
 * @example
 * ```ts
 * import { singleflight, time } from "headgate";
 *
 * const users = new singleflight.Group<number, string>();
 * const load = async () => {
 *   console.log("loading");
 *   await time.sleep(1);
 *   return "ada";
 * };
 * console.log(await Promise.all([users.do(7, load), users.do(7, load)]));
 * // => loading
 * // => [ { value: 'ada', shared: true }, { value: 'ada', shared: true } ]
 * ```
 */
export class Group<K, T> extends Inspectable {
  private readonly calls: Map<K, Call<K, T>> = new Map();

  /** **Errors**: TypeError if it is called with an argument. */
  constructor() {
    super();
    mustBeEmpty(arguments, "singleflight.Group");
    created(this);
  }

  /**
   * Waits for the running call of this key, or starts one: `fn` runs in a task of its own, which begins on a later microtask.
   * All callers get the same value. `shared` is true for all of them if there was more than one (F1).
   *
   * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`. That ends the wait of this caller only. The call goes on, even
   * if no caller is left.
   *
   * **Errors**: rejects with the error of `fn`, the same for all callers.
   *
   * @see Go's [Group.Do](https://pkg.go.dev/golang.org/x/sync/singleflight#Group.Do)
   */
  do(key: K, fn: () => Promise<T> | T, ctx?: Context): Promise<Result<T>> {
    try {
      mustBeFunction(fn, "singleflight: do(key, fn)");
    } catch (error) {
      return rejected("singleflight.do", this, error);
    }
    const error = entryError(ctx);
    if (error !== undefined) return rejected("singleflight.do", this, error);
    const waiter = new Waiter(null);
    try {
      if (ctx !== undefined) linkContext(waiter, ctx);
    } catch (error) {
      return rejected("singleflight.do", this, error);
    }
    this.join(key, fn).waiting.push(waiter);
    return park(waiter, "singleflight.do", this);
  }

  /**
   * The same for a case of `select`: the result comes on a channel of capacity 1, which gets it once and is never closed (F3).
   *
   * **Errors**: throws a TypeError if `fn` is not a function. The error of `fn` comes on the channel.
   *
   * @see Go's [Group.DoChan](https://pkg.go.dev/golang.org/x/sync/singleflight#Group.DoChan)
   */
  doChan(key: K, fn: () => Promise<T> | T): RecvChan<ChanResult<T>> {
    mustBeFunction(fn, "singleflight: doChan(key, fn)");
    const chan = new Chan<ChanResult<T>>(1);
    (this.join(key, fn).chans ??= []).push(chan);
    return chan;
  }

  /**
   * Forgets a key: the next caller starts a new call. A running one goes on for its own callers (F4).
   *
   * @see Go's [Group.Forget](https://pkg.go.dev/golang.org/x/sync/singleflight#Group.Forget)
   */
  forget(key: K): void {
    this.calls.delete(key);
  }

  /** The group and its state, such as `singleflight.Group(2 under way)`. */
  override toString(): string {
    return `singleflight.Group(${this.calls.size} under way)`;
  }

  /** The call of the key that is under way, or a new one. */
  private join(key: K, fn: () => Promise<T> | T): Call<K, T> {
    const known = this.calls.get(key);
    if (known !== undefined) {
      known.callers++;
      return known;
    }
    const call = new Call<K, T>(this.calls, key);
    this.calls.set(key, call);
    const succeed = (value: T): void => {
      const result = { value, shared: call.callers > 1 };
      call.settle(wake, result, result);
    };
    const fail = (error: unknown): void => call.settle(wakeError, error, { error, shared: call.callers > 1 });
    start(fn, undefined, this, succeed, fail);
    return call;
  }
}
