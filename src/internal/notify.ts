/**
 * A notification without a value, for any number of waiters (tokio's Notify): a channel that is closed and replaced.
 *
 * Invariant: a channel is made only when there is a waiter, so notifying without one costs nothing.
 */
import { Chan } from "../chan/chan.ts";
import type { RecvChan } from "../types.ts";

export class Notify {
  private next: Chan<never> | null = null;

  /** A channel that closes at the next notification. Take it before you look whether you have to wait: then none is missed. */
  notified(): RecvChan<never> {
    return (this.next ??= new Chan());
  }

  /** Resumes all who wait. */
  notifyAll(): void {
    const { next } = this;
    this.next = null;
    next?.close();
  }
}
