/**
 * A message broker in memory, for tests, demos, and work that need not survive the process.
 *
 * Invariants:
 * - A message is in exactly one place: ready, delayed, leased, or behind another of its key. `size` counts them all.
 * - Of a key at most one message is not behind another: the first that was published of those that are not settled. So whatever
 *   happens to it, none overtakes it.
 * - Publishing and every verdict are a scheduling point, as they would be over a network: `explore` tries out what happens meanwhile.
 * - All its time is the library's (its monotonic clock, timer channels): a change of the wall clock does not touch it, and under a virtual
 *   clock it is deterministic.
 * - A verdict counts only if it comes with the current lease. Otherwise it changes nothing, and is reported as lost.
 */
import { onlyKnown, positive, whole } from "../internal/args.ts";
import { Checkpoint } from "../internal/checkpoint.ts";
import { type Context, nil, select, semaphore, time } from "../index.ts";
import { Inspectable } from "../internal/inspect.ts";
import { Notify } from "../internal/notify.ts";
import { monotonic } from "../internal/runtime.ts";
import type { Dead, Delivery, Nack, Source } from "./source.ts";

/** A message that was given up. */
export interface DeadLetter<T = unknown> {
  /** The body that was published. */
  readonly body: T;
  /** The ordering key. Absent: it had none. */
  readonly key?: string;
  /** The attributes that it was published with. */
  readonly attributes?: Readonly<Record<string, string>>;
  /** The number of its deliveries. */
  readonly attempts: number;
  /** The error that the handler threw. */
  readonly error: unknown;
}

/** The options of `publish`. */
export interface PublishOptions {
  /**
   * The ordering key: of the messages with the same key, each is delivered when those before it are settled for good.
   *
   * @default undefined: in any order
   */
  readonly key?: string;
  /** The attributes that it was published with. */
  readonly attributes?: Readonly<Record<string, string>>;
}

/** A broker in memory. Any number of workers may share one. */
export interface MemoryBroker<T> extends Source<Delivery<T>> {
  /** True if no message will come any more. */
  readonly ended: boolean;
  /** The time that a delivery is held, in ms. */
  readonly lease: number;
  /** Gives messages up: they go to `deadLetters`. */
  readonly deadLetter: (ctx: Context, items: readonly Dead<Delivery<T>>[]) => Promise<readonly Delivery<T>[]>;
  /** Holds deliveries for another lease. */
  readonly extend: (ctx: Context, deliveries: readonly Delivery<T>[]) => Promise<readonly Delivery<T>[]>;
  /**
   * Publishes a message. With a `capacity` it waits until there is room: see that option for what a handler must not do.
   *
   * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()` and the message is not published.
   *
   * **Errors**: rejects when the broker has been ended.
   */
  readonly publish: (body: T, options?: PublishOptions, ctx?: Context) => Promise<void>;
  /** Says that no more will be published: the broker is `ended` when its messages are settled. */
  readonly end: () => void;
  /** The number of messages that are not settled: ready, delayed, leased, or behind another of their key. */
  readonly size: number;
  /** The last dead letters, as many as the option `deadLetters` says. */
  readonly deadLetters: readonly DeadLetter<T>[];
}

/** The options of a memory broker. */
export interface MemoryBrokerOptions {
  /**
   * The length of a lease in ms: how long a delivery belongs to the worker that pulled it.
   *
   * @default 30_000
   */
  readonly lease?: number;
  /**
   * The number of messages that it holds before `publish` waits. A message that is being handled is still among them. So a handler must not wait for
   * room in the broker that its own message is from: if all handlers do, none ends, and there is never any room. Publish to another broker
   * there, or with a ctx that has a deadline.
   *
   * @default unbounded
   */
  readonly capacity?: number;
  /**
   * The number of dead letters that it keeps, the last ones.
   *
   * @default 10_000
   */
  readonly deadLetters?: number;
}

/**
 * Makes a broker in memory: leases, redelivery, attempts, delayed nacks, dead letters, publishing with back-pressure.
 *
 * Its memory is bounded by `capacity` for messages and `deadLetters` for dead letters. Without a capacity it holds whatever is published.
 *
 * **Errors**: RangeError unless `lease` is positive, `capacity` a whole number from 1, and `deadLetters` a whole number from 0.
 *
 * @example
 * ```ts
 * import { context } from "headgate";
 * import { memoryBroker, worker } from "headgate/worker";
 *
 * const broker = memoryBroker<string>();
 * await broker.publish("hello");
 * broker.end();
 * const report = await worker(context.background(), broker, (ctx, delivery) => console.log(delivery.body)); // => hello
 * console.log(report.acked, report.stopped); // => 1 source ended
 * ```
 */
