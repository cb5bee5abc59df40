/**
 * The story of the worker: three designs, some messages, and what each design loses.
 */
import type { TraceRow } from "headgate/testing";
import firstText from "text:../../../learn/05-sigterm/broken.ts";
import repairText from "text:../../../learn/06-half-fix/broken.ts";
import workerText from "text:../../../learn/07-two-signals/fixed.ts";
import firstGo from "text:../../../learn/05-sigterm/talk.go";
import repairGo from "text:../../../learn/06-half-fix/talk.go";
import { newBooks, workers } from "../../../learn/scenarios/index.ts";
import { messagesOf, type Setting as Bed } from "../../../learn/scenarios/queue.ts";
import { recorded, untilItsEnd } from "../record.ts";
import { CANCELLER, echoesOf, story } from "../say.ts";
import { listOf, text } from "../text.ts";
import { Lines, regionOf } from "./code.ts";
import { framesOf, type Note } from "./frames.ts";
import { kept, type Setting } from "./setting.ts";
import type { CodeLine, Design, Frame, Show, State, Story, Token } from "./types.ts";

// ------------------------------------------------------------------------------------------------------------ the tokens

interface Place {
  station: string;
  state: State;
  handled: boolean;
}

const words = text.worker.states;

class Tokens {
  private readonly places: Map<string, Place>;
  readonly counts: { pulled: number; acked: number; released: number; again: number } = {
    pulled: 0,
    acked: 0,
    released: 0,
    again: 0,
  };

  constructor(messages: readonly string[]) {
    this.places = new Map(messages.map((id) => [id, { station: "queue", state: "queued", handled: false }]));
  }

  row({ task, event, detail, object }: TraceRow): void {
    const id = /\bm\d\b/.exec(detail)?.[0];
    if (id === undefined || !this.places.has(id)) return;
    if (/^(resume )?recv$/.test(event) && task.startsWith("handle")) this.put(id, "handle", "working");
    if (/^(resume )?select$/.test(event) && /^(ack|settler)$/.test(task)) this.put(id, "ack", "acking");
    if (event === "tryRecv" && task === "settler" && object !== "") this.put(id, "ack", "acking");
  }

  note({ list: kind, entry: id }: Note): void {
    const place = this.places.get(id);
    // What has failed is an operation, not a message.
    if (place === undefined) return;
    if (kind === "pulled") {
      this.counts.pulled++;
      this.put(id, "pull", "held");
    } else if (kind === "handled") {
      place.handled = true;
      place.state = "handled";
    } else if (kind === "acked") {
      this.counts.acked++;
      this.put(id, "acked", "done");
    } else if (kind === "released") {
      this.counts.released++;
      this.put(id, "queue", "back");
    } else if (kind === "next") {
      // What was given back or never pulled is not among those that are left behind.
      if (place.station !== "queue") this.counts.again++;
      this.put(id, "again", place.handled ? "lost" : "again");
    }
  }

  private put(id: string, station: string, state: State): void {
    const place = this.places.get(id)!;
    // A message that is acked or lost goes nowhere else.
    if (place.station === "acked" || place.station === "again") return;
    place.station = station;
    place.state = state === "acking" && !place.handled ? "held" : state;
  }

  now(): readonly Token[] {
    return [...this.places].map(([id, { station, state }]) => ({ id, station, state, word: words[state] }));
  }

  account(): readonly [text: string, holds: boolean] {
    const { pulled, acked, released, again } = this.counts;
    const inHand = [...this.places.values()].filter(({ station }) => /^(pull|handle|ack)$/.test(station)).length;
    const parts = [
      `${acked} acked`,
      `${released} given back`,
      `${inHand} in hand`,
      ...(again === 0 ? [] : [`${again} left to the lease`]),
    ];
    return [`pulled ${pulled} = ${parts.join(" + ")}`, pulled === acked + released + inHand + again];
  }
}

// ------------------------------------------------------------------------------------------------------------ the design

type Run = (typeof workers)[number]["run"];

