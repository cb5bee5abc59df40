/**
 * Contexts that are not of this package as parents and as arguments: wrappers, look-alikes, another copy's.
 */
import { getEventListeners } from "node:events";
import { describe, expect, it, vi } from "vitest";
import { Chan, type Context, context, type Key, type RecvChan } from "headgate";
import { settle, timersSet, virtualTime } from "../support/clock.ts";

const { afterFunc, background, Canceled, cause, withCancel, withCancelCause, withTimeout, withValue } = context;
const name = context.key<string>("name");

virtualTime();

type Err = ReturnType<Context["err"]>;

/** A context of somebody's own that ends when `end` is called: its done() is a channel of ours. */
class Custom implements Context {
  readonly closing = new Chan<never>();
  error: Err;
  readonly signal = new AbortController().signal;
  deadline(): undefined {}
  done(): RecvChan<never> {
    return this.closing;
  }
  err(): Err {
    return this.error;
  }
  value<T>(_: Key<T>): T | undefined {
    return undefined;
  }
  end(error: Err = new Canceled()): void {
    this.error = error;
    this.closing.close();
  }
}

/** One that calls back, and is watched by nothing else: its done() is not a channel of ours. */
class CallsBack extends Custom {
  readonly callbacks = new Set<() => void>();
  override done(): RecvChan<never> {
    return { tryRecv: () => undefined } as unknown as RecvChan<never>;
  }
  afterFunc(fn: () => void): () => boolean {
    const callback = (): void => fn();
    this.callbacks.add(callback);
    return () => this.callbacks.delete(callback);
  }
  override end(error: Err = new Canceled()): void {
    this.error = error;
    const all = [...this.callbacks];
    this.callbacks.clear();
    for (const callback of all) queueMicrotask(callback);
  }
}

/** One that can only be watched through its signal. */
class Signals extends Custom {
  private readonly controller = new AbortController();
  override readonly signal = this.controller.signal;
  override done(): RecvChan<never> {
    return { tryRecv: () => undefined } as unknown as RecvChan<never>;
  }
  override end(error: Err = new Canceled()): void {
    this.error = error;
    this.controller.abort(error);
  }
}

/** One that adds nothing to another context. */
class Wrapper implements Context {
  readonly inner: Context;
  constructor(inner: Context) {
    this.inner = inner;
  }
  get signal(): AbortSignal {
    return this.inner.signal;
  }
  deadline(): number | undefined {
    return this.inner.deadline();
  }
  done(): RecvChan<never> {
    return this.inner.done();
  }
  err(): Err {
    return this.inner.err();
  }
  value<T>(key: Key<T>): T | undefined {
    return this.inner.value(key);
  }
}

/** A wrapper with a done() of its own, which alone decides. */
class OwnDone extends Wrapper {
  readonly own = new Custom();
  override done(): RecvChan<never> {
    return this.own.done();
  }
  override err(): Err {
    return this.own.err();
  }
}

/** How many watch this context of somebody's own. */
function watchers(ctx: Custom): number {
  const waiting = /(\d+) receivers? waiting/.exec(String(ctx.closing))?.[1] ?? 0;
  const callbacks = ctx instanceof CallsBack ? ctx.callbacks.size : 0;
  return Number(waiting) + callbacks + getEventListeners(ctx.signal, "abort").length;
}

