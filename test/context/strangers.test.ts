/**
 * Other people's signals, contexts, promises and dates: what they do when they are asked, wrongly or in bad faith, costs nobody a value.
 */
import { runInNewContext } from "node:vm";
import { getEventListeners } from "node:events";
import { Chan, type Context, context, nil, select, semaphore, sending, sync } from "headgate";
import { describe, expect, it } from "vitest";
import { failure } from "../support/errors.ts";
import { generator } from "../support/random.ts";

const { background, cause, withCancel, withDeadline, withSignal, withTimeout } = context;
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
/** A signal that is no AbortSignal, around one that is. */
class Wrapper {
  readonly inner: AbortSignal;
  constructor(inner: AbortSignal) {
    this.inner = inner;
  }
  get aborted(): boolean {
    return this.inner.aborted;
  }
  get reason(): unknown {
    return this.inner.reason;
  }
  addEventListener(type: string, listener: () => void): void {
    this.inner.addEventListener(type, listener);
  }
  removeEventListener(type: string, listener: () => void): void {
    this.inner.removeEventListener(type, listener);
  }
}

/** A polyfill that calls its listeners with a `this` of its own choice. */
function polyfill(self: unknown): {
  signal: AbortSignal;
  abort: (reason: unknown) => void;
  listeners: Set<() => void>;
} {
  const listeners = new Set<() => void>();
  const signal = {
    aborted: false,
    reason: undefined as unknown,
    addEventListener: (_: string, listener: () => void) => listeners.add(listener),
    removeEventListener: (_: string, listener: () => void) => listeners.delete(listener),
  };
  const abort = (reason: unknown): void => {
    Object.assign(signal, { aborted: true, reason });
    for (const listener of listeners) listener.call(self as never);
  };
  return { signal: signal as unknown as AbortSignal, abort, listeners };
}

describe("a signal of somebody else's", () => {
  it("that delegates to a real one ends the context, with its reason, and keeps no listener", () => {
    const controller = new AbortController();
    const [ctx] = withSignal(background(), new Wrapper(controller.signal) as unknown as AbortSignal);
    controller.abort("over");
    expect([ctx.err()?.message, cause(ctx)]).toEqual(["context canceled", "over"]);
    expect(getEventListeners(controller.signal, "abort").length).toBe(0);
  });

  it.each([
    ["undefined", undefined],
    ["globalThis", globalThis],
    ["another object", {}],
  ])("that calls its listeners with %s for this ends the context", (_, self) => {
    const { signal, abort, listeners } = polyfill(self);
    const [ctx, cancel] = withSignal(background(), signal);
    const [other, cancelOther] = withSignal(background(), signal);
    cancelOther();
    expect(listeners.size).toBe(1);
    abort(new DOMException("late", "TimeoutError"));
    expect(ctx.err()).toBeInstanceOf(context.DeadlineExceeded);
    expect([cause(other), listeners.size]).toEqual([other.err(), 0]);
    cancel();
  });

  it("ends the context though another's listener stops the event, with capture or without", async () => {
    for (const options of [undefined, { capture: true }]) {
      const controller = new AbortController();
      controller.signal.addEventListener("abort", (event) => event.stopImmediatePropagation(), options);
      const [ctx] = withSignal(background(), controller.signal);
      const waiting = failure(new Chan<number>().recv(ctx));
      controller.abort("over");
      expect([cause(ctx), ctx.done().tryRecv()]).toEqual(["over", [undefined, false]]);
      expect(await waiting).toBe(ctx.err());
    }
  });

  it("does not end the context by an event that somebody has forged, and does by the real one", () => {
    const controller = new AbortController();
    const [ctx] = withSignal(background(), controller.signal);
    controller.signal.dispatchEvent(new Event("abort"));
    expect(ctx.err()).toBeUndefined();
    controller.abort("over");
    expect(cause(ctx)).toBe("over");
  });

  it("may have any reason: one whose name cannot be read is the cause all the same", () => {
    const spiteful = Object.defineProperty({}, "name", {
      get() {
        throw new Error("no");
      },
    });
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const reason of [spiteful, proxy, null, 0, "", Symbol("s")]) {
      const controller = new AbortController();
      const [ctx] = withSignal(background(), controller.signal);
      controller.abort(reason);
      expect(ctx.err()).toBeInstanceOf(context.Canceled);
      expect(cause(ctx) === (reason ?? ctx.err())).toBe(true);
    }
  });

  it("that is kept alive by nobody else ends what waits under it", async () => {
    const waiting = (() => {
      const [ctx] = withSignal(background(), AbortSignal.timeout(20));
      return failure(new Chan<number>().recv(ctx));
    })();
    for (let i = 0; i < 3; i++) {
      globalThis.gc!();
      await settle();
    }
    expect(await waiting).toBeInstanceOf(context.DeadlineExceeded);
  });

  it("that cannot take a listener off hinders no cancel", () => {
    const { signal } = polyfill(undefined);
    signal.removeEventListener = () => {
      throw new Error("no");
    };
    const [ctx, cancel] = withSignal(background(), signal);
    cancel();
    expect(ctx.err()).toBeInstanceOf(context.Canceled);
  });
});

