/**
 * How often a message has been tried: what the broker says, or where it does not count, what the worker has seen. And whether a message
 * that has failed is tried again, and when.
 *
 * Invariant: no more than `REMEMBERED` messages are known. Where ids never come again, memory must not grow with them, so what failed
 * longest ago is forgotten.
 */
import { isA } from "../internal/foreign.ts";
import { retry } from "../index.ts";
import type { Held } from "./inflight.ts";
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

  /** The how many-th attempt this delivery is, from 1. */
  of({ id, attempt }: Held<Delivery>): number {
    return attempt ?? (this.failures.get(id) ?? 0) + 1;
  }

  /** The attempt has failed. Returns the ms until the next one; nothing if there is to be none. */
  failed(held: Held<Delivery>, error: unknown): number | undefined {
    const attempt = this.of(held);
    if (isA(error, retry.Permanent) || attempt >= this.settings.maxAttempts) {
      this.forget(held);
      return undefined;
    }
    if (held.attempt === undefined) this.remember(held.id, attempt);
    return this.pauseAfter(attempt);
  }

  /** The message will not come again. */
  forget({ id }: Held<Delivery>): void {
    this.failures.delete(id);
  }

  private remember(id: string, attempt: number): void {
    this.failures.delete(id);
    this.failures.set(id, attempt);
    const [oldest] = this.failures.keys();
    if (this.failures.size > REMEMBERED) this.failures.delete(oldest!);
  }

  private pauseAfter(attempt: number): number {
    try {
      const ms = this.settings.backoff(attempt);
      if (Number.isFinite(ms) && ms >= 0) return ms;
    } catch {
      // As for a nonsensical number: the message must not be lost over it.
    }
    return retry.backoff(attempt);
  }
}
