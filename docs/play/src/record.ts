/**
 * Recordings, made one at a time and kept.
 *
 * Invariant: a page has one thread. What the reader waits for goes before what fills a strip, and the page gets a turn in between.
 */
import { type Bubble, record, type TraceRow, type TraceStep } from "headgate/testing";

/** What a scenario did under one schedule. */
export interface Recording {
  readonly replay: string;
  readonly steps: readonly TraceStep[];
  /** Number of points at which it can be cancelled. */
  readonly points: number;
  /** What it failed with; undefined: it held. */
  readonly error: unknown;
}

export type Scenario = (t: Bubble) => Promise<void> | void;

/** Runs a scenario under exactly this schedule. Rejects if the string does not fit the scenario. */
export async function recorded(scenario: Scenario, replay: string): Promise<Recording> {
  const { trace, error, points } = await record(scenario, replay);
  return { replay, steps: trace.steps, points, error };
}

/** The steps until the scenario's function has returned, without the kit's clean-up. */
export function untilItsEnd(steps: readonly TraceStep[]): readonly TraceStep[] {
  const end = steps.findIndex(({ rows }) => rows.some((row) => row.task === "main" && row.event === "end"));
  return end < 0 ? steps : steps.slice(0, end + 1);
}

/**
 * The step at which the program has returned. From then on its scenario only lets time pass: the last sleep of `main` begins.
 */
export function endOf(steps: readonly TraceStep[]): number {
  const sleeps = ({ task, event }: TraceRow): boolean => task === "main" && event === "wait sleep";
  return steps.findLast(({ rows }) => rows.some(sleeps))?.step ?? Infinity;
}

// ------------------------------------------------------------------------------------------------------------ one at a time

interface Job {
  readonly run: () => Promise<void>;
  readonly isUrgent: boolean;
}

const jobs: Job[] = [];
let isRunning = false;

async function work(): Promise<void> {
  if (isRunning) return;
  isRunning = true;
  for (;;) {
    const urgent = jobs.findIndex((job) => job.isUrgent);
    const [job] = jobs.splice(Math.max(0, urgent), 1);
    if (job === undefined) break;
    await job.run();
    if (!job.isUrgent) await new Promise((resolve) => setTimeout(resolve));
  }
  isRunning = false;
}

/** Runs `fn` when no other recording runs. */
export function queued<T>(fn: () => Promise<T>, isUrgent: boolean = true): Promise<T> {
  return new Promise((resolve, reject) => {
    jobs.push({ run: () => fn().then(resolve, reject), isUrgent });
    void work();
  });
}

/** Keeps what was recorded, by a key such as the replay string. */
export class Cache<R> {
  private readonly make: (key: string) => Promise<R>;
  private readonly asked: Map<string, Promise<R>> = new Map();
  private readonly kept: Map<string, R> = new Map();

  constructor(make: (key: string) => Promise<R>) {
    this.make = make;
  }

  /** The recording, if it has been made. */
  peek(key: string): R | undefined {
    return this.kept.get(key);
  }

  get(key: string, isUrgent: boolean = true): Promise<R> {
    const known = this.asked.get(key);
    if (known !== undefined && (!isUrgent || this.kept.has(key))) return known;
    const made = queued(async () => this.kept.get(key) ?? this.make(key), isUrgent);
    this.asked.set(key, made);
    void made.then((recording) => this.kept.set(key, recording)).catch(() => {});
    return made;
  }
}
