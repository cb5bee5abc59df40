/**
 * Which deliveries of a message were released: given back without a failure, as by a worker that is stopped.
 *
 * The server counts deliveries, and would count these as attempts. So each source remembers its own; and where there is a stream for that, it
 * writes a line for each, under a subject of the message's own, and reads how many there are when a message comes again.
 *
 * Invariant: nothing waits for this stream in vain. What cannot be written or read in time counts as the server counts.
 */
import { context, type Context } from "../index.ts";
import type { NatsMessage } from "./nats-line.ts";
import { nameOf, textOf } from "./nats-message.ts";
import { bytesOf, type Letters } from "./nats-wire.ts";
import type { NatsConsumerOptions, NatsDelivery } from "./nats.ts";
import { Releases } from "./releases.ts";

/** ms that it may take to write or read. */
const PATIENCE = 1_000;

export class Released {
  private readonly letters: Letters;
  private readonly api: string;
  private readonly stream: string | undefined;
  private readonly consumer: string;
  private readonly own: Releases = new Releases();

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
    const [answer] = await this.letters.send(ctx, [this.question("")], "ends");
    const { error, config } = JSON.parse(textOf(answer!)) as Info;
    const subject = `${stream}.>`;
    if (error === undefined && config?.subjects?.includes(subject) === true) return;
    throw new Error(
      `natsConsumer: releases needs a stream ${stream} with the subject ${subject}; make it, with a max_age: ${error?.description ?? `there is one with ${config?.subjects?.join()}`}`,
    );
  }

  /** Deliveries with the attempts that they are. */
  async counted(ctx: Context, deliveries: NatsDelivery[]): Promise<readonly NatsDelivery[]> {
    const again = deliveries.filter(({ attempt }) => attempt > 1);
    if (again.length === 0) return deliveries;
    // Once the worker is told to stop, they are not begun any more.
    const written = ctx.err() === undefined ? await this.read(again) : new Map<string, number>();
    return deliveries.map((delivery) => {
      if (delivery.attempt <= 1) return delivery;
      const name = nameOf(delivery.message);
      const releases = Math.max(this.own.of(name), written.get(name) ?? 0);
      return { ...delivery, attempt: Math.max(1, delivery.attempt - releases) };
    });
  }

  private async read(deliveries: readonly NatsDelivery[]): Promise<Map<string, number>> {
    const counts = new Map<string, number>();
    if (this.stream === undefined) return counts;
    const [limit, cancel] = context.withTimeout(context.background(), PATIENCE);
    using _ = cancel;
    const questions = deliveries.map(({ message }) => this.question(this.subjectOf(message)));
    const answers = await this.letters.send(limit, questions, "each").catch(() => []);
    for (const [i, answer] of answers.entries()) {
      if (answer instanceof Error) continue;
      const { state } = JSON.parse(textOf(answer)) as Info;
      const { message } = deliveries[i]!;
      counts.set(nameOf(message), state?.subjects?.[this.subjectOf(message)] ?? 0);
    }
    return counts;
  }

  /** Writes down that these are released. */
  async write(ctx: Context, messages: readonly NatsMessage[]): Promise<void> {
    for (const message of messages) this.own.set(nameOf(message), this.own.of(nameOf(message)) + 1);
    if (this.stream === undefined || messages.length === 0) return;
    const [limit, cancel] = context.withTimeout(ctx, PATIENCE);
    using _ = cancel;
    const lines = messages.map((message) => ({ subject: this.subjectOf(message), payload: bytesOf("") }));
    await this.letters.send(limit, lines, "each").catch(() => {});
  }

  /** It does not come again. */
  forget(message: NatsMessage): void {
    this.own.forget(nameOf(message));
  }

  private subjectOf(message: NatsMessage): string {
    return `${this.stream}.${this.consumer}.${nameOf(message)}`;
  }

  private question(subject: string): { subject: string; payload: Uint8Array } {
    const payload = bytesOf(subject === "" ? "" : JSON.stringify({ subjects_filter: subject }));
    return { subject: `${this.api}.STREAM.INFO.${this.stream}`, payload };
  }
}

/** What the server says of a stream. */
interface Info {
  readonly error?: { readonly description: string };
  readonly config?: { readonly subjects?: readonly string[] };
  readonly state?: { readonly subjects?: Readonly<Record<string, number>> };
}
