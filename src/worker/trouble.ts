/**
 * The errors of a source in sum. A call that fails now and then is tried again, without a word. A call that only fails needs a person: it is
 * reported once by an event, and in the report.
 *
 * Invariant: of each call at most one streak of failures is known; the first success ends it.
 */
import { monotonic } from "../internal/runtime.ts";
import { reasonOf } from "./reason.ts";
import type { SourceErrors, WorkerEvent } from "./report.ts";
import type { Delivery, Source } from "./source.ts";

type Call = SourceErrors["call"];

/** ms that a streak lasts before it is reported: what passes by itself mostly has passed by then. */
const PATIENCE = 5_000;

/** ms after which a failure says nothing any more about a call that has not been made since. */
const FORGOTTEN = 90_000;

interface Streak {
  readonly since: number;
  last: number;
  failures: number;
  error: unknown;
  isReported: boolean;
}

export class Trouble<D extends Delivery> {
  private count = 0;
  private last: { readonly call: Call; readonly error: unknown } | undefined;
  private readonly streaks: Map<Call, Streak> = new Map();
  private givenBack = 0;
  private refusal: unknown;
  /** The number of times that the source has shown that it is there, by taking or bringing something. */
  answers = 0;

  /** A call has failed. Returns the event that reports its streak, if it is time for that. */
  failed(call: Call, error: unknown): Extract<WorkerEvent<D>, { type: "trouble" }> | undefined {
    this.count++;
    this.last = { call, error };
    const now = monotonic();
    const streak = this.streaks.get(call) ?? { since: now, last: now, failures: 0, error, isReported: false };
    this.streaks.set(call, streak);
    streak.failures++;
    streak.last = now;
    streak.error = error;
    const ms = Math.round(now - streak.since);
    if (streak.isReported || ms < PATIENCE) return undefined;
    streak.isReported = true;
    return { type: "trouble", call, error, failures: streak.failures, ms, message: messageOf(call, streak, ms) };
  }

  /** A call has succeeded. `isProof`: it shows that the source is there, as a pull that brought nothing does not. */
  succeeded(call: Call, isProof: boolean = true): void {
    this.streaks.delete(call);
    if (isProof) this.answers++;
  }

  /** A dead letter that the source has refused was given back. */
  gaveBack(error: unknown): void {
    this.givenBack++;
    this.refusal = error;
  }

  /** The part of the report; undefined if no call has failed. `hasPulled`: the source has brought a message. */
  summary(hasPulled: boolean): SourceErrors | undefined {
    if (this.last === undefined) return undefined;
    const now = monotonic();
    const lasts = ([call, { isReported, last }]: [Call, Streak]): boolean => {
      // A refusal has a sentence of its own below.
      if (call === "deadLetter" && this.givenBack > 0) return false;
      if (call === "pull") return isReported || !hasPulled;
      return isReported && now - last < FORGOTTEN;
    };
    const trouble = [...this.streaks]
      .filter(lasts)
      .map(([call, streak]) => messageOf(call, streak, Math.round(now - streak.since)));
    if (this.givenBack > 0) trouble.push(refusedOf(this.givenBack, this.refusal));
    return { count: this.count, ...this.last, ...(trouble.length > 0 ? { trouble: trouble.join("\n") } : {}) };
  }
}

const CONSEQUENCE: Readonly<Partial<Record<keyof Source, string>>> = {
  pull: "So nothing is pulled",
  ack: "So what has been handled may be handled again",
  nack: "So what is given back comes again only when its lease is over",
  deadLetter: "So dead messages are given back, and come again",
  extend: "So leases may run out, and others get messages that are handled here",
};

function messageOf(call: Call, { failures, error }: Streak, ms: number): string {
  const often =
    failures === 1 ? "has failed" : `has failed ${failures} times in a row, for ${Math.round(ms / 1_000)} s`;
  const advice =
    "It is tried again. If it can never succeed (a wrong name, password or right), stop the worker and mend that";
  return `worker: source.${call} ${often}: ${reasonOf(error)}. ${CONSEQUENCE[call] ?? "So it does not work"}. ${advice}.`;
}

function refusedOf(count: number, error: unknown): string {
  const letters = count === 1 ? "a dead letter" : `${count} dead letters`;
  const rest =
    "What is refused is given back, and comes again. Mend the place of the dead letters, or take such messages out of the queue by hand";
  return `worker: the source has refused ${letters}, the last time with: ${reasonOf(error)}. ${rest}.`;
}
