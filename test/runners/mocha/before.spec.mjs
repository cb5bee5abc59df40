import sinon from "sinon";

it("goes on if it is imported when the timers are faked already", async () => {
  const clock = sinon.useFakeTimers();
  try {
    const { bornUnderFakes } = await import("../behaviours.js");
    await bornUnderFakes({ advance: (ms) => clock.tickAsync(ms) });
  } finally {
    clock.restore();
  }
});
