/**
 * What a task of the worker does, in plain words: a row of the trace becomes the template `TASK EVENT` of the page's words.
 *
 * Invariants: contexts have the names of the code. A row without a template says nothing; its step says so.
 */
import type { TraceRow } from "headgate/testing";
import { CANCELLER, CLOCK } from "../say.ts";
import { listOf, text } from "../text.ts";
import type { CodeLine, Token } from "./types.ts";

/** The names of contexts as the code has them, by those of the trace. The code makes the contexts of its first level in this order. */
export function contextsOf(code: readonly CodeLine[]): ReadonlyMap<string, string> {
  const made = code.flatMap(({ text }) => {
    const [, name, group] =
      /^ {2}const (?:\[(\w+), \w+\] = context\.with|\[(\w+)\] = errgroup\.withContext)/.exec(text) ?? [];
    return group === undefined ? (name ?? []) : "ctx";
  });
  return new Map(made.map((name, i) => [`ctx${i + 1}`, name]));
}

/** Tells the rows of one recording, in their order. */
export class Teller {
  private readonly names: Map<string, string>;
  /** The context that a select of this task waits for. */
  private readonly waitsFor: Map<string, string> = new Map();
  private readonly messages: number;
  private published = 0;

  constructor(code: readonly CodeLine[], messages: number) {
    this.names = new Map(contextsOf(code));
    this.messages = messages;
  }

  /** The name of a context in the code. */
  name(object: string): string {
    return this.names.get(object) ?? object;
  }

  /** The sentences of a step, after its rows have moved the tokens. */
  step(
    rows: readonly TraceRow[],
    echoes: ReadonlySet<TraceRow>,
    tokens: readonly Token[],
    time: number,
  ): readonly string[] {
    const started = rows.filter(({ event }) => event === "go").map(({ object }) => object);
    const told = rows.filter((row) => !echoes.has(row)).map((row) => this.row(row, tokens, time));
    if (started.length > 0) told.push(text.worker.starts(listOf(started)));
    return [...new Set(told.filter((sentence) => sentence !== ""))];
  }

  private row(row: TraceRow, tokens: readonly Token[], time: number): string {
    const { task, event, object, detail } = row;
    if (task === CLOCK) return event === "fire" ? text.worker.clock(time) : "";
    if (task === CANCELLER) return object === "t.abort" ? text.worker.second : text.worker.sigterm;
    if (task === "main" && event === "checkpoint" && this.published < this.messages) {
      return text.worker.published(++this.published, this.messages);
    }
    // A context that a task makes for its own end.
    const own = /^deadline of (ctx\d+)$/.exec(object);
    if (own !== null && task === "ack") this.names.set(own[1]!, "last");
    const done = /done: (ctx\d+)/.exec(object);
    if (done !== null) this.waitsFor.set(task, this.name(done[1]!));
    const what = / closed$|^closed$/.test(detail.replace("→ ", ""))
      ? detail.replace("→ ", "")
      : event === "cancel"
        ? this.name(object)
        : (/(?:^|→ )(result|phase|room|due|tick) /.exec(detail)?.[1] ?? "");
    const tells: Readonly<Record<string, string>> = text.worker.tells;
    const template = tells[`${task} ${event} ${what}`.trim()] ?? "";
    return template
      .replaceAll("{m}", /\bm\d\b/.exec(detail)?.[0] ?? heldBy(task, tokens))
      .replaceAll("{ctx}", this.waitsFor.get(task) ?? "ctx");
  }
}

const stationOf: Readonly<Record<string, string>> = { handler: "handle", settler: "ack" };

/** The message that a task has in hand. */
function heldBy(task: string, tokens: readonly Token[]): string {
  const at = tokens.filter(({ station }) => station === (stationOf[task] ?? task));
  return (at.find(({ state }) => state === "working") ?? at.at(-1))?.id ?? "it";
}
