/**
 * The two clients of Redis behind one interface: sending a command, and opening a connection of our own.
 *
 * Invariants:
 * - A connection of our own is never repaired, and queues no command: a read that is sent after its pull has returned
 *   would be assigned messages that no pull receives. When it fails it is closed, and another one is made.
 * - A connection on which nothing comes back is given up. A network that swallows bytes reports nothing for a quarter
 *   of an hour. The user's client may hang as well: once it has named its database, no connection of ours depends on
 *   its answer.
 * - A connection of our own uses the database that the client has selected. Time limits meant for other commands do not
 *   cut off its reads.
 * - Whatever the client makes of replies for its user, the source gets texts.
 */
import { propertyOf, hasMethod } from "../../internal/foreign.ts";
import { context, type Context, time } from "../../index.ts";
import { isServerError } from "./errors.ts";
import type { RedisClient } from "./types.ts";

/** Sends a command; resolves to the reply. */
export type Send = (...args: string[]) => Promise<unknown>;

/** The further members of a client of `redis`. */
interface NodeRedis {
  /** From version 5, the options say how to convert replies; an empty mapping converts none. */
  sendCommand(args: string[], options: { readonly typeMapping: object }): Promise<unknown>;
  readonly options?: { readonly socket?: object; readonly legacyMode?: boolean };
  /** In the legacy mode of version 4: the client without it. */
  readonly v4?: NodeRedis;
  /** From version 6: prefixed to keys by the client's commands, but not by `sendCommand`. */
  readonly _keyPrefix?: string | Uint8Array;
}

/** **Errors**: TypeError unless this is a client of a single server. */
export function checkClient(client: unknown): void {
  if (!hasMethod(client, "duplicate") || (!hasMethod(client, "call") && !hasMethod(client, "sendCommand"))) {
    throw new TypeError("redisStream: the first argument must be a client of the package redis or ioredis");
  }
  const isMany = ["slots", "getSentinelNode"].some((name) => propertyOf(client, name) !== undefined);
  if (isMany || propertyOf(client, "isCluster") === true) {
    throw new TypeError("redisStream: the client must be that of one server, and not of a cluster or of sentinels");
  }
}

/** The function that sends through this client. */
export function senderOf(client: RedisClient): Send {
  // ioredis has a sendCommand, too, but that one wants an object of its own.
  if ("call" in client) return (command, ...args) => client.call(command!, ...args);
  const node = client as NodeRedis;
  const sender = node.options?.legacyMode === true ? node.v4! : node;
  return (...args) => sender.sendCommand(args, UNCONVERTED);
}

const UNCONVERTED = { typeMapping: {} };

/** The prefix to put before our keys, so that they are the ones that the client's own commands use. */
export function prefixOf(client: RedisClient): string {
  const prefix = "call" in client ? undefined : (client as NodeRedis)._keyPrefix;
  return typeof prefix === "object" ? new TextDecoder().decode(prefix) : (prefix ?? "");
}

/** Time limit for a client to name its database once more, in ms. */
const DATABASE_TIMEOUT = 500;

/** The database that the client has selected. `known`: its last answer, which stands if it does not answer soon. */
export async function databaseOf(
  ctx: Context,
  client: RedisClient,
  known: string | undefined,
): Promise<string | undefined> {
  const answer = clientInfo(senderOf(client)).then((field) => field("db"));
  if (known === undefined) return context.wait(answer, ctx);
  const [soon, cancel] = context.withTimeout(ctx, DATABASE_TIMEOUT);
  using _ = cancel;
  return context.wait(answer, soon).catch(() => known);
}

/** The server's description of a connection: a function that returns a numeric field of it. */
async function clientInfo(send: Send): Promise<(name: string) => string | undefined> {
  const info = String(await send("CLIENT", "INFO"));
  return (name) => new RegExp(`\\b${name}=(\\d+)`).exec(info)?.[1];
}

