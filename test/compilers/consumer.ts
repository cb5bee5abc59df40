/**
 * A program of every entry of headgate, as a user writes it, for all compilers. It is compiled with `skipLibCheck: false`, so the
 * declarations are, too.
 */
import {
  Chan,
  context,
  errgroup,
  go,
  nil,
  retry,
  select,
  semaphore,
  sending,
  singleflight,
  sync,
  time,
  trySelect,
} from "headgate";
import { type RecvChan, type Selected } from "headgate/chan";
import { type Context, withCancel } from "headgate/context";
import { Group } from "headgate/errgroup";
import headgate, { type RuleName } from "headgate/eslint";
import { backoff } from "headgate/retry";
import { instrument, instrumentSaga, type OtelApi } from "headgate/otel";
import { orThrow, saga, type SagaEvent } from "headgate/saga";
import { Weighted } from "headgate/semaphore";
import { shutdown } from "headgate/signal";
import { Group as Flights } from "headgate/singleflight";
import { Mutex } from "headgate/sync";
import { bubble, explore } from "headgate/testing";
import { Ticker } from "headgate/time";
import { type Delivery, type Handler, memoryBroker, type Source, worker } from "headgate/worker";
import { conformance, type Lab } from "headgate/worker/conformance";
import { type Metrics, metrics } from "headgate/worker/metrics";
import { type NatsConnection, natsConsumer } from "headgate/worker/nats";
import { type PostgresPool, postgresQueue } from "headgate/worker/postgres";
import { pubsubSubscription, type PubsubSubscriber } from "headgate/worker/pubsub";
import { type RabbitConnection, rabbitQueue } from "headgate/worker/rabbitmq";
import { type RedisClient, redisStream } from "headgate/worker/redis";

export async function core(parent: Context): Promise<number> {
  const [ctx, cancel] = context.withTimeout(parent, 1_000);
  using _ = cancel;
  const ch = new Chan<number>(1);
  await ch.send(1, ctx);
  // @ts-expect-error: a channel of numbers takes no text.
  await ch.send("1", ctx);
  const got = await select({ n: ch, done: ctx.done(), out: sending(ch, 2), late: time.after(5), never: nil });
  if (got.case === "n" && got.ok) return got.value + 1;
  const tried: Selected<{ n: RecvChan<number> }> | undefined = trySelect({ n: ch });
  go(() => ch.close());
  context.afterFunc(ctx, async () => time.sleep(1));
  const group: Group = new errgroup.Group();
  await group.go(async (ctx) => time.sleep(1, ctx));
  const pool: Weighted = new semaphore.Weighted(2);
  using _units = await pool.acquire(1, ctx);
  const flights: Flights<string, number> = new singleflight.Group();
  const { value } = await flights.do("k", () => 1, ctx);
  using _lock = await new sync.Mutex().lock(ctx);
  new Mutex().tryLock();
  new Ticker(1).stop();
  backoff(1);
  // @ts-expect-error: an AbortSignal is no number, whatever the compiler knows of it.
  const wrong: number = ctx.signal;
  const aborted: boolean = ctx.signal.aborted;
  return (await retry.run(ctx, () => value)) + (tried === undefined || aborted ? 0 : wrong);
}

export async function telemetry(otel: OtelApi, stop: Context): Promise<void> {
  const orders = instrument(otel, { system: "memory", destination: "orders", parent: "link" });
  const broker = memoryBroker<{ total: number }>();
  await orders.publish((attributes) => broker.publish({ total: 1 }, { attributes }));
  const spans = instrumentSaga(otel);
  const transfer = saga<number>("transfer").step(
    "debit",
    spans.step((_ctx, { input }) => input),
    spans.compensate((_ctx, { output }) => void output?.toFixed()),
  );
  await worker(
    stop,
    orders.source(broker),
    orders.handler(async (ctx, { body }) => transfer.run(ctx, body.total, spans.options({ deadLetter: () => {} }))),
    orders.options({ concurrency: 2 }),
  );
}

export async function compositions(stop: Context): Promise<void> {
  const [ended, abort, release] = shutdown(withCancel(stop)[0], "SIGTERM");
  using _ = release;
  const broker = memoryBroker<{ total: number }>();
  const handle: Handler<Delivery<{ total: number }>> = async (ctx, { body }) => time.sleep(body.total, ctx);
  const { observe, progress, text }: Metrics = metrics({ labels: { queue: "orders" } });
  const { acked } = await worker(ended, broker, handle, { abort, observe, progress });
  text().toUpperCase();
  const events: SagaEvent[] = [];
  const done = await saga<number>("transfer")
    .step(
      "debit",
      (_ctx, { input }) => input + acked,
      () => {},
    )
    .step("credit", (_ctx, { done }) => String(done.debit))
    .run(stop, 1, { deadLetter: () => {}, observe: (event) => events.push(event) })
    .then(orThrow);
  const credit: string = done.credit;
  await bubble(async (t) => t.sleep(credit.length));
  await explore(async (t) => time.sleep(1, t.ctx));
}

export async function sources(
  nats: NatsConnection,
  pool: PostgresPool,
  subscriber: PubsubSubscriber,
  rabbit: RabbitConnection,
  redis: RedisClient,
  makeLab: () => Promise<Lab>,
): Promise<Source[]> {
  const traits = { fenced: true, delayed: true, attempts: true, releaseIsFree: true, deadLetters: true, keys: true };
  conformance(makeLab, { ...traits, attributes: true, ordered: true, lease: 500 });
  return [
    await natsConsumer(nats, { stream: "s", consumer: "c" }),
    postgresQueue(pool),
    pubsubSubscription(subscriber, { subscription: "projects/p/subscriptions/s" }),
    rabbitQueue(rabbit, { queue: "q" }),
    redisStream(redis, { stream: "s", group: "g" }),
  ] as unknown as Source[];
}

export const lint: readonly [url: string, rule: RuleName] = [headgate.rules.race.meta.docs.url, "lost-cancel"];
