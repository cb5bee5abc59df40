/**
 * What the source of pubsub.ts needs of Google's client, and how it reads its errors.
 *
 * Invariant: no call is repeated by the client itself (`retry: null`): who called is told how it went, in the time he gave.
 */
import { context, type Context, time } from "../../index.ts";

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

/** How a call is to be made: with a deadline, in ms, without repeating it, and by itself. */
export interface PubsubCallOptions {
  timeout: number;
  retry: null;
  /**
   * Of a publisher: its client would put a request off, and put it together with others, and all of these would fail where one is
   * refused. One that is put off when the client is closed rejects, and nobody hears it.
   */
  isBundling?: false;
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
  /** Asked for a sign of life when nothing has come for a while. Absent: a server that is silent looks like one without messages. */
  getSubscription?(request: { subscription: string }, options: PubsubCallOptions): Promise<unknown>;
}

/** A message to be published. */
export interface PubsubLetter {
  data: Uint8Array;
  attributes: { [name: string]: string };
  orderingKey: string;
}

/** What is needed of a publisher: that of `new v1.PublisherClient()` of `@google-cloud/pubsub`. */
export interface PubsubPublisher {
  publish(request: { topic: string; messages: PubsubLetter[] }, options: PubsubCallOptions): Promise<unknown>;
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

/** A call that ends when ctx does, but takes no longer than this many ms. */
export function within(ctx: Context, ms: number): PubsubCallOptions {
  const left = (ctx.deadline() ?? Infinity) - time.now();
  return { timeout: Math.max(1, Math.ceil(Math.min(ms, left))), retry: null };
}

/** Waits for a call under its ctx. It goes on by itself when that ends, and what it brings still counts. */
export async function under<T>(ctx: Context, call: () => Promise<T>): Promise<T> {
  const err = ctx.err();
  if (err !== undefined) throw err;
  const calling = call();
  // It may fail when nobody waits for it any more.
  calling.catch(() => {});
  return context.wait(calling, ctx);
}

/** The bytes of a message. The client's JSON form has them in base64. */
export function bytesOf({ data }: PubsubMessage): Uint8Array {
  if (typeof data !== "string") return data ?? new Uint8Array();
  return Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
}
