/** What is measured how long: the quick run, the full one, and the one in all runtimes. */
import { fail } from "./command.mjs";
import { contenders, install } from "./contenders.mjs";
import { machine } from "./machine.mjs";
import { measure } from "./measure.mjs";
import { runtimes } from "./runtimes.mjs";

/**
 * A slice in ms, how many there are, what a sample may take, and what kills it; `time` is what the whole run may take, if it has a
 * bound; `sizes` are those of the rows that scale. What is `seldom` is steady, or takes long: every third round is enough for it.
 */
const QUICK = { rounds: 7, slice: 4, slices: 8, budget: 800, limit: 10_000, time: 100_000, sizes: [100, 10_000] };
const FULL = { rounds: 9, slice: 10, slices: 20, budget: 10_000, limit: 120_000, time: Infinity, sizes: undefined };
const RUNTIMES = { rounds: 3, slice: 6, slices: 12, budget: 2000, limit: 60_000, time: Infinity, sizes: [] };

const isSeldom = ({ row, size }) => size !== undefined || row.kind !== undefined;

/** A run, as the options ask for it: the machine, the contenders, and all samples. */
export async function run(options, { say = () => {}, progress } = {}) {
  install();
  const [mode, plan] = options.runtimes ? ["runtimes", RUNTIMES] : options.full ? ["full", FULL] : ["quick", QUICK];
  const { present, skipped } = options.runtimes
    ? await runtimes()
    : await contenders({ wanted: options.contenders, also: options.also });
  for (const { id, why } of skipped) say(`SKIPPED ${id}: ${why}`);

  const cells = cellsOf(options, plan, present);
  if (cells.length === 0) fail(`nothing to measure: a ${mode} run has no sizes for rows that scale`);
  const areAllSeldom = cells.every(isSeldom);
  const begun = performance.now();
  const samples = await measure(cells, {
    rounds: options.rounds ?? plan.rounds,
    settings: { SLICE: `${plan.slice}`, SLICES: `${plan.slices}`, BUDGET: `${plan.budget}`, limit: plan.limit },
    isOver: () => options.rounds === undefined && performance.now() - begun > plan.time,
    wants: (cell, round, samples) =>
      (areAllSeldom || !isSeldom(cell) || round % 3 === 0) &&
      (mode !== "quick" || round === 0 || isInTheRunning(cell, samples)),
    progress,
  });
  return {
    mode,
    date: new Date().toISOString().slice(0, 10),
    machine: machine(present),
    rounds: 1 + Math.max(...samples.map(({ round }) => round)),
    seconds: Math.round((performance.now() - begun) / 1000),
    contenders: present.map(({ id, name, kind, version, notes }) => ({ id, name, kind, version, notes })),
    skipped,
    samples,
  };
}

/**
 * In a quick run the sizes are headgate's alone. A rival that was far from the best in the full run is left out, unless the options name
 * it.
 */
function cellsOf({ rows, scaling, full, named, far = {} }, { sizes }, present) {
  const isFar = (row, { id }) => !full && !named && far[row.id]?.includes(id);
  const isOurs = ({ kind }) => kind === "headgate" || kind === "build";
  return [
    ...rows.flatMap((row) =>
      present
        .filter((contender) => contender.has(row) && !isFar(row, contender))
        .map((contender) => ({ row, size: undefined, contender })),
    ),
    ...scaling.flatMap((row) =>
      row.sizes
        .filter((size) => sizes?.includes(size) ?? true)
        .flatMap((size) =>
          present
            .filter((contender) => contender.has(row, size) && (full || isOurs(contender)))
            .map((contender) => ({ row, size, contender })),
        ),
    ),
  ];
}

/** Whether a rival has come within twice the best, and whether Go is on one core. */
function isInTheRunning({ row, contender }, samples) {
  if (contender.kind === "rival") {
    const best = Math.min(...samples.filter(({ row: id, who }) => id === row.id && who !== "go").map(costOf));
    return samples.some((sample) => sample.row === row.id && sample.who === contender.id && costOf(sample) < 2 * best);
  }
  return contender.id !== "go";
}

const costOf = ({ ratio, bytes, late, rate }) => ratio ?? bytes ?? late ?? (rate === undefined ? Infinity : 1 / rate);
