/**
 * Contexts carry the end of an operation, its deadline and its values across every call made on its behalf: Go's package `context`.
 *
 * The interfaces `Context` and `Key` are in `src/types.ts`, because channels need them too. The rest of Go's context.go is here under
 * Go's names, in Go's order:
 *
 * | file | holds |
 * |---|---|
 * | `errors.ts` | Canceled, DeadlineExceeded |
 * | `context.ts` | background, todo; withoutCancel; withValue: the contexts that do not end by themselves |
 * | `cancel.ts` | withCancel, withCancelCause, cause; CancelCtx, cancelTree, propagateCancel |
 * | `afterfunc.ts` | afterFunc |
 * | `deadline.ts` | withDeadline, withTimeout; TimerCtx |
 *
 * Not in Go: `merge.ts`, `signal.ts`, `from.ts`, `wait.ts`.
 *
 * A function that waits takes a Context and hands it on. The caller that starts the work derives a context from its own, and calls
 * `cancel` when it no longer wants the result. Everything derived from that context ends with it.
 *
 * Rules of use, as in Go:
 * - Pass a Context explicitly: first to work that is done for a caller, last to a single awaited operation.
 * - Never keep one in an object that outlives the call; never pass null. While you do not know which to use, pass `todo()`.
 * - Call every cancel function, best by `using _ = cancel`: until then, or until its deadline, a context stays with its parent.
 * - Values are for data that travels with a request, not for optional parameters.
 *
 * Invariants:
 * - A context that has an `err()` keeps it for ever.
 * - `deadline()`, `value()` and `String(ctx)` walk up the parents in a loop: depth is limited by memory alone (C67).
 */
import type { AbortSignal } from "../internal/abortsignal.ts";
import { nil } from "../chan/chan.ts";
import { ask, failedContext, isOurs, type OurContext, OURS } from "../internal/foreigncontext.ts";
import { notAContext } from "../internal/args.ts";
import { panic } from "../internal/errors.ts";
import { hasMethod, kindOf, propertyOf } from "../internal/foreign.ts";
import { Inspectable } from "../internal/inspect.ts";
import { created } from "../internal/runtime.ts";
import { type Canceled, DeadlineExceeded } from "./errors.ts";
import { nameOf, textOf } from "./text.ts";
import type { Context, Key, RecvChan } from "../types.ts";

/** The base of all contexts of this package. */
export abstract class BaseCtx extends Inspectable implements OurContext {
  /** null for a root. */
  abstract readonly parent: Context | null;
  abstract done(): RecvChan<never>;
  abstract err(): Canceled | DeadlineExceeded | undefined;
  /** `err()` without asking the clock: an observer must not cause the end. */
  abstract known(): Canceled | DeadlineExceeded | undefined;
  abstract get signal(): AbortSignal;
  /** The part of the text that this context adds to its parent's. The one for JSON has no values and no times: it goes into logs. */
  abstract text(isJson?: boolean): string;

  get ours(): object | undefined {
    return OURS;
  }

  deadline(): number | undefined {
    let owner: Context | null;
    try {
      owner = deadlineCtxOf(this);
    } catch (thrown) {
      throw failedContext(thrown);
    }
    return owner === null ? undefined : deadlineOf(owner);
  }

  value<T>(key: Key<T>): T | undefined {
    try {
      const nearest = valueCtxOf(this);
      if (nearest === null) return undefined;
      if (!(nearest instanceof ValueCtx)) return nearest.value(key);
      // `outer` links value contexts directly: checking the class of each link would cost half as much again.
      let at = nearest;
      for (; at.key !== key; at = at.outer) if (at.outer === null) return at.beyond?.value(key);
      return at.val as T;
    } catch (thrown) {
      throw failedContext(thrown);
    }
  }

  /** Go's text (1.9): how the context was derived. */
  override toString(): string {
    return this.derivation();
  }

