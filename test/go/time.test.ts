/** What Go's own tests of timers and tickers pin, in our words. */
import { nil, time } from "headgate";
import { describe, expect, it, vi } from "vitest";
import { elapse, isPending, virtualTime } from "../support/clock.ts";

virtualTime();

/** Lets time pass while nobody waits for a timer. */
const pass = (ms: number): void => void vi.advanceTimersByTime(ms);

const kinds = { Timer: time.Timer, Ticker: time.Ticker };

describe("time", () => {
  it.each(Object.entries(kinds))(
    "the channel of a %s keeps nothing (T1) [time/tick_test.go TestChan]",
    async (_, Kind) => {
      const t = new Kind(10);
      const isEmpty = (): void => {
        expect([t.c.length, t.c.capacity]).toEqual([0, 0]);
        expect(t.c.tryRecv()).toBeUndefined();
      };
      isEmpty();
      pass(10);
      expect(t.c.length).toBe(0);
      expect(t.stop()).toBe(true);
      isEmpty();
      expect(t.stop()).toBe(false);
      expect(t.reset(10)).toBe(false);
      pass(10);
      expect(t.reset(10)).toBe(true);
      isEmpty();
      pass(10);
      expect(t.c.tryRecv()).toEqual([new Date(Date.now()), true]);
      isEmpty();
      const received = t.c.recv();
      t.reset(20);
      await elapse(19);
      expect(await isPending(received)).toBe(true);
      await elapse(1);
      expect(await received).toEqual([new Date(Date.now()), true]);
    },
  );

  it.each([
    ["stop", (t: time.Timer) => t.stop()],
    ["reset", (t: time.Timer) => t.reset(1000)],
  ])(
    "%s says if it came in time (T2, T3) [time/sleep_test.go TestStopResult] [time/sleep_test.go TestResetResult]",
    async (_, act) => {
      for (const waited of [0, 5, 10, 15]) {
        for (const receive of [false, true]) {
          const t = new time.Timer(10);
          pass(waited);
          const received = receive && t.c.tryRecv() !== undefined;
          expect(received).toBe(receive && waited >= 10);
          expect(act(t)).toBe(!received);
          expect(t.c.tryRecv()).toBeUndefined();
          t.stop();
        }
      }
    },
  );

  it("a new ticker of 0 or less throws (T4) [time/tick_test.go TestNewTickerLtZeroDuration]", () => {
    for (const ms of [0, -1]) expect(() => new time.Ticker(ms)).toThrow("non-positive interval for NewTicker");
  });

  it("a ticker cannot be reset to 0 or less (T4) [time/tick_test.go TestTickerResetLtZeroDuration]", () => {
    const ticker = new time.Ticker(10);
    for (const ms of [0, -1]) expect(() => ticker.reset(ms)).toThrow("non-positive interval for Ticker.Reset");
  });

  it("tick is nil for 0 or less, a channel that ticks otherwise (T4) [time/tick_test.go TestTick]", async () => {
    for (const ms of [0, -1]) expect(time.tick(ms)).toBe(nil);
    const tick = time.tick(10).recv();
    await elapse(10);
    expect((await tick)[1]).toBe(true);
  });

  describe("a timer that was never made", () => {
    const unmade = Object.create(time.Timer.prototype) as time.Timer;

    it("cannot be stopped (T4) [time/sleep_test.go TestZeroTimerStopPanics]", () => {
      expect(() => unmade.stop()).toThrow(TypeError);
    });

    it("cannot be reset (T4) [time/sleep_test.go TestZeroTimerResetPanics]", () => {
      expect(() => unmade.reset(10)).toThrow(TypeError);
    });
  });

  it("a timer of no time fires at once, again and again (T5) [time/sleep_test.go TestZeroTimer]", async () => {
    for (let i = 0; i < 1000; i++) {
      const t = new time.Timer(0);
      expect(await t.c.recv()).toEqual([new Date(Date.now()), true]);
      t.reset(0);
      expect(t.c.tryRecv()).toEqual([new Date(Date.now()), true]);
      expect(t.stop()).toBe(false);
    }
  });
});
