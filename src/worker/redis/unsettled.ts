/**
 * The messages that this source has handed over and that have no verdict yet, and the lanes of those with a key.
 *
 * The reader adds to it, the verdicts remove from it. A lane is all messages of one key: see scripts.ts.
 */
import type { RedisDelivery } from "./types.ts";

export class Unsettled {
  /** By the id in the stream: the last delivery of the message. */
  private readonly deliveries: Map<string, RedisDelivery> = new Map();
  /** The lane of a message with a key: the hash of the key. */
  readonly lanes: WeakMap<RedisDelivery, string> = new WeakMap();
  /** The lanes of messages that were nacked since the reader last cleared this. */
  readonly nackedLanes: Set<string> = new Set();

  add(delivery: RedisDelivery): void {
    this.deliveries.set(delivery.entry, delivery);
  }

  /** This delivery is the last one of its message, and has no verdict. */
  has({ id, entry }: RedisDelivery): boolean {
    return this.deliveries.get(entry)?.id === id;
  }

  delete(delivery: RedisDelivery): void {
    if (this.has(delivery)) this.deliveries.delete(delivery.entry);
  }

  /** The ids, in the stream, of the messages that are in a lane. */
  idsInLanes(): readonly string[] {
    return [...this.deliveries.values()].flatMap((delivery) => (this.lanes.has(delivery) ? delivery.entry : []));
  }
}
