/**
 * What the tests of the worker share: brokers with messages, calls that are replaced, a worker that runs, and its account in words.
 */
import { context, type Context } from "headgate";
import {
  type Delivery,
  type Handler,
  memoryBroker,
  type MemoryBroker,
  type Report,
  type Source,
  worker,
  type WorkerEvent,
  type WorkerOptions,
} from "headgate/worker";

/** The account in words, such as "3 pulled: 1 acked, 2 retried". */
export function account(report: Report | undefined): string {
  if (report === undefined) return "the worker has not returned";
  const parts = (["acked", "retried", "released", "dead", "expired"] as const)
    .filter((verdict) => report[verdict] > 0)
    .map((verdict) => `${report[verdict]} ${verdict}`);
  return `${report.pulled} pulled: ${parts.join(", ")}`;
}

export const never = (): Promise<never> => new Promise(() => {});

// ------------------------------------------------------------------------------------------------------------ the brokers

/** A broker with the messages 1 to n, which may get more. */
export async function openBrokerOf(n: number, lease?: number): Promise<MemoryBroker<number>> {
  const broker = memoryBroker<number>(lease === undefined ? {} : { lease });
  for (let i = 1; i <= n; i++) await broker.publish(i);
  return broker;
}

/** A broker with the messages 1 to n, and no more to come. */
export async function brokerOf(n: number, lease?: number): Promise<MemoryBroker<number>> {
  const broker = await openBrokerOf(n, lease);
  broker.end();
  return broker;
}

/** The broker with some of its calls replaced. */
export function override<T>(broker: MemoryBroker<T>, calls: Partial<Source<Delivery<T>>>): MemoryBroker<T> {
  return Object.assign(Object.create(broker) as MemoryBroker<T>, calls);
}

/** The broker, and a list of the verdicts that it gets, in order. */
export function overheard<T>(broker: MemoryBroker<T>): readonly [source: Source<Delivery<T>>, verdicts: unknown[]] {
  const verdicts: unknown[] = [];
  const source = override(broker, {
    ack: (ctx, deliveries) => {
      for (const { body } of deliveries) verdicts.push(["ack", body]);
      return broker.ack(ctx, deliveries);
    },
    nack: (ctx, items) => {
      for (const { delivery, delay, reason } of items) verdicts.push(["nack", delivery.body, reason, delay]);
      return broker.nack(ctx, items);
    },
    deadLetter: (ctx, items) => {
      for (const { delivery, error } of items) verdicts.push(["deadLetter", delivery.body, error]);
      return broker.deadLetter(ctx, items);
    },
  });
  return [source, verdicts];
}

/** The broker as a source that ends with its first pull. */
export function endingWithItsFirstPull(broker: MemoryBroker<number>): Source<Delivery<number>> {
  let pulled = false;
  return {
    get ended() {
      return pulled;
    },
    pull: (ctx, max) => ((pulled = true), broker.pull(ctx, max)),
    ack: broker.ack,
    nack: broker.nack,
  };
}

// --------------------------------------------------------------------------------------------------------- the worker that runs

/** A worker that runs, and what has been seen of it. Times are in ms since the start. */
export interface Running<D extends Delivery> {
  readonly ctx: Context;
  readonly stop: context.CancelCauseFunc;
  readonly aborted: Context;
  readonly abort: context.CancelCauseFunc;
  /** Undefined until it has returned. */
  report: Report<D> | undefined;
  returned: number;
  readonly now: () => number;
  readonly events: WorkerEvent<D>[];
  /** Of its events: the phases, such as "draining at 50", what came late, and the errors of the source. */
  readonly phases: string[];
  readonly late: D["body"][];
  readonly faults: Extract<WorkerEvent<D>, { type: "sourceError" }>[];
}

/** Starts a worker that can be stopped and aborted. An `observe` of the options takes the place of what fills the lists. */
export function start<D extends Delivery>(
  source: Source<D>,
  handle: Handler<D>,
  options: WorkerOptions<D> = {},
): Running<D> {
  const [ctx, stop] = context.withCancelCause(context.background());
  const [aborted, abort] = context.withCancelCause(context.background());
  const begun = Date.now();
  const now = (): number => Date.now() - begun;
  const lists = { events: [], phases: [], late: [], faults: [] };
  const running: Running<D> = { ctx, stop, aborted, abort, report: undefined, returned: NaN, now, ...lists };
  const observe = (event: WorkerEvent<D>): void => {
    running.events.push(event);
    if (event.type === "phase") running.phases.push(`${event.to} at ${now()}`);
    if (event.type === "late") running.late.push(event.delivery.body);
    if (event.type === "sourceError") running.faults.push(event);
  };
  void worker(ctx, source, handle, { abort: aborted, observe, ...options }).then((report) => {
    running.report = report;
    running.returned = now();
  });
  return running;
}
