/**
 * A client of Google's, and whether anybody is at the other end of its connection.
 *
 * A connection may be there and let nothing through, when something between has forgotten it. To the client that looks like a server that
 * has nothing to say, for a quarter of an hour. So when nothing has come for a while, the server is asked for a sign of life, and
 * when it gives none the client is made to connect again.
 *
 * Invariant: a connection is given up only when two requests in a row were not answered, in all their time, that need no message.
 */
import { monotonic } from "../../internal/runtime.ts";
import type { PubsubSubscriber } from "./client.ts";
import { isAnswer } from "./errors.ts";

/** ms without a word after which the server is asked for a sign of life; and how long that may take. */
const SILENCE = 3_000;
const SIGN = 1_500;

export class Line {
  private readonly client: PubsubSubscriber;
  private readonly publisher: object | undefined;
  private readonly subscription: string;
  /** When the server said something last, on the monotonic clock. */
  private heard = monotonic();
  /** The sign of life that is being waited for. */
  private asking: Promise<boolean> | null = null;

  /** The publisher of dead letters has the same connection, in all likelihood. */
  constructor(client: PubsubSubscriber, publisher: object | undefined, subscription: string) {
    this.client = client;
    this.publisher = publisher;
    this.subscription = subscription;
  }

  /** Makes a call, and notes whether the server is there. */
  async call<T>(call: () => Promise<T>): Promise<T> {
    try {
      const answer = await call();
      this.heard = monotonic();
      return answer;
    } catch (error) {
      if (isAnswer(error)) this.heard = monotonic();
      throw error;
    }
  }

  /**
   * To be called when a request was not answered. Resolves to false if the server gives no sign of life, and then the client connects
   * again; to true otherwise, or if it was heard lately.
   */
  isThere(): Promise<boolean> {
    if (monotonic() - this.heard < SILENCE || this.client.getSubscription === undefined) return Promise.resolve(true);
    // Those who ask meanwhile get the same answer.
    this.asking ??= this.ask().finally(() => (this.asking = null));
    return this.asking;
  }

  private async ask(): Promise<boolean> {
    const { client, subscription } = this;
    for (let tries = 0; tries < 2; tries++) {
      try {
        await this.call(() => client.getSubscription!({ subscription }, { timeout: SIGN, retry: null }));
        return true;
      } catch (error) {
        if (isAnswer(error)) return true;
      }
    }
    reconnect(client);
    reconnect(this.publisher);
    // The next sign of life is wanted of the new connection.
    this.heard = monotonic();
    return false;
  }
}

/** The part of a v1 client of Google's that holds its connection. */
interface Connected {
  initialize?: () => Promise<unknown>;
  /** What the connection is made with. */
  _opts?: Record<string, unknown>;
  subscriberStub?: Promise<{ close?(): void }> | undefined;
  publisherStub?: Promise<{ close?(): void }> | undefined;
}

/**
 * Makes a client take another connection for its next call; those under way on the old one fail. What is no v1 client of Google's stays as
 * it is: its own keepalive has to find out.
 */
export function reconnect(client: object | undefined): void {
  const own = client as Connected | undefined;
  if (typeof own?.initialize !== "function") return;
  for (const name of ["subscriberStub", "publisherStub"] as const) {
    const old = own[name];
    if (typeof old?.then !== "function") continue;
    try {
      // All clients of the process share a connection to one address, and would go on with the old one for as long as another uses it.
      if (typeof own._opts === "object") own._opts["grpc.use_local_subchannel_pool"] = 1;
      own[name] = undefined;
      own.initialize().catch(() => {});
      old.then((stub) => stub.close?.()).catch(() => {});
    } catch {
      // It is made in another way than those we know: it stays as it is.
      own[name] = old;
    }
  }
}
