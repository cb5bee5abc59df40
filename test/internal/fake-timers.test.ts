/**
 * Fake timers of a test runner: they replace some of the platform's globals, for a while. Nothing hangs on them; a wait goes by the fake
 * clock if both its timer and its clock are faked, else by the real one; and when they are gone all is as before.
 */
import { Chan, context, errgroup, go, select, time } from "headgate";
import { afterEach, describe, expect, it, vi } from "vitest";

const real = { setTimeout, setImmediate, performance };
const realNow = performance.now.bind(performance);

afterEach(() => {
  vi.useRealTimers();
});

type Name = NonNullable<Exclude<Parameters<typeof vi.useFakeTimers>[0], undefined>["toFake"]>[number];

/** A loop of operations that are always ready, long enough for a turn to be cut. */
async function loop(): Promise<void> {
  const ch = new Chan<number>(1);
  for (let i = 0; i < 100; i++) {
    for (const end = realNow() + 0.1; realNow() < end;);
    await ch.send(i);
    await ch.recv();
  }
}

const sets: Record<string, Name[] | undefined> = {
  "the default": undefined,
  "timers alone": ["setTimeout", "clearTimeout"],
  "the clock alone": ["performance"],
  "timers and the clock": ["setTimeout", "clearTimeout", "performance"],
  "timers and Date": ["setTimeout", "clearTimeout", "setInterval", "clearInterval", "Date"],
  "Date alone": ["Date"],
  "setImmediate alone": ["setImmediate", "clearImmediate"],
  "queueMicrotask too": ["setTimeout", "clearTimeout", "performance", "queueMicrotask", "setImmediate"],
};

describe.each(Object.keys(sets))("while %s is faked", (name) => {
  const fake = (): void => {
    const toFake = sets[name];
    if (toFake === undefined) vi.useFakeTimers();
    else vi.useFakeTimers({ toFake });
  };
  const both = name === "the default" || (sets[name]!.includes("setTimeout") && sets[name]!.includes("performance"));

  it("loops that are always ready end, and afterwards, too", async () => {
    fake();
    vi.advanceTimersByTime(50);
    await loop();
    vi.useRealTimers();
    await loop();
    await time.sleep(1);
  });

  it(`a sleep and a deadline go by the ${both ? "fake" : "real"} clock`, async () => {
    fake();
    const start = realNow();
    const passed: string[] = [];
    const [ctx] = context.withTimeout(context.background(), 40);
    const sleeping = time.sleep(20).then(() => passed.push("sleep"));
    const ending = ctx
      .done()
      .recv()
      .then(() => passed.push("deadline"));
    const late = time
      .after(30)
      .recv()
      .then(() => passed.push("timer"));
    if (both) {
      // Without a ms of real time, and a loop over all timers ends.
      expect(vi.getTimerCount()).toBe(3);
      await vi.runAllTimersAsync();
      await Promise.all([sleeping, ending, late]);
    } else {
      // No fake time makes them come early: what is faked of a clock moves them not at all.
      vi.advanceTimersByTime(1_000);
      await Promise.resolve();
      expect(passed.length === 0 || realNow() - start >= 20).toBe(true);
      await Promise.all([sleeping, ending, late]);
      expect(realNow() - start).toBeGreaterThanOrEqual(39);
    }
    expect(passed).toEqual(["sleep", "timer", "deadline"]);
    expect(ctx.err()).toBeInstanceOf(context.DeadlineExceeded);
  });

  it("what was set before goes on by the clock of its birth", async () => {
    const sleeping = time.sleep(15);
    const timer = new time.Timer(20);
    const [ctx] = context.withTimeout(context.background(), 10);
    fake();
    await sleeping;
    const got = await select({ timer: timer.c, deadline: ctx.done() });
    expect(["timer", "deadline"]).toContain(got.case);
    await timer.c.recv(context.withTimeout(context.background(), 0)[0]).catch(() => {});
    vi.useRealTimers();
    expect(ctx.err()).toBeInstanceOf(context.DeadlineExceeded);
  });

  it("a deadline under a parent that was made by another clock is judged by the time that is left of each", () => {
    const [parent, cancel] = context.withTimeout(context.background(), 60_000);
    fake();
    const [sooner, cancelSooner] = context.withTimeout(parent, 1_000);
    const [later] = context.withTimeout(parent, 600_000);
    expect([sooner.deadline() !== parent.deadline(), later.deadline() === parent.deadline()]).toEqual([true, true]);
    cancelSooner();
    cancel();
  });
});

