/**
 * context.errorFor: what a library throws to a caller whose Context or signal has ended.
 */
import { readFile } from "node:fs/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { context, time } from "headgate";
import { describe, expect, it } from "vitest";
import { failure } from "../support/errors.ts";

const { background, errorFor, from, withCancelCause, withTimeout } = context;

/** A library of one function. */
async function work(until: context.Source, body: (ctx: context.Context) => Promise<unknown>): Promise<unknown> {
  const [ctx, release] = from(until);
  try {
    return await body(ctx);
  } catch (error) {
    throw errorFor(until, ctx, error);
  } finally {
    release();
  }
}
const forEver = (ctx: context.Context): Promise<void> => time.sleep(Infinity, ctx);

const forms: readonly (readonly [string, (signal: AbortSignal) => context.Source])[] = [
  ["a signal", (signal) => signal],
  ["options with a signal", (signal) => ({ signal })],
];

describe("when the caller has ended", () => {
  it("a Context gets its own error, whatever the cause is", async () => {
    const [ctx, cancel] = withCancelCause(background());
    const waiting = failure(work(ctx, forEver));
    cancel(new Error("the user has left"));
    expect(await waiting).toBe(ctx.err());
    const [late] = withTimeout(background(), 0);
    expect(await failure(work(late, forEver))).toBe(late.err());
  });

  for (const [name, form] of forms) {
    it.each([new Error("the user has left"), new DOMException("late", "TimeoutError"), null, 0, "", "left", undefined])(
      `${name} gets the reason of the signal: %s`,
      async (reason) => {
        const controller = new AbortController();
        const waiting = failure(work(form(controller.signal), forEver));
        controller.abort(reason);
        const { signal } = controller;
        expect(await waiting).toBe(signal.reason);
        expect(await failure(work(form(signal), forEver))).toBe(signal.reason);
      },
    );
  }

  it.each([
    ["node:timers", (ctx: context.Context) => sleep(60_000, undefined, { signal: ctx.signal })],
    ["node:fs", (ctx: context.Context) => readFile(import.meta.filename, { signal: ctx.signal })],
  ])("an AbortError of %s counts as the end, which its cause is", async (_, body) => {
    const controller = new AbortController();
    const [ctx, cancel] = withCancelCause(background());
    const waiting = [failure(work(controller.signal, body)), failure(work(ctx, body))];
    controller.abort("left");
    cancel(new Error("left"));
    expect(await Promise.all(waiting)).toEqual(["left", ctx.err()]);
  });
});

describe("as it is comes", () => {
  it("another error, be the caller there or not", async () => {
    const fault = new Error("no such parcel");
    const fail = (): Promise<never> => Promise.reject(fault);
    const aborted = AbortSignal.abort("left");
    for (const until of [
      undefined,
      null,
      {},
      background(),
      aborted,
      { signal: aborted },
      withTimeout(background(), 0)[0],
    ])
      expect(await failure(work(until, fail))).toBe(fault);
  });

  it("an error that an end has caused, and that is no AbortError", async () => {
    const wrap = (ctx: context.Context): Promise<never> => Promise.reject(new Error("lost", { cause: ctx.err() }));
    expect(await failure(work(AbortSignal.abort("left"), wrap))).toMatchObject({ message: "lost" });
  });

  it("an AbortError that has another cause", async () => {
    const other = new DOMException("another signal", "AbortError");
    expect(await failure(work(AbortSignal.abort("left"), () => Promise.reject(other)))).toBe(other);
  });

  it("undefined, thrown while nothing has ended", async () => {
    const { signal } = new AbortController();
    expect(await failure(work(signal, () => Promise.reject(undefined)))).toBe(undefined);
  });

  it("the end of a context whose caller has not ended, such as one that was released", async () => {
    for (const source of [undefined, null, {}, { signal: null }, new AbortController().signal]) {
      const [ctx, release] = from(source);
      release();
      expect(errorFor(source, ctx, ctx.err())).toBe(ctx.err());
    }
  });

  it("the error of a deadline that the library has set, though the signal aborts afterwards", async () => {
    const controller = new AbortController();
    const [ctx, release] = from(controller.signal);
    const [limited] = withTimeout(ctx, 0);
    const late = limited.err();
    controller.abort("left");
    expect(errorFor(controller.signal, ctx, late)).toBe(late);
    release();
  });

  it("the end, if the signal has no reason, or none that can be read", () => {
    const [ctx] = withTimeout(background(), 0);
    const listens = { aborted: true, addEventListener() {}, removeEventListener() {} };
    const unreadable = {
      ...listens,
      get reason() {
        throw new Error("unreadable");
      },
    };
    for (const signal of [listens, unreadable] as unknown as AbortSignal[]) {
      expect(errorFor(signal, ctx, ctx.err())).toBe(ctx.err());
      expect(errorFor({ signal }, ctx, ctx.err())).toBe(ctx.err());
    }
  });
});

describe("a mistake", () => {
  it("is a ctx that is no Context, as when the arguments are in another order", () => {
    const { signal } = new AbortController();
    // @ts-expect-error a signal is no Context
    expect(() => errorFor(background(), signal, new Error("fault"))).toThrow(/errorFor.*Context/);
    // @ts-expect-error nor is an error
    expect(() => errorFor(undefined, new Error("fault"), background())).toThrow(TypeError);
  });
});
