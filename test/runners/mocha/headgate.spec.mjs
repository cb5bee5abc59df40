import sinon from "sinon";
import { everything } from "headgate-everything";
import { behaviours, faultsOf } from "../behaviours.js";

describe("headgate under sinon.useFakeTimers()", () => {
  let clock;
  const fakes = {
    fakesClock: true,
    install: (toFake) => (clock = sinon.useFakeTimers(toFake && { toFake })),
    advance: (ms) => clock.tickAsync(ms),
    uninstall: () => clock.restore(),
    runAll: () => clock.runAllAsync(),
    count: () => clock.countTimers(),
  };
  for (const [name, test] of behaviours(fakes)) it(name, test);
});

describe("headgate in mocha", () => {
  it("does all that it can", async () => faultsOf(await everything())).timeout(60_000);
});
