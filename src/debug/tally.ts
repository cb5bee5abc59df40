/**
 * The waits that have been timed, by place and operation.
 */
import type { Site } from "./stack.ts";

/** The number of intervals of a histogram: the first is below 2 µs, the last is from 8 s. */
export const BUCKETS = 24;

/** The waits of one operation at one place. A wait that was timed stands for `weight` of them. */
export class Tally {
  readonly op: string;
  readonly site: Site;
  count = 0;
  /** In ms. */
  total = 0;
  longest = 0;
  /** By powers of two of a microsecond: below 2, below 4, below 8 and so on. */
  readonly histogram: number[] = Array.from({ length: BUCKETS }, () => 0);

  constructor(op: string, site: Site) {
    this.op = op;
    this.site = site;
  }

  add(ms: number, weight: number): void {
    this.count += weight;
    this.total += ms * weight;
    this.longest = Math.max(this.longest, ms);
    const power = Math.floor(Math.log2(Math.max(1, ms * 1_000)));
    this.histogram[Math.min(BUCKETS - 1, power)]! += weight;
  }
}

export class Tallies {
  private readonly tallies: Map<Site, Map<string, Tally>> = new Map();

  add(op: string, site: Site, ms: number, weight: number): void {
    let ofSite = this.tallies.get(site);
    if (ofSite === undefined) this.tallies.set(site, (ofSite = new Map()));
    let tally = ofSite.get(op);
    if (tally === undefined) ofSite.set(op, (tally = new Tally(op, site)));
    tally.add(ms, weight);
  }

  all(): Tally[] {
    return [...this.tallies.values()].flatMap((ofSite) => [...ofSite.values()]);
  }
}
