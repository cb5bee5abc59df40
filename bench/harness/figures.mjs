/**
 * From samples to figures: medians over the rounds, with their spread, and how headgate compares.
 *
 * A comparison is a factor: how many times as much headgate takes as the other, so that less than 1 is good, whatever the row counts.
 * It is the median of the factors of the rounds, because both were measured side by side in a round. Where no round has both, it
 * is the factor of their medians, and loose.
 *
 * Invariants: every figure is a finite number, and what is no number has failed. A verdict never contradicts the figures beside it, and
 * there is none where the machine was too busy.
 */
import { grouped } from "./measure.mjs";
import { rows, scaling } from "./rows.mjs";

/** Smaller differences do not count: a ms of lateness, or the bytes by which two heaps differ that hold the same. */
export const floorOf = ({ kind, total }) => (total ? 100_000 : kind === "lateness" ? 1 : 0);
/** Nearer than this is level. */
export const LEVEL = 1.05;
/** With less than this share of the processor, a program was measured beside others. */
export const SHARE = 0.9;
/** Rounds of which some say "more" and some "less" agree on "level" if the middle half lies this near together; else on nothing. */
const AGREED = 1.5;

const valueOf = (row, sample) => sample[{ bytes: "bytes", rate: "rate", lateness: "late" }[row.kind] ?? "ns"];

export const quantile = (all, q) => {
  const sorted = all.toSorted((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.ceil(at)]];
  return low + (high - low) * (at - Math.floor(at));
};
const median = (all) => quantile(all, 0.5);
/** Half of the rounds lie between `low` and `high`. There must be one. */
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
  const ours = cell.filter((sample) => sample.who === "headgate" && isGood(row, sample));
  const of = new Map();
  for (const [who, kind] of kinds) {
    const all = cell.filter((sample) => sample.who === who);
    if (all.length === 0) continue;
    const good = all.filter((sample) => isGood(row, sample));
    if (good.length === 0) {
      of.set(who, { kind, failed: all.at(-1).failed ?? "what it measured is no number" });
      continue;
    }
    const figure = { kind, value: spread(good.map((sample) => valueOf(row, sample))), isBusy: isBusy(good) };
    if (good.every(({ ratio }) => ratio !== undefined)) {
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

/** Whether all that a sample has measured are numbers. JSON has null for those that are none. */
function isGood(row, sample) {
  if (sample.failed !== undefined) return false;
  const units = sample.ratio === undefined ? [] : [sample.ratio, sample.h];
  return [valueOf(row, sample), ...units].every((value) => Number.isFinite(value));
}

/** Whether they had too little of the processor to tell anything. Where it is not known how much, they count. */
function isBusy(samples) {
  const shares = samples.map(({ share }) => share).filter((share) => Number.isFinite(share));
  return shares.length > 0 && median(shares) < SHARE;
}

/**
 * How many times as much the first take as the second, in h where both have it; of a rate, how many times as few they do. Undefined where
 * one takes nothing. It is loose if no round has both, busy if the rounds prove nothing, and level if neither is ahead.
 */
function factorOf(row, ours, theirs) {
  const floor = floorOf(row);
  const inUnits = [...ours, ...theirs].every(({ ratio }) => ratio !== undefined);
  const value = (sample) => Math.max(floor, inUnits ? sample.ratio : valueOf(row, sample));
  const ofValues = (a, b) => (row.kind === "rate" ? b / a : a / b);
  const isFactor = (factor) => Number.isFinite(factor) && factor > 0;

  const ofMedians = ofValues(median(ours.map(value)), median(theirs.map(value)));
  const both = theirs.flatMap((b) => ours.filter((a) => a.round === b.round).map((a) => ofValues(value(a), value(b))));
  const factors = both.filter(isFactor);
  const isLoose = factors.length === 0;
  if (isLoose && !isFactor(ofMedians)) return undefined;
  const all = spread(isLoose ? [ofMedians] : factors);
  const { median: middle, low, high } = all;
  const isNear = middle < LEVEL && middle > 1 / LEVEL;
  const isSplit = low < 1 && high > 1;
  const isContradicted = isFactor(ofMedians) && ofMedians > 1 !== middle > 1;
  return {
    ...all,
    isLoose,
    isBusy: isBusy(ours) || (isSplit && high / low > AGREED),
    isLevel: isNear || isSplit || isContradicted,
  };
}

/** Whether headgate takes more, or less; neither, if the two are level, or the machine was too busy to tell. */
export const isBehind = ({ median, isBusy, isLevel }) => !isBusy && !isLevel && median > 1;
export const isAhead = ({ median, isBusy, isLevel }) => !isBusy && !isLevel && median < 1;

/** Whether the target is met, by the figure as it is printed; undefined where the machine was too busy to tell. */
export function targetOf(row, figure) {
  if (row.target === undefined || figure?.value === undefined || figure.isBusy) return undefined;
  if (row.kind === "rate") return { isMet: figure.value.median >= row.target };
  if (row.total) return { isMet: figure.value.median <= floorOf(row) };
  const value = row.kind === undefined ? figure.ratio.median : figure.value.median;
  return { isMet: Number(value.toPrecision(2)) <= row.target };
}
