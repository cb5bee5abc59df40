/**
 * The releases of each message, for a broker that counts every delivery as an attempt: a release is no failure, so it is subtracted.
 *
 * Invariant: no more than `REMEMBERED` messages are known. What was released longest ago is forgotten, and counts as the broker counts.
 */
const REMEMBERED = 10_000;

export class Releases {
  private readonly counts: Map<string, number> = new Map();

  /** The attempt number, from 1, of a message that the broker has delivered so many times. */
  attempt(id: string, deliveries: number): number {
    return Math.max(1, deliveries - (this.counts.get(id) ?? 0));
  }

  has(id: string): boolean {
    return this.counts.has(id);
  }

  of(id: string): number {
    return this.counts.get(id) ?? 0;
  }

  /** Notes how often a message was released in all, as far as is known. */
  set(id: string, count: number): void {
    this.counts.delete(id);
    this.counts.set(id, count);
    const [oldest] = this.counts.keys();
    if (this.counts.size > REMEMBERED) this.counts.delete(oldest!);
  }

  /** The message will not come again. */
  forget(id: string): void {
    this.counts.delete(id);
  }
}
