/**
 * What the source of nats.ts says to the server: requests for messages, and letters that are answered.
 *
 * Invariants:
 * - An inbox has one request under way, which is over when it is full, or when the server says so. One of which nothing is heard is lost,
 *   and its inbox with it: what comes there later is given back.
 * - The client forgets what is said while there is no connection, or says all of it when there is one again. So after a cut, or when an
 *   answer is overdue, nothing is said before the server has answered a ping.
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

/** What is needed of a connection: that of `@nats-io/transport-node`, `@nats-io/nats-core` (WebSockets), or `nats` from 2.7. */
export interface NatsConnection {
  publish(subject: string, payload: Uint8Array, options?: { reply?: string; headers?: NatsHeaders }): void;
  subscribe(
    subject: string,
    options: { callback: (error: Error | null, message: NatsMessage) => void },
  ): { unsubscribe(): void };
  flush(): Promise<void>;
  status(): AsyncIterable<{ readonly type: string }>;
}

const encoder: TextEncoder = /* @__PURE__ */ new TextEncoder();

/** Older clients take nothing else. */
export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/** How long an answer may be overdue, in ms. */
const MARGIN = 400;
/** How long the server keeps a request of which it has fulfilled a part and may deliver no more for now, in ms. */
const PART = 50;
/** How long a server may take to answer a ping, in ms. */
const PONG = 900;

/** A connection, and whether somebody is at its other end. */
export class Line {
  readonly connection: NatsConnection;
  /** Closed and replaced when the connection is cut: what was said may not have been heard, and no answer to it comes. */
  cut: Chan<never> = new Chan();
  private doubts = 0;

  constructor(connection: NatsConnection) {
    this.connection = connection;
    void this.watch();
  }

  private async watch(): Promise<void> {
    for await (const { type } of this.connection.status()) {
      if (type !== "disconnect") continue;
      this.doubt();
      const { cut } = this;
      this.cut = new Chan();
      cut.close();
    }
  }

  /** Somebody waited in vain for an answer. */
  doubt(): void {
    this.doubts++;
  }

  /** Returns when the server is there, as far as we know. Rejects if it is not, and when ctx ends. */
  async reach(ctx: Context): Promise<void> {
    const err = ctx.err();
    if (err !== undefined) throw err;
    while (this.doubts > 0) {
      const { doubts } = this;
      const [limit, cancel] = context.withTimeout(ctx, PONG);
      using _ = cancel;
      try {
        await context.wait(this.connection.flush(), limit);
      } catch (error) {
        const err = ctx.err();
        if (err !== undefined) throw err;
        throw new Error("natsConsumer: the server does not answer; is the connection down?", { cause: error });
      }
      if (this.doubts === doubts) this.doubts = 0;
    }
  }
}

/** What an inbox is for. */
export interface Purpose {
  /** Where requests for messages go, and how long the server keeps one that finds none, in ms, at most. */
  readonly next: { readonly subject: string; readonly expires: number };
  /** What to make of a message, and of the time of the request for it, in epoch ms. */
  readonly receive: (message: NatsMessage, asked: number) => NatsDelivery;
  /** What to do with a message for which nobody waits. */
  readonly giveBack: (late: NatsDelivery) => void;
}

/** Where the messages of one request after the other come. */
export class Inbox {
  private readonly line: Line;
  private readonly subject: string;
  private readonly purpose: Purpose;
  readonly close: () => void;
  private got: NatsDelivery[] = [];
  private request = 0;
  /** How long the server keeps the next request, in ms. */
  private expires: number;
  /** When the last request was made, and when something came: epoch ms. */
  asked = 0;
  private came = 0;
  private wanted = 0;
  /** What the server has said of the last request. */
  private status: NatsHeaders | undefined;
  private error: Error | null = null;
  /** Closed and replaced when a request is over. */
  private over: Chan<never> = new Chan();
  /** A request may still be under way that nobody waits for. */
  isLost = false;

  constructor(line: Line, subject: string, purpose: Purpose) {
    this.line = line;
    this.subject = subject;
    this.purpose = purpose;
    this.expires = purpose.next.expires;
    const subscription = line.connection.subscribe(`${subject}.*`, {
      callback: (error, message) => {
        if (error !== null) this.fail(error);
        else if (message.reply) this.arrived(message);
        else if (message.subject === `${subject}.${this.request}` && message.headers?.code !== 100) {
          this.end(message.headers);
        }
      },
    });
    this.close = () => subscription.unsubscribe();
  }

  /** What has come. */
  take(): NatsDelivery[] {
    const { got } = this;
    this.got = [];
    return got;
  }

  private arrived(message: NatsMessage): void {
    const delivery = this.purpose.receive(message, this.asked);
    if (this.isLost) return this.purpose.giveBack(delivery);
    if (this.got.length === 0) this.came = time.now();
    this.got.push(delivery);
    if (--this.wanted === 0) this.end(undefined);
  }

  private end(status: NatsHeaders | undefined): void {
    this.status = status;
    this.over.close();
    this.over = new Chan();
    this.request++;
  }

  /** We may not listen here: the client has ended the subscription. */
  private fail(error: Error): void {
    this.error = error;
    this.isLost = true;
    this.end(undefined);
  }

