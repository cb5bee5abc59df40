/** With `fakeTimers: { enableGlobally: true }` all is faked before anything is imported. */
import { expect, it, jest } from "@jest/globals";

jest.useFakeTimers();

it("goes on if it is imported when the timers are faked already", async () => {
  const { bornUnderFakes } = await import("../behaviours.js");
  await bornUnderFakes({ advance: (ms) => jest.advanceTimersByTimeAsync(ms) });
  expect(setTimeout).toHaveProperty("clock");
}, 20_000);
