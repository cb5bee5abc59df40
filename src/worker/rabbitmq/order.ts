/**
 * The order of a queue that one consumer has for itself: what has failed waits here, and those of its key wait behind it.
 *
 * Given back to the broker it would be overtaken, or come again at once. So it remains ours, without an answer, until its pause is over.
 *
 * Invariant: of the messages of one key, those that wait here came before those that arrive, and leave together, in their order.
 */
import { time } from "../../index.ts";
import type { RabbitDelivery } from "./index.ts";

interface Lane {
  items: RabbitDelivery[];
  /** When they leave. */
  due: number;
  timer: time.Timer;
}

export class Lanes {
  private readonly lanes: Map<string, Lane> = new Map();
  private readonly leave: (deliveries: readonly RabbitDelivery[]) => void;

  constructor(leave: (deliveries: readonly RabbitDelivery[]) => void) {
    this.leave = leave;
  }

  get size(): number {
    let size = 0;
    for (const { items } of this.lanes.values()) size += items.length;
    return size;
  }

  /** Whether a message that arrives has to wait; then it does. One without a key waits for nobody. */
  joins(delivery: RabbitDelivery): boolean {
    const lane = this.lanes.get(keyOf(delivery));
    lane?.items.push(delivery);
    return lane !== undefined;
  }

  /** A message, and those of its key, leave in so many ms, or later if they wait for longer. */
  add(delivery: RabbitDelivery, delay: number): void {
    const key = keyOf(delivery);
    const lane = this.lanes.get(key);
    const due = Math.max(time.now() + delay, lane?.due ?? 0);
    lane?.timer.stop();
    const timer = time.afterFunc(due - time.now(), () => this.open(key));
    this.lanes.set(key, { items: [...(lane?.items ?? []), delivery], due, timer });
  }

  private open(key: string): void {
    const items = this.lanes.get(key)?.items ?? [];
    this.lanes.delete(key);
    this.leave(items);
  }

  /** Their channel is closed, so they are the broker's again. */
  clear(): void {
    for (const { timer } of this.lanes.values()) timer.stop();
    this.lanes.clear();
  }
}

/** As a channel delivers them. */
export function inOrder(a: RabbitDelivery, b: RabbitDelivery): number {
  return a.message.fields.deliveryTag - b.message.fields.deliveryTag;
}

function keyOf({ key, id }: RabbitDelivery): string {
  return key === undefined ? `id ${id}` : `key ${key}`;
}
