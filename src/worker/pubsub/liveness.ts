/**
 * Liveness of the connection of Google's client.
 *
 * A connection may be there and let nothing through, when a router between has forgotten it. To the client that looks
 * like a server without messages, for a quarter of an hour. So after a while of silence the server is asked for a sign
 * of life. If it gives none, the client is made to connect again.
 *
 * Invariant: a connection is given up only after two requests in a row that need no message, and that were not answered
 * in their time.
 */
import { monotonic } from "../../internal/runtime.ts";
import { isAnswer } from "./errors.ts";
import type { PubsubSubscriber } from "./types.ts";

/** The silence after which the server is asked for a sign of life. */
const SILENCE_MS = 3_000;
/** The time that a sign of life may take, and the tries. */
const SIGN_MS = 1_500;
const SIGN_TRIES = 2;

export class Liveness {
  private readonly client: PubsubSubscriber;
  private readonly publisher: object | undefined;
  private readonly subscription: string;
  /** The monotonic time of the last answer of the server. */
  private lastAnswer = monotonic();
  /** The request for a sign of life that is under way. */
  private asking: Promise<boolean> | null = null;

  /** The publisher of dead letters most likely has the same connection, and connects again, too. */
  constructor(client: PubsubSubscriber, publisher: object | undefined, subscription: string) {
    this.client = client;
    this.publisher = publisher;
    this.subscription = subscription;
  }

  /** Makes a call, and notes whether the server has answered. */
  async call<T>(call: () => Promise<T>): Promise<T> {
    try {
      const answer = await call();
      this.lastAnswer = monotonic();
      return answer;
    } catch (error) {
      if (isAnswer(error)) this.lastAnswer = monotonic();
      throw error;
    }
  }

  /**
   * Call it after a request without an answer. Resolves to false if the server gives no sign of life, and makes the
   * client connect again. Resolves to true otherwise, and at once if the server has answered lately.
   */
  isThere(): Promise<boolean> {
    if (monotonic() - this.lastAnswer < SILENCE_MS || this.client.getSubscription === undefined)
      return Promise.resolve(true);
    // Callers that come meanwhile get the same answer.
    this.asking ??= this.ask().finally(() => (this.asking = null));
    return this.asking;
  }

  private async ask(): Promise<boolean> {
    const { client, subscription } = this;
    for (let tries = 0; tries < SIGN_TRIES; tries++) {
      try {
        await this.call(() => client.getSubscription!({ subscription }, { timeout: SIGN_MS, retry: null }));
        return true;
      } catch (error) {
        if (isAnswer(error)) return true;
      }
    }
    reconnect(client);
    reconnect(this.publisher);
    // The new connection gets its own time of silence.
    this.lastAnswer = monotonic();
    return false;
  }
}

/** The part of a v1 client of Google's that holds its connection. */
interface Connected {
  initialize?: () => Promise<unknown>;
  /** The options of the connection. */
  _opts?: Record<string, unknown>;
  subscriberStub?: Promise<{ close?(): void }> | undefined;
  publisherStub?: Promise<{ close?(): void }> | undefined;
}

/**
 * Makes a client take another connection for its next call; those under way on the old one fail. A client that is no v1
 * client of Google's stays as it is: its own keepalive has to find out.
 */
export function reconnect(client: object | undefined): void {
  const own = client as Connected | undefined;
  if (typeof own?.initialize !== "function") return;
  for (const name of ["subscriberStub", "publisherStub"] as const) {
    const old = own[name];
    if (typeof old?.then !== "function") continue;
    try {
      // All clients of the process share a connection to one address. Without this option, a new stub would share the
      // old one while another client uses it.
      if (typeof own._opts === "object") own._opts["grpc.use_local_subchannel_pool"] = 1;
      own[name] = undefined;
      own.initialize().catch(() => {});
      old.then((stub) => stub.close?.()).catch(() => {});
    } catch {
      // The client is built differently from those we know. It stays as it is.
      own[name] = old;
    }
  }
}
