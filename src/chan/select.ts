/**
 * Select: waits for several channel operations and does exactly one of them.
 *
 * Invariants:
 * - All cases are judged at one instant, because nothing is awaited meanwhile (S2). Timers are brought up to date
 *   before that. So judging has no effect, and a case that was judged to be ready still is when it is taken.
 * - Each of the ready cases is equally likely (S1). Neither the order of the cases nor that one is a `ctx.done()` makes
 *   a difference. The parameter `ctx` is no case: if it has ended already, nothing is judged.
 * - Exactly one case takes effect (S7). The losing waiters are siblings of the winner and leave their queues with it,
 *   in O(1). The waiters behind them keep their places (S8).
 * - A select never pairs with itself, because it judges before it waits (S9).
 */
import { Chan, nil, sendOnClosed } from "./chan.ts";
import { linkContext, entryError } from "../internal/suspend.ts";
import { argKind, hasMethod, isPlain, kindOf } from "../internal/foreign.ts";
import { Inspectable } from "../internal/inspect.ts";
import { type Shape, Waiter } from "../internal/waitqueue.ts";
import { choose, note, rejected, park, poll, resolved } from "../internal/runtime.ts";
import type { Context, RecvChan, SendChan } from "../types.ts";

/** A send case of a select. Made by {@link sending}. */
export interface SendCase {
  /** Keeps the type apart from all others; there is nothing to read in it. */
  readonly sends: true;
}

/** One case of a select. A case that is missing is never ready. */
export type Case = RecvChan<any> | SendCase | null | undefined;

/**
 * The cases of a select, by name or as a list. A channel is a receive case, `sending(ch, value)` a send case. `nil`,
 * `null` and `undefined` are never ready.
 */
export type Cases = Readonly<Record<string, Case>> | readonly Case[];

/** The result of one case: a receive has a value and `ok`, a send has nothing but its name, and nil has no result. */
export type CaseResult<K, C> = C extends SendCase
  ? { readonly case: K }
  : C extends typeof nil
    ? never
    : C extends RecvChan<infer T>
      ? Received<K, T> | { readonly case: K; readonly value: undefined; readonly ok: false }
      : never;

/** A channel of `never`, such as `ctx.done()`, can be closed but has no values. */
export type Received<K, T> = [T] extends [never] ? never : { readonly case: K; readonly value: T; readonly ok: true };

/** The index of a list, as a number. */
export type IndexOf<K> = K extends `${infer N extends number}` ? N : never;

/**
 * The result of a select: a union that is discriminated by `case`, the name of the case or its index in a list. A
 * receive has `value` and `ok`, as {@link Chan.recv} does; a send has neither.
 */
export type Selected<C extends Cases> = C extends readonly unknown[]
  ? number extends C["length"]
    ? CaseResult<number, C[number]>
    : { [K in keyof C]: CaseResult<IndexOf<K>, C[K]> }[number]
  : { [K in keyof C]: CaseResult<K extends number ? `${K}` : K, C[K]> }[keyof C];

class Sending extends Inspectable implements SendCase {
  /** True for a send case, but not for a proxy of one, which may fail in the middle of a select. */
  static isOne(value: unknown): value is Sending {
    return typeof value === "object" && value !== null && #own in value && value.#own;
  }

  readonly #own: true = true;
  /** null for the nil channel. */
  readonly chan: Chan<unknown> | null;
  readonly value: unknown;

  constructor(chan: Chan<unknown> | null, value: unknown) {
    super();
    this.chan = chan;
    this.value = value;
  }

  get sends(): true {
    return true;
  }

  override toString(): string {
    return `sending(${this.chan ?? nil})`;
  }
}

/**
 * A case for {@link select}: sends `value` on `ch` if this case is taken. On `nil`, `null` or `undefined` it is never
 * ready. This call fixes the value.
 *
 * **Errors**: TypeError, at once, if `ch` is not a channel.
 *
 * @see Go's [select statements](https://go.dev/ref/spec#Select_statements)
 * @example
 * ```ts
 * import { Chan, select, sending, time } from "headgate";
 *
 * const out = new Chan<number>(1);
 * const got = await select({ sent: sending(out, 42), late: time.after(1_000) });
 * console.log(got.case, out.tryRecv()?.[0]); // => sent 42
 * ```
 */
export function sending<T>(ch: SendChan<T> | null | undefined, value: NoInfer<T>): SendCase {
  if (Chan.isOne(ch)) return new Sending(ch, value);
  if (isNil(ch)) return new Sending(null, value);
  throw notACase(ch, "sending");
}

function isNil(ch: unknown): boolean {
  return ch === null || ch === undefined || ch === nil;
}

