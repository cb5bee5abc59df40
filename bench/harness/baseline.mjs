/**
 * What was committed, and what has become worse since. Times prove nothing in a place where others work, too: so nothing fails, and
 * what is worse is said aloud.
 */
import { readFileSync, writeFileSync } from "node:fs";
import { floorOf } from "./figures.mjs";
import { number, times } from "../report/table.mjs";

const file = new URL("../baseline.json", import.meta.url);

/** A third more, and a little. */
const WORSE = 1.35;
/** A rival that takes as many times as much as the best one, in a full run, is not measured in a quick one. */
const FAR = 1.75;

const keyOf = ({ row, size }) => (size === undefined ? row.id : `${row.id} ${size}`);
const nameOf = ({ row, size }) => (size === undefined ? row.title : `${row.title}, N = ${number(size)}`);
const costOf = (figure) => (figure.ratio ?? figure.value).median;
const rounded = (value) => Number(value.toPrecision(3));

/** What a full run has found, or undefined where none was saved. */
export function baseline() {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch (error) {
    if (error.code === "ENOENT") return undefined;
    throw error;
  }
}

export function save({ date, machine, rounds }, figures) {
  const saved = { date, node: machine.node, cpu: machine.cpu, rounds, rows: {}, far: {} };
  for (const figure of figures) {
    const { row, size, of, best } = figure;
    const ours = of.get("headgate");
    if (ours?.value === undefined) continue;
    // What was not measured side by side is no measure for later runs.
    const isSound = ({ factor }) => factor !== undefined && !factor.isLoose && !factor.isBusy;
    const theirs = of.get(best);
    const cost = { cost: rounded(costOf(ours)) };
    if (theirs === undefined || !isSound(theirs)) {
      saved.rows[keyOf(figure)] = cost;
      continue;
    }
    const factor = theirs.factor.median;
    saved.rows[keyOf(figure)] = { ...cost, best, factor: rounded(factor) };
    if (size !== undefined) continue;
    const isFar = (rival) =>
      rival.kind === "rival" && (rival.failed !== undefined || (isSound(rival) && rival.factor.median * FAR < factor));
    saved.far[row.id] = [...of].filter(([, rival]) => isFar(rival)).map(([who]) => who);
  }
  writeFileSync(file, `${JSON.stringify(saved, undefined, 2)}\n`);
}

/** The figures that are worse than those saved, each with what is said of it. */
export function worse(figures, { rows: saved }) {
  return figures.flatMap((figure) => {
    const { row, of } = figure;
    const then = saved[keyOf(figure)];
    const ours = of.get("headgate");
    if (then === undefined || ours === undefined) return [];
    if (ours.failed !== undefined) return [{ figure, text: `${nameOf(figure)}: ${ours.failed}` }];
    if (ours.isBusy) return [];
    const complaints = [];
    const complain = (what, now, then, more) => {
      if (more >= WORSE)
        complaints.push(`${what}: ${now}, where ${then} was committed (${Math.round((more - 1) * 100)} % worse)`);
    };
    const now = costOf(ours);
    const unit = ours.ratio === undefined ? "" : " h";
    const floored = (value) => Math.max(floorOf(row), value);
    const more = row.kind === "rate" ? then.cost / now : floored(now) / floored(then.cost);
    complain("it takes", `${number(now)}${unit}`, `${number(then.cost)}${unit}`, more);
    const { factor } = of.get(then.best) ?? {};
    // Where the best was not measured when it was saved, there is nothing to compare with.
    if (factor !== undefined && !factor.isBusy && typeof then.factor === "number")
      complain(
        `against ${then.best}`,
        `${times(factor.median)}×`,
        `${times(then.factor)}×`,
        factor.median / then.factor,
      );
    return complaints.length === 0 ? [] : [{ figure, text: `${nameOf(figure)}: ${complaints.join("; ")}` }];
  });
}
