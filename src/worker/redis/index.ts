/**
 * `headgate/worker/redis`: a stream of Redis, read by a consumer group, as a source; over the package `redis` or
 * `ioredis`.
 *
 * Invariants:
 * - Pulls have a connection of their own, and verdicts another one: see reader.ts, verdicts.ts, client.ts. The user's
 *   client publishes.
 * - Every step on the server is atomic: see scripts.ts.
 * - No consumer is ever deleted: XGROUP DELCONSUMER deletes the messages it holds, too.
 */
import { given } from "../../internal/foreign.ts";
import { context, type Context } from "../../index.ts";
import { onlyKnown } from "../../internal/args.ts";
import {
  checkClient,
  connect,
  type Connection,
  databaseOf,
  prefixOf,
  Reconnecting,
  type Send,
  senderOf,
} from "./client.ts";
import { explained } from "./errors.ts";
import { ConsumerGroup } from "./group.ts";
import { toFields } from "./message.ts";
import { Reader } from "./reader.ts";
import { Unsettled } from "./unsettled.ts";
import { Verdicts } from "./verdicts.ts";
import type { RedisClient, RedisDelivery, RedisPublishOptions, RedisStream, RedisStreamOptions } from "./types.ts";
import type { Nack, Source } from "../source.ts";

export type {
  IoRedisClient,
  NodeRedisClient,
  RedisClient,
  RedisDelivery,
  RedisPublishOptions,
  RedisStream,
  RedisStreamOptions,
} from "./types.ts";

/**
 * Makes a source of a stream. It sends nothing before the first pull. The client publishes. Pulls and verdicts have two
 * connections of their own, duplicates of the client. They are made again after a cut, and when nothing comes back on
 * them for as long as a lease, five seconds at most. Call `close` at the end, or they keep the process alive.
 *
 * Needs Redis 6.2. Beside the stream there are three sorted sets, `<stream>:<group>:delayed`, `…:keys` and `…:told`.
 * All keys are in the client's database, and have its `keyPrefix` if it has one. In a cluster use one client for the
 * node that has the stream, and give all keys the same hash tag. A user with few rights needs those to use these keys
 * and for `client|id`, `client|info` and `client|unblock`.
 *
 * **Ordering**: messages come in the order of the stream. Of those with one key, in the whole group, the first without
 * a verdict is given out, and those that follow it to the same consumer alone. One that has failed keeps its place, and
 * those behind it wait. After a consumer has died, they wait for its lease. See the option `ordering`.
 *
 * **Errors**: TypeError or RangeError for a client of a cluster, and for invalid options. When the server is away, or
 * refuses, pulls and verdicts reject, and the message says why and what to do. If the stream or the group is deleted,
 * it is made again, and messages that were held are lost.
 *
 * @example
 * ```ts no-run
 * import { context } from "headgate";
 * import { shutdown } from "headgate/signal";
 * import { worker } from "headgate/worker";
 * import { type RedisClient, redisStream } from "headgate/worker/redis";
 *
 * declare const client: RedisClient; // await createClient({ url }).connect() of redis, or new Redis(url) of ioredis
 * const source = redisStream(client, { stream: "orders", group: "billing", deadLetters: "orders:dead" });
 * const [stop, abort] = shutdown(context.background(), "SIGTERM");
 * const report = await worker(stop, source, async (ctx, { body }) => console.log(JSON.parse(body)), { abort });
 * await source.close();
 * ```
 */
export function redisStream(client: RedisClient, options: RedisStreamOptions): RedisStream {
  checkClient(client);
  options = onlyKnown("redisStream", options, OPTIONS);
  for (const name of ["stream", "group", "consumer", "deadLetters", "body", "key"] as const) {
    const value: unknown = options[name];
    if (value === undefined && name !== "stream" && name !== "group") continue;
    if (typeof value !== "string" || value === "") {
      throw new TypeError(`redisStream: ${name} must be a text that is not empty; got ${given(value)}`);
    }
  }
  const { lease = 30_000, settled, ordering, body = "body", key = "key" } = options;
  if (!Number.isSafeInteger(lease) || lease < 1) {
    throw new RangeError(`redisStream: lease must be a whole number of ms from 1; got ${given(lease)}`);
  }
  if (settled !== undefined && settled !== "delete" && settled !== "keep") {
    throw new TypeError(`redisStream: settled must be "delete" or "keep"; got ${given(settled)}`);
  }
  if (ordering !== undefined && ordering !== "group" && ordering !== "consumer") {
    throw new TypeError(`redisStream: ordering must be "group" or "consumer"; got ${given(ordering)}`);
  }
  if (body === key) throw new TypeError(`redisStream: the body and the key cannot both be in the field ${body}`);
  return new RedisSource(client, options, lease);
}

const OPTIONS: Readonly<Record<keyof RedisStreamOptions, true>> = {
  stream: true,
  group: true,
  consumer: true,
  lease: true,
  deadLetters: true,
  settled: true,
  body: true,
  key: true,
  ordering: true,
};

/**
 * Limits of the time for which a server may be silent when it should have answered, in ms; between them it is the
 * lease.
 */
