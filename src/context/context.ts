/// <reference lib="esnext.disposable" preserve="true" />
/**
 * Contexts carry the end of an operation, its deadline and its values across every call made on its behalf: Go's package `context`.
 *
 * A function that waits takes a Context and hands it on. Whoever started the work derives a context from the one it was given and
 * calls `cancel` when the result is no longer wanted; everything derived from that context ends with it.
 *
 * How to use them, as in Go:
 * - Pass a Context explicitly, as the first parameter of work done for a caller, as the last one of a single awaited operation.
 * - Never keep one in an object that outlives the call; never pass null. Where you do not know yet which to use, pass `todo()`.
 * - Call every cancel function, best by `using _ = cancel`: until then, or until its deadline, a context stays with its parent.
 * - Values are for data that travels with a request, not for optional parameters.
 *
 * Invariants:
 * - `err()` is set ⇔ `done()` is closed ⇔ `signal.aborted` (once made). One cancel sets the error and the cause in the whole
 *   subtree and closes its channels; only then are signals aborted, so no listener ever sees half of it.
 * - A context that has ended is in no parent's list, and holds no timer.
 * - The core of `cancel` neither recurses nor calls anybody's code, so depth and width are limited by memory alone.
 */
import type { AbortController, AbortSignal } from "../internal/abortsignal.ts";
import { Chan, nil } from "../chan/chan.ts";
import { ask, failedContext, isOurs, notAContext, type OurContext, OURS } from "../internal/foreigncontext.ts";
import { panic } from "../internal/errors.ts";
import { attempt, hasMethod, kindOf, propertyOf } from "../internal/foreign.ts";
import { Inspectable } from "../internal/inspect.ts";
import { cancelCalled, created, note, poll } from "../internal/runtime.ts";
import { Canceled, DeadlineExceeded, Ending } from "./errors.ts";
import { nameOf, textOf } from "./text.ts";
import type { Context, Key, RecvChan } from "../types.ts";

// ------------------------------------------------------------------------------------------------------------------- roots

/** What all contexts of this package have in common: they are asked along the chain of their parents, in a loop (C67). */
abstract class Own extends Inspectable implements OurContext {
  /** null for a root. */
  abstract readonly parent: Context | null;
  abstract done(): RecvChan<never>;
  abstract err(): Canceled | DeadlineExceeded | undefined;
  /** The same, without asking the clock: for those who only look on. */
  abstract known(): Canceled | DeadlineExceeded | undefined;
  abstract get signal(): AbortSignal;
  /** What this context adds to the text of its parent. In JSON there is nothing in it that a log must not have, or that changes. */
  abstract text(isJson?: boolean): string;

  get ours(): object | undefined {
    return OURS;
  }

  deadline(): number | undefined {
    let decider: Context | null;
    try {
      decider = deciderOf(this);
    } catch (thrown) {
      throw failedContext(thrown);
    }
    return decider === null ? undefined : deadlineOf(decider);
  }

  value<T>(key: Key<T>): T | undefined {
    try {
      const scope = scopeOf(this);
      if (scope === null) return undefined;
      if (!(scope instanceof ValueCtx)) return scope.value(key);
      // Apart from values the chain holds nothing to look at, not even the class of the next: that would take half as long again.
      let at = scope;
      for (; at.key !== key; at = at.outer) if (at.outer === null) return at.beyond?.value(key);
      return at.held as T;
    } catch (thrown) {
      throw failedContext(thrown);
    }
  }

  /** Go's text (1.9): how the context came about. */
  override toString(): string {
    return this.history();
  }

  private history(isJson?: boolean): string {
    const texts: string[] = [];
    let ctx: Context | null = this;
    try {
      do {
        texts.push((ctx as Own).text(isJson));
        ctx = (ctx as Own).parent;
      } while (ctx instanceof Own && ctx.toString === Own.prototype.toString);
      if (ctx !== null) texts.push(textOf(ctx, isJson));
    } catch {
      // In somebody's proxy.
      texts.push(nameOf(ctx));
    }
    return texts.reverse().join("");
  }

  override describe(): string {
    return `${this}${this.outcome()}`;
  }

  /** One line, without the values it carries and the instants of its deadlines. */
  override toJSON(): string {
    return `${this.toString === Own.prototype.toString ? this.history(true) : this}${this.outcome()}`;
  }

