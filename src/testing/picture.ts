/**
 * The picture of a trace: an SVG in which time runs downwards, with a lane for each task.
 *
 * It has a light and a dark theme, and paper of its own, so that it can be read wherever it is put. A page may set the
 * colours.
 *
 * Invariant: no fact is shown by colour alone. The words of a row say everything, and each kind has its own mark.
 */
import { CANCELLER, CLOCK, cut, isAnswer, tasksOf, textOf, type TraceRow } from "./rows.ts";

const LANE = 232;
const LINE = 18;
/** Where the lanes begin: before them are the numbers of the steps and the times. */
const LEFT = 124;
/** Characters of a row that a lane has room for. */
const ROOM = 32;

/** The colours of the two themes. The text of each has a contrast of 4.5 to its paper, or more. */
const COLOURS: readonly (readonly [name: string, light: string, dark: string])[] = [
  ["paper", "#ffffff", "#0d1117"],
  ["text", "#1f2328", "#e6edf3"],
  ["quiet", "#59636e", "#9198a1"],
  ["line", "#d1d9e0", "#3d444d"],
  ["act", "#0550ae", "#79c0ff"],
  ["wait", "#59636e", "#9198a1"],
  ["resume", "#116329", "#56d364"],
  ["fail", "#a40e26", "#ffa198"],
];

const themeOf = (column: 1 | 2): string =>
  `.headgate-trace{${COLOURS.map((row) => `--${row[0]}:var(--headgate-${row[0]},${row[column]})`).join(";")}}`;

const STYLE = [
  themeOf(1),
  `@media (prefers-color-scheme:dark){${themeOf(2)}}`,
  ".headgate-trace{color:var(--text);font:11px ui-monospace,SFMono-Regular,Menlo,Consolas,monospace}",
  ".headgate-trace text{fill:currentColor}",
  ".headgate-trace .paper{fill:var(--paper)}",
  ".headgate-trace .lane{stroke:var(--line)}",
  ".headgate-trace .task{font-weight:bold}",
  ".headgate-trace .mark{fill:currentColor;stroke:currentColor}",
  ".headgate-trace .hollow{fill:none;stroke:currentColor}",
  ...["quiet", "act", "wait", "resume", "fail"].map((kind) => `.headgate-trace .${kind}{color:var(--${kind})}`),
].join("\n");

/** The trace as an SVG. */
export function picture(rows: readonly TraceRow[]): string {
  const tasks = tasksOf(rows);
  const lanes = new Map(tasks.map((task, i) => [task, LEFT + i * LANE]));
  const [width, height] = [LEFT + tasks.length * LANE, 44 + rows.length * LINE];
  const out = [
    `<svg xmlns="http://www.w3.org/2000/svg" class="headgate-trace" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}">`,
    `<title>${escape(tasks.length === 0 ? "an empty trace" : `what happened, step by step: ${tasks.join(", ")}`)}</title>`,
    `<style>\n${STYLE}\n</style>`,
    `<rect class="paper" width="${width}" height="${height}" fill="#fff"/>`,
  ];
  for (const [task, x] of lanes) {
    out.push(
      `<text class="task" x="${x}" y="16">${escape(cut(headOf(task), ROOM))}</text>`,
      `<line class="lane" x1="${x - 6}" y1="24" x2="${x - 6}" y2="${height}"/>`,
    );
  }
  rows.forEach((row, i) => out.push(line(row, rows[i - 1]?.step !== row.step, lanes.get(row.task)!, 40 + i * LINE)));
  return [...out, "</svg>"].join("\n");
}

/** The name of a lane. A font may lack the signs of the clock and the canceller. */
function headOf(task: string): string {
  return task === CLOCK ? `${task} clock` : task === CANCELLER ? `${task} from outside` : task;
}

/** A row: the number of its step and the time, if it is the first of its step; its mark; its words. */
function line(row: TraceRow, isFirst: boolean, x: number, y: number): string {
  const kind = kindOf(row);
  const words = textOf(row);
  const end = row.choices > 1 ? ` ⟵ 1 of ${row.choices}` : "";
  const text = `${cut(words, ROOM - end.length)}${end}`;
  const hidden = [text === words + end ? "" : words, row.among === undefined ? "" : `among ${row.among.join(", ")}`];
  const title = hidden.filter((part) => part !== "").join("; ");
  const head = isFirst
    ? `<g class="quiet"><text x="30" y="${y}" text-anchor="end">${row.step}</text><text x="40" y="${y}">+${row.time}ms</text></g>`
    : "";
  const tip = title === "" ? "" : `<title>${escape(title)}</title>`;
  return `${head}<g class="${kind}">${tip}${MARKS[kind](x - 6, y - 4)}<text x="${x + 4}" y="${y}">${escape(text)}</text></g>`;
}

type Kind = "act" | "wait" | "resume" | "fail";

function kindOf(row: TraceRow): Kind {
  if (row.event === "throw" || row.event === "cancel" || /^(fail|refuse) /.test(row.event)) return "fail";
  if (row.event.startsWith("wait ")) return "wait";
  return isAnswer(row) ? "resume" : "act";
}

/** A dot for what was done, a ring for a wait, an arrowhead for its end, a cross for a failure or a cancel. */
const MARKS: Readonly<Record<Kind, (x: number, y: number) => string>> = {
  act: (x, y) => `<circle class="mark" cx="${x}" cy="${y}" r="2.5"/>`,
  wait: (x, y) => `<circle class="hollow" fill="none" stroke-width="1.5" cx="${x}" cy="${y}" r="3.5"/>`,
  resume: (x, y) => `<path class="mark" d="M${x - 3} ${y - 4}l7 4l-7 4z"/>`,
  fail: (x, y) => `<path class="hollow" fill="none" stroke-width="2" d="M${x - 3.5} ${y - 3.5}l7 7m0 -7l-7 7"/>`,
};

function escape(text: string): string {
  return text.replace(/[<&>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}
