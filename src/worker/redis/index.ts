/**
 * `headgate/worker/redis`: a stream of Redis, read by a consumer group, as a source; over the package `redis` or `ioredis`.
 *
 * Invariants:
 * - The pull reads on a connection of its own, and that is never cut to end the pull: the server may have assigned messages to it.
 *   It is asked to end the read (CLIENT UNBLOCK), and says either that there was nothing, or what it was.
 * - One read is under way at most. If the server does not answer in time, the pull returns without it; what the answer brings is for
 *   the next pull, or is given back.
 * - Verdicts have a connection of their own, too: a command is never kept for later, and a connection on which nothing comes back is
 *   given up within a lease. What they say, and when they count, is in redis-verdicts.ts; what the server does then in redis-scripts.ts.
 * - It reads before it makes the group: a server whose memory is full refuses to make one, and yet can be drained.
 * - No consumer is ever deleted: XGROUP DELCONSUMER deletes the messages it holds, too.
 */
import { given } from "../../internal/foreign.ts";
import { Chan, context, type Context, select, semaphore, sync, time } from "../../index.ts";
import { monotonic } from "../../internal/runtime.ts";
import { onlyKnown } from "../../internal/args.ts";
import {
  checkClient,
  connect,
  type Connection,
  databaseOf,
  prefixOf,
  type RedisClient,
  Renewed,
  type Send,
  senderOf,
} from "./client.ts";
import { explained, isReply } from "./errors.ts";
import { compareEntries, entriesOf, toDelivery, toFields } from "./message.ts";
import { ADMIT, CREATE, SWEEP } from "./scripts.ts";
import { Verdicts } from "./verdicts.ts";
import type { Delivery, Nack, Source } from "../source.ts";

export type { IoRedisClient, NodeRedisClient, RedisClient } from "./client.ts";

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
  /**
   * Of messages with one key, one is handled at a time, and in order: among all the consumers of the "group", or by each "consumer" for
   * itself, which asks less of the server. All consumers of a group must say the same. "group"
   */
  readonly ordering?: "group" | "consumer";
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
   * Closes the connections of the source, when the read that is under way has ended, and what nobody waited for is given back: a server that
   * does not answer is given 6 s for that, and then they are cut. Pulls and verdicts reject from now on. The client stays open: it is yours.
   */
  readonly close: () => Promise<void>;
}

/**
 * Makes a source of a stream. Nothing happens before the first pull. The client publishes; the pulls have a connection of their own, and
 * so have the verdicts. These are duplicates of the client, which are made again after a cut, and when nothing comes back on them for as
 * long as a lease, five seconds at most. Call `close` at the end, or they keep the process alive.
 *
 * Needs Redis 6.2. Beside the stream there are three sorted sets, `<stream>:<group>:delayed`, `…:keys` and `…:told`. The keys are those of
 * the client's database, and have the `keyPrefix` that it may have. In a cluster use one client for the node that has the stream, and give
 * all keys the same hash tag. A user with few rights needs those to use these keys and for `client|id`, `client|info` and `client|unblock`.
 *
 * **Ordering**: messages come in the order of the stream. Of those with one key, in the whole group, the first without a verdict is given
 * out, and what follows it to the same consumer alone; one that has failed keeps its place, and those behind it wait. After a consumer has
 * died, they wait for its lease. See the option `ordering`.
 *
 * **Errors**: TypeError or RangeError for a client of a cluster, and for options that make no sense. When the server is away, or refuses,
 * pulls and verdicts reject, and the message says why and what to do. If the stream or the group is deleted, it is made again, and what was
 * held is lost.
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
  ordering: true,
};

/** How often to look for leases that have run out, in ms: no read lasts longer. With a short lease more often. */
const SWEEPING = 1_000;
/** How long to wait between two attempts to end the read, in ms: 630 together. */
const ENDING = [10, 20, 40, 80, 160, 320] as const;
/** How long a server may be silent when it should have answered, in ms, where a lease is not shorter. Then the connection is given up. */
const SILENCE = { least: 1_000, most: 5_000 } as const;

/** A read that is under way, or a sweep. */
interface Asked {
  readonly connection: Connection;
  /** When it should have been answered: on the monotonic clock. */
  readonly until: number;
  /** Closed when it was answered, or failed. */
  readonly over: Chan<never>;
  result: { readonly got: readonly RedisDelivery[] } | { readonly error: unknown } | undefined;
}

class Stream implements RedisStream {
  readonly lease: number;
  readonly deadLetter?: Source<RedisDelivery>["deadLetter"] & {};
  private readonly send: Send;
  private readonly options: RedisStreamOptions;
  private readonly consumer: string;
  private readonly stream: string;
  /** The stream, the due, the lines, the notes: see redis-scripts.ts. */
  private readonly keys: readonly [string, string, string, string];
  /** The field with the key, if lines are kept for all consumers. */
  private readonly lined: string;
  private readonly verdicts: Verdicts;
  private readonly turn: semaphore.Weighted = new semaphore.Weighted(1);
  private readonly reading: Renewed;
  private readonly telling: Renewed;
  /** Which database the client uses, as it said last. */
  private database: string | undefined;
  private asked: Asked | undefined;
  /** How many wait for what was asked. */
  private waiting = 0;
  /** Ends with close. */
  private readonly life: Context;
  private readonly end: context.CancelFunc;
  private readonly endTelling: context.CancelFunc;
  private readonly givingBack: sync.WaitGroup = new sync.WaitGroup();
  private isClosed = false;
  private delivered = 0;
  /** When to look for what has to be delivered again: on the monotonic clock. */
  private sweepAt = 0;
  /** When something becomes due, as we were told since the last sweep began: on the monotonic clock. */
  private dueAt = Infinity;
  private cursor = "0-0";

