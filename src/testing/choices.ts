/**
 * The choices of one execution: the strategy makes them, and they are kept for the search and for the replay string.
 */
import type { Strategy } from "./schedule.ts";
import type { Resumption } from "./task.ts";

export class Choices {
  /**
   * The candidate picked at each choice, and the number of candidates. The cancel is the last one, where it may be
   * picked.
   */
  readonly picks: number[] = [];
  readonly counts: number[] = [];
  /** The picks as a replay string has them. */
  readonly recipePicks: number[] = [];
  private readonly strategy: Strategy;
  private readonly isKept: boolean;

  constructor(strategy: Strategy, isKept: boolean) {
    this.strategy = strategy;
    this.isKept = isKept;
  }

  /**
   * Makes a choice: returns one of the candidates 0 … n−1, or n to cancel t.ctx.
   *
   * While the cancel may be picked, it is one candidate more at every choice, and even where there is no other choice.
   * That is how the search combines a cancel with another order. With a single candidate there is nothing to choose,
   * and nothing is kept.
   *
   * `picks` and `counts` are what the search needs: each choice and its alternatives. A replay is another kind of
   * schedule: `mayCancel` is off, and the cancel is injected at its point. So `recipePicks` has exactly the choices
   * that remain then. They are those with more than one candidate besides the cancel, without the one that picks the
   * cancel.
   */
  pick(n: number, queue: readonly Resumption[] | null, mayCancel: boolean): number {
    const all = mayCancel ? n + 1 : n;
    if (all === 1) return 0;
    const i = this.strategy.pick(all, this.picks.length, queue);
    if (!this.isKept) return i;
    this.picks.push(i);
    this.counts.push(all);
    if (n > 1 && i < n) this.recipePicks.push(i);
    return i;
  }
}
