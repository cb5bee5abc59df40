/**
 * A trace: what happened in a bubble, to be shown as text, as a mermaid diagram, as a picture, in a profiler, as data.
 *
 * Invariant: a trace is the same on every platform. It has neither source lines nor real time.
 */
import { type ChromeTrace, chromeTrace } from "./chrometrace.ts";
import { picture } from "./picture.ts";
import { CLOCK, cut, isAnswer, tasksOf, textOf, type TraceRow, type TraceStep } from "./rows.ts";

/** The record of a bubble. `String(trace)` is the timeline. Beyond 100 000 rows, the older half is dropped. */
export class Trace {
  /** The steps, in their order. */
  readonly rows: readonly TraceRow[];

  /** Made by the test kit. */
  constructor(rows: readonly TraceRow[]) {
    this.rows = rows;
  }

  /** The rows by steps, each with its snapshot. */
  get steps(): readonly TraceStep[] {
    const steps: (TraceStep & { rows: TraceRow[]; snapshot?: unknown })[] = [];
    for (const row of this.rows) {
      const { step, time, task } = row;
      if (steps.at(-1)?.step !== step) steps.push({ step, time, task, rows: [] });
      const last = steps.at(-1)!;
      last.rows.push(row);
      if ("snapshot" in row) last.snapshot = row.snapshot;
    }
    return steps;
  }

  /** The timeline: a line for each event, and a column for each task; its name instead, if there are too many tasks. */
  toString(): string {
    const columns = tasksOf(this.rows);
    const texts = this.rows.map((row) => cut(textOf(row), WIDEST));
    const widths = columns.map((task) =>
      Math.max(task.length, ...this.rows.map((row, i) => (row.task === task ? texts[i]!.length : 0))),
    );
    const isWide = widths.reduce((sum, width) => sum + width + 2, 0) > PAGE;
    const name = Math.max(4, ...columns.map((task) => task.length));
    const head = isWide ? "task" : columns.map((task, i) => task.padEnd(widths[i]!)).join("  ");
    const lines = this.rows.map((row, i) => {
      const text = isWide
        ? `${row.task.padEnd(name)}  ${textOf(row)}`
        : columns.map((column, c) => (column === row.task ? texts[i]! : "").padEnd(widths[c]!)).join("  ");
      const end = row.choices > 1 ? `  ⟵ 1 of ${row.choices}` : "";
      return `${String(row.step).padStart(4)}  ${`+${row.time}ms`.padEnd(10)}  ${text}${end}`.trimEnd();
    });
    return [`step  time        ${head}`.trimEnd(), ...lines].join("\n");
  }

  /** A [mermaid](https://mermaid.js.org) sequence diagram: tasks and objects are the participants. */
  toMermaid(): string {
    const ids = new Map<string, string>();
    const idOf = (name: string): string => {
      if (!ids.has(name)) ids.set(name, `p${ids.size + 1}`);
      return ids.get(name)!;
    };
    for (const task of tasksOf(this.rows)) idOf(task);
    const lines = this.rows.map((row) => {
      const task = idOf(row.task);
      const text = escapeMermaid(textOf(row));
      if (row.object === "" || row.object.includes(": ") || row.task === CLOCK) return `  Note over ${task}: ${text}`;
      const object = idOf(row.object);
      return isAnswer(row) ? `  ${object}-->>${task}: ${text}` : `  ${task}->>${object}: ${text}`;
    });
    const participants = [...ids].map(([name, id]) => `  participant ${id} as ${escapeMermaid(name)}`);
    return ["sequenceDiagram", ...participants, ...lines].join("\n");
  }

  /**
   * A picture: time runs downwards, with a lane for each task. It is light or dark as the reader's system is. A page that
   * has the SVG in its HTML sets colours of its own by CSS: `--headgate-paper`, `--headgate-text`, `--headgate-quiet`,
   * `--headgate-line`, `--headgate-act`, `--headgate-wait`, `--headgate-resume`, `--headgate-fail`.
   */
  toSVG(): string {
    return picture(this.rows);
  }

  /**
   * A file for a profiler, as an object for JSON.stringify: it has the [Trace Event
   * Format](https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU). The Performance panel of
   * Chromium's developer tools and [speedscope](https://www.speedscope.app) open it.
   *
   * A task is a thread, a wait is a slice, and an arrow leads from the step that ended a wait to the one that goes on. A
   * millisecond of the bubble's time is one there. Each row takes a microsecond more, which keeps what happens at one
   * instant apart.
   */
  toChromeTrace(): ChromeTrace {
    return chromeTrace(this.rows);
  }

  /** The rows as plain data, for tools of your own. */
  toJSON(): readonly TraceRow[] {
    return this.rows;
  }
}

/** The widest column of a timeline, and the widest timeline in columns, in characters. */
const WIDEST = 44;
const PAGE = 150;

/** Escapes the characters that mermaid takes for syntax, even inside of a text. */
function escapeMermaid(text: string): string {
  return text.replace(/[#;<>]/g, (c) => `#${c.charCodeAt(0)};`);
}
