/** Messages of JetStream: from a message to a delivery, and from a dead message to the headers of its letter. */
import type { NatsDelivery, NatsHeaders, NatsMessage } from "./types.ts";
import { decodeText, keyOf } from "../message.ts";
import { reasonOf } from "../reason.ts";

/** The data of a message as text. */
export function textOf(message: NatsMessage): string {
  return decodeText(message.data);
}

/**
 * The fields that we need of the ack subject (see protocol.ts), all in digits. Sliced by hand: `split` took a tenth of
 * the worker's time.
 */
function ackSubjectOf(message: NatsMessage): {
  deliveries: string;
  sequence: string;
  consumerSequence: string;
  published: string;
} {
  const reply = message.reply!;
  const dots: number[] = [];
  for (let at = reply.indexOf("."); at >= 0; at = reply.indexOf(".", at + 1)) dots.push(at);
  const token = (n: number): string => reply.slice(dots[n - 1]! + 1, dots[n]);
  const first = dots.length === 8 ? 4 : 6;
  return {
    deliveries: token(first),
    sequence: token(first + 1),
    consumerSequence: token(first + 2),
    published: token(first + 3),
  };
}

/**
 * The name of a message among all that its consumer ever delivers. It has the time, because the sequences of a stream
 * begin at 1 again when the stream is made again.
 */
export function nameOf(message: NatsMessage): string {
  const { sequence, published } = ackSubjectOf(message);
  return `${sequence}.${published}`;
}

/** The server has delivered the message before. */
export function isRedelivered(message: NatsMessage): boolean {
  return Number(ackSubjectOf(message).deliveries) > 1;
}

class Delivered implements NatsDelivery {
  readonly id: string;
  readonly body: string;
  readonly attempt: number;
  readonly attributes: Readonly<Record<string, string>>;
  readonly message: NatsMessage;
  declare readonly key?: string;

  constructor({ id, body, attempt, attributes, message, key }: NatsDelivery) {
    this.id = id;
    this.body = body;
    this.attempt = attempt;
    this.attributes = attributes;
    this.message = message;
    if (key !== undefined) (this as { key?: string }).key = key;
  }

  /** For a log: the client's message refers to its connection, and to all that is in that. */
  toJSON(): object {
    const { message, ...rest } = this;
    return { ...rest, subject: message.subject };
  }
}

export function toDelivery(
  message: NatsMessage,
  keyOption: ((message: NatsMessage) => string | undefined) | undefined,
): NatsDelivery {
  const { deliveries, sequence, consumerSequence } = ackSubjectOf(message);
  const key = keyOf(message, keyOption);
  return new Delivered({
    // No two deliveries of a consumer have the same sequence. Their count may repeat: a server (2.9.10) may forget a
    // delivery if a message is due in the very moment in which a request ends.
    id: `${sequence}.${consumerSequence}`,
    body: textOf(message),
    attempt: Number(deliveries),
    attributes: attributesOf(message),
    message,
    ...(key === undefined ? {} : { key }),
  });
}

/** The same delivery, with another attempt. */
export function asAttempt(delivery: NatsDelivery, attempt: number): NatsDelivery {
  return new Delivered({ ...delivery, attempt });
}

/**
 * A publisher may write anything as headers. The client throws when it reads invalid ones, and an error here would end
 * its reading.
 */
function attributesOf(message: NatsMessage): Readonly<Record<string, string>> {
  const attributes: Record<string, string> = {};
  try {
    const { headers } = message;
    if (headers !== undefined) for (const name of headers.keys()) attributes[name] = headers.get(name);
  } catch {
    // The delivery has its body, and the headers before the invalid one.
  }
  return attributes;
}

/**
 * The headers of a dead letter in their forms, the fullest first. A letter may be longer than its message was, so when
 * the server or the client refuses one form, the next is tried. The last has no headers.
 *
 * The letter's id is made of the message's name, so that JetStream drops the second of two.
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
  return [...forms.map((form) => () => filled(headers(), form)), () => undefined];
}

function filled(headers: NatsHeaders, all: readonly (readonly [name: string, value: string])[]): NatsHeaders {
  for (const [name, value] of all) {
    try {
      headers.set(name, value.replaceAll(/[\r\n]+/g, " "));
    } catch {
      // The client does not accept this name, which another client has published. The letter goes without it.
    }
  }
  return headers;
}
