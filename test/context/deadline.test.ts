/**
 * Deadlines and timeouts.
 */
import { describe, expect, it, vi } from "vitest";
import { type Context, context, time } from "headgate";
import { elapse, isPending, settle, timersSet, virtualTime } from "../support/clock.ts";

const {
  background,
  cause,
  withCancel,
  withCancelCause,
  withDeadline,
  withDeadlineCause,
  withTimeout,
  withTimeoutCause,
} = context;

/** How a context stands: its error's message, or undefined. */
const state = (ctx: Context): string | undefined => ctx.err()?.message;
const CANCELED = "context canceled";
const EXCEEDED = "context deadline exceeded";

describe("a deadline", () => {
  virtualTime();

  it.each([
    ["withTimeout", () => withTimeout(background(), 100)],
    ["withTimeoutCause", () => withTimeoutCause(background(), 100, undefined)],
    ["withDeadline of a number", () => withDeadline(background(), Date.now() + 100)],
    ["withDeadline of a Date", () => withDeadline(background(), new Date(Date.now() + 100))],
    ["withDeadlineCause", () => withDeadlineCause(background(), new Date(Date.now() + 100), null)],
  ])("set by %s ends the context when it is reached and not a millisecond before (C5, C40)", async (_, make) => {
    const start = Date.now();
    const [ctx] = make();
    expect(ctx.deadline()).toBe(start + 100);
    expect(String(ctx)).toContain("WithDeadline(");
    await elapse(99);
    expect([state(ctx), ctx.done().tryRecv(), cause(ctx)]).toEqual([undefined, undefined, undefined]);
    await elapse(1);
    expect(ctx.err()).toBeInstanceOf(context.DeadlineExceeded);
    expect(ctx.err()).toMatchObject({ message: EXCEEDED, timeout: true });
    expect(ctx.done().tryRecv()).toEqual([undefined, false]);
    expect(cause(ctx)).toBe(ctx.err());
    expect(timersSet()).toBe(0);
  });

  it("interrupts whatever waits under it, with its error", async () => {
    const [ctx] = withTimeout(background(), 100);
    const nap = time.sleep(1000, ctx);
    const refused = expect(nap).rejects.toBeInstanceOf(context.DeadlineExceeded);
    await elapse(100);
    await refused;
    await expect(nap).rejects.toBe(ctx.err());
    expect(timersSet()).toBe(0);
  });

  it("is inherited through every other derivation and never changes (C7)", async () => {
    const at = Date.now() + 100;
    const [ctx, cancel] = withDeadline(background(), at);
    const below = [
      withCancel(ctx)[0],
      withCancelCause(ctx)[0],
      context.withValue(ctx, context.key("k"), 1),
      context.withSignal(ctx, new AbortController().signal)[0],
      withDeadline(ctx, at + 1)[0],
      withCancel(withCancel(ctx)[0])[0],
    ];
    const deadlines = (): unknown[] => [ctx, ...below].map((each) => each.deadline());
    const expected = Array.from({ length: 7 }, () => at);
    expect(deadlines()).toEqual(expected);
    cancel();
    expect(deadlines()).toEqual(expected);
    await elapse(200);
    expect(deadlines()).toEqual(expected);
    expect(withCancel(background())[0].deadline()).toBeUndefined();
    expect(context.withoutCancel(ctx).deadline()).toBeUndefined();
  });

  it("brings its cause, which is beside the error and never in its place (C30, C42)", async () => {
    const [ctx] = withTimeoutCause(background(), 100, "too slow");
    const [other] = withDeadlineCause(background(), Date.now() + 100, 0);
    await elapse(100);
    expect([state(ctx), cause(ctx), ctx.err()?.cause]).toEqual([EXCEEDED, "too slow", "too slow"]);
    expect([state(other), cause(other), other.err()?.cause]).toEqual([EXCEEDED, 0, 0]);
  });

  it("later than the parent's sets no timer and gives up its cause: it is withCancel (C41)", async () => {
    const [parent] = withTimeoutCause(background(), 100, "parent");
    const [child] = withTimeoutCause(parent, 101, "child");
    expect(timersSet()).toBe(1);
    expect(String(child)).toMatch(/\]\)\.WithCancel$/);
    expect(child.deadline()).toBe(parent.deadline());
    await elapse(200);
    expect([state(child), cause(child)]).toEqual([EXCEEDED, "parent"]);
  });

  it.each([0, 0.25, 0.75])("equal to the parent's, %d ms later, sets a timer of its own (C41)", async (ms) => {
    const [parent] = withTimeout(background(), 100);
    await elapse(ms);
    const [child] = withDeadline(parent, parent.deadline()!);
    expect(child.deadline()).toBe(parent.deadline());
    expect(String(child)).toMatch(/\]\)\.WithDeadline\([^)]*\)$/);
    expect(timersSet()).toBe(2);
  });

  it("earlier than the parent's comes first and leaves the parent alone (C41, C44)", async () => {
    const [parent] = withTimeout(background(), 200);
    const [child] = withTimeout(parent, 100);
    await elapse(100);
    expect([state(child), state(parent)]).toEqual([EXCEEDED, undefined]);
    await elapse(100);
    expect(state(parent)).toBe(EXCEEDED);
    expect(child.err()).not.toBe(parent.err());
  });

  it.each([
    ["now", 0],
    ["in the past", -1000],
    ["infinitely past", -Infinity],
  ])("%s makes the context born done, without a timer (C42)", (_, ms) => {
    for (const make of [
      () => withDeadlineCause(background(), Date.now() + ms, "late"),
      () => withTimeoutCause(background(), ms, "late"),
    ]) {
      const [ctx, cancel] = make();
      const err = ctx.err();
      expect(err).toBeInstanceOf(context.DeadlineExceeded);
      expect(ctx.done().tryRecv()).toEqual([undefined, false]);
      expect(ctx.deadline()).toBe(Date.now() + ms);
      expect(timersSet()).toBe(0);
      cancel();
      expect(ctx.err()).toBe(err);
      expect(cause(ctx)).toBe("late");
    }
  });

  it("in the past asks the parent before the clock: a parent that has ended decides error and cause (C43)", () => {
    const [parent, cancel] = withCancelCause(background());
    cancel("parent");
    const [ctx] = withDeadlineCause(parent, Date.now() - 1000, "late");
    expect([ctx.err(), cause(ctx)]).toEqual([parent.err(), "parent"]);
    expect(state(ctx)).toBe(CANCELED);
  });

  it("below a parent that has ended sets no timer (C42, C43)", () => {
    const [parent, cancel] = withCancel(background());
    cancel();
    withTimeout(parent, 100);
    expect(timersSet()).toBe(0);
  });

  it("ends the whole subtree with DeadlineExceeded, of whatever kind, and not the parent (C44)", async () => {
    const [parent] = withCancel(background());
    const [ctx] = withTimeoutCause(parent, 100, "late");
    const below = [withCancel(ctx)[0], withTimeout(ctx, 500)[0], context.withValue(ctx, context.key("k"), 1)];
    const deep = withCancel(below[2]!)[0];
    await elapse(100);
    for (const each of [...below, deep]) expect([each.err(), cause(each)]).toEqual([ctx.err(), "late"]);
    expect(parent.err()).toBeUndefined();
  });

  it("that is cancelled first ends as Canceled, without its cause, for ever (C45)", async () => {
    const [ctx, cancel] = withTimeoutCause(background(), 100, "late");
    cancel();
    const err = ctx.err();
    expect([state(ctx), cause(ctx)]).toEqual([CANCELED, err]);
    expect(timersSet()).toBe(0);
    await elapse(1000);
    expect([ctx.err(), cause(ctx)]).toEqual([err, err]);
  });

  it("that has been reached is not undone by cancel (C46)", async () => {
    const [ctx, cancel] = withTimeoutCause(background(), 100, "late");
    await elapse(100);
    const err = ctx.err();
    cancel();
    expect([ctx.err(), cause(ctx), state(ctx)]).toEqual([err, "late", EXCEEDED]);
  });

  it("gives way to a parent that is cancelled first, and its timer is gone (C47)", async () => {
    const [parent, cancel] = withCancelCause(background());
    const [child] = withTimeoutCause(parent, 100, "late");
    cancel("parent");
    expect([child.err(), cause(child)]).toEqual([parent.err(), "parent"]);
    expect(timersSet()).toBe(0);
    await elapse(1000);
    expect(cause(child)).toBe("parent");
  });

  it("reached before the parent was cancelled keeps its own cause (C47)", async () => {
    const [parent, cancel] = withCancelCause(background());
    const [child] = withTimeoutCause(parent, 100, "late");
    await elapse(100);
    cancel("parent");
    expect([state(child), cause(child), state(parent), cause(parent)]).toEqual([EXCEEDED, "late", CANCELED, "parent"]);
  });

  it("and a cancel at the same instant: the first decides, error and cause agree (C49)", async () => {
    setTimeout(() => cancelBefore(), 100);
    const [before, cancelBefore] = withTimeoutCause(background(), 100, "late");
    const [after, cancelAfter] = withTimeoutCause(background(), 100, "late");
    setTimeout(() => cancelAfter(), 100);
    await elapse(100);
    expect([state(before), cause(before)]).toEqual([CANCELED, before.err()]);
    expect([state(after), cause(after)]).toEqual([EXCEEDED, "late"]);
  });
});

