/**
 * Ordering keys: of the messages with one key, one is handled at a time, in the order of their pull (I10).
 *
 * The first that is held of a key goes to the handlers. The later ones line up behind it and take up no handler, so the other keys go
 * on. When it is acked or dead, the next one follows. When it goes back to the source instead (it failed, was released, or its lease
 * is lost), they go back with it: behind it, and with its delay, so that even a source that knows no order does not bring them first.
 * From then on it is for the source to keep the order.
 *
 * Invariants:
 * - Of a line one message at most is with the handlers, and those that wait were pulled after it.
 * - While messages of a line are on their way back, nothing of it goes to the handlers: what is pulled meanwhile goes back, too.
 * - A line is forgotten with the last of its messages that is held.
 */
import type { Held } from "./inflight.ts";
import type { Delivery } from "./source.ts";

interface Line<D extends Delivery> {
  /** With the handlers. */
  front: Held<D> | null;
  readonly waiting: Held<D>[];
  /** On their way back: the source has not answered yet. */
  readonly returning: Set<Held<D>>;
  /** ms, of the one that went back last. */
  delay: number;
}

export class Keys<D extends Delivery> {
  private readonly lines: Map<string, Line<D>> = new Map();
  /** How many messages wait in all lines. */
  waiting = 0;

  /** Where a message goes that was pulled: to the handlers, behind the others of its key, or back. */
  admit(held: Held<D>): "handle" | "wait" | "return" {
    const { key } = held;
    if (key === undefined) return "handle";
    const line = this.lines.get(key);
    if (line === undefined) {
      this.lines.set(key, { front: held, waiting: [], returning: new Set(), delay: 0 });
      return "handle";
    }
    if (line.front === null) {
      held.delay = line.delay;
      return "return";
    }
    line.waiting.push(held);
    this.waiting++;
    return "wait";
  }

  /** The verdict on a message is known: returns which one is to be handled next, and which go back with it, in order. */
  decided(held: Held<D>): { readonly next?: Held<D> | undefined; readonly followers: readonly Held<D>[] } {
    const line = this.lines.get(held.key!);
    if (line === undefined) return { followers: [] };
    const wasFront = line.front === held;
    if (wasFront) line.front = null;
    if (wasFront && !held.lost && (held.verdict === "acked" || held.verdict === "dead")) {
      const next = line.waiting.shift();
      if (next !== undefined) {
        line.front = next;
        this.waiting--;
      }
      this.tidy(held.key!, line);
      return { next, followers: [] };
    }
    line.returning.add(held);
    line.delay = held.lost ? 0 : held.delay;
    const followers = line.waiting.splice(0);
    this.waiting -= followers.length;
    for (const follower of followers) follower.delay = line.delay;
    return { followers };
  }

  /** The source has been told of it, or cannot be told any more. */
  told(held: Held<D>): void {
    const { key } = held;
    if (key === undefined) return;
    const line = this.lines.get(key);
    if (line === undefined) return;
    line.returning.delete(held);
    this.tidy(key, line);
  }

  /**
   * Takes those that wait behind one that runs, each line in its order. A line whose front has not been started stays: that one is about
   * to go back, for a handler may have taken it in this very moment, and those behind it must not go before it.
   */
  takeWaiting(): Held<D>[] {
    const running = [...this.lines.values()].filter(({ front }) => front !== null && !Number.isNaN(front.since));
    const all = running.flatMap((line) => line.waiting.splice(0));
    this.waiting -= all.length;
    return all;
  }

  private tidy(key: string, line: Line<D>): void {
    if (line.front === null && line.returning.size === 0) this.lines.delete(key);
  }
}
