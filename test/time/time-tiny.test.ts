/**
 * Periods that the clock cannot tell from none, in real time.
 */
import { time } from "headgate";
import { describe, expect, it } from "vitest";

describe("a ticker whose period is too short for the clock", () => {
  it.each([Number.MIN_VALUE, 1e-300, 1e-9])("goes on ticking at %s ms", async (ms) => {
    const ticker = new time.Ticker(ms);
    let last = -Infinity;
    for (let i = 0; i < 5; i++) {
      const [at] = await ticker.c.recv();
      expect(at!.getTime()).toBeGreaterThanOrEqual(last);
      last = at!.getTime();
    }
    expect(ticker.stop()).toBe(true);
  });
});