  constructor(client: RedisClient, options: RedisStreamOptions, lease: number) {
    const { stream, group, deadLetters, key = "key", ordering = "group", settled = "" } = options;
    this.send = senderOf(client);
    this.options = options;
    this.lease = lease;
    this.consumer = options.consumer ?? `headgate-${crypto.randomUUID()}`;
    const prefix = prefixOf(client);
    this.stream = prefix + stream;
    const beside = `${this.stream}:${group}`;
    this.keys = [this.stream, `${beside}:delayed`, `${beside}:keys`, `${beside}:told`];
    this.lined = ordering === "group" ? key : "";
    [this.life, this.end] = context.withCancel(context.background());
    const silence = Math.min(Math.max(lease, SILENCE.least), SILENCE.most);
    this.reading = new Renewed(this.life, SILENCE.most, (ctx) =>
      connect(ctx, client, silence, async (ctx) => (this.database = await databaseOf(ctx, client, this.database))),
    );
    // What was read is told about in the same database.
    const [told, endTelling] = context.withCancel(context.background());
    this.endTelling = endTelling;
    this.telling = new Renewed(told, SILENCE.most, (ctx) =>
      connect(ctx, client, silence, () => Promise.resolve(this.database)),
    );
    this.verdicts = new Verdicts({
      send: (...args) => this.tell(args),
      keys: this.keys,
      group,
      consumer: this.consumer,
      settled,
      lease,
      due: (ms) => this.due(ms),
    });
    if (deadLetters !== undefined) {
      this.deadLetter = (ctx, items) => this.verdicts.bury(ctx, items, prefix + deadLetters);
    }
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
    try {
      return await context.wait(this.reading.get(), ctx);
    } catch (error) {
      if (ctx.err() !== undefined) return undefined;
      throw explained("the pull failed", error);
    }
  }

  /** Asks for messages: old ones if it is time to look for them, else new ones. */
  private ask(connection: Connection, ctx: Context, max: number): void {
    const now = monotonic();
    const sweeps = now >= this.sweepAt;
    const left = (ctx.deadline() ?? Infinity) - time.now();
    const block = sweeps ? 0 : Math.max(1, Math.ceil(Math.min(this.sweepAt - now, left)));
    const asked: Asked = { connection, until: now + block, over: new Chan(), result: undefined };
    const end = (result: Asked["result"] & {}): void => {
      asked.result = result;
      this.asked = undefined;
      asked.over.close();
      if ("error" in result) connection.close();
      else if (this.waiting === 0) this.giveBack(result.got);
    };
    this.asked = asked;
    (sweeps ? this.sweep(connection, max) : this.read(connection, max, block)).then(
      (got) => end({ got }),
      (error: unknown) => {
        if (!isReply(error, "NOGROUP")) return end({ error });
        // There is none yet, or somebody has deleted the stream.
        return this.createGroup(connection).then(
          () => end({ got: [] }),
          (error: unknown) => end({ error }),
        );
      },
    );
  }

  private async createGroup({ ask }: Connection): Promise<void> {
    const { group } = this.options;
    try {
      await ask(0, "EVAL", CREATE, "3", ...this.keys.slice(0, 3), group);
    } catch (error) {
      if (isReply(error, "BUSYGROUP")) return;
      throw explained(`the group ${group} of the stream ${this.stream} cannot be made`, error);
    }
  }

  private async read(connection: Connection, max: number, block: number): Promise<readonly RedisDelivery[]> {
    this.verdicts.turned.clear();
    const how = ["COUNT", String(max), "BLOCK", String(block), "STREAMS", this.stream, ">"];
    const reply = await connection.ask(block, "XREADGROUP", "GROUP", this.options.group, this.consumer, ...how);
    const got = entriesOf(reply).map(([entry, fields]) => this.deliveryOf(entry, fields, 1));
    const lined = this.lined === "" ? [] : got.filter(({ key }) => key !== undefined);
    return this.received(connection, got, lined);
  }

