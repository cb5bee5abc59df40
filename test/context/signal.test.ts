/**
 * AbortSignals: as a parent, by withSignal, and made of a context, by ctx.signal.
 */
import { getEventListeners } from "node:events";
import { setTimeout as wait } from "node:timers/promises";
import { describe, expect, it, vi } from "vitest";
import { Chan, type Context, context } from "headgate";
import { elapse, settle, virtualTime } from "../support/clock.ts";

const { background, cause, withCancel, withCancelCause, withSignal, withTimeout, withValue } = context;

const listeners = (signal: AbortSignal): number => getEventListeners(signal, "abort").length;

describe("withSignal", () => {
  virtualTime();

  it("ends the context when the signal aborts, before abort() returns; the reason is the cause (C106)", () => {
    const controller = new AbortController();
    const [ctx] = withSignal(background(), controller.signal);
    const [child] = withCancel(ctx);
    expect([ctx.err(), ctx.done().tryRecv()]).toEqual([undefined, undefined]);
    controller.abort("user left");
    expect(ctx.err()).toBeInstanceOf(context.Canceled);
    expect([cause(ctx), ctx.err()?.cause, child.err()]).toEqual(["user left", "user left", ctx.err()]);
    expect(ctx.done().tryRecv()).toEqual([undefined, false]);
  });

  it("takes the platform's AbortError as the cause when abort() was given no reason (C106)", () => {
    const controller = new AbortController();
    const [ctx] = withSignal(background(), controller.signal);
    controller.abort();
    expect(ctx.err()).toBeInstanceOf(context.Canceled);
    expect(cause(ctx)).toBe(controller.signal.reason);
    expect(cause(ctx)).toMatchObject({ name: "AbortError" });
  });

  it.each([0, "", false])("takes the reason %s for a cause, for only undefined and null are none (C106)", (reason) => {
    const controller = new AbortController();
    const [ctx] = withSignal(background(), controller.signal);
    controller.abort(reason);
    expect(cause(ctx)).toBe(reason);
    const none = new AbortController();
    const [other] = withSignal(background(), none.signal);
    none.abort(null);
    expect(cause(other)).toBe(other.err());
  });

  it("ends with DeadlineExceeded when the reason is a TimeoutError, the platform's or our own (C106)", () => {
    const late = new DOMException("too late", "TimeoutError");
    for (const reason of [late, new context.DeadlineExceeded(), { name: "TimeoutError" }]) {
      const controller = new AbortController();
      const [ctx] = withSignal(background(), controller.signal);
      controller.abort(reason);
      expect(ctx.err()).toBeInstanceOf(context.DeadlineExceeded);
      expect(cause(ctx)).toBe(reason);
    }
  });

  it("of a signal that has aborted is born done, and listens to nothing (C106)", () => {
    const signal = AbortSignal.abort("gone");
    const listen = vi.spyOn(signal, "addEventListener");
    const [ctx, cancel] = withSignal(background(), signal);
    cancel();
    expect([ctx.err()?.message, cause(ctx)]).toEqual(["context canceled", "gone"]);
    const [late] = withSignal(background(), AbortSignal.abort(new DOMException("late", "TimeoutError")));
    expect(late.err()).toBeInstanceOf(context.DeadlineExceeded);
    expect(listen).not.toHaveBeenCalled();
  });

  it("also ends with its parent, which wins if both are over, and by its cancel", async () => {
    const { signal } = new AbortController();
    const [parent, cancelParent] = withCancelCause(background());
    const [below] = withSignal(parent, signal);
    const [timed] = withSignal(withTimeout(background(), 100)[0], signal);
    const [ctx, cancel] = withSignal(background(), signal);
    cancelParent("parent");
    cancel();
    await elapse(100);
    expect([cause(below), cause(ctx) === ctx.err(), timed.err()?.name]).toEqual(["parent", true, "TimeoutError"]);
    expect(listeners(signal)).toBe(0);
    const [born] = withSignal(parent, AbortSignal.abort("signal"));
    expect(cause(born)).toBe("parent");
  });

  it("under a parent that has ended listens to nothing (C13)", () => {
    const [parent, cancel] = withCancel(background());
    cancel();
    const { signal } = new AbortController();
    withSignal(parent, signal);
    expect(listeners(signal)).toBe(0);
  });

  it("hangs one listener on a signal for all its contexts, and takes it off with the last (C16)", () => {
    const { signal } = new AbortController();
    const add = vi.spyOn(signal, "addEventListener");
    const made = Array.from({ length: 100 }, () => withSignal(background(), signal));
    expect(listeners(signal)).toBe(1);
    for (const [, cancel] of made.slice(1)) cancel();
    expect(listeners(signal)).toBe(1);
    made[0]![1]();
    expect(listeners(signal)).toBe(0);
    expect(add).toHaveBeenCalledTimes(1);
    const [, cancel] = withSignal(background(), signal);
    expect(listeners(signal)).toBe(1);
    cancel();
    expect(listeners(signal)).toBe(0);
  });

  it("leaves nothing on a signal that has aborted", () => {
    const controller = new AbortController();
    const made = Array.from({ length: 3 }, () => withSignal(background(), controller.signal));
    controller.abort();
    expect(listeners(controller.signal)).toBe(0);
    for (const [, cancel] of made) cancel();
    expect(listeners(controller.signal)).toBe(0);
  });

  it("ends all contexts of a signal, and all below, before anybody's listener hears of it", () => {
    const controller = new AbortController();
    const first = withSignal(background(), controller.signal)[0];
    const second = withSignal(withTimeout(background(), 100)[0], controller.signal)[0];
    const all = [first, second, withCancel(first)[0], withValue(second, context.key("k"), 1)];
    const seen: unknown[] = [];
    const look = (): void => void seen.push(all.every((each) => each.err() !== undefined));
    for (const ctx of all) ctx.signal.addEventListener("abort", look);
    controller.abort();
    // Four contexts, but the one with a value has its parent's signal.
    expect(seen).toEqual([true, true, true]);
  });

  it("leaves out contexts that a listener, or an earlier abort, has ended in the meantime", () => {
    const controller = new AbortController();
    const [first, cancelFirst] = withSignal(background(), controller.signal);
    const [second] = withSignal(first, controller.signal);
    let heard = 0;
    second.signal.addEventListener("abort", () => heard++);
    controller.signal.addEventListener("abort", () => cancelFirst());
    controller.abort("once");
    expect([cause(first), cause(second), heard]).toEqual(["once", "once", 1]);
    expect(second.err()).toBe(first.err());
  });

  it("refuses what is no AbortSignal, and leaves nothing with the parent", () => {
    const [parent] = withCancel(background());
    for (const none of [null, undefined, {}, "abort", new AbortController()] as unknown as AbortSignal[]) {
      expect(() => withSignal(parent, none)).toThrow(TypeError);
      expect(() => withSignal(parent, none)).toThrow("withSignal: expected an AbortSignal");
    }
    expect((parent as unknown as { children: unknown }).children).toBeNull();
  });
});