describe.each([
  ["with a channel of ours for done()", Custom],
  ["with an afterFunc method", CallsBack],
  ["with only a signal", Signals],
])("a parent of somebody's own %s", (_, Parent) => {
  it("ends what is derived from it, with its error as error and cause (C8, C100, C103, C104)", async () => {
    const parent = new Parent();
    const [ctx] = withCancel(parent);
    const [timed] = withTimeout(parent, 3_600_000);
    const [below] = withCancel(withValue(ctx, name, "x"));
    expect(ctx.err()).toBeUndefined();
    parent.end(new context.DeadlineExceeded());
    await settle();
    for (const each of [ctx, timed, below]) {
      expect(each.err()).toBe(parent.error);
      expect(cause(each)).toBe(parent.error);
      expect(each.done().tryRecv()).toEqual([undefined, false]);
    }
    expect([timersSet(), watchers(parent)]).toEqual([0, 0]);
  });

  it("starts an afterFunc, unless that was stopped (C101, C103)", async () => {
    const parent = new Parent();
    const calls: string[] = [];
    afterFunc(parent, () => calls.push("runs"));
    const stop = afterFunc(parent, () => calls.push("was stopped"));
    expect(stop()).toBe(true);
    parent.end();
    await settle();
    expect(calls).toEqual(["runs"]);
  });

  it("is not watched any more when the child has ended, however it did (C16, C101)", async () => {
    const parent = new Parent();
    const [first, cancelFirst] = withCancel(parent);
    const [, cancelSecond] = withTimeout(parent, 3_600_000);
    const stop = afterFunc(parent, () => {});
    const [late] = withTimeout(parent, 10);
    expect(watchers(parent)).toBe(Parent === Signals ? 1 : 4);
    cancelFirst();
    cancelSecond();
    stop();
    await vi.advanceTimersByTimeAsync(10);
    expect([watchers(parent), parent.err()]).toEqual([0, undefined]);
    expect([first.err()?.message, late.err()?.message]).toEqual(["context canceled", "context deadline exceeded"]);
  });

  it("is not watched any more when a signal has ended the child (C16)", () => {
    const parent = new Parent();
    const controller = new AbortController();
    const [ctx] = context.withSignal(parent, controller.signal);
    expect(watchers(parent)).toBe(1);
    controller.abort("left");
    expect([cause(ctx), watchers(parent)]).toEqual(["left", 0]);
  });

  it("that ends takes the child's listener off its signal", async () => {
    const parent = new Parent();
    const { signal } = new AbortController();
    const [ctx] = context.withSignal(parent, signal);
    parent.end();
    await settle();
    expect([ctx.err(), getEventListeners(signal, "abort").length]).toEqual([parent.error, 0]);
  });

  it("never hears of the end of a child, and a child that has ended keeps its cause (C12, C32)", async () => {
    const parent = new Parent();
    const [ctx, cancel] = withCancelCause(parent);
    cancel("own");
    expect(parent.err()).toBeUndefined();
    parent.end();
    await settle();
    expect(cause(ctx)).toBe("own");
  });

  it("that has ended makes a child born done, and watches nothing (C13, C100)", () => {
    const parent = new Parent();
    parent.end();
    for (const ctx of [
      withCancel(parent)[0],
      withTimeout(parent, 100)[0],
      withCancel(withValue(parent, name, "x"))[0],
    ]) {
      expect([ctx.err(), cause(ctx)]).toEqual([parent.error, parent.error]);
    }
    expect([timersSet(), watchers(parent)]).toEqual([0, 0]);
  });

  it("interrupts operations that were given it, and is left when they are over (C8)", async () => {
    const parent = new Parent();
    const ch = new Chan<string>();
    const served = ch.recv(parent);
    await ch.send("for the first");
    expect([await served, watchers(parent)]).toEqual([["for the first", true], 0]);
    const interrupted = ch.recv(parent);
    const refused = expect(interrupted).rejects.toBeInstanceOf(Canceled);
    parent.end();
    await refused;
    await expect(interrupted).rejects.toBe(parent.error);
    await expect(ch.recv(parent)).rejects.toBe(parent.error);
    expect([String(ch), watchers(parent)]).toEqual(["Chan(0/0)", 0]);
  });
});

