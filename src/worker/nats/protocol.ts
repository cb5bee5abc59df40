/**
 * The protocol of JetStream: what is published to which subject, and what comes back. All of it is publish and
 * subscribe.
 *
 * | | published to | payload | answer, at the reply subject |
 * |---|---|---|---|
 * | describe the consumer | `<api>.CONSUMER.INFO.<stream>.<consumer>` | none | JSON |
 * | pull | `<api>.CONSUMER.MSG.NEXT.<stream>.<consumer>` | JSON: `batch`, `expires`, `no_wait` | messages, then a status |
 * | verdict | the ack subject of the message | `+ACK`, `-NAK`, `+TERM`, `+WPI` | an empty message |
 *
 * - Ack subject: the `reply` of a message names one delivery of it. It is
 *   `$JS.ACK.<stream>.<consumer>.<deliveries>.<sequence in the stream>.<sequence in the consumer>.<time of publishing,
 *   ns>.<messages to come>`. Newer servers put the domain and a hash of the account before the stream.
 * - Replies: each pull request has a reply subject of its own, and so has each verdict that is to be confirmed. What
 *   comes to that of a pull is a message if it has an ack subject, else a status: 404 and 408, the request has run out;
 *   409, the server has refused it; 503, no server answers this subject ("no responders").
 * - Heartbeats: a status 100 is one, and ends nothing. The source asks for none, because no request lasts long enough
 *   to need them.
 * - Batches: the server handles the messages of a connection in their order, and those of a consumer's verdicts, too. A
 *   batch of verdicts is sent at once, so if its first and its last are confirmed, on a connection that was not cut,
 *   all between them have counted. An answer to each took 14 µs of our time a message, not 9, and 20 of the server's,
 *   not 15 (in batches of 100).
 */

const encoder: TextEncoder = /* @__PURE__ */ new TextEncoder();

/** The bytes of a text: older clients take no text. */
export function bytesOf(text: string): Uint8Array {
  return encoder.encode(text);
}

/** The payloads of verdicts, and of `+WPI`, "work in progress", which restarts a lease. */
export const ACK_BYTES: Readonly<Record<"ack" | "nak" | "term" | "inProgress", Uint8Array>> = /* @__PURE__ */ (() => ({
  ack: bytesOf("+ACK"),
  nak: bytesOf("-NAK"),
  term: bytesOf("+TERM"),
  inProgress: bytesOf("+WPI"),
}))();

/**
 * The longest delay of a nack, in ms: a century. The server reads no more digits than a whole number of 64 bits has.
 */
const LONGEST_DELAY = 3.2e12;

/** The payload of a nack with a delay in ms. */
export function nakBytes(delay: number): Uint8Array {
  if (delay <= 0) return ACK_BYTES.nak;
  return bytesOf(`-NAK ${JSON.stringify({ delay: Math.round(Math.min(delay, LONGEST_DELAY) * 1e6) })}`);
}

/**
 * The payload of a pull request, which the server keeps for `expires` ms. `no_wait` with `expires`: it waits for the
 * first message, takes along the others that are there, and is over.
 */
export function pullBytes(batch: number, expires: number): Uint8Array {
  return bytesOf(JSON.stringify({ batch, expires: expires * 1e6, no_wait: true }));
}

/** The error of a subject without responders. */
export function noResponders(subject: string): Error {
  const missing = /^\$JS\.(?:.*\.)?(?:API\.CONSUMER|ACK)\./.test(subject)
    ? "is there still such a consumer, and is JetStream up?"
    : "is there such a stream, and is JetStream up?";
  return new Error(`natsConsumer: no server answers ${subject}; ${missing}`);
}

/** The error of a pull request that ended with a status other than its running out. */
export function pullError(code: number, description: string): Error {
  const advice =
    code === 409 ? "; is there still such a consumer, and does it allow as many requests as there are workers?" : "";
  return new Error(`natsConsumer: ${code} ${description}${advice}`);
}

/**
 * The error of a missing permission. It has the same words for all subjects of a kind, because each ack subject and
 * each inbox is used once.
 */
export function permissionError(operation: "publish" | "subscription", subject: string): Error {
  const kind = subject.replace(/^(\$JS\.ACK\.[^.]+\.[^.]+)\..*$/, "$1.>").replace(/\.[\da-f-]{36}\..*$/, ".>");
  const todo = "give it the permission";
  return new Error(
    operation === "publish"
      ? `natsConsumer: the user of the connection may not publish to ${kind}; ${todo}`
      : `natsConsumer: the user of the connection may not subscribe to ${kind}; ${todo}, or set inboxPrefix to one that it may use`,
  );
}
