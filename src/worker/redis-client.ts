/**
 * The two clients of Redis, as one: how to send a command, and how to get a connection of our own.
 *
 * Invariants:
 * - A connection of our own is never repaired, and keeps no command for later: a read that is sent when nobody waits for it any more
 *   would be assigned messages that nobody gets. When it fails it is closed, and another one is made.
 */

/** What is needed of a client of the package `redis`, from version 4. */
export interface NodeRedisClient {
  sendCommand(args: string[]): Promise<unknown>;
  duplicate(options?: object): unknown;
}

/** What is needed of a client of the package `ioredis`, from version 5. */
export interface IoRedisClient {
  call(command: string, ...args: string[]): Promise<unknown>;
  duplicate(options?: object): unknown;
}

/** A client of either package. */
export type RedisClient = NodeRedisClient | IoRedisClient;

/** Sends a command; resolves to the reply. */
export type Send = (...args: string[]) => Promise<unknown>;

/** How to send through this client. */
export function senderOf(client: RedisClient): Send {
  // ioredis has a sendCommand, too, but that one wants an object of its own.
  if ("call" in client) return (command, ...args) => client.call(command!, ...args);
  return (...args) => client.sendCommand(args);
}

/** A connection of our own. */
export interface Connection {
  readonly send: Send;
  /** What the server calls it. */
  readonly id: string;
  readonly close: () => void;
}

type Duplicate = RedisClient & {
  on(event: "error", listener: () => void): unknown;
  connect(): Promise<unknown>;
  /** From version 5 of `redis`. */
  destroy?(): void;
  disconnect(): unknown;
};

/** Makes a connection like that of the client. */
export async function connect(client: RedisClient): Promise<Connection> {
  const own = client.duplicate("call" in client ? IOREDIS : nodeRedis(client)) as Duplicate;
  const send = senderOf(own);
  // What went wrong is told by the command that fails.
  own.on("error", () => {});
  const close = async (): Promise<void> => {
    if (own.destroy === undefined) await own.disconnect();
    else own.destroy();
  };
  // It may be closed already, which is an error for some.
  const ignore = (): void => {};
  try {
    await own.connect();
    return { send, id: String(await send("CLIENT", "ID")), close: () => void close().catch(ignore) };
  } catch (error) {
    await close().catch(ignore);
    throw error;
  }
}

const IOREDIS = {
  lazyConnect: true,
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  retryStrategy: null,
  reconnectOnError: null,
  commandTimeout: undefined,
};

function nodeRedis(client: RedisClient): object {
  const { socket } = (client as { readonly options?: { readonly socket?: object } }).options ?? {};
  return { disableOfflineQueue: true, socket: { ...socket, reconnectStrategy: false, socketTimeout: undefined } };
}
