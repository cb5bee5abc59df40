/** From samples to figures: for each broker the rates, with how headgate compares, and the stops. */
import { figuresOf as ratesOf, spread } from "../harness/figures.mjs";

/**
 * Of each broker `{ broker, rates, stops }`; each of these is a list of contenders with their figures, in their order. `ample` is how it
 * compares with headgate where that holds more.
 */
export function figuresOf({ samples, contenders, brokers }) {
  return brokers.map((broker) => {
    const own = contenders.filter((contender) => contender.broker === broker.title);
    const row = { id: `speed ${broker.id}`, kind: "rate" };
    const speeds = samples.filter((sample) => sample.row === row.id);
    const [figure] = ratesOf({ samples: speeds, contenders: own }, [row]);
    const [ample] = ratesOf({ samples: besideAmple(speeds, own), contenders: own }, [row]);
    const rates = own.flatMap((contender) => {
      const rate = figure?.of.get(contender.id);
      const { factor } = ample?.of.get(contender.id) ?? {};
      return rate === undefined ? [] : [{ contender, rate, ample: factor }];
    });
    const stops = own.flatMap((contender) => {
      const all = samples.filter(({ row, who }) => row === `stop ${broker.id}` && who === contender.id);
      return all.length === 0 ? [] : [{ contender, stop: stopOf(all) }];
    });
    return { broker, rates, stops };
  });
}

/** The samples with headgate as it is where it holds more, which is the other one of ours; without headgate where there is none. */
function besideAmple(samples, contenders) {
  const ample = contenders.find(({ kind }) => kind === "build")?.id;
  return samples
    .filter(({ who }) => who !== "headgate")
    .map((sample) => (sample.who === ample ? { ...sample, who: "headgate" } : sample));
}

function stopOf(all) {
  const good = all.filter(({ failed }) => failed === undefined);
  if (good.length === 0) return { failed: all.at(-1).failed };
  const over = (key) => spread(good.map((sample) => sample[key]));
  /** The moment of the stop is random, so the least and the most are shown. */
  const range = (key) => [Math.min, Math.max].map((of) => of(...good.map((sample) => sample[key])));
  return {
    twice: range("twice"),
    stranded: range("stranded"),
    running: range("running"),
    stopping: over("stopping").median,
    done: over("done").median,
  };
}

/** The broker in memory: how many a second, over the lots, and MB in the heap after each of them. */
export function memoryOf({ samples }) {
  const sample = samples.find(({ row, failed }) => row === "memory" && failed === undefined);
  return sample && { rate: spread(sample.rates), heaps: sample.heaps };
}

/** What has failed, a line a contender, with the last reason. */
export function failuresOf({ samples }) {
  const failed = new Map();
  for (const { row, who, failed: why } of samples) if (why !== undefined) failed.set(`${row}, ${who}`, why);
  return [...failed].map(([what, why]) => `${what}: ${why}`);
}
