import test from "ava";
import sinon from "sinon";
import { everything } from "headgate-everything";
import { behaviours, faultsOf } from "../behaviours.js";

let clock;
const fakes = {
  fakesClock: true,
  install: (toFake) => (clock = sinon.useFakeTimers(toFake && { toFake })),
  advance: (ms) => clock.tickAsync(ms),
  uninstall: () => clock.restore(),
};
for (const [name, body] of behaviours(fakes)) {
  test.serial(name, async (t) => {
    await body();
    t.pass();
  });
}

test.serial("headgate does all that it can", async (t) => {
  faultsOf(await everything());
  t.pass();
});