  private derivation(isJson?: boolean): string {
    const texts: string[] = [];
    let ctx: Context | null = this;
    try {
      do {
        texts.push((ctx as BaseCtx).text(isJson));
        ctx = (ctx as BaseCtx).parent;
      } while (ctx instanceof BaseCtx && ctx.toString === BaseCtx.prototype.toString);
      if (ctx !== null) texts.push(textOf(ctx, isJson));
    } catch {
      // A proxy whose traps throw.
      texts.push(nameOf(ctx));
    }
    return texts.reverse().join("");
  }

  override describe(): string {
    return `${this}${this.outcomeText()}`;
  }

  /** One line, without the values it carries and the times of its deadlines. */
  override toJSON(): string {
    return `${this.toString === BaseCtx.prototype.toString ? this.derivation(true) : this}${this.outcomeText()}`;
  }

  /** The text of its end; empty while it has none. */
  outcomeText(): string {
    const err = this.known();
    return err === undefined ? "" : ` (${err instanceof DeadlineExceeded ? "deadline exceeded" : "canceled"})`;
  }
}

// Three walks up the parents. Each stops at a foreign context, because only that one can answer for what is above it.

/** The context that decides the deadline of `ctx`: one of ours that has its own, or a foreign one; null: there is none. */
export function deadlineCtxOf(ctx: Context): Context | null {
  let at: Context | null = ctx;
  while (at instanceof BaseCtx && at.deadline === BaseCtx.prototype.deadline) at = at.parent;
  return at;
}

/** The context that `done`, `err` and `signal` of `ctx` come from: the nearest that is not a ValueCtx. */
export function stateCtxOf(ctx: Context): Context {
  try {
    return ctx instanceof ValueCtx ? ctx.stateCtx : ctx;
  } catch {
    return ctx;
  }
}

/** The context where the lookup of a value begins: the nearest that is a ValueCtx, or foreign; null: there is none (C67). */
function valueCtxOf(ctx: Context | null): Context | null {
  while (ctx instanceof BaseCtx && !(ctx instanceof ValueCtx)) ctx = ctx.parent;
  return ctx;
}

/** The answer of the context that {@link deadlineCtxOf} has found. */
export function deadlineOf(owner: Context): number | undefined {
  const at: unknown = ask(() => owner.deadline());
  if (at === undefined || typeof at === "number") return at;
  throw new TypeError(
    `ctx: a Context of your own must return epoch ms, or undefined, from its deadline(); it has returned ${kindOf(at)}`,
  );
}

/** The key for which a CancelCtx returns itself, also through foreign contexts that forward `value` (C17, C68). */
export const cancelCtxKey: Key<unknown> = /* @__PURE__ */ key("headgate.cancelCtxKey");

// ------------------------------------------------------------------------------------------------------------------- roots

/** A context that never ends: a root. */
export class EmptyCtx extends BaseCtx {
  readonly parent = null;
  private readonly name: string;

  constructor(name: string) {
    super();
    this.name = name;
  }
  done(): RecvChan<never> {
    return nil;
  }
  err(): undefined {
    return undefined;
  }
  known(): undefined {
    return undefined;
  }
  get signal(): AbortSignal {
    return neverAborts();
  }
  text(): string {
    return this.name;
  }
}

/** A signal that never aborts. A new one each time: listeners on a shared one would gather for the life of the process. */
function neverAborts(): AbortSignal {
  return new AbortController().signal;
}

const BACKGROUND: Context = /* @__PURE__ */ new EmptyCtx("context.Background");
const TODO: Context = /* @__PURE__ */ new EmptyCtx("context.TODO");

/**
 * The context that never ends and carries nothing. It is the root of all others: for main, for tests, and for the top of a request.
 *
 * @see Go's [context.Background](https://pkg.go.dev/context#Background)
 * @example
 * ```ts
 * import { context } from "headgate";
 *
 * const [ctx, cancel] = context.withCancel(context.background());
 * cancel();
 * console.log(ctx.err()?.message, context.background().err()); // => context canceled undefined
 * ```
 */
