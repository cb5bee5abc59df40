/**
 * Messages of RabbitMQ: what the source of rabbitmq.ts makes of them, and how it makes copies.
 *
 * Invariant: attempt = 1 + the deliveries of this copy before (the broker counts them) + those of the copies before it (a header).
 */
import type { RabbitDelivery } from "./rabbitmq.ts";

/** What is needed of a message of amqplib. */
export interface RabbitMessage {
  readonly content: Uint8Array;
  readonly fields: { readonly deliveryTag: number; readonly redelivered: boolean };
  readonly properties: { readonly headers?: Readonly<Record<string, unknown>> | undefined };
}

/** As it is: a byte order mark is a part of the text. */
const decoder: TextDecoder = /* @__PURE__ */ new TextDecoder("utf-8", { ignoreBOM: true });

/** The delivery of a message. The number of its channel is part of its id, for every channel counts from 1. */
export function toDelivery(
  message: RabbitMessage,
  channel: number,
  keyOf: ((message: RabbitMessage) => string | undefined) | undefined,
): RabbitDelivery {
  const { deliveryTag, redelivered } = message.fields;
  const { headers = {} } = message.properties;
  const before = headers["x-delivery-count"] ?? (redelivered ? 1 : 0);
  const attributes: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === "string") attributes[name] = value;
    else if (typeof value === "number" || typeof value === "boolean") attributes[name] = String(value);
  }
  const delivery = {
    id: `${channel}.${deliveryTag}`,
    body: decoder.decode(message.content),
    attempt: 1 + numberOf(before) + numberOf(headers["headgate-attempts"]),
    attributes,
    message,
  };
  return keyOf === undefined ? delivery : withKey(delivery, keyOf);
}

/** What has no key that can be told is for the handler to see. */
function withKey(delivery: RabbitDelivery, keyOf: (message: RabbitMessage) => string | undefined): RabbitDelivery {
  try {
    const key = keyOf(delivery.message);
    return key === undefined ? delivery : { ...delivery, key };
  } catch {
    return delivery;
  }
}

function numberOf(header: unknown): number {
  return typeof header === "number" && header > 0 ? header : 0;
}

/**
 * Not copied: what the broker says of this copy, above all `x-death`, for it drops what it takes for a message that goes round in circles;
 * and where else it is to be routed to, for there it has been.
 */
const OF_THIS_COPY = /^(x-(death|delivery-count|acquired-count|(first|last)-death-.*)|CC|BCC)$/;

/** The properties that say how the message is to be treated, but for `expiration`, and `userId`, which must be ours. */
const PROPERTIES: readonly string[] = [
  "contentType",
  "contentEncoding",
  "priority",
  "correlationId",
  "replyTo",
  "messageId",
  "timestamp",
  "type",
  "appId",
];

/** The options to publish a copy of a message with. */
export function copied(
  message: RabbitMessage,
  more: Record<string, unknown>,
  expiration: number | undefined,
): Record<string, unknown> {
  const options: Record<string, unknown> = { persistent: true, mandatory: true };
  const properties = message.properties as Readonly<Record<string, unknown>>;
  for (const name of PROPERTIES) if (properties[name] !== undefined) options[name] = properties[name];
  const headers = Object.entries(message.properties.headers ?? {}).filter(([name]) => !OF_THIS_COPY.test(name));
  options["headers"] = { ...Object.fromEntries(headers), ...more };
  if (expiration !== undefined) options["expiration"] = String(expiration);
  return options;
}

/** The longest delay in the queue where one of `delay` ms waits: a message only expires when it is the first. */
export function bucketOf(delay: number): number {
  return 125 * 2 ** Math.max(0, Math.ceil(Math.log2(delay / 125)));
}
