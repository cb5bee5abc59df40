/**
 * Ordering keys: of the messages with one key, one is handled at a time, in the order of their pull (I10).
 *
 * Each key that has messages in flight is a lane. The first of a lane goes to the handlers. The later ones wait behind it and take up no
 * handler, so the other keys go on:
 *
 *     pulled ──► waiting, in order ──► front (with the handlers) ──► acked or dead: the next comes to the front
 *                    │                            │
 *                    └──────────► returning ◄─────┘ retried, released or lost: all of the lane go back, in order
 *
 * Those behind go back with its delay, so that even a source that knows no order does not bring them first. From then on the source keeps
 * the order, if it can.
 *
 * A message that is pulled while its lane goes back follows it. Its delay is at least the time that the lane has been going back, up to
 * `LONGEST`. With a shorter one, two messages could come again by turns, each while the other goes back, and neither would be handled.
 *
 * Invariants:
 * - Of a lane one message at most is with the handlers, and those that wait were pulled after it.
 * - While messages of a lane are returning, none of it goes to the handlers: what is pulled meanwhile goes back, too.
 * - A lane is forgotten with the last of its messages in flight.
 */
import { monotonic } from "../internal/runtime.ts";
import type { InFlight } from "./inflight.ts";
import type { Delivery } from "./source.ts";

/** ms. A call of the source takes no longer, by default. */
const LONGEST = 10_000;

interface KeyLane<D extends Delivery> {
  /** With the handlers. */
  front: InFlight<D> | null;
  readonly waiting: InFlight<D>[];
  /** On their way back: the source has not answered yet. */
  readonly returning: Set<InFlight<D>>;
  /** ms, of the one that went back last. */
  delay: number;
  /** The moment since when messages have been returning without a gap, on the monotonic clock. */
  since: number;
}

export class KeyLanes<D extends Delivery> {
  private readonly lanes: Map<string, KeyLane<D>> = new Map();
  /** The number of messages that wait behind another, in all lanes. */
  waiting = 0;

  /** Where a message that was pulled goes: to the handlers, behind the others of its key, or back. */
  admit(message: InFlight<D>): "handle" | "wait" | "return" {
    const { key } = message;
    if (key === undefined) return "handle";
    const lane = this.lanes.get(key);
    if (lane === undefined) {
      this.lanes.set(key, { front: message, waiting: [], returning: new Set(), delay: 0, since: 0 });
      return "handle";
    }
    if (lane.front === null) {
      message.delay = Math.max(lane.delay, Math.min(LONGEST, Math.ceil(monotonic() - lane.since)));
      return "return";
    }
    lane.waiting.push(message);
    this.waiting++;
    return "wait";
  }

  /** The verdict on a message is known. Returns the one that is to be handled next, and those that go back with it, in order. */
  decided(message: InFlight<D>): {
    readonly next?: InFlight<D> | undefined;
    readonly followers: readonly InFlight<D>[];
  } {
    const lane = this.lanes.get(message.key!);
    if (lane === undefined) return { followers: [] };
    const wasFront = lane.front === message;
    if (wasFront) lane.front = null;
    if (wasFront && !message.isLost && (message.verdict === "acked" || message.verdict === "dead")) {
      const next = lane.waiting.shift();
      if (next !== undefined) {
        lane.front = next;
        this.waiting--;
      }
      this.tidy(message.key!, lane);
      return { next, followers: [] };
    }
    if (lane.returning.size === 0) lane.since = monotonic();
    lane.returning.add(message);
    lane.delay = message.isLost ? 0 : message.delay;
    const followers = lane.waiting.splice(0);
    this.waiting -= followers.length;
    for (const follower of followers) follower.delay = lane.delay;
    return { followers };
  }

  /** The source has answered for the message, or cannot be called any more. */
  settled(message: InFlight<D>): void {
    const { key } = message;
    if (key === undefined) return;
    const lane = this.lanes.get(key);
    if (lane === undefined) return;
    lane.returning.delete(message);
    this.tidy(key, lane);
  }

  /**
   * Takes those that wait behind a front that runs, each lane in its order. If the front of a lane has not started, its lane stays: a
   * handler may have taken that message in this very step, to release it. Those behind it must not go first.
   */
  takeWaiting(): InFlight<D>[] {
    const running = [...this.lanes.values()].filter(({ front }) => front?.state === "running");
    const all = running.flatMap((lane) => lane.waiting.splice(0));
    this.waiting -= all.length;
    return all;
  }

  private tidy(key: string, lane: KeyLane<D>): void {
    if (lane.front === null && lane.returning.size === 0) this.lanes.delete(key);
  }
}
