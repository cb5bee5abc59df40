/**
 * The story of the two APIs: a transfer in three designs, and the half of it that is left.
 */
import type { TraceRow } from "headgate/testing";
import sameText from "text:../../../learn/08-two-apis/broken.ts";
import repairText from "text:../../../learn/08-two-apis/half.ts";
import sagaText from "text:../../../learn/08-two-apis/fixed.ts";
import talkGo from "text:../../../learn/08-two-apis/talk.go";
import type { BankSetting, Fact } from "../../../learn/scenarios/banks.ts";
import { newBankBooks, transfers } from "../../../learn/scenarios/index.ts";
import { endOf, recorded, untilItsEnd } from "../record.ts";
import { CANCELLER, CLOCK } from "../say.ts";
import { text } from "../text.ts";
import { marksOf, regionOf } from "./code.ts";
import { framesOf, type Note } from "./frames.ts";
import { kept, type Setting } from "./setting.ts";
import type { CodeLine, Design, Frame, Show, State, Story, Token } from "./types.ts";

const words = text.transfer.states;

/** The two calls, and where each of them is. */
class Calls {
  private readonly calls: Map<string, { station: string; state: State; undone: boolean }> = new Map([
    ["debit", { station: "idle", state: "queued", undone: false }],
    ["credit", { station: "idle", state: "queued", undone: false }],
  ]);

  note({ entry: { bank, request, event } }: Note<Fact>): void {
    const kind = `${request} ${event}`;
    const call = this.calls.get(bank)!;
    const put = (station: string, state: State): void => void Object.assign(call, { station, state });
    if (kind === "call sent") put("way", "working");
    if (kind === "call arrived") put(call.undone ? "undone" : "moved", call.undone ? "back" : "done");
    if (kind === "call declined") put("idle", "declined");
    if (kind === "undo sent") call.state = "acking";
    if (kind === "undo arrived") {
      call.undone = true;
      put("undone", "back");
    }
  }

  now(isOver: boolean): readonly Token[] {
    const moved = [...this.calls.values()].filter(({ station }) => station === "moved").length;
    return [...this.calls].map(([id, { station, state }]) => {
      const shown = isOver && moved === 1 && station === "moved" ? "lost" : state;
      return { id, station, state: shown, word: words[shown] };
    });
  }
}

type Run = (typeof transfers)[number]["run"];

function designOf(
  id: "same" | "repair" | "saga",
  run: Run,
  source: string,
  goCode: readonly CodeLine[],
  setting: Setting,
): Design {
  const code = regionOf(source, "transfer");
  const bed = setting.fails === "none" ? {} : ({ fails: setting.fails } as BankSetting);
  const lineOfFact = (lines: readonly CodeLine[], { request, bank }: Fact): number =>
    marksOf(lines, bank, request)[0]?.line ?? 0;
  const show = async (replay: string): Promise<Show> => {
    const recording = await recorded((t) => {
      const books = newBankBooks();
      t.watch(() => ({ facts: books.facts }));
      return run(t, books, bed);
    }, replay);
    const steps = untilItsEnd(recording.steps);
    const end = endOf(steps);
    const calls = new Calls();
    const start = code.findIndex(({ text }) => text.includes(".run(ctx")) + 1 || 1;
    const frames = framesOf<Fact, Frame>(steps, ({ step, time, rows }, noted, before, isLast) => {
      for (const note of noted) calls.note(note);
      const sent = noted.findLast(({ entry }) => entry.event === "sent");
      const tokens = calls.now(isLast);
      const moved = tokens.filter(({ station }) => station === "moved").length;
      const back = tokens.filter(({ station }) => station === "undone").length;
      const isStopped = rows.some((row) => row.task === CANCELLER);
      return {
        step,
        time,
        rows,
        tokens,
        line: sent === undefined ? (before?.line ?? start) : lineOfFact(code, sent.entry) || start,
        goLine: (sent === undefined ? undefined : lineOfFact(goCode, sent.entry)) || (before?.goLine ?? 1),
        sentence: isLast ? text.transfer.over : step === end ? text.transfer.ended : sentenceOf(rows, noted, time),
        phase: step >= end ? "ended" : isStopped ? "stopping" : (before?.phase ?? "running"),
        account: `money moved at ${moved} of 2 banks, taken back at ${back}`,
        holds: !isLast || moved !== 1,
        isInner: false,
      };
    });
    const last = frames.at(-1)!;
    const lost = last.tokens.filter(({ state }) => state === "lost").map((token) => token.id);
    const settled = last.tokens.filter(({ station }) => station === "moved").map((token) => token.id);
    const [half] = lost;
    const whole = settled.length === 2 ? text.transfer.both : text.transfer.neither;
    const outcome = half === undefined ? whole : text.transfer.half(half);
    return { recording, frames, lost, settled: lost.length > 0 ? [] : settled, outcome, why: [], losing: undefined };
  };
  return { id, ...text.transfer.designs[id], code, goCode, show };
}

function sentenceOf(rows: readonly TraceRow[], noted: readonly Note<Fact>[], time: number): string {
  const words = text.transfer;
  const notes: Readonly<Record<string, string>> = words.notes;
  const told = noted.map(({ entry: { request, event, bank } }) => notes[`${request} ${event}`]!.replace("{id}", bank));
  if (rows.some((row) => row.task === CANCELLER)) told.unshift(words.sigterm);
  else if (rows.some((row) => row.task === CLOCK && row.event === "fire")) told.unshift(words.clock(time));
  if (told.length > 0) return told.join(" ");
  return rows.some((row) => row.event.startsWith("fail ") && row.detail === "context canceled")
    ? words.heard
    : words.turn;
}

/** The story, with such a failure. */
export const transfer: (setting: Setting) => Story = kept((setting) => ({
  id: "transfer",
  setting,
  title: text.transfer.title,
  about: text.transfer.about,
  stations: text.transfer.stations,
  designs: [
    designOf("same", transfers[0]!.run, sameText, regionOf(talkGo, "transfer"), setting),
    designOf("repair", transfers[1]!.run, repairText, [], setting),
    designOf("saga", transfers[2]!.run, sagaText, [], setting),
  ],
  hasMessages: false,
  failures: text.transfer.failures,
  loses: text.transfer.loses,
  takeaway: text.transfer.takeaway,
}));
