/**
 * A real broker, that several processes share: what they have in common, whichever it is.
 *
 * Invariants:
 * - A message brings its id along. So it is the same message wherever it is delivered, and after it was published twice.
 * - `published` counts what the broker has confirmed. What was sent without that is counted in `unconfirmed`: it may be there, or not.
 * - While the broker does not answer, nothing is over.
 */
import { randomUUID } from "node:crypto";
import { context, type Context, retry, time } from "headgate";
import { type Delivery, Permanent, type Progress, type Source } from "headgate/worker";
import { textOf } from "../secrets.ts";
import { type Adapter, type Broker, type BrokerState, DELAY, LEASE, type Message, type Shared } from "./broker.ts";
import { Troubles } from "./troubles.ts";

/** Messages that are published in one go. */
const BATCH = 100;
/** With so many in the broker no more are published, as in memory: a demo that is stopped leaves no mountain behind. */
const FULL = 1000;
/** How long an answer may take, in ms. */
const ANSWER = 5_000;
/** Without a message for so many ms, an empty broker is taken for done. Longer than a message waits that is delivered again. */
const QUIET = 2_000;

export class RealBroker implements Broker {
  readonly source: Source<Delivery<unknown>>;
  readonly shared: Shared;
  private readonly adapter: Adapter;
  private readonly idle: number | undefined;
  /** Keeps the names of our messages apart from those of others. */
  private readonly name = randomUUID().slice(0, 8);
  private readonly troubles = new Troubles();
  private readonly counts = { published: 0, unconfirmed: 0 };
  /** How many may be published before the broker is asked again how many it has. */
  private room = 0;
  private isPublished = false;
  private quiet = 0;

  /** `idle`: see {@link over}. */
  constructor(adapter: Adapter, idle: number | undefined) {
    this.adapter = adapter;
    this.shared = {
      ...adapter,
      backoff: () => (DELAY * (1.1 + 0.9 * Math.random())) / 2,
      over: (ctx, progress) => this.over(ctx, progress),
    };
    this.idle = idle;
    this.source = this.troubles.watched(adapter.source);
  }

  get state(): Required<BrokerState> {
    return { ...this.counts, trouble: this.troubles.first, quiet: this.quiet };
  }

  // ---------------------------------------------------------------------------------------------------------------- messages

  messageOf({ body }: Delivery<unknown>): Message {
    let message: Partial<Message> | null | undefined;
    try {
      message = JSON.parse(body as string) as Partial<Message> | null;
    } catch {
      // It is none, then.
    }
    if (typeof message?.id === "string" && /^[\w-]+$/.test(message.id)) return { id: message.id, body: message.body };
    throw new Permanent("this is no message of the demo, which are { id, body }");
  }

  async publish(ctx: Context, bodies: readonly unknown[]): Promise<void> {
    const texts = bodies.map((body, i) => JSON.stringify({ id: `${this.name}-${i + 1}`, body }));
    for (let i = 0; i < texts.length; i += BATCH) {
      const batch = texts.slice(i, i + BATCH);
      const publishing = retry.run(ctx, () => this.publishBatch(ctx, batch), {
        tries: Infinity,
        base: 200,
        max: 2_000,
      });
      await publishing.catch((error) => {
        throw ctx.err() ?? error;
      });
      this.counts.published += batch.length;
    }
    this.isPublished = true;
  }

  private async publishBatch(ctx: Context, texts: readonly string[]): Promise<void> {
    while (this.adapter.left !== undefined && this.room <= 0) {
      this.room = FULL - (await this.ask());
      if (this.room <= 0) await time.sleep(50, ctx);
    }
    this.room -= texts.length;
    await this.troubles.watch("publish", async () => {
      this.counts.unconfirmed += texts.length;
      // Once it is on its way, it is better to know what became of it than to stop at once.
      await within(ANSWER, this.adapter.publish(texts));
      this.counts.unconfirmed -= texts.length;
    });
  }

  // ----------------------------------------------------------------------------------------------------------------- the end

  /**
   * A queue never ends. This run does when all is published, nothing is held, and nothing has come for `idle` ms. Left open, that is
   * soon if the broker is empty; if it is not, or does not tell, what a process held that was killed is waited for.
   */
  private async over(ctx: Context, progress: Progress): Promise<void> {
    let since = time.now();
    let pulled = 0;
    let wasBusy = true;
    for (;;) {
      await time.sleep(100, ctx);
      const held = progress.waiting + progress.running + progress.settling;
      // A verdict that could not be sent has expired.
      if (held === 0) this.troubles.over("verdict");
      const isBusy = !this.isPublished || held > 0 || progress.pulled > pulled || this.troubles.has("pull");
      if (isBusy || wasBusy) since = time.now();
      pulled = progress.pulled;
      wasBusy = isBusy;
      this.quiet = time.now() - since;
      if (this.quiet < (this.idle ?? QUIET)) continue;
      if (this.idle !== undefined || this.quiet >= LEASE + QUIET || (await this.isEmpty())) return;
    }
  }

  private async isEmpty(): Promise<boolean> {
    if (this.adapter.left === undefined) return false;
    return (await this.ask().catch(() => 1)) === 0;
  }

  private ask(): Promise<number> {
    return this.troubles.watch("count", () => within(ANSWER, this.adapter.left!()));
  }

  async left(): Promise<number | string> {
    if (this.adapter.left === undefined) return "for it does not tell";
    try {
      return await within(ANSWER, this.adapter.left());
    } catch (error) {
      return `for it does not answer: ${textOf(error)}`;
    }
  }

  async close(): Promise<void> {
    // A server that is gone cannot say goodbye.
    await within(ANSWER, this.adapter.close()).catch(() => {});
  }
}

/** Rejects if it takes longer than so many ms. */
async function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const [limit, cancel] = context.withTimeout(context.background(), ms);
  using _ = cancel;
  try {
    return await context.wait(work, limit);
  } catch (error) {
    throw limit.err() === undefined ? error : new Error(`no answer within ${ms / 1000} s`);
  }
}
