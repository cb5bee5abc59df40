/**
 * View 1 in types: a story is a program in several designs, whose tokens move from station to station.
 */
import type { TraceRow } from "headgate/testing";
import type { Recording } from "../record.ts";
import type { Setting } from "./setting.ts";

/** The state of a token, which its shape shows. */
export type State =
  | "queued"
  | "held"
  | "working"
  | "handled"
  | "acking"
  | "done"
  | "back"
  | "declined"
  | "first"
  | "returned"
  | "again"
  | "lost";

export interface Token {
  readonly id: string;
  readonly station: string;
  readonly state: State;
  /** The state in words. */
  readonly word: string;
}

export interface Station {
  readonly id: string;
  readonly title: string;
  /** What its tokens wait in, or what it does. */
  readonly hint: string;
}

/** What the reader sees after a step. */
export interface Frame {
  readonly step: number;
  readonly time: number;
  readonly rows: readonly TraceRow[];
  readonly tokens: readonly Token[];
  /** The lit line of the code, from 1; 0: none. And that of the code in Go. */
  readonly line: number;
  readonly goLine: number;
  readonly sentence: string;
  readonly phase: "running" | "stopping" | "ended";
  /** The account in words, and whether it adds up. */
  readonly account: string;
  readonly holds: boolean;
  /** No message moves, and no task of the code has its turn: it goes by faster. */
  readonly isInner: boolean;
}

/** One of the beats that say why something is lost, and the step at which it happens. */
export interface Beat {
  readonly text: string;
  readonly step: number;
}

/** A recording, as this view shows it. */
export interface Show {
  readonly recording: Recording;
  readonly frames: readonly Frame[];
  /** What this schedule loses in the end, and what it has settled. */
  readonly lost: readonly string[];
  readonly settled: readonly string[];
  /** How it ended, in a sentence or two. */
  readonly outcome: string;
  /** Why it loses, in beats; empty: it does not. */
  readonly why: readonly Beat[];
  /** Where it loses: the line, that of the code in Go, and the step. */
  readonly losing: { readonly line: number; readonly goLine: number; readonly step: number } | undefined;
}

export interface CodeLine {
  readonly text: string;
  /** A sign in the margin: "-" and "+" where two forms differ. */
  readonly sign?: string;
  readonly marks: readonly string[];
}

export interface Design {
  readonly id: string;
  readonly title: string;
  readonly about: string;
  readonly code: readonly CodeLine[];
  /** The code of the talk's slide, in Go; empty: the talk has none. */
  readonly goCode: readonly CodeLine[];
  readonly show: (replay: string) => Promise<Show>;
}

export interface Story {
  readonly id: string;
  readonly setting: Setting;
  readonly title: string;
  readonly about: string;
  readonly stations: readonly Station[];
  readonly designs: readonly Design[];
  /** Whether the number of messages can be chosen. */
  readonly hasMessages: boolean;
  /** What can be let fail, "none" first. */
  readonly failures: readonly { readonly id: string; readonly title: string }[];
  /** What is counted at each point. */
  readonly loses: (n: number) => string;
  /** What to take away from it. */
  readonly takeaway: string;
}
