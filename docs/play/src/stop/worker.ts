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
import { endOf, recorded, untilItsEnd } from "../record.ts";
import { CANCELLER, echoesOf } from "../say.ts";
import { listOf, text } from "../text.ts";
import { Lines, regionOf } from "./code.ts";
import { framesOf, type Note } from "./frames.ts";
import { kept, type Setting } from "./setting.ts";
import { Teller } from "./tell.ts";
import type { Beat, CodeLine, Design, Frame, Show, State, Story, Token } from "./types.ts";

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
      const wasLeft = place.station !== "queue";
      if (wasLeft) this.counts.again++;
      const isReturned = place.state === "back";
      this.put(id, "next", place.handled ? "lost" : wasLeft ? "again" : isReturned ? "returned" : "first");
    }
  }

  private put(id: string, station: string, state: State): void {
    const place = this.places.get(id)!;
    // A message that is acked or lost goes nowhere else.
    if (place.station === "acked" || place.station === "next") return;
    place.station = station;
    place.state = state === "acking" && !place.handled ? "held" : state;
  }

  now(): readonly Token[] {
    return [...this.places].map(([id, { station, state }]) => ({ id, station, state, word: words[state] }));
  }

  get inHand(): number {
    return [...this.places.values()].filter(({ station }) => /^(pull|handle|ack)$/.test(station)).length;
  }

  account(): readonly [text: string, holds: boolean] {
    const { pulled, acked, released, again } = this.counts;
    const { inHand } = this;
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
    const end = endOf(steps);
    const teller = new Teller(code, setting.messages);
    const failed: string[] = [];
    const turns: Turn[] = [];
    const frames = framesOf<string, Frame>(steps, ({ step, time, rows }, noted, before, isLast) => {
      let [line, goLine] = [before?.line ?? 1, before?.goLine ?? 0];
      for (const row of rows) {
        tokens.row(row);
        line = lines.of(row) || line;
        goLine = goLines.of(row) || goLine;
        turns.push({ row, name: teller.name(row.object), line, goLine });
      }
      const told = teller.step(rows, echoes, tokens.now(), time);
      for (const note of noted) {
        tokens.note(note);
        if (note.list === "failed") failed.push(note.entry);
      }
      const [account, holds] = tokens.account();
      const isStopped = rows.some((row) => row.task === CANCELLER);
      return {
        step,
        time,
        rows,
        tokens: tokens.now(),
        line,
        goLine,
        sentence: sentenceOf({ rows, told, noted, isEnd: step === end, isLast, hasSome: tokens.inHand > 0 }),
        phase: step >= end ? "ended" : isStopped ? "stopping" : (before?.phase ?? "running"),
        account,
        holds,
        isInner: told.length + noted.length === 0 && rows.every(({ task }) => INNER.test(task)),
      };
    });
    const last = frames.at(-1)!;
    const lost = last.tokens.filter(({ state }) => state === "lost").map((token) => token.id);
    const settled = last.tokens.filter(({ state }) => state === "done").map((token) => token.id);
    const stop = Number(/!c(\d+)/.exec(replay)?.[1] ?? Infinity);
    const losses = lost.map((id) => lossOf(id, failed, turns));
    return {
      recording,
      frames,
      lost,
      settled,
      outcome: outcomeOf({ last, losses, failed, isLate: stop >= end && stop < Infinity, isStopped: stop < end }),
      why: losses[0]?.why ?? [],
      losing: losses[0],
    };
  };
  return { id, ...text.worker.designs[id], code, goCode, show };
}

/** The tasks of `headgate/worker` that watch over its work. */
const INNER = /^(watch|leases|limit|closer|settler|pull|handler)$/;

