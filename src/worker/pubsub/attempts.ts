/**
 * The attempts of messages of Pub/Sub. With a dead-letter policy the broker counts each delivery, releases included;
 * without one, it does not count.
 *
 * Invariant: no more than `MAX_COUNTED` messages are counted. The one that came longest ago is forgotten.
 */
import { Releases } from "../releases.ts";
import type { PubsubMessage } from "./types.ts";

const MAX_COUNTED = 10_000;

export class Attempts {
  /** Deliveries that were not released, by the id of the message: where the broker does not count. */
  private readonly deliveries: Map<string, number> = new Map();
  /** Releases by the id of the message: where the broker counts them. */
  private readonly releases: Releases = new Releases();

  /** Returns the attempt that this delivery is. `deliveryAttempt` is the broker's count. */
  next(message: PubsubMessage, deliveryAttempt: number | null | undefined): number {
    const id = message.messageId ?? "";
    return deliveryAttempt ? this.releases.attempt(id, deliveryAttempt) : this.count(id, 1);
  }

  /** Takes back the last attempt. */
  released(message: PubsubMessage): void {
    const id = message.messageId ?? "";
    if (this.deliveries.has(id)) this.count(id, -1);
    else this.releases.set(id, this.releases.of(id) + 1);
  }

  /** Forgets a message that does not come again. */
  forget(message: PubsubMessage): void {
    const id = message.messageId ?? "";
    this.deliveries.delete(id);
    this.releases.forget(id);
  }

  private count(id: string, more: 1 | -1): number {
    const count = (this.deliveries.get(id) ?? 0) + more;
    this.deliveries.delete(id);
    if (count > 0) this.deliveries.set(id, count);
    const [oldest] = this.deliveries.keys();
    if (this.deliveries.size > MAX_COUNTED) this.deliveries.delete(oldest!);
    return count;
  }
}
