/**
 * Which deliveries of a message were released: given back without a failure, as by a worker that is stopped.
 *
 * The server counts deliveries, and would count these as attempts. So each source remembers its own. Where there is a stream for that, it
 * writes the count down for each message, under a subject of its own, and reads it when the message comes again: from any process.
 *
 * Invariants:
 * - Nothing waits for this stream in vain. What cannot be written or read in time counts as the server counts.
 * - Only the last line of a subject is read, which the server finds at once, however many there are; to count lines it would read them all.
 */
import { context, type Context } from "../../index.ts";
import type { NatsMessage } from "./serverlink.ts";
import { asAttempt, isRedelivered, nameOf, textOf } from "./message.ts";
import { bytesOf, type Letter, type Letters } from "./protocol.ts";
import type { NatsConsumerOptions, NatsDelivery } from "./index.ts";
import { Releases } from "../releases.ts";

/** ms that it may take to write or read. */
const PATIENCE = 1_000;

export class Released {
  private readonly letters: Letters;
  private readonly api: string;
  private readonly stream: string | undefined;
  private readonly consumer: string;
  /** What is known, by the name of the message. */
  private readonly known: Releases = new Releases();

  constructor(letters: Letters, { stream, consumer, releases, apiPrefix = "$JS.API" }: NatsConsumerOptions) {
    this.letters = letters;
    this.api = apiPrefix;
    this.stream = releases;
    this.consumer = `${stream}.${consumer}`;
  }

  /** Rejects if there is no stream to write to. */
  async open(ctx: Context): Promise<void> {
    const { stream } = this;
    if (stream === undefined) return;
    const question = { subject: `${this.api}.STREAM.INFO.${stream}`, payload: bytesOf("") };
    const [answer] = await this.letters.send(ctx, [question], "ends");
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

  /** Deliveries with the attempts that they are. */
  async counted(ctx: Context, deliveries: NatsDelivery[]): Promise<readonly NatsDelivery[]> {
    const again = deliveries.flatMap(({ message }) => (isRedelivered(message) ? [message] : []));
    if (again.length === 0) return deliveries;
    // Once the worker is told to stop, they are not begun any more.
    if (ctx.err() === undefined) await this.read(again);
    return deliveries.map((delivery) => {
      if (delivery.attempt <= 1) return delivery;
      return asAttempt(delivery, this.known.attempt(nameOf(delivery.message), delivery.attempt));
    });
  }

  /** Writes down that these are released. */
  async write(ctx: Context, messages: readonly NatsMessage[]): Promise<void> {
    await this.read(messages.filter((message) => isRedelivered(message) && !this.known.has(nameOf(message))));
    const lines = messages.map((message) => {
      const name = nameOf(message);
      const count = this.known.of(name) + 1;
      this.known.set(name, count);
      return { subject: this.subjectOf(message), payload: bytesOf(String(count)) };
    });
    await this.ask(ctx, lines);
  }

  private async read(messages: readonly NatsMessage[]): Promise<void> {
    const subject = `${this.api}.STREAM.MSG.GET.${this.stream}`;
    const questions = messages.map((message) => {
      return { subject, payload: bytesOf(JSON.stringify({ last_by_subj: this.subjectOf(message) })) };
    });
    const answers = await this.ask(context.background(), questions);
    for (const [i, answer] of answers.entries()) {
      if (answer instanceof Error) continue;
      const name = nameOf(messages[i]!);
      this.known.set(name, Math.max(this.known.of(name), countIn(answer)));
    }
  }

  private async ask(ctx: Context, letters: readonly Letter[]): Promise<readonly (NatsMessage | Error)[]> {
    if (this.stream === undefined || letters.length === 0) return [];
    const [limit, cancel] = context.withTimeout(ctx, PATIENCE);
    using _ = cancel;
    try {
      return await this.letters.send(limit, letters, "each");
    } catch {
      return [];
    }
  }

  /** It does not come again. */
  forget(message: NatsMessage): void {
    this.known.forget(nameOf(message));
  }

  private subjectOf(message: NatsMessage): string {
    return `${this.stream}.${this.consumer}.${nameOf(message)}`;
  }
}

/** The count in the last line of a subject; 0 where there is none, or something else. */
function countIn(answer: NatsMessage): number {
  try {
    const { message } = JSON.parse(textOf(answer)) as { readonly message?: { readonly data?: string } };
    const count = Number(atob(message?.data ?? ""));
    return Number.isSafeInteger(count) && count > 0 ? count : 0;
  } catch {
    return 0;
  }
}
