/**
 * `headgate/worker/postgres`: a table of PostgreSQL as a queue, over a pool of `pg` that you pass in.
 *
 * A message is published in the same transaction as what it tells of, and so there is one if and only if that was committed: what else
 * takes an outbox. What that takes here:
 * - A pull is one statement. When nothing is due it says when something will be, and the pull waits until then, or until it is told.
 * - A statement that is under way cannot be taken back. Whoever stops waits for it, and hands over what it leased. If the server does
 *   not answer soon, the pull returns without, and what the statement brings later goes to the next pull, or is given back.
 *
 * Invariants: see postgres-sql.ts, where the tables are; the connection that listens is in postgres-listen.ts.
 */
import { hasMethod, given } from "../../internal/foreign.ts";
import { Chan, context, type Context, select, time } from "../../index.ts";
import { monotonic } from "../../internal/runtime.ts";
import { onlyKnown } from "../../internal/args.ts";
import { explained } from "./errors.ts";
import { listenerOf, type PostgresPool, type PostgresQueryable, type Subscriber } from "./listen.ts";
import { lastOf, toDelivery } from "./message.ts";
import { namesOf, type PostgresTableOptions, type PulledRow, type Statements, statements, TABLE } from "./sql.ts";
import { LONG, Verdicts } from "./verdicts.ts";
import type { Dead, Delivery, Nack, Source } from "../source.ts";

export type { PostgresClient, PostgresPool, PostgresQueryable } from "./listen.ts";
export { type PostgresTableOptions, schema } from "./sql.ts";

/** A message of a queue in PostgreSQL. */
export interface PostgresDelivery extends Delivery<string> {
  /** How often it has been delivered, but for those deliveries that were released. */
  readonly attempt: number;
}

/** Which queue, and how to use it. */
export interface PostgresQueueOptions extends PostgresTableOptions {
  /** The queue in the table: any text of up to 200 characters. default */
  readonly queue?: string;
  /** How long a delivery belongs to who pulled it, in ms. 30 000 */
  readonly lease?: number;
  /**
   * ms that a waiting pull goes without a look at the table. It is told of what is published and given back, and it knows when delays
   * and leases end; this is for what it is not told: when a connection was cut, and behind a PgBouncer. 1 000
   */
  readonly poll?: number;
  /**
   * Whether a pull that waits listens on a connection of the pool, one for all the queues on it. It is held while somebody waits, and a
   * second after. Without it, and with a pool of one connection, there is only the poll. true
   */
  readonly listen?: boolean;
}

/** How to publish messages. */
export interface PostgresPublishOptions {
  /** The ordering key: its messages are given out one at a time, in the order of their ids. */
  readonly key?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  /** They are given out no earlier than this many ms from the begin of the transaction. 0 */
  readonly delay?: number;
  /** Publishes in the transaction of this client: there is a message if and only if that commits. By default, over the pool. */
  readonly client?: PostgresQueryable;
}

/** A queue as a source. Any number of workers may share it, or have their own. */
export interface PostgresQueue extends Source<PostgresDelivery> {
  readonly lease: number;
  readonly deadLetter: (ctx: Context, items: readonly Dead<PostgresDelivery>[]) => Promise<readonly PostgresDelivery[]>;
  readonly extend: (ctx: Context, deliveries: readonly PostgresDelivery[]) => Promise<readonly PostgresDelivery[]>;
  /**
   * Publishes one message per body, in this order, all or none.
   *
   * **Errors**: rejects with a TypeError or RangeError for what cannot be published, and as the query does.
   */
  readonly publish: (bodies: readonly string[], options?: PostgresPublishOptions) => Promise<void>;
  /** How many messages are not settled: ready, delayed or leased. */
  readonly size: () => Promise<number>;
  /** Lets go of the connection that listens; it would go by itself, a second after the last pull. Later pulls reject. */
  readonly close: () => void;
}

/**
 * Makes the tables of a queue, if they are not there: runs {@link schema}. Several may do so at the same time.
 *
 * **Errors**: TypeError for what is no name of a table; rejects as the query does.
 *
 * @example
 * ```ts no-run
 * import { createQueue, type PostgresPool } from "headgate/worker/postgres";
 *
 * declare const pool: PostgresPool; // new pg.Pool()
 * await createQueue(pool, { table: "jobs" });
 * ```
 */
