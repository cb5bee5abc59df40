/** The generated parts of docs/benchmarks.md, as Markdown: each function makes one. */
import { isAhead, isBehind, targetOf } from "../harness/figures.mjs";
import { grouped } from "../harness/measure.mjs";
import { reasons } from "./reasons.mjs";
import { rows, scaling } from "../harness/rows.mjs";
import { BUSY, medianOf, number, spreadText, targetText, times, unitOf, verdict } from "./table.mjs";

/** Puts a part between the markers of its name. */
export function placed(text, name, part) {
  const [begin, end] = [`<!-- generated: ${name} -->`, "<!-- /generated -->"];
  const from = text.indexOf(begin);
  const to = text.indexOf(end, from);
  if (from < 0 || to < 0) throw new Error(`the page has no place for ${name}: ${begin} … ${end}`);
  return `${text.slice(0, from)}${begin}\n\n${part}\n\n${text.slice(to)}`;
}

export const tableOf = ([head, ...lines], left = [0]) =>
  [head, head.map((_, i) => (left.includes(i) ? "---" : "--:")), ...lines]
    .map((cells) => `| ${cells.join(" | ")} |`)
    .join("\n");

/** A verdict that is bad is bold, as the text has no capitals. */
export const shown = (row, factor) => {
  const said = verdict(row, factor).toLowerCase();
  return isBehind(factor) ? `**${said}**` : said;
};

const titled = (row) => `${row.title}<br><sub>${row.unit}${row.note === undefined ? "" : `; ${row.note}`}</sub>`;

const ratioOrValue = (row, figure) => {
  if (figure?.value === undefined || figure.ratio === undefined) return medianOf(row, figure);
  return times(figure.ratio.median);
};

/** Where and when it was measured. */
export function machinePart({ date, rounds, machine, skipped }) {
  const { cores, cpu, memory, os, node, v8, go, rivals } = machine;
  const lines = [
    `- ${cpu}, ${cores} cores, ${memory}; ${os}`,
    `- Node ${node} (V8 ${v8})${go === undefined ? "" : `; Go ${go}`}`,
    `- ${Object.entries(rivals)
      .map(([name, version]) => `${name} ${version}`)
      .join(", ")}`,
    `- ${date}; ${rounds} rounds`,
  ];
  for (const { id, why } of skipped) lines.push(`- not measured: ${id} (${why})`);
  return lines.join("\n");
}

/** The rows of a group: headgate, the best rival, Go; and below, all of them. */
export function groupPart(figures, contenders) {
  const nameOf = new Map(contenders.map(({ id, name }) => [id, name]));
  const gos = contenders.filter(({ kind, id }) => kind === "go" && figures.some(({ of }) => of.has(id)));
  const hasRivals = figures.some(({ best }) => best !== undefined);
  const isTimed = figures[0].row.kind === undefined;
  const head = ["", isTimed ? "headgate, × h" : `headgate, ${unitOf(figures[0].row)}`, "target"];
  if (hasRivals) head.push(isTimed ? "best rival, × h" : "best rival", "headgate is");
  for (const { name } of gos) head.push(isTimed ? `${name}, ns` : name, "headgate is");

  const lines = figures.map(({ row, of, best, target }) => {
    const ours = of.get("headgate");
    const line = [
      titled(row),
      oursText(row, ours),
      `${targetText(row)}${target?.isMet === false ? "<br>**missed**" : ""}`,
    ];
    if (hasRivals) {
      const rival = of.get(best);
      line.push(rival === undefined ? "" : `${nameOf.get(best)} ${ratioOrValue(row, rival)}`);
      line.push(rival === undefined ? "" : shown(row, rival.factor));
    }
    for (const { id } of gos) {
      const go = of.get(id);
      line.push(medianOf(row, go), go?.factor === undefined ? "" : shown(row, go.factor));
    }
    return line;
  });
  const notes = figures.flatMap(({ row, best }) => {
    const note = contenders.find(({ id }) => id === best)?.notes[row.id];
    return note === undefined ? [] : [`- ${row.title}, ${nameOf.get(best)}: ${note}`];
  });
  const parts = [tableOf([head, ...lines]), notes.join("\n"), allOf(figures, contenders)];
  return parts.filter((part) => part !== "").join("\n\n");
}

