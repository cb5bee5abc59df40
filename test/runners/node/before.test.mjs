import { it, mock } from "node:test";

const { setImmediate } = globalThis;

it("goes on if it is imported when the timers are faked already", async () => {
  mock.timers.enable();
  const { bornUnderFakes } = await import("../behaviours.js");
  await bornUnderFakes({
    advance: async (ms) => {
      mock.timers.tick(ms);
      await new Promise((resolve) => setImmediate(resolve));
    },
  });
});
