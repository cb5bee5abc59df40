/** The broker in memory, and headgate alone: how many messages a second, and what is left of a million of them in the heap. */
import process from "node:process";
import { setImmediate as turn } from "node:timers/promises";
import { headgate } from "./headgate.mjs";

const { context } = await headgate("index.js");
const { memoryBroker, worker } = await headgate("worker/index.js");

const LOTS = 10;
/** Bytes that a message may leave behind, and those by which the heap may grow anyway: when code is compiled, some hundred kB. */
const KEPT = 5;
const COMPILED = 2 ** 20;

/** MB, when all garbage is gone. */
const heap = () => {
  for (let i = 0; i < 4; i++) globalThis.gc();
  return process.memoryUsage().heapUsed / 2 ** 20;
};

/** One worker is given `messages` in ten lots; after each the heap is looked at. Neither that nor the publishing is timed. */
export async function memory(_contender, { messages }) {
  const broker = memoryBroker();
  const progress = {};
  const lot = messages / LOTS;
  const [heaps, rates] = [[], []];
  let handled = 0;
  let over;
  const handle = async () => {
    if (++handled % lot === 0) over();
  };
  const running = worker(context.background(), broker, handle, { concurrency: 100, progress });
  for (let i = 1; i <= LOTS; i++) {
    const done = new Promise((resolve) => {
      over = resolve;
    });
    // Nothing else has its turn until all are there.
    for (let n = 0; n < lot; n++) void broker.publish(n);
    const begun = performance.now();
    await done;
    while (progress.acked < i * lot) await turn();
    rates.push((lot / (performance.now() - begun)) * 1000);
    heaps.push(heap());
  }
  broker.end();
  const { acked } = await running;
  if (acked !== messages) throw new Error(`${acked} of ${messages} messages were acked`);
  const grown = (heaps.at(-1) - heaps[0]) * 2 ** 20;
  if (grown > Math.max(COMPILED, messages * KEPT))
    throw new Error(`the heap has grown by ${Math.round(grown / messages)} bytes a message`);
  return { rates, heaps };
}
