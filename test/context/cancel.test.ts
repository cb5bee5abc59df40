/**
 * Cancelling: the roots, withCancel, withCancelCause and cause.
 */
import { describe, expect, it } from "vitest";
import { type CancelCauseFunc, Chan, type Context, context, nil } from "headgate";
import { settle, virtualTime } from "../support/clock.ts";
import { kindIn } from "../support/errors.ts";

const { background, cause, withCancel, withCancelCause, withoutCancel, withTimeout, withValue } = context;
const name = context.key<string>("name");

virtualTime();

/** Every way to derive a context, by name. The timeouts are never reached. */
const derivations: Record<string, (parent: Context) => Context> = {
  withCancel: (parent) => withCancel(parent)[0],
  withCancelCause: (parent) => withCancelCause(parent)[0],
  withDeadline: (parent) => context.withDeadline(parent, Date.now() + 3_600_000)[0],
  withDeadlineCause: (parent) => context.withDeadlineCause(parent, Date.now() + 3_600_000, "late")[0],
  withTimeout: (parent) => withTimeout(parent, 3_600_000)[0],
  withTimeoutCause: (parent) => context.withTimeoutCause(parent, 3_600_000, "late")[0],
  withSignal: (parent) => context.withSignal(parent, new AbortController().signal)[0],
  withValue: (parent) => withValue(parent, name, "x"),
};

describe("background and todo", () => {
  it.each([
    ["background", background],
    ["todo", context.todo],
  ])("%s never ends and carries nothing (C1)", (_, root) => {
    const ctx = root();
    expect(ctx.done()).toBe(nil);
    expect(ctx.err()).toBeUndefined();
    expect(cause(ctx)).toBeUndefined();
    expect(ctx.deadline()).toBeUndefined();
    expect(ctx.value(name)).toBeUndefined();
    expect(ctx.signal.aborted).toBe(false);
    expect(root()).toBe(ctx);
  });

  it("are two different contexts (C1)", () => {
    expect(background()).not.toBe(context.todo());
  });
});

describe("done", () => {
  it("is one and the same channel before and after the end, whenever it is first asked for (C3)", () => {
    const [early, cancelEarly] = withCancel(background());
    const before = early.done();
    cancelEarly();
    expect(early.done()).toBe(before);
    expect(before.tryRecv()).toEqual([undefined, false]);

    const [late, cancelLate] = withCancel(background());
    cancelLate();
    expect(late.done()).toBe(late.done());
    expect(late.done().tryRecv()).toEqual([undefined, false]);
  });

  it("of a context with a value is its parent's; every other derivation has its own (C3)", () => {
    const [parent] = withCancel(background());
    for (const [how, derive] of Object.entries(derivations)) {
      expect([how, derive(parent).done() === parent.done()]).toEqual([how, how === "withValue"]);
    }
  });

  it("is nil exactly where the context can never end (C4)", () => {
    const [parent, cancel] = withCancel(background());
    cancel();
    for (const ctx of [background(), context.todo(), withoutCancel(parent), withoutCancel(background())]) {
      expect(ctx.done()).toBe(nil);
      expect(withValue(withValue(ctx, name, "a"), name, "b").done()).toBe(nil);
    }
    for (const derive of Object.values(derivations)) expect(derive(withCancel(background())[0]).done()).not.toBe(nil);
  });
});

