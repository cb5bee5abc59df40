import { describe, it, jest } from "@jest/globals";
import { everything } from "headgate-everything";
import { behaviours, faultsOf } from "../behaviours.js";

/** What jest fakes by default. */
const ALL = [
  "Date",
  "performance",
  "hrtime",
  "nextTick",
  "queueMicrotask",
  "requestAnimationFrame",
  "cancelAnimationFrame",
  "requestIdleCallback",
  "cancelIdleCallback",
  "setImmediate",
  "clearImmediate",
  "setInterval",
  "clearInterval",
  "setTimeout",
  "clearTimeout",
];

describe("headgate under jest.useFakeTimers()", () => {
  const fakes = {
    fakesClock: true,
    install: (names) => jest.useFakeTimers(names && { doNotFake: ALL.filter((name) => !names.includes(name)) }),
    advance: (ms) => jest.advanceTimersByTimeAsync(ms),
    uninstall: () => jest.useRealTimers(),
    runAll: () => jest.runAllTimersAsync(),
    count: () => jest.getTimerCount(),
  };
  for (const [name, test] of behaviours(fakes)) it(name, test, 20_000);
});

describe("headgate in jest", () => {
  it(
    "does all that it can",
    async () => faultsOf(await everything(undefined, (signal) => process.emit(signal))),
    60_000,
  );
});
