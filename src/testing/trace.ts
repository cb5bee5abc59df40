/**
 * A trace: what happened in a bubble, to be shown as text, as a mermaid diagram, as a picture, as data.
 *
 * Invariant: a trace is the same on every platform. It has neither source lines nor real time.
 */

/** The names of the pseudo-tasks: the clock, and the canceller, which cancels from outside. */
export const CLOCK = "⏱";
export const CANCELLER = "⚡";

/** One event. */
export interface TraceRow {
  /** The number of the step in which it happened, from 1. */
  readonly step: number;
  /** ms since the bubble began. */
  readonly time: number;
  /** The task that did it; "⏱" is the clock, "⚡" cancels from outside. */
  readonly task: string;
  /**
   * The event: "go", "start", "end", "throw", an operation that was done at once; "wait", "resume", "fail" or "refuse"
   * with an operation; what was done to an object, such as "close"; "choose" for a choice that no other row has.
   */
  readonly event: string;
  /** The name of the object, task or timer that it was done to. */
  readonly object: string;
  /** The value, or the error. */
  readonly detail: string;
  /** Number of candidates that this one was picked from; 1 if there was no choice. */
  readonly choices: number;
  /**
   * The names of the candidates, if there was a choice: tasks, for a step; the cases that were ready, for a select; the
   * timers that are due together. There are 20 names at most. The rows with a choice are those of the replay string, in
   * its order.
   */
  readonly among?: readonly string[];
  /** The position of the one that was picked, from 0, as the replay string has it. Missing if there was no choice. */
  readonly pick?: number;
  /** In the last row of a step, with `t.watch`: the snapshot after the step. */
  readonly snapshot?: unknown;
}

/** A step: one task resumes and runs until it waits again, or one timer fires, or something is cancelled from outside. */
export interface TraceStep {
  /** Its number, from 1. */
  readonly step: number;
  /** ms since the bubble began. */
  readonly time: number;
  /** The task that resumed; "⏱" is the clock, "⚡" cancels from outside. */
  readonly task: string;
  /** Everything that happened in it. */
  readonly rows: readonly TraceRow[];
  /** With `t.watch`: the snapshot after it. Missing otherwise. */
  readonly snapshot?: unknown;
}

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
    const columns = this.tasks();
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
    for (const task of this.tasks()) idOf(task);
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

  /** A picture: time runs downwards, with a lane for each task. */
  toSVG(): string {
    const [lane, line, left] = [220, 18, 90];
    const columns = this.tasks();
    const [width, height] = [left + columns.length * lane, 44 + this.rows.length * line];
    const out = [
      `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="ui-monospace, monospace" font-size="11">`,
    ];
    columns.forEach((task, i) => {
      const x = left + i * lane;
      out.push(
        `<text x="${x}" y="16" font-weight="bold">${escapeXML(task)}</text>`,
        `<line x1="${x - 6}" y1="24" x2="${x - 6}" y2="${height}" stroke="#ccc"/>`,
      );
    });
    this.rows.forEach((row, i) => {
      const x = left + columns.indexOf(row.task) * lane;
      const y = 40 + i * line;
      const text = textOf(row);
      out.push(
        `<text x="4" y="${y}" fill="#888">+${row.time}ms</text>`,
        `<circle cx="${x - 6}" cy="${y - 4}" r="3" fill="${colourOf(row)}"/>`,
        `<text x="${x + 2}" y="${y}" fill="${colourOf(row)}">${escapeXML(cut(text, 32))}</text>`,
      );
    });
    return [...out, "</svg>"].join("\n");
  }

  /** The rows as plain data, for tools of your own. */
  toJSON(): readonly TraceRow[] {
    return this.rows;
  }

  /** The names of the tasks, in order of appearance; the clock and the canceller come last. */
  private tasks(): string[] {
    const names = new Set(this.rows.map((row) => row.task));
    const outside = [CLOCK, CANCELLER].filter((name) => names.delete(name));
    return [...names, ...outside];
  }
}

/** The widest column of a timeline, and the widest timeline in columns, in characters. */
const WIDEST = 44;
const PAGE = 150;

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, width - 1)}…`;
}

function textOf(row: TraceRow): string {
  return [row.event, row.object, row.detail].filter((part) => part !== "").join(" ");
}

/** Whether the event goes from the object to the task. */
function isAnswer(row: TraceRow): boolean {
  return row.event.startsWith("resume ") || row.event.startsWith("fail ");
}

function colourOf(row: TraceRow): string {
  if (row.event === "throw" || row.event === "cancel" || /^(fail|refuse) /.test(row.event)) return "#b3261e";
  if (row.event.startsWith("wait ")) return "#777";
  return isAnswer(row) ? "#146c2e" : "#1d4ed8";
}

function escapeXML(text: string): string {
  return text.replace(/[<&>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

/** Escapes the characters that mermaid takes for syntax, even inside of a text. */
function escapeMermaid(text: string): string {
  return text.replace(/[#;<>]/g, (c) => `#${c.charCodeAt(0)};`);
}