/** A connection of our own. */
export interface Connection {
  /** Its id on the server. */
  readonly id: string;
  /**
   * Sends a command that may take the server `block` ms. Rejects and closes the connection if nothing comes back in
   * that time and its `silence`. Closes it, too, when the command fails otherwise than by an error of the server.
   */
  readonly request: (block: number, ...args: string[]) => Promise<unknown>;
  readonly isClosed: () => boolean;
  readonly close: () => void;
}

type Duplicate = RedisClient & {
  on(event: "error", listener: () => void): unknown;
  connect(): Promise<unknown>;
  /** From version 5 of `redis`. */
  destroy?(): void;
  disconnect(): unknown;
};

/**
 * Makes a connection like that of the client, to the database that `database` resolves to. Until it is made, a server
 * that does not answer is waited for until ctx ends; later, for `silence` ms.
 */
export async function connect(
  ctx: Context,
  client: RedisClient,
  silence: number,
  database: (ctx: Context) => Promise<string | undefined>,
): Promise<Connection> {
  const own = client.duplicate("call" in client ? IOREDIS : nodeRedis(client)) as Duplicate;
  const send = senderOf(own);
  // The command that fails reports the error.
  own.on("error", () => {});
  let isClosed = false;
  const disconnect = async (): Promise<void> => {
    if (own.destroy === undefined) await own.disconnect();
    else own.destroy();
  };
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    // Some clients reject if they are closed already.
    void disconnect().catch(() => {});
  };
  const request = async (block: number, ...args: string[]): Promise<unknown> => {
    // oxlint-disable-next-line headgate/background -- ctx is for connecting; requests come after it
    const [limit, giveUp] = context.withCancel(context.background());
    const stop = afterSilence(block + silence, giveUp);
    try {
      return await context.wait(send(...args), limit);
    } catch (error) {
      if (isServerError(error)) throw error;
      close();
      if (limit.err() === undefined) throw error;
      throw new Error(`the server has not answered for ${silence} ms; another connection is made`, { cause: error });
    } finally {
      stop();
      giveUp();
    }
  };
  try {
    await context.wait(own.connect(), ctx);
    const db = await database(ctx);
    const ours = await context.wait(clientInfo(send), ctx);
    if (db !== undefined && db !== ours("db")) await context.wait(send("SELECT", db), ctx);
    return { id: ours("id")!, request, close, isClosed: () => isClosed };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Calls `then` after so many ms, by two timers in a row. If the process was suspended, or busy in one piece, one of
 * them may fire before what has arrived meanwhile is read, but not both.
 */
function afterSilence(ms: number, then: () => void): () => void {
  let timer = time.afterFunc(ms / 2, () => {
    timer = time.afterFunc(ms / 2, then);
  });
  return () => void timer.stop();
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
    pingInterval: undefined,
    socket: { ...socket, reconnectStrategy: false, socketTimeout: undefined },
  };
}

/** A connection that is made when it is needed, and made again after it was closed. */
export class Reconnecting {
  private readonly life: Context;
  private readonly timeout: number;
  private readonly connect: (ctx: Context) => Promise<Connection>;
  private connecting: Promise<Connection> | undefined;
  /** The last connection, which may be closed. */
  current: Connection | undefined;

  /** After the end of `life` no connection is made. `timeout`: ms that it may take to make one. */
  constructor(life: Context, timeout: number, connect: (ctx: Context) => Promise<Connection>) {
    this.life = life;
    this.timeout = timeout;
    this.connect = connect;
  }

  /**
   * **Errors**: rejects as `connect` does, and with DeadlineExceeded if that takes too long. The next call tries again.
   */
  get(): Promise<Connection> {
    if (this.current?.isClosed() === true) this.connecting = this.current = undefined;
    return (this.connecting ??= this.open());
  }

  private async open(): Promise<Connection> {
    const [ctx, cancel] = context.withTimeout(this.life, this.timeout);
    using _ = cancel;
    try {
      return (this.current = await this.connect(ctx));
    } catch (error) {
      this.connecting = undefined;
      throw error;
    }
  }

  /** Closes the connection. If one is being made, waits for it first: the end of `life` ends that. */
  async close(): Promise<void> {
    (await this.connecting?.catch(() => undefined))?.close();
  }
}
