/** Figures as text: one line a row, and what it says in words that cannot be misread. */
import { floorOf, isBehind, SHARE, targetOf } from "../harness/figures.mjs";
import { grouped } from "../harness/measure.mjs";

const GROUPS = {
  channels: "channels",
  select: "select",
  context: "context",
  tasks: "tasks and locks",
  worker: "worker",
  fairness: "fairness",
  memory: "memory",
  scaling: "scaling",
};
export const titleOf = (group) => GROUPS[group] ?? group;
export const groupOf = (row) => row.group ?? "scaling";

const UNITS = { bytes: "bytes", rate: "a second", lateness: "ms late" };
export const unitOf = (row) => UNITS[row.kind] ?? "ns";

const spaced = (text) => text.replace(/\B(?=(\d{3})+$)/g, " ");

/** Three digits, or all that stand before the point. */
export function number(value) {
  const size = Math.abs(value);
  if (size >= 99.95) return `${value < 0 ? "-" : ""}${spaced(Math.round(size).toString())}`;
  return value.toFixed(size >= 9.995 ? 1 : 2);
}

/** Two digits are as much as is known of a ratio. */
export const times = (ratio) =>
  ratio >= 9.95 ? spaced(Math.round(ratio).toString()) : ratio.toFixed(ratio < 0.995 ? 2 : 1);

export const BUSY = "too busy to compare";
/** Programs that never wait for anything outside. */
const OURS = ["headgate", "build", "runtime"];

/** What a factor says of headgate: "1.4× faster", with what is bad in capitals, "level", or that nothing can be said. */
export function verdict({ kind }, factor) {
  const { median, isLoose, isBusy, isLevel } = factor;
  if (isBusy) return BUSY;
  if (isLevel) return "level";
  const [better, worse] = { bytes: ["less", "MORE"], lateness: ["earlier", "LATER"] }[kind] ?? ["faster", "SLOWER"];
  const said = median < 1 ? `${times(1 / median)}× ${better}` : `${times(median)}× ${worse}`;
  return isLoose ? `≈ ${said}` : said;
}

/** "1.4× faster than it". */
const inWords = (row, factor) => {
  const said = verdict(row, factor);
  if (said === BUSY) return said;
  return said === "level" ? "level with it" : `${said} than it`;
};

/** Where the machine was too busy: in how many rows, and what to do; undefined if it was quiet. */
export function busyText(figures) {
  const isBusy = ({ of }) =>
    [...of.values()].some(({ kind, isBusy, factor }) => (isBusy && OURS.includes(kind)) || factor?.isBusy);
  const busy = figures.filter(isBusy);
  if (busy.length === 0) return undefined;
  return (
    `${BUSY}: ${busy.length} of ${figures.length} rows. There the programs had less than ${100 * SHARE} % of a processor, or the ` +
    "rounds do not agree. The figures are shown; end what else runs here, and measure them again"
  );
}

export const targetText = ({ kind, target }) => {
  if (target === undefined) return "";
  return kind === "rate"
    ? `≥ ${number(target)}`
    : `≤ ${kind === undefined ? target : number(target).replace(/\.0+$/, "")}`;
};

export const spreadText = ({ low, high, count }, text = number) => (count > 1 ? `${text(low)}…${text(high)}` : "");

/** What must strike the eye in a line. */
export function marksOf({ of, best, target }) {
  const marks = [];
  if (of.get("headgate")?.failed !== undefined) marks.push("FAILED");
  if (target?.isMet === false) marks.push("TARGET MISSED");
  if (best !== undefined && isBehind(of.get(best).factor)) marks.push("RIVAL BETTER");
  return marks;
}

/** What is compared of one, in its unit: a time in h where it has one, as headgate's beside it. */
function comparedOf(row, figure) {
  if (row.kind !== undefined || figure?.value === undefined) return medianOf(row, figure);
  return figure.ratio === undefined ? `${number(figure.value.median)} ns` : `${times(figure.ratio.median)} h`;
}

/** What was measured of one, in short; a heap that has not grown is as often a little smaller. */
export function medianOf(row, figure) {
  if (figure === undefined) return "";
  if (figure.failed !== undefined) return "failed";
  return row.total && figure.value.median < floorOf(row) ? "≈ 0" : number(figure.value.median);
}

/** Pads the columns; those that are named at `right` are of numbers. */
export function columns(lines, right = []) {
  const widths = [];
  for (const line of lines) {
    if (line.length > 1) for (const [i, text] of line.entries()) widths[i] = Math.max(widths[i] ?? 0, text.length);
  }
  return lines
    .map((line) =>
      line.map((text, i) =>
        line.length === 1 ? text : right.includes(i) ? text.padStart(widths[i]) : text.padEnd(widths[i]),
      ),
    )
    .map((line) => line.join("  ").trimEnd())
    .join("\n");
}

