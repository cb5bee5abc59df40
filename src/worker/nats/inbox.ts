/**
 * An inbox: the subscription to which the messages of one pull request after another come.
 *
 * Invariants:
 * - At most one request is under way. A request is never taken back: it ends when it is full, or with a status of the
 *   server.
 * - An inbox whose request has an unknown end is lost: no further request uses it, and what comes there later is
 *   released.
 *
 *                        request()
 *                idle ──────────────▶ waiting
 *                 ▲                    │   │
 *                 └────────────────────┘   │  the connection is cut, or no permission, or silence:
 *              full, or a status           │  no end in time, and a ping was answered, or was not
 *                                          ▼
 *                                         lost ──── a minute later ───▶ closed
 *
 * Messages collect in `got` while a request is under way. A pull that is cancelled goes on waiting: the server ends the
 * request half a second later at most. Silence alone proves nothing, because a busy process hears late. But the server
 * handles a connection in order, so whatever it sent before the answer to a ping arrives before that answer. Only then
 * is the request lost, unless it has ended meanwhile.
 */
import { type Context, type RecvChan, select, time } from "../../index.ts";
import { Notify } from "../../internal/notify.ts";
import { monotonic } from "../../internal/runtime.ts";
import { noResponders, permissionError, pullBytes, pullError } from "./protocol.ts";
import type { ServerLink } from "./serverlink.ts";
import type { NatsDelivery, NatsHeaders, NatsMessage } from "./types.ts";

/** Time for which the end of a request may be overdue, in ms. */
const MARGIN = 400;
/**
 * Time for which the server keeps a request that it has fulfilled in part, if it may deliver no more for now, in ms.
 */
const PART = 50;

export interface InboxOptions {
  /** The subject for pull requests. */
  readonly next: string;
  /** The longest time for which the server keeps a request that finds no message, in ms. */
  readonly expires: number;
  /** Makes a delivery of a message. `sentAt`: the time of its request, on the monotonic clock. */
  readonly receive: (message: NatsMessage, sentAt: number) => NatsDelivery;
  /** Releases a delivery that no pull waits for. */
  readonly release: (late: NatsDelivery) => void;
}

/** The last pull request of an inbox. */
interface PullRequest {
  /** Its reply subject. */
  readonly reply: string;
  /** On the monotonic clock, as is the next. */
  readonly sentAt: number;
  /** The arrival of the first message that no pull has taken yet. */
  firstAt: number;
  /** Messages that may still come. */
  wanted: number;
  isOver: boolean;
  /** The status with which the server has ended it. */
  status: NatsHeaders | undefined;
}

export class Inbox {
  private readonly link: ServerLink;
  private readonly subject: string;
  private readonly options: InboxOptions;
  readonly close: () => void;
  private request: PullRequest = { reply: "", sentAt: 0, firstAt: 0, wanted: 0, isOver: true, status: undefined };
  private requests = 0;
  private readonly ends: Notify = new Notify();
  /** The time that the server keeps the next request, in ms. */
  private expires: number;
  private got: NatsDelivery[] = [];
  /** The missing permission. */
  private denied: Error | undefined;
  /** A request may still be under way that no pull waits for. */
  isLost = false;

  constructor(link: ServerLink, subject: string, options: InboxOptions) {
    this.link = link;
    this.subject = subject;
    this.options = options;
    this.expires = options.expires;
    const onDenied = (operation: "publish" | "subscription", what: string): void => {
      if (operation === "publish" && what === options.next) this.deny(permissionError(operation, what));
    };
    link.denied.add(onDenied);
    const subscription = link.connection.subscribe(`${subject}.*`, {
      callback: (error, message) => {
        // The client has ended the subscription.
        if (error !== null) this.deny(permissionError("subscription", `${subject}.*`), error);
        else if (message.reply) this.onMessage(message);
        else if (message.subject === this.request.reply && message.headers?.code !== 100) this.end(message.headers);
      },
    });
    this.close = () => {
      link.denied.delete(onDenied);
      subscription.unsubscribe();
    };
  }

