/**
 * What the source of rabbitmq.ts needs of amqplib, and how it takes leave of it.
 */
import { context, type Context } from "../../index.ts";
import type { RabbitMessage } from "./message.ts";

/** What is needed of a confirm channel of amqplib. */
export interface RabbitChannel {
  /** amqplib's own, with its socket. */
  readonly connection?: object;
  on(event: string, listener: (...args: never[]) => void): unknown;
  prefetch(count: number): Promise<unknown>;
  consume(
    queue: string,
    onMessage: (message: RabbitMessage | null) => void,
    options?: { consumerTag?: string; arguments?: Record<string, unknown> },
  ): Promise<{ consumerTag: string }>;
  cancel(consumerTag: string): Promise<unknown>;
  assertQueue(queue: string, options: { durable: boolean; arguments: Record<string, unknown> }): Promise<unknown>;
  sendToQueue(
    queue: string,
    content: RabbitMessage["content"],
    options: Record<string, unknown>,
    confirmed: (error: unknown) => void,
  ): unknown;
  ack(message: RabbitMessage, allUpTo?: boolean): void;
  nack(message: RabbitMessage, allUpTo: boolean, requeue: boolean): void;
  close(): Promise<void>;
}

/** What is needed of a connection of amqplib's promise API. */
export interface RabbitConnection {
  /** amqplib's own, with its socket. */
  readonly connection?: object;
  on(event: string, listener: (...args: never[]) => void): unknown;
  createConfirmChannel(): Promise<RabbitChannel>;
  close(): Promise<void>;
}

/** The parts of amqplib's own connection that are of use, where they are there. */
export interface Wire {
  readonly frameMax?: number;
  readonly stream?: {
    readonly bytesRead?: number;
    setNoDelay?(noDelay: boolean): void;
    destroy?(error: Error): void;
  };
}

/** What amqplib has below a channel or a connection; of another client, nothing. */
export function wireOf(model: { readonly connection?: object }): Wire {
  return model.connection ?? {};
}

/** Marks a promise as one that somebody looks after, who may have left by the time it rejects. */
export function heard<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/** Closes a connection that is ours. One that has not answered by the end of `limit`, or within so many ms, is cut. Never rejects. */
export async function leave(connection: RabbitConnection, limit: Context | number): Promise<void> {
  if (typeof limit === "number") {
    const [within, cancel] = context.withTimeout(context.background(), limit);
    using _ = cancel;
    return await leave(connection, within);
  }
  try {
    await context.wait(heard(connection.close()), limit);
  } catch {
    wireOf(connection).stream?.destroy?.(new Error("rabbitQueue: the broker has not answered the goodbye"));
  }
}
