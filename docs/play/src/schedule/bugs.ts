/**
 * The bugs of the test kit as this view runs them: recorded under a schedule of the reader's, or searched by `explore`.
 */
import { explore, ScheduleError } from "headgate/testing";
import { type Bug, bugs } from "../../../../test/testing/bugs/index.ts";
import { Cache, queued, recorded, type Recording } from "../record.ts";

export interface Entry {
  readonly id: string;
  readonly bug: Bug;
  readonly broken: Cache<Recording>;
  readonly fixed: Cache<Recording>;
}

const idOf = (name: string): string => name.replace(/[^a-z]+/gi, "-").toLowerCase();

export const entries: readonly Entry[] = bugs.map((bug) => ({
  id: idOf(bug.name),
  bug,
  broken: new Cache((replay) => recorded(bug.scenario(false), replay)),
  fixed: new Cache((replay) => recorded(bug.scenario(true), replay)),
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
