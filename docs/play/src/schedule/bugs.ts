/**
 * The bugs of the test kit as this view runs them: recorded under a schedule of the reader's, or searched by `explore`.
 */
import { explore, ScheduleError } from "headgate/testing";
import { type Bug, bugs } from "../../../../test/testing/bugs/index.ts";
import { Cache, queued, recorded, type Recording, type Scenario } from "../record.ts";
import { type Listing, listingOf } from "./listing.ts";
import { takeLine } from "./reached.ts";

export interface Entry {
  readonly id: string;
  readonly bug: Bug;
  readonly broken: Form;
  readonly fixed: Form;
}

/** A form of a bug: its recordings and its code. */
export interface Form {
  readonly recordings: Cache<Recording>;
  readonly listing: Listing;
}

/** The scenario, with the line that it has reached as the snapshot of each step. */
const watched =
  (scenario: Scenario): Scenario =>
  (t) => {
    takeLine();
    t.watch(takeLine);
    return scenario(t);
  };

const formOf = (bug: Bug, isFixed: boolean): Form => ({
  recordings: new Cache((replay) => recorded(watched(bug.scenario(isFixed)), replay)),
  listing: listingOf(bug.name, isFixed),
});

const idOf = (name: string): string => name.replace(/[^a-z]+/gi, "-").toLowerCase();

export const entries: readonly Entry[] = bugs.map((bug) => ({
  id: idOf(bug.name),
  bug,
  broken: formOf(bug, false),
  fixed: formOf(bug, true),
}));

/** What `explore` says of a bug. */
export interface Found {
  /** The schedule that fails, and how many were run until it was found. */
  readonly replay: string;
  readonly schedules: number;
  readonly cause: string;
}

const searches: Map<Entry, Promise<Found>> = new Map();
const results: Map<Entry, Found> = new Map();

/** What was found before. */
export const foundOf = (entry: Entry): Found | undefined => results.get(entry);

/** Searches for a schedule that fails. */
export function find(entry: Entry): Promise<Found> {
  const search = searches.get(entry) ?? queued(() => searched(entry));
  searches.set(entry, search);
  return search;
}

async function searched(entry: Entry): Promise<Found> {
  const { bug } = entry;
  // The page shows that it searches before it is busy.
  await new Promise((resolve) => setTimeout(resolve, 30));
  try {
    await explore(bug.scenario(false));
  } catch (error) {
    if (!(error instanceof ScheduleError)) throw error;
    const result = { replay: error.replay, schedules: error.schedules, cause: causeOf(error.cause) };
    results.set(entry, result);
    return result;
  }
  throw new Error(`explore finds nothing in ${bug.name}`);
}

/** The first line of an error. */
export function causeOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.split("\n")[0]!.replace(/^AssertionError: |^Error: /, "");
}
