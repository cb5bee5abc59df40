/**
 * The two clients of Redis, as one: how to send a command, and how to get a connection of our own.
 *
 * Invariants:
 * - A connection of our own is never repaired, and keeps no command for later: a read that is sent when nobody waits for it any more
 *   would be assigned messages that nobody gets. When it fails it is closed, and another one is made.
 * - A connection on which nothing comes back is given up. A network that swallows bytes says nothing by itself for a quarter of an hour.
 *   The client of the user may be as deaf: once it has said which database it uses, no connection of ours depends on its answer.
 * - It reads from the database that the client has selected, and no time limit that was meant for other commands cuts it off from a read.
 * - Whatever the client makes of replies for its user, we get texts.
 */
import { propertyOf, hasMethod } from "../../internal/foreign.ts";
import { context, type Context, time } from "../../index.ts";
import { isServers } from "./errors.ts";

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
  if (!hasMethod(client, "duplicate") || (!hasMethod(client, "call") && !hasMethod(client, "sendCommand"))) {
    throw new TypeError("redisStream: the first argument must be a client of the package redis or ioredis");
  }
  const isMany = ["slots", "getSentinelNode"].some((name) => propertyOf(client, name) !== undefined);
  if (isMany || propertyOf(client, "isCluster") === true) {
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

/** ms that a client which has said before which database it uses is waited for when it is asked again. */
const REPEATED = 500;

/** Which database the client has selected. `known`: what it said before, which stands if it does not answer soon. */
export async function databaseOf(
  ctx: Context,
  client: RedisClient,
  known: string | undefined,
): Promise<string | undefined> {
  const asked = askInfo(senderOf(client)).then((theirs) => theirs("db"));
  if (known === undefined) return context.wait(asked, ctx);
  const [soon, cancel] = context.withTimeout(ctx, REPEATED);
  using _ = cancel;
  return context.wait(asked, soon).catch(() => known);
}

/** What the server says of a connection. */
async function askInfo(send: Send): Promise<(name: string) => string | undefined> {
  const said = String(await send("CLIENT", "INFO"));
  return (name) => new RegExp(`\\b${name}=(\\d+)`).exec(said)?.[1];
}

/** A connection of our own. */
export interface Connection {
  /** What the server calls it. */
  readonly id: string;
  /**
   * Sends a command that may take the server `block` ms. If nothing comes back in that time and its `silence`, rejects and is closed. It
   * is closed, too, when the command fails and that is no answer of the server's.
   */
  readonly ask: (block: number, ...args: string[]) => Promise<unknown>;
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
 * Makes a connection like that of the client, to the database that `database` says. A server that does not answer is waited for until
 * ctx ends; later, for `silence` ms.
 */
export async function connect(
  ctx: Context,
  client: RedisClient,
  silence: number,
  database: (ctx: Context) => Promise<string | undefined>,
): Promise<Connection> {
  const own = client.duplicate("call" in client ? IOREDIS : nodeRedis(client)) as Duplicate;
  const send = senderOf(own);
  // What went wrong is told by the command that fails.
  own.on("error", () => {});
  let isClosed = false;
  const end = async (): Promise<void> => {
    if (own.destroy === undefined) await own.disconnect();
    else own.destroy();
  };
  const close = (): void => {
    if (isClosed) return;
    isClosed = true;
    // It may be closed already, which is an error for some.
    void end().catch(() => {});
  };
  const ask = async (block: number, ...args: string[]): Promise<unknown> => {
    const [limit, giveUp] = context.withCancel(context.background());
    const stop = afterSilence(block + silence, giveUp);
    try {
      return await context.wait(send(...args), limit);
    } catch (error) {
      if (isServers(error)) throw error;
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
    const ours = await context.wait(askInfo(send), ctx);
    if (db !== undefined && db !== ours("db")) await context.wait(send("SELECT", db), ctx);
    return { id: ours("id")!, ask, close, isClosed: () => isClosed };
  } catch (error) {
    close();
    throw error;
  }
}

/**
 * Calls `then` after so many ms, in two parts: where the process was suspended, or busy in one piece, one of them may have passed before
 * anybody could read what had come meanwhile, but not the other.
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

/** A connection that is made when it is needed, and made again when it is closed. */
export class Renewed {
  private readonly life: Context;
  private readonly patience: number;
  private readonly make: (ctx: Context) => Promise<Connection>;
  private making: Promise<Connection> | undefined;
  /** What there is now; it may be closed. */
  current: Connection | undefined;

  /** `life`: after its end none is made. `patience`: ms that it may take to make one. */
  constructor(life: Context, patience: number, make: (ctx: Context) => Promise<Connection>) {
    this.life = life;
    this.patience = patience;
    this.make = make;
  }

  /** **Errors**: rejects as the making does, and with DeadlineExceeded if that takes too long; then it is made again for the next. */
  get(): Promise<Connection> {
    if (this.current?.isClosed() === true) this.making = this.current = undefined;
    return (this.making ??= this.open());
  }

  private async open(): Promise<Connection> {
    const [ctx, cancel] = context.withTimeout(this.life, this.patience);
    using _ = cancel;
    try {
      return (this.current = await this.make(ctx));
    } catch (error) {
      this.making = undefined;
      throw error;
    }
  }

  /** Closes what there is. One that is being made is given up if `life` has ended. */
  async close(): Promise<void> {
    (await this.making?.catch(() => undefined))?.close();
  }
}
