import { nil, time } from "headgate";
import { afterEach, describe, expect, it, vi } from "vitest";
import { elapse, isPending, timersSet, virtualTime } from "../support/clock.ts";

virtualTime();

afterEach(() => expect(timersSet()).toBe(0));

const start = Date.UTC(2000, 0, 1);
const at = (ms: number): Date => new Date(start + ms);

/** Lets time pass without letting anything run: what a busy program does. */
const pass = (ms: number): void => void vi.advanceTimersByTime(ms);

describe("a timer", () => {
  it("that is stopped in time delivers nothing; stopped again it says so (T2)", async () => {
    const timer = new time.Timer(10);
    const received = timer.c.recv();
    expect(timer.stop()).toBe(true);
    expect(timer.stop()).toBe(false);
    expect(timersSet()).toBe(0);
    await elapse(20);
    expect(await isPending(received)).toBe(true);
  });

  it("that is due but not received counts as stopped in time, and leaves no stale value (T1)", () => {
    const timer = new time.Timer(10);
    pass(20);
    expect(timer.stop()).toBe(true);
    expect(timer.c.tryRecv()).toBeUndefined();
    expect(timer.stop()).toBe(false);
  });

  it("that was received can no longer be stopped (T2)", async () => {
    const timer = new time.Timer(10);
    const received = timer.c.recv();
    await elapse(10);
    expect(await received).toEqual([at(10), true]);
    expect(timer.stop()).toBe(false);
  });

  it("that is reset counts anew from then, and leaves no stale value (T1, T3)", async () => {
    const timer = new time.Timer(10);
    pass(20);
    expect(timer.reset(10)).toBe(true);
    expect(timer.c.tryRecv()).toBeUndefined();
    pass(10);
    expect(timer.c.tryRecv()).toEqual([at(30), true]);
  });

  it("can be reset in any state, and reset says whether it was running (T3)", async () => {
    const timer = new time.Timer(Infinity);
    expect(timer.reset(10)).toBe(true);
    timer.stop();
    expect(timer.reset(10)).toBe(false);
    pass(10);
    expect(timer.c.tryRecv()).toEqual([at(10), true]);
    expect(timer.reset(5)).toBe(false);
    const received = timer.c.recv();
    await elapse(5);
    expect(await received).toEqual([at(15), true]);
  });

  it("that is reset while somebody waits wakes him earlier or later, by one platform timer (T3)", async () => {
    for (const ms of [5, 50]) {
      const began = Date.now();
      const timer = new time.Timer(20);
      const received = timer.c.recv();
      timer.reset(ms);
      expect(timersSet()).toBe(1);
      await elapse(ms - 1);
      expect(await isPending(received)).toBe(true);
      await elapse(1);
      expect(await received).toEqual([new Date(began + ms), true]);
    }
  });

  it("that is reset to 0 or less fires at once, with the time of the reset (T3, T5)", async () => {
    for (const ms of [0, -5, -Infinity]) {
      const timer = new time.Timer(10);
      const received = timer.c.recv();
      pass(3);
      const now = new Date(Date.now());
      timer.reset(ms);
      await elapse(0);
      expect(await received).toEqual([now, true]);
    }
  });

  it("that is reset gives the due time by the wall clock of then (T5)", () => {
    const timer = new time.Timer(10);
    vi.setSystemTime(start + 3_600_000);
    timer.reset(10);
    pass(10);
    expect(timer.c.tryRecv()).toEqual([at(3_600_010), true]);
  });

  it("that is stopped while somebody waits wakes him after a reset (T3)", async () => {
    const timer = new time.Timer(10);
    const received = timer.c.recv();
    timer.stop();
    await elapse(100);
    timer.reset(7);
    await elapse(7);
    expect(await received).toEqual([at(107), true]);
  });

  it("measures spans by a clock that nobody can set", async () => {
    const received = new time.Timer(10).c.recv();
    const before = performance.now();
    vi.setSystemTime(start - 3_600_000);
    await elapse(10);
    expect(performance.now() - before).toBe(10);
    expect(await received).toEqual([at(10), true]);
  });
});

