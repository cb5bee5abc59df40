/**
 * The source of postgres: pulls and publishes. Its verdicts are in verdicts.ts.
 *
 * A pull is one statement. If no message is due, the statement says when the next one will be. The pull waits until
 * then, until the next poll, or until it is notified:
 *
 *     pull ──▶ statement ──▶ rows ──────────────────────────────▶ return
 *                ▲  │ nothing due
 *                │  ▼
 *                └─ wait for: due time | poll | notification | end of ctx
 *
 * A statement that is under way cannot be taken back: the server may have leased rows already. So a pull whose ctx ends
 * waits for it, at most `LATE_ANSWER_MS`, and returns what it leased. If the answer comes later, its rows are "late":
 * they belong to no pull.
 *
 * Invariants:
 * - Late rows go to the next pull, or are released at once if none waits. None of them sits out its lease here.
 * - Without a pull for a second, the queue holds no connection.
 * - See sql.ts for those about the rows.
 */
import { context, type Context, select, time } from "../../index.ts";
import { hasMethod } from "../../internal/foreign.ts";
import { Notify } from "../../internal/notify.ts";
import { monotonic } from "../../internal/runtime.ts";
import { onlyKnown } from "../../internal/args.ts";
import type { Dead, Nack } from "../source.ts";
import { explained } from "./errors.ts";
import { listenerOf, type Subscriber } from "./listen.ts";
import { lastKeyOf, mustBePublishable, toDelivery } from "./message.ts";
import type { PulledRow, Statements } from "./sql.ts";
import type { PostgresDelivery, PostgresPool, PostgresPublishOptions, PostgresQueue } from "./types.ts";
import { Verdicts } from "./verdicts.ts";

/** The wait of a pull whose ctx has ended for its statement. */
const LATE_ANSWER_MS = 500;
/** Time without a pull after which the connection that listens is released. */
const IDLE_MS = 1_000;
/**
 * The time after a pull that found no message with a key, in which pulls look for those without one alone. If there are
 * none of these either, they look for all.
 */
const KEYLESS_MS = 100;
/** Time until the next look if another pull is about to take what is due. */
const BUSY_MS = 20;
/** Tries of a statement that collides with those of other transactions. */
const MAX_TRIES = 5;
/**
 * The SQLSTATEs of a collision: another transaction leased a message of the same key first, or the two wait for each
 * other.
 */
const COLLISIONS: readonly unknown[] = ["23505", "40P01", "40001"];

const PUBLISH_OPTIONS: Readonly<Record<keyof PostgresPublishOptions, true>> = {
  key: true,
  attributes: true,
  delay: true,
  client: true,
};

interface Settings {
  readonly channel: string;
  readonly queue: string;
  readonly lease: number;
  readonly poll: number;
  readonly listen: boolean;
}

/** The result of a statement: deliveries, or how many ms to wait for the next look. */
interface Pulled {
  readonly deliveries: PostgresDelivery[];
  readonly wait: number;
}

export class Queue implements PostgresQueue {
  readonly lease: number;
  private readonly pool: PostgresPool;
  private readonly sql: Statements;
  private readonly settings: Settings;
  private readonly verdicts: Verdicts;
  private readonly subscriber: Subscriber;
  private isSubscribed = false;
  /** Pulls that are under way. */
  private pulls = 0;
  /** Unsubscribes; set while there is no pull. */
  private idle: time.Timer | undefined;
  private isClosed = false;
  /** The key after which the next pull begins: the keys take turns. */
  private lastKey = "";
  /** The monotonic time until which pulls look for messages without a key alone. */
  private keylessUntil = 0;
  /** Notifies the waiting pulls that something may have become due. */
  private readonly changed: Notify = new Notify();
  /** Rows of statements whose pull had returned. Empty while there is no pull. */
  private readonly lateRows: PostgresDelivery[] = [];

  constructor(pool: PostgresPool, sql: Statements, settings: Settings) {
    this.pool = pool;
    this.sql = sql;
    this.settings = settings;
    this.lease = settings.lease;
    const notify = (): void => this.changed.notifyAll();
    this.verdicts = new Verdicts(pool, sql, settings.queue, settings.lease, notify);
    this.subscriber = { channel: settings.channel, queue: settings.queue, notify };
  }

  // -------------------------------------------------------------------------------------------------------------- pull

  pull = async (ctx: Context, max: number): Promise<readonly PostgresDelivery[]> => {
    this.pulls++;
    this.idle?.stop();
    this.idle = undefined;
    try {
      for (;;) {
        if (this.isClosed) throw new Error("postgresQueue: pull after close()");
        if (this.lateRows.length > 0) return this.lateRows.splice(0, max);
        if (ctx.err() !== undefined) return [];
        // Before the statement: a notification that comes while it runs must not be missed.
        const changed = this.changed.notified();
        const { deliveries, wait } = await this.runPull(ctx, max);
        if (deliveries.length > 0) return deliveries;
        if (ctx.err() !== undefined || this.lateRows.length > 0) continue;
        const due = time.after(Math.min(wait, this.settings.poll, this.subscribe()));
        await select({ changed, due, done: ctx.done() });
      }
    } finally {
      this.pulls--;
      this.releaseIdle();
    }
  };