/** A context of somebody's own that can only be watched by `afterFunc`, and does something when it is, and when it is called off. */
function meddling(doing: { watched?: () => void; left?: () => void }): { ctx: Context; end: () => void } {
  let error: context.Canceled | undefined;
  const listeners = new Set<() => void>();
  const ctx = {
    deadline: () => undefined,
    done: () => ({}) as never,
    err: () => error,
    value: () => undefined,
    signal: undefined as never,
    afterFunc(f: () => void) {
      doing.watched?.();
      listeners.add(f);
      return () => {
        doing.left?.();
        return listeners.delete(f);
      };
    },
  };
  const end = (): void => {
    error = new context.Canceled();
    for (const f of listeners) f();
  };
  return { ctx, end };
}

describe("a context that calls back into what is waited for", () => {
  const ways: Record<string, (ch: Chan<string>, ctx: Context) => Promise<unknown>> = {
    recv: (ch, ctx) => ch.recv(ctx).then(([value]) => value),
    select: (ch, ctx) => select({ ch, never: new Chan<string>() }, ctx).then((got) => got.case === "ch" && got.value),
    "a select of a list": (ch, ctx) => select([nil, ch], ctx).then((got) => (got as { value: string }).value),
    values: (ch, ctx) =>
      ch
        .values(ctx)
        .next()
        .then(({ value }) => value as string),
  };

  it.each(Object.keys(ways))(
    "when it is watched: %s gets the value that it sends, in a buffer or by hand",
    async (way) => {
      const buffered = new Chan<string>(1);
      const { ctx } = meddling({ watched: () => buffered.trySend("sent by the context") });
      expect(await ways[way]!(buffered, ctx)).toBe("sent by the context");
      const ch = new Chan<string>();
      const { ctx: other } = meddling({ watched: () => void ch.send("sent by the context") });
      expect(await ways[way]!(ch, other)).toBe("sent by the context");
      expect([ch.receivers.head, ch.senders.head]).toEqual([null, null]);
    },
  );

  it.each(Object.keys(ways))(
    "when it is left: %s gets its own value, and what the context sends is not lost",
    async (way) => {
      const ch = new Chan<string>(1);
      const { ctx } = meddling({ left: () => ch.trySend("sent by the context") });
      const waiting = ways[way]!(ch, ctx);
      expect(ch.trySend("mine")).toBe(true);
      expect(await waiting).toBe("mine");
      await settle();
      expect(ch.tryRecv()).toEqual(["sent by the context", true]);
    },
  );

  it("when it is watched: a send finds the receiver, a lock the unlock, an acquire the release", async () => {
    const ch = new Chan<number>();
    const got: unknown[] = [];
    await ch.send(1, meddling({ watched: () => void ch.recv().then(([value]) => got.push(value)) }).ctx);
    await settle();
    expect(got).toEqual([1]);
    const mu = new sync.Mutex();
    await mu.lock();
    (await mu.lock(meddling({ watched: () => mu.unlock() }).ctx))[Symbol.dispose]();
    expect(mu.tryLock()).toBe(true);
    const sem = new semaphore.Weighted(1);
    await sem.acquire();
    await sem.acquire(1, meddling({ watched: () => sem.release() }).ctx);
    const wg = new sync.WaitGroup();
    wg.add(1);
    await wg.wait(meddling({ watched: () => wg.done() }).ctx);
  });

  it("ends what waits under it, and is asked again by those who wait later", async () => {
    const { ctx, end } = meddling({});
    const ch = new Chan<number>();
    const waiting = [ch.recv(ctx), select({ ch, out: sending(new Chan<number>(), 1) }, ctx)].map(failure);
    end();
    expect(await Promise.all(waiting)).toEqual([ctx.err(), ctx.err()]);
    expect(await failure(ch.recv(ctx))).toBe(ctx.err());
    expect(ch.receivers.head).toBeNull();
  });

  it("also below a value, where its done() is asked: nothing is lost, nobody waits for what is there", async () => {
    let hook = (): unknown => undefined;
    const end = new Chan<never>();
    const theirs = {
      deadline: () => undefined,
      err: () => undefined,
      value: () => undefined,
      signal: new AbortController().signal,
      done() {
        const called = hook;
        hook = () => undefined;
        called();
        return end;
      },
    } as unknown as Context;
    const ctx = context.withValue<number>(theirs, context.key("k"), 1);
    const buffered = new Chan<string>(1);
    hook = () => buffered.trySend("V");
    expect(await buffered.recv(ctx)).toEqual(["V", true]);
    const ch = new Chan<string>();
    hook = () => ch.send("V");
    expect(await select({ ch }, ctx)).toEqual({ case: "ch", value: "V", ok: true });
    const mu = new sync.Mutex();
    await mu.lock();
    hook = () => mu.unlock();
    await mu.lock(ctx);
    expect(String(mu)).toBe("sync.Mutex(locked)");
  });

  it("and so ends while it is derived from, or again while it is ended, ends what is derived, once", () => {
    const { ctx: theirs, end } = meddling({});
    let [isAsked, calls] = [false, 0];
    const ends = { ...theirs, err: () => theirs.err(), value: () => (isAsked ? undefined : ((isAsked = true), end())) };
    const [ctx] = withCancel(ends as unknown as Context);
    expect(ctx.err()).toBe(theirs.err());
    const { ctx: other, end: endOther } = meddling({});
    const [merged, cancel] = context.merge(
      { ...other, err: () => (calls++ > 1 && cancel(), other.err()) },
      background(),
    );
    merged.signal.addEventListener("abort", () => calls++);
    endOther();
    expect(merged.err()).toBeInstanceOf(context.Canceled);
  });

  it("that throws where it is asked makes the operation reject, with what it threw as the cause", async () => {
    const no = new Error("no");
    const throws = (): never => {
      throw no;
    };
    for (const method of ["err", "done", "afterFunc"]) {
      const { ctx } = meddling({});
      const broken = { ...ctx, [method]: throws } as unknown as Context;
      for (const operation of [
        (c: Context) => new Chan<number>().recv(c),
        (c: Context) => select({ a: new Chan() }, c),
      ]) {
        const error = (await failure(operation(broken))) as Error;
        expect([error.name, error.cause]).toEqual(["TypeError", no]);
      }
    }
  });
});