describe("withCancel", () => {
  it("ends the context with Canceled, and not before cancel is called (C5, C10)", () => {
    const [ctx, cancel] = withCancel(background());
    expect([ctx.err(), ctx.done().tryRecv(), cause(ctx)]).toEqual([undefined, undefined, undefined]);
    cancel();
    expect(ctx.err()).toBeInstanceOf(context.Canceled);
    expect(ctx.err()?.message).toBe("context canceled");
    expect(ctx.done().tryRecv()).toEqual([undefined, false]);
    expect(cause(ctx)).toBe(ctx.err());
  });

  it("gives one error for ever, and every descendant the same one (C5)", async () => {
    const [parent, cancel] = withCancel(background());
    const children = Object.values(derivations).map((derive) => derive(parent));
    cancel();
    const err = parent.err();
    for (const ctx of [parent, ...children, ...Object.values(derivations).map((derive) => derive(parent))]) {
      expect(ctx.err()).toBe(err);
    }
    await settle();
    expect(parent.err()).toBe(err);
    const [other, cancelOther] = withCancel(background());
    cancelOther();
    expect(other.err()).not.toBe(err);
  });

  it("cancels the whole tree below before cancel returns, whatever it is made of (C10)", () => {
    const [root, cancel] = withCancelCause(background());
    let level = [root];
    const all = [root];
    for (let depth = 0; depth < 3; depth++) {
      level = level.flatMap((ctx) => Object.values(derivations).map((derive) => derive(ctx)));
      all.push(...level);
    }
    expect(all.some((ctx) => ctx.err() !== undefined)).toBe(false);
    cancel("over");
    for (const ctx of all) {
      expect(ctx.err()).toBe(root.err());
      expect(cause(ctx)).toBe("over");
      expect(ctx.done().tryRecv()).toEqual([undefined, false]);
    }
  });

  it("wakes all below, also if plain JavaScript has closed the channel of one of them (C10, C14)", async () => {
    const [parent, cancel] = withCancel(background());
    const children = [withCancel(parent)[0], withCancel(parent)[0]];
    const waiting = children.map((ctx) => ctx.done().recv());
    // A compile error in TypeScript, as in Go.
    (parent.done() as Chan<never>).close();
    expect(parent.err()).toBe(undefined);
    cancel();
    expect(await Promise.all(waiting)).toEqual([
      [undefined, false],
      [undefined, false],
    ]);
    expect([parent, ...children].map((ctx) => ctx.err()?.message)).toEqual(Array(3).fill("context canceled"));
  });

  it("wakes those who wait on done, and operations given the context with its error (C10)", async () => {
    const [ctx, cancel] = withCancel(background());
    const watching = ctx.done().recv();
    const ch = new Chan<number>();
    const receiving = ch.recv(ctx);
    cancel();
    expect(await watching).toEqual([undefined, false]);
    await expect(receiving).rejects.toBe(ctx.err());
  });

  it("can be cancelled any number of times; the first decides (C11)", () => {
    const [ctx, cancel] = withCancel(background());
    cancel();
    const err = ctx.err();
    cancel();
    cancel[Symbol.dispose]();
    expect(ctx.err()).toBe(err);
    expect(cause(ctx)).toBe(err);
  });

  it("can be cancelled from its own afterFunc, from a child's, and from a listener on its signal (C11)", async () => {
    const [parent, cancel] = withCancel(background());
    const [child, cancelChild] = withCancel(parent);
    let calls = 0;
    const again = (): void => {
      calls++;
      cancel();
      cancelChild();
    };
    context.afterFunc(parent, again);
    context.afterFunc(child, again);
    parent.signal.addEventListener("abort", again);
    child.signal.addEventListener("abort", again);
    cancelChild();
    await settle();
    expect(calls).toBe(4);
    expect(parent.err()).toBeInstanceOf(context.Canceled);
    expect(child.err()).not.toBe(parent.err());
  });

  it("ignores what is passed to cancel (C48)", () => {
    const [ctx, cancel] = withCancel(background());
    (cancel as (reason: unknown) => void)("a reason");
    expect(cause(ctx)).toBe(ctx.err());
    const [timed, cancelTimed] = context.withTimeoutCause(background(), 3_600_000, "late");
    (cancelTimed as (reason: unknown) => void)("a reason");
    expect(cause(timed)).toBe(timed.err());
  });

  it("has a cancel that a using declaration calls at the end of the block", () => {
    let ctx: Context;
    {
      const [derived, cancel] = withCancel(background());
      using _ = cancel;
      ctx = derived;
      expect(ctx.err()).toBeUndefined();
    }
    expect(ctx.err()).toBeInstanceOf(context.Canceled);
    {
      const [derived, cancel] = withCancelCause(background());
      using _ = cancel;
      ctx = derived;
    }
    expect(cause(ctx)).toBe(ctx.err());
  });

  it("never touches the parent or the siblings (C12)", () => {
    const [parent, cancelParent] = withCancel(background());
    const [first, cancelFirst] = withCancel(parent);
    const [second] = withCancel(parent);
    cancelFirst();
    expect([first.err() !== undefined, parent.err(), second.err()]).toEqual([true, undefined, undefined]);
    cancelParent();
    expect(second.err()).toBe(parent.err());
    expect(first.err()).not.toBe(parent.err());
  });

  it("makes a child of a parent that has ended born done, with the parent's error and cause (C13)", () => {
    const [parent, cancel] = withCancelCause(background());
    cancel("over");
    for (const derive of Object.values(derivations)) {
      const ctx = derive(parent);
      expect(ctx.err()).toBe(parent.err());
      expect(cause(ctx)).toBe("over");
      expect(ctx.done().tryRecv()).toEqual([undefined, false]);
    }
  });

  it("has set error and cause in the whole tree before any code is notified of the end (C14)", async () => {
    const [parent, cancel] = withCancelCause(background());
    const [child] = withCancel(parent);
    const [grandchild] = withCancel(child);
    const tree = [parent, child, grandchild];
    const seen: unknown[] = [];
    const look = (): void => {
      for (const ctx of tree) seen.push(ctx.err() === parent.err(), cause(ctx), ctx.done().tryRecv()?.[1]);
    };
    for (const ctx of tree) {
      ctx.signal.addEventListener("abort", look);
      context.afterFunc(ctx, look);
      void ctx.done().recv().then(look);
    }
    cancel("over");
    await settle();
    expect(seen).toEqual(Array.from({ length: 27 }, () => [true, "over", false]).flat());
  });

  it("has ended the whole tree before it asks anybody else's code, such as a wrapper for its error (C14)", async () => {
    const [parent, cancel] = withCancel(background());
    const [child] = withCancel(parent);
    const seen: unknown[] = [];
    const wrapper: Context = {
      deadline: () => undefined,
      done: () => parent.done(),
      value: () => undefined,
      signal: parent.signal,
      err: () => {
        seen.push(child.err());
        return parent.err();
      },
    };
    const interrupted = expect(new Chan<number>().recv(wrapper)).rejects.toBeInstanceOf(context.Canceled);
    seen.length = 0;
    cancel();
    expect(seen).toEqual([parent.err()]);
    await interrupted;
  });
});

