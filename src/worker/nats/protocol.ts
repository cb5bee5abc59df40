/**
 * What the source of nats.ts says to the server: requests for messages, and letters that are answered.
 *
 * Invariants:
 * - An inbox has one request under way, which is over when it is full, or when the server says so. One of which nothing is heard is lost,
 *   and its inbox with it: what comes there later is given back.
 * - A letter is answered, or it is known that it is not: it was refused, the connection was cut, or the time is over.
 */
import { Chan, type Context, select, time } from "../../index.ts";
import { monotonic } from "../../internal/runtime.ts";
import { type Line, type NatsHeaders, type NatsMessage, refusalOf } from "./serverlink.ts";
import type { NatsDelivery } from "./index.ts";

const encoder: TextEncoder = /* @__PURE__ */ new TextEncoder();

/** Older clients take nothing else. */
export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/** How long an answer may be overdue, in ms. */
const MARGIN = 400;
/** How long the server keeps a request of which it has fulfilled a part and may deliver no more for now, in ms. */
const PART = 50;
/** How long a letter may wait for its answer until the server is asked whether it is there, in ms. */
const UNANSWERED = 1_000;

/** What an inbox is for. */
export interface Purpose {
  /** Where requests for messages go, and how long the server keeps one that finds none, in ms, at most. */
  readonly next: { readonly subject: string; readonly expires: number };
  /** What to make of a message, and of the time of the request for it, on the monotonic clock. */
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
  /** When the last request was made, and when something came, on the monotonic clock. */
  asked = 0;
  private came = 0;
  private wanted = 0;
  /** What the server has said of the last request. */
  private status: NatsHeaders | undefined;
  private refusal: Error | undefined;
  /** Closed and replaced when a request is over. */
  private over: Chan<never> = new Chan();
  /** A request may still be under way that nobody waits for. */
  isLost = false;

  constructor(line: Line, subject: string, purpose: Purpose) {
    this.line = line;
    this.subject = subject;
    this.purpose = purpose;
    this.expires = purpose.next.expires;
    const refusal = (operation: "publish" | "subscription", what: string): void => {
      if (operation === "publish" && what === purpose.next.subject) this.fail(refusalOf(operation, what));
    };
    line.refusals.add(refusal);
    const subscription = line.connection.subscribe(`${subject}.*`, {
      callback: (error, message) => {
        if (error !== null) this.fail(refusalOf("subscription", `${subject}.*`), error);
        else if (message.reply) this.arrived(message);
        else if (message.subject === `${subject}.${this.request}` && message.headers?.code !== 100) {
          this.end(message.headers);
        }
      },
    });
    this.close = () => {
      line.refusals.delete(refusal);
      subscription.unsubscribe();
    };
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
    if (this.got.length === 0) this.came = monotonic();
    this.got.push(delivery);
    if (--this.wanted === 0) this.end(undefined);
  }

  private end(status: NatsHeaders | undefined): void {
    this.status = status;
    this.over.close();
    this.over = new Chan();
    this.request++;
  }

  /** We may not ask, or not listen here, and then the client has ended the subscription. */
  private fail(refusal: Error, cause?: Error): void {
    if (cause !== undefined) refusal.cause = cause;
    this.refusal = refusal;
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
    this.asked = monotonic();
    this.wanted = max;
    const request = bytesOf(JSON.stringify({ batch: max, expires: expires * 1e6, no_wait: true }));
    this.line.connection.publish(subject, request, { reply: `${this.subject}.${this.request}` });
    const lost = await this.ends(ctx, over);
    this.adapt();
    if (this.got.length > 0) return;
    if (this.refusal !== undefined) throw this.refusal;
    if (lost !== undefined) {
      if (ctx.err() !== undefined) return;
      throw lost.error;
    }
    const { code, description } = this.status!;
    if (code === 503) throw unanswered(subject);
    if (code !== 404 && code !== 408) throw new Error(`natsConsumer: ${code} ${description}${adviceOn(code)}`);
    // The server has refused it, because other requests wait for more than there is, and would refuse the next as quickly.
    if (monotonic() - this.asked < expires / 2) await time.sleep(20, ctx).catch(() => {});
  }

  /**
   * A server that has delivered what `max_ack_pending` allows keeps the request for more, and what has come would wait here until that
   * is over: so it is over sooner, until one is fulfilled, or as far as there is anything. One that finds nothing may wait longer again.
   */
  private adapt(): void {
    const most = this.purpose.next.expires;
    if (this.got.length === 0) this.expires = Math.min(2 * this.expires, most);
    else if (this.wanted <= 0 || monotonic() - this.came < PART / 2) this.expires = most;
    else this.expires = Math.min(PART, most);
  }

  /** Waits until the request is over. Resolves to why it is lost, if it is: in an object, for an error might have a `then`. */
  private async ends(ctx: Context, over: Chan<never>): Promise<{ readonly error: unknown } | undefined> {
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
    return { error };
  }
}

