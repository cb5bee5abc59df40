/** The fault runs as tests, for the file of each broker: all at the same time, but for what is done to the whole server. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { brokerOf } from "./brokers.mjs";
import { runOnce, runs } from "./runs.mjs";
import { serverOf } from "../suite.mjs";

/** Registers a test for each fault. */
export async function survivesFaults(name) {
  const broker = await brokerOf(name);
  const server = await serverOf(`${name}, faults`, broker.start);
  if (server === undefined) return;
  const register = (t, run) => {
    const skip = run.unless?.(broker.adapter) ?? false;
    if (skip) console.log(`SKIPPED ${name}: ${run.title}: ${skip}`);
    return t.test(run.title, { skip, timeout: 1_800_000 }, async (t) => {
      const { faults, messages, twice, expired, seconds, problems } = await runOnce(run, broker, server);
      assert.deepEqual(problems, []);
      t.diagnostic(
        `${faults}: ${messages} messages, ${twice} handled twice, ${expired} expired, ${Math.round(seconds)} s`,
      );
    });
  };
  void test(`${name}: what worker processes go through, without losing a message`, async (t) => {
    await t.test("at the same time", { concurrency: runs.length }, async (t) => {
      await Promise.all(runs.filter(({ alone }) => !alone).map((run) => register(t, run)));
    });
    for (const run of runs) if (run.alone) await register(t, run);
  });
}
