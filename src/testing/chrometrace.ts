/**
 * A trace in the Trace Event Format, which profilers open.
 *
 * A task is a thread. Each of its steps is a slice, and each wait is one, from the end of the step that began it to the
 * step that ends it. Waits that overlap are on threads of their own, because the slices of a thread must nest.
 *
 *     main       ▐start▌        wait recv ch1         ▐resume recv ch1▌
 *     producer             ▐start▌ wait send ch1 …    ↗
 *                            └── an arrow: this step ended that wait
 */
import { CANCELLER, isAnswer, tasksOf, textOf, type TraceRow } from "./rows.ts";

/** One event of a {@link ChromeTrace}. */
export interface ChromeTraceEvent {
  /** The kind of the event: a slice (X), an instant (i), the begin (s) or the end (f) of an arrow, or the name of a thread (M). */
  readonly ph: "X" | "i" | "s" | "f" | "M";
  /** What the viewer writes on it. */
  readonly name: string;
  /** Its category, by which a viewer filters: `step`, `wait`, `event` or `wakes`. */
  readonly cat?: string;
  /** The process: one for all. */
  readonly pid: number;
  /** The thread: a number for each task, and for each wait that overlaps another of its task. */
  readonly tid: number;
  /** When it begins, in microseconds. */
  readonly ts?: number;
  /** How long it lasts, in microseconds. */
  readonly dur?: number;
  /** The arrow that a begin and an end belong to. */
  readonly id?: number;
  /** An arrow ends at the slice around it. */
  readonly bp?: "e";
  /** The reach of the line of an instant: over a thread, or over all. */
  readonly s?: "t" | "p";
  /** What the viewer shows when it is selected. */
  readonly args?: Readonly<Record<string, unknown>>;
}

/** A trace in the Trace Event Format. */
export interface ChromeTrace {
  /** All events, in no order that counts. */
  readonly traceEvents: readonly ChromeTraceEvent[];
  /** The unit in which the viewer shows times. */
  readonly displayTimeUnit: "ms";
}

const PID = 1;

interface Slice {
  readonly task: string;
  readonly begin: number;
  readonly end: number;
  readonly name: string;
  readonly args: Readonly<Record<string, unknown>>;
}

/** The rows of one task in one step. */
interface Segment extends Slice {
  readonly rows: readonly TraceRow[];
  readonly first: number;
}

export function chromeTrace(rows: readonly TraceRow[]): ChromeTrace {
  const segments = segmentsOf(rows);
  const threads = new Threads(tasksOf(rows));
  const events: ChromeTraceEvent[] = [];
  for (const segment of segments) {
    threads.addStep(segment);
    const tid = threads.main(segment.task);
    events.push(sliceOf(segment, "step", tid));
    segment.rows.forEach((row, i) => {
      // The first row is the step itself; a wait is a slice.
      if (i === 0 && row.task !== CANCELLER) return;
      if (row.event.startsWith("wait ")) return;
      const s = row.task === CANCELLER ? "p" : "t";
      events.push({ ph: "i", s, cat: "event", name: textOf(row), pid: PID, tid, ts: timeOf(row, segment.first + i) });
    });
  }
  for (const wait of waitsOf(segments)) events.push(sliceOf(wait, "wait", threads.place(wait)));
  return { traceEvents: [...threads.names(), ...events, ...arrowsOf(segments, threads)], displayTimeUnit: "ms" };
}

/** A row takes a microsecond, so that what happens at one instant of the bubble's time keeps its order. */
function timeOf(row: TraceRow, i: number): number {
  return row.time * 1_000 + i;
}

function sliceOf({ name, begin, end, args }: Slice, cat: string, tid: number): ChromeTraceEvent {
  return { ph: "X", cat, name, pid: PID, tid, ts: begin, dur: end - begin, args };
}

function segmentsOf(rows: readonly TraceRow[]): Segment[] {
  const segments: Segment[] = [];
  for (let first = 0, next = 0; first < rows.length; first = next) {
    const { step, task, time, choices, among } = rows[first]!;
    while (next < rows.length && rows[next]!.step === step && rows[next]!.task === task) next++;
    const own = rows.slice(first, next);
    const { snapshot } = own.at(-1)!;
    const args = {
      step,
      time,
      ...(choices > 1 && { choices, among }),
      ...(snapshot !== undefined && { snapshot }),
    };
    // It ends before the next row, so that there is room for a wait.
    const [begin, end] = [timeOf(rows[first]!, first), timeOf(own.at(-1)!, next - 1) + 0.5];
    segments.push({ task, begin, end, name: textOf(rows[first]!), args, rows: own, first });
  }
  return segments;
}

// ----------------------------------------------------------------------------------------------------------- the waits

/** A call whose end is to come: a wait, or an operation that was done at once and resumes in a step of its own. */
interface Call {
  readonly row: TraceRow;
  readonly begin: number;
  readonly isWait: boolean;
}