describe("the timer", () => {
  virtualTime();

  it.each([
    ["2³¹ ms, one more than a platform timer takes", 2 ** 31],
    ["1000 hours", 3_600_000_000],
    ["200 days", 17_280_000_000],
  ])("of %s is set in pieces and comes neither early nor late (C50)", async (_, ms) => {
    const [ctx] = withTimeout(background(), ms);
    expect(ctx.deadline()).toBe(Date.now() + ms);
    await elapse(1);
    expect(timersSet()).toBe(1);
    await elapse(ms - 2);
    expect([state(ctx), timersSet()]).toEqual([undefined, 1]);
    await elapse(1);
    expect([state(ctx), timersSet()]).toEqual([EXCEEDED, 0]);
  });

  it("of a long timeout is gone after cancel, also when a piece has passed (C50)", async () => {
    const [ctx, cancel] = withTimeout(background(), 2 ** 33);
    await elapse(2 ** 31 + 5);
    expect(timersSet()).toBe(1);
    cancel();
    expect([state(ctx), timersSet()]).toEqual([CANCELED, 0]);
  });

  it("that the platform fires early is set anew: no context ends before its deadline", async () => {
    const platform = globalThis.setTimeout;
    vi.spyOn(globalThis, "setTimeout").mockImplementation(((fn: () => void, ms: number, ...args: unknown[]) =>
      platform(fn, Math.max(1, ms - 7), ...args)) as typeof setTimeout);
    const [ctx] = withTimeout(background(), 100);
    await elapse(99);
    expect(state(ctx)).toBeUndefined();
    await elapse(1);
    expect(state(ctx)).toBe(EXCEEDED);
    vi.restoreAllMocks();
  });

  it("never fires before deadline(), however the two clocks' fractions fall", async () => {
    for (const [offset, ms] of [
      [0.1, 0.3],
      [0.3, 1.5],
      [0.7, 10],
      [0.9, 10.9],
      [0.4, 33.333],
    ] as const) {
      await elapse(offset);
      const [ctx] = withTimeout(background(), ms);
      const [same] = withDeadline(background(), Date.now() + ms);
      const early: number[] = [];
      for (const each of [ctx, same]) {
        context.afterFunc(each, () => early.push(each.deadline()! - performance.timeOrigin - performance.now()));
      }
      for (let step = 0; step < 500; step++) await elapse(0.1);
      expect(early.length).toBe(2);
      expect(Math.max(...early)).toBeLessThan(1e-6);
    }
  });

  it("keeps the process alive until it has fired or is cancelled (C51)", () => {
    const set = vi.spyOn(globalThis, "setTimeout");
    const [, cancel] = withTimeout(background(), 100);
    expect((set.mock.results[0]!.value as NodeJS.Timeout).hasRef()).toBe(true);
    cancel();
    expect(timersSet()).toBe(0);
    vi.restoreAllMocks();
  });

  it.each([
    ["forward", 86_400_000],
    ["back", -86_400_000],
  ])("does not move when the wall clock is set %s", async (_, step) => {
    const at = Date.now() + 100;
    const [ctx] = withDeadline(background(), at);
    const [timed] = withTimeout(background(), 100);
    vi.setSystemTime(Date.now() + step);
    await elapse(99);
    expect([state(ctx), state(timed), ctx.deadline()]).toEqual([undefined, undefined, at]);
    await elapse(1);
    expect([state(ctx), state(timed), ctx.deadline()]).toEqual([EXCEEDED, EXCEEDED, at]);
  });

  it("is compared with the parent's on the clock that cannot be set", () => {
    const [parent] = withTimeout(background(), 100);
    vi.setSystemTime(Date.now() + 86_400_000);
    const [child] = withTimeout(parent, 200);
    expect(timersSet()).toBe(1);
    expect(child.deadline()).toBe(parent.deadline());
  });
});