describe("a promise of somebody else's", () => {
  it("is not touched when the context has ended already", async () => {
    const [ctx, cancel] = withCancel(background());
    cancel();
    let touched = 0;
    const lazy = {
      get then() {
        touched++;
        return (ok: (value: number) => void) => ok(1);
      },
    } as unknown as PromiseLike<number>;
    expect(await failure(context.wait(lazy, ctx))).toBe(ctx.err());
    expect(touched).toBe(0);
    expect([await context.wait(lazy), touched]).toEqual([1, 1]);
  });

  it("that has rejected under a context that has ended troubles nobody", async () => {
    const [ctx, cancel] = withCancel(background());
    cancel();
    const unhandled: unknown[] = [];
    const heard = (error: unknown): void => void unhandled.push(error);
    process.on("unhandledRejection", heard);
    expect(await failure(context.wait(Promise.reject(new Error("unseen")), ctx))).toBe(ctx.err());
    await settle();
    process.off("unhandledRejection", heard);
    expect(unhandled).toEqual([]);
  });

  it("whose then cannot be read makes the wait reject, and not throw", async () => {
    const no = new Error("no");
    const spiteful = Object.defineProperty({}, "then", {
      get() {
        throw no;
      },
    }) as PromiseLike<number>;
    const waiting = context.wait(spiteful);
    expect(await failure(waiting)).toBe(no);
    expect(await failure(context.wait(null as never))).toBeInstanceOf(TypeError);
  });

  it("that comes late is handed to `late`, once, and not where it came in time", async () => {
    const late: string[] = [];
    let resolve!: (value: string) => void;
    const connecting = new Promise<string>((ok) => (resolve = ok));
    const [ctx, cancel] = withCancel(background());
    const waiting = failure(context.wait(connecting, ctx, (value) => late.push(value)));
    cancel();
    expect(await waiting).toBe(ctx.err());
    resolve("a connection");
    await settle();
    expect(late).toEqual(["a connection"]);
    expect(await context.wait(connecting, background(), (value) => late.push(value))).toBe("a connection");
    expect(await failure(context.wait(connecting, ctx, (value) => late.push(`after the end: ${value}`)))).toBe(
      ctx.err(),
    );
    await settle();
    expect(late).toEqual(["a connection", "after the end: a connection"]);
    expect(await failure(context.wait(connecting, ctx, 1 as never))).toBeInstanceOf(TypeError);
  });

  it("that is a query starts once, and its late result is handed over", async () => {
    let started = 0;
    const late: number[] = [];
    let resolve!: (value: number) => void;
    const query = {
      then: (ok: (value: number) => void) => (started++, (resolve = ok)),
    } as unknown as PromiseLike<number>;
    const [ctx, cancel] = withCancel(background());
    const waiting = failure(context.wait(query, ctx, (value) => late.push(value)));
    await settle();
    cancel();
    expect(await waiting).toBe(ctx.err());
    resolve(7);
    await settle();
    expect([started, late]).toEqual([1, [7]]);
  });
});

