import { setImmediate } from "node:timers/promises";
import { describe, it, mock } from "node:test";
import { everything } from "headgate-everything";
import { behaviours, faultsOf } from "../behaviours.js";

describe("headgate under mock.timers.enable()", () => {
  const fakes = {
    // It fakes timers and Date, and has no performance.
    fakesClock: false,
    // Who fakes a timer fakes what clears it.
    install: (names) => mock.timers.enable(names && { apis: names.filter((name) => !name.startsWith("clear")) }),
    advance: async (ms) => {
      mock.timers.tick(ms);
      await settled();
    },
    uninstall: () => mock.timers.reset(),
  };
  for (const [name, test] of behaviours(fakes)) it(name, test);
});

/** Until what a tick has started has had its turn. */
const settled = setImmediate;

describe("headgate in node:test", () => {
  it("does all that it can", async () => faultsOf(await everything()));
});
