/**
 * afterFunc: work that begins when a context has ended.
 */
import { describe, expect, it } from "vitest";
import { context } from "headgate";
import { elapse, settle, virtualTime } from "../support/clock.ts";

const { afterFunc, background, withCancel, withCancelCause, withTimeout, withValue } = context;

/** Resolves to the next error that nobody catches, which is not reported as a failure of the test then. */
function nextUncaught(): Promise<unknown> {
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  return new Promise((resolve) => {
    process.once("uncaughtException", (error) => {
      for (const listener of listeners) process.on("uncaughtException", listener);
      resolve(error);
    });
  });
}

describe("afterFunc", () => {
  virtualTime();

  it("runs its function once, on a microtask, never inside the cancel (C80)", async () => {
    const [ctx, cancel] = withCancel(background());
    let calls = 0;
    afterFunc(ctx, () => calls++);
    await settle();
    expect(calls).toBe(0);
    cancel();
    cancel();
    expect(calls).toBe(0);
    await Promise.resolve();
    expect(calls).toBe(1);
    await settle();
    expect(calls).toBe(1);
  });

  it("runs it when the deadline passes (C80)", async () => {
    const [ctx] = withTimeout(background(), 100);
    let ended: unknown;
    afterFunc(ctx, () => (ended = ctx.err()));
    await elapse(99);
    expect(ended).toBeUndefined();
    await elapse(1);
    expect(ended).toBeInstanceOf(context.DeadlineExceeded);
  });

  it("runs it when an ancestor ends, through values too (C80)", async () => {
    const [ctx, cancel] = withCancel(background());
    const below = withValue(withCancel(withValue(ctx, context.key("k"), 1))[0], context.key("k"), 2);
    let calls = 0;
    afterFunc(below, () => calls++);
    cancel();
    await settle();
    expect(calls).toBe(1);
  });

  it("on a context that has ended starts it at once, still not inside the call; stop is false (C81)", async () => {
    const [ctx, cancel] = withCancel(background());
    cancel();
    let calls = 0;
    const stop = afterFunc(ctx, () => calls++);
    expect([calls, stop()]).toEqual([0, false]);
    await Promise.resolve();
    expect(calls).toBe(1);
  });

  it("returns a stop that is true when it has prevented the run, and at most once (C82)", async () => {
    const [ctx, cancel] = withCancel(background());
    let calls = 0;
    const stop = afterFunc(ctx, () => calls++);
    expect([stop(), stop()]).toEqual([true, false]);
    cancel();
    await settle();
    expect([calls, stop()]).toEqual([0, false]);
  });

  it("is decided by the cancel: a stop after it is false and the function runs (C83)", async () => {
    const [ctx, cancel] = withCancel(background());
    let calls = 0;
    const stop = afterFunc(ctx, () => calls++);
    cancel();
    expect([stop(), calls]).toEqual([false, 0]);
    await settle();
    expect(calls).toBe(1);
  });

  it("has a stop that neither waits for the function nor ends it (C84)", async () => {
    const [ctx, cancel] = withCancel(background());
    const log: string[] = [];
    const work = async (): Promise<void> => {
      log.push("begun");
      await settle();
      log.push("finished");
    };
    const stop = afterFunc(ctx, () => void work());
    cancel();
    await Promise.resolve();
    expect(stop()).toBe(false);
    expect(log).toEqual(["begun"]);
    await settle();
    await settle();
    expect(log).toEqual(["begun", "finished"]);
  });

  it("has a stop that touches neither the context nor other registrations (C85)", async () => {
    const [ctx, cancel] = withCancel(background());
    let calls = 0;
    const count = (): unknown => calls++;
    afterFunc(ctx, count);
    const stop = afterFunc(ctx, count);
    afterFunc(ctx, count);
    expect(stop()).toBe(true);
    expect(ctx.err()).toBeUndefined();
    cancel();
    await settle();
    expect(calls).toBe(2);
  });

  it("runs when error, cause and the contexts below are all set (C86)", async () => {
    const [ctx, cancel] = withCancelCause(background());
    const [below] = withCancel(ctx);
    const seen: unknown[] = [];
    afterFunc(ctx, () => seen.push(ctx.err(), context.cause(ctx), ctx.done().tryRecv(), below.err()));
    cancel("over");
    await settle();
    expect(seen).toEqual([ctx.err(), "over", [undefined, false], ctx.err()]);
  });

  it("on a context that can never end never runs; its stop is true once (C87)", async () => {
    let calls = 0;
    const stop = afterFunc(background(), () => calls++);
    await settle();
    expect([stop(), stop(), calls]).toEqual([true, false, 0]);
  });

  it("reports what the function throws, or rejects with, as uncaught, and cancel does not see it (C88)", async () => {
    const throws = (): void => {
      throw new Error("boom");
    };
    const rejects = (): Promise<void> => Promise.reject(new Error("boom"));
    for (const fail of [throws, rejects as () => void]) {
      const [ctx, cancel] = withCancel(background());
      let others = 0;
      afterFunc(ctx, fail);
      afterFunc(ctx, () => others++);
      const uncaught = nextUncaught();
      cancel();
      expect(await uncaught).toMatchObject({ message: "boom" });
      expect(others).toBe(1);
    }
  });

  it("refuses what is no function when it is registered, and registers nothing (C89)", () => {
    const [ctx] = withCancel(background());
    for (const none of [null, undefined, "f", {}] as unknown as (() => void)[]) {
      expect(() => afterFunc(ctx, none)).toThrow(TypeError);
    }
    expect((ctx as unknown as { children: unknown }).children).toBeNull();
  });

  it("lets its function register again and cancel what it likes (C11)", async () => {
    const [ctx, cancel] = withCancel(background());
    const [other, cancelOther] = withCancel(background());
    let nested = 0;
    afterFunc(ctx, () => {
      cancelOther();
      afterFunc(ctx, () => nested++);
    });
    cancel();
    await settle();
    expect([nested, other.err()?.message]).toEqual([1, "context canceled"]);
  });
});
