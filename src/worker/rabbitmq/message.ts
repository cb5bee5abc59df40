/**
 * Messages of RabbitMQ: what the source of rabbitmq.ts makes of them, and what goes into a copy.
 *
 * Invariant: attempt = 1 + the failures before. A message that has failed comes again as a copy, whose header counts them; one that was
 * released, or whose worker is gone, comes again as it was. The broker's own count, `x-delivery-count`, cannot tell the three apart: it
 * stands in only for a message that is too large to be copied.
 */
import { decodeText, keyOf } from "../message.ts";
import type { RabbitDelivery } from "./index.ts";

/** What is needed of a message of amqplib. */
export interface RabbitMessage {
  readonly content: Uint8Array;
  readonly fields: { readonly deliveryTag: number; readonly redelivered: boolean };
  readonly properties: { readonly headers?: Readonly<Record<string, unknown>> | undefined };
}

/** The delivery of a message. The number of its channel is part of its id, for every channel counts from 1. */
export function toDelivery(
  message: RabbitMessage,
  channel: number,
  keyOption: ((message: RabbitMessage) => string | undefined) | undefined,
  copies: { canBeWhole(message: RabbitMessage): boolean },
): RabbitDelivery {
  const { deliveryTag, redelivered } = message.fields;
  const { headers = {} } = message.properties;
  const before = redelivered && !copies.canBeWhole(message) ? (headers["x-delivery-count"] ?? 1) : 0;
  const attributes: Record<string, string> = {};
  for (const [name, value] of Object.entries(headers)) {
    if (typeof value === "string") attributes[name] = value;
    else if (typeof value === "number" || typeof value === "boolean") attributes[name] = String(value);
  }
  const key = keyOf(message, keyOption);
  return {
    id: `${channel}.${deliveryTag}`,
    body: decodeText(message.content),
    attempt: 1 + numberOf(before) + numberOf(headers["headgate-attempts"]),
    attributes,
    message,
    ...(key === undefined ? {} : { key }),
  };
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

/** The headers of a message that a copy of it has, too. */
export function headersOf(message: RabbitMessage): Record<string, unknown> {
  const headers = Object.entries(message.properties.headers ?? {});
  return Object.fromEntries(headers.filter(([name]) => !OF_THIS_COPY.test(name)));
}

/** The options to publish a copy of a message with. */
export function copied(
  message: RabbitMessage,
  headers: Record<string, unknown>,
  expiration: number | undefined,
): Record<string, unknown> {
  const options: Record<string, unknown> = { persistent: true, mandatory: true, headers };
  const properties = message.properties as Readonly<Record<string, unknown>>;
  for (const name of PROPERTIES) if (properties[name] !== undefined) options[name] = properties[name];
  if (expiration !== undefined) options["expiration"] = String(expiration);
  return options;
}

const encoder: TextEncoder = /* @__PURE__ */ new TextEncoder();

/** How many bytes a header takes at most. */
export function sizeOf(value: unknown): number {
  if (typeof value === "string") return 5 + encoder.encode(value).length;
  if (typeof value !== "object" || value === null) return 9;
  if (ArrayBuffer.isView(value)) return 5 + value.byteLength;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + sizeOf(item), 5);
  return Object.entries(value).reduce((sum, [name, item]) => sum + sizeOf(name) + sizeOf(item), 5);
}
