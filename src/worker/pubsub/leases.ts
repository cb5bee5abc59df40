/**
 * The leases of the deliveries that a subscription holds: the fence of its verdicts, by the clock.
 *
 * Only a subscription with exactly-once delivery refuses a verdict on a lost lease; any other answers OK. So the source
 * must know by itself until when a delivery is surely its own. Our lease begins when the request was sent, and the
 * server's when it hands out the message:
 *
 *     our clock      |pull sent ─────── lease, 10 s ───────▶| no verdict is sent, none counts
 *     the server         |handed out ─── ack deadline, 10 s ───▶| delivered to another
 *                    ────────────────────────────────────────────────▶ time
 *
 * Ours ends first, by the time that the message and the request were under way. A verdict that is confirmed before that
 * was on time.
 *
 * Invariants:
 * - Leases are in the order of their ends, except that one that was extended may stand before an earlier one.
 * - A delivery with a verdict that counted stays until a call has reported it: no other worker can have it.
 */
import { monotonic } from "../../internal/runtime.ts";

/** The shortest ack deadline that a subscription can have: how long a delivery is ours at first, whichever it has. */
export const MIN_LEASE_MS = 10_000;
/** The longest ack deadline. */
export const MAX_LEASE_MS = 600_000;

/** A delivery that we hold. */
export interface Lease {
  /** The monotonic time of its end, by our count. */
  until: number;
  /** Verdicts that are under way. */
  verdicts: number;
  /** The server has confirmed a verdict in time. */
  isSettled: boolean;
  /** A verdict was sent, and its answer was lost. */
  mayBeSettled: boolean;
  /** Its dead letter is published. */
  isPublished: boolean;
}

export class Leases {
  /** By the id of the delivery. */
  private readonly leases: Map<string, Lease> = new Map();

  /** Adds a delivery of a request that was sent at that monotonic time. */
  add(id: string, sentAt: number): void {
    const until = sentAt + MIN_LEASE_MS;
    this.leases.set(id, { until, verdicts: 0, isSettled: false, mayBeSettled: false, isPublished: false });
  }

  /** Returns the lease, if the delivery is ours now; drops those that have run out. */
  held(id: string): Lease | undefined {
    const now = monotonic();
    for (const [first, { until }] of this.leases) {
      if (until > now) break;
      this.leases.delete(first);
    }
    const lease = this.leases.get(id);
    return lease !== undefined && lease.until > now ? lease : undefined;
  }

  /** Returns the lease even if it has just run out. */
  get(id: string): Lease | undefined {
    return this.leases.get(id);
  }

  restart(id: string, until: number): void {
    const lease = this.leases.get(id);
    if (lease === undefined) return;
    lease.until = until;
    this.leases.delete(id);
    this.leases.set(id, lease);
  }

  /** The server has confirmed a verdict. It counts if that came before the end of the lease. */
  confirm(lease: Lease): void {
    lease.isSettled = monotonic() <= lease.until;
  }

  /**
   * The server does not know the delivery any more. While the lease is ours, only a verdict of ours can have done that,
   * if there was one whose answer was lost.
   */
  onUnknown(id: string): void {
    const lease = this.leases.get(id);
    if (lease?.mayBeSettled === true && monotonic() <= lease.until) lease.isSettled = true;
    else this.leases.delete(id);
  }

  /** Forgets a delivery. Returns whether a verdict on it has counted. */
  settle(id: string): boolean {
    const isSettled = this.leases.get(id)?.isSettled === true;
    this.leases.delete(id);
    return isSettled;
  }
}