describe("fakes that were there before headgate was loaded", () => {
  it.each([["the default", undefined], ...Object.entries(sets).slice(1)] as [string, Name[] | undefined][])(
    "%s: nothing hangs under them, nor when they are gone",
    async (_, toFake) => {
      if (toFake === undefined) vi.useFakeTimers();
      else vi.useFakeTimers({ toFake });
      vi.advanceTimersByTime(50);
      vi.resetModules();
      const headgate = await import("headgate");
      const ch = new headgate.Chan<number>(1);
      const spin = async (): Promise<void> => {
        for (let i = 0; i < 100; i++) {
          for (const end = realNow() + 0.1; realNow() < end;);
          await ch.send(i);
          await ch.recv();
        }
      };
      await spin();
      vi.useRealTimers();
      await spin();
      await headgate.time.sleep(1);
      const [ctx] = headgate.context.withTimeout(headgate.context.background(), 2);
      await ctx.done().recv();
    },
  );
});

it.each([
  // As the CommonJS build of sinon does: the object stays, with a `clock` that names it, and a `now` of its own.
  ["that names itself", { clock: { _performance: performance } }],
  ["by hand", {}],
])(
  "a fake %s on the platform's own clock object, there before headgate, hangs nothing, then or later",
  async (_, sign) => {
    Object.assign(performance, { now: () => 0, ...sign });
    vi.resetModules();
    const headgate = await import("headgate");
    const spin = async (): Promise<void> => {
      const ch = new headgate.Chan<number>(1);
      let timer = false;
      real.setTimeout(() => (timer = true), 1);
      for (let i = 0; !timer; i++) {
        await ch.send(i);
        await ch.recv();
        if (i > 10_000_000) throw new Error("the timer was starved");
      }
    };
    await spin();
    await headgate.time.sleep(1);
    for (const fake of ["now", "clock"]) Reflect.deleteProperty(performance, fake);
    await spin();
    await headgate.time.sleep(1);
    const [ctx] = headgate.context.withTimeout(headgate.context.background(), 2);
    await ctx.done().recv();
  },
);

it("an uncaught error of a task is reported at once, though queueMicrotask is faked", async () => {
  vi.useFakeTimers({ toFake: ["queueMicrotask"] });
  const listeners = process.listeners("uncaughtException");
  process.removeAllListeners("uncaughtException");
  const thrown = new Promise((resolve) => process.once("uncaughtException", resolve));
  const no = new Error("no");
  go(() => {
    throw no;
  });
  expect(await thrown).toBe(no);
  for (const listener of listeners) process.on("uncaughtException", listener);
});

it("a group with a limit, a select and a timer work under the default fakes as they do without", async () => {
  vi.useFakeTimers();
  const group = new errgroup.Group();
  group.setLimit(2);
  const order: number[] = [];
  for (const n of [3, 1, 2]) {
    // oxlint-disable-next-line headgate/floating -- three tasks are all there are
    void group.go(async () => {
      await time.sleep(n * 100);
      order.push(n);
    });
  }
  const waiting = group.wait();
  await vi.advanceTimersByTimeAsync(1_000);
  await waiting;
  expect(order).toEqual([1, 3, 2]);
});

it("globals that other code has replaced are not called as methods of another object", async () => {
  // As in browsers, whose functions refuse to be called so.
  vi.stubGlobal("setTimeout", function (this: unknown, ...args: Parameters<typeof setTimeout>) {
    if (this !== undefined && this !== globalThis) throw new TypeError("Illegal invocation");
    return real.setTimeout(...args);
  });
  vi.resetModules();
  const headgate = await import("headgate");
  await headgate.time.sleep(1);
  const [ctx] = headgate.context.withTimeout(headgate.context.background(), 1);
  await ctx.done().recv();
  vi.unstubAllGlobals();
});
