/** The public types of `headgate/worker/pubsub`: what it needs of Google's client, a delivery, and the options. */
import type { Delivery } from "../source.ts";

/** The part of a message of the client that is needed. */
export interface PubsubMessage {
  /** The body. */
  readonly data?: Uint8Array | string | null;
  /** The attributes. */
  readonly attributes?: { readonly [name: string]: string } | null;
  /** The id that the server gave it. */
  readonly messageId?: string | null;
  /** The ordering key; empty if it has none. */
  readonly orderingKey?: string | null;
}

/** The part of a delivery of the client that is needed. */
export interface PubsubReceived {
  /** Names the delivery. */
  readonly ackId?: string | null;
  /** The message. */
  readonly message?: PubsubMessage | null;
  /** The broker's count, if there is a dead-letter policy. */
  readonly deliveryAttempt?: number | null;
}

/** The options of a call: a deadline in ms, no retries, no batching. */
export interface PubsubCallOptions {
  /** The deadline in ms. */
  timeout: number;
  /** The client retries nothing. */
  retry: null;
  /**
   * For a publisher. Its client would delay a request and batch it with others. All of these fail if one is refused,
   * and a delayed one rejects unhandled if the client is closed meanwhile.
   */
  isBundling?: false;
}

/** The part of a subscriber that is needed: `new v1.SubscriberClient()` of `@google-cloud/pubsub`. */
export interface PubsubSubscriber {
  /** Asks for messages. */
  pull(
    request: { subscription: string; maxMessages: number },
    options: PubsubCallOptions,
  ): Promise<readonly [{ readonly receivedMessages?: readonly PubsubReceived[] | null }, ...unknown[]]>;
  /** Acks deliveries. */
  acknowledge(request: { subscription: string; ackIds: string[] }, options: PubsubCallOptions): Promise<unknown>;
  /** Sets the lease of deliveries; 0 s gives them back. */
  modifyAckDeadline(
    request: { subscription: string; ackIds: string[]; ackDeadlineSeconds: number },
    options: PubsubCallOptions,
  ): Promise<unknown>;
  /**
   * Called for a sign of life when nothing has come for a while. Absent: a silent server looks like one without
   * messages.
   */
  getSubscription?(request: { subscription: string }, options: PubsubCallOptions): Promise<unknown>;
}

/** A message to be published. */
export interface PubsubLetter {
  /** The body. */
  data: Uint8Array;
  /** The attributes. */
  attributes: { [name: string]: string };
  /** The ordering key; empty for none. */
  orderingKey: string;
}

/** The part of a publisher that is needed: `new v1.PublisherClient()` of `@google-cloud/pubsub`. */
export interface PubsubPublisher {
  /** Publishes messages. */
  publish(request: { topic: string; messages: PubsubLetter[] }, options: PubsubCallOptions): Promise<unknown>;
}

/** A message of Pub/Sub. Its id is the ack id; the id of the message is `message.messageId`. */
export interface PubsubDelivery<T extends string | Uint8Array = string> extends Delivery<T> {
  /**
   * With a dead-letter policy, the broker's count without the releases of this source. Without a policy the broker does
   * not count. Then it is how often this source got the message and did not release it. The source remembers 10,000
   * messages.
   */
  readonly attempt: number;
  /** The attributes; empty if it has none. */
  readonly attributes: Readonly<Record<string, string>>;
  /** The message as the client has it. */
  readonly message: PubsubMessage;
}

/** The subscription, and how to use it. */
export interface PubsubSubscriptionOptions {
  /** Its full name, `projects/<project>/subscriptions/<name>`. */
  readonly subscription: string;
  /**
   * The time for which a delivery is ours until it is extended, in ms: whole seconds, 10,000 to 600,000. It is the same
   * whatever the ack deadline of the subscription. A lease above 10,000 costs one more request per pull.
   *
   * @default 10_000
   */
  readonly lease?: number;
  /**
   * The deadline of a request for messages, in ms: a stop may have to wait that long. 100 to 8,000, and at most the
   * worker's `callTimeout`. A message handed out just as the deadline passes is redelivered after its ack deadline; a
   * longer `wait` makes that rarer.
   *
   * @default 2_000
   */
  readonly wait?: number;
  /**
   * The body: the data as text, or its bytes.
   *
   * @default "text"
   */
  readonly decode?: "text" | "bytes";
  /**
   * The destination of dead messages: a topic, by its full name `projects/<project>/topics/<name>`, and a
   * `v1.PublisherClient`.
   *
   * The message is published there, and then acked; a cut between the two may leave two of it. It has its attributes
   * and its ordering key, and the attributes `headgate-reason`, `headgate-attempts`, `headgate-subscription` and
   * `headgate-message-id`. Attributes whose names begin with "goog" are left out, as are those beyond the 100 that
   * Pub/Sub accepts. A message that Pub/Sub refuses is published in a smaller form: without the reason, without its own
   * attributes, at last without any.
   *
   * @default none: the worker acks dead messages, and names them in its report
   */
  readonly deadLetters?: { readonly topic: string; readonly publisher: PubsubPublisher };
}
