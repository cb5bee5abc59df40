/**
 * Calls of Google's client: verdicts in as many requests as they need, and the deadlines of calls.
 *
 * Invariant: the client itself repeats no call (`retry: null`). Its caller learns the outcome within the time that it
 * gave.
 */
import { context, type Context, time } from "../../index.ts";
import type { PubsubCallOptions, PubsubMessage, PubsubSubscriber } from "./types.ts";

/** An order for many deliveries: "ack", or the ms that their leases last from now. */
export interface Orders {
  readonly order: "ack" | number;
  readonly ids: readonly string[];
}

/** Called for each delivery of an order. */
export interface Outcome {
  readonly onConfirmed: (id: string) => void;
  /** The server does not know this delivery any more. */
  readonly onUnknown: (id: string) => void;
}

/** The most ids in one request. */
const MAX_ACK_IDS = 1_000;
/** The most bytes of ids in one request: the request itself may have 512 KiB. */
const MAX_ACK_BYTES = 500_000;

/**
 * Sends orders, all requests at the same time. Rejects if one of them has failed, after all are answered.
 */
export async function sendOrders(
  client: PubsubSubscriber,
  subscription: string,
  orders: readonly Orders[],
  options: PubsubCallOptions,
  outcome: Outcome,
): Promise<void> {
  const requests = orders.flatMap(({ order, ids }) => chunksOf(ids).map((ackIds) => ({ order, ackIds })));
  const results = await Promise.allSettled(
    requests.map(async ({ order, ackIds }) => {
      try {
        if (order === "ack") await client.acknowledge({ subscription, ackIds }, options);
        else await client.modifyAckDeadline({ subscription, ackIds, ackDeadlineSeconds: order / 1_000 }, options);
        ackIds.forEach(outcome.onConfirmed);
      } catch (error) {
        outcomeOfEach(error, ackIds, outcome);
      }
    }),
  );
  for (const result of results) if (result.status === "rejected") throw result.reason;
}

function chunksOf(ids: readonly string[]): string[][] {
  const chunks: string[][] = [];
  let bytes = Infinity;
  for (const id of ids) {
    bytes += id.length;
    if (bytes > MAX_ACK_BYTES || chunks.at(-1)!.length === MAX_ACK_IDS) {
      chunks.push([]);
      bytes = id.length;
    }
    chunks.at(-1)!.push(id);
  }
  return chunks;
}

/**
 * The outcome of a request that failed. With exactly-once delivery, the error names the deliveries that failed, and why
 * each did; the others have succeeded. Throws the error if it names none, or if a failure is transient.
 */
function outcomeOfEach(error: unknown, ids: readonly string[], { onConfirmed, onUnknown }: Outcome): void {
  const named = (error as { errorInfoMetadata?: Readonly<Record<string, unknown>> } | null)?.errorInfoMetadata ?? {};
  if (!ids.some((id) => Object.hasOwn(named, id))) throw error;
  let isTransient = false;
  for (const id of ids) {
    const reason = Object.hasOwn(named, id) ? String(named[id]) : undefined;
    if (reason === undefined) onConfirmed(id);
    else if (reason.startsWith("PERMANENT_")) onUnknown(id);
    else isTransient = true;
  }
  if (isTransient) throw error;
}

/** The options of a call that ends with ctx, but takes no longer than this many ms. */
export function callOptions(ctx: Context, ms: number): PubsubCallOptions {
  const left = (ctx.deadline() ?? Infinity) - time.now();
  return { timeout: Math.max(1, Math.ceil(Math.min(ms, left))), retry: null };
}

/** Waits for a call under its ctx. The call goes on after the end of ctx, and its outcome still counts. */
export async function underCtx<T>(ctx: Context, call: () => Promise<T>): Promise<T> {
  const err = ctx.err();
  if (err !== undefined) throw err;
  const calling = call();
  // It may reject after the caller has left.
  calling.catch(() => {});
  return context.wait(calling, ctx);
}

/** The bytes of a message. The JSON form of the client has them in base64. */
export function bytesOf({ data }: PubsubMessage): Uint8Array {
  if (typeof data !== "string") return data ?? new Uint8Array();
  return Uint8Array.from(atob(data), (char) => char.charCodeAt(0));
}
