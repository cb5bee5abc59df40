/**
 * What the source of pubsub.ts needs of Google's client, and how it reads its errors.
 *
 * Invariant: no call is repeated by the client itself (`retry: null`): who called is told how it went, in the time he gave.
 */
import { context, type Context, time } from "../index.ts";

/** What is needed of a message of the client. */
export interface PubsubMessage {
  readonly data?: Uint8Array | string | null;
  readonly attributes?: { readonly [name: string]: string } | null;
  readonly messageId?: string | null;
  readonly orderingKey?: string | null;
}

/** What is needed of a delivery of the client. */
export interface PubsubReceived {
  readonly ackId?: string | null;
  readonly message?: PubsubMessage | null;
  readonly deliveryAttempt?: number | null;
}

/** How a call is to be made: with a deadline, in ms, and without repeating it. */
export interface PubsubCallOptions {
  timeout: number;
  retry: null;
}

/** What is needed of a subscriber: that of `new v1.SubscriberClient()` of `@google-cloud/pubsub`. */
export interface PubsubSubscriber {
  pull(
    request: { subscription: string; maxMessages: number },
    options: PubsubCallOptions,
  ): Promise<readonly [{ readonly receivedMessages?: readonly PubsubReceived[] | null }, ...unknown[]]>;
  acknowledge(request: { subscription: string; ackIds: string[] }, options: PubsubCallOptions): Promise<unknown>;
  modifyAckDeadline(
    request: { subscription: string; ackIds: string[]; ackDeadlineSeconds: number },
    options: PubsubCallOptions,
  ): Promise<unknown>;
}

/** What is needed of a publisher: that of `new v1.PublisherClient()` of `@google-cloud/pubsub`. */
export interface PubsubPublisher {
  publish(
    request: {
      topic: string;
      messages: { data: Uint8Array; attributes: { [name: string]: string }; orderingKey: string }[];
    },
    options: PubsubCallOptions,
  ): Promise<unknown>;
}

/** Something to be told of many deliveries: that they are acked, or the seconds that their leases last from now. */
export interface Order {
  readonly ids: readonly string[];
  readonly seconds: number | "ack";
}

/** What becomes of the deliveries that were told of. */
export interface Outcome {
  readonly confirmed: (id: string) => void;
  /** The server does not know this delivery any more. */
  readonly refused: (id: string) => void;
}

/** Deliveries in one request, and bytes of their ids: a request may have 512 KiB. */
const CHUNK = 1_000;
const BYTES = 500_000;

/**
 * Tells the server, in as many requests as that needs, all at the same time. Rejects when one of them has failed, after the others
 * are through.
 */
export async function tell(
  client: PubsubSubscriber,
  subscription: string,
  orders: readonly Order[],
  options: PubsubCallOptions,
  outcome: Outcome,
): Promise<void> {
  const requests = orders.flatMap(({ ids, seconds }) => chunksOf(ids).map((ackIds) => ({ seconds, ackIds })));
  const told = await Promise.allSettled(
    requests.map(async ({ seconds, ackIds }) => {
      try {
        if (seconds === "ack") await client.acknowledge({ subscription, ackIds }, options);
        else await client.modifyAckDeadline({ subscription, ackIds, ackDeadlineSeconds: seconds }, options);
        ackIds.forEach(outcome.confirmed);
      } catch (error) {
        settleEach(error, ackIds, outcome);
      }
    }),
  );
  for (const each of told) if (each.status === "rejected") throw each.reason;
}

function chunksOf(ids: readonly string[]): string[][] {
  const chunks: string[][] = [];
  let bytes = Infinity;
  for (const id of ids) {
    bytes += id.length;
    if (bytes > BYTES || chunks.at(-1)!.length === CHUNK) {
      chunks.push([]);
      bytes = id.length;
    }
    chunks.at(-1)!.push(id);
  }
  return chunks;
}

/**
 * With exactly-once delivery, an error names the deliveries that failed, and why each did; the others have succeeded. Throws the error
 * if it says nothing of the kind, or if a failure is said to pass.
 */
function settleEach(error: unknown, ids: readonly string[], { confirmed, refused }: Outcome): void {
  const named = (error as { errorInfoMetadata?: Readonly<Record<string, unknown>> } | null)?.errorInfoMetadata ?? {};
  if (!ids.some((id) => Object.hasOwn(named, id))) throw error;
  let passes = false;
  for (const id of ids) {
    const why = Object.hasOwn(named, id) ? String(named[id]) : undefined;
    if (why === undefined) confirmed(id);
    else if (why.startsWith("PERMANENT_")) refused(id);
    else passes = true;
  }
  if (passes) throw error;
}

/** The gRPC status of a call that was not answered in its time, as a pull is not when there is no message. */
export function isTimeout(error: unknown): boolean {
  return (error as { code?: unknown } | null)?.code === 4;
}

/** A call that ends when ctx does, but takes no longer than this many ms. */
export function within(ctx: Context, ms: number): PubsubCallOptions {
  const left = (ctx.deadline() ?? Infinity) - time.now();
  return { timeout: Math.max(1, Math.ceil(Math.min(ms, left))), retry: null };
}

/** Waits for a call under its ctx. It goes on by itself when that ends, and what it brings still counts. */
export async function under<T>(ctx: Context, call: () => Promise<T>): Promise<T> {
  const err = ctx.err();
  if (err !== undefined) throw err;
  return context.wait(call(), ctx);
}

/** The bytes of a message. The client's JSON form has them in base64. */
export function bytesOf({ data }: PubsubMessage): Uint8Array {
  if (typeof data !== "string") return data ?? new Uint8Array();
  return Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
}

/** The value of an attribute has 1,024 bytes at the most. */
export function fitting(text: string): string {
  return text.slice(0, new TextEncoder().encodeInto(text, new Uint8Array(1_024)).read);
}