  /** How it has ended, if it has. */
  outcome(): string {
    const err = this.known();
    return err === undefined ? "" : ` (${err instanceof DeadlineExceeded ? "deadline exceeded" : "canceled"})`;
  }
}

/** The context that decides the deadline of `ctx`: one of ours that knows its own, or somebody else's; null: there is none. */
export function deciderOf(ctx: Context): Context | null {
  let at: Context | null = ctx;
  while (at instanceof Own && at.deadline === Own.prototype.deadline) at = at.parent;
  return at;
}

/** The deadline of the one that decides it. */
export function deadlineOf(decider: Context): number | undefined {
  const at: unknown = ask(() => decider.deadline());
  if (at === undefined || typeof at === "number") return at;
  throw new TypeError(
    `ctx: a Context of your own must return epoch ms, or undefined, from its deadline(); it has returned ${kindOf(at)}`,
  );
}

/** The context that says how this one stands: the nearest above that is no ValueCtx. */
export function baseOf(ctx: Context): Context {
  try {
    return ctx instanceof ValueCtx ? ctx.base : ctx;
  } catch {
    return ctx;
  }
}

/** Where values are looked up: the nearest context from here upwards that has one, or is not ours. null: nowhere (C67). */
function scopeOf(ctx: Context | null): Context | null {
  while (ctx instanceof Own && !(ctx instanceof ValueCtx)) ctx = ctx.parent;
  return ctx;
}

/** The key under which a context finds the standard one above it, also through other people's contexts (C17, C68). */
export const NEAREST: Key<CancelCtx> = /* @__PURE__ */ key("headgate.nearest");

/**
 * A signal that never aborts, for contexts that never end. A new one each time: what listens to one of all contexts would gather on it
 * for the life of the process.
 */
function neverAborts(): AbortSignal {
  return new AbortController().signal;
}

export class RootCtx extends Own {
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

const BACKGROUND: Context = /* @__PURE__ */ new RootCtx("context.Background");
const TODO_CONTEXT: Context = /* @__PURE__ */ new RootCtx("context.TODO");

/**
 * The context that never ends and carries nothing: the root of every other, made by main, by tests, and at the top of a request.
 *
 * @see Go's [context.Background](https://pkg.go.dev/context#Background)
 */
export function background(): Context {
  return BACKGROUND;
}

/**
 * The same as {@link background}, by a name that says: which context belongs here is still to be decided.
 *
 * @see Go's [context.TODO](https://pkg.go.dev/context#TODO)
 */
export function todo(): Context {
  return TODO_CONTEXT;
}

// ---------------------------------------------------------------------------------------------------- contexts that can end

export function mustBeParent(parent: Context): Context {
  if (parent === null || parent === undefined) {
    panic(
      "cannot create context from nil parent",
      "derive from the context you were given, or from context.background()",
    );
  }
  return mustBeContext(parent, "parent");
}

export function mustBeContext(ctx: Context, what: string): Context {
  // Not by isContext alone, which would be half of what a child costs.
  if (isOwn(ctx) || isContext(ctx)) return ctx;
  throw notAContext(ctx, what);
}

function isOwn(ctx: unknown): boolean {
  try {
    return ctx instanceof Own;
  } catch {
    return false;
  }
}

/**
 * Whether `value` is a Context: one of ours, of another copy of the package, or anybody's object with these methods.
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

/** Who besides its children is to be told of the end of a context. */
export class Told {
  channel: Chan<never> | null = null;
  controller: AbortController | null = null;
  /** Stops watching a parent that is not ours. */
  leave: (() => void) | null = null;

  quit(): void {
    // What goes wrong in somebody else's context must not look as if the cancel had failed: all of it is done.
    const { leave } = this;
    this.leave = null;
    attempt(() => leave?.());
  }
}

/** A context that can end. */
export class CancelCtx extends Own {
  /** Whether it is one itself: not one in a proxy, which may fail in the middle of anything, and so counts as somebody else's. */
  static isOne(value: unknown): value is CancelCtx {
    return typeof value === "object" && value !== null && #holder in value;
  }

  // Nobody reaches it but by a context itself, so it is the one that tells it from a proxy.
  #holder: CancelCtx | null = null;

