/**
 * The attempts of a message: what the broker counts, or if it does not count, what the worker has seen. And whether a message that has
 * failed is retried, and when.
 *
 * Invariant: no more than `REMEMBERED` messages are known. Memory must not grow with ids that never come again, so what failed longest ago
 * is forgotten.
 */
import { isA } from "../internal/foreign.ts";
import { retry } from "../index.ts";
import type { InFlight } from "./inflight.ts";
import type { Settings } from "./options.ts";
import type { Delivery } from "./source.ts";

const REMEMBERED = 10_000;

export class Attempts {
  private readonly settings: Pick<Settings<Delivery>, "maxAttempts" | "backoff">;
  /** By the id of the delivery, in the order of their last failures. */
  private readonly failures: Map<string, number> = new Map();

  constructor(settings: Pick<Settings<Delivery>, "maxAttempts" | "backoff">) {
    this.settings = settings;
  }

  /** The attempt number of this delivery, from 1. */
  of({ id, attempt }: InFlight<Delivery>): number {
    return attempt ?? (this.failures.get(id) ?? 0) + 1;
  }

  /** The attempt has failed. Returns the ms until the next one; undefined if there is to be none. */
  failed(message: InFlight<Delivery>, error: unknown): number | undefined {
    const attempt = this.of(message);
    if (isA(error, retry.Permanent) || attempt >= this.settings.maxAttempts) {
      this.forget(message);
      return undefined;
    }
    if (message.attempt === undefined) this.remember(message.id, attempt);
    return this.pauseAfter(attempt);
  }

  /** The message will not come again. */
  forget({ id }: InFlight<Delivery>): void {
    this.failures.delete(id);
  }

  private remember(id: string, attempt: number): void {
    // Deleted first, so that it becomes the last in the map's order.
    this.failures.delete(id);
    this.failures.set(id, attempt);
    const [oldest] = this.failures.keys();
    if (this.failures.size > REMEMBERED) this.failures.delete(oldest!);
  }

  private pauseAfter(attempt: number): number {
    try {
      const { backoff } = this.settings;
      const ms = backoff(attempt);
      if (Number.isFinite(ms) && ms >= 0) return ms;
    } catch {
      // As for a nonsensical number: the message must not be lost because of it.
    }
    return retry.backoff(attempt);
  }
}
