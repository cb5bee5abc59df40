/**
 * `headgate/worker/redis`: a stream of Redis, read by a consumer group, as a source; over the package `redis` or `ioredis`.
 *
 * Invariants:
 * - The pull reads on a connection of its own, and that is never cut to end the pull: the server may have assigned messages to it.
 *   It is asked to end the read (CLIENT UNBLOCK), and says either that there was nothing, or what it was.
 * - One read is under way at most. If the server does not answer in time, the pull returns without it; what the answer brings is for
 *   the next pull, or is given back.
 * - A verdict counts only from who holds the message: Redis compares the consumer and the number of deliveries, and we whether it was
 *   handed over again since, for a release takes its delivery off that number. Where the group is gone, nobody holds anything.
 * - A verdict whose answer nobody waited for any longer has counted all the same. Told again, it counts.
 * - No consumer is ever deleted: XGROUP DELCONSUMER deletes the messages it holds, too.
 */
import { Chan, context, type Context, select, semaphore, sync, time } from "../index.ts";
import { onlyKnown } from "./known.ts";
import {
  checkClient,
  connect,
  type Connection,
  prefixOf,
  type RedisClient,
  type Send,
  senderOf,
} from "./redis-client.ts";
import { entriesOf, isReply, toDelivery, toFields } from "./redis-message.ts";
import { ACK, BURY, CREATE, EXTEND, NACK, SWEEP } from "./redis-scripts.ts";
import type { Dead, Delivery, Nack, Source } from "./source.ts";

export type { IoRedisClient, NodeRedisClient, RedisClient } from "./redis-client.ts";

