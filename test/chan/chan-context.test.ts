/**
 * What a ctx does to an operation on a channel: it ends the wait, and nothing else.
 */
import { Chan, ClosedChannel, type Context, context, nil, select, sending } from "headgate";
import { describe, expect, it, vi } from "vitest";
import { elapse, isPending, timersSet, virtualTime } from "../support/clock.ts";
import { errorOf, failure } from "../support/errors.ts";

const cancelable = (): readonly [Context, context.CancelFunc] => context.withCancel(context.background());

const internals = (of: unknown): Chan<unknown> => of as Chan<unknown>;
const watchers = (ctx: Context): number => internals(ctx.done()).receivers.count();

type Operation = (ch: Chan<string>, ctx?: Context) => Promise<unknown>;

/** Each operation, with a channel on which it waits, and one on which it need not. */
const operations: [name: string, op: Operation, blocking: () => Chan<string>, ready: () => Chan<string>][] = [];
{
  const empty = (): Chan<string> => new Chan(1);
  const full = (): Chan<string> => {
    const ch = new Chan<string>(1);
    ch.trySend("buffered");
    return ch;
  };
  const send: Operation = (ch, ctx) => ch.send("new", ctx);
  const select1: Operation = (ch, ctx) => select({ ch, other: new Chan() }, ctx);
  const select2: Operation = (ch, ctx) => select([sending(ch, "new"), null], ctx);
  operations.push(["send", send, full, empty], ["recv", (ch, ctx) => ch.recv(ctx), empty, full]);
  // `values` itself throws if ctx is no Context.
  operations.push(["values().next()", async (ch, ctx) => ch.values(ctx).next(), empty, full]);
  operations.push(["select to receive", select1, empty, full], ["select to send", select2, full, empty]);
}

/** The channel as it stands: closed or not, the buffer, who waits. */
const standing = (ch: Chan<string>): string => String(ch);

describe.each(operations)("a %s", (_name, op, blocking, ready) => {
  it("that waits rejects with exactly ctx.err() when ctx ends, and had no effect", async () => {
    const [ctx, cancel] = cancelable();
    const ch = blocking();
    const before = standing(ch);
    const waiting = failure(op(ch, ctx));
    expect([standing(ch) === before, watchers(ctx)]).toEqual([false, 1]);
    cancel();
    expect([standing(ch), watchers(ctx)]).toEqual([before, 0]);
    const error = await waiting;
    expect(error).toBe(ctx.err());
    expect(error).toBeInstanceOf(context.Canceled);
  });

  it("under a context that is done rejects without trying", async () => {
    const [ctx, cancel] = cancelable();
    cancel();
    for (const ch of [blocking(), ready()]) {
      const before = standing(ch);
      expect(await failure(op(ch, ctx))).toBe(ctx.err());
      expect([standing(ch), watchers(ctx)]).toEqual([before, 0]);
    }
    const closed = blocking();
    closed.close();
    expect(await failure(op(closed, ctx))).toBe(ctx.err());
  });

  it("that need not wait leaves ctx alone", async () => {
    const [ctx] = cancelable();
    await op(ready(), ctx);
    expect(watchers(ctx)).toBe(0);
  });

  it("that has completed is not undone by a later cancel, even before its caller resumes (S14)", async () => {
    const [ctx, cancel] = cancelable();
    const atOnce = op(ready(), ctx);
    const ch = blocking();
    const later = op(ch, ctx);
    if (ch.tryRecv() === undefined) ch.trySend("given");
    cancel();
    await expect(Promise.all([atOnce, later])).resolves.toHaveLength(2);
    expect(watchers(ctx)).toBe(0);
  });

  it("that has been cancelled keeps none behind it waiting, and loses no value (H6)", async () => {
    const [ctx, cancel] = cancelable();
    const ch = blocking();
    const [ahead, cancelled, behind] = [op(ch), failure(op(ch, ctx)), op(ch)];
    cancel();
    const values: unknown[] = [];
    for (let i = 0; i < 2; i++) if (ch.length > 0) values.push(ch.tryRecv()?.[0]);
    if (values.length === 0) for (const value of ["a", "b"]) expect(ch.trySend(value)).toBe(true);
    expect(await cancelled).toBe(ctx.err());
    await Promise.all([ahead, behind]);
    expect(standing(ch)).toMatch(/^Chan\([01]\/1\)$/);
  });

  it("rejects with DeadlineExceeded, or with the error of an ancestor", async () => {
    const [parent, cancel] = context.withCancelCause(context.background());
    const expired = context.withTimeout(parent, 0)[0];
    const child = context.withValue(context.withCancel(parent)[0], context.key<number>("n"), 1);
    expect(await failure(op(blocking(), expired))).toBeInstanceOf(context.DeadlineExceeded);
    const waiting = failure(op(blocking(), child));
    cancel(new Error("cause"));
    expect(await waiting).toBe(parent.err());
    expect(context.cause(child)).toEqual(new Error("cause"));
  });

  it("waits as if without ctx under one that never ends", async () => {
    const ch = blocking();
    const waiting = [context.background(), context.todo(), undefined].map((ctx) => op(ch, ctx));
    for (const each of waiting) expect(await isPending(each)).toBe(true);
  });

  it("rejects with a clear TypeError if ctx is no Context, and has not been tried (rule 2)", async () => {
    for (const ctx of [null, 5, "ctx", {}, () => {}, new Date(), context, { done: 1, err: 2 }]) {
      for (const ch of [blocking(), ready()]) {
        const before = standing(ch);
        const error = await failure(op(ch, ctx as never));
        expect(error).toBeInstanceOf(TypeError);
        expect(String(error)).toContain("TypeError: ctx: expected a Context as the last argument, got ");
        expect(standing(ch)).toBe(before);
      }
    }
  });

  it("given an AbortSignal for a ctx says what to do with it", async () => {
    const error = await failure(op(blocking(), new AbortController().signal as never));
    expect(String(error)).toMatch(
      /^TypeError: ctx: expected a Context as the last argument, got AbortSignal; .*context\.withSignal/,
    );
  });
});