export function memoryBroker<T>(options: MemoryBrokerOptions = {}): MemoryBroker<T> {
  const { lease = 30_000, capacity, deadLetters = 10_000 } = onlyKnown("memoryBroker", options, OPTIONS);
  positive("memoryBroker: lease", lease);
  if (capacity !== undefined) whole("memoryBroker: capacity", capacity, 1);
  whole("memoryBroker: deadLetters", deadLetters, 0);
  return new Broker<T>(lease, capacity, deadLetters);
}

const OPTIONS: Readonly<Record<keyof MemoryBrokerOptions, true>> = { lease: true, capacity: true, deadLetters: true };
const PUBLISH: Readonly<Record<keyof PublishOptions, true>> = { key: true, attributes: true };

/** The options of a message that was published without any. */
const NONE: PublishOptions = {};

interface Message<T> {
  readonly seq: number;
  /** The body that was published. */
  readonly body: T;
  readonly options: PublishOptions;
  attempts: number;
  /** When its lease ends, or its delay, on the monotonic clock. */
  until: number;
  /** Published after it with the same key. */
  next: Message<T> | null;
}

class Broker<T> extends Inspectable implements MemoryBroker<T> {
  /** The time that a delivery is held, in ms. */
  readonly lease: number;
  readonly deadLetters: DeadLetter<T>[] = [];
  private readonly kept: number;
  private readonly room: semaphore.Weighted | null;
  private readonly ready: Message<T>[] = [];
  /** The first message in `ready` that has not been delivered: taking from the front moves this, not the list. */
  private front = 0;
  private readonly delayed: Message<T>[] = [];
  /** By the id of the delivery, in the order in which the leases end, because all are equally long. */
  private readonly leased: Map<string, Message<T>> = new Map();
  /** The last message of each key. */
  private readonly tails: Map<string, Message<T>> = new Map();
  /** The number of messages that are behind another of their key. */
  private behind = 0;
  private published = 0;
  private delivered = 0;
  private closed = false;
  /** Notifies the pulls that wait. */
  private readonly news: Notify = new Notify();
  /** Publishing and verdicts pass it. */
  private readonly wire: Checkpoint = new Checkpoint();

  constructor(lease: number, capacity: number | undefined, kept: number) {
    super();
    this.lease = lease;
    this.kept = kept;
    this.room = capacity === undefined ? null : new semaphore.Weighted(capacity);
  }

  get size(): number {
    return this.ready.length - this.front + this.delayed.length + this.leased.size + this.behind;
  }

  /** The broker and its state, such as `memoryBroker(3 messages, 1 of them leased; 0 dead)`: what was published is not for a log. */
  override toString(): string {
    return `memoryBroker(${this.size} messages, ${this.leased.size} of them leased; ${this.deadLetters.length} dead)`;
  }

  get ended(): boolean {
    return this.closed && this.size === 0;
  }

  publish = async (body: T, options: PublishOptions = NONE, ctx?: Context): Promise<void> => {
    if (options !== NONE) options = onlyKnown("memoryBroker: publish", options, PUBLISH);
    if (this.room !== null) await this.room.acquire(1, ctx);
    if (this.closed) {
      this.room?.release();
      throw new Error("memoryBroker: publish after end()");
    }
    const message = { seq: ++this.published, body, options, attempts: 0, until: 0, next: null };
    // With a capacity, `acquire` was the scheduling point.
    if (this.room === null) await this.wire.pass(() => this.add(message), ctx);
    else this.add(message);
  };

  end = (): void => {
    this.closed = true;
    this.news.notifyAll();
  };

  pull = async (ctx: Context, max: number): Promise<readonly Delivery<T>[]> => {
    for (;;) {
      if (ctx.err() !== undefined || this.ended) return [];
      const now = monotonic();
      this.makeReady(now);
      if (this.front < this.ready.length) return this.deliver(max, now);
      const next = Math.min(this.delayed[0]?.until ?? Infinity, this.firstLease()?.[1].until ?? Infinity);
      const news = this.news.notified();
      await select({ news, due: next < Infinity ? time.after(next - now) : nil, done: ctx.done() });
    }
  };

  ack = async (ctx: Context, deliveries: readonly Delivery<T>[]): Promise<readonly Delivery<T>[]> =>
    this.settle(ctx, deliveries, (message) => this.settled(message));

  nack = async (ctx: Context, items: readonly Nack<Delivery<T>>[]): Promise<readonly Delivery<T>[]> => {
    const byId = new Map(items.map((item) => [item.delivery.id, item]));
    return this.settle(
      ctx,
      items.map((item) => item.delivery),
      (message, id) => {
        const { delay, reason } = byId.get(id)!;
        if (reason === "released") message.attempts--;
        message.until = monotonic() + delay;
        if (delay > 0) push(this.delayed, message);
        else this.ready.push(message);
        this.news.notifyAll();
      },
    );
  };

