/**
 * How timers and tickers show themselves.
 */
import { inspect } from "node:util";
import { time } from "headgate";
import { expect, it } from "vitest";

it.each([
  ["Timer", new time.Timer(60_000)],
  ["Ticker", new time.Ticker(60_000)],
])("a %s says whether it is running", (name, timer) => {
  expect(inspect(timer)).toBe(`time.${name}(running)`);
  timer.stop();
  expect([inspect(timer), String(timer)]).toEqual([`time.${name}(stopped)`, `time.${name}(stopped)`]);
});
