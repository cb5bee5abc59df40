/** What the tests of all brokers have in common: a server for as long as they run, and the conformance suite as tests. */
import assert from "node:assert/strict";
import { availableParallelism, loadavg } from "node:os";
import process from "node:process";
import { after, test } from "node:test";
import { context, time } from "headgate";
import { worker } from "headgate/worker";
import { conformance } from "headgate/worker/conformance";

/**
 * How many times slower than an idle machine this one is, from 1 to 10: by those that wait for each of its cores. A lease is as much longer,
 * so that what must come before its end does.
 */
export const slowness = Math.round(Math.min(10, Math.max(1, loadavg()[0] / availableParallelism())));

/**
 * Starts the server of a broker and ends it after all tests of the file, when what was given to `atEnd` has been done, the last first.
 * Resolves to undefined, loudly, if it cannot be started.
 */
export async function serverOf(broker, start) {
  // So that those who wait for our exit get to end the server.
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => process.exit(1));
  const server = await start();
  if (server.skipped !== undefined) {
    console.log(`SKIPPED ${broker}: ${server.skipped}`);
    void test(broker, { skip: server.skipped }, () => {});
    return undefined;
  }
  // A promise that rejects with nobody to hear it ends a program: none of ours may, nor any of a client's that we have set off.
  const unheard = [];
  process.on("unhandledRejection", (error) => unheard.push(error));
  const ends = [];
  after(async () => {
    for (const end of ends.reverse()) await end();
    await server.stop();
    assert.deepEqual(unheard, [], "promises have rejected unheard");
  });
  return { ...server, atEnd: (end) => ends.push(end) };
}

/** Registers the cases of the conformance suite, a few at a time. What the broker cannot do is skipped by name. */
export function conforms(name, makeLab, traits) {
  void test(`${name}: the contract of a source`, { concurrency: 10, timeout: 1_200_000 }, async (t) => {
    // What should happen at once may take a while on a busy machine. That it does not hang, and is not late, is seen in virtual time.
    const cases = conformance(makeLab, { patience: 60_000, soon: 10_000, ...traits });
    await Promise.all(
      cases.map(({ name, skip, run }) => t.test(name, { skip: skip ?? false }, skip === undefined ? run : undefined)),
    );
  });
}

/** Stops of a worker at random moments, each followed by another worker on the same queue. */
const STOPS = 50;

/** Registers the test of what all this is for. The leases of the lab must be longer than the test takes. */
export function isStopped(name, makeLab) {
  const title = `${name}: a worker that is stopped ${STOPS} times at random moments handles nothing twice and loses nothing`;
  void test(title, { timeout: 900_000 }, async () => {
    const lab = await makeLab();
    try {
      const handled = new Map();
      const published = new Set();
      let stops = 0;
      const publishing = (async () => {
        for (let i = 0; stops < STOPS; i++) {
          await lab.publish([`m${i}`]);
          published.add(`m${i}`);
          await time.sleep(2);
        }
      })();
      const handle = async (ctx, { body }) => {
        await time.sleep(Math.random() * 20, ctx);
        handled.set(body, (handled.get(body) ?? 0) + 1);
      };
      const run = async (source, ms) => {
        const [stop, cancel] = context.withTimeout(context.background(), ms);
        const report = await worker(stop, source, handle, { concurrency: 8, grace: 60_000 });
        cancel();
        assert.equal(report.expired, 0, JSON.stringify(report.leftovers));
        assert.equal(report.stopped, "cancelled");
      };
      for (; stops < STOPS; stops++) await run(stops % 2 === 0 ? lab.source : lab.other, 20 + Math.random() * 80);
      await publishing;
      for (let n = 0; n < 20 && handled.size < published.size; n++) await run(lab.source, 500);
      const lost = [...published].filter((body) => !handled.has(body));
      const twice = [...handled].filter(([, times]) => times > 1);
      assert.deepEqual({ lost, twice }, { lost: [], twice: [] });
    } finally {
      await lab.close();
    }
  });
}