  deadLetter = async (ctx: Context, items: readonly Dead<Delivery<T>>[]): Promise<readonly Delivery<T>[]> => {
    const errors = new Map(items.map((item) => [item.delivery.id, item.error]));
    return this.settle(
      ctx,
      items.map((item) => item.delivery),
      (message, id) => {
        this.deadLetters.push({
          body: message.body,
          ...message.options,
          attempts: message.attempts,
          error: errors.get(id),
        });
        if (this.deadLetters.length > this.kept) this.deadLetters.shift();
        this.settled(message);
      },
    );
  };

  extend = async (ctx: Context, deliveries: readonly Delivery<T>[]): Promise<readonly Delivery<T>[]> =>
    this.settle(ctx, deliveries, (message, id) => {
      message.until = monotonic() + this.lease;
      this.leased.set(id, message);
    });

  /** Ends the leases of these deliveries and calls `then` with each message. Returns the deliveries whose lease was lost. */
  private settle(
    ctx: Context,
    deliveries: readonly Delivery<T>[],
    then: (message: Message<T>, id: string) => void,
  ): Promise<readonly Delivery<T>[]> {
    return this.wire.pass(() => {
      this.makeReady(monotonic());
      return deliveries.filter(({ id }) => {
        const message = this.leased.get(id);
        if (message === undefined) return true;
        this.leased.delete(id);
        then(message, id);
        return false;
      });
    }, ctx);
  }

  /** A message is settled for good: the next of its key is ready. */
  private settled({ next, options: { key } }: Message<T>): void {
    this.room?.release();
    if (next !== null) {
      this.behind--;
      this.ready.push(next);
      this.news.notifyAll();
    } else if (key !== undefined) this.tails.delete(key);
    if (this.ended) this.news.notifyAll();
  }

  private firstLease(): [id: string, message: Message<T>] | undefined {
    for (const entry of this.leased) return entry;
    return undefined;
  }

  /** Puts a message that was published behind the last of its key, if there is one. */
  private add(message: Message<T>): void {
    const { key } = message.options;
    const tail = key === undefined ? undefined : this.tails.get(key);
    if (key !== undefined) this.tails.set(key, message);
    if (tail === undefined) this.ready.push(message);
    else {
      tail.next = message;
      this.behind++;
    }
    this.news.notifyAll();
  }

  /** Makes ready what is due: leases that ran out, and delays that are over. */
  private makeReady(now: number): void {
    for (let first; (first = this.firstLease()) !== undefined && first[1].until <= now;) {
      this.leased.delete(first[0]);
      this.ready.push(first[1]);
    }
    while (this.delayed.length > 0 && this.delayed[0]!.until <= now) this.ready.push(pop(this.delayed));
  }

  private deliver(max: number, now: number): Delivery<T>[] {
    const messages = this.ready.slice(this.front, this.front + max);
    this.front += messages.length;
    if (this.front * 2 > this.ready.length) {
      this.ready.splice(0, this.front);
      this.front = 0;
    }
    return messages.map((message) => {
      message.attempts++;
      message.until = now + this.lease;
      const id = `${message.seq}.${++this.delivered}`;
      const delivery = { id, body: message.body, attempt: message.attempts };
      this.leased.set(id, message);
      // Most messages have no options, and a spread costs more than all the rest of this.
      return message.options === NONE ? delivery : { ...delivery, ...message.options };
    });
  }
}

// The delayed messages are a binary heap, the first due on top; of those due together, the first published.

function isBefore(a: Message<unknown>, b: Message<unknown>): boolean {
  return a.until < b.until || (a.until === b.until && a.seq < b.seq);
}

function push<T>(heap: Message<T>[], message: Message<T>): void {
  let at = heap.push(message) - 1;
  while (at > 0) {
    const up = (at - 1) >> 1;
    if (!isBefore(message, heap[up]!)) break;
    heap[at] = heap[up]!;
    at = up;
  }
  heap[at] = message;
}

function pop<T>(heap: Message<T>[]): Message<T> {
  const top = heap[0]!;
  const last = heap.pop()!;
  if (heap.length === 0) return top;
  let at = 0;
  for (;;) {
    let down = 2 * at + 1;
    if (down >= heap.length) break;
    if (down + 1 < heap.length && isBefore(heap[down + 1]!, heap[down]!)) down++;
    if (!isBefore(heap[down]!, last)) break;
    heap[at] = heap[down]!;
    at = down;
  }
  heap[at] = last;
  return top;
}
