/**
 * How often a source has given each message back without a failure: for a broker that counts each delivery as an attempt.
 *
 * Invariant: no more than `REMEMBERED` messages are known; what was released longest ago is forgotten, and counts as the broker counts.
 */
const REMEMBERED = 10_000;

export class Releases {
  private readonly counts: Map<string, number> = new Map();

  /** Of a message that the broker has delivered so many times: the how many-th attempt this is, from 1. */
  attempt(id: string, deliveries: number): number {
    return Math.max(1, deliveries - (this.counts.get(id) ?? 0));
  }

  has(id: string): boolean {
    return this.counts.has(id);
  }

  of(id: string): number {
    return this.counts.get(id) ?? 0;
  }

  /** It was released so many times in all, as far as is known. */
  set(id: string, count: number): void {
    this.counts.delete(id);
    this.counts.set(id, count);
    const [oldest] = this.counts.keys();
    if (this.counts.size > REMEMBERED) this.counts.delete(oldest!);
  }

  /** It will not come again. */
  forget(id: string): void {
    this.counts.delete(id);
  }
}