describe("ctx.signal", () => {
  virtualTime();

  it("aborts when the context ends, within cancel, and its reason is err() itself", () => {
    const [ctx, cancel] = withCancelCause(background());
    const { signal } = ctx;
    expect([signal.aborted, signal.reason]).toEqual([false, undefined]);
    cancel("over");
    expect([signal.aborted, signal.reason === ctx.err()]).toEqual([true, true]);
    expect(signal.reason).toMatchObject({ name: "AbortError", cause: "over" });
  });

  it("aborts at the deadline with a TimeoutError", async () => {
    const [ctx] = withTimeout(background(), 100);
    const { signal } = ctx;
    await elapse(100);
    expect(signal.reason).toBe(ctx.err());
    expect(signal.reason).toMatchObject({ name: "TimeoutError", code: "TIMEOUT_ERR" });
  });

  it("is one and the same, and made only when it is asked for", () => {
    const Platform = globalThis.AbortController;
    let made = 0;
    vi.stubGlobal(
      "AbortController",
      class extends Platform {
        constructor() {
          super();
          made++;
        }
      },
    );
    const [ctx, cancel] = withCancel(background());
    const [unasked] = withCancel(ctx);
    const [born] = withCancel(unasked);
    expect(made).toBe(0);
    expect(ctx.signal).toBe(ctx.signal);
    expect(made).toBe(1);
    cancel();
    expect([made, unasked.err() === ctx.err()]).toEqual([1, true]);
    expect([born.signal.aborted, born.signal.reason === ctx.err(), made]).toEqual([true, true, 2]);
    vi.unstubAllGlobals();
  });

  it("of a context that can never end never aborts, and is a new one each time: nothing gathers on it", async () => {
    const [parent, cancel] = withCancel(background());
    const ctx = context.withoutCancel(parent);
    const signals = [ctx, ctx, background(), background(), context.todo()].map(({ signal }) => signal);
    cancel();
    expect(new Set(signals).size).toBe(5);
    expect(signals.map(({ aborted }) => aborted)).toEqual([false, false, false, false, false]);
    const warnings: Error[] = [];
    const warned = (warning: Error): void => void warnings.push(warning);
    process.on("warning", warned);
    const idle = Array.from({ length: 20 }, () => wait(60_000, undefined, { signal: background().signal, ref: false }));
    await new Promise((resolve) => setImmediate(resolve));
    process.off("warning", warned);
    expect([idle.length, warnings]).toEqual([20, []]);
  });

  it("aborts only when the whole subtree is done: no listener sees half of it (C14)", () => {
    const [root, cancel] = withCancel(background());
    const tree: Context[] = [root];
    for (let i = 0; i < 30; i++) tree.push(withCancel(tree[Math.floor(i / 2)]!)[0]);
    let heard = 0;
    for (const ctx of tree) {
      ctx.signal.addEventListener("abort", () => {
        heard++;
        for (const each of tree) expect(each.err()).toBe(root.err());
      });
    }
    cancel();
    expect(heard).toBe(31);
  });

  it("has listeners that may derive from, and wait under, what has ended", async () => {
    const [ctx, cancel] = withCancel(background());
    const got: unknown[] = [];
    ctx.signal.addEventListener("abort", () => {
      got.push(withCancel(ctx)[0].err());
      void new Chan<number>().recv(ctx).catch((err: unknown) => got.push(err));
    });
    cancel();
    await settle();
    expect(got).toEqual([ctx.err(), ctx.err()]);
  });

  it("serves APIs of the platform, and another context as its second parent", () => {
    const [ctx, cancel] = withCancelCause(background());
    const [second] = withSignal(background(), AbortSignal.any([ctx.signal]));
    cancel("over");
    expect(second.err()).toBeInstanceOf(context.Canceled);
    expect(cause(second)).toBe(ctx.err());
    expect(() => ctx.signal.throwIfAborted()).toThrow(ctx.err());
  });
});
