/**
 * What the tests of Go's package context pin. Causes, afterFunc, random trees and examples are in files of their own.
 */
import { describe, expect, it } from "vitest";
import { Chan, type Context, context, go, nil, type RecvChan, trySelect } from "headgate";
import type { CancelCtx } from "../../src/context/cancel.ts";
import { elapse, settle, timersSet, virtualTime } from "../support/clock.ts";

const { afterFunc, background, Canceled, cause, DeadlineExceeded, withCancel, withCancelCause, withDeadline } = context;
const { withTimeout, withoutCancel, withValue } = context;

const HOUR = 3_600_000;
const name = context.key<string>("name");

virtualTime();

type Err = ReturnType<Context["err"]>;

/** A context of somebody's own around another: the same in everything. */
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
  value<T>(key: context.Key<T>): T | undefined {
    return this.inner.value(key);
  }
}

/** One that ends when it is told to, and not with the context inside. */
class OwnEnd extends Wrapper {
  private readonly channel = new Chan<never>();
  private error: Err;
  override done(): RecvChan<never> {
    return this.channel;
  }
  override err(): Err {
    return this.error;
  }
  end(): void {
    this.error = new Canceled();
    this.channel.close();
  }
}

/** How many contexts are in the list of this one. */
function children(ctx: Context): number {
  let n = 0;
  for (let child = (ctx as CancelCtx).children; child !== null; child = child.next) n++;
  return n;
}

/** Asserts that contexts are done, with one error, or that they are not. */
function expectDone(err: typeof Canceled | typeof DeadlineExceeded, ...all: Context[]): void {
  for (const ctx of all) {
    expect(ctx.err()).toBeInstanceOf(err);
    expect(ctx.done().tryRecv()).toEqual([undefined, false]);
  }
}
function expectOpen(...all: Context[]): void {
  for (const ctx of all)
    expect([ctx.err(), ctx.done().tryRecv(), cause(ctx)]).toEqual([undefined, undefined, undefined]);
}

describe("roots", () => {
  it.each([
    ["background", "context.Background", background()],
    ["todo", "context.TODO", context.todo()],
  ])(
    "%s is never done and says its name (C1, C2) [context/x_test.go TestBackground] [context/x_test.go TestTODO]",
    (_, text, root) => {
      expect(trySelect({ done: root.done() })).toBeUndefined();
      expect([root.err(), root.done() === nil]).toEqual([undefined, true]);
      expect(String(root)).toBe(text);
    },
  );
});

describe("cancelling", () => {
  it("ends the tree at once, through wrappers too (C5, C10) [context/x_test.go TestWithCancel]", () => {
    const [ctx, cancel] = withCancel(background());
    expect(String(ctx)).toBe("context.Background.WithCancel");
    const wrapper = new Wrapper(ctx);
    const [grandchild] = withCancel(wrapper);
    expect(ctx.done()).not.toBe(nil);
    expectOpen(ctx, wrapper, grandchild);
    cancel();
    expectDone(Canceled, ctx, wrapper, grandchild);
  });

  it("finishes and forgets every kind of child (C10, C16) [context/x_test.go TestParentFinishesChild]", async () => {
    const [parent, cancel] = withCancel(background());
    const [child, stopChild] = withCancel(parent);
    const valued = withValue(parent, name, "x");
    const [timed] = withTimeout(valued, 1000 * HOUR);
    let ran = 0;
    const stop = afterFunc(valued, () => ran++);
    expect(children(parent)).toBe(3);
    expectOpen(parent, child, valued, timed);
    cancel();
    expect(children(parent)).toBe(0);
    expectDone(Canceled, parent, child, valued, timed);
    expect(stop()).toBe(false);
    await settle();
    expect(ran).toBe(1);
    stopChild();
    // One that comes late is born done, and not listed.
    expectDone(Canceled, withCancel(parent)[0], withValue(parent, name, "y"), withTimeout(parent, 1000 * HOUR)[0]);
    expect([children(parent), timersSet()]).toEqual([0, 0]);
  });

  it("a child leaves the parent as it is (C12, C16) [context/x_test.go TestChildFinishesFirst]", () => {
    const [cancelable, end] = withCancel(background());
    for (const parent of [background(), context.todo(), cancelable]) {
      const [child, cancel] = withCancel(parent);
      expect(parent === cancelable ? children(parent) : 1).toBe(1);
      cancel();
      expectDone(Canceled, child);
      expectOpen(parent);
      expect(parent === cancelable ? children(parent) : 0).toBe(0);
    }
    end();
  });

  it("takes any child off its parent (C16) [context/x_test.go TestCancelRemoves]", () => {
    const [parent] = withCancel(background());
    const makers: (() => () => unknown)[] = [
      () => withCancel(parent)[1],
      () => withTimeout(parent, HOUR)[1],
      () => afterFunc(parent, () => {}),
    ];
    for (const make of makers) {
      const counts = [children(parent)];
      const end = make();
      counts.push(children(parent));
      end();
      counts.push(children(parent));
      expect(counts).toEqual([0, 1, 0]);
    }
  });

  it("before deriving gives the child the cause (C13) [context/x_test.go TestWithCancelCanceledParent]", () => {
    const [parent, cancel] = withCancelCause(background());
    cancel("because");
    const [child] = withCancel(parent);
    expectDone(Canceled, child);
    expect([child.err(), cause(child)]).toEqual([parent.err(), "because"]);
  });

  it("while deriving does too (C13) [context/x_test.go TestWithCancelSimultaneouslyCanceledParent]", async () => {
    for (let i = 0; i < 100; i++) {
      const [parent, cancel] = withCancelCause(background());
      go(() => cancel(i));
      for (let hops = i % 4; hops > 0; hops--) await Promise.resolve();
      const [child] = withCancel(parent);
      await child.done().recv();
      expect([child.err(), cause(child)]).toEqual([parent.err(), i]);
      expectDone(Canceled, child);
    }
  });

  it("a child from a waiter on its parent (C11) [context/x_test.go TestInterlockedCancels]", async () => {
    const [parent, cancelParent] = withCancel(background());
    const [child, cancelChild] = withCancel(parent);
    go(async () => {
      await parent.done().recv();
      cancelChild();
    });
    cancelParent();
    expect(await child.done().recv()).toEqual([undefined, false]);
    await settle();
    expect(child.err()).toBe(parent.err());
  });

  it("shows error and closed channel together (C14) [context/x_test.go TestContextErrDoneRace]", async () => {
    const [ctx, cancel] = withCancel(background());
    const [child] = withCancel(ctx);
    const seen: unknown[] = [];
    const look = (): void => {
      for (const each of [ctx, child]) if (each.err() !== undefined) seen.push(each.done().tryRecv()?.[1]);
    };
    afterFunc(ctx, look);
    afterFunc(child, look);
    ctx.signal.addEventListener("abort", look);
    child.signal.addEventListener("abort", look);
    void ctx.done().recv().then(look);
    look();
    cancel();
    look();
    await settle();
    expect(seen).toEqual(Array.from({ length: 12 }, () => false));
  });
});