describe("cause", () => {
  it("is what was passed to cancel, beside the error and as its cause (C30)", () => {
    const [ctx, cancel] = withCancelCause(background());
    const why = new Error("disk full");
    cancel(why);
    expect(ctx.err()).toBeInstanceOf(context.Canceled);
    expect(ctx.err()?.message).toBe("context canceled");
    expect(cause(ctx)).toBe(why);
    expect(ctx.err()?.cause).toBe(why);
  });

  it.each([0, "", false, Number.NaN, 0n])("can be %s, for only undefined and null are none (C30)", (why) => {
    const [ctx, cancel] = withCancelCause(background());
    cancel(why);
    expect(cause(ctx)).toBe(why);
    expect(ctx.err()?.cause).toBe(why);
    expect(cause(withCancel(ctx)[0])).toBe(why);
  });

  it.each([
    ["undefined", (cancel: CancelCauseFunc) => cancel(undefined)],
    ["null", (cancel: CancelCauseFunc) => cancel(null)],
    ["nothing", (cancel: CancelCauseFunc) => cancel()],
  ])("is the error itself when %s was passed (C30, C33)", (_, call) => {
    const [ctx, cancel] = withCancelCause(background());
    call(cancel);
    expect(ctx.err()).toBeInstanceOf(context.Canceled);
    expect(cause(ctx)).toBe(ctx.err());
    expect("cause" in ctx.err()!).toBe(false);
  });

  it("is decided by the first cancel together with the error, even if that gave none (C31)", () => {
    const [given, cancelGiven] = withCancelCause(background());
    cancelGiven("first");
    cancelGiven("second");
    expect(cause(given)).toBe("first");
    const [none, cancelNone] = withCancelCause(background());
    cancelNone();
    cancelNone("second");
    expect(cause(none)).toBe(none.err());
  });

  it("flows down to all that it ends, never up, and not to what has ended before (C32)", () => {
    const [top, cancelTop] = withCancelCause(background());
    const [middle, cancelMiddle] = withCancelCause(top);
    const [ended, cancelEnded] = withCancelCause(middle);
    const [leaf] = withTimeout(middle, 3_600_000);
    cancelEnded("own");
    cancelMiddle("middle");
    expect([top, middle, ended, leaf].map(cause)).toEqual([undefined, "middle", "own", "middle"]);
    cancelTop("top");
    expect([top, middle, ended, leaf].map(cause)).toEqual(["top", "middle", "own", "middle"]);
  });

  it("is undefined until the end, and is found through values (C33)", () => {
    const [parent, cancel] = withCancelCause(background());
    const ctx = withValue(withValue(parent, name, "a"), name, "b");
    expect(cause(ctx)).toBeUndefined();
    cancel("over");
    expect(cause(ctx)).toBe("over");
  });

  it("is never there behind withoutCancel, whatever has happened above (C36)", () => {
    const [parent, cancel] = withCancelCause(background());
    const before = withoutCancel(parent);
    cancel("over");
    for (const ctx of [before, withoutCancel(parent), withValue(before, name, "x")]) expect(cause(ctx)).toBeUndefined();
  });

  it("can be a context's error, which is not looked into (C37)", () => {
    const why = new context.Canceled("somebody else's", { cause: "deep" });
    const [ctx, cancel] = withCancelCause(background());
    cancel(why);
    expect(cause(ctx)).toBe(why);
    expect(ctx.err()).not.toBe(why);
  });
});

describe("misuse", () => {
  const constructors: Record<string, (parent: Context) => unknown> = { ...derivations, withoutCancel };

  it.each(Object.entries(constructors))("%s panics without a parent (C19)", (_, derive) => {
    for (const parent of [null, undefined] as unknown as Context[]) {
      expect(() => derive(parent)).toThrow(/^cannot create context from nil parent$/);
    }
  });

  it.each(Object.entries(constructors))("%s says what it got when the parent is no context (C19)", (_, derive) => {
    for (const parent of [{}, 5, "ctx"]) {
      expect(() => derive(parent as unknown as Context)).toThrow(TypeError);
      expect(() => derive(parent as unknown as Context)).toThrow(
        `expected a Context as the first argument, such as context.background(), got ${kindIn(parent)}`,
      );
    }
  });

  it("an AbortSignal in place of a context is a TypeError that names withSignal", () => {
    const { signal } = new AbortController();
    expect(() => withCancel(signal as unknown as Context)).toThrow("context.withSignal");
    expect(() => cause(signal as unknown as Context)).toThrow("context.withSignal");
  });

  it("cause and afterFunc refuse a missing context (C19)", () => {
    for (const ctx of [null, undefined] as unknown as Context[]) {
      expect(() => cause(ctx)).toThrow(TypeError);
      expect(() => context.afterFunc(ctx, () => {})).toThrow(TypeError);
    }
  });
});