/** The table of a run: headgate, its best rival, other builds of it, and Go. */
export function tableOf(figures, contenders) {
  const nameOf = new Map(contenders.map(({ id, name }) => [id, name]));
  const builds = contenders.filter(({ kind }) => kind === "build");
  const gos = contenders.filter(({ kind }) => kind === "go");
  const hasRivals = contenders.some(({ kind }) => kind === "rival");
  const head = ["", "headgate", "half within", "in h", "target"];
  for (const { name } of builds) head.push(name, `headgate : ${name}`);
  if (hasRivals) head.push("best rival", "headgate is");
  for (const { name } of gos) head.push(name, "headgate is");
  const right = head.flatMap((title, i) => (i > 0 && title !== "headgate is" && title !== "best rival" ? [i] : []));

  const lines = [];
  let group;
  for (const figure of figures) {
    const { row, size, of, best } = figure;
    if (groupOf(row) !== group) {
      group = groupOf(row);
      lines.push([""], [`${titleOf(group)} (${unitOf(row)})`]);
    }
    const ours = of.get("headgate");
    const line = [`  ${row.title}${size === undefined ? "" : `, N = ${number(size)}`}`];
    if (ours === undefined || ours.failed !== undefined) line.push("failed", "", "", targetText(row));
    else {
      const ratio = ours.ratio === undefined ? "" : comparedOf(row, ours);
      const unit = row.kind === undefined ? " ns" : "";
      line.push(`${medianOf(row, ours)}${unit}`, row.total ? "" : spreadText(ours.value), ratio, targetText(row));
    }
    for (const { id } of builds) {
      const build = of.get(id);
      line.push(comparedOf(row, build), build?.factor === undefined ? "" : ratioText(build.factor));
    }
    if (hasRivals) {
      const rival = of.get(best);
      line.push(best === undefined ? "" : `${nameOf.get(best)}  ${comparedOf(row, rival)}`);
      line.push(best === undefined ? "" : inWords(row, rival.factor));
    }
    for (const { id } of gos) {
      const go = of.get(id);
      line.push(comparedOf(row, go), go?.factor === undefined ? "" : inWords(row, go.factor));
    }
    const marks = marksOf(figure);
    lines.push(marks.length > 0 ? [...line, `! ${marks.join(", ")}`] : line);
  }
  return columns([head, ...lines], right);
}

/** The raw ratio with its spread: less than 1 is what headgate takes less. */
const ratioText = ({ median, low, high, count, isBusy }) =>
  isBusy ? BUSY : `${median.toFixed(2)}${count > 1 ? ` (${low.toFixed(2)}…${high.toFixed(2)})` : ""}`;

/** headgate in several runtimes, each as multiples of its own h; where there is a target that it misses, it says so. */
export function runtimesOf(figures, runtimes) {
  const head = ["", "target", ...runtimes.map(({ name }) => name)];
  const lines = [["  version", "", ...runtimes.map(({ version }) => version)]];
  let group;
  for (const { row, of } of figures) {
    if (groupOf(row) !== group) {
      group = groupOf(row);
      lines.push([""], [`${titleOf(group)} (${row.kind === undefined ? "× h" : unitOf(row)})`]);
    }
    const cells = runtimes.map(({ id }) => {
      const figure = of.get(id);
      if (figure?.value === undefined) return figure === undefined ? "" : "failed";
      const text = row.kind === undefined ? times(figure.ratio.median) : medianOf(row, figure);
      return `${targetOf(row, figure)?.isMet === false ? "! " : ""}${text}`;
    });
    lines.push([`  ${row.title}`, targetText(row), ...cells]);
  }
  return `${columns([head, ...lines], [...head.keys()].slice(1))}\n\n! misses the target`;
}

/** What has failed, a line a program, with the last reason. */
export function failuresOf({ samples, contenders }) {
  const nameOf = new Map(contenders.map(({ id, name }) => [id, name]));
  const failed = grouped(
    samples,
    ({ row, size, who }) => `${nameOf.get(who)}, ${row}${size === undefined ? "" : `, N = ${size}`}`,
  );
  return [...failed].flatMap(([what, all]) => {
    const bad = all.filter((sample) => sample.failed !== undefined);
    return bad.length === 0 ? [] : [`${what}: ${bad.at(-1).failed} (${bad.length} of ${all.length})`];
  });
}
