/**
 * Messages of JetStream: what the source of nats.ts makes of them, and of those that are dead.
 *
 * Where the ack of a message goes says which delivery of which message it is: `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence in the
 * stream>.<sequence of the consumer>.<time it was published, ns>.<messages to come>`. Newer servers put two tokens before the stream.
 */
import type { NatsHeaders, NatsMessage } from "./serverlink.ts";
import type { NatsDelivery } from "./index.ts";
import { decodeText, keyOf } from "../message.ts";
import { reasonOf } from "../reason.ts";

export function textOf(message: NatsMessage): string {
  return decodeText(message.data);
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

/** Names a message among all that its consumer ever delivers. With the time, since the sequences of a stream begin at 1 when it is made again. */
export function nameOf(message: NatsMessage): string {
  const { sequence, published } = infoOf(message);
  return `${sequence}.${published}`;
}

/** The server has delivered it before. */
export function isRedelivered(message: NatsMessage): boolean {
  return Number(infoOf(message).deliveries) > 1;
}

class Delivered implements NatsDelivery {
  readonly id: string;
  readonly body: string;
  readonly attempt: number;
  readonly attributes: Readonly<Record<string, string>>;
  readonly message: NatsMessage;
  declare readonly key?: string;

  constructor(more: NatsDelivery) {
    const { id, body, attempt, attributes, message, key } = more;
    this.id = id;
    this.body = body;
    this.attempt = attempt;
    this.attributes = attributes;
    this.message = message;
    if (key !== undefined) (this as { key?: string }).key = key;
  }

  /** For a log: the client's message leads to its connection, and all that is in that. */
  toJSON(): object {
    const { message, ...rest } = this;
    return { ...rest, subject: message.subject };
  }
}

export function toDelivery(
  message: NatsMessage,
  keyOption: ((message: NatsMessage) => string | undefined) | undefined,
): NatsDelivery {
  const { deliveries, sequence, place } = infoOf(message);
  const key = keyOf(message, keyOption);
  return new Delivered({
    // Not with the count of its deliveries: a server (2.9.10) may forget that there was one, if a message is due in the very moment in which
    // a request ends. The other number is that of the consumer, and no two of its deliveries have the same.
    id: `${sequence}.${place}`,
    body: textOf(message),
    attempt: Number(deliveries),
    attributes: attributesOf(message),
    message,
    ...(key === undefined ? {} : { key }),
  });
}

/** The same delivery, as another attempt. */
export function asAttempt(delivery: NatsDelivery, attempt: number): NatsDelivery {
  return new Delivered({ ...delivery, attempt });
}

/** Who publishes may write anything where headers are; the client throws when it reads what is none, and what throws here ends its reading. */
function attributesOf(message: NatsMessage): Readonly<Record<string, string>> {
  const attributes: Record<string, string> = {};
  try {
    const { headers } = message;
    if (headers !== undefined) for (const name of headers.keys()) attributes[name] = headers.get(name);
  } catch {
    // The body is there all the same.
  }
  return attributes;
}

/**
 * The headers of a dead letter in their forms, the fullest first: when the server or the client refuses one, the
 * next is tried. A letter may be longer than its message was. The last form has no headers.
 *
 * Its id is that of the message, so that JetStream drops the second of two.
 */
export function headersOf(
  { message, attempt, attributes }: NatsDelivery,
  error: unknown,
  consumer: string,
  headers: () => NatsHeaders,
): readonly (() => NatsHeaders | undefined)[] {
  const theirs = Object.entries(attributes).filter(([name]) => !/^nats-/i.test(name));
  const reason = ["Headgate-Reason", reasonOf(error)] as const;
  const ours = [
    ["Nats-Msg-Id", `dead.${consumer}.${nameOf(message)}`],
    ["Headgate-Attempts", String(attempt)],
    ["Headgate-Subject", message.subject],
  ] as const;
  const forms = [[...theirs, reason, ...ours], [...theirs, ...ours], [reason, ...ours], ours];
  return [...forms.map((form) => () => written(headers(), form)), () => undefined];
}

function written(headers: NatsHeaders, all: readonly (readonly [name: string, value: string])[]): NatsHeaders {
  for (const [name, value] of all) {
    try {
      headers.set(name, value.replaceAll(/[\r\n]+/g, " "));
    } catch {
      // What another client has called a header this one does not take: the letter goes without it.
    }
  }
  return headers;
}