/** A message of a stream. Its texts are UTF-8: other bytes become U+FFFD here, and remain what they are in the stream and as a dead letter. */
export interface RedisDelivery extends Delivery<string> {
  readonly attempt: number;
  /** Its id in the stream. */
  readonly entry: string;
  /** Its fields, other than those of the body and the key. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** Which stream, and how to use it. */
export interface RedisStreamOptions {
  /** The key of the stream. It is created if it is missing. */
  readonly stream: string;
  /** The consumer group. If it is missing it is created, and begins with the first message of the stream. */
  readonly group: string;
  /**
   * Who we are among the consumers of the group. No two processes may have the same name at the same time. As consumers are never
   * deleted, a name that is used again, such as that of the host, is better than a new one each time. A random one
   */
  readonly consumer?: string;
  /** How long a delivery belongs to who pulled it, in ms; the same for all consumers of the group. 30 000 */
  readonly lease?: number;
  /**
   * The key of the stream for dead messages. They are moved there in one step, with their fields, and `headgate-reason`,
   * `headgate-attempts` and `headgate-entry`, which was their id. Without it the worker acks dead messages, and names them in its report.
   */
  readonly deadLetters?: string;
  /** What becomes of a message that is settled. By default it is deleted if no other group reads the stream, and kept if one does: then trim the stream. */
  readonly settled?: "delete" | "keep";
  /** The field with the body. A message without it has the body "". "body" */
  readonly body?: string;
  /** The field with the ordering key. Where it is empty there is none. "key" */
  readonly key?: string;
}

/** How to publish a message. */
export interface RedisPublishOptions {
  readonly key?: string;
  /** More fields. They may not be called like those of the body and the key. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** A stream as a source. */
export interface RedisStream extends Source<RedisDelivery> {
  readonly lease: number;
  readonly extend: (ctx: Context, deliveries: readonly RedisDelivery[]) => Promise<readonly RedisDelivery[]>;
  /**
   * Appends a message to the stream. Resolves to its id.
   *
   * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`; the message may be published all the same.
   *
   * **Errors**: TypeError for what is no text, and for an attribute that is called like the field of the body or of the key.
   */
  readonly publish: (body: string, options?: RedisPublishOptions, ctx?: Context) => Promise<string>;
  /**
   * Closes the connection of the pulls, when the read that is under way has ended, and what nobody waited for is given back: a server that
   * does not answer is given 6 s for that. Pulls reject from now on. The client stays open: it is yours.
   */
  readonly close: () => Promise<void>;
}

/**
 * Makes a source of a stream. Nothing happens before the first pull. The client is used for the verdicts; the pulls have a connection
 * of their own, a duplicate of it, which is made again after a cut. Call `close` at the end, or that keeps the process alive.
 *
 * Needs Redis 6.2. Beside the stream there is a sorted set `<stream>:<group>:delayed`. The keys are those of the client's database, and have
 * the `keyPrefix` that it may have. In a cluster use one client for the node that has the stream, and give all keys the same hash tag.
 * A user with few rights needs those to use these keys and for `client|id`, `client|info` and `client|unblock`.
 *
 * **Errors**: TypeError or RangeError for a client of a cluster, and for options that make no sense. When the server is away, pulls and
 * verdicts reject. If the stream or the group is deleted, it is made again, and what was held is lost.
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
  onlyKnown("redisStream", options, OPTIONS);
  for (const name of ["stream", "group", "consumer", "deadLetters", "body", "key"] as const) {
    const value: unknown = options[name];
    if (value === undefined && name !== "stream" && name !== "group") continue;
    if (typeof value !== "string" || value === "") {
      throw new TypeError(`redisStream: ${name} must be a text that is not empty; got ${String(value)}`);
    }
  }
  const { lease = 30_000, settled, body = "body", key = "key" } = options;
  if (!Number.isSafeInteger(lease) || lease < 1) {
    throw new RangeError(`redisStream: lease must be a whole number of ms from 1; got ${String(lease)}`);
  }
  if (settled !== undefined && settled !== "delete" && settled !== "keep") {
    throw new TypeError(`redisStream: settled must be "delete" or "keep"; got ${String(settled)}`);
  }
  if (body === key) throw new TypeError(`redisStream: the body and the key cannot both be in the field ${body}`);
  return new Stream(client, options, lease);
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
};

/** How often to look for leases that have run out, in ms: no read lasts longer. With a short lease more often. */
const SWEEPING = 1_000;
/** How long to wait between two attempts to end the read, in ms: 630 together. */
const ENDING = [10, 20, 40, 80, 160, 320] as const;
/** How long a server may be silent when it should have answered, in ms. Then the connection is given up. */
const SILENCE = 5_000;

/** A read that is under way, or a sweep. */
interface Asked {
  readonly connection: Connection;
  /** When it should have been answered: epoch ms. */
  readonly until: number;
  /** Closed when it was answered, or failed. */
  readonly over: Chan<never>;
  result: { readonly got: readonly RedisDelivery[] } | { readonly error: unknown } | undefined;
}

class Stream implements RedisStream {
  readonly lease: number;
  readonly deadLetter?: Source<RedisDelivery>["deadLetter"] & {};
  private readonly client: RedisClient;
  private readonly send: Send;
  private readonly options: RedisStreamOptions;
  private readonly consumer: string;
  private readonly stream: string;
  private readonly delayed: string;
  private readonly turn: semaphore.Weighted = new semaphore.Weighted(1);
  private connecting: Promise<Connection> | undefined;
  private current: Connection | undefined;
  private asked: Asked | undefined;
  /** How many wait for what was asked. */
  private waiting = 0;
  /** Ends with close. */
  private readonly life: Context;
  private readonly end: context.CancelFunc;
  private readonly givingBack: sync.WaitGroup = new sync.WaitGroup();
  /** By the id in the stream: the last delivery of what has no verdict. */
  private readonly held: Map<string, RedisDelivery> = new Map();
  /** What has a verdict, though nobody waited for the answer: told again, the server would call it lost. */
  private readonly counted: WeakSet<RedisDelivery> = new WeakSet();
  private delivered = 0;
  /** When to look for what has to be delivered again: epoch ms. */
  private sweepAt = 0;
  /** When something becomes due that was nacked since the last sweep began: epoch ms. */
  private nacked = Infinity;
  private cursor = "0-0";

