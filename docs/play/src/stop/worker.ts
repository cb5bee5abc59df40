/**
 * The story of the worker: three designs, three messages, and what each design loses.
 */
import type { TraceRow } from "headgate/testing";
import firstText from "text:../../../learn/05-sigterm/broken.ts";
import repairText from "text:../../../learn/06-half-fix/broken.ts";
import workerText from "text:../../../learn/07-two-signals/fixed.ts";
import { newBooks, workers } from "../../../learn/scenarios/index.ts";
import { MESSAGES } from "../../../learn/scenarios/queue.ts";
import { recorded, untilItsEnd } from "../record.ts";
import { CANCELLER, echoesOf, story } from "../say.ts";
import { text } from "../text.ts";
import { Lines, regionOf } from "./code.ts";
import { framesOf, listOf, type Note } from "./frames.ts";
import type { Design, Frame, Show, State, Story, Token } from "./types.ts";

// ------------------------------------------------------------------------------------------------------------ the tokens

interface Place {
  station: string;
  state: State;
  handled: boolean;
}

const words = text.worker.states;

class Tokens {
  private readonly places: Map<string, Place> = new Map(
    MESSAGES.map((id) => [id, { station: "queue", state: "queued", handled: false }]),
  );
  readonly counts: { pulled: number; acked: number; released: number; again: number } = {
    pulled: 0,
    acked: 0,
    released: 0,
    again: 0,
  };

  row({ task, event, detail, object }: TraceRow): void {
    const id = /\bm\d\b/.exec(detail)?.[0];
    if (id === undefined || !this.places.has(id)) return;
    if (/^(resume )?recv$/.test(event) && task.startsWith("handle")) this.put(id, "handle", "working");
    if (/^(resume )?select$/.test(event) && /^(ack|settler)$/.test(task)) this.put(id, "ack", "acking");
    if (event === "tryRecv" && task === "settler" && object !== "") this.put(id, "ack", "acking");
  }

  note({ list: kind, entry: id }: Note): void {
    const place = this.places.get(id)!;
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

function designOf(id: "first" | "repair" | "worker", run: Run, source: string): Design {
  const code = regionOf(source, "worker");
  const show = async (replay: string): Promise<Show> => {
    const recording = await recorded((t) => {
      const books = newBooks();
      t.watch(() => books);
      return run(t, books);
    }, replay);
    const steps = untilItsEnd(recording.steps);
    const echoes = echoesOf(steps.flatMap(({ rows }) => rows));
    const tokens = new Tokens();
    const lines = new Lines(code);
    const frames = framesOf<string, Frame>(steps, ({ step, time, rows }, noted, before) => {
      let line = before?.line ?? 1;
      for (const row of rows) {
        tokens.row(row);
        line = lines.of(row) || line;
      }
      for (const note of noted) tokens.note(note);
      const [account, holds] = tokens.account();
      const isOver = rows.some((row) => row.task === "main" && row.event === "wait t.sleep");
      const isStopped = rows.some((row) => row.task === CANCELLER);
      return {
        step,
        time,
        rows,
        tokens: tokens.now(),
        line,
        sentence: sentenceOf(rows, noted, echoes),
        phase: isOver || before?.phase === "ended" ? "ended" : isStopped ? "stopping" : (before?.phase ?? "running"),
        account,
        holds,
      };
    });
    const last = frames.at(-1)!;
    const before = frames.findLast((frame) => !frame.tokens.some(({ station }) => station === "again")) ?? last;
    const lost = last.tokens.filter(({ state }) => state === "lost").map((token) => token.id);
    const settled = last.tokens.filter(({ state }) => state === "done").map((token) => token.id);
    return { recording, frames, lost, settled, outcome: outcomeOf(last, before, replay) };
  };
  return { id, ...text.worker.designs[id], code, show };
}

function sentenceOf(rows: readonly TraceRow[], noted: readonly Note[], echoes: ReadonlySet<TraceRow>): string {
  const next = noted.filter(({ list }) => list === "next").map(({ entry }) => entry);
  if (next.length > 0) return `${text.worker.again} ${listOf(next.toSorted())}.`;
  if (rows.some((row) => row.task === "main" && row.event === "wait t.sleep")) return text.worker.over;
  if (rows.every((row) => row.task === "main" && !row.event.startsWith("wait"))) return text.worker.published;
  const ids: Readonly<Record<string, string>> = text.worker.notes;
  const noteOf = ({ list, entry }: Note): string => (ids[list] ?? "{id}").replace("{id}", entry);
  return [story(rows, echoes), ...noted.map(noteOf)].join(" ");
}

/** How it ended: one clause for each message that is not acked. */
function outcomeOf(last: Frame, before: Frame, replay: string): string {
  const stopped = replay.includes("!c");
  const lost = last.tokens.filter(({ state }) => state === "lost");
  if (lost.length > 0) {
    const clauses = lost.map(({ id }) => {
      const was = before.tokens.find((token) => token.id === id)!;
      return was.station === "ack" ? text.worker.lostInAck(id) : text.worker.lostInHandle(id);
    });
    return clauses.join(" ");
  }
  const again = last.tokens.filter(({ state }) => state === "again").map(({ id }) => id);
  if (again.length > 0) return text.worker.harmless(listOf(again.toSorted()));
  return stopped ? text.worker.allAcked : text.worker.plain;
}

export const worker: Story = {
  id: "worker",
  title: text.worker.title,
  about: text.worker.about,
  stations: text.worker.stations,
  designs: [
    designOf("first", workers[0]!.run, firstText),
    designOf("repair", workers[1]!.run, repairText),
    designOf("worker", workers[2]!.run, workerText),
  ],
  loses: text.worker.loses,
  takeaway: text.worker.takeaway,
};