describe("a Date", () => {
  it("of another realm is a deadline as any other", () => {
    const at = Date.now() + 60_000;
    const foreign = runInNewContext(`new Date(${at})`) as Date;
    const [ctx, cancel] = withDeadline(background(), foreign);
    expect([foreign instanceof Date, ctx.deadline()]).toEqual([false, at]);
    cancel();
  });

  it("that is invalid, or is none, is refused with a sentence", () => {
    expect(() => withDeadline(background(), new Date(NaN))).toThrow(RangeError);
    for (const none of [{}, "2030-01-01", null, [], { getTime: () => "soon" }]) {
      expect(() => withDeadline(background(), none as never)).toThrow(/withDeadline: expected epoch ms or a Date/);
    }
  });
});

describe("context.from", () => {
  it("makes a child of a context, whose release ends the child alone", () => {
    const [parent, cancel] = withTimeout(background(), 60_000);
    const [ctx, release] = context.from(parent);
    expect(ctx.deadline()).toBe(parent.deadline());
    release();
    expect([ctx.err()?.message, parent.err()]).toEqual(["context canceled", undefined]);
    cancel();
  });

  it("ends with an AbortSignal, or with that of an options object, and leaves nothing on it", () => {
    for (const wrap of [(signal: AbortSignal) => signal, (signal: AbortSignal) => ({ signal, retries: 3 })]) {
      const controller = new AbortController();
      const [ctx] = context.from(wrap(controller.signal));
      const [other, release] = context.from(wrap(controller.signal));
      release();
      expect(other.err()).toBeInstanceOf(context.Canceled);
      controller.abort("user left");
      expect([cause(ctx), getEventListeners(controller.signal, "abort").length]).toEqual(["user left", 0]);
    }
  });

  it("of nothing, or of options without a signal, ends by release alone", () => {
    for (const nothing of [undefined, null, {}, { signal: undefined }, { signal: null }]) {
      const [ctx, release] = context.from(nothing);
      expect(ctx.err()).toBeUndefined();
      release();
      expect(ctx.err()).toBeInstanceOf(context.Canceled);
    }
  });

  it("refuses options whose signal cannot be read", () => {
    const options = Object.defineProperty({}, "signal", {
      get() {
        throw new Error("no");
      },
    });
    expect(() => context.from(options)).toThrow("from: the signal of the options cannot be read");
  });

  it("refuses what is neither", () => {
    for (const none of [5, "signal", true, { signal: {} }, { signal: 1 }, () => {}]) {
      expect(() => context.from(none as never)).toThrow(/^from: expected/);
    }
  });
});