/** What is said to the server. */
export interface Letter {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers?: NatsHeaders;
}

/** A letter that is waited for. */
interface Waiting {
  readonly subject: string;
  readonly hear: (answer: NatsMessage | Error) => void;
}

/** Letters to the server that it answers. */
export class Letters {
  readonly inbox: string;
  private readonly line: Line;
  private readonly waiting: Map<string, Waiting> = new Map();
  private sent = 0;

  constructor(line: Line, inbox: string) {
    this.line = line;
    this.inbox = inbox;
    line.connection.subscribe(`${inbox}.re.*`, {
      callback: (error, message) => {
        if (error === null) this.waiting.get(message.subject)?.hear(message);
        else this.fail(() => true, refusalOf("subscription", `${inbox}.re.*`));
      },
    });
    line.refusals.add((operation, subject) => {
      if (operation === "publish") this.fail((waiting) => waiting.subject === subject, refusalOf(operation, subject));
    });
  }

  private fail(whose: (waiting: Waiting) => boolean, error: Error): void {
    for (const waiting of this.waiting.values()) if (whose(waiting)) waiting.hear(error);
  }

  /**
   * Sends letters, all at once, and resolves to the answers: to each of them, where an error says why there is none; or to the first and the
   * last, and then it rejects if one of the two is not answered. Rejects when ctx ends first, and when the connection is cut.
   */
  async send(ctx: Context, letters: readonly Letter[], answered: "each"): Promise<readonly (NatsMessage | Error)[]>;
  async send(ctx: Context, letters: readonly Letter[], answered: "ends"): Promise<readonly NatsMessage[]>;
  async send(ctx: Context, letters: readonly Letter[], answered: "each" | "ends"): Promise<readonly unknown[]> {
    if (letters.length === 0) return [];
    const { cut } = this.line;
    const all = new Chan<true>(1);
    const answers: (NatsMessage | Error)[] = [];
    const replies: string[] = [];
    let left = answered === "each" ? letters.length : Math.min(letters.length, 2);
    try {
      for (const [i, letter] of letters.entries()) {
        if (answered === "ends" && i > 0 && i < letters.length - 1) {
          this.line.connection.publish(letter.subject, letter.payload);
          continue;
        }
        const reply = `${this.inbox}.re.${++this.sent}`;
        replies.push(reply);
        const hear = (answer: NatsMessage | Error): void => {
          this.waiting.delete(reply);
          const isAnswer = answer instanceof Error || answer.headers?.code !== 503;
          answers[i] = isAnswer ? answer : unanswered(letter.subject);
          left--;
          if (left === 0 || (answered === "ends" && answers[i] instanceof Error)) all.trySend(true);
        };
        this.waiting.set(reply, { subject: letter.subject, hear });
        this.publish(letter, reply, answered === "each" ? hear : undefined);
      }
      await this.answered(ctx, all, cut);
      const failed = answered === "ends" ? answers.find((answer) => answer instanceof Error) : undefined;
      if (failed !== undefined) throw failed;
      return answers;
    } catch (error) {
      // Before anything is said again, let us see whether anybody is there.
      if (error === ctx.err()) this.line.doubt();
      throw error;
    } finally {
      for (const reply of replies) this.waiting.delete(reply);
    }
  }

  /** The client refuses what is longer than the server takes; `refused` is told then. */
  private publish({ subject, payload, headers }: Letter, reply: string, refused?: (error: Error) => void): void {
    try {
      this.line.connection.publish(subject, payload, { reply, ...(headers === undefined ? {} : { headers }) });
    } catch (error) {
      if (refused === undefined || !(error instanceof Error)) throw error;
      refused(error);
    }
  }

  /** Waits for the answers. While they are overdue the server is pinged: if nobody is there, the line is cut. */
  private async answered(ctx: Context, all: Chan<true>, cut: Chan<never>): Promise<void> {
    const overdue = new time.Timer(UNANSWERED);
    try {
      for (;;) {
        const { case: first } = await select({ all, cut, overdue: overdue.c }, ctx);
        if (first === "all") return;
        if (first === "cut") throw new Error("natsConsumer: the connection was cut before the server has answered");
        this.line.doubt();
        this.line.reach(ctx).catch(() => {});
        overdue.reset(UNANSWERED);
      }
    } finally {
      overdue.stop();
    }
  }
}

function unanswered(subject: string): Error {
  const missing = /^\$JS\.(?:.*\.)?(?:API\.CONSUMER|ACK)\./.test(subject)
    ? "is there still such a consumer, and is JetStream up?"
    : "is there such a stream, and is JetStream up?";
  return new Error(`natsConsumer: nobody answers ${subject}; ${missing}`);
}

/** What to do about a request that the server has refused. */
function adviceOn(code: number): string {
  return code === 409
    ? "; is there still such a consumer, and does it allow as many requests as there are workers?"
    : "";
}