function waitsOf(segments: readonly Segment[]): Slice[] {
  const calls = new Map<string, Call[]>();
  const waits: Slice[] = [];
  const last = (segments.at(-1)?.end ?? 0) + 1;
  const slice = ({ row, begin }: Call, end: number, ended: string, result: string): Slice => {
    // A reader may write all of it on the slice.
    const args = { ...(row.detail !== "" && { value: row.detail }), ended, ...(result !== "" && { result }) };
    return { task: row.task, begin, end, name: [opOf(row), row.object].filter(Boolean).join(" "), args };
  };
  for (const segment of segments) {
    const [resumed] = segment.rows;
    if (isAnswer(resumed!)) {
      const call = takeCall(calls.get(keyOf(resumed!)), resumed!);
      const ended = resumed!.event.split(" ", 1)[0]!;
      if (call?.isWait === true) waits.push(slice(call, segment.begin, ended, resumed!.detail));
    }
    for (const row of segment.rows) {
      if (isAnswer(row)) continue;
      const key = keyOf(row);
      const open = calls.get(key);
      const call = { row, begin: segment.end, isWait: row.event.startsWith("wait ") };
      if (open === undefined) calls.set(key, [call]);
      else open.push(call);
    }
  }
  for (const open of calls.values()) {
    for (const call of open) if (call.isWait) waits.push(slice(call, last, "never", ""));
  }
  return waits.sort((a, b) => a.begin - b.begin);
}

/** Takes out the call that this row ends. One that was done at once was made in the step that the row names. */
function takeCall(open: Call[] | undefined, { by }: TraceRow): Call | undefined {
  if (open === undefined) return undefined;
  const atOnce = open.findIndex(({ isWait, row }) => !isWait && row.step === by);
  const i = atOnce >= 0 ? atOnce : open.findIndex(({ isWait }) => isWait);
  return i < 0 ? undefined : open.splice(i, 1)[0];
}

/** The operation of a row, without how it ended. */
function opOf({ event }: TraceRow): string {
  return event.replace(/^(wait|resume|fail|refuse) /, "");
}

/** The end of a select and of a sleep names no object. */
function keyOf(row: TraceRow): string {
  const op = opOf(row);
  return [row.task, op, op === "select" || op === "sleep" ? "" : row.object].join("\n");
}

// ---------------------------------------------------------------------------------------------------------- the arrows

/** From each step to those that it made possible. */
function arrowsOf(segments: readonly Segment[], threads: Threads): ChromeTraceEvent[] {
  const arrows: ChromeTraceEvent[] = [];
  const steps = new Map<number, Segment>();
  for (const segment of segments) {
    const [row] = segment.rows;
    if (!steps.has(row!.step)) steps.set(row!.step, segment);
    const from = row!.by === undefined ? undefined : steps.get(row!.by);
    if (from === undefined || from.task === segment.task) continue;
    const arrow = { cat: "wakes", name: "wakes", id: arrows.length / 2 + 1, pid: PID };
    arrows.push(
      { ph: "s", ...arrow, tid: threads.main(from.task), ts: from.begin + 0.25 },
      { ph: "f", bp: "e", ...arrow, tid: threads.main(segment.task), ts: segment.begin + 0.25 },
    );
  }
  return arrows;
}

// --------------------------------------------------------------------------------------------------------- the threads

/** A thread: slices that do not overlap. */
interface Thread {
  readonly tid: number;
  readonly name: string;
  /** Where it stands among the others. */
  readonly order: number;
  /** The end of the last wait on it. */
  end: number;
}

class Threads {
  private readonly all: Thread[] = [];
  /** The threads of a task. The first one has its steps. */
  private readonly ofTask: Map<string, Thread[]> = new Map();
  /** The begins of a task's steps. */
  private readonly begins: Map<string, number[]> = new Map();

  constructor(tasks: readonly string[]) {
    for (const task of tasks) {
      this.ofTask.set(task, []);
      this.begins.set(task, []);
      this.add(task);
    }
  }

  private add(task: string): Thread {
    const own = this.ofTask.get(task)!;
    const order = [...this.ofTask.keys()].indexOf(task);
    const name = own.length === 0 ? task : `${task} (${own.length + 1})`;
    const thread = { tid: this.all.length + 1, name, order, end: 0 };
    this.all.push(thread);
    own.push(thread);
    return thread;
  }

  /** The thread of a task's steps. */
  main(task: string): number {
    return this.ofTask.get(task)![0]!.tid;
  }

  addStep({ task, begin }: Slice): void {
    this.begins.get(task)!.push(begin);
  }

  /** Finds a thread for a wait. Steps are added first, waits come in the order of their begins. */
  place({ task, begin, end }: Slice): number {
    const begins = this.begins.get(task)!;
    const thread =
      this.ofTask.get(task)!.find((thread, i) => thread.end <= begin && (i > 0 || nextOf(begins, begin) >= end)) ??
      this.add(task);
    thread.end = end;
    return thread.tid;
  }

  /** The names and the order of the threads, as events. */
  names(): ChromeTraceEvent[] {
    const name = (tid: number, kind: string, args: Readonly<Record<string, unknown>>): ChromeTraceEvent => {
      return { ph: "M", name: kind, pid: PID, tid, args };
    };
    return [
      name(0, "process_name", { name: "headgate" }),
      ...this.all.flatMap(({ tid, name: text, order }) => [
        name(tid, "thread_name", { name: text }),
        name(tid, "thread_sort_index", { sort_index: order }),
      ]),
    ];
  }
}

/** The first of these ascending numbers that is not less than `least`; Infinity if there is none. */
function nextOf(ascending: readonly number[], least: number): number {
  let [low, high] = [0, ascending.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (ascending[middle]! < least) low = middle + 1;
    else high = middle;
  }
  return ascending[low] ?? Infinity;
}
