import { it, vi } from "vitest";

it("goes on if it is imported when the timers are faked already", async () => {
  vi.useFakeTimers();
  const { bornUnderFakes } = await import("../behaviours.js");
  await bornUnderFakes({ advance: (ms) => vi.advanceTimersByTimeAsync(ms) });
});