  constructor(client: RedisClient, options: RedisStreamOptions, lease: number) {
    this.client = client;
    this.send = senderOf(client);
    this.options = options;
    this.lease = lease;
    this.consumer = options.consumer ?? `headgate-${crypto.randomUUID()}`;
    const prefix = prefixOf(client);
    this.stream = prefix + options.stream;
    this.delayed = `${this.stream}:${options.group}:delayed`;
    const { deadLetters } = options;
    if (deadLetters !== undefined) this.deadLetter = (ctx, items) => this.bury(ctx, items, prefix + deadLetters);
    [this.life, this.end] = context.withCancel(context.background());
  }

  // -------------------------------------------------------------------------------------------------------------------- pull

  pull = async (ctx: Context, max: number): Promise<readonly RedisDelivery[]> => {
    try {
      await this.turn.acquire(1, ctx);
    } catch {
      return [];
    }
    try {
      for (;;) {
        if (this.life.err() !== undefined) throw new Error("redisStream: pull after close()");
        if (this.asked === undefined) {
          if (ctx.err() !== undefined) return [];
          const connection = await this.connected(ctx);
          if (connection === undefined) return [];
          this.ask(connection, ctx, max);
        }
        const got = await this.answer(this.asked!, ctx);
        if (got === undefined) return [];
        if (got.length > max) this.giveBack(got.slice(max));
        if (got.length > 0) return got.slice(0, max);
      }
    } finally {
      this.turn.release(1);
    }
  };

  /** The connection for the reads; `undefined` if ctx ends before there is one. */
  private async connected(ctx: Context): Promise<Connection | undefined> {
    this.connecting ??= this.open();
    try {
      return await context.wait(this.connecting, ctx);
    } catch (error) {
      if (ctx.err() !== undefined) return undefined;
      throw new Error("redisStream: there is no connection", { cause: error });
    }
  }

  private async open(): Promise<Connection> {
    const [ctx, cancel] = context.withTimeout(this.life, SILENCE);
    using _ = cancel;
    let connection: Connection | undefined;
    try {
      connection = await connect(ctx, this.client);
      await context.wait(this.createGroup(connection), ctx);
      this.current = connection;
      return connection;
    } catch (error) {
      connection?.close();
      this.connecting = undefined;
      throw error;
    }
  }

  private async createGroup({ send }: Connection): Promise<void> {
    try {
      await send("EVAL", CREATE, "1", this.stream, this.options.group);
    } catch (error) {
      if (!isReply(error, "BUSYGROUP")) throw error;
    }
  }

  /** Asks for messages: old ones if it is time to look for them, else new ones. */
  private ask(connection: Connection, ctx: Context, max: number): void {
    const now = time.now();
    const sweeps = now >= this.sweepAt;
    const deadline = ctx.deadline() ?? Infinity;
    const block = sweeps ? 0 : Math.max(1, Math.ceil(Math.min(this.sweepAt, deadline) - now));
    const asked: Asked = { connection, until: now + block, over: new Chan(), result: undefined };
    const end = (result: Asked["result"] & {}): void => {
      asked.result = result;
      this.asked = undefined;
      asked.over.close();
      if ("error" in result) this.drop(connection);
      else if (this.waiting === 0) this.giveBack(result.got);
    };
    this.asked = asked;
    (sweeps ? this.sweep(connection, max) : this.read(connection, max, block)).then(
      (got) => end({ got }),
      (error: unknown) => {
        if (!isReply(error, "NOGROUP")) return end({ error });
        // Somebody has deleted the stream.
        return this.createGroup(connection).then(
          () => end({ got: [] }),
          (error: unknown) => end({ error }),
        );
      },
    );
  }

  private async read({ send }: Connection, max: number, block: number): Promise<readonly RedisDelivery[]> {
    const how = ["COUNT", String(max), "BLOCK", String(block), "STREAMS", this.stream, ">"];
    const reply = await send("XREADGROUP", "GROUP", this.options.group, this.consumer, ...how);
    return entriesOf(reply).map(([entry, fields]) => this.receive(entry, fields, 1));
  }

