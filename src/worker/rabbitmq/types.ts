/** The public types of `headgate/worker/rabbitmq`: what it needs of amqplib, a delivery, the options, and the queue. */
import type { Delivery, Source } from "../source.ts";

/** The part of a message of amqplib that is needed. */
export interface RabbitMessage {
  /** The body. */
  readonly content: Uint8Array;
  /** The delivery's number in its channel, and whether it was delivered before. */
  readonly fields: { readonly deliveryTag: number; readonly redelivered: boolean };
  /** The properties; of them only the headers are read. */
  readonly properties: { readonly headers?: Readonly<Record<string, unknown>> | undefined };
}

/** The part of a confirm channel of amqplib that is needed. */
export interface RabbitChannel {
  /** amqplib's own connection, with its socket. */
  readonly connection?: object;
  /** Listens to the events of the client. */
  on(event: string, listener: (...args: never[]) => void): unknown;
  /** Sets the number of deliveries that may be unacked. */
  prefetch(count: number): Promise<unknown>;
  /** Asks for deliveries. */
  consume(
    queue: string,
    onMessage: (message: RabbitMessage | null) => void,
    options?: { consumerTag?: string; arguments?: Record<string, unknown> },
  ): Promise<{ consumerTag: string }>;
  /** Ends a `consume`. */
  cancel(consumerTag: string): Promise<unknown>;
  /** Makes a queue if it is missing. */
  assertQueue(queue: string, options: { durable: boolean; arguments: Record<string, unknown> }): Promise<unknown>;
  /** Sends a message, and calls back when the broker has it. */
  sendToQueue(
    queue: string,
    content: RabbitMessage["content"],
    options: Record<string, unknown>,
    confirmed: (error: unknown) => void,
  ): unknown;
  /** Acks a delivery, or all up to it. */
  ack(message: RabbitMessage, allUpTo?: boolean): void;
  /** Rejects a delivery, or all up to it. */
  nack(message: RabbitMessage, allUpTo: boolean, requeue: boolean): void;
  /** Closes it. */
  close(): Promise<void>;
}

/** The part of a connection of amqplib's promise API that is needed. */
export interface RabbitConnection {
  /** amqplib's own connection, with its socket. */
  readonly connection?: object;
  /** Listens to the events of the client. */
  on(event: string, listener: (...args: never[]) => void): unknown;
  /** Opens a channel with publisher confirms. */
  createConfirmChannel(): Promise<RabbitChannel>;
  /** Closes it. */
  close(): Promise<void>;
}

/** A message of RabbitMQ. The body is its content as text; the bytes are in `message.content`. */
export interface RabbitDelivery extends Delivery<string> {
  /** 1 + the failures before: a release does not count. */
  readonly attempt: number;
  /** The headers that are texts, numbers or booleans, as texts. */
  readonly attributes: Readonly<Record<string, string>>;
  /** The message as the client has it. */
  readonly message: RabbitMessage;
}

/** The queue, and how to use it. */
export interface RabbitQueueOptions {
  /** The name of a queue that exists. Take a quorum queue: a classic one may lose what it has confirmed. */
  readonly queue: string;
  /**
   * The most messages that this source may hold, buffered and handed over together: 1 to 65,535.
   *
   * @default the room of its workers: `concurrency + prefetch`
   */
  readonly prefetch?: number;
  /**
   * The destination of dead messages.
   *
   * `{ queue }`, the name of a queue that exists: the message is published there with the headers `headgate-reason`,
   * `headgate-attempts` and `headgate-queue`, and then acked. If its own headers leave no room for the reason, or are
   * too large to be written again, a part is left out. `headgate-left-out` says which.
   *
   * `"broker"`: the message is rejected, and the dead-letter exchange of the queue gets it, in one step, but without
   * our reason. Without such an exchange it is gone.
   *
   * @default none: the worker acks dead messages, and names them in its report
   */
  readonly deadLetters?: { readonly queue: string } | "broker";
  /**
   * Delays of redeliveries, which RabbitMQ does not have.
   *
   * `true`: the message waits in a quorum queue `<queue>.delay.<ms>`. This source declares these queues, one for 125 ms
   * and one for each doubling. A message expires there after its delay, and goes back to the end of the queue. It may
   * take up to twice as long, if one with a longer delay is before it. `false`: it goes to the end of the queue at
   * once.
   *
   * The header `headgate-attempts` counts its failures. A message with more than some 63 kB of headers cannot be
   * copied: it is given back as it is.
   *
   * @default true
   */
  readonly delays?: boolean;
  /**
   * Returns the ordering key of a message, or `undefined` for none. A message for which it throws has none.
   *
   * @default none; with `ordered`, all messages have one key
   */
  readonly key?: (message: RabbitMessage) => string | undefined;
  /**
   * Keeps the order of keys across all workers, and after a failure. The value is the arguments that the queue is
   * declared with: this source declares it, so that the broker checks them. They must have:
   * - `"x-queue-type": "quorum"` and `"x-single-active-consumer": true`: one source consumes, the others wait for their
   *   turn.
   * - an `"x-delivery-limit"`: without one, from RabbitMQ 3.10 on, what is given back goes to the end of the queue.
   *   Each stop counts for that limit, so set it to a million.
   *
   * A failed message waits in this process, and its key behind it; without a `key`, the whole queue. Its failures are
   * counted here: after a stop, from 1 again. Give each worker a source of its own. For more than one active worker,
   * use several such queues: see docs/brokers/rabbitmq.md.
   *
   * @default none: failures and releases may change the order
   */
  readonly ordered?: Readonly<Record<string, unknown>>;
  /**
   * The longest time that `close` may take, in ms. A connection that has not answered by then is cut.
   *
   * @default 1_500
   */
  readonly closeTimeout?: number;
}

/** A queue as a source. */
export interface RabbitQueue extends Source<RabbitDelivery> {
  /**
   * Gives back everything that has no verdict. Closes the channel, and the connection if a function made it. Resolves
   * within `closeTimeout`, and never rejects: a connection of this source that has not answered by then is cut.
   *
   * **Cancellation**: takes no ctx.
   */
  readonly close: () => Promise<void>;
}
