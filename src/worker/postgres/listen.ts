/**
 * LISTEN and NOTIFY of PostgreSQL: one connection listens for all the queues on a pool.
 *
 *     publish / nack ── pg_notify(channel, queue) ──▶ server ── notification ──▶ Listener ── notify() ──▶ subscribers of that queue
 *
 * The channel is the name of the table, and the payload the name of the queue.
 *
 * Invariants:
 * - It is an optimisation. A subscriber must poll as well: a connection can be dead without a word.
 * - A subscriber is notified when something may have come. It is also notified whenever notifications may have been
 *   missed: after the server has begun to listen, and after the connection was lost.
 * - With the last subscriber the connection is released, so that `pool.end()` need not wait for it.
 */
import { monotonic } from "../../internal/runtime.ts";
import type { PostgresClient, PostgresPool } from "./types.ts";

/** A queue that wants to be notified. */
export interface Subscriber {
  readonly channel: string;
  readonly queue: string;
  readonly notify: () => void;
}

/** The pause between a connection that failed and the next. */
const RECONNECT_MS = 1_000;

const listeners: WeakMap<PostgresPool, Listener> = /* @__PURE__ */ new WeakMap();

/** The listener of a pool. */
export function listenerOf(pool: PostgresPool): Listener {
  let listener = listeners.get(pool);
  if (listener === undefined) listeners.set(pool, (listener = new Listener(pool)));
  return listener;
}

/** The connection that listens, while there are subscribers. */
export class Listener {
  private readonly pool: PostgresPool;
  private readonly subscribers: Set<Subscriber> = new Set();
  private client: PostgresClient | undefined;
  private isConnecting = false;
  /** The channels for which `client` has sent a LISTEN. */
  private readonly channels: Set<string> = new Set();
  /** The monotonic time before which no connection is made. */
  private notBefore = 0;

  constructor(pool: PostgresPool) {
    this.pool = pool;
  }

  /**
   * Adds a subscriber, and connects if need be. Call it before each wait: a lost connection is made again by this call
   * only. Returns the ms after which to call it again at the latest.
   */
  subscribe(subscriber: Subscriber): number {
    this.subscribers.add(subscriber);
    // A pool's only connection is needed for the queries.
    if (this.isConnecting || this.pool.options?.max === 1) return Infinity;
    const early = this.notBefore - monotonic();
    if (this.client !== undefined) this.listen(this.client);
    else if (early > 0) return early;
    else void this.connect();
    return Infinity;
  }

  unsubscribe(subscriber: Subscriber): void {
    this.subscribers.delete(subscriber);
    if (this.subscribers.size === 0 && this.client !== undefined) this.drop(this.client);
  }

  private async connect(): Promise<void> {
    this.isConnecting = true;
    try {
      const client = await this.pool.connect();
      this.client = client;
      client.on("notification", ({ channel, payload }) => this.notify(channel, payload));
      client.on("error", () => this.drop(client));
      client.on("end", () => this.drop(client));
      if (this.subscribers.size === 0) this.drop(client);
      else this.listen(client);
      this.isConnecting = false;
    } catch {
      this.isConnecting = false;
      this.onLost();
    }
  }

  /** Sends a LISTEN for each new channel. */
  private listen(client: PostgresClient): void {
    for (const { channel } of this.subscribers) {
      if (this.channels.has(channel)) continue;
      this.channels.add(channel);
      client.query(`listen "${channel}"`).then(
        () => this.notify(channel, undefined),
        () => this.drop(client),
      );
    }
  }

  /** Notifies the subscribers of a queue; without a queue, those of a channel; without a channel, all. */
  private notify(channel: string | undefined, queue: string | undefined): void {
    for (const subscriber of this.subscribers) {
      if (channel !== undefined && subscriber.channel !== channel) continue;
      if (queue === undefined || subscriber.queue === queue) subscriber.notify();
    }
  }

  /** Releases the connection, and closes it if it is not closed yet: the pool must not hand out one that listens. */
  private drop(client: PostgresClient): void {
    if (this.client !== client) return;
    this.client = undefined;
    this.channels.clear();
    client.release(true);
    if (this.subscribers.size > 0) this.onLost();
  }

  /** Makes every subscriber poll once and subscribe again. */
  private onLost(): void {
    this.notBefore = monotonic() + RECONNECT_MS;
    this.notify(undefined, undefined);
  }
}
