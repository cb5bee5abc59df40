/**
 * `headgate/worker/nats`: a durable pull consumer of NATS JetStream as a source.
 *
 * It speaks JetStream's own protocol over a connection (protocol.ts), not through the client's `fetch()` or
 * `consume()`. Those keep asking while no pull waits, and `stop()` and `close()` leave the messages on their way to sit
 * out `ack_wait`. A pull here is one request: between pulls nothing is under way.
 *
 * | | |
 * |---|---|
 * | consumer.ts | pulls, verdicts and leases |
 * | inbox.ts | pull requests |
 * | requests.ts | requests with an answer |
 * | serverlink.ts | the connection, and whether a server answers |
 * | releaselog.ts | attempts without releases |
 */
import { propertyOf, hasMethod, given } from "../../internal/foreign.ts";
import { context, type Context } from "../../index.ts";
import { notAContext, onlyKnown } from "../../internal/args.ts";
import { Consumer, settingsOf } from "./consumer.ts";
import { ReleaseLog } from "./releaselog.ts";
import { Requests } from "./requests.ts";
import { ServerLink } from "./serverlink.ts";
import type { NatsConnection, NatsConsumerOptions, NatsDelivery } from "./types.ts";
import type { Source } from "../source.ts";

export type {
  NatsConnection,
  NatsConsumerOptions,
  NatsDelivery,
  NatsHeaders,
  NatsMessage,
  NatsStatus,
} from "./types.ts";

/**
 * Makes a source of a durable pull consumer that exists already. Any number of workers may share the source, and any
 * number of processes the consumer. The connection stays yours: close it after the workers have returned.
 *
 * **Cancellation**: when `ctx` ends first, rejects with `ctx.err()`. After 5 s without an answer of the server it rejects
 * as well.
 *
 * **Errors**: TypeError for invalid options. An Error that says what to do if there is no such consumer, if it is a
 * push consumer, and if its `ack_policy` is not explicit. The same if the user of the connection may not ask, and if
 * there is no stream for the `releases`.
 *
 * **Ordering**: of messages with one `key` one is handled at a time within one worker. For an order among workers, give
 * each part of the keys a subject, and each subject a consumer with `max_ack_pending: 1`: see docs/brokers/nats.md.
 *
 * @example
 * ```ts no-run
 * import { context } from "headgate";
 * import { shutdown } from "headgate/signal";
 * import { worker } from "headgate/worker";
 * import { type NatsConnection, natsConsumer } from "headgate/worker/nats";
 *
 * declare const connection: NatsConnection; // await connect({ servers }), of @nats-io/transport-node
 * const source = await natsConsumer(connection, { stream: "orders", consumer: "billing" });
 * const [stop, abort] = shutdown(context.background(), "SIGTERM");
 * const report = await worker(stop, source, async (ctx, { body }) => console.log(JSON.parse(body)), { abort });
 * ```
 */
export async function natsConsumer(
  connection: NatsConnection,
  options: NatsConsumerOptions,
  ctx: Context = context.background(),
): Promise<Source<NatsDelivery>> {
  for (const name of ["publish", "subscribe", "flush", "status"] as const) {
    if (!hasMethod(connection, name)) throw new TypeError(`natsConsumer: the connection has no ${name}`);
  }
  if (!context.isContext(ctx)) throw notAContext(ctx, "natsConsumer", "last argument");
  options = onlyKnown("natsConsumer", options, OPTIONS);
  for (const name of ["stream", "consumer", "releases"] as const) {
    const value: unknown = options[name];
    if (name === "releases" && value === undefined) continue;
    if (typeof value !== "string" || !/^[^\s.*>]+$/.test(value)) {
      throw new TypeError(
        `natsConsumer: ${name} must be a name without spaces, dots and wildcards; got ${given(value)}`,
      );
    }
  }
  for (const name of ["apiPrefix", "inboxPrefix"] as const) {
    const value: unknown = options[name];
    if (value === undefined || (typeof value === "string" && /^[^\s*>]+$/.test(value))) continue;
    throw new TypeError(`natsConsumer: ${name} must be a subject without spaces and wildcards; got ${given(value)}`);
  }
  const { key } = options;
  if (key !== undefined && typeof key !== "function")
    throw new TypeError(`natsConsumer: key must be a function; got ${given(key)}`);
  const { deadLetters } = options;
  const subject = propertyOf(deadLetters, "subject");
  if (
    deadLetters !== undefined &&
    (!hasMethod(deadLetters, "headers") || typeof subject !== "string" || !/^[^\s*>]+$/.test(subject))
  ) {
    throw new TypeError(
      "natsConsumer: deadLetters needs a subject without wildcards, and the client's headers function",
    );
  }
  const link = new ServerLink(connection);
  const requests = new Requests(link, `${options.inboxPrefix ?? "_INBOX"}.${crypto.randomUUID()}`);
  const [limit, cancel] = context.withTimeout(ctx, SETUP_TIMEOUT);
  using _ = cancel;
  const settings = await settingsOf(limit, requests, options);
  const releases = new ReleaseLog(requests, options);
  await releases.open(limit);
  return new Consumer(link, requests, options, settings, releases);
}

const OPTIONS: Readonly<Record<keyof NatsConsumerOptions, true>> = {
  stream: true,
  consumer: true,
  deadLetters: true,
  releases: true,
  key: true,
  apiPrefix: true,
  inboxPrefix: true,
};

/** Time limit for the server to describe the consumer, and the stream of the releases, in ms. */
const SETUP_TIMEOUT = 5_000;
