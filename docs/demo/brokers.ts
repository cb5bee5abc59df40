/** The real brokers that a url can name, and how to get to them. */
import { context, type Context } from "headgate";
import type { Broker, Open } from "./brokers/broker.ts";
import { openNats } from "./brokers/nats.ts";
import { openPostgres } from "./brokers/postgres.ts";
import { openPubsub } from "./brokers/pubsub.ts";
import { openRabbit } from "./brokers/rabbitmq.ts";
import { RealBroker } from "./brokers/real.ts";
import { openRedis } from "./brokers/redis.ts";
import { say } from "./display.ts";
import { shown, textOf } from "./secrets.ts";

const openers: Readonly<Record<string, Open>> = {
  "redis:": openRedis,
  "rediss:": openRedis,
  "postgres:": openPostgres,
  "postgresql:": openPostgres,
  "nats:": openNats,
  "tls:": openNats,
  "amqp:": openRabbit,
  "amqps:": openRabbit,
  "pubsub:": openPubsub,
};

/** The urls, as one may give them. */
export const BROKERS = "redis://…, postgres://…, nats://…, amqp://… or pubsub:PROJECT";

export function isBroker(url: URL): boolean {
  return Object.hasOwn(openers, url.protocol);
}

/** Where a broker is, and what the demo's queue is called there. */
export interface Place {
  readonly url: URL;
  readonly queue: string;
  /** After how many ms without a message the run is over; undefined: see {@link RealBroker}. */
  readonly idle: number | undefined;
}

/** The broker cannot be used: shown as it is, without a stack. */
export class BrokerError extends Error {}

/** How long to try, in ms. */
const PATIENCE = 30_000;

/** **Errors**: BrokerError, also when ctx ends first. */
export async function connect(ctx: Context, { url, queue, idle }: Place): Promise<Broker> {
  // It loads the client first, which takes a slow machine seconds. They do not count.
  const opening = openers[url.protocol]!(url, queue);
  const [limit, cancel] = context.withTimeout(ctx, PATIENCE);
  using _ = cancel;
  try {
    const broker = new RealBroker(await context.wait(opening, limit), idle);
    const left = await broker.left();
    const before = typeof left === "number" && left > 0 ? ` with ${left} messages` : "";
    say(`on ${shown(url)}, queue ${queue}${before}. The same command in another terminal shares the work`);
    return broker;
  } catch (error) {
    // What opens all the same is closed.
    void opening.then(
      (late) => late.close(),
      () => {},
    );
    if (ctx.err() !== undefined) throw new BrokerError(`stopped before ${shown(url)} had answered`);
    const why = limit.err() === undefined ? textOf(error) : `no answer within ${PATIENCE / 1000} s`;
    throw new BrokerError(`cannot use ${shown(url)}: ${why}`);
  }
}
