/**
 * `headgate/worker/pubsub`: a subscription of Google Cloud Pub/Sub as a source.
 *
 * It pulls by unary requests, not by the client's `subscription.on("message")`. That stream brings more than was asked
 * for, and a worker that stops would have to give it all back. Between pulls nothing is under way.
 *
 * The source is in subscription.ts, and its clock fence in leases.ts. Requests are sent by client.ts, and liveness.ts
 * finds out whether the server is there.
 */
import { given, hasMethod, propertyOf } from "../../internal/foreign.ts";
import { onlyKnown } from "../../internal/args.ts";
import { decodeText } from "../message.ts";
import type { Source } from "../source.ts";
import { MAX_LEASE_MS, MIN_LEASE_MS } from "./leases.ts";
import { Subscription } from "./subscription.ts";
import type { PubsubDelivery, PubsubSubscriber, PubsubSubscriptionOptions } from "./types.ts";

export type {
  PubsubCallOptions,
  PubsubDelivery,
  PubsubLetter,
  PubsubMessage,
  PubsubPublisher,
  PubsubReceived,
  PubsubSubscriber,
  PubsubSubscriptionOptions,
} from "./types.ts";

/**
 * Returns a pull subscription that exists as a source. Any number of workers may share the source, and any number of
 * processes the subscription. One worker has one request for messages under way at a time.
 *
 * A delayed nack is a new ack deadline: whole seconds, rounded up, at most 600. A retry policy of the subscription is
 * added to it, and delays releases as well: leave it at "retry immediately". With a dead-letter policy, set its
 * `maxDeliveryAttempts` above the worker's `maxAttempts`, because releases count there. Lost leases are found by our
 * clock; with exactly-once delivery, by the server, too.
 *
 * **Cancellation**: a pull returns up to `wait` ms after the end of its ctx. Keep the worker's `grace` well above it.
 *
 * **Errors**: TypeError or RangeError, naming the rule, for options that make no sense. Calls reject with an error that
 * says what to do, with the client's own as its `cause`. A pull without an answer looks like one without messages, so
 * the server is then asked for a sign of life (`getSubscription`). If it gives none, the pull rejects, and a client of
 * Google's is made to connect again.
 *
 * **Ordering**: with message ordering, the ordering key is the delivery's `key`. Pub/Sub hands out no message of a key
 * while an earlier one is out, to whichever worker.
 *
 * @example
 * ```ts no-run
 * import { context } from "headgate";
 * import { shutdown } from "headgate/signal";
 * import { worker } from "headgate/worker";
 * import { type PubsubSubscriber, pubsubSubscription } from "headgate/worker/pubsub";
 *
 * declare const client: PubsubSubscriber; // new v1.SubscriberClient(), of @google-cloud/pubsub
 * const source = pubsubSubscription(client, { subscription: "projects/shop/subscriptions/orders" });
 * const [stop, abort] = shutdown(context.background(), "SIGTERM");
 * const report = await worker(stop, source, async (ctx, { body }) => console.log(JSON.parse(body)), { abort });
 * ```
 */
export function pubsubSubscription(
  client: PubsubSubscriber,
  options: PubsubSubscriptionOptions & { readonly decode: "bytes" },
): Source<PubsubDelivery<Uint8Array>>;
/** The same, with bodies of text. */
export function pubsubSubscription(
  client: PubsubSubscriber,
  options: PubsubSubscriptionOptions & { readonly decode?: "text" },
): Source<PubsubDelivery>;
export function pubsubSubscription(
  client: PubsubSubscriber,
  options: PubsubSubscriptionOptions,
): Source<PubsubDelivery<Uint8Array>> | Source<PubsubDelivery> {
  for (const name of ["pull", "acknowledge", "modifyAckDeadline"] as const) {
    if (!hasMethod(client, name)) {
      throw new TypeError(`pubsubSubscription: the client has no ${name}; give it a v1.SubscriberClient`);
    }
  }
  options = onlyKnown("pubsubSubscription", options, OPTIONS);
  const { subscription, lease = MIN_LEASE_MS, wait = 2_000, decode = "text" } = options;
  let { deadLetters } = options;
  mustBeFullName("subscription", "subscriptions", subscription);
  if (typeof lease !== "number" || lease % 1_000 !== 0 || lease < MIN_LEASE_MS || lease > MAX_LEASE_MS) {
    throw new RangeError(`pubsubSubscription: lease must be whole seconds, 10 000 to 600 000 ms; got ${given(lease)}`);
  }
  if (typeof wait !== "number" || !(wait >= MIN_WAIT_MS && wait <= MAX_WAIT_MS)) {
    throw new RangeError(`pubsubSubscription: wait must be 100 to 8 000 ms; got ${given(wait)}`);
  }
  if (decode !== "text" && decode !== "bytes") {
    throw new TypeError(`pubsubSubscription: decode must be "text" or "bytes"; got ${given(decode)}`);
  }
  if (deadLetters !== undefined) {
    deadLetters = onlyKnown("pubsubSubscription: deadLetters", deadLetters, { topic: true, publisher: true });
    mustBeFullName("deadLetters.topic", "topics", deadLetters.topic);
    const { publisher } = deadLetters;
    if (!hasMethod(publisher, "publish") || propertyOf(publisher, "publishMessage") !== undefined) {
      throw new TypeError("pubsubSubscription: deadLetters.publisher must be a v1.PublisherClient, beside the topic");
    }
  }
  const settings = { subscription, lease, wait, deadLetters };
  return decode === "bytes"
    ? new Subscription(client, { ...settings, decode: (bytes: Uint8Array) => bytes })
    : new Subscription(client, { ...settings, decode: decodeText });
}

const MIN_WAIT_MS = 100;
/**
 * A message that comes at the end of the longest request has 2 s left of its lease, enough to extend it: see
 * `RECEIPT_MS`.
 */
const MAX_WAIT_MS = 8_000;

const OPTIONS: Readonly<Record<keyof PubsubSubscriptionOptions, true>> = {
  subscription: true,
  lease: true,
  wait: true,
  decode: true,
  deadLetters: true,
};

function mustBeFullName(option: string, kind: string, name: unknown): void {
  if (typeof name === "string" && new RegExp(`^projects/[^/\\s]+/${kind}/[^/\\s]+$`).test(name)) return;
  throw new TypeError(
    `pubsubSubscription: ${option} must be a full name, projects/<project>/${kind}/<name>; got ${given(name)}`,
  );
}
