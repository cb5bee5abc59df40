/**
 * `headgate/worker/postgres`: a table of PostgreSQL as a queue, over a pool of `pg` that you pass in.
 *
 * Publishing in your own transaction makes an outbox superfluous: there is a message if and only if the transaction
 * commits.
 *
 * The source is in queue.ts, and its settling half in verdicts.ts. The tables and all statements are in sql.ts, and the
 * connection that listens in listen.ts.
 */
import { given, hasMethod } from "../../internal/foreign.ts";
import { onlyKnown } from "../../internal/args.ts";
import { explained } from "./errors.ts";
import { Queue } from "./queue.ts";
import { MAX_MS, namesOf, statements, TABLE_OPTIONS } from "./sql.ts";
import type {
  PostgresPool,
  PostgresQueryable,
  PostgresQueue,
  PostgresQueueOptions,
  PostgresTableOptions,
} from "./types.ts";

export { schema } from "./sql.ts";
export type {
  PostgresClient,
  PostgresDelivery,
  PostgresPool,
  PostgresPublishOptions,
  PostgresQueryable,
  PostgresQueue,
  PostgresQueueOptions,
  PostgresTableOptions,
} from "./types.ts";

/**
 * Returns a queue in PostgreSQL as a source. It sends nothing before its first call. The table must exist: see {@link
 * createQueue}.
 *
 * The pool needs one connection for the listening, beside those that handlers keep. Listen to its `error` event:
 * without a listener, an idle connection that is cut ends the process. Set its `query_timeout` or `keepAlive`.
 * Otherwise a call waits for a server that is gone without a word for as long as TCP does.
 *
 * **Ordering**: messages are given out in the order in which they became due. Of a key only the first message is given
 * out; while it is leased or delayed, the others wait. Transactions that publish to one key at the same time have no
 * order between them.
 *
 * **Errors**: TypeError or RangeError for options that make no sense. Pulls and verdicts reject as the pool's queries
 * do, and can be repeated. If a table, a right or a password is missing, the message says so, and what to do. A verdict
 * whose answer was lost with its connection may have counted; when it is repeated, the source finds out.
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
  // A client has both methods, too. But a client that is cut stays cut, and has no second connection to listen on.
  const isClient = hasMethod(pool, "escapeLiteral");
  if (!hasMethod(pool, "query") || !hasMethod(pool, "connect") || isClient) {
    const got = isClient ? "; got a client" : "";
    throw new TypeError(`postgresQueue: the first argument must be a pool of pg, new pg.Pool()${got}`);
  }
  options = onlyKnown("postgresQueue", options, QUEUE_OPTIONS);
  const names = namesOf("postgresQueue", options.table);
  const { queue = "default", lease = 30_000, poll = 1_000, listen = true } = options;
  if (typeof queue !== "string" || queue === "" || queue.length > 200 || queue.includes("\0")) {
    throw new TypeError(`postgresQueue: queue must be a text of 1 to 200 characters, without NUL; got ${given(queue)}`);
  }
  for (const [name, value] of Object.entries({ lease, poll })) {
    if (typeof value !== "number" || !(value > 0) || value > MAX_MS) {
      throw new RangeError(
        `postgresQueue: ${name} must be a positive number of ms, up to ${MAX_MS}; got ${given(value)}`,
      );
    }
  }
  if (typeof listen !== "boolean")
    throw new TypeError(`postgresQueue: listen must be true or false; got ${given(listen)}`);
  return new Queue(pool, statements(names), { channel: names.channel, queue, lease, poll, listen });
}

const QUEUE_OPTIONS: Readonly<Record<keyof PostgresQueueOptions, true>> = {
  table: true,
  queue: true,
  lease: true,
  poll: true,
  listen: true,
};

/**
 * Creates the tables of a queue if they do not exist: it runs {@link schema}. Several processes may do so at the same
 * time.
 *
 * **Cancellation**: takes no ctx.
 *
 * **Errors**: rejects with a TypeError for a table name that is not one, and as the query does.
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
  options = onlyKnown("createQueue", options, TABLE_OPTIONS);
  const { create } = statements(namesOf("createQueue", options.table));
  await pool.query(create).catch((error: unknown) => {
    throw explained("the tables cannot be made", error, "createQueue");
  });
}
