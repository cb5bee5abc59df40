/**
 * From samples to figures: medians over the rounds, with their spread, and how headgate compares.
 *
 * A comparison is a factor: how many times as much headgate takes as the other, so that less than 1 is good, whatever the row counts.
 * It is the median of the factors of the rounds, for what was measured side by side is compared side by side.
 */
import { grouped } from "./measure.mjs";
import { rows, scaling } from "./rows.mjs";

/** Below this nothing is told apart: a ms of lateness, or the bytes by which two heaps differ that hold the same. */
export const floorOf = ({ kind, total }) => (total ? 100_000 : kind === "lateness" ? 1 : 0);
/** Nearer than this is level. */
export const LEVEL = 1.05;

const valueOf = (row, sample) => sample[{ bytes: "bytes", rate: "rate", lateness: "late" }[row.kind] ?? "ns"];

export const quantile = (all, q) => {
  const sorted = all.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
};
const median = (all) => quantile(all, 0.5);
/** Half of the rounds lie between `low` and `high`. */
export const spread = (all) => ({
  median: median(all),
  low: quantile(all, 0.25),
  high: quantile(all, 0.75),
  count: all.length,
});

/** One figure for each row, or row and size, in the order of the rows: `{ row, size, of, best, target }`. */
export function figuresOf({ samples, contenders }, all = [...rows, ...scaling]) {
  const rowOf = new Map(all.map((row) => [row.id, row]));
  const kinds = new Map(contenders.map(({ id, kind }) => [id, kind]));
  const cells = grouped(samples, ({ row, size }) => `${row} ${size}`);
  const order = [...rowOf.keys()];
  return [...cells.values()]
    .map((cell) => figureOf(rowOf.get(cell[0].row), cell, kinds))
    .sort((a, b) => order.indexOf(a.row.id) - order.indexOf(b.row.id) || (a.size ?? 0) - (b.size ?? 0));
}

function figureOf(row, cell, kinds) {
  const ours = cell.filter((sample) => sample.who === "headgate" && sample.failed === undefined);
  const of = new Map();
  for (const [who, kind] of kinds) {
    const all = cell.filter((sample) => sample.who === who);
    if (all.length === 0) continue;
    const good = all.filter((sample) => sample.failed === undefined);
    if (good.length === 0) {
      of.set(who, { kind, failed: all.at(-1).failed });
      continue;
    }
    const figure = { kind, value: spread(good.map((sample) => valueOf(row, sample))) };
    if (good[0].ratio !== undefined) {
      figure.h = spread(good.map((sample) => sample.h));
      figure.ratio = spread(good.map((sample) => sample.ratio));
    }
    if (who !== "headgate" && ours.length > 0) figure.factor = factorOf(row, ours, good);
    of.set(who, figure);
  }
  const rivals = [...of].filter(([, { kind, factor }]) => kind === "rival" && factor !== undefined);
  const [best] = rivals.reduce((a, b) => (a[1]?.factor.median >= b[1].factor.median ? a : b), []);
  return { row, size: cell[0].size, of, best, target: targetOf(row, of.get("headgate")) };
}

/** How many times as much the first take as the second, in h where both have it; of a rate, how many times as few they do. */
function factorOf(row, ours, theirs) {
  const floor = floorOf(row);
  const inUnits = theirs[0].ratio !== undefined;
  const value = (sample) => Math.max(floor, inUnits ? sample.ratio : valueOf(row, sample));
  const factor = (a, b) => (row.kind === "rate" ? value(b) / value(a) : value(a) / value(b));
  return spread(theirs.flatMap((b) => ours.filter((a) => a.round === b.round).map((a) => factor(a, b))));
}

/** Whether the target is met, by the figure as it is printed. */
export function targetOf(row, figure) {
  if (row.target === undefined || figure?.value === undefined) return undefined;
  if (row.kind === "rate") return { isMet: figure.value.median >= row.target };
  if (row.total) return { isMet: figure.value.median <= floorOf(row) };
  const value = row.kind === undefined ? figure.ratio.median : figure.value.median;
  return { isMet: Number(value.toPrecision(2)) <= row.target };
}