export async function createQueue(pool: PostgresQueryable, options: PostgresTableOptions = {}): Promise<void> {
  if (!hasMethod(pool, "query")) throw new TypeError("createQueue: the first argument must be a pool of pg");
  options = onlyKnown("createQueue", options, TABLE);
  const { create } = statements(namesOf("createQueue", options.table));
  await pool.query(create).catch((error: unknown) => {
    throw explained("the tables cannot be made", error, "createQueue");
  });
}

/**
 * Makes a source of a queue in PostgreSQL. Nothing happens before the first call. The table must exist: see {@link createQueue}.
 *
 * The pool must have a connection to spare, beside those that handlers keep, for the one that listens. Listen to its `error` event:
 * without a listener, an idle connection that is cut ends the process. Set its `query_timeout` or `keepAlive`, or a server that is gone
 * without a word is waited for as long as TCP does.
 *
 * **Ordering**: messages are given out in the order in which they became due. Of a key, only the first message is, and while it is
 * leased or delayed the others wait. Who publishes to one key from several transactions at once has no order between them.
 *
 * **Errors**: TypeError or RangeError for options that make no sense. Pulls and verdicts reject as the pool's queries do, and can be
 * made again; where a table, a right or a password is missing, the message says so, and what to do. A verdict whose answer was lost with its
 * connection may have counted; told again, it has.
 *
 * @example
 * ```ts no-run
 * import { context } from "headgate";
 * import { shutdown } from "headgate/signal";
 * import { worker } from "headgate/worker";
 * import { createQueue, type PostgresPool, postgresQueue } from "headgate/worker/postgres";
 *
 * declare const pool: PostgresPool; // new pg.Pool()
 * await createQueue(pool);
 * const orders = postgresQueue(pool, { queue: "orders" });
 *
 * // There is a message if and only if there is an order.
 * const client = await pool.connect();
 * await client.query("begin");
 * await client.query("insert into orders (id, status) values ($1, $2)", [7, "new"]);
 * await orders.publish(["7"], { client });
 * await client.query("commit");
 * client.release();
 *
 * const [stop, abort] = shutdown(context.background(), "SIGTERM");
 * const report = await worker(stop, orders, async (ctx, { body }) => console.log(`order ${body}`), { abort });
 * orders.close();
 * ```
 */
export function postgresQueue(pool: PostgresPool, options: PostgresQueueOptions = {}): PostgresQueue {
  // A client has both methods, too. But when it is cut it stays so, and the listening has no connection of its own.
  const isClient = hasMethod(pool, "escapeLiteral");
  if (!hasMethod(pool, "query") || !hasMethod(pool, "connect") || isClient) {
    const got = isClient ? "; got a client" : "";
    throw new TypeError(`postgresQueue: the first argument must be a pool of pg, new pg.Pool()${got}`);
  }
  options = onlyKnown("postgresQueue", options, QUEUE);
  const names = namesOf("postgresQueue", options.table);
  const { queue = "default", lease = 30_000, poll = 1_000, listen = true } = options;
  if (typeof queue !== "string" || queue === "" || queue.length > 200 || queue.includes("\0")) {
    throw new TypeError(`postgresQueue: queue must be a text of 1 to 200 characters, without NUL; got ${given(queue)}`);
  }
  for (const [name, value] of Object.entries({ lease, poll })) {
    if (typeof value !== "number" || !(value > 0) || value > LONG) {
      throw new RangeError(
        `postgresQueue: ${name} must be a positive number of ms, up to ${LONG}; got ${given(value)}`,
      );
    }
  }
  if (typeof listen !== "boolean")
    throw new TypeError(`postgresQueue: listen must be true or false; got ${typeof listen}`);
  return new Queue(pool, statements(names), { channel: names.channel, queue, lease, poll, listen });
}

const QUEUE: Readonly<Record<keyof PostgresQueueOptions, true>> = {
  table: true,
  queue: true,
  lease: true,
  poll: true,
  listen: true,
};
const PUBLISH: Readonly<Record<keyof PostgresPublishOptions, true>> = {
  key: true,
  attributes: true,
  delay: true,
  client: true,
};

/** How long a pull that was cancelled waits for the statement that is under way, in ms. */
const ANSWER = 500;
/** ms without a pull, after which the connection that listens is let go. */
const LINGER = 1_000;
/** ms for which a queue that had no message with a key is taken to have none, while there are others. */
const KEYLESS = 100;
/** ms until another look, where another pull is about to take what is due. */
const BUSY = 20;
/** In a text: what the server refuses, and with it the transaction; or what would not come back as it was. */
const UNSTORABLE = /\0|\p{Surrogate}/u;
/** What a statement is told if another transaction has leased a message of the same key meanwhile, or both wait for each other. */
const COLLIDED: readonly unknown[] = ["23505", "40P01", "40001"];

