/**
 * One sample, in this process alone: `node --expose-gc bench/brokers/sample.mjs KIND BROKER CONTENDER JSON` prints one line of JSON. The
 * JSON has the `url` of the server, the `name` of the queue to make, and how many `messages`; `patience` is 1, or less if the run only
 * checks that everything works.
 *
 * - speed: from the start of consuming until every message is settled for good. Connecting, filling the queue, and as many
 *   messages beforehand, so that everything is compiled, are not timed. Fails if a message was not handled, or is not settled.
 * - stop: a worker is stopped after 300 ms, as its library says it should be, and from that moment on a second one takes what it gets.
 * - memory: headgate alone, with the broker in memory.
 */
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { Log, messagesOf, Tally } from "./job.mjs";

const [kind, broker, id, json] = process.argv.slice(2);
if (json === undefined) {
  console.error("usage: node --expose-gc bench/brokers/sample.mjs KIND BROKER CONTENDER JSON");
  process.exit(2);
}
const given = JSON.parse(json);
const { patience } = given;

const CONCURRENCY = 100;
/** Handlers at once, where they take a while and are stopped. */
const STOPPED = 50;
/** ms from the start to the stop. */
const STOP = 300;
/** How long a message is its worker's, in ms, where the queue says so, and lets it be that short. */
const LEASE = 3_000 * patience;
/** ms without an event after which the rest waits for the end of its lease, or the broker cannot say what is left. */
const [IDLE, IDLE_AND_DONE] = [2_000 * patience, 500 * patience];

async function speed(contender, { url, name, messages }) {
  if (patience === 1) await consumed(contender, url, `${name}_warm`, messages);
  return consumed(contender, url, name, messages);
}

async function consumed(contender, url, name, messages) {
  const queue = await contender.open(url, name);
  await queue.fill(messagesOf(messages));
  const tally = new Tally(messages);
  const consumer = await queue.consumer({ concurrency: CONCURRENCY, handle: tally.handle });
  globalThis.gc();
  const begun = performance.now();
  consumer.start();
  await tally.all;
  await consumer.settled(messages);
  const ms = performance.now() - begun;
  await consumer.stop();
  const left = await queue.left?.();
  if (left > 0) throw new Error(`${left} of ${messages} messages were handled, and are not settled`);
  await queue.close();
  return { rate: (messages / ms) * 1000, handled: tally.handled, distinct: tally.distinct, left };
}

async function stop(contender, { url, name, messages }) {
  const queue = await contender.open(url, name, LEASE);
  await queue.fill(messagesOf(messages));
  const log = new Log(messages);
  const [first, second] = [log.handler(), log.handler()];
  const order = { concurrency: STOPPED, isStopped: true };
  const one = await queue.consumer({ ...order, handle: first });
  const other = await queue.consumer({ ...order, handle: second });
  one.start();
  await sleep(STOP);
  const begun = performance.now();
  const stopping = one.stop();
  other.start();
  await stopping;
  const end = performance.now();
  const { running } = first;
  /** Waits until all is settled, or nothing has happened for `ms`. Returns the number of unsettled messages, as far as it is known. */
  const settled = async (ms) => {
    for (;;) {
      const left = await queue.left?.();
      const quiet = performance.now() - Math.max(end, log.last);
      if (left === 0) return 0;
      if (quiet > (left === undefined && log.undone === 0 ? IDLE_AND_DONE : ms)) return left ?? log.undone;
      await sleep(20);
    }
  };
  const stranded = await settled(IDLE);
  const done = log.last - begun;
  // What comes again will be handled again. It is waited for, where the lease is not too long for that.
  if (stranded > 0 && queue.lease === LEASE) await settled(2 * LEASE);
  const { twice } = log;
  await other.stop().catch(() => {});
  await queue.close();
  return { stopping: end - begun, done, running, twice, stranded };
}

const { contenders, memory } = await import(`./${broker}.mjs`);
const contender = contenders?.find((contender) => contender.id === id);
const result = await { speed, stop, memory }[kind](contender, given);
console.log(JSON.stringify(result));
process.exit(0);