describe("a timeout of Infinity", () => {
  virtualTime();

  it("is withCancel: no deadline, no timer, and still a cancel (C41)", async () => {
    for (const [ctx, cancel] of [withTimeout(background(), Infinity), withDeadline(background(), Infinity)]) {
      expect([String(ctx), ctx.deadline(), timersSet()]).toEqual(["context.Background.WithCancel", undefined, 0]);
      expect(await isPending(ctx.done().recv())).toBe(true);
      cancel();
      expect(state(ctx)).toBe(CANCELED);
    }
  });

  it("keeps the parent's deadline", () => {
    const [parent] = withTimeout(background(), 100);
    expect(withTimeout(parent, Infinity)[0].deadline()).toBe(parent.deadline());
  });
});

describe("a deadline that is none", () => {
  virtualTime();

  it("NaN and an invalid Date are a RangeError", () => {
    expect(() => withTimeout(background(), Number.NaN)).toThrow(RangeError);
    expect(() => withTimeoutCause(background(), Number.NaN, "late")).toThrow(/^withTimeout: NaN/);
    expect(() => withDeadline(background(), Number.NaN)).toThrow(RangeError);
    expect(() => withDeadline(background(), new Date("no day"))).toThrow(/^withDeadline: the time is invalid/);
  });

  it("anything but a number or a Date is a TypeError, and a Context is named", () => {
    expect(() => withTimeout(background(), "100" as never)).toThrow(TypeError);
    expect(() => withDeadline(background(), null as never)).toThrow(TypeError);
    expect(() => withTimeout(background(), background() as never)).toThrow("a Context");
  });

  it("leaves nothing with the parent when it is refused (C16)", async () => {
    const [parent, cancel] = withCancel(background());
    expect(() => withTimeout(parent, Number.NaN)).toThrow(RangeError);
    expect((parent as unknown as { children: unknown }).children).toBeNull();
    expect(timersSet()).toBe(0);
    cancel();
    await settle();
    expect(state(parent)).toBe(CANCELED);
  });
});
