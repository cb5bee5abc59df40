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
  readonly loses: string;
  /** What to take away from it. */
  readonly takeaway: string;
}