export function background(): Context {
  return BACKGROUND;
}

/**
 * The same as {@link background}, under a name that says: the right context is still to be decided.
 *
 * @see Go's [context.TODO](https://pkg.go.dev/context#TODO)
 */
export function todo(): Context {
  return TODO;
}

// ------------------------------------------------------------------------------------------------------------------ checks

export function mustBeParent(parent: Context, where: string): Context {
  if (parent === null || parent === undefined) {
    panic(
      "cannot create context from nil parent",
      "derive from the context you were given, or from context.background()",
    );
  }
  return mustBeContext(parent, where, "first argument, such as context.background()");
}

/** `where` is the name of the function that was called, and `place` says which of its arguments `ctx` is. */
export function mustBeContext(ctx: Context, where: string, place: string = "first argument"): Context {
  // Our own are recognised first: isContext alone would double the cost of a child.
  if (isBaseCtx(ctx) || isContext(ctx)) return ctx;
  throw notAContext(ctx, where, place);
}

function isBaseCtx(ctx: unknown): boolean {
  try {
    return ctx instanceof BaseCtx;
  } catch {
    return false;
  }
}

/**
 * Returns whether `value` is a Context: one of ours, one of another copy of the package, or any object with these methods.
 *
 * @example
 * ```ts
 * import { context } from "headgate";
 *
 * console.log(context.isContext(context.background()), context.isContext(new AbortController().signal)); // => true false
 * ```
 */
export function isContext(value: unknown): value is Context {
  return hasMethod(value, "err") && hasMethod(value, "done") && hasMethod(value, "value");
}

// ----------------------------------------------------------------------------------------------------------- withoutCancel

/**
 * A context with the values of `parent` that does not end with it, and has no deadline. It is for work that remains after a
 * cancellation, such as a rollback. Give it a deadline of its own.
 *
 * **Errors**: throws "cannot create context from nil parent".
 *
 * @see Go's [context.WithoutCancel](https://pkg.go.dev/context#WithoutCancel)
 * @example
 * ```ts
 * import { context, time } from "headgate";
 *
 * const [ctx, cancel] = context.withCancel(context.background());
 * cancel();
 * const [undo, release] = context.withTimeout(context.withoutCancel(ctx), 5_000);
 * using _ = release;
 * await time.sleep(1, undo); // on ctx it would be refused
 * console.log("undone"); // => undone
 * ```
 */
export function withoutCancel(parent: Context): Context {
  return new WithoutCancelCtx(mustBeParent(parent, "withoutCancel"));
}

export class WithoutCancelCtx extends BaseCtx {
  readonly parent: Context;

  constructor(parent: Context) {
    super();
    this.parent = parent;
    created(this, parent);
  }

  override value<T>(key: Key<T>): T | undefined {
    return (key as Key<unknown>) === cancelCtxKey ? undefined : super.value(key);
  }

  override deadline(): undefined {}

  done(): RecvChan<never> {
    return nil;
  }
  err(): undefined {
    return undefined;
  }
  known(): undefined {
    return undefined;
  }
  get signal(): AbortSignal {
    return neverAborts();
  }
  text(): string {
    return ".WithoutCancel";
  }
}

// --------------------------------------------------------------------------------------------------------------- withValue

/**
 * Makes a key for {@link withValue}. The type of its values is part of the key; `description` is its name in texts. Make a key once,
 * at the top of a module. Export functions rather than the key if no other module should set the value.
 *
 * @example
 * ```ts
 * import { context } from "headgate";
 *
 * const requestId = context.key<string>("requestId");
 * const ctx = context.withValue(context.background(), requestId, "r-17");
 * console.log(ctx.value(requestId)); // => r-17
 * ```
 */
export function key<T>(description: string): Key<T> {
  if (typeof description !== "string") throw new TypeError(`key: expected a description, got ${kindOf(description)}`);
  return { description };
}

