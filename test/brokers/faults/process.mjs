/**
 * One worker in a process of its own, for the fault runs to stop, freeze and kill. Started by crew.mjs, which gives it its orders as JSON.
 *
 * Invariants:
 * - The start and the end of each handler, and the messages that expire, are lines in the journal before anything else happens: whatever
 *   becomes of the process, what it did is known. The journal is shared; its lines are in the order in which things happened.
 * - It ends by itself once the worker has returned and the connection is closed, but for handlers that nothing can end.
 * - It does not outlive who started it.
 */
import { openSync, writeSync } from "node:fs";
import process from "node:process";
import { context, time } from "headgate";
import { shutdown } from "headgate/signal";
import { worker } from "headgate/worker";

process.on("disconnect", () => process.kill(process.pid, "SIGKILL"));
process.channel.unref();

const orders = JSON.parse(process.argv[2]);
const journal = openSync(orders.journal, "a");
const write = (what, body) => writeSync(journal, `${what} ${orders.name} ${body}\n`);

const { open } = await import(new URL(`brokers/${orders.broker}.mjs`, import.meta.url));
const { source, close } = await open(orders.url, orders.queue, orders);
const [stop, abort, release] = shutdown(context.background(), "SIGTERM");

async function handle(ctx, { body }) {
  write("start", body);
  if (body.startsWith("poison")) throw new Error(`cannot digest ${body}`);
  if (body.startsWith("deaf") && orders.deaf) await time.sleep(3_600_000);
  const [least, most] = orders.takes;
  await time.sleep(least + Math.random() * (most - least), ctx);
  write("finish", body);
}

let failed = 0;
/** How many messages the broker was told of in calls that were made to fail afterwards. */
let unheard = 0;
const running = worker(stop, orders.refuses === undefined ? source : refusing(source), handle, {
  ...orders.options,
  abort,
  backoff: () => 50,
  observe: ({ type, verdict, count }) => {
    if (type === "sourceError") failed++;
    // If this process is killed, there is no report to say so.
    if (type === "settled" && verdict === "expired") write("expire", count);
  },
});
process.send("ready");
const report = await running;
release();
await close();
const leftovers = report.leftovers.map(({ delivery: { body }, verdict, error }) => ({
  body,
  verdict,
  error: String(error),
}));
const told = { ...report, cause: String(report.cause), leftovers, failed, unheard };
process.send(told, () => {
  if (report.abandoned > 0) process.exit();
  // Something that was not closed keeps us.
  setTimeout(() => process.exit(3), 5_000).unref();
});

/**
 * The source, but a quarter of the calls with verdicts reject: before the broker is told ("before"), or after it was told, as if the answer
 * had been lost ("after").
 */
function refusing(source) {
  const flaky = (call) => async (ctx, items) => {
    if (Math.random() > 1 / 4) return call(ctx, items);
    if (orders.refuses === "before") throw new Error("refused");
    const lost = await call(ctx, items);
    unheard += items.length - (lost?.length ?? 0);
    throw new Error("the answer was lost");
  };
  const { pull, extend, lease, deadLetter } = source;
  return { pull, extend, lease, deadLetter, ack: flaky(source.ack), nack: flaky(source.nack) };
}
