/**
 * Being told by PostgreSQL: one connection that listens, for all the queues on a pool.
 *
 * Invariants:
 * - It is an optimisation. Whoever relies on it must look from time to time all the same: a connection can be dead without a word.
 * - Whoever subscribes is told when something may have come, and whenever notifications may have been missed: after the connection
 *   was made, and after it was lost.
 * - With the last subscriber the connection goes, so that `pool.end()` need not wait for it.
 */
import { monotonic } from "../../internal/runtime.ts";

/** What runs statements: a pool or a client of `pg`. */
export interface PostgresQueryable {
  query(text: string, values?: unknown[]): Promise<{ readonly rows: readonly any[] }>;
}

/** What is needed of a client of a pool of `pg`. */
export interface PostgresClient extends PostgresQueryable {
  on(event: "notification", listener: (message: { channel: string; payload?: string | undefined }) => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
  on(event: "end", listener: () => void): unknown;
  release(destroy?: boolean): void;
}

/** What is needed of a pool of `pg`. */
export interface PostgresPool extends PostgresQueryable {
  connect(): Promise<PostgresClient>;
  readonly options?: { readonly max?: number | undefined };
}

/** Somebody who wants to know of news. */
export interface Subscriber {
  readonly channel: string;
  readonly queue: string;
  readonly tell: () => void;
}

/** ms after a connection that failed, before another is made. */
const AGAIN = 1_000;

const listeners: WeakMap<PostgresPool, Listener> = /* @__PURE__ */ new WeakMap();

/** The one who listens for this pool. */
export function listenerOf(pool: PostgresPool): Listener {
  let listener = listeners.get(pool);
  if (listener === undefined) listeners.set(pool, (listener = new Listener(pool)));
  return listener;
}

/** A connection that listens, while somebody wants it. */
export class Listener {
  private readonly pool: PostgresPool;
  private readonly subscribers: Set<Subscriber> = new Set();
  private client: PostgresClient | undefined;
  private connecting = false;
  /** The channels that `client` listens to, or was told to. */
  private readonly channels: Set<string> = new Set();
  private notBefore = 0;

  constructor(pool: PostgresPool) {
    this.pool = pool;
  }

  /** Call it whenever you begin to wait: it connects again, if need be. Returns the ms after which to call it again at the latest. */
  subscribe(subscriber: Subscriber): number {
    this.subscribers.add(subscriber);
    // The only connection is needed for the queries.
    if (this.connecting || this.pool.options?.max === 1) return Infinity;
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
    this.connecting = true;
    try {
      const client = await this.pool.connect();
      this.client = client;
      client.on("notification", ({ channel, payload }) => this.told(channel, payload));
      client.on("error", () => this.drop(client));
      client.on("end", () => this.drop(client));
      if (this.subscribers.size === 0) this.drop(client);
      else this.listen(client);
      this.connecting = false;
    } catch {
      this.connecting = false;
      this.failed();
    }
  }

  private listen(client: PostgresClient): void {
    for (const { channel } of this.subscribers) {
      if (this.channels.has(channel)) continue;
      this.channels.add(channel);
      client.query(`listen "${channel}"`).then(
        () => this.told(channel, undefined),
        () => this.drop(client),
      );
    }
  }

  /** There is news for a queue, or for all queues of a channel, or for all. */
  private told(channel: string | undefined, queue: string | undefined): void {
    for (const subscriber of this.subscribers) {
      if (channel !== undefined && subscriber.channel !== channel) continue;
      if (queue === undefined || subscriber.queue === queue) subscriber.tell();
    }
  }

  /** Closes the connection, which may be closed already: another one listens to nothing yet. */
  private drop(client: PostgresClient): void {
    if (this.client !== client) return;
    this.client = undefined;
    this.channels.clear();
    client.release(true);
    if (this.subscribers.size > 0) this.failed();
  }

  /** Has everybody look for himself, and subscribe again. */
  private failed(): void {
    this.notBefore = monotonic() + AGAIN;
    this.told(undefined, undefined);
  }
}
