/**
 * Messages of JetStream: what the source of nats.ts makes of them, and of those that are dead.
 *
 * Where the ack of a message goes says which delivery of which message it is: `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence in the
 * stream>.<sequence of the consumer>.<time it was published, ns>.<messages to come>`. Newer servers put two tokens before the stream.
 */
import type { NatsHeaders, NatsMessage } from "./nats-wire.ts";
import type { NatsDelivery } from "./nats.ts";
import { reasonOf } from "./reason.ts";

/** As it is: a byte order mark is a part of the text. */
const decoder: TextDecoder = /* @__PURE__ */ new TextDecoder("utf-8", { ignoreBOM: true });

export function textOf(message: NatsMessage): string {
  return decoder.decode(message.data);
}

/** What of that is of interest, all in digits. Cut out one by one: to split it took a tenth of the worker's time. */
function infoOf(message: NatsMessage): { deliveries: string; sequence: string; place: string; published: string } {
  const reply = message.reply!;
  const dots: number[] = [];
  for (let at = reply.indexOf("."); at >= 0; at = reply.indexOf(".", at + 1)) dots.push(at);
  const token = (n: number): string => reply.slice(dots[n - 1]! + 1, dots[n]);
  const first = dots.length === 8 ? 4 : 6;
  return { deliveries: token(first), sequence: token(first + 1), place: token(first + 2), published: token(first + 3) };
}

export function toDelivery(
  message: NatsMessage,
  key: ((message: NatsMessage) => string | undefined) | undefined,
): NatsDelivery {
  const { deliveries, sequence, place } = infoOf(message);
  const attributes: Record<string, string> = {};
  const { headers } = message;
  if (headers !== undefined) for (const name of headers.keys()) attributes[name] = headers.get(name);
  const delivery = {
    // Not with the count of its deliveries: a server (2.9.10) may forget that there was one, if a message is due in the very moment in which
    // a request ends. The other number is that of the consumer, and no two of its deliveries have the same.
    id: `${sequence}.${place}`,
    body: textOf(message),
    attempt: Number(deliveries),
    attributes,
    message,
  };
  return key === undefined ? delivery : withKey(delivery, key);
}

/** What has no key that can be told is for the handler to see. */
function withKey(delivery: NatsDelivery, keyOf: (message: NatsMessage) => string | undefined): NatsDelivery {
  try {
    const key = keyOf(delivery.message);
    return key === undefined ? delivery : { ...delivery, key };
  } catch {
    return delivery;
  }
}

/**
 * The headers of a dead letter. Its id is that of the message, so that JetStream drops the second of two; with the time, for the sequences
 * begin anew when a stream is made anew.
 */
export function headersOf(
  { message, attempt, attributes }: NatsDelivery,
  error: unknown,
  consumer: string,
  headers: NatsHeaders,
): NatsHeaders {
  for (const [name, value] of Object.entries(attributes)) if (!/^nats-/i.test(name)) headers.set(name, value);
  const { sequence, published } = infoOf(message);
  headers.set("Nats-Msg-Id", `dead.${consumer}.${sequence}.${published}`);
  headers.set("Headgate-Reason", reasonOf(error));
  headers.set("Headgate-Attempts", String(attempt));
  headers.set("Headgate-Subject", message.subject);
  return headers;
}