/** The figure, half of the rounds, and the nanoseconds, which are of this machine alone. */
function oursText(row, ours) {
  if (ours?.value === undefined) return "failed";
  if (ours.ratio === undefined) {
    const spread = row.total ? "" : spreadText(ours.value);
    return `**${medianOf(row, ours)}**${spread === "" ? "" : `<br><sub>${spread}</sub>`}`;
  }
  const spread = spreadText(ours.ratio, times);
  return `**${times(ours.ratio.median)}**<br><sub>${spread === "" ? "" : `${spread}; `}${number(ours.value.median)} ns</sub>`;
}

/** Every rival in every row of a group. */
function allOf(figures, contenders) {
  const rivals = contenders.filter(({ id, kind }) => kind === "rival" && figures.some(({ of }) => of.has(id)));
  if (rivals.length === 0) return "";
  const head = ["", "headgate", ...rivals.map(({ name }) => name)];
  const lines = figures.map(({ row, of }) => [
    row.title,
    ...["headgate", ...rivals.map(({ id }) => id)].map((id) => (of.has(id) ? ratioOrValue(row, of.get(id)) : "–")),
  ]);
  const unit = figures[0].row.kind === undefined ? "× h" : unitOf(figures[0].row);
  return `<details><summary>All rivals, ${unit}</summary>\n\n${tableOf([head, ...lines])}\n\n</details>`;
}

/** The contenders that are no library, by id. They have a list of their own, because they leave out more. */
const HOMEMADE = new Set(["naive", "native"]);

/** Where another is faster: first the libraries, then what is written by hand or built in. */
export function behindPart(figures, contenders) {
  const shared = figures.filter(({ best, size }) => size === undefined && best !== undefined);
  const parts = [
    ["a library", (id) => !HOMEMADE.has(id)],
    ["what is written by hand, or built in,", (id) => HOMEMADE.has(id)],
  ].map(([who, counts]) => aheadPart(who, shared, counts, contenders));
  return parts.join("\n\n");
}

/** The rows in which one of those that count is ahead, the farthest first. */
function aheadPart(who, figures, counts, contenders) {
  const rows = figures.flatMap(({ row, of }) => {
    const rivals = [...of].filter(([id, { kind, factor }]) => kind === "rival" && counts(id) && factor !== undefined);
    const ahead = rivals
      .filter(([, { factor }]) => isBehind(factor))
      .toSorted(([, a], [, b]) => b.factor.median - a.factor.median);
    return rivals.length === 0 ? [] : [{ row, ahead }];
  });
  const behind = rows
    .filter(({ ahead }) => ahead.length > 0)
    .toSorted((a, b) => b.ahead[0][1].factor.median - a.ahead[0][1].factor.median);
  if (behind.length === 0) return `In none of the ${rows.length} rows that it has, too, ${who} is ahead of headgate.`;
  const lines = behind.map(({ row, ahead }) => {
    const each = ahead.map(([id, { factor }]) => {
      const { name, notes } = contenders.find((contender) => contender.id === id);
      const said = reasons[row.id]?.[id] ?? notes[row.id];
      return `${name} ${factor.isLoose ? "≈ " : ""}${times(factor.median)}×${said === undefined ? "" : ` (${said})`}`;
    });
    return `- **${row.title}**: ${each.join("; ")}`;
  });
  return [
    `In ${behind.length} of the ${rows.length} rows that it has, too, ${who} is ahead of headgate:`,
    "",
    ...lines,
  ].join("\n");
}

/** The targets that are missed. */
export function missedPart(figures) {
  const aimed = figures.filter(({ target }) => target !== undefined);
  const missed = aimed.filter(({ target }) => !target.isMet);
  if (missed.length === 0) return `All of the ${aimed.length} targets are met.`;
  const lines = missed.map(({ row, of }) => {
    const figure = of.get("headgate");
    const unit = row.kind === undefined ? "h" : unitOf(row);
    return `- **${row.title}**: ${ratioOrValue(row, figure)} ${unit}, and ${targetText(row)} was aimed at.`;
  });
  return [`${aimed.length - missed.length} of ${aimed.length} targets are met; these are missed:`, "", ...lines].join(
    "\n",
  );
}