describe("a wrapper that keeps done()", () => {
  it("lets the child join the context inside: it ends synchronously and nothing watches (C17, C100)", () => {
    const [inner, cancel] = withCancelCause(background());
    const wrapper = new Wrapper(withValue(new Wrapper(inner), name, "x"));
    const [ctx] = withCancel(wrapper);
    const [timed] = withTimeout(withValue(wrapper, name, "y"), 3_600_000);
    expect(String(inner.done())).toBe("Chan(0/0)");
    cancel("over");
    expect([ctx.err(), cause(ctx), timed.err(), cause(wrapper)]).toEqual([inner.err(), "over", inner.err(), "over"]);
  });

  it("is transparent also for deadlines: no timer is set for a later one (C41)", () => {
    const [inner] = withTimeout(background(), 100);
    const [ctx] = withTimeout(new Wrapper(inner), 200);
    expect([ctx.deadline(), timersSet()]).toEqual([inner.deadline(), 1]);
  });

  it("of a context that can never end registers nothing (C18)", () => {
    const wrapper = new Wrapper(background());
    const watched = vi.spyOn(wrapper.signal, "addEventListener");
    const [ctx, cancel] = withCancel(wrapper);
    cancel();
    expect(ctx.err()?.message).toBe("context canceled");
    expect(watched).not.toHaveBeenCalled();
  });

  it("but hides values is opaque: the child ends a little later (C68)", async () => {
    const [inner, cancel] = withCancelCause(background());
    const opaque = new (class extends Wrapper {
      override value(): undefined {}
    })(inner);
    const [ctx] = withCancel(opaque);
    cancel("over");
    expect(ctx.err()).toBeUndefined();
    await settle();
    expect([ctx.err(), cause(ctx)]).toEqual([inner.err(), inner.err()]);
  });
});

describe("a wrapper with its own done()", () => {
  it("alone ends what is below, not the context inside (C102)", async () => {
    const [inner, cancel] = withCancelCause(background());
    const wrapper = new OwnDone(inner);
    const [ctx] = withCancel(wrapper);
    cancel("inside");
    await settle();
    expect([ctx.err(), cause(ctx), cause(wrapper)]).toEqual([undefined, undefined, undefined]);
    wrapper.own.end();
    expect(ctx.err()).toBeUndefined();
    await settle();
    expect(ctx.err()).toBe(wrapper.own.error);
    expect(cause(ctx)).toBe("inside");
  });

  it("has its error as the cause while the context inside has not ended, then that one's (C34, C35)", () => {
    const [inner, cancel] = withCancelCause(background());
    const wrapper = new OwnDone(inner);
    expect(cause(wrapper)).toBeUndefined();
    wrapper.own.end();
    expect(cause(wrapper)).toBe(wrapper.own.error);
    cancel("later");
    expect(cause(wrapper)).toBe("later");
  });

  it("reports the error of the context inside as the cause when that was ended without one (C35)", () => {
    const [inner, cancel] = withCancel(background());
    const wrapper = new OwnDone(inner);
    wrapper.own.end(new context.DeadlineExceeded());
    cancel();
    expect(cause(wrapper)).toBe(inner.err());
  });
});

describe("an afterFunc method", () => {
  it("is preferred to done(): once for each child (C101)", () => {
    class Both extends CallsBack {
      override done(): RecvChan<never> {
        return this.closing;
      }
    }
    const parent = new Both();
    const [, cancel] = withCancel(parent);
    withTimeout(parent, 3_600_000);
    expect([parent.callbacks.size, String(parent.closing)]).toEqual([2, "Chan(0/0)"]);
    cancel();
    expect(parent.callbacks.size).toBe(1);
  });

  it("is asked of the parent itself only: a value over it hides it (C101)", async () => {
    class Both extends CallsBack {
      override done(): RecvChan<never> {
        return this.closing;
      }
      override end(): void {
        super.end();
        this.closing.close();
      }
    }
    const parent = new Both();
    const [ctx] = withCancel(withValue(parent, name, "x"));
    expect([parent.callbacks.size, String(parent.closing)]).toEqual([0, "Chan(0/0, 1 receiver waiting)"]);
    parent.end();
    await settle();
    expect(ctx.err()).toBe(parent.error);
  });
});

