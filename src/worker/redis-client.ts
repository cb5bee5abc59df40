/**
 * The two clients of Redis, as one: how to send a command, and how to get a connection of our own.
 *
 * Invariants:
 * - A connection of our own is never repaired, and keeps no command for later: a read that is sent when nobody waits for it any more
 *   would be assigned messages that nobody gets. When it fails it is closed, and another one is made.
 * - It reads from the database that the client has selected, and no time limit that was meant for other commands cuts it off from a read.
 * - Whatever the client makes of replies for its user, we get texts.
 */
import { context, type Context } from "../index.ts";

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

/** What a client of `redis` has beyond that. */
interface NodeRedis {
  /** Of its version 5 on, it can be told what to make of replies; so it can be told to make nothing of them. */
  sendCommand(args: string[], options: { readonly typeMapping: object }): Promise<unknown>;
  readonly options?: { readonly socket?: object; readonly legacyMode?: boolean };
  /** In the legacy mode of version 4: the client without it. */
  readonly v4?: NodeRedis;
  /** Of version 6 on. Its commands have it put before their keys, and those that are sent as they are do not. */
  readonly _keyPrefix?: string | Uint8Array;
}

/** **Errors**: TypeError for what is no client of a single server. */
export function checkClient(client: unknown): void {
  const { call, sendCommand, duplicate } = (client ?? {}) as Record<string, unknown>;
  if (typeof duplicate !== "function" || (typeof call !== "function" && typeof sendCommand !== "function")) {
    throw new TypeError("redisStream: the first argument must be a client of the package redis or ioredis");
  }
  const { isCluster, slots, getSentinelNode } = client as Record<string, unknown>;
  if (isCluster === true || slots !== undefined || getSentinelNode !== undefined) {
    throw new TypeError("redisStream: the client must be that of one server, and not of a cluster or of sentinels");
  }
}

/** How to send through this client. */
export function senderOf(client: RedisClient): Send {
  // ioredis has a sendCommand, too, but that one wants an object of its own.
  if ("call" in client) return (command, ...args) => client.call(command!, ...args);
  const node = client as NodeRedis;
  const sender = node.options?.legacyMode === true ? node.v4! : node;
  return (...args) => sender.sendCommand(args, PLAIN);
}

const PLAIN = { typeMapping: {} };

/** What we have to put before a key, so that it is the one that the client's own commands use. */
export function prefixOf(client: RedisClient): string {
  const prefix = "call" in client ? undefined : (client as NodeRedis)._keyPrefix;
  return typeof prefix === "object" ? new TextDecoder().decode(prefix) : (prefix ?? "");
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

/** Makes a connection like that of the client. A server that does not answer is waited for until ctx ends. */
export async function connect(ctx: Context, client: RedisClient): Promise<Connection> {
  const own = client.duplicate("call" in client ? IOREDIS : nodeRedis(client)) as Duplicate;
  const send = senderOf(own);
  // What went wrong is told by the command that fails.
  own.on("error", () => {});
  const end = async (): Promise<void> => {
    if (own.destroy === undefined) await own.disconnect();
    else own.destroy();
  };
  // It may be closed already, which is an error for some.
  const close = (): void => void end().catch(() => {});
  /** What the server says of a connection. */
  const info = async (send: Send): Promise<(name: string) => string | undefined> => {
    const said = String(await context.wait(send("CLIENT", "INFO"), ctx));
    return (name) => new RegExp(`\\b${name}=(\\d+)`).exec(said)?.[1];
  };
  try {
    await context.wait(own.connect(), ctx);
    const [theirs, ours] = [await info(senderOf(client)), await info(send)];
    const db = theirs("db");
    if (db !== undefined && db !== ours("db")) await context.wait(send("SELECT", db), ctx);
    return { send, id: ours("id")!, close };
  } catch (error) {
    close();
    throw error;
  }
}

const IOREDIS = {
  lazyConnect: true,
  enableOfflineQueue: false,
  enableAutoPipelining: false,
  autoResendUnfulfilledCommands: false,
  retryStrategy: null,
  reconnectOnError: null,
  commandTimeout: undefined,
  socketTimeout: undefined,
  blockingTimeout: undefined,
};

function nodeRedis(client: RedisClient): object {
  const { socket } = (client as NodeRedis).options ?? {};
  return {
    legacyMode: false,
    disableOfflineQueue: true,
    commandOptions: {},
    socket: { ...socket, reconnectStrategy: false, socketTimeout: undefined },
  };
}
