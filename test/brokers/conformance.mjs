/** Registers the conformance suite for one broker, and what every worker must do on it. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { context, time } from "../../dist/index.js";
import { conformance } from "../../dist/worker/conformance.js";
import { worker } from "../../dist/worker/index.js";

/** Stops of a worker at random moments, each followed by another worker on the same queue. */
const STOPS = 50;

export function registers(name, makeLab, traits = {}) {
  const { text = ({ body }) => body } = traits;

  void describe(`${name}: the contract of a source`, () => {
    for (const test of conformance(makeLab, traits)) void it(test.name, test.run);
  });

  void describe(`${name}: a worker`, () => {
    void it(`that is stopped ${STOPS} times at random moments handles nothing twice and loses nothing`, async () => {
      const lab = await makeLab(60_000);
      try {
        const handled = new Map();
        const published = new Set();
        let stops = 0;
        const publishing = (async () => {
          for (let i = 0; stops < STOPS; i++) {
            await lab.publish(`m${i}`, { kind: "test" });
            published.add(`m${i}`);
            await time.sleep(2);
          }
        })();
        const handle = async (ctx, delivery) => {
          await time.sleep(Math.random() * 20, ctx);
          handled.set(text(delivery), (handled.get(text(delivery)) ?? 0) + 1);
        };
        const run = async (source, ms) => {
          const [stop, cancel] = context.withTimeout(context.background(), ms);
          const report = await worker(stop, source, handle, { concurrency: 8, grace: 10_000 });
          cancel();
          assert.equal(report.expired, 0, JSON.stringify(report.leftovers));
          assert.equal(report.stopped, "cancelled");
        };
        for (; stops < STOPS; stops++) await run(stops % 2 === 0 ? lab.source : lab.other, 20 + Math.random() * 80);
        await publishing;
        for (let n = 0; n < 20 && handled.size < published.size; n++) await run(lab.source, 500);
        assert.deepEqual(
          [...published].filter((body) => !handled.has(body)),
          [],
          "lost",
        );
        assert.deepEqual(
          [...handled].filter(([, times]) => times > 1),
          [],
          "handled twice",
        );
      } finally {
        await lab.close();
      }
    });
  });
}