function notACase(ch: unknown, where: string): TypeError {
  const rule = hasMethod(ch, "then")
    ? "a promise is not a case; send its value on a channel from a go(), or use context.wait"
    : "a case is a Chan of this copy of headgate, sending(ch, value), or nil";
  let hint = "";
  if (hasMethod(ch, "tryRecv")) {
    hint =
      ". If it is in a Proxy, pass the channel itself. If it is of another copy of the package, see that there is one (npm ls headgate; a library takes headgate as a peerDependency). For the end of a context, derive one by context.withCancel(ctx) and use its done()";
  } else if (hasMethod(ch, "done")) hint = ". The end of a context is a case by its ctx.done()";
  else if (typeof ch === "function") hint = ". Call it: ctx.done()";
  return new TypeError(`${where}: ${rule}; got ${argKind(ch)}${hint}`);
}

/** The error for what is neither cases nor one of them, such as a channel, or a promise, for which a select would wait for ever. */
function notCases(cases: unknown, where: string): TypeError {
  if (hasMethod(cases, "err") || hasMethod(cases, "then")) return notACase(cases, where);
  return new TypeError(
    hasMethod(cases, "tryRecv")
      ? `${where}: got a channel; put it into a list or an object: ${where}([ch], ctx)`
      : `${where}: expected the cases as an object or a list, got ${kindOf(cases)}`,
  );
}

/** Throws if there is no case because `cases` is something else. */
function mustHoldCases(cases: object, where: string): void {
  if (!Array.isArray(cases) && !isPlain(cases)) throw notCases(cases, where);
}

const asReceived: Shape = (value, ok, key) => ({ case: key, value: ok ? value : undefined, ok });
const asSent: Shape = (_value, _ok, key) => ({ case: key });

/**
 * Waits until one of the cases is ready, does it, and says which: Go's `select`. If several are ready, each is equally
 * likely to be taken. `select({})` waits for ever.
 *
 * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()` and no case has taken effect. To handle the end of
 * a context like any other case, make `ctx.done()` a case instead; it then has no precedence over the others (S10).
 *
 * **Errors**: rejects with `ClosedChannel` if the case taken is a send on a closed channel. Rejects with a
 * TypeError if a case is not a channel of this package; then no case was tried.
 *
 * @see Go's [select statements](https://go.dev/ref/spec#Select_statements)
 * @example
 * ```ts
 * import { Chan, select, time } from "headgate";
 *
 * const jobs = new Chan<string>();
 * const got = await select({ job: jobs, idle: time.after(10) });
 * switch (got.case) {
 *   case "job":
 *     if (got.ok) console.log(got.value.toUpperCase());
 *     break;
 *   case "idle":
 *     console.log("nothing to do");
 *     break;
 *   default:
 *     got satisfies never;
 * }
 * // => nothing to do
 * ```
 */
export function select<const C extends Cases>(cases: C, ctx?: Context): Promise<Selected<C>> {
  try {
    const error = entryError(ctx);
    if (error !== undefined)
      return rejected("select", cases, hasMethod(ctx, "tryRecv") ? notCases(ctx, "select") : error);
    const keys = keysOf(cases, "select");
    const list = listOf(cases, "select");
    const i = pick(list, cases, "select");
    if (i < 0) {
      if (list.length === 0) mustHoldCases(cases, "select");
      return enqueue(list, keys, cases, ctx);
    }
    return resolved("select", cases, take(list[i], keys === null ? i : keys[i]) as Selected<C>);
  } catch (error) {
    return rejected("select", cases, error);
  }
}

/**
 * Does one of the cases if that needs no waiting, and says which; returns undefined if none is ready. Go's `select`
 * with a default: the code for the undefined is the default. If several cases are ready, each is equally likely to be
 * taken.
 *
 * If none is ready, this polls the clock, as `ctx.err()` does. So a loop that never waits sees the end of `ctx.done()`
 * and its timers (C107).
 *
 * **Errors**: throws `ClosedChannel` if the case taken is a send on a closed channel. Throws a TypeError if a
 * case is not a channel of this package; then no case was tried.
 *
 * @see Go's [select statements](https://go.dev/ref/spec#Select_statements)
 * @example
 * ```ts
 * import { Chan, sending, trySelect } from "headgate";
 *
 * const log = new Chan<string>(1);
 * console.log(trySelect({ log: sending(log, "kept") })); // => { case: 'log' }
 * console.log(trySelect({ log: sending(log, "dropped: the buffer is full") })); // => undefined
 * ```
 */
