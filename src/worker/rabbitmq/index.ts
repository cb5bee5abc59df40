/**
 * `headgate/worker/rabbitmq`: a quorum queue of RabbitMQ as a source, over amqplib.
 *
 * The source is in queue.ts, and its settling half in verdicts.ts. A channel, from its opening to its end, is in
 * channel.ts. Messages that move to another queue are published by copies.ts. The order of keys is kept by order.ts.
 */
import { given, hasMethod, propertyOf } from "../../internal/foreign.ts";
import { onlyKnown } from "../../internal/args.ts";
import { Queue } from "./queue.ts";
import type { RabbitConnection, RabbitQueue, RabbitQueueOptions } from "./types.ts";

export type {
  RabbitChannel,
  RabbitConnection,
  RabbitDelivery,
  RabbitMessage,
  RabbitQueue,
  RabbitQueueOptions,
} from "./types.ts";

/**
 * Returns a queue of RabbitMQ as a source. It sends nothing before the first pull. With a function that connects, the
 * source connects again after a cut. With a connection, it opens another channel when its own is closed. Any number of
 * workers may share the source.
 *
 * Set a `heartbeat` in the url. Otherwise a call waits for a server that is gone without a word for as long as TCP
 * does.
 *
 * **Errors**: TypeError or RangeError for options that make no sense. Pulls reject if the queue does not exist.
 *
 * @example
 * ```ts no-run
 * import { context } from "headgate";
 * import { shutdown } from "headgate/signal";
 * import { worker } from "headgate/worker";
 * import { type RabbitConnection, rabbitQueue } from "headgate/worker/rabbitmq";
 *
 * declare const amqp: { connect(url: string): Promise<RabbitConnection> }; // of amqplib
 * const source = rabbitQueue(() => amqp.connect("amqp://localhost?heartbeat=10"), { queue: "orders" });
 * const [stop, abort] = shutdown(context.background(), "SIGTERM");
 * const report = await worker(stop, source, async (ctx, { body }) => console.log(JSON.parse(body)), { abort });
 * await source.close();
 * ```
 */
export function rabbitQueue(
  connection: RabbitConnection | (() => Promise<RabbitConnection>),
  options: RabbitQueueOptions,
): RabbitQueue {
  if (typeof connection !== "function" && !hasMethod(connection, "createConfirmChannel")) {
    throw new TypeError("rabbitQueue: the first argument must be a connection of amqplib, or a function that connects");
  }
  options = onlyKnown("rabbitQueue", options, OPTIONS);
  const { queue, prefetch, deadLetters, closeTimeout, ordered } = options;
  if (typeof queue !== "string" || queue === "") throw new TypeError("rabbitQueue: queue must be the name of a queue");
  if (prefetch !== undefined && !(Number.isSafeInteger(prefetch) && prefetch >= 1 && prefetch <= 65_535)) {
    throw new RangeError(`rabbitQueue: prefetch must be a whole number from 1 to 65535; got ${given(prefetch)}`);
  }
  if (deadLetters !== undefined && deadLetters !== "broker" && typeof propertyOf(deadLetters, "queue") !== "string") {
    throw new TypeError('rabbitQueue: deadLetters must be { queue } or "broker"');
  }
  if (ordered !== undefined) mustKeepOrder(ordered);
  if (
    closeTimeout !== undefined &&
    !(typeof closeTimeout === "number" && closeTimeout > 0 && closeTimeout <= 2 ** 31 - 1)
  ) {
    throw new RangeError(`rabbitQueue: closeTimeout must be a number of ms above 0; got ${given(closeTimeout)}`);
  }
  return new Queue(connection, options);
}

const OPTIONS: Readonly<Record<keyof RabbitQueueOptions, true>> = {
  queue: true,
  prefetch: true,
  deadLetters: true,
  delays: true,
  key: true,
  ordered: true,
  closeTimeout: true,
};

function mustKeepOrder(args: Readonly<Record<string, unknown>>): void {
  const [type, single] = [propertyOf(args, "x-queue-type"), propertyOf(args, "x-single-active-consumer")];
  const limit = propertyOf(args, "x-delivery-limit");
  if (type === "quorum" && single === true && typeof limit === "number" && limit > 0) return;
  const needed = '"x-queue-type": "quorum", "x-single-active-consumer": true and an "x-delivery-limit"';
  throw new TypeError(
    `rabbitQueue: ordered must be the arguments of the queue, with ${needed}; without them no order is kept`,
  );
}
