/**
 * Values and their keys, and withoutCancel, which keeps nothing else.
 */
import { describe, expect, it } from "vitest";
import { type Context, context, type Key, nil } from "headgate";
import { elapse, settle, virtualTime } from "../support/clock.ts";

const { background, key, withCancel, withoutCancel, withTimeout, withValue } = context;
const a = key<string | undefined>("a");
const b = key<number>("b");

describe("value", () => {
  it("is that of the innermost withValue with the key; a miss is undefined (C60)", () => {
    const outer = withValue(background(), a, "outer");
    const ctx = withValue(withValue(outer, b, 1), a, "inner");
    expect([ctx.value(a), ctx.value(b), outer.value(a), outer.value(b)]).toEqual(["inner", 1, "outer", undefined]);
  });

  it("can be undefined, which hides an outer one (C60)", () => {
    expect(withValue(withValue(background(), a, "outer"), a, undefined).value(a)).toBeUndefined();
  });

  it("belongs to one key alone, also when another has the same description (C61)", () => {
    const twin = key<string>("a");
    const ctx = withValue(background(), a, "mine");
    expect(ctx.value(twin)).toBeUndefined();
    expect(withValue(ctx, twin, "theirs").value(a)).toBe("mine");
  });

  it("is looked up by identity, for any key that is passed (C61)", () => {
    const keys = [1, "1", 0, "", false, Symbol("s"), { description: "a" }] as unknown as Key<number>[];
    let ctx: Context = background();
    for (const [i, each] of keys.entries()) ctx = withValue(ctx, each, i);
    expect(keys.map((each) => ctx.value(each))).toEqual([0, 1, 2, 3, 4, 5, 6]);
    expect(ctx.value({ description: "a" } as Key<number>)).toBeUndefined();
  });

  it("is found through contexts of every kind (C62)", () => {
    let ctx: Context = withValue(background(), a, "deep");
    ctx = withCancel(ctx)[0];
    ctx = context.withCancelCause(ctx)[0];
    ctx = withTimeout(ctx, Infinity)[0];
    ctx = context.withDeadline(ctx, 0)[0];
    ctx = context.withSignal(ctx, new AbortController().signal)[0];
    ctx = withoutCancel(ctx);
    ctx = withValue(ctx, b, 1);
    expect(ctx.value(a)).toBe("deep");
  });

  it("is asked of a foreign context by its own method, which may hide keys (C62)", () => {
    const inner = withValue(withValue(background(), a, "secret"), b, 1);
    const hiding: Context = {
      deadline: () => inner.deadline(),
      done: () => inner.done(),
      err: () => inner.err(),
      value: (asked) => ((asked as Key<unknown>) === a ? undefined : inner.value(asked)),
      signal: inner.signal,
    };
    const ctx = withCancel(hiding)[0];
    expect([ctx.value(a), ctx.value(b)]).toEqual([undefined, 1]);
  });

  it("survives the end of the context (C63)", () => {
    const [parent, cancel] = withCancel(withValue(background(), a, "kept"));
    const ctx = withValue(parent, b, 2);
    cancel();
    expect([ctx.value(a), ctx.value(b)]).toEqual(["kept", 2]);
  });

  it.each([0, "", false, null, undefined, Number.NaN])("can be %s (C65)", (value) => {
    const odd = key<unknown>("odd");
    expect(withValue(withValue(background(), odd, "outer"), odd, value).value(odd)).toBe(value);
  });

  it("comes with the end and the deadline of the parent as they are now, not as they were (C66)", async () => {
    const [parent, cancel] = withCancel(background());
    const ctx = withValue(withValue(parent, a, "x"), b, 1);
    expect([ctx.done() === parent.done(), ctx.err(), ctx.deadline()]).toEqual([true, undefined, undefined]);
    expect(ctx.signal).toBe(parent.signal);
    cancel();
    expect(ctx.err()).toBe(parent.err());
    expect(ctx.done().tryRecv()).toEqual([undefined, false]);
    expect(ctx.signal.aborted).toBe(true);
  });
});

describe("withValue", () => {
  it("panics without a key, and asks for the parent first (C64)", () => {
    for (const none of [null, undefined] as unknown as Key<number>[]) {
      expect(() => withValue(background(), none, 1)).toThrow(/^nil key$/);
      expect(() => withValue(null as unknown as Context, none, 1)).toThrow(/^cannot create context from nil parent$/);
    }
  });
});

describe("key", () => {
  it("has the description it was made with, and each is a new one (C61)", () => {
    expect(key("user").description).toBe("user");
    expect(key("user")).not.toBe(key("user"));
  });

  it("wants a description", () => {
    for (const none of [undefined, null, 5, Symbol("k")]) expect(() => key(none as never)).toThrow(TypeError);
  });
});

describe("withoutCancel", () => {
  virtualTime();

  it("keeps the values and nothing else (C70)", async () => {
    const [parent, cancel] = context.withCancelCause(withTimeout(withValue(background(), a, "kept"), 100)[0]);
    const ctx = withoutCancel(parent);
    cancel("over");
    await elapse(200);
    for (const each of [ctx, withoutCancel(parent)]) {
      expect(each.done()).toBe(nil);
      expect([each.err(), each.deadline(), context.cause(each)]).toEqual([undefined, undefined, undefined]);
      expect(each.signal.aborted).toBe(false);
      expect(each.value(a)).toBe("kept");
    }
  });

  it("lets what is derived below live its own life, also with a later deadline than above (C71)", async () => {
    const [parent, cancel] = withTimeout(background(), 100);
    const [below, cancelBelow] = withCancel(withoutCancel(parent));
    const [later] = withTimeout(withoutCancel(parent), 200);
    expect(later.deadline()).toBe(parent.deadline()! + 100);
    cancel();
    expect([below.err(), later.err()]).toEqual([undefined, undefined]);
    cancelBelow();
    await elapse(200);
    expect([below.err(), later.err()]).toMatchObject([{ name: "AbortError" }, { name: "TimeoutError" }]);
  });

  it("never starts an afterFunc; its stop is true once (C72)", async () => {
    const [parent, cancel] = withCancel(background());
    let calls = 0;
    const stop = context.afterFunc(withoutCancel(parent), () => calls++);
    cancel();
    await settle();
    expect([stop(), stop(), calls]).toEqual([true, false, 0]);
  });
});

describe("lifetime", () => {
  it("is a key under which a context carries another, kept by withoutCancel", () => {
    const [grace, endGrace] = withCancel(background());
    const [job, cancelJob] = withCancel(withValue(background(), context.lifetime, grace));
    cancelJob();
    const cleanup = withoutCancel(job);
    expect(cleanup.value(context.lifetime)).toBe(grace);
    endGrace();
    expect([cleanup.err(), cleanup.value(context.lifetime)?.err()?.message]).toEqual([undefined, "context canceled"]);
    expect(background().value(context.lifetime)).toBeUndefined();
  });
});
