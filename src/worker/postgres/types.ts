/** The public types of `headgate/worker/postgres`: what it needs of `pg`, a delivery, the options, and the queue. */
import type { Context } from "../../index.ts";
import type { Dead, Delivery, Source } from "../source.ts";

/** The part of a pool or a client of `pg` that runs statements. */
export interface PostgresQueryable {
  /** Runs a statement. */
  query(text: string, values?: unknown[]): Promise<{ readonly rows: readonly any[] }>;
}

/** The part of a pool's client of `pg` that is needed to listen. */
export interface PostgresClient extends PostgresQueryable {
  /** Listens to NOTIFY. */
  on(event: "notification", listener: (message: { channel: string; payload?: string | undefined }) => void): unknown;
  /** Listens to the loss of the connection. */
  on(event: "error", listener: (error: Error) => void): unknown;
  /** Listens to the end of the connection. */
  on(event: "end", listener: () => void): unknown;
  /** Gives the connection back, or ends it. */
  release(destroy?: boolean): void;
}

/** The part of a pool of `pg` that is needed. */
export interface PostgresPool extends PostgresQueryable {
  /** Takes a connection of the pool. */
  connect(): Promise<PostgresClient>;
  /** The pool's size, if it says it. */
  readonly options?: { readonly max?: number | undefined };
}

/** The place of the messages of a queue. */
export interface PostgresTableOptions {
  /**
   * The table: `name` or `schema.name`, of letters, digits and underscores. Dead letters are in `<name>_dead`. Verdicts
   * leave notes in `<name>_told`: a source whose call got no answer finds out there whether it counted.
   *
   * @default "headgate_messages"
   */
  readonly table?: string;
}

/** A message of a queue in PostgreSQL. */
export interface PostgresDelivery extends Delivery<string> {
  /** The number of deliveries so far, from 1. A delivery that was released does not count. */
  readonly attempt: number;
}

/** The queue, and how to use it. */
export interface PostgresQueueOptions extends PostgresTableOptions {
  /**
   * The name of the queue in the table: any text of up to 200 characters, without NUL.
   *
   * @default "default"
   */
  readonly queue?: string;
  /**
   * The time for which a delivery belongs to the source that pulled it, in ms, unless it is extended.
   *
   * @default 30_000
   */
  readonly lease?: number;
  /**
   * The longest time that a waiting pull goes without a look at the table, in ms. A pull is notified of what is
   * published and given back, and it knows when delays and leases end. The poll finds the rest: messages that came
   * while a connection was cut, or behind a PgBouncer.
   *
   * @default 1_000
   */
  readonly poll?: number;
  /**
   * Listens for notifications on one connection, which all queues on the pool share. The connection is held while
   * a pull waits, and for a second after the last one. With `false`, and with a pool of one connection, there is only
   * the poll.
   *
   * @default true
   */
  readonly listen?: boolean;
}

/** The options of a publish. */
export interface PostgresPublishOptions {
  /**
   * The ordering key: its messages are given out one at a time, in the order of their ids.
   *
   * @default none
   */
  readonly key?: string;
  /**
   * Texts by their names, which the delivery has too.
   *
   * @default none
   */
  readonly attributes?: Readonly<Record<string, string>>;
  /**
   * The messages are given out no earlier than this many ms after the begin of the transaction.
   *
   * @default 0
   */
  readonly delay?: number;
  /**
   * Publishes in the transaction of this client: the messages exist if and only if it commits.
   *
   * @default the pool, without a transaction of yours
   */
  readonly client?: PostgresQueryable;
}

/** A queue as a source. Any number of workers may share one source, or have sources of their own. */
export interface PostgresQueue extends Source<PostgresDelivery> {
  /** The time that a row is held, in ms. */
  readonly lease: number;
  /** Marks rows as dead, with the error. */
  readonly deadLetter: (ctx: Context, items: readonly Dead<PostgresDelivery>[]) => Promise<readonly PostgresDelivery[]>;
  /** Holds rows for another lease. */
  readonly extend: (ctx: Context, deliveries: readonly PostgresDelivery[]) => Promise<readonly PostgresDelivery[]>;
  /**
   * Publishes one message per body, in this order, all or none.
   *
   * **Cancellation**: takes no ctx.
   *
   * **Errors**: rejects with a TypeError or RangeError for what cannot be published, and as the query does.
   */
  readonly publish: (bodies: readonly string[], options?: PostgresPublishOptions) => Promise<void>;
  /**
   * Returns how many messages are not settled: ready, delayed or leased.
   *
   * **Cancellation**: takes no ctx.
   */
  readonly size: () => Promise<number>;
  /**
   * Releases the connection that listens. It would be released by itself, a second after the last pull. Later pulls
   * reject.
   */
  readonly close: () => void;
}
