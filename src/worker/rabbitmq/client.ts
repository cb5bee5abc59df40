/** Helpers around amqplib: its socket, its promises, and the close of a connection. */
import { context, type Context } from "../../index.ts";
import type { RabbitConnection } from "./types.ts";

/** The parts of amqplib's own connection that are used if they are there. */
export interface Wire {
  readonly frameMax?: number;
  readonly stream?: {
    readonly bytesRead?: number;
    setNoDelay?(noDelay: boolean): void;
    destroy?(error: Error): void;
  };
}

/** amqplib's own connection below a channel or a connection; of another client, an empty one. */
export function wireOf(model: { readonly connection?: object }): Wire {
  return model.connection ?? {};
}

/** Returns the promise, marked as handled: its caller may not wait for it, or may have left when it rejects. */
export function ignoreRejection<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}

/**
 * Closes a connection of ours. If it has not answered when `limit` ends, or after that many ms, it is cut. Never
 * rejects.
 */
export async function closeConnection(connection: RabbitConnection, limit: Context | number): Promise<void> {
  if (typeof limit === "number") {
    // oxlint-disable-next-line headgate/background -- here limit is a number
    const [within, cancel] = context.withTimeout(context.background(), limit);
    using _ = cancel;
    return await closeConnection(connection, within);
  }
  try {
    await context.wait(ignoreRejection(connection.close()), limit);
  } catch {
    wireOf(connection).stream?.destroy?.(
      new Error("rabbitQueue: the broker has not answered the close of the connection"),
    );
  }
}
