/** The public types of `headgate/worker/nats`. */
import type { Delivery } from "../source.ts";

/** The members used of the headers of the client. */
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

/** The members used of a message of the client. */
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

/**
 * The members used of a connection: that of `@nats-io/transport-node`, `@nats-io/nats-core` (WebSockets), or `nats`
 * from 2.7.
 */
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
  /** The events of the connection. */
  status(): AsyncIterable<NatsStatus>;
  /**
   * Makes the client connect again. The source calls it when nothing comes back. Absent: the client finds out by its
   * own pings.
   */
  reconnect?(): Promise<void>;
  /** True if the connection is closed for good. */
  isClosed?(): boolean;
}

/** An event of the client's connection: a "disconnect", or an "error", which may name a missing permission. */
export interface NatsStatus {
  /** The kind of event. */
  readonly type: string;
  /** The error of an "error" event. */
  readonly error?: unknown;
  /** The missing permission, in `nats` 2. */
  readonly permissionContext?: unknown;
}

/** A message of JetStream. The body is its data as text; the bytes are in `message.data`. */
export interface NatsDelivery extends Delivery<string> {
  /**
   * The number of its deliveries, less the releases that are known: those of this source, and with `releases` those of
   * all.
   */
  readonly attempt: number;
  /** Its headers, each with its first value. */
  readonly attributes: Readonly<Record<string, string>>;
  /** The message as the client has it. */
  readonly message: NatsMessage;
}

/** The consumer, and how to use it. */
export interface NatsConsumerOptions {
  /** The name of the stream. */
  readonly stream: string;
  /** The name of a durable pull consumer with `ack_policy: "explicit"`. Its `ack_wait` is the lease. */
  readonly consumer: string;
  /**
   * The subject for dead letters, which a stream must take, and the client's `headers` function. A dead message is
   * published there with its headers, and `Headgate-Reason`, `Headgate-Attempts`, `Headgate-Subject`; then it is
   * terminated. If the process ends between the two, it is published again with the same `Nats-Msg-Id`, which JetStream
   * drops within the stream's `duplicate_window`. A letter that is too long for the server is published in a smaller
   * form: without the reason, without the message's headers, at last without any.
   *
   * @default none: the worker acks dead messages, and names them in its report
   */
  readonly deadLetters?: { readonly subject: string; readonly headers: () => NatsHeaders };
  /**
   * The name of a stream that takes `<name>.>`, where the source records the releases of each message, so that no
   * process takes them for failed attempts. It is read when a message comes for a second time. Give it
   * `max_msgs_per_subject: 1`, and a `max_age` that is longer than a message stays in the queue. Without it each source
   * knows its own releases, and of 10,000 messages; a process that is stopped while it holds a message costs it an
   * attempt.
   *
   * @default none
   */
  readonly releases?: string;
  /**
   * Returns the ordering key of a message; `undefined` for none. A message for which it throws has none.
   *
   * @default no message has a key
   */
  readonly key?: (message: NatsMessage) => string | undefined;
  /**
   * The prefix of JetStream's API. With a domain it is "$JS.<domain>.API".
   *
   * @default "$JS.API"
   */
  readonly apiPrefix?: string;
  /**
   * The prefix of the subjects to which this client may subscribe.
   *
   * @default "_INBOX"
   */
  readonly inboxPrefix?: string;
}
