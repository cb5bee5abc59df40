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

const decoder: TextDecoder = /* @__PURE__ */ new TextDecoder();

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
    if (["string", "number", "boolean"].includes(typeof value)) attributes[name] = String(value);
  }
  const key = keyOf?.(message);
  return {
    id: `${channel}.${deliveryTag}`,
    body: decoder.decode(message.content),
    attempt: 1 + numberOf(before) + numberOf(headers["headgate-attempts"]),
    attributes,
    message,
    ...(key === undefined ? {} : { key }),
  };
}

function numberOf(header: unknown): number {
  return typeof header === "number" && header > 0 ? header : 0;
}

/** Not copied: what the broker says of this copy. Above all `x-death`: it drops what it takes for a message that goes round in circles. */
const OF_THE_BROKER = /^x-(death|delivery-count|acquired-count|(first|last)-death-.*)$/;

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
  const headers = Object.entries(message.properties.headers ?? {}).filter(([name]) => !OF_THE_BROKER.test(name));
  options["headers"] = { ...Object.fromEntries(headers), ...more };
  if (expiration !== undefined) options["expiration"] = String(expiration);
  return options;
}

/** The longest delay in the queue where one of `delay` ms waits: a message only expires when it is the first. */
export function bucketOf(delay: number): number {
  return 125 * 2 ** Math.max(0, Math.ceil(Math.log2(delay / 125)));
}

/** An error in a line, as a header. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return text.slice(0, 1_000);
}