  private async sweep({ send }: Connection, max: number): Promise<readonly RedisDelivery[]> {
    this.nacked = Infinity;
    const reply = await send(...this.script(SWEEP, [], [String(this.lease), String(max), this.cursor]));
    const [cursor, soonest, entries] = reply as readonly [
      string,
      unknown,
      readonly (readonly [string, string[], unknown])[],
    ];
    this.cursor = cursor;
    const now = time.now();
    // Some clients are told to make numbers texts.
    const due = Number(soonest);
    // If there was something, or not all was seen, there may be more.
    const next = entries.length > 0 ? 0 : cursor === "0-0" ? Math.min(SWEEPING, this.lease / 4) : 20;
    this.sweepAt = Math.min(now + next, due < 0 ? Infinity : now + due, this.nacked);
    return entries.map(([entry, fields, count]) => this.receive(entry, fields, Number(count)));
  }

  private receive(entry: string, fields: readonly string[], attempt: number): RedisDelivery {
    const { body, key } = this.options;
    const delivery = toDelivery(`${entry}.${++this.delivered}`, entry, fields, attempt, body, key);
    this.held.set(entry, delivery);
    return delivery;
  }

  /** Waits for the answer; `undefined` if ctx has ended, and it did not come soon after. */
  private async answer(asked: Asked, ctx: Context): Promise<readonly RedisDelivery[] | undefined> {
    const silent = new time.Timer(asked.until + SILENCE - time.now());
    this.waiting++;
    try {
      const { over } = asked;
      const first = await select({ over, silent: silent.c, ended: ctx.done() });
      if (first.case === "silent") {
        this.drop(asked.connection);
        throw new Error(`redisStream: the server has been silent for ${SILENCE} ms`);
      }
      if (first.case === "ended" && !(await this.endRead(asked))) return undefined;
    } finally {
      this.waiting--;
      silent.stop();
    }
    const result = asked.result!;
    if ("got" in result) return result.got;
    if (ctx.err() !== undefined) return [];
    throw result.error;
  }

  /** Asks the server to end the read. False if it does not answer. */
  private async endRead({ over, connection }: Asked): Promise<boolean> {
    for (const pause of ENDING) {
      this.unblock(connection);
      // It is not blocked if the request to end it overtakes the read itself. So it is asked again.
      const got = await select({ over, again: time.after(pause) });
      if (got.case === "over") return true;
    }
    return false;
  }

  private unblock({ id }: Connection): void {
    // Who may not do that waits until the read ends by itself.
    this.send("CLIENT", "UNBLOCK", id).catch(() => {});
  }

  private drop(connection: Connection): void {
    connection.close();
    if (connection !== this.current) return;
    this.current = undefined;
    this.connecting = undefined;
  }

  /** Releases what came when nobody waited for it any more. If that fails, it comes back when its lease has run out. */
  private giveBack(got: readonly RedisDelivery[]): void {
    if (got.length === 0) return;
    const [ctx, cancel] = context.withTimeout(context.background(), SILENCE);
    const items = got.map((delivery): Nack<RedisDelivery> => ({ delivery, delay: 0, why: "released" }));
    this.givingBack.add(1);
    this.nack(ctx, items)
      .catch(() => {})
      .finally(() => {
        cancel();
        this.givingBack.done();
      });
  }

  // ---------------------------------------------------------------------------------------------------------------- verdicts

  ack = (ctx: Context, deliveries: readonly RedisDelivery[]): Promise<readonly RedisDelivery[]> =>
    this.settle(ctx, deliveries, (held) =>
      this.script(
        ACK,
        [],
        [this.options.settled ?? "", ...held.flatMap(({ entry, attempt }) => [entry, String(attempt)])],
      ),
    );

  nack = async (ctx: Context, items: readonly Nack<RedisDelivery>[]): Promise<readonly RedisDelivery[]> => {
    const how = new Map(items.map((item) => [item.delivery.id, item]));
    const all = items.map(({ delivery }) => delivery);
    const lost = await this.settle(ctx, all, (held) => {
      const told = held.flatMap(({ id, entry, attempt }) => {
        const { delay, why } = how.get(id)!;
        const count = why === "released" ? attempt - 1 : attempt;
        return [entry, String(attempt), String(count), String(Math.max(0, Math.ceil(delay)))];
      });
      return this.script(NACK, [], [String(this.lease), ...told]);
    });
    // Our own pull knows at once, and others when they sweep.
    const due = time.now() + Math.min(...items.map(({ delay }) => Math.max(0, Math.ceil(delay))));
    this.nacked = Math.min(this.nacked, due);
    this.sweepAt = Math.min(this.sweepAt, due);
    if (this.asked !== undefined && due < this.asked.until) this.unblock(this.asked.connection);
    return lost;
  };