  /** When the last request was sent, on the monotonic clock. */
  get sentAt(): number {
    return this.request.sentAt;
  }

  /** Takes the messages that have come. */
  take(): NatsDelivery[] {
    const { got } = this;
    this.got = [];
    return got;
  }

  private onMessage(message: NatsMessage): void {
    const { request } = this;
    const delivery = this.options.receive(message, request.sentAt);
    if (this.isLost) return this.options.release(delivery);
    if (this.got.length === 0) request.firstAt = monotonic();
    this.got.push(delivery);
    if (--request.wanted === 0) this.end(undefined);
  }

  private end(status: NatsHeaders | undefined): void {
    if (this.request.isOver) return;
    this.request.isOver = true;
    this.request.status = status;
    this.ends.notifyAll();
  }

  private deny(denied: Error, cause?: Error): void {
    if (cause !== undefined) denied.cause = cause;
    this.denied = denied;
    this.isLost = true;
    this.end(undefined);
  }

  /** Requests messages. Returns when the request is over; or when it is lost, and messages have come before. */
  async pull(ctx: Context, max: number): Promise<void> {
    try {
      await this.link.reach(ctx);
    } catch (error) {
      if (ctx.err() !== undefined) return;
      throw error;
    }
    const { next } = this.options;
    const { expires } = this;
    const reply = `${this.subject}.${++this.requests}`;
    const sentAt = monotonic();
    this.request = { reply, sentAt, firstAt: 0, wanted: max, isOver: false, status: undefined };
    const over = this.ends.notified();
    this.link.connection.publish(next, pullBytes(max, expires), { reply });
    const lost = await this.waitForEnd(ctx, over);
    this.adapt();
    if (this.got.length > 0) return;
    if (this.denied !== undefined) throw this.denied;
    if (lost !== undefined) {
      if (ctx.err() !== undefined) return;
      throw lost.error;
    }
    const { code, description } = this.request.status!;
    if (code === 503) throw noResponders(next);
    if (code !== 404 && code !== 408) throw pullError(code, description);
    // Other requests wait for more messages than there are: the server has refused this one, and would refuse the next
    // as quickly.
    if (monotonic() - sentAt < expires / 2) await time.sleep(20, ctx).catch(() => {});
  }

  /**
   * Sets the time for which the server keeps the next request. A server that has delivered what `max_ack_pending`
   * allows keeps the request for more, and what has come would wait here until that ends. So the next request is short,
   * until one is full, or brings all there is. After one that finds nothing the time doubles.
   */
  private adapt(): void {
    const most = this.options.expires;
    const { wanted, firstAt } = this.request;
    if (this.got.length === 0) this.expires = Math.min(2 * this.expires, most);
    else if (wanted <= 0 || monotonic() - firstAt < PART / 2) this.expires = most;
    else this.expires = Math.min(PART, most);
  }

  /**
   * Waits until the request is over. If it is lost, resolves to the reason; in an object, because an error may have a
   * `then`.
   */
  private async waitForEnd(ctx: Context, over: RecvChan<never>): Promise<{ readonly error: unknown } | undefined> {
    const cut = this.link.cut();
    let first: "over" | "cut" | "silence";
    let count: number;
    do {
      count = this.got.length;
      // oxlint-disable-next-line headgate/ctx-not-passed -- a request is never broken off: see the top
      ({ case: first } = await select({ over, cut, silence: time.after(this.expires + MARGIN) }));
    } while (first === "silence" && this.got.length > count);
    let error: unknown = new Error("natsConsumer: the connection was cut");
    if (first === "silence") {
      this.link.doubt();
      try {
        await this.link.reach(ctx);
        error = new Error("natsConsumer: the server does not answer a request; is there still such a consumer?");
      } catch (unreachable) {
        error = unreachable;
      }
    }
    if (this.request.isOver) return undefined;
    this.isLost = true;
    return { error };
  }
}
