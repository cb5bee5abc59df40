/**
 * The log of releases: which deliveries of a message were given back without a failure, as by a worker that is stopped.
 *
 * The server counts deliveries, and would count these as attempts. So each source remembers its own releases. If there
 * is a stream for that, the source records the count of each message under a subject of its own. It reads the count
 * when the message comes again, in any process.
 *
 * Invariants:
 * - No message waits in vain for this stream. If it cannot be written or read in time, deliveries count as the server
 *   counts them.
 * - Only the last record of a subject is read, which the server finds at once. To count records it would have to read
 *   all.
 */
import { context, type Context } from "../../index.ts";
import { asAttempt, isRedelivered, nameOf, textOf } from "./message.ts";
import { bytesOf } from "./protocol.ts";
import type { Request, Requests } from "./requests.ts";
import type { NatsConsumerOptions, NatsDelivery, NatsMessage } from "./types.ts";
import { Releases } from "../releases.ts";

/** Time limit for a write or a read, in ms. */
const TIMEOUT = 1_000;

export class ReleaseLog {
  private readonly requests: Requests;
  private readonly api: string;
  private readonly stream: string | undefined;
  private readonly consumer: string;
  /** The counts that are known, by the name of the message. */
  private readonly known: Releases = new Releases();

  constructor(requests: Requests, { stream, consumer, releases, apiPrefix = "$JS.API" }: NatsConsumerOptions) {
    this.requests = requests;
    this.api = apiPrefix;
    this.stream = releases;
    this.consumer = `${stream}.${consumer}`;
  }

  /** Rejects if there is no such stream, or it does not take the subjects. */
  async open(ctx: Context): Promise<void> {
    const { stream } = this;
    if (stream === undefined) return;
    const question = { subject: `${this.api}.STREAM.INFO.${stream}`, payload: bytesOf("") };
    const [answer] = await this.requests.send(ctx, [question], "ends");
    const { error, config } = JSON.parse(textOf(answer!)) as {
      readonly error?: { readonly description: string };
      readonly config?: { readonly subjects?: readonly string[] };
    };
    const subject = `${stream}.>`;
    if (error === undefined && config?.subjects?.includes(subject) === true) return;
    const found = error?.description ?? `there is one with ${config?.subjects?.join() ?? "none"}`;
    throw new Error(
      `natsConsumer: releases needs a stream ${stream} with the subject ${subject}; make it, with a max_age: ${found}`,
    );
  }

  /** The deliveries, with their attempts: the server's count without the releases. */
  async withAttempts(ctx: Context, deliveries: NatsDelivery[]): Promise<readonly NatsDelivery[]> {
    const again = deliveries.flatMap(({ message }) => (isRedelivered(message) ? [message] : []));
    if (again.length === 0) return deliveries;
    // After the end of ctx they will be released, so their attempts do not matter.
    if (ctx.err() === undefined) await this.read(again);
    return deliveries.map((delivery) => {
      if (delivery.attempt <= 1) return delivery;
      return asAttempt(delivery, this.known.attempt(nameOf(delivery.message), delivery.attempt));
    });
  }

  /** Records a release of each of these messages. */
  async write(ctx: Context, messages: readonly NatsMessage[]): Promise<void> {
    await this.read(messages.filter((message) => isRedelivered(message) && !this.known.has(nameOf(message))));
    const records = messages.map((message) => {
      const name = nameOf(message);
      const count = this.known.of(name) + 1;
      this.known.set(name, count);
      return { subject: this.subjectOf(message), payload: bytesOf(String(count)) };
    });
    await this.send(ctx, records);
  }

  private async read(messages: readonly NatsMessage[]): Promise<void> {
    const subject = `${this.api}.STREAM.MSG.GET.${this.stream}`;
    const questions = messages.map((message) => {
      return { subject, payload: bytesOf(JSON.stringify({ last_by_subj: this.subjectOf(message) })) };
    });
    const answers = await this.send(context.background(), questions);
    for (const [i, answer] of answers.entries()) {
      if (answer instanceof Error) continue;
      const name = nameOf(messages[i]!);
      this.known.set(name, Math.max(this.known.of(name), countIn(answer)));
    }
  }

  /** Resolves to no answers if there is no stream, or they do not come in time. */
  private async send(ctx: Context, requests: readonly Request[]): Promise<readonly (NatsMessage | Error)[]> {
    if (this.stream === undefined || requests.length === 0) return [];
    const [limit, cancel] = context.withTimeout(ctx, TIMEOUT);
    using _ = cancel;
    try {
      return await this.requests.send(limit, requests, "each");
    } catch {
      return [];
    }
  }

  /** The message will not come again. */
  forget(message: NatsMessage): void {
    this.known.forget(nameOf(message));
  }

  private subjectOf(message: NatsMessage): string {
    return `${this.stream}.${this.consumer}.${nameOf(message)}`;
  }
}

/** The count in the last record of a subject; 0 if there is none, or it is no count. */
function countIn(answer: NatsMessage): number {
  try {
    const { message } = JSON.parse(textOf(answer)) as { readonly message?: { readonly data?: string } };
    const count = Number(atob(message?.data ?? ""));
    return Number.isSafeInteger(count) && count > 0 ? count : 0;
  } catch {
    return 0;
  }
}
