/**
 * How often a message has been tried: what the broker says, or where it does not count, what the worker has seen.
 *
 * Invariant: no more than `REMEMBERED` messages are known. Where ids never come again, memory must not grow with them, so what failed
 * longest ago is forgotten.
 */
import type { Delivery } from "./source.ts";
import type { Held } from "./held.ts";

const REMEMBERED = 10_000;

export class Attempts {
  /** By the id of the delivery, in the order of their last failures. */
  private readonly failures: Map<string, number> = new Map();

  /** The how many-th attempt this delivery is, from 1. */
  of({ id, attempt }: Held<Delivery>): number {
    return attempt ?? (this.failures.get(id) ?? 0) + 1;
  }

  /** The attempt has failed, and there will be another. */
  failed(held: Held<Delivery>): void {
    if (held.attempt !== undefined) return;
    const attempt = this.of(held);
    this.failures.delete(held.id);
    this.failures.set(held.id, attempt);
    const [oldest] = this.failures.keys();
    if (this.failures.size > REMEMBERED) this.failures.delete(oldest!);
  }

  /** The message will not come again. */
  forget({ id }: Held<Delivery>): void {
    this.failures.delete(id);
  }
}