  /**
   * Runs the statement. If ctx ends, it waits `LATE_ANSWER_MS` for the answer, and then leaves it to {@link
   * onLateRows}.
   */
  private async runPull(ctx: Context, max: number): Promise<Pulled> {
    const pulling = this.queryPull(max);
    try {
      return await context.wait(pulling, ctx);
    } catch (error) {
      if (ctx.err() === undefined) throw explained("the pull failed", error);
    }
    // oxlint-disable-next-line headgate/background -- ctx has ended, and the answer may still come
    const [limit, cancel] = context.withTimeout(context.background(), LATE_ANSWER_MS);
    using _ = cancel;
    try {
      return await context.wait(pulling, limit);
    } catch {
      // A late failure is ignored: the caller has stopped, and the next pull would fail, too.
      void pulling.then(
        ({ deliveries }) => this.onLateRows(deliveries),
        () => {},
      );
      return { deliveries: [], wait: 0 };
    }
  }

  private async queryPull(max: number): Promise<Pulled> {
    const { queue, lease } = this.settings;
    if (monotonic() < this.keylessUntil) {
      const { rows } = await this.pool.query(this.sql.pullKeyless, [queue, max, lease]);
      if (rows.length > 0) return { deliveries: rows.map(toDelivery), wait: 0 };
    }
    for (let tries = 1; ; tries++) {
      try {
        const { rows } = (await this.pool.query(this.sql.pull, [queue, max, lease, this.lastKey])) as {
          rows: PulledRow[];
        };
        const [first] = rows;
        this.lastKey = lastKeyOf(rows, this.lastKey);
        if (first?.keyed === false) this.keylessUntil = monotonic() + KEYLESS_MS;
        if (first === undefined || first.id !== null) return { deliveries: rows.map(toDelivery), wait: 0 };
        // A timer may fire a little early by another machine's clock. So the look is never sooner than a ms from now.
        const wait = first.busy ? BUSY_MS : first.wait === null ? Infinity : Math.max(1, Math.ceil(first.wait));
        return { deliveries: [], wait };
      } catch (error) {
        if (tries === MAX_TRIES || !COLLISIONS.includes((error as { code?: unknown } | null)?.code)) throw error;
      }
    }
  }

  /** Takes the rows of a statement whose pull had returned. */
  private onLateRows(deliveries: readonly PostgresDelivery[]): void {
    this.lateRows.push(...deliveries);
    if (this.pulls > 0) this.changed.notifyAll();
    else this.releaseIdle();
  }

  /** Without a pull, releases late rows at once, and the connection after `IDLE_MS`. */
  private releaseIdle(): void {
    if (this.pulls > 0) return;
    const items = this.lateRows.splice(0).map((delivery) => ({ delivery, delay: 0, reason: "released" as const }));
    // If this fails too, the rows come again when their leases end.
    if (items.length > 0) this.nack(context.background(), items).catch(() => {});
    if (this.isSubscribed) this.idle ??= time.afterFunc(IDLE_MS, () => this.unsubscribe());
  }

  /** Subscribes to notifications. Returns the ms after which to subscribe again. */
  private subscribe(): number {
    if (!this.settings.listen) return Infinity;
    this.isSubscribed = true;
    return listenerOf(this.pool).subscribe(this.subscriber);
  }

  private unsubscribe(): void {
    this.idle?.stop();
    this.idle = undefined;
    this.isSubscribed = false;
    listenerOf(this.pool).unsubscribe(this.subscriber);
  }

  close = (): void => {
    this.isClosed = true;
    this.unsubscribe();
    this.changed.notifyAll();
  };

  // ---------------------------------------------------------------------------------------------------------- verdicts

  ack = (ctx: Context, deliveries: readonly PostgresDelivery[]): Promise<readonly PostgresDelivery[]> =>
    this.verdicts.ack(ctx, deliveries);

  nack = (ctx: Context, items: readonly Nack<PostgresDelivery>[]): Promise<readonly PostgresDelivery[]> =>
    this.verdicts.nack(ctx, items);

  deadLetter = (ctx: Context, items: readonly Dead<PostgresDelivery>[]): Promise<readonly PostgresDelivery[]> =>
    this.verdicts.deadLetter(ctx, items);

  extend = (ctx: Context, deliveries: readonly PostgresDelivery[]): Promise<readonly PostgresDelivery[]> =>
    this.verdicts.extend(ctx, deliveries);

  // ----------------------------------------------------------------------------------------------------------- publish

  publish = async (bodies: readonly string[], options: PostgresPublishOptions = {}): Promise<void> => {
    options = onlyKnown("publish", options, PUBLISH_OPTIONS);
    const { key, attributes, delay = 0, client = this.pool } = options;
    mustBePublishable(bodies, key, attributes, delay);
    if (!hasMethod(client, "query")) throw new TypeError("publish: the client must be a client of pg");
    if (bodies.length === 0) return;
    const each = <T>(value: T): T[] => bodies.map(() => value);
    const json = attributes === undefined ? null : JSON.stringify(attributes);
    const values = [this.settings.queue, bodies, each(key ?? null), each(json), delay];
    await client.query(this.sql.publish, values).catch((error: unknown) => {
      throw explained("nothing was published", error);
    });
    this.changed.notifyAll();
  };

  size = async (): Promise<number> => {
    const { rows } = await this.pool.query(this.sql.size, [this.settings.queue]);
    return (rows[0] as { size: number }).size;
  };
}
