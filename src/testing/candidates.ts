/**
 * The choices of a trace: among which candidates, and which one was taken.
 */
import { Chan } from "../chan/chan.ts";

/** A choice among several candidates. */
export interface Choice {
  /** Number of candidates: 2 or more. */
  readonly n: number;
  /** The names of the candidates, in their order: those of the first {@link MAX_NAMES}. */
  readonly among: readonly string[];
  /** The position of the one that was taken. */
  readonly pick: number;
}

/** Number of candidates that a row names: ten thousand tasks may be ready at each step. */
const MAX_NAMES = 20;

/** The choice of number `pick` of `n` candidates; undefined if there is only one. */
export function choiceOf(n: number, pick: number, nameOf: (i: number) => string): Choice | undefined {
  if (n < 2) return undefined;
  return { n, among: Array.from({ length: Math.min(n, MAX_NAMES) }, (_, i) => nameOf(i)), pick };
}

/**
 * The positions of those cases of a select that are ready now. The cases have been checked: no foreign code runs. This repeats the test in
 * `pick` of `chan/select.ts`. One function for both would make every bundle with a select larger, by 16 bytes gzipped.
 */
export function readyCases(list: readonly unknown[]): number[] {
  return [...list.keys()].filter((i) => isReady(list[i]));
}

function isReady(c: unknown): boolean {
  if (Chan.isOne(c)) return c.canReceive(c.source?.instant() ?? NaN);
  const { chan } = (c ?? {}) as { chan?: unknown };
  return Chan.isOne(chan) && chan.canSend();
}
