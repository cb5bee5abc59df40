/**
 * A schedule: the strategy that picks the next step whenever there is a choice, and the injections, each done to the
 * scenario at some point. Written down it is the replay string, such as `0.2.1!c7`.
 *
 * Invariants:
 * - A scenario that depends on nothing else does the same whenever it runs under the same schedule.
 * - To take the first candidate every time is the plain order: first in, first out. So trailing zeros mean nothing, and
 *   are not written.
 */
import { NondeterminismError } from "./errors.ts";
import type { Resumption, Task } from "./task.ts";

/** Picks the next step from the candidates. */
export interface Strategy {
  /**
   * Returns one of 0 … n−1. `at` is the number of choices made before. `queue` are the resumptions, which are first
   * among the candidates; null if the choice is not among resumptions.
   */
  pick(n: number, at: number, queue: readonly Resumption[] | null): number;
}

/** Things that are done to a scenario, each at a point. A point is the number of steps that have been made. */
export interface Injection {
  /** Cancel t.ctx at this point. */
  readonly cancelAt?: number | undefined;
  /** Not between two steps, but inside of the next one, after this number of its microtasks. */
  readonly microtask?: number | undefined;
  /** Cancel t.abort at this point. */
  readonly abortAt?: number | undefined;
  /** Refuse the operation with this number, from 1, in the order of the calls. */
  readonly failAt?: number | undefined;
}

export interface Schedule extends Injection {
  readonly strategy: Strategy;
  /** Makes the cancel of t.ctx a candidate at every choice, until it is picked. */
  readonly mayCancel: boolean;
}

/** Takes the first candidate each time: first in, first out. */
export const fifo: Strategy = { pick: () => 0 };

/**
 * Takes these candidates, and then the first each time. `counts`, if known, are the numbers of candidates when they
 * were taken before; another number shows that the scenario is not deterministic.
 */
export function replaying(picks: readonly number[], counts?: readonly number[]): Strategy {
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
        `nondeterminism: choice ${at + 1} is to be number ${i}, but there are only ${n} candidates; ${MISFIT}, or ${BLAME}`,
      );
    },
  };
}

const MISFIT = "the replay string belongs to another program or other options";

export const BLAME =
  "the scenario depends on something besides its schedule: Math.random, the wall clock, or state that outlives a run. Make everything inside of the scenario's function, and take the time from time.now()";

// --------------------------------------------------------------------------------------------------- random strategies

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

/** Takes each candidate with the same probability. */
export function uniform(random: () => number): Strategy {
  return { pick: (n) => Math.floor(random() * n) };
}

/**
 * Probabilistic concurrency testing (PCT; Burckhardt and others, 2010). Every task has a random priority, and the
 * highest runs. At a few random choices the task that would run falls behind all others. In long schedules this finds
 * bugs that need one task to be slow for long, which a uniform choice hardly ever does.
 */
export function pct(random: () => number, length: number, changes: number): Strategy {
  const changePoints = new Set(Array.from({ length: changes }, () => Math.floor(random() * length)));
  const priorities = new Map<Task, number>();
  let lowest = 0;
  const priorityOf = (task: Task): number => {
    if (!priorities.has(task)) priorities.set(task, random());
    return priorities.get(task)!;
  };
  const highest = (queue: readonly Resumption[]): number => {
    let best = 0;
    for (let i = 1; i < queue.length; i++) {
      if (priorityOf(queue[i]!.task) > priorityOf(queue[best]!.task)) best = i;
    }
    return best;
  };
  return {
    pick(n, at, queue) {
      if (queue === null || queue.length === 0) return Math.floor(random() * n);
      if (changePoints.has(at)) priorities.set(queue[highest(queue)]!.task, --lowest);
      return highest(queue);
    },
  };
}

// --------------------------------------------------------------------------------------------------- the replay string

/** A schedule as data: the contents of a replay string. */
export interface Recipe extends Injection {
  readonly picks: readonly number[];
}

/** The schedule of a recipe. */
export function scheduleOf({ picks, ...injection }: Recipe): Schedule {
  return { strategy: replaying(picks), mayCancel: false, ...injection };
}

/**
 * Throws if a schedule that was replayed has not done all that its recipe says, and so has passed as another one. `leftOver` is what remained of
 * it.
 */
export function mustFit(recipe: Recipe, steps: number, leftOver: readonly string[], where: string): void {
  if (leftOver.length === 0) return;
  throw new NondeterminismError(
    `nondeterminism: ${where}: the replay string ${JSON.stringify(encode(recipe))} does not fit the scenario, which passed after ${steps} steps and did not come to ${leftOver.join(", ")}; ${MISFIT}. Run explore without it to find a new one`,
  );
}

/** Writes a replay string: the choices in base 36, then each injection with its point. */
export function encode(recipe: Recipe): string {
  const picks = trimmed(recipe.picks);
  const { cancelAt, microtask, abortAt, failAt } = recipe;
  return [
    picks.length === 0 ? "0" : picks.map((pick) => pick.toString(36)).join("."),
    cancelAt === undefined ? "" : microtask === undefined ? `!c${cancelAt}` : `!h${cancelAt}.${microtask}`,
    abortAt === undefined ? "" : `!a${abortAt}`,
    failAt === undefined ? "" : `!f${failAt}`,
  ].join("");
}

/** The picks without the zeros at their end. */
export function trimmed(picks: readonly number[]): readonly number[] {
  let { length } = picks;
  while (length > 0 && picks[length - 1] === 0) length--;
  return picks.slice(0, length);
}

/** Decodes a replay string into its recipe; {@link encode} writes one. Throws a RangeError if it is none; `where` is the function that was called. */
export function decode(text: string, where: string): Recipe {
  const parts =
    /^((?:0|[1-9a-z][0-9a-z]*)(?:\.(?:0|[1-9a-z][0-9a-z]*))*)(?:!c(\d+)|!h(\d+)\.(\d+))?(?:!a(\d+))?(?:!f(\d+))?$/.exec(
      text,
    );
  if (parts === null) {
    throw new RangeError(
      `${where}: ${JSON.stringify(text)} is no replay string; it looks like "0.2.1!c7": choices, then !c, !h, !a or !f with a number. Copy it whole from the ScheduleError`,
    );
  }
  const [, picks, cancelAt, microtaskAt, microtask, abortAt, failAt] = parts;
  const number = (digits: string | undefined): number | undefined =>
    digits === undefined ? undefined : Number(digits);
  return {
    picks: picks!.split(".").map((pick) => parseInt(pick, 36)),
    cancelAt: number(cancelAt ?? microtaskAt),
    microtask: number(microtask),
    abortAt: number(abortAt),
    failAt: number(failAt),
  };
}
