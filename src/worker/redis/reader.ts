/**
 * Pulls: one request for messages at a time, on a connection of its own.
 *
 * Invariants:
 * - The connection is never cut to end a pull: the server may have assigned messages to its read. CLIENT UNBLOCK ends
 *   the read, whose answer says whether it has brought any.
 * - At most one request is pending. If the server does not answer in time, the pull returns without it. The next pull
 *   takes the answer, or its messages are released.
 */
import { Chan, context, type Context, select, semaphore, sync, time } from "../../index.ts";
import { monotonic } from "../../internal/runtime.ts";
import type { Connection, Reconnecting } from "./client.ts";
import { explained } from "./errors.ts";
import type { ConsumerGroup } from "./group.ts";
import type { RedisDelivery } from "./types.ts";

/** Pauses between two attempts to end a read, in ms: 630 together. */
const UNBLOCK_PAUSES = [10, 20, 40, 80, 160, 320] as const;

/** A request that the server has not answered yet. */
interface PendingRead {
  readonly connection: Connection;
  /** When the server stops waiting for messages, on the monotonic clock. */
  readonly blockedUntil: number;
  /** Closed when there is a result. */
  readonly done: Chan<never>;
  result: { readonly got: readonly RedisDelivery[] } | { readonly error: unknown } | undefined;
}

export interface ReaderOptions {
  readonly group: ConsumerGroup;
  readonly connections: Reconnecting;
  /** Ends with `close`. */
  readonly life: Context;
  /** Asks the server, on another connection, to end what this one waits for. */
  readonly unblock: (connection: Connection) => void;
  /** Gives messages back to the server. */
  readonly release: (deliveries: readonly RedisDelivery[]) => Promise<unknown>;
}

export class Reader {
  private readonly options: ReaderOptions;
  /** One pull at a time waits for the pending read. */
  private readonly turn: semaphore.Weighted = new semaphore.Weighted(1);
  private pending: PendingRead | undefined;
  /** A pull waits for the pending read. */
  private isAwaited = false;
  private readonly releasing: sync.WaitGroup = new sync.WaitGroup();

  constructor(options: ReaderOptions) {
    this.options = options;
  }

  async pull(ctx: Context, max: number): Promise<readonly RedisDelivery[]> {
    try {
      await this.turn.acquire(1, ctx);
    } catch {
      return [];
    }
    try {
      for (;;) {
        if (this.options.life.err() !== undefined) throw new Error("redisStream: pull after close()");
        if (this.pending === undefined) {
          if (ctx.err() !== undefined) return [];
          const connection = await this.connected(ctx);
          if (connection === undefined) return [];
          this.start(connection, ctx, max);
        }
        const got = await this.answerOf(this.pending!, ctx);
        if (got === undefined) return [];
        if (got.length > max) this.releaseIdle(got.slice(max));
        if (got.length > 0) return got.slice(0, max);
      }
    } finally {
      this.turn.release(1);
    }
  }

  /** The connection for the reads; `undefined` if ctx ends before there is one. */
  private async connected(ctx: Context): Promise<Connection | undefined> {
    try {
      return await context.wait(this.options.connections.get(), ctx);
    } catch (error) {
      if (ctx.err() !== undefined) return undefined;
      throw explained("the pull failed", error);
    }
  }

  /** Sends a request for messages. */
  private start(connection: Connection, ctx: Context, max: number): void {
    const left = (ctx.deadline() ?? Infinity) - time.now();
    const block = this.options.group.blockFor(left);
    this.pending = { connection, blockedUntil: monotonic() + block, done: new Chan(), result: undefined };
    void this.finish(this.pending, this.options.group.request(connection, max, block));
  }

  /** Waits for the answer to a request. Messages that no pull waits for are released. */
  private async finish(pending: PendingRead, answer: Promise<readonly RedisDelivery[]>): Promise<void> {
    try {
      pending.result = { got: await answer };
    } catch (error) {
      pending.result = { error };
      pending.connection.close();
    }
    this.pending = undefined;
    pending.done.close();
    if ("got" in pending.result && !this.isAwaited) this.releaseIdle(pending.result.got);
  }

  /** Waits for the answer; `undefined` if ctx has ended, and it did not come soon after. */
  private async answerOf(pending: PendingRead, ctx: Context): Promise<readonly RedisDelivery[] | undefined> {
    this.isAwaited = true;
    try {
      const first = await select({ done: pending.done, ended: ctx.done() });
      if (first.case === "ended" && !(await this.endRead(pending))) return undefined;
    } finally {
      this.isAwaited = false;
    }
    const result = pending.result!;
    if ("got" in result) return result.got;
    if (ctx.err() !== undefined) return [];
    throw explained("the pull failed", result.error);
  }

  /** Asks the server to end a read. False if it does not answer. */
  private async endRead({ done, connection }: PendingRead): Promise<boolean> {
    for (const pause of UNBLOCK_PAUSES) {
      // A request that overtakes the read finds nothing to end. So it is repeated.
      this.options.unblock(connection);
      const first = await select({ done, again: time.after(pause) });
      if (first.case === "done") return true;
    }
    return false;
  }

  /**
   * A message becomes due in so many ms. Ends the pending read if that lasts longer, for a sweep to take the message.
   */
  onDue(ms: number): void {
    const at = monotonic() + ms;
    this.options.group.dueAt(at);
    if (this.pending !== undefined && at < this.pending.blockedUntil) this.options.unblock(this.pending.connection);
  }

  /** Releases messages that no pull wants. If that fails, they come back at the end of their lease. */
  private releaseIdle(got: readonly RedisDelivery[]): void {
    if (got.length === 0) return;
    this.releasing.add(1);
    this.options
      .release(got)
      .catch(() => {})
      .finally(() => this.releasing.done());
  }

  /** Ends the pending read, after which the messages of its answer are released, and closes the connection. */
  async close(): Promise<void> {
    if (this.pending !== undefined) await this.endRead(this.pending);
    await this.options.connections.close();
    await this.releasing.wait();
  }
}