describe("a ctx", () => {
  it("ends operations on nil, which nothing else does (H14)", async () => {
    const [ctx, cancel] = cancelable();
    const waiting = [nil.send(1, ctx), nil.recv(ctx), nil.values(ctx).next()].map(failure);
    expect(watchers(ctx)).toBe(3);
    cancel();
    expect((await Promise.all(waiting)).every((error) => error === ctx.err())).toBe(true);
  });

  it("that ends in the same step as the channel closes: the first decides", async () => {
    const outcome = async (first: "close" | "cancel"): Promise<unknown[]> => {
      const [ctx, cancel] = cancelable();
      const ch = new Chan<string>();
      const other = new Chan<string>();
      const waiting = [ch.recv(ctx), failure(other.send("a", ctx))];
      const steps = [() => (ch.close(), other.close()), cancel];
      for (const step of first === "close" ? steps : steps.reverse()) step();
      const [received] = await Promise.allSettled(waiting);
      return [received!.status, (await waiting[1]) instanceof ClosedChannel];
    };
    expect(await outcome("close")).toEqual(["fulfilled", true]);
    expect(await outcome("cancel")).toEqual(["rejected", false]);
  });

  it("ends 10 000 waits on one channel at once, from between others that stay (H22)", async () => {
    const [ctx, cancel] = cancelable();
    const ch = new Chan<number>();
    const staying: Promise<unknown>[] = [];
    const leaving: Promise<unknown>[] = [];
    for (let n = 0; n < 10_000; n++) {
      leaving.push(failure(ch.recv(ctx)));
      staying.push(ch.recv());
    }
    cancel();
    expect(ch.receivers.count()).toBe(10_000);
    for (let n = 0; n < 10_000; n++) ch.trySend(n);
    expect(new Set(await Promise.all(leaving))).toEqual(new Set([ctx.err()]));
    expect(await Promise.all(staying)).toEqual(staying.map((_, n) => [n, true]));
  });

  it("lets a cancelled send go before the ones ahead of it, whose values stay in order (H5, H6)", async () => {
    const [ctx, cancel] = cancelable();
    const ch = new Chan<string>(1);
    const sends = ["a", "b", "c", "d"].map((value, i) => errorOf(ch.send(value, i === 2 ? ctx : undefined)));
    cancel();
    expect(await sends[2]).toBe(ctx.err());
    const values = [ch.tryRecv(), ch.tryRecv(), ch.tryRecv(), ch.tryRecv()].map((got) => got?.[0]);
    expect(values).toEqual(["a", "b", "d", undefined]);
  });
});

describe("a deadline", () => {
  virtualTime();

  it("ends the wait when it passes and not before; a wait that is over leaves no timer", async () => {
    const [ctx, cancel] = context.withTimeout(context.background(), 100);
    const waiting = new Chan<string>().recv(ctx);
    const error = failure(waiting);
    await elapse(99);
    expect(ctx.err()).toBeUndefined();
    expect(await isPending(waiting)).toBe(true);
    await elapse(1);
    expect(await error).toBe(ctx.err());
    expect(await error).toBeInstanceOf(context.DeadlineExceeded);
    cancel();
    expect(timersSet()).toBe(0);
  });
});

