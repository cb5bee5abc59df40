/**
 * The budget of stacks: so many a second, shared by what takes them.
 *
 * Most of what a busy program does is the same again and again, and that would use up any budget. So each kind of use
 * may have a stack as long as it has had fewer than are left in this sweep. Frequent kinds then have equal shares, and
 * something is left for what is seen rarely.
 *
 * Invariant: no more stacks are granted in a second than `perSecond`, plus what was left of the second before.
 */

/** The uses of one kind since the last sweep. */
interface Use {
  taken: number;
}

export class StackBudget {
  readonly perSecond: number;
  private left: number;
  private readonly rare: Map<string, Use> = new Map();
  private readonly frequent: Map<string, Use> = new Map();

  constructor(perSecond: number) {
    this.perSecond = perSecond;
    this.left = perSecond;
  }

  /** True if any is left. */
  get hasSome(): boolean {
    return this.left > 0;
  }

  /** Takes one for an operation, on an object on which it is rare or not; false: there is none. */
  grants(op: string, isRare: boolean = true): boolean {
    const { left } = this;
    if (left <= 0) return false;
    const uses = isRare ? this.rare : this.frequent;
    let use = uses.get(op);
    if (use === undefined) uses.set(op, (use = { taken: 0 }));
    if (use.taken >= left) return false;
    use.taken++;
    this.left--;
    return true;
  }

  /** Takes one in any case, for a wait that is timed. */
  spend(): void {
    this.left--;
  }

  /** Called with each sweep, and with the share of a second since the one before. */
  refill(share: number): void {
    this.left = Math.min(this.perSecond, Math.max(0, this.left) + this.perSecond * share);
    for (const uses of [this.rare, this.frequent]) for (const use of uses.values()) use.taken = 0;
  }
}