interface Settings {
  readonly channel: string;
  readonly queue: string;
  readonly lease: number;
  readonly poll: number;
  readonly listen: boolean;
}

/** What a statement brought, or how long to wait, in ms. */
interface Taken {
  readonly deliveries: PostgresDelivery[];
  readonly wait: number;
}

class Queue implements PostgresQueue {
  readonly lease: number;
  private readonly pool: PostgresPool;
  private readonly sql: Statements;
  private readonly settings: Settings;
  private readonly subscriber: Subscriber;
  private pulls = 0;
  private closed = false;
  /** Where the next pull begins among the keys: they take turns. */
  private lastKey = "";
  /** Until then nobody looks for messages with keys, for there were none: on the monotonic clock. */
  private keylessUntil = 0;
  private subscribed = false;
  private idle: time.Timer | undefined;
  /** Closed and replaced when there is news for the pulls that wait. */
  private news: Chan<never> = new Chan();
  /** What came after its pull had gone. Empty when nobody pulls. */
  private readonly late: PostgresDelivery[] = [];
  private readonly verdicts: Verdicts;

  constructor(pool: PostgresPool, sql: Statements, settings: Settings) {
    this.pool = pool;
    this.sql = sql;
    this.settings = settings;
    this.lease = settings.lease;
    this.verdicts = new Verdicts(pool, sql, settings.queue, settings.lease, () => this.tell());
    this.subscriber = { channel: settings.channel, queue: settings.queue, tell: () => this.tell() };
  }

  // -------------------------------------------------------------------------------------------------------------------- pull

  pull = async (ctx: Context, max: number): Promise<readonly PostgresDelivery[]> => {
    this.pulls++;
    this.idle?.stop();
    this.idle = undefined;
    try {
      for (;;) {
        if (this.closed) throw new Error("postgresQueue: pull after close()");
        if (this.late.length > 0) return this.late.splice(0, max);
        if (ctx.err() !== undefined) return [];
        const { news } = this;
        const { deliveries, wait } = await this.take(ctx, max);
        if (deliveries.length > 0) return deliveries;
        if (ctx.err() !== undefined || this.late.length > 0) continue;
        const due = time.after(Math.min(wait, this.settings.poll, this.subscribe()));
        await select({ news, due, done: ctx.done() });
      }
    } finally {
      this.pulls--;
      this.rest();
    }
  };

  /** Takes what is due. Under a ctx that ends it waits a little for the statement, and then leaves it to {@link came}. */
  private async take(ctx: Context, max: number): Promise<Taken> {
    const taking = this.lookAndTake(max);
    try {
      return await context.wait(taking, ctx);
    } catch (error) {
      if (ctx.err() === undefined) throw explained("the pull failed", error);
    }
    const [limit, cancel] = context.withTimeout(context.background(), ANSWER);
    using _ = cancel;
    try {
      return await context.wait(taking, limit);
    } catch {
      // That it failed is of no interest to whoever has stopped; the next pull will see.
      void taking.then(
        ({ deliveries }) => this.came(deliveries),
        () => {},
      );
      return { deliveries: [], wait: 0 };
    }
  }

  private async lookAndTake(max: number): Promise<Taken> {
    const { queue, lease } = this.settings;
    if (monotonic() < this.keylessUntil) {
      const { rows } = await this.pool.query(this.sql.pullFree, [queue, max, lease]);
      if (rows.length > 0) return { deliveries: rows.map(toDelivery), wait: 0 };
    }
    for (let tries = 1; ; tries++) {
      try {
        const { rows } = (await this.pool.query(this.sql.pull, [queue, max, lease, this.lastKey])) as {
          rows: PulledRow[];
        };
        const [first] = rows;
        this.lastKey = lastOf(rows, this.lastKey);
        if (first?.keyed === false) this.keylessUntil = monotonic() + KEYLESS;
        if (first === undefined || first.id !== null) return { deliveries: rows.map(toDelivery), wait: 0 };
        // A timer may be a little early for another machine's clock; a ms late is late enough.
        const wait = first.busy ? BUSY : first.wait === null ? Infinity : Math.max(1, Math.ceil(first.wait));
        return { deliveries: [], wait };
      } catch (error) {
        if (tries === 5 || !COLLIDED.includes((error as { code?: unknown } | null)?.code)) throw error;
      }
    }
  }

