import { describe, it, vi } from "vitest";
import { everything } from "headgate-everything";
import { behaviours, faultsOf } from "../behaviours.js";

describe("headgate under vi.useFakeTimers()", () => {
  const fakes = {
    fakesClock: true,
    install: (toFake) => vi.useFakeTimers(toFake && { toFake }),
    advance: (ms) => vi.advanceTimersByTimeAsync(ms),
    uninstall: () => vi.useRealTimers(),
    runAll: () => vi.runAllTimersAsync(),
    count: () => vi.getTimerCount(),
  };
  for (const [name, test] of behaviours(fakes)) it(name, test);
});

describe("headgate in vitest", () => {
  it("does all that it can", async () => faultsOf(await everything()), 60_000);
});