export function trySelect<const C extends Cases>(cases: C): Selected<C> | undefined {
  const keys = keysOf(cases, "trySelect");
  const list = listOf(cases, "trySelect");
  let i = pick(list, cases, "trySelect");
  // If none is ready, an overdue alarm may make one ready, such as the end of a context.
  if (i < 0 && poll()) i = pick(list, cases, "trySelect");
  if (i < 0) {
    if (list.length === 0) mustHoldCases(cases, "trySelect");
    return undefined;
  }
  const selected = take(list[i], keys === null ? i : keys[i]) as Selected<C>;
  note("trySelect", cases, selected);
  return selected;
}

/** The names of the cases; null: they are a list. */
function keysOf(cases: Cases, where: string): readonly string[] | null {
  if (typeof cases === "object" && cases !== null) {
    try {
      return Array.isArray(cases) ? null : Object.keys(cases);
    } catch (error) {
      throw unreadable(where, error);
    }
  }
  throw notCases(cases, where);
}

/** The cases, read once: no foreign code runs while they are judged and taken. */
function listOf(cases: Cases, where: string): readonly Case[] {
  try {
    return Array.isArray(cases) ? [...(cases as readonly Case[])] : Object.values(cases);
  } catch (error) {
    throw unreadable(where, error);
  }
}

function unreadable(where: string, error: unknown): TypeError {
  return new TypeError(`${where}: the cases cannot be read`, { cause: error });
}

/**
 * The index of the case to take: a random one of those that are ready; −1 if none is.
 *
 * The first pass counts the ready cases, the second finds the one that was drawn: to judge them twice takes no memory.
 * Timers of one clock are judged by one instant. A timer that is due serves the receivers that wait for it before it is
 * judged. Such a receiver may be a select, which leaves its other queues too, perhaps those of a case that was judged
 * already. So the first pass starts again.
 */
function pick(list: readonly Case[], cases: Cases, where: string): number {
  let clock: unknown;
  let instant = NaN;
  let ready = 0;
  let first = -1;
  for (let i = 0; i < list.length; i++) {
    const c = list[i];
    if (Chan.isOne(c)) {
      const { source } = c;
      if (source !== null) {
        if (source.clock !== clock) {
          clock = source.clock;
          instant = source.instant();
        }
        if (c.receivers.head !== null && source.due(instant)) {
          source.serve(instant);
          ready = 0;
          first = i = -1;
          continue;
        }
      }
      if (!c.canReceive(instant)) continue;
    } else if (Sending.isOne(c)) {
      if (c.chan === null || !c.chan.canSend()) continue;
    } else if (isNil(c)) continue;
    else throw hasMethod(cases, "tryRecv") || hasMethod(cases, "err") ? notCases(cases, where) : notACase(c, where);
    if (ready++ === 0) first = i;
  }
  if (ready < 2) return first;
  let skip = choose(ready, cases, list);
  for (let i = first; ; i++) {
    const c = list[i];
    const isReady =
      c instanceof Chan ? c.canReceive(instant) : c instanceof Sending && c.chan !== null && c.chan.canSend();
    if (isReady && skip-- === 0) return i;
  }
}

/** Does the case, which is ready. */
function take(c: Case, key: unknown): unknown {
  if (c instanceof Chan)
    return c.holdsValue() ? { case: key, value: c.take(), ok: true } : { case: key, value: undefined, ok: false };
  const { chan, value } = c as Sending;
  if (chan!.closed) throw sendOnClosed();
  if (!chan!.give(value)) throw new Error("select: internal error: a send that was ready had to wait");
  return { case: key };
}

/** Waits in the queue of every case. */
function enqueue<C extends Cases>(
  list: readonly Case[],
  keys: readonly string[] | null,
  cases: C,
  ctx: Context | undefined,
): Promise<Selected<C>> {
  let waiters: Waiter | null = null;
  for (let i = 0; i < list.length; i++) {
    const c = list[i];
    const key = keys === null ? i : keys[i];
    let waiter: Waiter;
    if (c instanceof Chan) {
      waiter = new Waiter(asReceived, key);
      c.receivers.push(waiter);
    } else if (c instanceof Sending && c.chan !== null) {
      waiter = new Waiter(asSent, key, c.value);
      c.chan.senders.push(waiter);
    } else continue;
    if (waiters === null) waiters = waiter;
    else waiters.addSibling(waiter);
  }
  // Without a case that can ever be ready, the select is in no queue at all (S4).
  waiters ??= new Waiter(null);
  try {
    if (ctx !== undefined) linkContext(waiters, ctx);
  } catch (error) {
    waiters.withdraw();
    throw error;
  }
  return park(waiters, "select", cases);
}