  get holder(): CancelCtx | null {
    return this.#holder;
  }

  set holder(holder: CancelCtx | null) {
    this.#holder = holder;
  }

  readonly parent: Context;
  ending: Ending | null = null;
  // The children that end with this one: `children` is the first, its `prev` the last, the `next` of the last is null.
  children: CancelCtx | null = null;
  prev: CancelCtx | null = null;
  next: CancelCtx | null = null;
  /** Made when first needed, which is seldom: most contexts end before anybody asks. */
  told: Told | null = null;

  constructor(parent: Context) {
    super();
    this.parent = parent;
    created(this, parent);
  }

  override value<T>(key: Key<T>): T | undefined {
    return (key as Key<unknown>) === NEAREST ? (this as unknown as T) : super.value(key);
  }

  done(): RecvChan<never> {
    const told = (this.told ??= new Told());
    if (told.channel === null) {
      told.channel = new Chan<never>(0, this);
      if (this.ending !== null) told.channel.close();
    }
    return told.channel;
  }

  err(): Canceled | DeadlineExceeded | undefined {
    if (this.ending === null) poll();
    return this.known();
  }

  known(): Canceled | DeadlineExceeded | undefined {
    return this.ending === null ? undefined : this.ending.error;
  }

  get signal(): AbortSignal {
    const told = (this.told ??= new Told());
    if (told.controller === null) {
      told.controller = new AbortController();
      if (this.ending !== null) told.controller.abort(this.ending.error);
    }
    return told.controller.signal;
  }

  text(): string {
    return ".WithCancel";
  }

  cancel(cause: unknown): void {
    cancelCalled(this);
    if (this.ending === null) this.end(new Ending(Canceled, cause));
  }

  end(ending: Ending): void {
    if (this.ending !== null) return;
    const { told } = this;
    note("cancel", this, ending);
    this.detach();
    abort(mark(this, ending));
    told?.quit();
  }

  /** Leaves the list of the parent (C16). */
  detach(): void {
    const { holder, prev, next } = this;
    this.holder = this.prev = this.next = null;
    if (holder === null) return;
    if (holder.children === this) {
      holder.children = next;
      if (next !== null) next.prev = prev;
    } else {
      prev!.next = next;
      (next ?? holder.children!).prev = prev;
    }
  }

  /** This context has just ended: what must happen in the same step. Returns another context that ends with it, if there is one. */
  ended(): CancelCtx | null | void {}
}

const NONE: readonly CancelCtx[] = [];

/**
 * Sets the end of the contexts of a list, which are in no parent's list any more, and of all below them, in a loop: parents first,
 * depth first (C14). Only when all are marked are channels closed, and those with a signal returned: nobody who is told of
 * an end finds a part of the tree that does not know of it yet.
 */
export function mark(list: CancelCtx | null, ending: Ending): readonly CancelCtx[] {
  let observed: CancelCtx[] | undefined;
  let channels: Chan<never>[] | undefined;
  let leaving: Told[] | undefined;
  let others: CancelCtx[] | undefined;
  do {
    while (list !== null) {
      const ctx: CancelCtx = list;
      const { children } = ctx;
      list = ctx.next;
      if (children !== null) {
        children.prev!.next = list;
        list = children;
      }
      ctx.children = ctx.holder = ctx.prev = ctx.next = null;
      ctx.ending = ending;
      const other = ctx.ended() ?? null;
      if (other !== null) (others ??= []).push(other);
      const { told } = ctx;
      if (told === null) continue;
      if (told.channel !== null) (channels ??= []).push(told.channel);
      if (told.controller !== null) (observed ??= []).push(ctx);
      if (told.leave !== null) (leaving ??= []).push(told);
    }
    // Those in other trees can be taken out of them only while no list is walked: it might be theirs.
    for (let other; list === null && (other = others?.pop()) !== undefined;) {
      if (other.ending !== null) continue;
      other.detach();
      list = other;
    }
  } while (list !== null);
  if (channels !== undefined) for (const channel of channels) channel.close();
  // On a microtask, for that is somebody else's code.
  if (leaving !== undefined) void Promise.resolve().then(() => leaving.forEach((told) => told.quit()));
  return observed ?? NONE;
}

export function abort(observed: readonly CancelCtx[]): void {
  for (const { told, ending } of observed) told!.controller!.abort(ending!.error);
}

// ----------------------------------------------------------------------------------------------------------- withoutCancel

/**
 * A context with the values of `parent` that does not end with it, and has no deadline: for what must still be done when the work
 * has been cancelled, such as a rollback. Give it a deadline of its own.
 *
 * **Errors**: throws "cannot create context from nil parent".
 *
 * @see Go's [context.WithoutCancel](https://pkg.go.dev/context#WithoutCancel)
 */
export function withoutCancel(parent: Context): Context {
  return new WithoutCancelCtx(mustBeParent(parent));
}

export class WithoutCancelCtx extends Own {
  readonly parent: Context;