describe("a ticker", () => {
  it("ticks at every interval, and gives the due times", async () => {
    const ticker = new time.Ticker(10);
    const ticks: Date[] = [];
    for (let i = 0; i < 3; i++) {
      void ticker.c.recv().then(([tick]) => ticks.push(tick!));
      await elapse(10);
    }
    expect(ticks).toEqual([at(10), at(20), at(30)]);
    expect([ticker.c.length, ticker.c.capacity]).toEqual([0, 0]);
  });

  it("keeps one tick for a slow reader and drops the others, but keeps the beat (T4)", async () => {
    const ticker = new time.Ticker(10);
    pass(47);
    expect(ticker.c.tryRecv()).toEqual([at(10), true]);
    expect(ticker.c.tryRecv()).toBeUndefined();
    const next = ticker.c.recv();
    await elapse(2);
    expect(await isPending(next)).toBe(true);
    await elapse(1);
    expect(await next).toEqual([at(50), true]);
    pass(10);
    expect(ticker.c.tryRecv()).toEqual([at(60), true]);
  });

  it("may tick every millisecond, and in between", () => {
    const ticker = new time.Ticker(1);
    for (let i = 1; i <= 3; i++) {
      pass(1);
      expect(ticker.c.tryRecv()).toEqual([at(i), true]);
    }
    ticker.reset(0.5);
    pass(1);
    expect(ticker.c.tryRecv()).toEqual([at(3.5), true]);
    pass(1);
    expect(ticker.c.tryRecv()).toEqual([at(4.5), true]);
  });

  it("serves those who wait one tick each, in order", async () => {
    const ticker = new time.Ticker(10);
    const ticks: number[] = [];
    for (let i = 0; i < 3; i++) void ticker.c.recv().then(([tick]) => ticks.push(i, tick!.getTime() - start));
    await elapse(20);
    expect(ticks).toEqual([0, 10, 1, 20]);
    await elapse(10);
    expect(ticks).toEqual([0, 10, 1, 20, 2, 30]);
  });

  it("sets a platform timer only while somebody waits, and needs no stop (T6)", async () => {
    const ticker = new time.Ticker(10);
    expect(timersSet()).toBe(0);
    const tick = ticker.c.recv();
    expect(timersSet()).toBe(1);
    await elapse(10);
    await tick;
    expect(timersSet()).toBe(0);
  });

  it("that is stopped leaves no tick, not even one that was due; its channel stays open (T1, T4)", async () => {
    const ticker = new time.Ticker(10);
    pass(15);
    expect(ticker.stop()).toBe(true);
    expect(ticker.stop()).toBe(false);
    expect(ticker.c.tryRecv()).toBeUndefined();
    const tick = ticker.c.recv();
    expect(timersSet()).toBe(0);
    await elapse(100);
    expect(await isPending(tick)).toBe(true);
    expect(ticker.reset(5)).toBe(false);
    await elapse(5);
    expect(await tick).toEqual([at(120), true]);
  });

  it("that is reset ticks by the new interval from then on, without a stale tick (T1, T3)", () => {
    const ticker = new time.Ticker(10);
    pass(15);
    expect(ticker.reset(20)).toBe(true);
    expect(ticker.c.tryRecv()).toBeUndefined();
    pass(20);
    expect(ticker.c.tryRecv()).toEqual([at(35), true]);
    pass(20);
    expect(ticker.c.tryRecv()).toEqual([at(55), true]);
  });

  it("ticks in a for await, until it is left", async () => {
    const ticks: number[] = [];
    const loop = (async () => {
      for await (const tick of time.tick(1)) {
        ticks.push(tick.getTime() - start);
        if (ticks.length === 3) break;
      }
    })();
    await elapse(100);
    await loop;
    expect(ticks).toEqual([1, 2, 3]);
  });

  it("of an interval of 0 or less is refused; tick gives nil then (T4)", () => {
    const ticker = new time.Ticker(10);
    for (const ms of [0, -0, -1, -Infinity]) {
      expect(() => new time.Ticker(ms)).toThrow("non-positive interval for NewTicker");
      expect(() => ticker.reset(ms)).toThrow("non-positive interval for Ticker.Reset");
      expect(time.tick(ms)).toBe(nil);
    }
    pass(10);
    expect(ticker.c.tryRecv()).toEqual([at(10), true]);
  });

  it("of Infinity never ticks", async () => {
    const tick = new time.Ticker(Infinity).c.recv();
    expect(timersSet()).toBe(0);
    await elapse(2 ** 40);
    expect(await isPending(tick)).toBe(true);
  });
});

describe("afterFunc", () => {
  it("runs the function once, on a task of its own, and has the nil channel (T2)", async () => {
    let ran = 0;
    const timer = time.afterFunc(10, () => ran++);
    expect(timer.c).toBe(nil);
    await elapse(9);
    expect(ran).toBe(0);
    await elapse(100);
    expect(ran).toBe(1);
    expect(timer.stop()).toBe(false);
  });

  it("that is stopped in time never runs the function, and leaves no timer (T2)", async () => {
    let ran = 0;
    const timer = time.afterFunc(10, () => ran++);
    expect([timer.stop(), timer.stop(), timersSet()]).toEqual([true, false, 0]);
    await elapse(20);
    expect(ran).toBe(0);
  });

  it("can be reset in any state, and then runs again (T3)", async () => {
    let ran = 0;
    const timer = time.afterFunc(10, () => ran++);
    await elapse(5);
    expect(timer.reset(10)).toBe(true);
    await elapse(9);
    expect(ran).toBe(0);
    await elapse(1);
    expect(ran).toBe(1);
    expect(timer.reset(10)).toBe(false);
    await elapse(10);
    expect(ran).toBe(2);
  });

  it("runs at once, but not inside the call, for 0 and less; never for Infinity", async () => {
    const ran: number[] = [];
    for (const ms of [0, -5, -Infinity, Infinity]) time.afterFunc(ms, () => ran.push(ms));
    expect(ran).toEqual([]);
    await elapse(0);
    expect(new Set(ran)).toEqual(new Set([0, -5, -Infinity]));
    expect(timersSet()).toBe(0);
  });
});
