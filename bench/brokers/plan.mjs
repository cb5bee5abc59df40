/**
 * A run: one broker after the other, each with a server of its own; of each a round that does not count, then the rounds, and then the
 * stops. The samples are those of bench/harness/measure.mjs, with the kind and the broker as their row.
 */
import process from "node:process";
import { fileURLToPath } from "node:url";
import { saidBy } from "../harness/contenders.mjs";
import { machine } from "../harness/machine.mjs";
import { measure } from "../harness/measure.mjs";
import { shareNow } from "../harness/processor.mjs";

const folder = new URL(".", import.meta.url);
const script = fileURLToPath(new URL("sample.mjs", folder));

/** What kills a sample, in ms. */
const LIMIT = 60_000;
/** How many messages there are at a stop. */
const STOPPED = 300;
/** Rounds of stops: a stop is not a matter of speed, and takes its time. */
const STOPS = 3;
/** How many messages go through the broker in memory. */
const MILLION = 1_000_000;

let names = 0;

/** What runs one sample of a contender in a process of its own, or rejects with the reason. */
const sampler =
  (kind, broker, id, url, share) =>
  async (_row, _size, { messages, patience, limit }) => {
    const name = `bench${process.pid}x${++names}`;
    const given = { url, name, messages: Math.max(1, Math.round(messages * share)), patience };
    const args = ["--expose-gc", script, kind, broker, id, JSON.stringify(given)];
    const free = shareNow();
    return { ...(await saidBy(process.execPath, args, process.env, limit)), share: free };
  };

const BOTH = ["speed", "stop"];
const kindOf = (id) => (id === "headgate" ? "headgate" : id.startsWith("headgate") ? "build" : "rival");

function cellsOf(kind, broker, { title, contenders }, url) {
  const row = { id: `${kind} ${broker}`, title: `${title}, ${kind}`, kind: "rate" };
  return contenders
    .filter(({ kinds = BOTH }) => kinds.includes(kind))
    .map(({ id, name, share = 1 }) => {
      const sample = sampler(kind, broker, id, url, kind === "speed" ? share : 1);
      return { row, size: undefined, contender: { id, name, sample } };
    });
}

/** `say` is called for each contender that is skipped, `progress` for each sample. */
export async function run(options, { say, progress }) {
  const begun = performance.now();
  const [samples, brokers, skipped, contenders] = [[], [], [], new Map()];
  const stops = Math.min(options.rounds, STOPS);
  const settings = { limit: LIMIT, patience: options.quick ? 0.25 : 1 };
  const take = (cells, rounds, messages) => measure(cells, { rounds, settings: { ...settings, messages }, progress });

  for (const name of options.brokers) {
    const { start } = await import(`../../test/brokers/servers/${name}.mjs`);
    const server = await start();
    if (server.skipped !== undefined) {
      skipped.push({ id: name, why: server.skipped });
      say(`SKIPPED ${name}: ${server.skipped}`);
      continue;
    }
    try {
      const broker = await import(`./${name}.mjs`);
      const { title, versionOf } = broker;
      const messages = options.messages ?? broker.messages ?? 60_000;
      say(`${title}, ${messages} messages`);
      brokers.push({ id: name, title, version: await versionOf(server.url), messages });
      for (const { id, name, note, share } of broker.contenders)
        contenders.set(`${broker.title} ${id}`, { broker: broker.title, id, name, note, share, kind: kindOf(id) });
      const cells = cellsOf("speed", name, broker, server.url);
      // The server is warm after that, and the modules are in memory.
      if (!options.quick) await take(cells, 1, Math.ceil(messages / 10));
      samples.push(...(await take(cells, options.rounds, messages)));
      // A contender that is measured is stopped there, too: for a quick run that is enough.
      const isOwn = ({ contender: { id } }) => id === "headgate" || cells.every(({ contender }) => contender.id !== id);
      const stopped = cellsOf("stop", name, broker, server.url).filter((cell) => !options.quick || isOwn(cell));
      samples.push(...(await take(stopped, stops, STOPPED)));
    } finally {
      await server.stop();
    }
  }
  if (options.memory) {
    const row = { id: "memory", title: "the broker in memory", kind: "rate" };
    const contender = { id: "headgate", name: "headgate", sample: sampler("memory", "memory", "headgate", "", 1) };
    const messages = options.quick ? MILLION / 10 : MILLION;
    samples.push(...(await take([{ row, size: undefined, contender }], 1, messages)));
  }
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: machine([], folder),
    rounds: options.rounds,
    stops,
    seconds: Math.round((performance.now() - begun) / 1000),
    brokers,
    contenders: [...contenders.values()],
    skipped,
    samples,
  };
}
