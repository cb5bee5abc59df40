/**
 * How fast the test kit is: `npm run bench:testing`; `npm run bench:testing -- --help` tells the rest.
 *
 * The scenario is small, because the kit is measured and not the scenario. Two workers pull, handle and ack two messages under a group,
 * and t.ctx is cancelled at any moment. A schedule is one run of it from the beginning to the end.
 */
import process from "node:process";
import { parseArgs } from "node:util";
import { command, needsBuild, noPositionals } from "./harness/command.mjs";
import { SHARE } from "./harness/figures.mjs";
import { processor } from "./harness/processor.mjs";

const HELP = `npm run bench:testing -- [OPTION]…

  (nothing)            nine rounds, in a minute or so: schedules a second, and ms
  --quick              three rounds
  --help`;

const { quick } = command(optionsFrom, HELP);
needsBuild();
const { Chan, context, errgroup, sync, time } = await import("../dist/index.js");
const { bubble, explore } = await import("../dist/testing/index.js");
const { memoryBroker, worker } = await import("../dist/worker/index.js");
const rounds = quick ? 3 : 9;
const share = processor();

function optionsFrom(args) {
  const flag = { type: "boolean", default: false };
  const { values, positionals } = parseArgs({ args, allowPositionals: true, options: { quick: flag, help: flag } });
  noPositionals(positionals, "bench:testing");
  return values;
}

/** A queue of messages, each to be settled once; settling takes a round trip. */
function queueOf(count) {
  const messages = new Chan(count);
  const wire = new sync.Mutex();
  const settled = new Map();
  for (let n = 1; n <= count; n++) messages.trySend({ id: `m${n}` });
  messages.close();
  const settle = async (id, how) => {
    await wire.lock();
    wire.unlock();
    settled.set(id, [...(settled.get(id) ?? []), how]);
  };
  return { messages, settled, settle };
}

async function twoByTwo(t) {
  const { messages, settled, settle } = queueOf(2);
  const [group] = errgroup.withContext(t.ctx);
  const pull = async (ctx) => {
    let held = null;
    try {
      for (;;) {
        const [message, ok] = await messages.recv(ctx);
        if (!ok) return;
        held = message.id;
        await time.sleep(10, ctx);
        await settle(held, "ack");
        held = null;
      }
    } catch (error) {
      if (!(error instanceof context.Canceled)) throw error;
      if (held !== null) await settle(held, "nack");
    }
  };
  void group.go(pull);
  void group.go(pull);
  await group.wait();
  for (const [id, how] of settled) if (how.length !== 1) throw new Error(`${id} settled by ${how}`);
}

async function library(t) {
  const broker = memoryBroker();
  for (const n of [1, 2, 3]) await broker.publish(n);
  broker.end();
  const report = await worker(t.ctx, broker, (ctx, delivery) => time.sleep(delivery.body, ctx), { concurrency: 2 });
  const { pulled, acked, retried, released, dead, expired } = report;
  if (pulled !== acked + retried + released + dead + expired) throw new Error("the account does not add up");
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];

async function row(name, unit, measure) {
  const figures = [];
  for (let round = 0; round < rounds; round++) figures.push(await measure());
  figures.sort((a, b) => a - b);
  const [low, middle, high] = [0.25, 0.5, 0.75].map((q) => Math.round(quantile(figures, q)).toLocaleString("en"));
  console.log(`${name.padEnd(52)} ${middle.padStart(9)} ${unit}   (quartiles ${low} – ${high})`);
}

async function speed(scenario, options, least) {
  let schedules = 0;
  const begun = performance.now();
  while (schedules < least) ({ schedules } = { schedules: schedules + (await explore(scenario, options)).schedules });
  return (schedules / (performance.now() - begun)) * 1000;
}

console.log(`node ${process.version}\n`);
const random = { cancel: true, microtasks: 0, bound: 0, randomRuns: 20_000, maxSchedules: 50_000 };
await speed(twoByTwo, random, 20_000);
await row("2 workers × 2 messages, random", "schedules/s", () =>
  speed(twoByTwo, { ...random, randomRuns: 2_000 }, 10_000),
);
await row("2 workers × 2 messages, every schedule", "schedules/s", () =>
  speed(twoByTwo, { bound: Infinity, randomRuns: 0, maxSchedules: 50_000 }, 5_000),
);
await row("2 workers × 2 messages, the default options", "schedules/s", () => speed(twoByTwo, {}, 5_000));
await row("headgate's worker, 3 messages, the default options", "schedules/s", () => speed(library, {}, 1_000));
await row("10 000 sleeps in a bubble", "ms", async () => {
  const begun = performance.now();
  await bubble(async () => {
    for (let i = 0; i < 10_000; i++) await time.sleep(1);
  });
  return performance.now() - begun;
});
if (share() < SHARE)
  console.log(
    `\ntoo busy to compare: this had ${Math.round(100 * share())} % of a processor, and would be faster alone`,
  );