  constructor(parent: Context) {
    super();
    this.parent = parent;
    created(this, parent);
  }

  override value<T>(key: Key<T>): T | undefined {
    return (key as Key<unknown>) === NEAREST ? undefined : super.value(key);
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
 * Makes a key for {@link withValue}. The type of its values is part of the key, and `description` what texts call it. Make a key once,
 * at the top of a module, and export functions rather than the key if nobody else should set the value.
 */
export function key<T>(description: string): Key<T> {
  if (typeof description !== "string") throw new TypeError(`key: expected a description, got ${typeof description}`);
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
  mustBeParent(parent);
  if (key === null || key === undefined) panic("nil key", "make a key with context.key(description)");
  return new ValueCtx(parent, key, value);
}

class ValueCtx extends Own {
  readonly parent: Context;
  /** The nearest context above that is no ValueCtx: it says how this one stands (C66). */
  readonly base: Context;
  /** The next value above; null: where values are looked up from here on is `beyond`. */
  readonly outer: ValueCtx | null;
  /** Somebody else's context, above which ours know nothing; null: there is none. */
  readonly beyond: Context | null;
  readonly key: unknown;
  readonly held: unknown;

  constructor(parent: Context, key: unknown, value: unknown) {
    super();
    this.parent = parent;
    this.base = baseOf(parent);
    let scope: Context | null = parent;
    let outer: ValueCtx | null = null;
    try {
      scope = scopeOf(parent);
      if (scope instanceof ValueCtx) outer = scope;
    } catch {
      // In somebody's proxy: it is asked when a value is.
    }
    this.outer = outer;
    this.beyond = outer === null ? scope : null;
    this.key = key;
    this.held = value;
    created(this, parent);
  }

  /** Over somebody else's context it is theirs: what it is asked, that is asked. */
  override get ours(): object | undefined {
    return isOurs(this.base) ? OURS : undefined;
  }

  override value<T>(key: Key<T>): T | undefined {
    if (this.key === key) return this.held as T;
    return (key as Key<unknown>) === NEAREST ? this.base.value(key) : super.value(key);
  }

  done(): RecvChan<never> {
    try {
      return this.base.done() ?? nil;
    } catch (thrown) {
      throw failedContext(thrown);
    }
  }
  err(): Canceled | DeadlineExceeded | undefined {
    try {
      return this.base.err() ?? undefined;
    } catch (thrown) {
      throw failedContext(thrown);
    }
  }
  known(): Canceled | DeadlineExceeded | undefined {
    try {
      const { base } = this;
      return (isOurs(base) ? (base.known() as Canceled | undefined) : base.err()) ?? undefined;
    } catch {
      return undefined;
    }
  }
  get signal(): AbortSignal {
    try {
      return this.base.signal;
    } catch (thrown) {
      throw failedContext(thrown);
    }
  }
  text(isJson?: boolean): string {
    const description = propertyOf(this.key, "description");
    const key = typeof description === "string" ? description : nameOf(this.key);
    return `.WithValue(${key}, ${isJson === true ? kindOf(this.held) : nameOf(this.held)})`;
  }
}

/**
 * A value: the context that says when to give up, as in a worker's grace or a server's shutdown. A cancelled piece of work that still has
 * to clean up derives its context from `withoutCancel(ctx)`, and watches this one. Whoever sets it should end it a moment before he waits
 * no longer, for what is left undone must be written down. The key is the same in every copy of the package: who sets the value and who
 * heeds it need not share one.
 */
export const lifetime: Key<Context> = /* @__PURE__ */ Symbol.for("headgate.lifetime") as unknown as Key<Context>;
