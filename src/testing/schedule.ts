/**
 * A schedule: which of the possible next steps is taken, each time there is more than one, and what is done to the scenario at which
 * point. Written down it is the replay string, such as `0.2.1!c7`.
 *
 * Invariants:
 * - A scenario that depends on nothing else does the same whenever it is run under the same plan.
 * - To take the first candidate every time is the plain order: first in, first out. So trailing zeros say nothing, and are not written.
 */
import { NondeterminismError } from "./errors.ts";
import type { Resumption, Task } from "./task.ts";

/** Decides at each choice which of the `n` candidates comes next. */
export interface Picker {
  /** `queue` are the resumptions among the candidates, which come first; null: the choice is not among resumptions. */
  pick(n: number, at: number, queue: readonly Resumption[] | null): number;
}

/** What is done to a scenario, and when. A point is the number of steps that have been made. */
export interface Injection {
  /** Cancel t.ctx at this point. */
  readonly cancelAt?: number | undefined;
  /** Not between two steps, but in the step that follows, after so many of its microtasks. */
  readonly hop?: number | undefined;
  /** Cancel t.abort at this point. */
  readonly abortAt?: number | undefined;
  /** Refuse the operation that is called as the so many-th, from 1. */
  readonly failAt?: number | undefined;
}

export interface Plan extends Injection {
  readonly picker: Picker;
  /** Whether to cancel t.ctx is a candidate at every choice, until it is picked. */
  readonly mayCancel: boolean;
}

/** Takes these candidates, and then the first each time. `counts`, if known: among how many candidates each was taken before. */
export function following(picks: readonly number[], counts?: readonly number[]): Picker {
  return {
    pick(n, at) {
      const i = at < picks.length ? picks[at]! : 0;
      const expected = at < picks.length ? counts?.[at] : undefined;
      if (expected !== undefined && expected !== n) {
        throw new NondeterminismError(
          `nondeterminism: at choice ${at + 1} there were ${expected} candidates before, and now there are ${n}; ${BLAME}`,
        );
      }
      if (i < n) return i;
      throw new NondeterminismError(
        `nondeterminism: choice ${at + 1} is to be number ${i}, but there are only ${n} candidates; the replay string belongs to another program or other options, or ${BLAME}`,
      );
    },
  };
}

export const BLAME =
  "the scenario depends on something besides its schedule: Math.random, the wall clock, or state that outlives a run. Make everything inside of the scenario's function, and take the time from time.now()";

/** Always the first: the plain order. */
export const PLAIN: Picker = { pick: () => 0 };

// ------------------------------------------------------------------------------------------------------------------- chance

/** A generator of numbers from 0 up to 1, the same on every platform: mulberry32. */
export function generator(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Each candidate with the same probability. */
export function uniform(random: () => number): Picker {
  return { pick: (n) => Math.floor(random() * n) };
}

/**
 * Probabilistic concurrency testing (Burckhardt and others, 2010): every task has a random priority, the highest runs, and at a few
 * random moments whoever runs falls behind all others. Finds in long schedules what needs one task to be slow for long, which a
 * uniform choice hardly ever does.
 */
export function byPriority(random: () => number, length: number, changes: number): Picker {
  const moments = new Set(Array.from({ length: changes }, () => Math.floor(random() * length)));
  const priorities = new Map<Task, number>();
  let lowest = 0;
  const priorityOf = (task: Task): number => {
    if (!priorities.has(task)) priorities.set(task, random());
    return priorities.get(task)!;
  };
  const first = (queue: readonly Resumption[]): number => {
    let best = 0;
    for (let i = 1; i < queue.length; i++) {
      if (priorityOf(queue[i]!.task) > priorityOf(queue[best]!.task)) best = i;
    }
    return best;
  };
  return {
    pick(n, at, queue) {
      if (queue === null || queue.length === 0) return Math.floor(random() * n);
      if (moments.has(at)) priorities.set(queue[first(queue)]!.task, --lowest);
      return first(queue);
    },
  };
}

// -------------------------------------------------------------------------------------------------------- the replay string

/** What a replay string says. */
export interface Recipe extends Injection {
  readonly picks: readonly number[];
}

/** Writes down a schedule: its choices in base 36, then what was done at which point. */
export function encode(recipe: Recipe): string {
  const picks = [...recipe.picks];
  while (picks.at(-1) === 0) picks.pop();
  const { cancelAt, hop, abortAt, failAt } = recipe;
  return [
    picks.length === 0 ? "0" : picks.map((pick) => pick.toString(36)).join("."),
    cancelAt === undefined ? "" : hop === undefined ? `!c${cancelAt}` : `!h${cancelAt}.${hop}`,
    abortAt === undefined ? "" : `!a${abortAt}`,
    failAt === undefined ? "" : `!f${failAt}`,
  ].join("");
}

/** Reads a replay string. Throws a RangeError for what is none. */
export function decode(text: string): Recipe {
  const parts = /^((?:[0-9a-z]+(?:\.[0-9a-z]+)*)?)(?:!c(\d+)|!h(\d+)\.(\d+))?(?:!a(\d+))?(?:!f(\d+))?$/.exec(text);
  if (parts === null) {
    throw new RangeError(
      `explore: ${JSON.stringify(text)} is no replay string; it looks like "0.2.1!c7": choices, then !c, !h, !a or !f with a number. Copy it whole from the ScheduleError`,
    );
  }
  const [, picks, cancelAt, hopAt, hop, abortAt, failAt] = parts;
  const number = (digits: string | undefined): number | undefined =>
    digits === undefined ? undefined : Number(digits);
  return {
    picks: picks === "" ? [] : picks!.split(".").map((pick) => parseInt(pick, 36)),
    cancelAt: number(cancelAt ?? hopAt),
    hop: number(hop),
    abortAt: number(abortAt),
    failAt: number(failAt),
  };
}
