/** The public types of `headgate/worker/redis`. */
import type { Context } from "../../index.ts";
import type { Delivery, Source } from "../source.ts";

/** The methods used of a client of the package `redis`, from version 4. */
export interface NodeRedisClient {
  /** Sends a command. */
  sendCommand(args: string[]): Promise<unknown>;
  /** Makes another client with the same options. */
  duplicate(options?: object): unknown;
}

/** The methods used of a client of the package `ioredis`, from version 5. */
export interface IoRedisClient {
  /** Sends a command. */
  call(command: string, ...args: string[]): Promise<unknown>;
  /** Makes another client with the same options. */
  duplicate(options?: object): unknown;
}

/** A client of either package. */
export type RedisClient = NodeRedisClient | IoRedisClient;

/**
 * A message of a stream. Its texts are UTF-8: other bytes become U+FFFD here. In the stream, and in a dead letter, they
 * remain what they are.
 */
export interface RedisDelivery extends Delivery<string> {
  /** The number of this delivery, from 1. */
  readonly attempt: number;
  /** Its id in the stream. */
  readonly entry: string;
  /** Its fields, other than those of the body and the key. */
  readonly attributes: Readonly<Record<string, string>>;
}

/** The stream, and how to use it. */
export interface RedisStreamOptions {
  /** The key of the stream. The source creates the stream if it is missing. */
  readonly stream: string;
  /**
   * The consumer group. If it is missing, the source creates it, and it begins with the first message of the stream.
   */
  readonly group: string;
  /**
   * The name of this consumer in the group. No two processes may have the same name at the same time. Consumers are
   * never deleted, so a name that is used again, such as that of the host, is better than a new one each time.
   *
   * @default a random name
   */
  readonly consumer?: string;
  /**
   * Time for which a delivery belongs to the consumer that pulled it, in ms; the same for all consumers of the group.
   *
   * @default 30_000
   */
  readonly lease?: number;
  /**
   * The key of the stream for dead letters. A message moves there in one step, with its fields, and `headgate-reason`,
   * `headgate-attempts` and `headgate-entry`, which was its id.
   *
   * @default none: the worker acks dead messages, and names them in its report
   */
  readonly deadLetters?: string;
  /**
   * The fate of a message that is settled: deleted from the stream, or kept. If you keep them, trim the stream.
   *
   * @default "delete" if no other group reads the stream, else "keep"
   */
  readonly settled?: "delete" | "keep";
  /**
   * The field with the body. A message without it has the body "".
   *
   * @default "body"
   */
  readonly body?: string;
  /**
   * The field with the ordering key. A message without it, or with an empty one, has no key.
   *
   * @default "key"
   */
  readonly key?: string;
  /**
   * The scope in which messages with one key are handled one at a time, and in order: all consumers of the "group", or
   * each "consumer" by itself. The latter costs the server less. All consumers of a group must have the same scope.
   *
   * @default "group"
   */
  readonly ordering?: "group" | "consumer";
}

/** The options of publishing a message. */
export interface RedisPublishOptions {
  /**
   * The ordering key.
   *
   * @default none
   */
  readonly key?: string;
  /**
   * More fields. None may have the name of the field of the body or of the key.
   *
   * @default {}
   */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** A stream as a source. */
export interface RedisStream extends Source<RedisDelivery> {
  /** The time that an entry is held, in ms. */
  readonly lease: number;
  /** Holds entries for another lease. */
  readonly extend: (ctx: Context, deliveries: readonly RedisDelivery[]) => Promise<readonly RedisDelivery[]>;
  /**
   * Appends a message to the stream. Resolves to its id.
   *
   * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`; the message may be published all the same.
   *
   * **Errors**: TypeError for a body, key or attribute that is no text, and for an attribute with the name of the field
   * of the body or of the key.
   */
  readonly publish: (body: string, options?: RedisPublishOptions, ctx?: Context) => Promise<string>;
  /**
   * Closes the connections of the source, after the read under way has ended and messages that no pull wanted are
   * released. A server that does not answer has 6 s for that; then the connections are cut. Pulls and verdicts reject
   * from now on. Your client stays open.
   *
   * **Cancellation**: takes no ctx.
   */
  readonly close: () => Promise<void>;
}
