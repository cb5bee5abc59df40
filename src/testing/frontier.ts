/**
 * The tree of schedules that the bounded search walks, and its frontier: the branches that wait to be run.
 *
 * The root is the plain order. The children of a schedule repeat it up to some choice, take another candidate there,
 * and then the first candidate each time:
 *
 *     the root                0 0      two candidates at the first choice, three at the second
 *     its children            1
 *                             0 1
 *                             0 2
 *     a child of the first    1 0 1    after its deviation the first had other choices than the root
 *
 * A child deviates only after the last deviation of its parent. So each schedule has one parent, and none is run twice.
 * The cancel is one of the candidates.
 */
import type { Choices } from "./choices.ts";

/** The choices of an execution, by which it is known. */
type Known = Pick<Choices, "picks" | "counts">;

/** A node of the tree: the choices up to its last deviation. */
export interface Branch {
  readonly prefix: readonly number[];
  /** The number of candidates at each of them. */
  readonly counts: readonly number[];
  readonly deviations: number;
}

export const ROOT: Branch = { prefix: [], counts: [], deviations: 0 };

/** A branch that waits: it is `parent` up to choice number `at`, where it takes `pick` instead. */
interface Pending {
  readonly parent: Known;
  readonly at: number;
  readonly pick: number;
  readonly deviations: number;
}

/**
 * With a bound the tree is walked level by level, so that schedules with one deviation come before those with two; each
 * level is shuffled. Without one there are no levels: the last branch found is the next, depth first, so that few of
 * them wait at a time.
 */
export class Frontier {
  private current: Pending[] = [];
  private nextLevel: Pending[] = [];
  private readonly bound: number;
  private readonly random: () => number;

  constructor(bound: number, random: () => number) {
    this.bound = bound;
    this.random = random;
  }

  /**
   * Adds the children of a branch, which has just been run. `left` is the number of branches that may still be run. If
   * those that wait already are as many, the children need not be remembered; then it returns false, if there are any.
   */
  expand({ prefix, deviations }: Branch, { picks, counts }: Known, left: number): boolean {
    // No more is kept of the execution.
    const parent = { picks, counts };
    const isDepthFirst = this.bound === Infinity;
    if (deviations >= this.bound) return true;
    if (!isDepthFirst && left <= this.current.length) return !counts.slice(prefix.length).some((n) => n > 1);
    const level = isDepthFirst ? this.current : this.nextLevel;
    for (let at = prefix.length; at < picks.length; at++) {
      for (let pick = 1; pick < counts[at]!; pick++) {
        level.push({ parent, at, pick, deviations: deviations + 1 });
      }
    }
    return true;
  }

  /** Takes out the branch to run next; undefined if there is none. */
  next(): Branch | undefined {
    if (this.current.length === 0) {
      this.current = shuffled(this.nextLevel, this.random);
      this.nextLevel = [];
    }
    const pending = this.current.pop();
    if (pending === undefined) return undefined;
    const { parent, at, pick, deviations } = pending;
    const prefix = [...parent.picks.slice(0, at), pick];
    return { prefix, counts: parent.counts.slice(0, prefix.length), deviations };
  }
}

function shuffled<T>(items: readonly T[], random: () => number): T[] {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [copy[i], copy[j]] = [copy[j]!, copy[i]!];
  }
  return copy;
}
