/**
 * Requests to the server that it answers: verdicts, questions, dead letters, records of releases.
 *
 * Invariant: a request is answered, or it is known that it will not be: it was refused, the connection was cut, or ctx
 * has ended.
 */
import { Chan, type Context, type RecvChan, select, time } from "../../index.ts";
import { noResponders, permissionError } from "./protocol.ts";
import type { ServerLink } from "./serverlink.ts";
import type { NatsHeaders, NatsMessage } from "./types.ts";

/** Time for which an answer may be overdue before the server is pinged, in ms. */
const OVERDUE = 1_000;

export interface Request {
  readonly subject: string;
  readonly payload: Uint8Array;
  readonly headers?: NatsHeaders;
}

/** A request that waits for its answer. */
interface PendingRequest {
  readonly subject: string;
  readonly onAnswer: (answer: NatsMessage | Error) => void;
}

export class Requests {
  /** The prefix of all reply subjects of this source. */
  readonly inbox: string;
  private readonly link: ServerLink;
  /** By reply subject. */
  private readonly pending: Map<string, PendingRequest> = new Map();
  private sent = 0;

  constructor(link: ServerLink, inbox: string) {
    this.link = link;
    this.inbox = inbox;
    link.connection.subscribe(`${inbox}.re.*`, {
      callback: (error, message) => {
        if (error === null) this.pending.get(message.subject)?.onAnswer(message);
        else this.fail(() => true, permissionError("subscription", `${inbox}.re.*`));
      },
    });
    link.denied.add((operation, subject) => {
      if (operation === "publish")
        this.fail((pending) => pending.subject === subject, permissionError("publish", subject));
    });
  }

  private fail(which: (pending: PendingRequest) => boolean, error: Error): void {
    for (const pending of this.pending.values()) if (which(pending)) pending.onAnswer(error);
  }

  /**
   * Sends requests, all at once. `answered` says which of them are answered.
   *
   * - "each": resolves to an answer to each, or the error instead of it.
   * - "ends": only the first and the last are, which is enough for verdicts (see protocol.ts). Resolves to these two
   *   answers, in their places; rejects if one of the two fails.
   *
   * Rejects when ctx ends first, and when the connection is cut.
   */
  async send(ctx: Context, requests: readonly Request[], answered: "each"): Promise<readonly (NatsMessage | Error)[]>;
  async send(ctx: Context, requests: readonly Request[], answered: "ends"): Promise<readonly NatsMessage[]>;
  async send(ctx: Context, requests: readonly Request[], answered: "each" | "ends"): Promise<readonly unknown[]> {
    if (requests.length === 0) return [];
    const cut = this.link.cut();
    const all = new Chan<true>(1);
    const answers: (NatsMessage | Error)[] = [];
    const replies: string[] = [];
    let left = answered === "each" ? requests.length : Math.min(requests.length, 2);
    try {
      for (const [i, request] of requests.entries()) {
        if (answered === "ends" && i > 0 && i < requests.length - 1) {
          this.link.connection.publish(request.subject, request.payload);
          continue;
        }
        const reply = `${this.inbox}.re.${++this.sent}`;
        replies.push(reply);
        const onAnswer = (answer: NatsMessage | Error): void => {
          this.pending.delete(reply);
          const isAnswer = answer instanceof Error || answer.headers?.code !== 503;
          answers[i] = isAnswer ? answer : noResponders(request.subject);
          left--;
          if (left === 0 || (answered === "ends" && answers[i] instanceof Error)) all.trySend(true);
        };
        this.pending.set(reply, { subject: request.subject, onAnswer });
        this.publish(request, reply, answered === "each" ? onAnswer : undefined);
      }
      await this.waitForAll(ctx, all, cut);
      const failed = answered === "ends" ? answers.find((answer) => answer instanceof Error) : undefined;
      if (failed !== undefined) throw failed;
      return answers;
    } catch (error) {
      // Before anything is sent again, the server must answer a ping.
      if (error === ctx.err()) this.link.doubt();
      throw error;
    } finally {
      for (const reply of replies) this.pending.delete(reply);
    }
  }

  /**
   * Publishes a request. `onRefused` is called if the client refuses it, because it is longer than the server allows.
   */
  private publish(
    { subject, payload, headers }: Request,
    reply: string,
    onRefused: ((error: Error) => void) | undefined,
  ): void {
    try {
      this.link.connection.publish(subject, payload, { reply, ...(headers === undefined ? {} : { headers }) });
    } catch (error) {
      if (onRefused === undefined || !(error instanceof Error)) throw error;
      onRefused(error);
    }
  }

  /**
   * Waits for all answers. While they are overdue the server is pinged: if it does not answer, the connection will be
   * cut.
   */
  private async waitForAll(ctx: Context, all: Chan<true>, cut: RecvChan<never>): Promise<void> {
    const overdue = new time.Timer(OVERDUE);
    try {
      for (;;) {
        const { case: first } = await select({ all, cut, overdue: overdue.c }, ctx);
        if (first === "all") return;
        if (first === "cut") throw new Error("natsConsumer: the connection was cut before the server has answered");
        this.link.doubt();
        this.link.reach(ctx).catch(() => {});
        overdue.reset(OVERDUE);
      }
    } finally {
      overdue.stop();
    }
  }
}
