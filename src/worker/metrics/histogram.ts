/**
 * A histogram of durations, as Prometheus has it: for each bound the number of durations that are not longer, and their sum.
 *
 * It adds whole ms, and divides when it is read: a sum of thousands of fractions of a second would be off in its last digits.
 */
import type { Labels, Series } from "./text.ts";

export class Histogram {
  /** Seconds, rising. */
  private readonly bounds: readonly number[];
  /** For each bound, the durations that are longer than the bound before and not longer than this one; at the end, all longer ones. */
  private readonly counts: number[];
  private ms = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = Array.from({ length: bounds.length + 1 }, () => 0);
  }

  add(ms: number): void {
    const at = this.bounds.findIndex((bound) => ms / 1_000 <= bound);
    this.counts[at < 0 ? this.bounds.length : at]!++;
    this.ms += ms;
  }

  /** Its lines, each with these labels. */
  series(labels: Labels): Series[] {
    let count = 0;
    const buckets = this.counts.map((n, i): Series => {
      count += n;
      const le = this.bounds[i] ?? "+Inf";
      return { suffix: "_bucket", labels: [...labels, ["le", String(le)]], value: count };
    });
    return [...buckets, { suffix: "_sum", labels, value: this.ms / 1_000 }, { suffix: "_count", labels, value: count }];
  }
}