  extend = (ctx: Context, deliveries: readonly RedisDelivery[]): Promise<readonly RedisDelivery[]> =>
    this.settle(
      ctx,
      deliveries,
      (held) =>
        this.script(
          EXTEND,
          [],
          held.flatMap(({ entry, attempt }) => [entry, String(attempt)]),
        ),
      "held",
    );

  private bury(
    ctx: Context,
    items: readonly Dead<RedisDelivery>[],
    deadLetters: string,
  ): Promise<readonly RedisDelivery[]> {
    const why = new Map(items.map(({ delivery, error }) => [delivery.id, String(error)]));
    const all = items.map(({ delivery }) => delivery);
    return this.settle(ctx, all, (held) => {
      const told = held.flatMap(({ id, entry, attempt }) => [entry, String(attempt), why.get(id)!]);
      return this.script(BURY, [deadLetters], [this.options.settled ?? "", ...told]);
    });
  }

  /** Tells Redis of those that are held, and forgets them, unless they still are. Returns those that were lost. */
  private async settle(
    ctx: Context,
    deliveries: readonly RedisDelivery[],
    command: (held: readonly RedisDelivery[]) => readonly string[],
    then?: "held",
  ): Promise<readonly RedisDelivery[]> {
    const err = ctx.err();
    if (err !== undefined) throw err;
    const isHeld = ({ id, entry }: RedisDelivery): boolean => this.held.get(entry)?.id === id;
    const told = new Map(deliveries.filter(isHeld).map((delivery) => [delivery.id, delivery]));
    if (told.size > 0) {
      const answer = this.lostOf([...told.values()], command);
      let lost: ReadonlySet<string>;
      try {
        lost = await context.wait(answer, ctx);
      } catch (error) {
        const count = (lost: ReadonlySet<string>): void => {
          for (const delivery of told.values()) if (!lost.has(delivery.entry)) this.counted.add(delivery);
        };
        if (then !== "held") answer.then(count, () => {});
        throw error;
      }
      // Only now is it forgotten: had the call failed, the next would be told of all the same ones. It may have come again meanwhile.
      for (const delivery of told.values()) {
        const isLost = lost.has(delivery.entry);
        if (isLost) told.delete(delivery.id);
        if ((isLost || then !== "held") && isHeld(delivery)) this.held.delete(delivery.entry);
      }
    }
    return deliveries.filter((delivery) => !told.has(delivery.id) && !this.counted.has(delivery));
  }

  /** Sends a command about these, which returns the ids of those that were lost: all, if the group is gone. */
  private async lostOf(
    told: readonly RedisDelivery[],
    command: (told: readonly RedisDelivery[]) => readonly string[],
  ): Promise<ReadonlySet<string>> {
    try {
      return new Set((await this.send(...command(told))) as readonly string[]);
    } catch (error) {
      if (!isReply(error, "NOGROUP")) throw error;
      return new Set(told.map(({ entry }) => entry));
    }
  }

  private script(text: string, keys: readonly string[], args: readonly string[]): readonly string[] {
    const all = [this.stream, this.delayed, ...keys];
    return ["EVAL", text, String(all.length), ...all, this.options.group, this.consumer, ...args];
  }

  // ------------------------------------------------------------------------------------------------------------------- other

  publish = async (body: string, options: RedisPublishOptions = {}, ctx?: Context): Promise<string> => {
    const fields = toFields(body, options, this.options.body, this.options.key);
    return (await context.wait(this.send("XADD", this.stream, "*", ...fields), ctx)) as string;
  };

  close = async (): Promise<void> => {
    this.end();
    if (this.asked !== undefined) await this.endRead(this.asked);
    const connection = await this.connecting?.catch(() => undefined);
    if (connection !== undefined) this.drop(connection);
    await this.givingBack.wait();
  };
}
