/**
 * wait: somebody else's promise, under a context.
 */
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { type Context, context } from "headgate";
import { elapse, isPending, settle, timersSet, virtualTime } from "../support/clock.ts";

const { background, wait, withCancel, withCancelCause, withTimeout } = context;

const unhandled: unknown[] = [];
const note = (reason: unknown): void => void unhandled.push(reason);

/** A promise, and the functions that settle it. */
function deferred<T>(): { promise: Promise<T>; resolve: (value: T) => void; reject: (error: unknown) => void } {
  let resolve!: (value: T) => void;
  let reject!: (error: unknown) => void;
  const promise = new Promise<T>((res, rej) => {
    resolve = res;
    reject = rej;
  });
  return { promise, resolve, reject };
}

/** How many wait on a context. */
const waitersOn = (ctx: Context): string => String(ctx.done());

describe("wait", () => {
  virtualTime();
  beforeEach(() => {
    unhandled.length = 0;
    process.on("unhandledRejection", note);
  });
  afterEach(async () => {
    await settle();
    process.off("unhandledRejection", note);
    expect(unhandled).toEqual([]);
  });

  it("resolves and rejects as the promise does, with and without a context", async () => {
    const [ctx] = withCancel(background());
    const why = new Error("no");
    for (const under of [undefined, background(), ctx]) {
      const good = deferred<number>();
      const bad = deferred<number>();
      const both = Promise.allSettled([wait(good.promise, under), wait(bad.promise, under)]);
      good.resolve(7);
      bad.reject(why);
      expect(await both).toEqual([
        { status: "fulfilled", value: 7 },
        { status: "rejected", reason: why },
      ]);
      expect(await wait(Promise.resolve("settled before"), under)).toBe("settled before");
    }
    expect(waitersOn(ctx)).toBe("Chan(0/0)");
  });

  it("waits as long as the promise does when there is no context", async () => {
    expect(await isPending(wait(new Promise(() => {})))).toBe(true);
    expect(await isPending(wait(new Promise(() => {}), background()))).toBe(true);
  });

  it("rejects with the context's error when that ends first; the promise goes on", async () => {
    const [ctx, cancel] = withCancelCause(background());
    const { promise, resolve } = deferred<string>();
    const waiting = wait(promise, ctx);
    cancel("over");
    await expect(waiting).rejects.toBe(ctx.err());
    resolve("later");
    expect(await wait(promise)).toBe("later");
  });

  it("rejects at the deadline, and leaves no timer when the promise is in time", async () => {
    const [late] = withTimeout(background(), 100);
    const refused = expect(wait(new Promise(() => {}), late)).rejects.toBeInstanceOf(context.DeadlineExceeded);
    await elapse(100);
    await refused;
    const [early, cancel] = withTimeout(background(), 100);
    expect(await wait(Promise.resolve(1), early)).toBe(1);
    cancel();
    expect(timersSet()).toBe(0);
  });

  it("rejects without a try when the context has ended, though the promise has settled", async () => {
    const [ctx, cancel] = withCancel(background());
    cancel();
    await expect(wait(Promise.resolve(1), ctx)).rejects.toBe(ctx.err());
    await expect(wait(Promise.reject(new Error("unseen")), ctx)).rejects.toBe(ctx.err());
  });

  it("swallows a rejection that comes after the cancel", async () => {
    const [ctx, cancel] = withCancel(background());
    const { promise, reject } = deferred<never>();
    const waiting = wait(promise, ctx);
    cancel();
    await expect(waiting).rejects.toBe(ctx.err());
    reject(new Error("too late"));
    await settle();
    expect(unhandled).toEqual([]);
  });

  it("settles by whichever came first, when both come in one step", async () => {
    const [ctx, cancel] = withCancel(background());
    const first = deferred<string>();
    const cancelledFirst = wait(first.promise, ctx);
    cancel();
    first.resolve("late");
    await expect(cancelledFirst).rejects.toBe(ctx.err());
  });

  it("leaves nothing behind when it is cancelled: neither on the promise nor on the context", async () => {
    const { promise } = deferred<string>();
    const react = vi.spyOn(promise, "then");
    for (let i = 0; i < 100; i++) {
      const [ctx, cancel] = withCancel(background());
      const waiting = wait(promise, ctx);
      expect(waitersOn(ctx)).toBe("Chan(0/0, 1 receiver waiting)");
      cancel();
      await expect(waiting).rejects.toBe(ctx.err());
      expect(waitersOn(ctx)).toBe("Chan(0/0, closed)");
    }
    expect(react).toHaveBeenCalledTimes(1);
  });

  it("puts one reaction on a promise for all who wait, and wakes them in the order of their calls", async () => {
    const { promise, resolve } = deferred<string>();
    const react = vi.spyOn(promise, "then");
    const [ctx, cancel] = withCancel(background());
    const order: string[] = [];
    const waits = ["a", "b", "c", "d"].map((who) =>
      wait(promise, who === "b" ? ctx : undefined).then(
        (value) => order.push(who + value),
        () => order.push(`${who} cancelled`),
      ),
    );
    cancel();
    await settle();
    resolve("!");
    await Promise.all(waits);
    expect(order).toEqual(["b cancelled", "a!", "c!", "d!"]);
    expect(react).toHaveBeenCalledTimes(1);
  });

  it("does not retain who was cancelled, though the promise lives for ever", async () => {
    const { promise } = deferred<string>();
    const collected = new WeakRef(await cancelledWaiter(promise));
    void wait(new Promise(() => {}));
    await settle();
    globalThis.gc!();
    expect(collected.deref()).toBeUndefined();
    expect(await isPending(promise)).toBe(true);
  });

  it("takes any thenable", async () => {
    const thenable: PromiseLike<number> = {
      then: (resolve) => Promise.resolve(42).then(resolve),
    };
    expect(await wait(thenable, withCancel(background())[0])).toBe(42);
    const [ctx, cancel] = withCancel(background());
    const deaf = wait({ then: () => new Promise<never>(() => {}) }, ctx);
    cancel();
    await expect(deaf).rejects.toBe(ctx.err());
  });

  it("puts one reaction on a thenable that is no Promise, too", async () => {
    const { promise, resolve } = deferred<number>();
    let reactions = 0;
    const thenable: PromiseLike<number> = {
      then: (...args) => {
        reactions++;
        return promise.then(...args);
      },
    };
    const [ctx, cancel] = withCancel(background());
    const waits = Promise.allSettled([wait(thenable), wait(thenable, ctx), wait(thenable)]);
    await settle();
    cancel();
    resolve(1);
    expect((await waits).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
    expect(reactions).toBe(1);
  });

  it("rejects with a TypeError when there is no promise, or no context where one is expected", async () => {
    for (const none of [undefined, null, 5, {}, () => 1] as unknown as Promise<unknown>[]) {
      await expect(wait(none)).rejects.toThrow(TypeError);
      await expect(wait(none)).rejects.toThrow("wait: expected a promise");
    }
    for (const none of [null, {}, new AbortController().signal] as unknown as Context[]) {
      await expect(wait(Promise.resolve(1), none)).rejects.toThrow("ctx: expected a Context");
    }
  });
});

/** Waits for a promise under a context, is cancelled, and returns an object that only this wait's context knew. */
async function cancelledWaiter(promise: Promise<unknown>): Promise<object> {
  const payload = {};
  const [ctx, cancel] = withCancel(context.withValue(background(), context.key<object>("payload"), payload));
  const waiting = wait(promise, ctx);
  cancel();
  await waiting.catch(() => {});
  return payload;
}
