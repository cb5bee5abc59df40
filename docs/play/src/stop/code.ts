/**
 * The code that is shown: the file that runs, without its markers. `docs/learn/scenarios/index.ts` says what a marker means.
 *
 * Invariant: each row that a task of the program makes belongs to exactly one line.
 */
import type { TraceRow } from "headgate/testing";
import type { CodeLine } from "./types.ts";

/** The lines between `// #region NAME` and its `// #endregion`. */
export function regionOf(source: string, name: string): readonly CodeLine[] {
  const lines = source.split("\n");
  const begin = lines.findIndex((line) => line.trim() === `// #region ${name}`);
  let depth = 1;
  let end = begin + 1;
  for (; end < lines.length; end++) {
    if (lines[end]!.trim().startsWith("// #region")) depth++;
    if (lines[end]!.trim() === "// #endregion" && --depth === 0) break;
  }
  const shown: { text: string; marks: string[] }[] = [];
  for (const line of lines.slice(begin + 1, end)) {
    if (/^\s*\/\/ #(end)?region/.test(line)) continue;
    const [text, marks] = line.split(/\s*\/\/@ /);
    const list = marks === undefined ? [] : marks.split(/\s*,\s*/);
    // A marker on a line of its own belongs to the line above.
    if (marks !== undefined && text!.trim() === "") shown.at(-1)!.marks.push(...list);
    else shown.push({ text: text!, marks: list });
  }
  return shown;
}

/** The operation of a row, without how it went: `send`, `recv`, `select`. */
export function opOf({ event }: TraceRow): string {
  return event.replace(/^(wait|resume|fail|refuse) /, "");
}

interface Mark {
  readonly line: number;
  readonly after: readonly string[];
}

/** Finds the marks of this task and operation. */
export function marksOf(code: readonly CodeLine[], task: string, op: string): readonly Mark[] {
  return code.flatMap(({ marks }, i) =>
    marks.flatMap((mark) => {
      const [what, after] = mark.split(" after ");
      return what === `${task} ${op}` ? [{ line: i + 1, after: after?.split(" ") ?? [] }] : [];
    }),
  );
}

/** Whether `events` has these ones in this order. */
function hasSeen(events: readonly string[], after: readonly string[]): boolean {
  let i = 0;
  for (const event of events) if (event === after[i]) i++;
  return i === after.length;
}

/** The lines of a program, as its tasks go through them. */
export class Lines {
  private readonly code: readonly CodeLine[];
  private readonly at: Map<string, number> = new Map();
  private readonly seen: Map<string, string[]> = new Map();

  constructor(code: readonly CodeLine[]) {
    this.code = code;
  }

  /** Notes a row; returns its line, or 0 if no task of the program made it. */
  of(row: TraceRow): number {
    const { task } = row;
    const begin = this.code.findIndex(({ text }) => text.includes(`function ${task}(`)) + 1;
    const isOwn = begin > 0 || this.code.some(({ marks }) => marks.some((mark) => mark.startsWith(`${task} `)));
    if (!isOwn) return 0;
    const line = this.marked(row) || this.at.get(task) || begin;
    if (line > 0) this.at.set(task, line);
    const seen = this.seen.get(task) ?? [];
    seen.push(opOf(row));
    this.seen.set(task, seen);
    return line;
  }

  private marked(row: TraceRow): number {
    // An operation ends where it began.
    if (/^(resume|fail) /.test(row.event)) return 0;
    const seen = this.seen.get(row.task) ?? [];
    const marks = marksOf(this.code, row.task, opOf(row)).filter(({ after }) => hasSeen(seen, after));
    return (
      marks.reduce<Mark | undefined>(
        (best, mark) => (best === undefined || mark.after.length > best.after.length ? mark : best),
        undefined,
      )?.line ?? 0
    );
  }
}
