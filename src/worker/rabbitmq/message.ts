/**
 * Messages of RabbitMQ: the delivery of one, and the headers and properties of its copies.
 *
 * Invariant: attempt = 1 + the failures before. A message that has failed comes again as a copy, and a header of the
 * copy counts them. One that was released, or whose worker is gone, comes again as it was. The broker's own count,
 * `x-delivery-count`, counts all three. So it is used only for a message that is too large to be copied.
 */
import { decodeText, keyOf } from "../message.ts";
import type { RabbitDelivery, RabbitMessage } from "./types.ts";

/** The delivery of a message. Its id has the number of the channel, because every channel counts its tags from 1. */
export function toDelivery(
  message: RabbitMessage,
  channel: number,
  keyOption: ((message: RabbitMessage) => string | undefined) | undefined,
  copies: { canCopy(message: RabbitMessage): boolean },
): RabbitDelivery {
  const { deliveryTag, redelivered } = message.fields;
  const { headers = {} } = message.properties;
  const before = redelivered && !copies.canCopy(message) ? (headers["x-delivery-count"] ?? 1) : 0;
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
 * The headers that a copy must not have. `x-death` and its kin belong to the original: with them, the broker drops the
 * copy as a message that goes round in circles. CC and BCC route the message to further queues, where it has been
 * already.
 */
const NOT_COPIED = /^(x-(death|delivery-count|acquired-count|(first|last)-death-.*)|CC|BCC)$/;

/** The properties that a copy keeps: all except `expiration`, and `userId`, which must be that of our connection. */
const KEPT_PROPERTIES: readonly string[] = [
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

/** The headers of a message that its copies keep. */
export function headersOf(message: RabbitMessage): Record<string, unknown> {
  const headers = Object.entries(message.properties.headers ?? {});
  return Object.fromEntries(headers.filter(([name]) => !NOT_COPIED.test(name)));
}

/** The options with which a copy of a message is published. */
export function copyOptions(
  message: RabbitMessage,
  headers: Record<string, unknown>,
  expiration: number | undefined,
): Record<string, unknown> {
  const options: Record<string, unknown> = { persistent: true, mandatory: true, headers };
  const properties = message.properties as Readonly<Record<string, unknown>>;
  for (const name of KEPT_PROPERTIES) if (properties[name] !== undefined) options[name] = properties[name];
  if (expiration !== undefined) options["expiration"] = String(expiration);
  return options;
}

const encoder: TextEncoder = /* @__PURE__ */ new TextEncoder();

/** The most bytes that a header takes on the wire. */
export function sizeOf(value: unknown): number {
  if (typeof value === "string") return 5 + encoder.encode(value).length;
  if (typeof value !== "object" || value === null) return 9;
  if (ArrayBuffer.isView(value)) return 5 + value.byteLength;
  if (Array.isArray(value)) return value.reduce<number>((sum, item) => sum + sizeOf(item), 5);
  return Object.entries(value).reduce((sum, [name, item]) => sum + sizeOf(name) + sizeOf(item), 5);
}
