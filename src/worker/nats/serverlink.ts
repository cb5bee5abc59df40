/**
 * A connection of NATS, and whether somebody is at its other end, who lets us do what we ask.
 *
 * Invariants:
 * - The client forgets what is said while there is no connection, or says all of it when there is one again. So after a cut, or when an
 *   answer is overdue, nothing is said before the server has answered a ping.
 * - Two pings in a row that nobody has answered are the end of a connection: something between has forgotten it, and neither side would hear
 *   of that for minutes. The client is asked for another one.
 * - The server says once, and to nobody in particular, what the user may not do. Who has asked for it is told.
 */
import { Chan, context, type Context } from "../../index.ts";
import { monotonic } from "../../internal/runtime.ts";

/** What is needed of the headers of the client. */
export interface NatsHeaders {
  /** The status; 0 if there is none. */
  readonly code: number;
  /** The text of the status. */
  readonly description: string;
  /** The names. */
  keys(): Iterable<string>;
  /** The value of a name; empty if there is none. */
  get(key: string): string;
  /** Sets the value of a name. */
  set(key: string, value: string): void;
}

/** What is needed of a message of the client. */
export interface NatsMessage {
  /** The subject that it was sent to. */
  readonly subject: string;
  /** The payload. */
  readonly data: Uint8Array;
  /** The subject for an answer. */
  readonly reply?: string;
  /** The headers, if it has any. */
  readonly headers?: NatsHeaders;
}

/** What is needed of a connection: that of `@nats-io/transport-node`, `@nats-io/nats-core` (WebSockets), or `nats` from 2.7. */
export interface NatsConnection {
  /** Sends a message. Does not wait. */
  publish(subject: string, payload: Uint8Array, options?: { reply?: string; headers?: NatsHeaders }): void;
  /** Calls back with each message of a subject. */
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: NatsMessage) => void },
  ): { unsubscribe(): void };
  /** Resolves when the server has all that was sent. */
  flush(): Promise<void>;
  /** What happens to the connection. */
  status(): AsyncIterable<NatsStatus>;
  /** Makes the client take another connection: asked for when nothing comes back. Absent: the client finds out by its own pings. */
  reconnect?(): Promise<void>;
  /** Whether the connection is closed for good. */
  isClosed?(): boolean;
}

/** What the client tells of its connection: a "disconnect", or an "error", which may say what the user may not do. */
export interface NatsStatus {
  /** The kind of event. */
  readonly type: string;
  /** The error of an "error" event. */
  readonly error?: unknown;
  /** So it is told by `nats` 2. */
  readonly permissionContext?: unknown;
}

/** How long a server may take to answer a ping, in ms. */
const PONG = 900;
/** How long after the first ping that nobody has answered the connection is given up for another, in ms: there is a second one by then. */
const SILENT = 800;

/** The user may not do it, and is not to wait for an answer. */
type Refusal = (operation: "publish" | "subscription", subject: string) => void;

export class Line {
  readonly connection: NatsConnection;
  /** Closed and replaced when the connection is cut: what was said may not have been heard, and no answer to it comes. */
  cut: Chan<never> = new Chan();
  /** Who wants to know what may not be done. */
  readonly refusals: Set<Refusal> = new Set();
  private doubts = 0;
  /** When a ping was not answered, on the monotonic clock, if none was since then. */
  private silentSince: number | undefined;

  constructor(connection: NatsConnection) {
    this.connection = connection;
    // Then nothing is told any more, and pings find out.
    this.watch().catch(() => {});
  }

  private async watch(): Promise<void> {
    try {
      for await (const status of this.connection.status()) {
        if (status.type === "disconnect") this.isCut();
        else if (status.type === "error") this.refused(status);
      }
    } finally {
      this.isCut();
    }
  }

  private isCut(): void {
    this.doubt();
    const { cut } = this;
    this.cut = new Chan();
    cut.close();
  }

  private refused(status: NatsStatus): void {
    const { operation, subject } = (status.permissionContext ?? status.error ?? {}) as Record<string, unknown>;
    if (typeof subject !== "string" || (operation !== "publish" && operation !== "subscription")) return;
    for (const refusal of this.refusals) refusal(operation, subject);
  }

  /** Somebody waited in vain for an answer. */
  doubt(): void {
    this.doubts++;
  }

  /** Returns when the server is there, as far as we know. Rejects if it is not, and when ctx ends. */
  async reach(ctx: Context): Promise<void> {
    const err = ctx.err();
    if (err !== undefined) throw err;
    while (this.doubts > 0) {
      const { doubts } = this;
      const [limit, cancel] = context.withTimeout(ctx, PONG);
      using _ = cancel;
      try {
        const pong = this.connection.flush();
        // It may fail when nobody waits for it any more.
        pong.catch(() => {});
        await context.wait(pong, limit);
      } catch (error) {
        const err = ctx.err();
        if (err !== undefined) throw err;
        this.mustBeOpen(error);
        this.isSilent();
        throw new Error("natsConsumer: the server does not answer; is the connection down?", { cause: error });
      }
      this.silentSince = undefined;
      if (this.doubts === doubts) this.doubts = 0;
    }
  }

  /** Throws if the client has closed the connection: nothing comes of that any more. */
  mustBeOpen(cause?: unknown): void {
    if (this.connection.isClosed?.() !== true) return;
    throw new Error("natsConsumer: the connection is closed; make another one, with a source of its own", { cause });
  }

  /** Nobody has answered a ping. While the client is connecting already, it does nothing when it is asked to. */
  private isSilent(): void {
    const now = monotonic();
    this.silentSince ??= now;
    if (now - this.silentSince < SILENT) return;
    this.silentSince = undefined;
    try {
      this.connection.reconnect?.().catch(() => {});
    } catch {
      // It is closed, or cannot: the next ping finds out.
    }
  }
}

/** What may not be done, in words: the same ones for all subjects of a kind, each of which is used once. */
export function refusalOf(operation: "publish" | "subscription", subject: string): Error {
  const kind = subject.replace(/^(\$JS\.ACK\.[^.]+\.[^.]+)\..*$/, "$1.>").replace(/\.[\da-f-]{36}\..*$/, ".>");
  const todo = "give it the permission";
  return new Error(
    operation === "publish"
      ? `natsConsumer: the user of the connection may not publish to ${kind}; ${todo}`
      : `natsConsumer: the user of the connection may not subscribe to ${kind}; ${todo}, or say in inboxPrefix what it may`,
  );
}
