/**
 * The order of a queue with a single active consumer: a failed message waits here, and the later ones of its key wait
 * behind it.
 *
 * Given back to the broker, it would be overtaken, or come again at once. So it stays ours, without an answer, until
 * its delay is over.
 *
 * Invariant: those of one key that wait here came before those that arrive, and leave together, in their order.
 */
import { time } from "../../index.ts";
import type { RabbitDelivery } from "./types.ts";

/** The waiting messages of one key. */
interface Lane {
  items: RabbitDelivery[];
  /** The time at which they leave. */
  due: number;
  timer: time.Timer;
}

export class Lanes {
  private readonly lanes: Map<string, Lane> = new Map();
  private readonly release: (deliveries: readonly RabbitDelivery[]) => void;

  constructor(release: (deliveries: readonly RabbitDelivery[]) => void) {
    this.release = release;
  }

  get size(): number {
    let size = 0;
    for (const { items } of this.lanes.values()) size += items.length;
    return size;
  }

  /** Adds a message that arrives to the lane of its key, if there is one. Returns whether it did. */
  join(delivery: RabbitDelivery): boolean {
    const lane = this.lanes.get(laneOf(delivery));
    lane?.items.push(delivery);
    return lane !== undefined;
  }

  /** Adds a message. It and the others of its key leave after `delay` ms, or later if their lane has a longer delay. */
  add(delivery: RabbitDelivery, delay: number): void {
    const key = laneOf(delivery);
    const lane = this.lanes.get(key);
    const due = Math.max(time.now() + delay, lane?.due ?? 0);
    lane?.timer.stop();
    const timer = time.afterFunc(due - time.now(), () => this.open(key));
    this.lanes.set(key, { items: [...(lane?.items ?? []), delivery], due, timer });
  }

  private open(key: string): void {
    const items = this.lanes.get(key)?.items ?? [];
    this.lanes.delete(key);
    this.release(items);
  }

  /** Drops all messages: their channel is closed, so they are the broker's again. */
  clear(): void {
    for (const { timer } of this.lanes.values()) timer.stop();
    this.lanes.clear();
  }
}

/** Compares deliveries by their order on the channel. */
export function byDeliveryTag(a: RabbitDelivery, b: RabbitDelivery): number {
  return a.message.fields.deliveryTag - b.message.fields.deliveryTag;
}

/** The name of the lane: a message without a key has one of its own. */
function laneOf({ key, id }: RabbitDelivery): string {
  return key === undefined ? `id ${id}` : `key ${key}`;
}
