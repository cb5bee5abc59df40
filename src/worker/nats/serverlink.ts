/**
 * The link to the server: a connection of the client, and whether a server answers at its other end.
 *
 * Invariants:
 * - During a cut the client drops what is published, or sends all of it when it is connected again. So after a cut, or
 *   when an answer is overdue, nothing is published before the server has answered a ping.
 * - Two unanswered pings in a row are the end of a connection: something in between has forgotten it, and neither side
 *   would notice for minutes. The client is asked to connect again.
 * - The server reports a missing permission once, to the connection as a whole. The request that lacked it is notified.
 */
import { context, type Context, type RecvChan } from "../../index.ts";
import { Notify } from "../../internal/notify.ts";
import { monotonic } from "../../internal/runtime.ts";
import type { NatsConnection, NatsStatus } from "./types.ts";

/** Time limit for the answer to a ping, in ms. */
const PONG_TIMEOUT = 900;
/** Time after the first unanswered ping at which the connection is given up, in ms: by then there was a second one. */
const SILENCE = 800;

/** Called with an operation that the user of the connection may not do. No answer to it will come. */
type OnDenied = (operation: "publish" | "subscription", subject: string) => void;

export class ServerLink {
  readonly connection: NatsConnection;
  readonly denied: Set<OnDenied> = new Set();
  private readonly cuts: Notify = new Notify();
  /** Number of reasons to ping before anything is published. */
  private doubts = 0;
  /** When a ping was first not answered, on the monotonic clock, if none was answered since. */
  private silentSince: number | undefined;

  constructor(connection: NatsConnection) {
    this.connection = connection;
    // If the client reports nothing more, pings find out.
    this.watch().catch(() => {});
  }

  /**
   * Closes when the connection is cut. Take it before you publish: what was published may not have arrived then, and no
   * answer to it comes.
   */
  cut(): RecvChan<never> {
    return this.cuts.notified();
  }

  private async watch(): Promise<void> {
    try {
      for await (const status of this.connection.status()) {
        if (status.type === "disconnect") this.onCut();
        else if (status.type === "error") this.onError(status);
      }
    } finally {
      this.onCut();
    }
  }

  private onCut(): void {
    this.doubt();
    this.cuts.notifyAll();
  }

  private onError(status: NatsStatus): void {
    const { operation, subject } = (status.permissionContext ?? status.error ?? {}) as Record<string, unknown>;
    if (typeof subject !== "string" || (operation !== "publish" && operation !== "subscription")) return;
    for (const onDenied of this.denied) onDenied(operation, subject);
  }

  /** An answer did not come: the server must answer a ping first. */
  doubt(): void {
    this.doubts++;
  }

  /** Returns when the server is reachable, as far as is known. Rejects if it is not, and when ctx ends. */
  async reach(ctx: Context): Promise<void> {
    const err = ctx.err();
    if (err !== undefined) throw err;
    while (this.doubts > 0) {
      const { doubts } = this;
      const [limit, cancel] = context.withTimeout(ctx, PONG_TIMEOUT);
      using _ = cancel;
      try {
        const pong = this.connection.flush();
        // It may reject after its time limit.
        pong.catch(() => {});
        await context.wait(pong, limit);
      } catch (error) {
        const err = ctx.err();
        if (err !== undefined) throw err;
        this.mustBeOpen(error);
        this.onSilence();
        throw new Error("natsConsumer: the server does not answer; is the connection down?", { cause: error });
      }
      this.silentSince = undefined;
      if (this.doubts === doubts) this.doubts = 0;
    }
  }

  /** Throws if the client has closed the connection for good. */
  mustBeOpen(cause?: unknown): void {
    if (this.connection.isClosed?.() !== true) return;
    throw new Error("natsConsumer: the connection is closed; make another one, with a source of its own", { cause });
  }

  /** A ping was not answered. If the client is connecting already, `reconnect` does nothing. */
  private onSilence(): void {
    const now = monotonic();
    this.silentSince ??= now;
    if (now - this.silentSince < SILENCE) return;
    this.silentSince = undefined;
    try {
      this.connection.reconnect?.().catch(() => {});
    } catch {
      // It is closed, or cannot reconnect: the next ping finds out.
    }
  }
}