function designOf(
  id: "first" | "repair" | "worker",
  run: Run,
  source: string,
  goCode: readonly CodeLine[],
  setting: Setting,
): Design {
  const code = regionOf(source, "worker");
  const bed: Bed = setting.fails === "none" ? { messages: setting.messages } : (setting as Bed);
  const show = async (replay: string): Promise<Show> => {
    const recording = await recorded((t) => {
      const books = newBooks();
      t.watch(() => books);
      return run(t, books, {}, bed);
    }, replay);
    const steps = untilItsEnd(recording.steps);
    const echoes = echoesOf(steps.flatMap(({ rows }) => rows));
    const tokens = new Tokens(messagesOf(bed));
    const [lines, goLines] = [new Lines(code), new Lines(goCode)];
    const failed: string[] = [];
    const frames = framesOf<string, Frame>(steps, ({ step, time, rows }, noted, before) => {
      let [line, goLine] = [before?.line ?? 1, before?.goLine ?? 0];
      for (const row of rows) {
        tokens.row(row);
        line = lines.of(row) || line;
        goLine = goLines.of(row) || goLine;
      }
      for (const note of noted) {
        tokens.note(note);
        if (note.list === "failed") failed.push(note.entry);
      }
      const [account, holds] = tokens.account();
      const isOver = rows.some((row) => row.task === "main" && row.event === "wait t.sleep");
      const isStopped = rows.some((row) => row.task === CANCELLER);
      return {
        step,
        time,
        rows,
        tokens: tokens.now(),
        line,
        goLine,
        sentence: sentenceOf(rows, noted, echoes, setting),
        phase: isOver || before?.phase === "ended" ? "ended" : isStopped ? "stopping" : (before?.phase ?? "running"),
        account,
        holds,
      };
    });
    const last = frames.at(-1)!;
    const before = frames.findLast((frame) => !frame.tokens.some(({ station }) => station === "again")) ?? last;
    const lost = last.tokens.filter(({ state }) => state === "lost").map((token) => token.id);
    const settled = last.tokens.filter(({ state }) => state === "done").map((token) => token.id);
    return { recording, frames, lost, settled, outcome: outcomeOf(last, before, replay, failed) };
  };
  return { id, ...text.worker.designs[id], code, goCode, show };
}

function sentenceOf(
  rows: readonly TraceRow[],
  noted: readonly Note[],
  echoes: ReadonlySet<TraceRow>,
  { messages }: Setting,
): string {
  const next = noted.filter(({ list }) => list === "next").map(({ entry }) => entry);
  if (next.length > 0) return `${text.worker.again} ${listOf(next.toSorted())}.`;
  if (rows.some((row) => row.task === "main" && row.event === "wait t.sleep")) return text.worker.over;
  if (rows.every((row) => row.task === "main" && !row.event.startsWith("wait"))) return text.worker.published(messages);
  const notes: Readonly<Record<string, string>> = text.worker.notes;
  const failures: Readonly<Record<string, string>> = text.worker.failed;
  const noteOf = ({ list, entry }: Note): string => {
    const [operation = "", id = ""] = list === "failed" ? entry.split(" ") : ["", entry];
    return (failures[operation] ?? notes[list]!).replace("{id}", id);
  };
  // The row of an operation that fails says only that it is over.
  const hasFailed = noted.some(({ list }) => list === "failed");
  return [...(hasFailed ? [] : [story(rows, echoes)]), ...noted.map(noteOf)].join(" ");
}

/** How it ended: one clause for each message that is not acked. */
function outcomeOf(last: Frame, before: Frame, replay: string, failed: readonly string[]): string {
  const isStopped = replay.includes("!c");
  const again = last.tokens.filter(({ state }) => state === "again").map(({ id }) => id);
  const clauses = last.tokens
    .filter(({ state }) => state === "lost")
    .map(({ id }) => {
      if (failed.includes(`ack ${id}`)) return text.worker.lostByFailure(id);
      const was = before.tokens.find((token) => token.id === id)!;
      return was.station === "ack" ? text.worker.lostInAck(id) : text.worker.lostInHandle(id);
    });
  if (clauses.length === 0) {
    if (again.length > 0) clauses.push(text.worker.harmless(again.toSorted()));
    else if (isStopped) return text.worker.allAcked;
    else return failed.length > 0 ? text.worker.survived : text.worker.plain(last.tokens.length);
  }
  return [...(isStopped ? [] : [text.worker.failureStops]), ...clauses].join(" ");
}

/** The story, with so many messages and such a failure. */
export const worker: (setting: Setting) => Story = kept((setting) => ({
  id: "worker",
  setting,
  title: text.worker.title,
  about: text.worker.about,
  stations: text.worker.stations,
  designs: [
    designOf("first", workers[0]!.run, firstText, regionOf(firstGo, "worker"), setting),
    designOf("repair", workers[1]!.run, repairText, regionOf(repairGo, "ack"), setting),
    designOf("worker", workers[2]!.run, workerText, [], setting),
  ],
  hasMessages: true,
  failures: text.worker.failures(`m${Math.min(2, setting.messages)}`),
  loses: text.worker.loses,
  takeaway: text.worker.takeaway,
}));