  /** Asks for messages. Returns when the server has nothing more to send; or when something has come, and the rest is lost. */
  async ask(ctx: Context, max: number): Promise<void> {
    try {
      await this.line.reach(ctx);
    } catch (error) {
      if (ctx.err() !== undefined) return;
      throw error;
    }
    const { subject } = this.purpose.next;
    const { over, expires } = this;
    this.asked = time.now();
    this.wanted = max;
    const request = bytesOf(JSON.stringify({ batch: max, expires: expires * 1e6, no_wait: true }));
    this.line.connection.publish(subject, request, { reply: `${this.subject}.${this.request}` });
    const lost = await this.ends(ctx, over);
    this.adapt();
    if (this.got.length > 0) return;
    if (this.error !== null) throw new Error("natsConsumer: the inbox is not ours to listen to", { cause: this.error });
    if (lost !== undefined) {
      if (ctx.err() !== undefined) return;
      throw lost;
    }
    const { code, description } = this.status!;
    if (code !== 404 && code !== 408) throw new Error(`natsConsumer: ${code} ${description}`);
    // The server has refused it, because other requests wait for more than there is, and would refuse the next as quickly.
    if (time.now() - this.asked < expires / 2) await time.sleep(20, ctx).catch(() => {});
  }

  /**
   * A server that has delivered what `max_ack_pending` allows keeps the request for more, and what has come would wait here until that
   * is over: so it is over sooner, until one is fulfilled, or as far as there is anything. One that finds nothing may wait longer again.
   */
  private adapt(): void {
    const most = this.purpose.next.expires;
    if (this.got.length === 0) this.expires = Math.min(2 * this.expires, most);
    else if (this.wanted <= 0 || time.now() - this.came < PART / 2) this.expires = most;
    else this.expires = Math.min(PART, most);
  }

  /** Waits until the request is over. Resolves to an error if it is lost. */
  private async ends(ctx: Context, over: Chan<never>): Promise<unknown> {
    const { cut } = this.line;
    let first: "over" | "cut" | "silence";
    let heard: number;
    do {
      heard = this.got.length;
      ({ case: first } = await select({ over, cut, silence: time.after(this.expires + MARGIN) }));
    } while (first === "silence" && this.got.length > heard);
    let error: unknown = new Error("natsConsumer: the connection was cut");
    if (first === "silence") {
      // A process that was busy hears late, but what was sent before the answer to its ping it hears before that.
      this.line.doubt();
      try {
        await this.line.reach(ctx);
        error = new Error("natsConsumer: the server does not answer a request; is there still such a consumer?");
      } catch (unreachable) {
        error = unreachable;
      }
    }
    if (this.over !== over) return undefined;
    this.isLost = true;
    return error;
  }
}

/** What is said to the server. */
export interface Letter {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers?: NatsHeaders;
}

/** Letters to the server that it answers. */
export class Letters {
  readonly inbox: string;
  private readonly line: Line;
  private readonly waiting: Map<string, (answer: NatsMessage | Error) => void> = new Map();
  private sent = 0;

  constructor(line: Line, inbox: string) {
    this.line = line;
    this.inbox = inbox;
    line.connection.subscribe(`${inbox}.re.*`, {
      callback: (error, message) => {
        if (error === null) this.waiting.get(message.subject)?.(message);
        else for (const hear of this.waiting.values()) hear(error);
      },
    });
  }

  /**
   * Sends letters, all at once, and resolves to the answers: to each of them, or to the first and the last. Rejects when ctx ends first,
   * when the connection is cut, or when nobody is there to answer one.
   */
  async send(ctx: Context, letters: readonly Letter[], answered: "each" | "ends"): Promise<readonly NatsMessage[]> {
    if (letters.length === 0) return [];
    const { cut, connection } = this.line;
    const replies: string[] = [];
    const answers: NatsMessage[] = [];
    const all = new Chan<Error | undefined>(letters.length);
    let left = answered === "each" ? letters.length : Math.min(letters.length, 2);
    try {
      for (const [i, { subject, payload, headers }] of letters.entries()) {
        if (answered === "ends" && i > 0 && i < letters.length - 1) {
          connection.publish(subject, payload);
          continue;
        }
        const reply = `${this.inbox}.re.${++this.sent}`;
        replies.push(reply);
        this.waiting.set(reply, (answer) => {
          this.waiting.delete(reply);
          if (answer instanceof Error) all.trySend(answer);
          else if (answer.headers?.code === 503) all.trySend(unanswered(subject));
          else {
            answers[i] = answer;
            if (--left === 0) all.trySend(undefined);
          }
        });
        connection.publish(subject, payload, { reply, ...(headers === undefined ? {} : { headers }) });
      }
      const got = await select({ all, cut }, ctx);
      if (got.case === "cut") throw new Error("natsConsumer: the connection was cut before the server has answered");
      if (got.value !== undefined) throw got.value;
      return answers;
    } catch (error) {
      // Before anything is said again, let us see whether anybody is there.
      if (error === ctx.err()) this.line.doubt();
      throw error;
    } finally {
      for (const reply of replies) this.waiting.delete(reply);
    }
  }
}

function unanswered(subject: string): Error {
  return new Error(`natsConsumer: nobody answers ${subject}; is there such a stream, and is JetStream up?`);
}