const SILENCE = { least: 1_000, most: 5_000 } as const;

/** Connects the parts: options, connections, reader and verdicts. */
class RedisSource implements RedisStream {
  readonly lease: number;
  readonly deadLetter?: Source<RedisDelivery>["deadLetter"] & {};
  private readonly options: RedisStreamOptions;
  /** The stream, with the prefix of the client. */
  private readonly stream: string;
  /** Sends by the user's client. */
  private readonly send: Send;
  private readonly readConnection: Reconnecting;
  private readonly verdictConnection: Reconnecting;
  private readonly reader: Reader;
  private readonly verdicts: Verdicts;
  private readonly endReads: context.CancelFunc;
  private readonly endVerdicts: context.CancelFunc;
  private isClosed = false;
  /** The database of the client, by its last answer. */
  private database: string | undefined;

  constructor(client: RedisClient, options: RedisStreamOptions, lease: number) {
    const { stream, group, deadLetters, body, key, ordering = "group", settled = "" } = options;
    this.options = options;
    this.lease = lease;
    this.send = senderOf(client);
    const prefix = prefixOf(client);
    this.stream = prefix + stream;

    const silence = Math.min(Math.max(lease, SILENCE.least), SILENCE.most);
    const [reads, endReads] = context.withCancel(context.background());
    this.endReads = endReads;
    this.readConnection = new Reconnecting(reads, SILENCE.most, (ctx) =>
      connect(ctx, client, silence, async (ctx) => (this.database = await databaseOf(ctx, client, this.database))),
    );
    // Verdicts go to the database from which the messages were read.
    const [verdicts, endVerdicts] = context.withCancel(context.background());
    this.endVerdicts = endVerdicts;
    this.verdictConnection = new Reconnecting(verdicts, SILENCE.most, (ctx) =>
      connect(ctx, client, silence, () => Promise.resolve(this.database)),
    );

    const consumer = options.consumer ?? `headgate-${crypto.randomUUID()}`;
    const beside = `${this.stream}:${group}`;
    const keys = [this.stream, `${beside}:delayed`, `${beside}:keys`, `${beside}:told`] as const;
    const laneField = ordering === "group" ? (key ?? "key") : "";
    const unsettled = new Unsettled();
    this.reader = new Reader({
      group: new ConsumerGroup({ keys, group, consumer, lease, body, key, laneField, unsettled }),
      connections: this.readConnection,
      life: reads,
      unblock: (connection) => this.unblock(connection),
      release: (deliveries) => this.release(deliveries),
    });
    this.verdicts = new Verdicts({
      send: (...args) => this.sendVerdict(args),
      keys,
      group,
      consumer,
      settled,
      lease,
      unsettled,
      onDue: (ms) => this.reader.onDue(ms),
    });
    if (deadLetters !== undefined) {
      this.deadLetter = (ctx, items) => this.verdicts.deadLetterTo(prefix + deadLetters, ctx, items);
    }
  }

  pull = (ctx: Context, max: number): Promise<readonly RedisDelivery[]> => this.reader.pull(ctx, max);

  ack = (ctx: Context, deliveries: readonly RedisDelivery[]): Promise<readonly RedisDelivery[]> =>
    this.verdicts.ack(ctx, deliveries);

  nack = (ctx: Context, items: readonly Nack<RedisDelivery>[]): Promise<readonly RedisDelivery[]> =>
    this.verdicts.nack(ctx, items);

  extend = (ctx: Context, deliveries: readonly RedisDelivery[]): Promise<readonly RedisDelivery[]> =>
    this.verdicts.extend(ctx, deliveries);

  private async sendVerdict(args: readonly string[]): Promise<unknown> {
    if (this.isClosed) throw new Error("redisStream: a verdict after close()");
    const connection = await this.verdictConnection.get();
    return connection.request(0, ...args);
  }

  private async release(deliveries: readonly RedisDelivery[]): Promise<void> {
    const [ctx, cancel] = context.withTimeout(context.background(), SILENCE.most);
    using _ = cancel;
    await this.nack(
      ctx,
      deliveries.map((delivery) => ({ delivery, delay: 0, reason: "released" })),
    );
  }

  private unblock({ id }: Connection): void {
    const { current } = this.verdictConnection;
    const command = ["CLIENT", "UNBLOCK", id];
    const done = current === undefined || current.isClosed() ? this.send(...command) : current.request(0, ...command);
    // Without the right to CLIENT UNBLOCK, the read runs until its timeout.
    done.catch(() => {});
  }

  publish = async (body: string, options: RedisPublishOptions = {}, ctx?: Context): Promise<string> => {
    const fields = toFields(body, options, this.options.body, this.options.key);
    try {
      return (await context.wait(this.send("XADD", this.stream, "*", ...fields), ctx)) as string;
    } catch (error) {
      if (error === ctx?.err()) throw error;
      throw explained("the message was not published", error);
    }
  };

  close = async (): Promise<void> => {
    this.endReads();
    await this.reader.close();
    this.isClosed = true;
    this.endVerdicts();
    await this.verdictConnection.close();
  };
}
