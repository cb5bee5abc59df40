/**
 * `err()` asks: a loop that never yields sees its own deadline, as Go's scheduler would let it (C107).
 */
import { Chan, context, semaphore, time, trySelect } from "headgate";
import { bubble } from "headgate/testing";
import { afterEach, expect, it, vi } from "vitest";
import { Platform, restore } from "../support/platform.ts";

const { background, withCancel, withTimeout, withValue } = context;

/** Many times the questions that a loop has the time for, on any machine. */
const ENDLESS = 2_000_000_000;

/** Asks until the context has ended; throws if it never does. */
function spin(ctx: context.Context, work: () => void = () => {}): void {
  for (let asked = 0; ctx.err() === undefined; asked++) {
    work();
    if (asked > ENDLESS) throw new Error("the deadline never came");
  }
}

const burn = (ms: number): void => {
  for (const end = performance.now() + ms; performance.now() < end;);
};

it("a loop that never yields ends at its deadline, and not before", () => {
  const start = performance.now();
  const [ctx, cancel] = withTimeout(background(), 20);
  using _ = cancel;
  spin(ctx);
  expect(performance.now() - start).toBeGreaterThanOrEqual(20);
  expect(ctx.err()).toBeInstanceOf(context.DeadlineExceeded);
});

it("so does one whose steps are long, at the first question after it", () => {
  const [ctx, cancel] = withTimeout(background(), 20);
  using _ = cancel;
  let asked = 0;
  spin(ctx, () => {
    burn(5);
    asked++;
  });
  expect(asked).toBeLessThanOrEqual(5);
});

it("a cancel comes before a deadline that has passed but has not been noticed, for its children, too (C46, C47, C49)", () => {
  const [ctx, cancel] = context.withTimeoutCause(background(), 5, "slow");
  const [parent, cancelParent] = withCancel(background());
  const [child] = withTimeout(parent, 5);
  burn(10);
  cancel();
  cancelParent();
  expect([ctx.err()?.message, child.err()?.message]).toEqual(["context canceled", "context canceled"]);
  expect(context.cause(ctx)).toBe(ctx.err());
});

it("once it has been noticed, a cancel changes nothing (C46)", () => {
  const [ctx, cancel] = context.withTimeoutCause(background(), 5, "slow");
  burn(10);
  const err = ctx.err();
  cancel();
  expect([err, ctx.err(), context.cause(ctx)]).toEqual([expect.any(context.DeadlineExceeded), err, "slow"]);
});

it("a timer that is overdue but has not been noticed can be stopped (T2)", async () => {
  let ran = false;
  const timer = time.afterFunc(5, () => (ran = true));
  burn(10);
  expect(timer.stop()).toBe(true);
  await time.sleep(1);
  expect(ran).toBe(false);
});

it("a child, a value and a group below the deadline see it as it does", () => {
  const [parent, cancel] = withTimeout(background(), 5);
  using _ = cancel;
  const [child] = withCancel(withValue(parent, context.key("k"), 1));
  spin(child);
  expect(child.err()).toBe(parent.err());
});

it("err, done and signal agree at every observation, also inside an abort listener", () => {
  const [outer, cancelOuter] = withTimeout(background(), 5);
  const [ctx, cancel] = withCancel(outer);
  using _a = cancel;
  using _b = cancelOuter;
  const { signal } = ctx;
  const seen: unknown[] = [];
  const look = (): unknown => [ctx.err() !== undefined, ctx.done().tryRecv() !== undefined, signal.aborted];
  signal.addEventListener("abort", () => seen.push(look()));
  burn(10);
  expect(signal.aborted).toBe(false);
  spin(ctx);
  seen.push(look());
  expect(seen).toEqual([
    [true, true, true],
    [true, true, true],
  ]);
});

it("what else is overdue ends with it: a sleep, a timer's function, another deadline", async () => {
  const [other] = withTimeout(background(), 2);
  const order: string[] = [];
  const sleeping = time.sleep(3).then(() => order.push("slept"));
  time.afterFunc(1, () => order.push("function"));
  const [ctx] = withTimeout(background(), 5);
  spin(ctx);
  expect([other.err()?.message, order]).toEqual(["context deadline exceeded", []]);
  await sleeping;
  expect(order).toEqual(["function", "slept"]);
});

it("a loop of trySelect, or of tryRecv, that never yields sees a deadline and a timer, as Go's default case does", () => {
  const polls: ((ctx: context.Context, timer: time.Timer) => unknown)[] = [
    (ctx) => trySelect({ done: ctx.done() }),
    (ctx) => ctx.done().tryRecv(),
    (_, timer) => timer.c.tryRecv(),
    (_, timer) => trySelect({ timer: timer.c, never: new Chan() }),
  ];
  for (const poll of polls) {
    const [ctx, cancel] = withTimeout(background(), 5);
    using _ = cancel;
    const timer = new time.Timer(5);
    for (let asked = 0; poll(ctx, timer) === undefined; asked++) if (asked > ENDLESS) throw new Error("never came");
  }
});

it("to look at a context, or to log it, ends nothing", () => {
  const [ctx, cancel] = withTimeout(background(), 2);
  using _ = cancel;
  burn(5);
  for (let i = 0; i < 100; i++)
    void [String(ctx), JSON.stringify(ctx), (ctx as unknown as { describe(): string }).describe()];
  expect(ctx.signal.aborted).toBe(false);
});

it("a semaphore that is released when a waiter's deadline is overdue serves the next", async () => {
  const sem = new semaphore.Weighted(1);
  await sem.acquire();
  const [ctx, cancel] = withTimeout(background(), 1);
  using _ = cancel;
  const first = sem.acquire(1, ctx).catch((err: unknown) => err);
  const second = sem.acquire(1);
  burn(3);
  sem.release();
  expect(await first).toSatisfy((got) => got === ctx.err() || typeof got === "object");
  if (ctx.err() === undefined || (await first) !== ctx.err()) sem.release();
  await second;
});

it("the clock is read while an alarm is set, and then rarely; not at all while none is", async () => {
  const platform = new Platform();
  let reads = 0;
  Object.defineProperty(platform, "now", { get: () => (reads++, 0) });
  platform.install();
  vi.resetModules();
  const { context: loaded } = await import("headgate");
  const [ctx, cancel] = loaded.withCancel(loaded.background());
  using _ = cancel;
  reads = 0;
  for (let i = 0; i < 1_000; i++) ctx.err();
  expect(reads).toBe(0);
  const [timed, cancelTimed] = loaded.withTimeout(ctx, 60_000);
  reads = 0;
  for (let i = 0; i < 10_000; i++) timed.err();
  expect(reads).toBeGreaterThan(0);
  expect(reads).toBeLessThan(1_000);
  cancelTimed();
});

afterEach(restore);

it("in a bubble no time passes while code runs: err() says nothing that the clock does not", async () => {
  await bubble(async () => {
    const [ctx, cancel] = withTimeout(background(), 5);
    using _ = cancel;
    for (let i = 0; i < 10_000; i++) if (ctx.err() !== undefined) throw new Error("ended by real time");
    await time.sleep(5);
    await new Chan<number>(1).send(1);
    expect(ctx.err()).toBeInstanceOf(context.DeadlineExceeded);
  });
});