describe("deadlines", () => {
  const soon = (): number => Date.now() + 5;

  it("end their context, at once when past (C41, C42) [context/x_test.go TestDeadline]", async () => {
    const [plain] = withDeadline(background(), soon());
    expect(String(plain)).toMatch(/^context\.Background\.WithDeadline\(/);
    const [inner] = withDeadline(background(), soon());
    const wrapper = new Wrapper(inner);
    const [later] = withDeadline(new Wrapper(withDeadline(background(), soon())[0]), soon() + HOUR);
    expectOpen(plain, wrapper, later);
    expectDone(
      DeadlineExceeded,
      withDeadline(background(), soon() - HOUR)[0],
      withDeadline(background(), Date.now())[0],
    );
    await elapse(5);
    expectDone(DeadlineExceeded, plain, wrapper, later);
  });

  it("can be given as timeouts, and read the same (C40) [context/x_test.go TestTimeout]", async () => {
    const [plain] = withTimeout(background(), 5);
    expect(String(plain)).toMatch(/^context\.Background\.WithDeadline\(/);
    const wrapper = new Wrapper(withTimeout(background(), 5)[0]);
    const [later] = withTimeout(new Wrapper(withTimeout(background(), 5)[0]), HOUR);
    expectOpen(plain, wrapper, later);
    await elapse(5);
    expectDone(DeadlineExceeded, plain, wrapper, later);
  });

  it("of 1000 hours can be cancelled (C45, C50) [context/x_test.go TestCanceledTimeout]", async () => {
    const [inner] = withTimeout(background(), 1000 * HOUR);
    const [ctx, cancel] = withTimeout(new Wrapper(inner), 2000 * HOUR);
    await elapse(HOUR);
    expectOpen(ctx);
    cancel();
    expectDone(Canceled, ctx);
    expectOpen(inner);
  });

  it("fail as timeouts (C6) [context/x_test.go TestDeadlineExceededSupportsTimeout]", () => {
    expect(withTimeout(background(), 0)[0].err()).toHaveProperty("timeout", true);
  });

  it("fail as temporary errors (C6) [context/net_test.go TestDeadlineExceededIsNetError]", () => {
    expect(withTimeout(background(), 0)[0].err()).toMatchObject({ timeout: true, temporary: true });
  });
});

describe("values", () => {
  it("are found from the inside out, by key (C60–C62, C110) [context/x_test.go TestValues]", () => {
    const k1 = context.key<string | undefined>("key");
    const k2 = context.key<string>("key");
    const k3 = context.key<string>("k3");
    const see = (ctx: Context): unknown[] => [ctx.value(k1), ctx.value(k2), ctx.value(k3)];

    expect(see(background())).toEqual([undefined, undefined, undefined]);
    const c1 = withValue(background(), k1, "c1k1");
    expect([String(c1), see(c1)]).toEqual(["context.Background.WithValue(key, c1k1)", ["c1k1", undefined, undefined]]);
    const c2 = withValue(c1, k2, "c2k2");
    expect([String(c2), see(c2)]).toEqual([`${c1}.WithValue(key, c2k2)`, ["c1k1", "c2k2", undefined]]);
    const c3 = withValue(c2, k3, "c3k3");
    expect([String(c3), see(c3)]).toEqual([`${c2}.WithValue(k3, c3k3)`, ["c1k1", "c2k2", "c3k3"]]);
    const c4 = withValue(c3, k1, undefined);
    expect([String(c4), see(c4)]).toEqual([`${c3}.WithValue(key, <nil>)`, [undefined, "c2k2", "c3k3"]]);

    const o1 = new Wrapper(withValue(new Wrapper(background()), k1, "o1k1"));
    const o2 = withValue(withCancel(o1)[0], k3, "o2k3");
    expect(see(o2)).toEqual(["o1k1", undefined, "o2k3"]);
    expect(see(new Wrapper(withValue(o2, k1, undefined)))).toEqual([undefined, undefined, "o2k3"]);
    expect(String(o2)).toBe("Wrapper.WithCancel.WithValue(k3, o2k3)");
  });

  it("need a key (C64) [context/x_test.go TestWithValueChecksKey]", () => {
    for (const none of [null, undefined]) expect(() => withValue(background(), none as never, 1)).toThrow(/^nil key$/);
  });

  it("are all that withoutCancel keeps (C70) [context/x_test.go TestWithoutCancel]", () => {
    const [parent] = withTimeout(withValue(background(), name, "kept"), HOUR);
    const ctx = withoutCancel(parent);
    expect([ctx.deadline(), ctx.done() === nil, ctx.err(), ctx.value(name)]).toEqual([
      undefined,
      true,
      undefined,
      "kept",
    ]);
  });

  it("need a parent, as all contexts do (C19) [context/x_test.go TestInvalidDerivedFail]", () => {
    const none = null as unknown as Context;
    const panics = /^cannot create context from nil parent$/;
    expect(() => withCancel(none)).toThrow(panics);
    expect(() => withDeadline(none, Date.now() + HOUR)).toThrow(panics);
    expect(() => withValue(none, name, "x")).toThrow(panics);
  });
});

describe("somebody's own contexts", () => {
  it("are watched only where needed (C17) [context/x_test.go TestCustomContextGoroutines]", () => {
    const watchers = (ctx: Context): string => String(ctx.done());
    const [standard, cancel] = withCancel(background());
    const keeps = new Wrapper(withValue(standard, name, "x"));
    const [below, cancelBelow] = withCancel(keeps);
    withTimeout(new Wrapper(below), HOUR);
    expect([watchers(standard), children(standard), children(below)]).toEqual(["Chan(0/0)", 1, 1]);

    const own = new OwnEnd(standard);
    const [child, cancelChild] = withCancel(own);
    withCancel(new Wrapper(child));
    expect([watchers(own), children(child)]).toEqual(["Chan(0/0, 1 receiver waiting)", 1]);
    withTimeout(withValue(own, name, "y"), HOUR);
    expect(watchers(own)).toBe("Chan(0/0, 2 receivers waiting)");
    cancelChild();
    expect(watchers(own)).toBe("Chan(0/0, 1 receiver waiting)");
    own.end();
    cancelBelow();
    cancel();
    withCancel(own);
    withCancel(new Wrapper(standard));
    expect([watchers(own), watchers(standard), children(standard)]).toEqual([
      "Chan(0/0, closed)",
      "Chan(0/0, closed)",
      0,
    ]);
  });

  it("end those below by their own done() (C102) [context/x_test.go TestCustomContextPropagation]", async () => {
    const [inner, cancel] = withCancelCause(background());
    const own = new OwnEnd(inner);
    const [ctx] = withCancel(own);
    cancel("inside");
    await settle();
    expectOpen(ctx);
    own.end();
    await ctx.done().recv();
    expectDone(Canceled, ctx);
    expect(cause(ctx)).toBe("inside");
  });

  it("have their error for a cause (C32, C104) [context/x_test.go TestCustomContextCause]", async () => {
    const own = new OwnEnd(background());
    const [child, cancelChild] = withCancelCause(own);
    const [other] = withCancel(own);
    cancelChild("child");
    expectOpen(own);
    own.end();
    await other.done().recv();
    expect([cause(own), cause(child), cause(other)]).toEqual([own.err(), "child", own.err()]);

    // One that ends its child itself: the child has the cause that was given, not its parent's error.
    const strict = new OwnEnd(background());
    const [given, cancelGiven] = withCancelCause(strict);
    strict.end();
    cancelGiven("given");
    await settle();
    expect([cause(strict), cause(given)]).toEqual([strict.err(), "given"]);
  });
});