  /** What a statement brought after its pull had returned. */
  private came(deliveries: readonly PostgresDelivery[]): void {
    this.late.push(...deliveries);
    if (this.pulls > 0) this.tell();
    else this.rest();
  }

  /** When nobody pulls, nothing is kept for anybody. */
  private rest(): void {
    if (this.pulls > 0) return;
    const items = this.late.splice(0).map((delivery) => ({ delivery, delay: 0, reason: "released" as const }));
    // If this fails, too, the end of the lease brings them back.
    if (items.length > 0) this.nack(context.background(), items).catch(() => {});
    if (this.subscribed) this.idle ??= time.afterFunc(LINGER, () => this.unsubscribe());
  }

  /** Returns the ms after which to subscribe again. */
  private subscribe(): number {
    if (!this.settings.listen) return Infinity;
    this.subscribed = true;
    return listenerOf(this.pool).subscribe(this.subscriber);
  }

  private unsubscribe(): void {
    this.idle?.stop();
    this.idle = undefined;
    this.subscribed = false;
    listenerOf(this.pool).unsubscribe(this.subscriber);
  }

  private tell(): void {
    if (this.pulls === 0) return;
    const { news } = this;
    this.news = new Chan();
    news.close();
  }

  close = (): void => {
    this.closed = true;
    this.unsubscribe();
    this.tell();
  };

  // ---------------------------------------------------------------------------------------------------------------- verdicts

  ack = (ctx: Context, deliveries: readonly PostgresDelivery[]): Promise<readonly PostgresDelivery[]> =>
    this.verdicts.ack(ctx, deliveries);

  nack = (ctx: Context, items: readonly Nack<PostgresDelivery>[]): Promise<readonly PostgresDelivery[]> =>
    this.verdicts.nack(ctx, items);

  deadLetter = (ctx: Context, items: readonly Dead<PostgresDelivery>[]): Promise<readonly PostgresDelivery[]> =>
    this.verdicts.deadLetter(ctx, items);

  extend = (ctx: Context, deliveries: readonly PostgresDelivery[]): Promise<readonly PostgresDelivery[]> =>
    this.verdicts.extend(ctx, deliveries);

  // -------------------------------------------------------------------------------------------------------------------- publish

  publish = async (bodies: readonly string[], options: PostgresPublishOptions = {}): Promise<void> => {
    options = onlyKnown("publish", options, PUBLISH);
    const { key, attributes, delay = 0, client = this.pool } = options;
    if (!Array.isArray(bodies))
      throw new TypeError(`publish: the bodies must be a list of texts; got ${typeof bodies}`);
    if (
      attributes !== undefined &&
      (typeof attributes !== "object" || attributes === null || Array.isArray(attributes))
    )
      throw new TypeError("publish: the attributes must be an object");
    for (const text of [...bodies, ...(key === undefined ? [] : [key]), ...Object.entries(attributes ?? {}).flat()]) {
      if (typeof text !== "string") {
        throw new TypeError(`publish: bodies, keys and attributes must be texts; got ${typeof text}`);
      }
      if (UNSTORABLE.test(text)) {
        throw new TypeError("publish: PostgreSQL takes no text with the character NUL, or with half a surrogate pair");
      }
    }
    if (key === "") throw new TypeError("publish: a key must not be empty; leave it out");
    if (typeof delay !== "number" || !(delay >= 0 && delay <= LONG)) {
      throw new RangeError(`publish: delay must be a number of ms, from 0 to ${LONG}; got ${given(delay)}`);
    }
    if (!hasMethod(client, "query")) throw new TypeError("publish: the client must be a client of pg");
    if (bodies.length === 0) return;
    const each = <T>(value: T): T[] => bodies.map(() => value);
    const json = attributes === undefined ? null : JSON.stringify(attributes);
    const values = [this.settings.queue, bodies, each(key ?? null), each(json), delay];
    await client.query(this.sql.publish, values).catch((error: unknown) => {
      throw explained("nothing was published", error);
    });
    this.tell();
  };

  size = async (): Promise<number> => {
    const { rows } = await this.pool.query(this.sql.size, [this.settings.queue]);
    return (rows[0] as { size: number }).size;
  };
}