// ---------------------------------------------------------------------------------- foreign contexts

/** A context written by hand: it has what is given and, for the rest, nothing. */
function foreign(parts: object): { ctx: Context; end: (error?: unknown) => void } {
  let error: unknown;
  const ctx = { deadline: () => undefined, value: () => undefined, done: () => ({}), err: () => error, ...parts };
  return { ctx: ctx as unknown as Context, end: (why = new context.Canceled()) => (error = why) };
}

describe("a foreign context", () => {
  it("whose done() is a channel ends the wait when that is closed, with its own err()", async () => {
    const ending = new Chan<never>();
    const { ctx, end } = foreign({ done: () => ending });
    const ch = new Chan<string>();
    const waiting = [ch.recv(ctx), select({ ch }, ctx), ch.values(ctx).next()].map(failure);
    expect(ending.receivers.count()).toBe(3);
    const error = new Error("mine");
    end(error);
    ending.close();
    expect((await Promise.all(waiting)).every((e) => e === error)).toBe(true);
    expect([ch.receivers.head, ending.receivers.head]).toEqual([null, null]);
    expect(await failure(ch.recv(ctx))).toBe(error);
  });

  it("whose done() is closed but which has no err() is an error that says so (C105)", async () => {
    const ending = new Chan<never>();
    const { ctx } = foreign({ done: () => ending });
    const ch = new Chan<string>();
    const waiting = failure(ch.recv(ctx));
    ending.close();
    const missing = expect.objectContaining({ message: "context: internal error: missing cancel error" });
    expect(await waiting).toEqual(missing);
    expect(await failure(ch.recv(ctx))).toEqual(missing);
    expect(await failure(select({ ch }, ctx))).toEqual(missing);
    expect([ch.receivers.head, ending.receivers.head]).toEqual([null, null]);
  });

  it("whose done() is nil never ends a wait and is not listened to (C4)", async () => {
    const afterFunc = vi.fn();
    const { ctx } = foreign({ done: () => nil, afterFunc });
    const ch = new Chan<string>();
    const received = ch.recv(ctx);
    expect(await isPending(received)).toBe(true);
    expect(afterFunc).not.toHaveBeenCalled();
    ch.trySend("a");
    expect(await received).toEqual(["a", true]);
  });

  it("that turns out to be done when it is asked for its end rejects the operation with its err()", async () => {
    let error: unknown;
    const stop = vi.fn(() => false);
    const afterFunc = (f: () => void): (() => boolean) => {
      error = new context.Canceled();
      f();
      return stop;
    };
    const { ctx } = foreign({ err: () => error, afterFunc });
    const ch = new Chan<string>();
    expect(await failure(ch.recv(ctx))).toBe(error);
    expect(ch.receivers.head).toBeNull();
    expect(stop).toHaveBeenCalledOnce();
  });

  /** Foreign code is called off on a microtask, never in the middle of an operation. */
  const tick = Promise.resolve();

  it("with an afterFunc method is asked once for all who wait; the last to leave calls it off (C101)", async () => {
    const registered = new Set<() => void>();
    let calls = 0;
    const afterFunc = (f: () => void): (() => boolean) => {
      calls++;
      registered.add(f);
      return () => registered.delete(f);
    };
    const { ctx, end } = foreign({ afterFunc });
    const ch = new Chan<number>();
    const served = [ch.recv(ctx), ch.recv(ctx), select({ ch }, ctx)];
    expect([calls, registered.size]).toEqual([1, 1]);
    for (const left of [1, 1, 0]) {
      ch.trySend(1);
      await tick;
      expect(registered.size).toBe(left);
    }
    await Promise.all(served);

    const waiting = [ch.recv(ctx), ch.recv(ctx), new Chan().send(1, ctx)].map(failure);
    expect([calls, registered.size]).toEqual([2, 1]);
    end();
    for (const f of registered) f();
    expect((await Promise.all(waiting)).every((error) => error === ctx.err())).toBe(true);
    expect([ch.receivers.head, registered.size]).toEqual([null, 0]);
  });

  /** A context that has nothing but a signal, and the listeners on that. */
  const signalled = (): { ctx: Context; abort: () => void; listeners: string[] } => {
    const controller = new AbortController();
    const { signal } = controller;
    const { ctx, end } = foreign({ signal });
    const listeners: string[] = [];
    const [add, remove] = [signal.addEventListener.bind(signal), signal.removeEventListener.bind(signal)];
    vi.spyOn(signal, "addEventListener").mockImplementation((...args: Parameters<typeof add>) => {
      listeners.push(args[0]);
      add(...args);
    });
    vi.spyOn(signal, "removeEventListener").mockImplementation((...args: Parameters<typeof remove>) => {
      listeners.pop();
      remove(...args);
    });
    return { ctx, listeners, abort: () => (end(), controller.abort()) };
  };

  it("with only an AbortSignal gets one listener however many wait, removed with the last", async () => {
    const { ctx, listeners } = signalled();
    const ch = new Chan<number>();
    const loop = ch.values(ctx);
    const waiting = [ch.recv(ctx), select({ ch }, ctx), loop.next(), ch.recv(ctx)];
    const counts = [listeners.length];
    void loop.return!();
    for (let n = 0; n < 3; n++) {
      ch.trySend(n);
      await tick;
      counts.push(listeners.length);
    }
    expect(counts).toEqual([1, 1, 1, 0]);
    expect(listeners).toEqual([]);
    await Promise.all(waiting);
  });

  it("with only an AbortSignal loses the listener in whatever way the last wait ends", async () => {
    const { ctx, listeners } = signalled();
    const ways: ((ch: Chan<number>) => unknown)[] = [
      (ch) => (ch.send(1, ctx), ch.tryRecv()),
      (ch) => (ch.recv(ctx), ch.trySend(1)),
      (ch) => (select({ ch, out: sending(ch, 1) }, ctx), ch.trySend(1)),
      (ch) => (ch.recv(ctx), ch.recv(ctx), ch.close()),
      (ch) => (errorOf(ch.send(1, ctx)), errorOf(select([sending(ch, 1)], ctx)), ch.close()),
      (ch) => {
        const loop = ch.values(ctx);
        return [loop.next(), loop.next(), loop.return!()];
      },
    ];
    for (const way of ways) {
      const ch = new Chan<number>();
      const guard = new Chan<number>();
      const first = guard.recv(ctx);
      expect(listeners).toEqual(["abort"]);
      void way(ch);
      expect(listeners).toEqual(["abort"]);
      guard.trySend(1);
      await tick;
      expect(listeners).toEqual([]);
      void way(new Chan());
      expect([listeners, await first]).toEqual([[], [1, true]]);
    }
  });

  it("with only an AbortSignal ends every wait when that aborts", async () => {
    const { ctx, listeners, abort } = signalled();
    const ch = new Chan<number>();
    const waiting = [ch.recv(ctx), select({ ch }, ctx), ch.values(ctx).next(), nil.send(1, ctx)].map(failure);
    abort();
    expect((await Promise.all(waiting)).every((error) => error === ctx.err())).toBe(true);
    expect([ch.receivers.head, listeners]).toEqual([null, []]);
    expect(await failure(ch.recv(ctx))).toBe(ctx.err());
  });

  it("whose signal has aborted but which has no err() is an error that says so (C105)", async () => {
    const { ctx } = foreign({ signal: AbortSignal.abort() });
    const ch = new Chan<number>();
    expect(await failure(ch.recv(ctx))).toEqual(new Error("context: internal error: missing cancel error"));
    expect(ch.receivers.head).toBeNull();
  });

  it("that cannot be watched at all is a TypeError that says what it lacks, and nothing has happened", async () => {
    const { ctx } = foreign({});
    const ch = new Chan<number>();
    for (const waiting of [ch.recv(ctx), ch.send(1, ctx), select({ ch }, ctx), ch.values(ctx).next()]) {
      const error = await failure(waiting);
      expect(error).toBeInstanceOf(TypeError);
      expect(String(error)).toMatch(/done\(\) .*afterFunc.*signal/);
    }
    expect(standing(ch as never)).toBe("Chan(0/0)");
    const buffered = new Chan<number>(1);
    await buffered.send(1, ctx);
    expect(await buffered.recv(ctx)).toEqual([1, true]);
  });

  it("made by another copy of the package works as our own does", async () => {
    vi.resetModules();
    const other = await import("headgate");
    const [ctx, cancel] = other.context.withCancel(other.context.background());
    const ch = new Chan<string>();
    const waiting = [ch.recv(ctx), select({ out: sending(new Chan<string>(), "a"), ch }, ctx)].map(failure);
    expect(await isPending(ch.recv(other.context.background()))).toBe(true);
    cancel();
    expect(await Promise.all(waiting)).toEqual([ctx.err(), ctx.err()]);
    expect(ctx.err()).toBeInstanceOf(context.Canceled);
    expect(standing(ch)).toBe("Chan(0/0, 1 receiver waiting)");
  });
});