/** Against Go on one core: in which rows headgate is ahead, level, behind. */
export function goPart(figures) {
  const all = figures
    .filter(({ of, size }) => size === undefined && of.get("go-1")?.factor !== undefined)
    .map(({ row, of }) => ({ row, factor: of.get("go-1").factor }))
    .toSorted((a, b) => a.factor.median - b.factor.median);
  if (all.length === 0) return "Go was not there when this was measured.";
  const ahead = all.filter(({ factor }) => isAhead(factor));
  const behind = all.filter(({ factor }) => isBehind(factor));
  const busy = all.filter(({ factor }) => factor.isBusy);
  const level = all.filter(({ factor }) => !factor.isBusy && factor.isLevel);
  const list = (name, rows) =>
    rows.length === 0
      ? []
      : [
          `- **${name}** (${rows.length}): ${rows.map(({ row, factor }) => `${row.title} (${verdict(row, factor).toLowerCase()})`).join("; ")}`,
        ];
  return [...list("ahead", ahead), ...list("level", level), ...list("behind", behind), ...list(BUSY, busy)].join("\n");
}

/** headgate in every runtime. */
export function runtimesPart(figures, { date, rounds, contenders, skipped }) {
  const head = ["", "target", ...contenders.map(({ name, version }) => `${name.split(" ")[0]} ${version}`)];
  const price = ["h, ns", "", ...contenders.map(({ id }) => priceOf(figures, id))];
  const lines = figures.map(({ row, of }) => {
    const cells = contenders.map(({ id }) => {
      const figure = of.get(id);
      const text = ratioOrValue(row, figure);
      return figure !== undefined && targetOf(row, figure)?.isMet === false ? `**${text}**` : text;
    });
    return [row.kind === undefined ? row.title : `${row.title}, ${unitOf(row)}`, targetText(row), ...cells];
  });
  const met = contenders.map(({ id, name }) => {
    const aimed = figures.map(({ row, of }) => targetOf(row, of.get(id))).filter((target) => target !== undefined);
    return `${name}: ${aimed.filter(({ isMet }) => isMet).length} of ${aimed.length}`;
  });
  const absent = skipped.map(({ id, why }) => `- not measured: ${id} (${why})`);
  return [
    tableOf([head, price, ...lines]),
    "",
    `Targets met: ${met.join("; ")}. Bold is what misses it. ${date}, ${rounds} rounds.`,
    ...(absent.length > 0 ? ["", ...absent] : []),
  ].join("\n");
}

/** The price of one await, where any row has measured it. */
const priceOf = (figures, who) => {
  const all = figures.flatMap(({ of }) => of.get(who)?.h?.median ?? []).sort((a, b) => a - b);
  return all.length === 0 ? "–" : number(all[all.length >> 1]);
};

/** What must not grow: the price at each size; and where there is one, the picture of all contenders. */
export function scalingPart(figures, picture) {
  const byRow = grouped(figures, ({ row }) => row.id);
  const sizes = [...new Set(figures.map(({ size }) => size))].sort((a, b) => a - b);
  const lines = [...byRow.values()].map((all) => {
    const { row } = all[0];
    const at = new Map(all.map(({ size, of }) => [size, of.get("headgate")]));
    return [titled(row), ...sizes.map((size) => (at.has(size) ? ratioOrValue(row, at.get(size)) : "–"))];
  });
  const table = tableOf([["× h", ...sizes.map((size) => `N = ${number(size)}`)], ...lines]);
  return picture === undefined ? table : `${table}\n\n![All contenders: a panel for each row](${picture})`;
}

/** What is not the same as headgate's, in the words of the contenders' own notes. */
export function notesPart(contenders) {
  const titleOf = new Map([...rows, ...scaling].map(({ id, title }) => [id, title]));
  const lines = contenders.flatMap(({ name, kind, notes }) => {
    const said = Object.entries(notes ?? {}).filter(([id]) => titleOf.has(id));
    if (kind === "build" || said.length === 0) return [];
    const byNote = grouped(said, ([, note]) => note);
    return [
      `- **${name}**`,
      ...[...byNote].map(([note, all]) => `  - ${all.map(([id]) => titleOf.get(id)).join("; ")}: ${note}`),
    ];
  });
  return lines.join("\n");
}
