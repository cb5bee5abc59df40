/** What the tests of all brokers have in common: a server for as long as they run, and the conformance suite as tests. */
import assert from "node:assert/strict";
import { after, test } from "node:test";
import { context, time } from "../../dist/index.js";
import { conformance } from "../../dist/worker/conformance.js";
import { worker } from "../../dist/worker/index.js";

/**
 * Starts the server of a broker and ends it after all tests of the file. Resolves to undefined, loudly, if it
 * cannot be started. What is put into its `closing` is called before that.
 */
export async function serverOf(broker, start) {
  const server = await start();
  if (server.skipped !== undefined) {
    console.log(`SKIPPED ${broker}: ${server.skipped}`);
    return undefined;
  }
  const closing = [];
  after(async () => {
    for (const close of closing) await close();
    await server.stop();
  });
  return { ...server, closing };
}

/** Stops of a worker at random moments, each followed by another worker on the same queue. */
const STOPS = 50;

/** Registers the conformance suite, a few tests at a time, and what a worker must do on every broker. */
export function conforms(name, makeLab, traits = {}) {
  void test(`${name}: the contract of a source`, { concurrency: 6, timeout: 300_000 }, async (t) => {
    await Promise.all(conformance(makeLab, traits).map((each) => t.test(each.name, each.run)));
  });
  void test(`${name}: a worker that is stopped ${STOPS} times at random moments handles nothing twice and loses nothing`, () =>
    stops(makeLab, traits));
}

async function stops(makeLab, { text = ({ body }) => body }) {
  const lab = await makeLab(60_000);
  try {
    const handled = new Map();
    const published = new Set();
    let stopped = 0;
    const publishing = (async () => {
      for (let i = 0; stopped < STOPS; i++) {
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
    for (; stopped < STOPS; stopped++) await run(stopped % 2 === 0 ? lab.source : lab.other, 20 + Math.random() * 80);
    await publishing;
    for (let n = 0; n < 20 && handled.size < published.size; n++) await run(lab.source, 500);
    const lost = [...published].filter((body) => !handled.has(body));
    const twice = [...handled].filter(([, times]) => times > 1);
    assert.deepEqual({ lost, twice }, { lost: [], twice: [] });
  } finally {
    await lab.close();
  }
}