describe("a context that has ended without an error", () => {
  const missing = "context: internal error: missing cancel error";

  it("makes derivation panic when its channel is closed (C105)", () => {
    const parent = new Custom();
    parent.closing.close();
    expect(() => withCancel(parent)).toThrow(missing);
    expect(() => withTimeout(parent, 100)).toThrow(missing);
    expect(() => afterFunc(parent, () => {})).toThrow(missing);
    expect(timersSet()).toBe(0);
  });

  it("makes derivation panic, also when it could call back (C100, C105)", () => {
    const parent = new (class extends CallsBack {
      override done(): RecvChan<never> {
        return this.closing;
      }
    })();
    parent.closing.close();
    expect(() => withCancel(parent)).toThrow(missing);
  });

  it("makes derivation panic when its signal has aborted (C105)", () => {
    const parent = new Signals();
    parent.end();
    parent.error = undefined;
    expect(() => withCancel(parent)).toThrow(missing);
  });

  it("makes an operation reject with that (C105)", async () => {
    const parent = new Custom();
    const ch = new Chan<number>();
    const waiting = expect(ch.recv(parent)).rejects.toThrow(missing);
    parent.closing.close();
    await waiting;
    await expect(ch.recv(parent)).rejects.toThrow(missing);
    expect(String(ch)).toBe("Chan(0/0)");
  });
});

describe("a context that answers every key", () => {
  it.each([null, 5, "x", {}])("with %s is not taken for one of ours (C8, C100)", async (answer) => {
    const parent = Object.assign(new Custom(), { value: () => answer as never });
    const [ctx] = withCancel(parent);
    parent.end();
    await settle();
    expect([ctx.err(), cause(ctx), cause(parent)]).toEqual([parent.error, parent.error, parent.error]);
  });
});

describe("a context that cannot be watched", () => {
  it("is refused with a TypeError that says what it needs (C8)", () => {
    const parent = Object.assign(new Signals(), { signal: undefined as unknown as AbortSignal });
    expect(() => withCancel(parent)).toThrow(TypeError);
    expect(() => withCancel(parent)).toThrow("an afterFunc method, or a signal");
  });
});

describe("another copy's context", () => {
  async function secondCopy(): Promise<typeof import("headgate")> {
    vi.resetModules();
    return import("headgate");
  }

  it("is a parent as any other: error, cause, deadline and values come down, nothing is left behind", async () => {
    const other = (await secondCopy()).context;
    const [theirs, cancel] = other.withCancelCause(other.withTimeout(other.background(), 100)[0]);
    const parent = other.withValue(theirs, name, "x");
    const [ctx] = withCancel(parent);
    const [timed, cancelTimed] = withTimeout(parent, 200);
    expect([ctx.deadline(), timed.deadline(), ctx.value(name)]).toEqual([parent.deadline(), parent.deadline(), "x"]);
    cancelTimed();
    cancel("over");
    expect(ctx.err()).toBe(theirs.err());
    expect([ctx.err() instanceof Canceled, cause(ctx), cause(theirs), cause(parent)]).toEqual([
      true,
      "over",
      "over",
      "over",
    ]);
    expect(getEventListeners(theirs.signal, "abort").length).toBe(0);
  });

  it("has the same key for a lifetime: who sets it and who heeds it need not share a copy", async () => {
    const other = (await secondCopy()).context;
    const [life] = withCancel(background());
    expect(other.background).not.toBe(background);
    expect(other.withValue(other.background(), other.lifetime, life).value(context.lifetime)).toBe(life);
    expect(String(other.withValue(other.background(), other.lifetime, life))).toContain("lifetime");
  });

  it("has its own cause, also where it is below one of ours that ends later for another reason", async () => {
    const other = (await secondCopy()).context;
    const [parent, cancelParent] = context.withCancelCause(background());
    const [theirs, cancel] = other.withCancelCause(parent);
    const [below] = withCancel(theirs);
    cancel("own");
    cancelParent("the parent's");
    expect([cause(theirs), cause(below), cause(parent)]).toEqual(["own", "own", "the parent's"]);
  });

  it("interrupts our operations, and ours theirs", async () => {
    const other = await secondCopy();
    const [theirs, cancelTheirs] = other.context.withCancel(other.context.background());
    const [ours, cancelOurs] = withCancel(background());
    const here = new Chan<number>().recv(theirs);
    const there = new other.Chan<number>().recv(ours);
    const both = Promise.allSettled([here, there]);
    cancelTheirs();
    cancelOurs();
    expect(await both).toEqual([
      { status: "rejected", reason: theirs.err() },
      { status: "rejected", reason: ours.err() },
    ]);
  });
});