function sentenceOf({
  rows,
  told,
  noted,
  isEnd,
  isLast,
  hasSome,
}: {
  rows: readonly TraceRow[];
  told: readonly string[];
  noted: readonly Note[];
  isEnd: boolean;
  isLast: boolean;
  hasSome: boolean;
}): string {
  const next = noted.filter(({ list }) => list === "next").map(({ entry }) => entry);
  if (isLast) return next.length > 0 ? text.worker.again(listOf(next.toSorted())) : text.worker.nothingLeft;
  if (isEnd) return hasSome ? `${text.worker.over} ${text.worker.leases}` : text.worker.over;
  const notes: Readonly<Record<string, string>> = text.worker.notes;
  const failures: Readonly<Record<string, string>> = text.worker.failed;
  const noteOf = ({ list, entry }: Note): string => {
    const [operation = "", id = ""] = list === "failed" ? entry.split(" ") : ["", entry];
    return (failures[operation] ?? notes[list]!).replace("{id}", id);
  };
  const all = [...told, ...noted.map(noteOf)];
  if (all.length > 0) return all.join(" ");
  return text.worker.inner(listOf([...new Set(rows.map(({ task }) => task))]));
}

// ------------------------------------------------------------------------------------------------------------ what it loses

/** A row, with the name of its object in the code and the lines that were lit at it. */
interface Turn {
  readonly row: TraceRow;
  readonly name: string;
  readonly line: number;
  readonly goLine: number;
}

/** How a message was lost: in a sentence, in beats, and in which line. */
interface Loss {
  readonly clause: string;
  readonly why: readonly Beat[];
  readonly step: number;
  readonly line: number;
  readonly goLine: number;
}

function lossOf(id: string, failed: readonly string[], turns: readonly Turn[]): Loss {
  const { worker } = text;
  // The last that a task of the code did with this message.
  const isOf = ({ row: { detail } }: Turn): boolean => new RegExp(`\\b${id}\\b`).test(detail);
  const last = turns.findLast((turn) => isOf(turn) && /^(handle|ack)$/.test(turn.row.task))!;
  const { task } = last.row;
  const at = turns.indexOf(last);
  const own = turns.slice(at).filter(({ row }) => row.task === task);
  if (failed.includes(`ack ${id}`)) {
    const { line, goLine, row } = own.find(({ row }) => row.event === "resume sleep") ?? last;
    return { clause: worker.lostByFailure(id), why: [], line, goLine, step: row.step };
  }
  const cut = own.find(({ row }) => /^(fail|refuse) (send|sleep|checkpoint)$/.test(row.event)) ?? last;
  const kind = task === "handle" ? "dropped" : cut.row.event.startsWith("refuse") ? "unsent" : "cutOff";
  const ctx = task === "handle" ? "handleCtx" : "ackCtx";
  const cause = turns.find(({ row, name }) => row.event === "cancel" && name === ctx);
  const { step } = cut.row;
  const why =
    cause === undefined
      ? []
      : [
          { text: worker.why.meant(cause.row.task, ctx), step: cause.row.step },
          { text: worker.why.heard(task), step },
          { text: worker.why[kind](id), step },
        ];
  return { clause: worker[kind](id), why, line: cut.line, goLine: cut.goLine, step };
}

/** How it ended: one clause for each message that is not acked. */
function outcomeOf({
  last,
  losses,
  failed,
  isLate,
  isStopped,
}: {
  last: Frame;
  losses: readonly Loss[];
  failed: readonly string[];
  isLate: boolean;
  isStopped: boolean;
}): string {
  const { worker } = text;
  const rest = last.tokens.filter(({ station, state }) => station === "next" && state !== "lost");
  const clauses = losses.map(({ clause }) => clause);
  if (clauses.length === 0) {
    if (rest.length > 0) clauses.push(worker.harmless(rest.map(({ id, word }) => `${id} (${word})`)));
    else if (isStopped) return worker.allAcked;
    else if (failed.length > 0) clauses.push(worker.survived);
    else clauses.push(isLate ? worker.allAcked : worker.plain(last.tokens.length));
  }
  const isByFailure = !isStopped && (losses.length > 0 || rest.length > 0);
  return [...(isLate ? [worker.late] : []), ...(isByFailure ? [worker.failureStops] : []), ...clauses].join(" ");
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
