/**
 * What the source of nats.ts says to the server: requests for messages, and requests that are answered.
 *
 * Invariant: an inbox has one request under way, which is over when it is full, when the server says so, or when that is overdue.
 */
import { Chan, context, type Context, select, time } from "../index.ts";
import type { NatsDelivery } from "./nats.ts";

/** What is needed of the headers of the client. */
export interface NatsHeaders {
  readonly code: number;
  readonly description: string;
  keys(): Iterable<string>;
  get(key: string): string;
  set(key: string, value: string): void;
}

/** What is needed of a message of the client. */
export interface NatsMessage {
  readonly subject: string;
  readonly data: Uint8Array;
  readonly reply?: string;
  readonly headers?: NatsHeaders;
}

/** What is needed of a connection: that of `@nats-io/transport-node`, `@nats-io/nats-core` (WebSockets), or `nats` from 2.0. */
export interface NatsConnection {
  publish(subject: string, payload?: Uint8Array | string, options?: { reply?: string; headers?: NatsHeaders }): void;
  subscribe(subject: string, options: { callback: (error: Error | null, message: NatsMessage) => void }): unknown;
  flush(): Promise<void>;
}

/** How long the server keeps a request that finds no message, in ms: how long a stop may have to wait for it. */
const EXPIRES = 500;
/** How much longer we wait for the server to say so, in ms. */
const MARGIN = 400;

/** Where the messages of one pull after the other come. */
export class Inbox {
  private readonly connection: NatsConnection;
  private readonly subject: string;
  private readonly next: string;
  private readonly receive: (message: NatsMessage, asked: number) => NatsDelivery;
  private readonly got: NatsDelivery[] = [];
  private request = 0;
  private asked = 0;
  private wanted = 0;
  private status: NatsHeaders | undefined;
  /** Closed when the request is over. */
  private over: Chan<never> = new Chan();
  /** The server has not answered: is it there? */
  private doubtful = false;

  constructor(connection: NatsConnection, subject: string, next: string, receive: Inbox["receive"]) {
    this.connection = connection;
    this.subject = subject;
    this.next = next;
    this.receive = receive;
    connection.subscribe(`${subject}.*`, {
      callback: (_, message) => {
        if (message?.reply) this.arrived(message);
        else if (message?.subject === `${subject}.${this.request}` && message.headers?.code !== 100) {
          this.end(message.headers);
        }
      },
    });
  }

  /** What has come, `max` at most. The rest is that of a server that was slow or cut off, and the next pull's. */
  take(max: number): NatsDelivery[] {
    return this.got.splice(0, max);
  }

  private arrived(message: NatsMessage): void {
    this.got.push(this.receive(message, this.asked));
    if (--this.wanted === 0) this.end(undefined);
  }

  private end(status: NatsHeaders | undefined): void {
    this.status = status;
    this.over.close();
    this.over = new Chan();
    this.request++;
  }

  /** Asks for messages; returns when the server has nothing more to send. */
  async ask(ctx: Context, max: number): Promise<void> {
    if (this.doubtful) {
      // What is published while there is no connection may all be sent at once when there is one again: do not ask twice.
      const [limit, cancel] = context.withTimeout(ctx, EXPIRES + MARGIN);
      using _ = cancel;
      try {
        await context.wait(this.connection.flush(), limit);
      } catch (error) {
        if (ctx.err() !== undefined) return;
        throw new Error("natsConsumer: the server does not answer; is the connection down?", { cause: error });
      }
      this.doubtful = false;
    }
    const { over } = this;
    this.asked = time.now();
    this.wanted = max;
    const request = JSON.stringify({ batch: max, expires: EXPIRES * 1e6, no_wait: true });
    this.connection.publish(this.next, request, { reply: `${this.subject}.${this.request}` });
    const limit = new time.Timer(EXPIRES + MARGIN);
    const got = await select({ over, limit: limit.c });
    limit.stop();
    if (got.case === "limit") {
      this.doubtful = true;
      this.request++;
      if (this.got.length > 0) return;
      throw new Error(`natsConsumer: the server did not answer within ${EXPIRES + MARGIN} ms; is the connection down?`);
    }
    if (this.status === undefined || this.got.length > 0) return;
    const { code, description } = this.status;
    if (code !== 404 && code !== 408) throw new Error(`natsConsumer: ${code} ${description}`);
    // Other requests wait for more than there is: the server has refused this one, and would the next as quickly.
    if (time.now() - this.asked < EXPIRES / 2) await time.sleep(20, ctx).catch(() => {});
  }
}

interface Letter {
  readonly subject: string;
  readonly payload?: Uint8Array | string;
  readonly headers?: NatsHeaders;
}

/** Messages to the server that are answered. */
export class Requests {
  readonly inbox: string;
  private readonly connection: NatsConnection;
  private readonly waiting: Map<string, (answer: NatsMessage) => void> = new Map();
  private sent = 0;

  constructor(connection: NatsConnection, inbox: string) {
    this.connection = connection;
    this.inbox = inbox;
    connection.subscribe(`${inbox}.re.*`, {
      callback: (_, message) => this.waiting.get(message?.subject)?.(message),
    });
  }

  /** Sends all at once; resolves to their answers, in order. Rejects when ctx ends first, or when nobody is there to answer one. */
  async send(
    ctx: Context,
    letters: readonly Letter[],
    answered?: (i: number) => void,
  ): Promise<readonly NatsMessage[]> {
    const err = ctx.err();
    if (err !== undefined) throw err;
    if (letters.length === 0) return [];
    const answers: NatsMessage[] = [];
    const replies: string[] = [];
    const all = new Chan<Error | undefined>(letters.length + 1);
    let left = letters.length;
    try {
      for (const [i, { subject, payload, headers }] of letters.entries()) {
        const reply = `${this.inbox}.re.${++this.sent}`;
        replies.push(reply);
        this.waiting.set(reply, (answer) => {
          this.waiting.delete(reply);
          if (answer.headers?.code === 503) {
            all.trySend(
              new Error(`natsConsumer: nobody answers ${subject}; is there such a stream, and is JetStream up?`),
            );
            return;
          }
          answers[i] = answer;
          answered?.(i);
          if (--left === 0) all.trySend(undefined);
        });
        this.connection.publish(subject, payload, { reply, ...(headers === undefined ? {} : { headers }) });
      }
      const got = await select({ all }, ctx);
      if (got.value !== undefined) throw got.value;
      return answers;
    } finally {
      for (const reply of replies) this.waiting.delete(reply);
    }
  }
}

/** Of the subject for the ack: how often it was delivered, and its sequence in the stream. The older form has no domain and account. */
export function infoOf(reply: string): readonly string[] {
  const tokens = reply.split(".");
  return tokens.slice(tokens.length === 9 ? 4 : 6);
}

export function sequenceOf(message: NatsMessage): string {
  return infoOf(message.reply!)[1]!;
}

const decoder: TextDecoder = /* @__PURE__ */ new TextDecoder();

export function textOf(message: NatsMessage): string {
  return decoder.decode(message.data);
}

/** A header has one line. */
export function oneLine(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.replaceAll(/\s+/g, " ").slice(0, 1_000);
}
