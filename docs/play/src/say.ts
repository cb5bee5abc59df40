/**
 * A row of a trace as a sentence.
 */
import type { TraceRow } from "headgate/testing";

export const CLOCK = "⏱";
export const CANCELLER = "⚡";

/** The words of the operations, after the name of a task. */
const doing: Readonly<Record<string, readonly [waits: string, done: string]>> = {
  send: ["waits for a receiver of {o}", "sends {d} on {o}"],
  recv: ["waits for a value from {o}", "gets {d} from {o}"],
  select: ["waits for whichever comes first", "takes {d}"],
  sleep: ["begins what takes {d} ms", "is done with it"],
  "t.sleep": ["waits {d} ms", "has waited"],
  "t.wait": ["waits until all others are blocked", "sees all others blocked"],
  "group.wait": ["waits for its group", "has its group's result"],
  "group.go": ["waits for room in its group", "starts a task in its group"],
  lock: ["waits for {o}", "locks {o}"],
  rLock: ["waits to read {o}", "locks {o} for reading"],
  acquire: ["waits for a permit of {o}", "has a permit of {o}"],
  "cond.wait": ["waits for {o}", "is woken by {o}"],
  "wg.wait": ["waits for {o}", "has waited for {o}"],
  "context.wait": ["waits for a promise", "has the promise's result"],
  "singleflight.do": ["waits for the shared call", "has the shared result"],
  checkpoint: ["makes a request", "has the answer"],
  yield: ["lets others run", "goes on"],
  external: ["waits for something outside", "has the result from outside"],
  return: ["leaves the loop", "leaves the loop"],
};

const notes: Readonly<Record<string, string>> = {
  start: "starts",
  end: "ends",
  go: "starts {o}",
  throw: "throws: {d}",
  close: "closes {o}",
  cancel: "cancels {o}",
  unlock: "unlocks {o}",
  rUnlock: "unlocks {o}",
  release: "gives {o} back",
  signal: "wakes a waiter of {o}",
  broadcast: "wakes all waiters of {o}",
  add: "adds {d} to {o}",
  done: "is done with {o}",
  stop: "stops {o}",
  trySend: "sends {d} on {o}",
  tryRecv: "takes {d} from {o}",
  set: "sets {o}",
};

function filled(text: string, { object, detail }: TraceRow): string {
  const value = short(detail.startsWith("→ ") ? detail.slice(2) : detail);
  if (value === "closed") return `sees that ${object === "" ? "it" : object} is closed`;
  const closed = /^(\S+) closed$/.exec(value);
  if (closed !== null) return `takes ${closed[1]}: it is closed`;
  return text.replace("{o}", object.replace(/^worker\./, "")).replace("{d}", value === "" ? "it" : value);
}

/** The row in words: subject first. */
export function sentenceOf(row: TraceRow): string {
  if (row.task === CLOCK) return row.event === "fire" ? "Time passes." : "The deadline ends a context.";
  if (row.task === CANCELLER)
    return row.object === "t.abort" ? "The second signal comes." : "SIGTERM: the context ends.";
  const [kind, op = ""] = /^(wait|resume|fail|refuse) /.test(row.event) ? row.event.split(/ (.*)/) : ["", row.event];
  const words = doing[op];
  if (words === undefined) return `${row.task} ${filled(notes[row.event] ?? row.event, row)}.`;
  if (kind === "wait") return `${row.task} ${filled(words[0], row)}.`;
  if (kind === "fail" || kind === "refuse") {
    const what = `${op}${row.object === "" || op === "select" ? "" : ` ${row.object}`}`;
    return `${row.task}: ${what} fails with “${row.detail}”.`;
  }
  return `${row.task} ${filled(words[1], row)}.`;
}

/** A value as the page shows it: the name of a message instead of its JSON. */
export function short(detail: string): string {
  return detail.replace(/\{.*"body":"(\w+)".*$/, "$1").replace(/^Error: /, "");
}

/** The rows that say nothing new: an operation that was done at once is over in its next step, too. */
export function echoesOf(rows: readonly TraceRow[]): ReadonlySet<TraceRow> {
  const waiting = new Set<string>();
  const echoes = new Set<TraceRow>();
  for (const row of rows) {
    const [, kind = "", op = row.event] = /^(wait|resume|fail|refuse) (.*)$/.exec(row.event) ?? [];
    const key = `${row.task} ${op}`;
    if (kind === "wait") waiting.add(key);
    else if (kind === "resume" || kind === "fail") {
      if (!waiting.delete(key)) echoes.add(row);
    }
  }
  return echoes;
}

/** Rows that are left out where there are others. */
function isMinor({ event }: TraceRow): boolean {
  return /^(go|set|add|done|stop|resume send|group\.go)$|checkpoint|context\.wait/.test(event);
}

/** What happens in a step, in one or two sentences. */
export function story(rows: readonly TraceRow[], echoes: ReadonlySet<TraceRow> = new Set()): string {
  const fresh = rows.filter((row) => !echoes.has(row));
  const major = fresh.filter((row) => !isMinor(row));
  const told = major.length > 0 ? major : fresh.length > 0 ? fresh : rows;
  const sentences = [...new Set(told.map(sentenceOf))];
  return (sentences.length <= 2 ? sentences : [sentences[0]!, sentences.at(-1)!]).join(" ");
}

/** The row as the timeline has it. */
export function textOf(row: TraceRow): string {
  return [row.event, row.object, row.detail].filter((part) => part !== "").join(" ");
}