describe("context.merge", () => {
  const why = new Error("why");

  it.each(["the first", "the second"])("ends with %s, with its error and cause, in the same step", (which) => {
    const [first, cancelFirst] = context.withCancelCause(background());
    const [second, cancelSecond] = context.withCancelCause(background());
    const [ctx] = context.merge(first, second);
    const [child] = withCancel(ctx);
    const seen: unknown[] = [];
    const [ended, cancel] = which === "the first" ? [first, cancelFirst] : [second, cancelSecond];
    for (const watched of [ended, ctx, child]) {
      watched.signal.addEventListener("abort", () =>
        seen.push([ended, ctx, child].every((c) => c.err() === ended.err())),
      );
    }
    cancel(why);
    expect([cause(ctx), child.err(), seen]).toEqual([why, ended.err(), [true, true, true]]);
  });

  it("has the values of the first, and the earlier deadline", () => {
    const key = context.key<string>("k");
    const [first, cancelFirst] = withTimeout(context.withValue(background(), key, "first"), 60_000);
    const [second, cancelSecond] = withTimeout(context.withValue(background(), key, "second"), 30_000);
    const [ctx, cancel] = context.merge(first, second);
    expect([ctx.value(key), ctx.deadline()]).toEqual(["first", second.deadline()]);
    const [later] = withTimeout(ctx, 45_000);
    expect(later.deadline()).toBe(second.deadline());
    expect(String(ctx)).toMatch(/\.Merge\(context\.Background\.WithValue\(k, second\)\.WithDeadline/);
    expect(JSON.stringify(ctx)).not.toMatch(/first|second/);
    for (const end of [cancel, cancelFirst, cancelSecond]) end();
  });

  it("ends with contexts that are above each other, and all their kin with them, whatever is merged with what", () => {
    const random = generator(7);
    const below = (n: number): number => Math.floor(random() * n);
    for (let round = 0; round < 300; round++) {
      const made: { ctx: Context; cancel: (cause?: unknown) => void; of: Context[] }[] = [];
      const [root, cancelRoot] = context.withCancelCause(background());
      made.push({ ctx: root, cancel: cancelRoot, of: [] });
      for (let i = 0; i < 12; i++) {
        const [a, b] = [made[below(made.length)]!.ctx, made[below(made.length)]!.ctx];
        const isMerge = random() < 0.5;
        const [ctx, cancel] = isMerge ? context.merge(a, b) : withCancel(a);
        made.push({ ctx, cancel, of: isMerge ? [a, b] : [a] });
      }
      const first = made[below(made.length)]!;
      first.cancel();
      const ended = new Set<Context>([first.ctx]);
      for (const { ctx, of } of made) if (of.some((above) => ended.has(above))) ended.add(ctx);
      expect(made.map(({ ctx }) => ctx.err() !== undefined)).toEqual(made.map(({ ctx }) => ended.has(ctx)));
      cancelRoot();
      expect(made.every(({ ctx }) => ctx.err() !== undefined)).toBe(true);
    }
  });

  it("of a context with itself, or with its parent, leaves no sibling behind", () => {
    const [parent, cancel] = withCancel(background());
    context.merge(parent, parent);
    const [child] = withCancel(parent);
    const [both] = context.merge(child, parent);
    const [sibling] = withCancel(parent);
    cancel();
    expect([sibling.err(), both.err(), child.err()]).toEqual([parent.err(), parent.err(), parent.err()]);
  });

  it("stays with neither when it has ended, and is born done under one that has", () => {
    const children = (ctx: Context): unknown => (ctx as unknown as { children: unknown }).children;
    const [first] = withCancel(background());
    const [second, cancelSecond] = withCancel(background());
    const [ctx, cancel] = context.merge(first, second);
    expect([children(first), children(second)]).not.toContain(null);
    cancel();
    expect([ctx.err()?.message, children(first), children(second)]).toEqual(["context canceled", null, null]);
    cancelSecond();
    const [late] = context.merge(first, second);
    expect([late.err(), children(first)]).toEqual([second.err(), null]);
    const [same] = context.merge(second, second);
    expect(same.err()).toBe(second.err());
  });

  it("takes contexts of somebody else's on either side, and lets go of them", async () => {
    for (const side of [0, 1]) {
      const { ctx: foreign, end } = meddling({});
      const pair = side === 0 ? ([foreign, background()] as const) : ([background(), foreign] as const);
      const [ctx, cancel] = context.merge(...pair);
      const [other] = context.merge(...pair);
      cancel();
      await settle();
      end();
      await settle();
      expect([ctx.err() === foreign.err(), other.err() === foreign.err()]).toEqual([false, true]);
    }
    expect(() => context.merge(background(), {} as never)).toThrow(
      /merge: expected a Context as the second argument, got Object/,
    );
    expect(() => context.merge(null as never, background())).toThrow("cannot create context from nil parent");
  });
});

it("isContext knows ours, those of somebody's own, and nothing else", () => {
  expect([background(), withCancel(background())[0], meddling({}).ctx].map(context.isContext)).toEqual([
    true,
    true,
    true,
  ]);
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  for (const none of [null, undefined, {}, 1, "ctx", new AbortController().signal, proxy, () => {}]) {
    expect(context.isContext(none)).toBe(false);
  }
});