  private async sweep(connection: Connection, max: number): Promise<readonly RedisDelivery[]> {
    this.dueAt = Infinity;
    this.verdicts.turned.clear();
    const how = [this.lined, this.inHand(), String(this.lease), String(max), this.cursor];
    const reply = await connection.ask(0, ...this.script(SWEEP, how));
    const [cursor, soonest, entries] = reply as readonly [
      string,
      unknown,
      readonly (readonly [string, string[], unknown, string])[],
    ];
    this.cursor = cursor;
    const now = monotonic();
    // Some clients are told to make numbers texts.
    const due = Number(soonest);
    // If there was something, or not all was seen, there may be more.
    const next = entries.length > 0 ? 0 : cursor === "0-0" ? Math.min(SWEEPING, this.lease / 4) : 20;
    this.sweepAt = Math.min(now + next, due < 0 ? Infinity : now + due, this.dueAt);
    const got = entries.map(([entry, fields, count, line]) => {
      const delivery = this.deliveryOf(entry, fields, Number(count));
      if (line) this.verdicts.lines.set(delivery, line);
      return delivery;
    });
    return this.received(connection, got, []);
  }

  private deliveryOf(entry: string, fields: readonly string[], attempt: number): RedisDelivery {
    const { body, key } = this.options;
    return toDelivery(`${entry}.${++this.delivered}`, entry, fields, attempt, body, key);
  }

  /**
   * Which of these are given out: all but those that were parked. `unsure`: those of which the server must say it. That are also those of a
   * line of which one was nacked meanwhile: what is behind that one must not be given out before it, and the worker knows nothing of it.
   */
  private async received(
    connection: Connection,
    all: readonly RedisDelivery[],
    unsure: readonly RedisDelivery[],
  ): Promise<readonly RedisDelivery[]> {
    const { held, lines, turned } = this.verdicts;
    let given = all;
    for (let asked = unsure; ; asked = []) {
      const again = new Set([...asked, ...given.filter((delivery) => turned.has(lines.get(delivery) ?? ""))]);
      turned.clear();
      if (again.size === 0) break;
      const sorted = [...again].sort((a, b) => compareEntries(a.entry, b.entry));
      const args = [this.lined, this.inHand(), ...sorted.map(({ entry }) => entry)];
      const said = (await connection.ask(0, ...this.script(ADMIT, args))) as readonly string[];
      const parked = new Set(sorted.filter((_, i) => !said[i]));
      for (const [i, delivery] of sorted.entries()) if (said[i]) lines.set(delivery, said[i]);
      given = given.filter((delivery) => !parked.has(delivery));
    }
    for (const delivery of given) held.set(delivery.entry, delivery);
    return given;
  }

  /** The ids of what we hold that stands in a line. */
  private inHand(): string {
    const { held, lines } = this.verdicts;
    if (this.lined === "") return "";
    return [...held.values()].flatMap((delivery) => (lines.has(delivery) ? delivery.entry : [])).join(" ");
  }

  /** Waits for the answer; `undefined` if ctx has ended, and it did not come soon after. */
  private async answer(asked: Asked, ctx: Context): Promise<readonly RedisDelivery[] | undefined> {
    this.waiting++;
    try {
      const first = await select({ over: asked.over, ended: ctx.done() });
      if (first.case === "ended" && !(await this.endRead(asked))) return undefined;
    } finally {
      this.waiting--;
    }
    const result = asked.result!;
    if ("got" in result) return result.got;
    if (ctx.err() !== undefined) return [];
    throw explained("the pull failed", result.error);
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
    const { current } = this.telling;
    const command = ["CLIENT", "UNBLOCK", id];
    const asked = current === undefined || current.isClosed() ? this.send(...command) : current.ask(0, ...command);
    // Who may not do that waits until the read ends by itself.
    asked.catch(() => {});
  }

  /** Something is due in so many ms: we are told before a sweep would find it. */
  private due(ms: number): void {
    const at = monotonic() + ms;
    this.dueAt = Math.min(this.dueAt, at);
    this.sweepAt = Math.min(this.sweepAt, at);
    if (this.asked !== undefined && at < this.asked.until) this.unblock(this.asked.connection);
  }

  /** Releases what came when nobody waited for it any more. If that fails, it comes back when its lease has run out. */
  private giveBack(got: readonly RedisDelivery[]): void {
    if (got.length === 0) return;
    const [ctx, cancel] = context.withTimeout(context.background(), SILENCE.most);
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
    this.verdicts.ack(ctx, deliveries);

  nack = (ctx: Context, items: readonly Nack<RedisDelivery>[]): Promise<readonly RedisDelivery[]> =>
    this.verdicts.nack(ctx, items);

  extend = (ctx: Context, deliveries: readonly RedisDelivery[]): Promise<readonly RedisDelivery[]> =>
    this.verdicts.extend(ctx, deliveries);

  private async tell(args: readonly string[]): Promise<unknown> {
    if (this.isClosed) throw new Error("redisStream: a verdict after close()");
    const connection = await this.telling.get();
    return connection.ask(0, ...args);
  }

  private script(text: string, args: readonly string[]): readonly string[] {
    return ["EVAL", text, String(this.keys.length), ...this.keys, this.options.group, this.consumer, ...args];
  }

  // ------------------------------------------------------------------------------------------------------------------- other

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
    this.end();
    if (this.asked !== undefined) await this.endRead(this.asked);
    await this.reading.close();
    await this.givingBack.wait();
    this.isClosed = true;
    this.endTelling();
    await this.telling.close();
  };
}