/**
 * Derives a context in which `key` has this value, hiding any that a parent has. Undefined is a value, too.
 *
 * **Errors**: throws "cannot create context from nil parent", and "nil key" for null or undefined.
 *
 * @see Go's [context.WithValue](https://pkg.go.dev/context#WithValue)
 * @example
 * ```ts
 * import { context } from "headgate";
 *
 * const user = context.key<{ name: string }>("user");
 * const ctx = context.withValue(context.background(), user, { name: "ada" });
 * console.log(ctx.value(user)?.name); // => ada
 * ```
 */
export function withValue<T>(parent: Context, key: Key<T>, value: NoInfer<T>): Context {
  mustBeParent(parent, "withValue");
  if (key === null || key === undefined) panic("nil key", "make a key with context.key(description)");
  return new ValueCtx(parent, key, value);
}

class ValueCtx extends BaseCtx {
  readonly parent: Context;
  /** The nearest context above that is not a ValueCtx: `done`, `err` and `signal` are its own (C66). */
  readonly stateCtx: Context;
  /** The next ValueCtx above; null: the lookup goes on at `beyond`. */
  readonly outer: ValueCtx | null;
  /** The foreign context that hides what is above it; null: there is none, and the lookup ends. */
  readonly beyond: Context | null;
  readonly key: unknown;
  readonly val: unknown;

  constructor(parent: Context, key: unknown, val: unknown) {
    super();
    this.parent = parent;
    this.stateCtx = stateCtxOf(parent);
    let nearest: Context | null = parent;
    let outer: ValueCtx | null = null;
    try {
      nearest = valueCtxOf(parent);
      if (nearest instanceof ValueCtx) outer = nearest;
    } catch {
      // A proxy whose traps throw: it is asked again for each value.
    }
    this.outer = outer;
    this.beyond = outer === null ? nearest : null;
    this.key = key;
    this.val = val;
    created(this, parent);
  }

  /** Not ours over a foreign context: each question goes to that one. */
  override get ours(): object | undefined {
    return isOurs(this.stateCtx) ? OURS : undefined;
  }

  override value<T>(key: Key<T>): T | undefined {
    if (this.key === key) return this.val as T;
    return (key as Key<unknown>) === cancelCtxKey ? this.stateCtx.value(key) : super.value(key);
  }

  done(): RecvChan<never> {
    try {
      return this.stateCtx.done() ?? nil;
    } catch (thrown) {
      throw failedContext(thrown);
    }
  }
  err(): Canceled | DeadlineExceeded | undefined {
    try {
      return this.stateCtx.err() ?? undefined;
    } catch (thrown) {
      throw failedContext(thrown);
    }
  }
  known(): Canceled | DeadlineExceeded | undefined {
    try {
      const { stateCtx } = this;
      return (isOurs(stateCtx) ? (stateCtx.known() as Canceled | undefined) : stateCtx.err()) ?? undefined;
    } catch {
      return undefined;
    }
  }
  get signal(): AbortSignal {
    try {
      return this.stateCtx.signal;
    } catch (thrown) {
      throw failedContext(thrown);
    }
  }
  text(isJson?: boolean): string {
    const description = propertyOf(this.key, "description");
    const key = typeof description === "string" ? description : nameOf(this.key);
    return `.WithValue(${key}, ${isJson === true ? kindOf(this.val) : nameOf(this.val)})`;
  }
}

/**
 * The key of the context that says when to give up for good, such as the grace of a worker or of a server's shutdown. Cancelled work
 * that must still clean up derives its context from `withoutCancel(ctx)`, and watches this one. If you set it, end it shortly before
 * you stop waiting, so that unfinished work can still be recorded. The key is the same in every copy of the package.
 */
export const lifetime: Key<Context> = /* @__PURE__ */ Symbol.for("headgate.lifetime") as unknown as Key<Context>;
