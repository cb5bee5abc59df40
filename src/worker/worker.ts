/**
 * The worker: pull → handle → ack, with an account of every message.
 *
 * Three stages, two channels. Closing a channel says that no more is coming; a context says to stop. The first stage ends with the stop or
 * the source. Each later one ends when its input is closed and drained, so nothing can be left in between. After the grace the settler gives
 * up what is left:
 *
 *     puller.ts ──► keys.ts ──► messages ──► handle ──► results ──► settler.ts ──► the source
 *
 * Beside them: shutdown.ts has the contexts and the phases of the stop, leases.ts keeps the leases, account.ts has the counts.
 *
 * Invariants, at every moment. One oracle checks them all, `test/worker/oracle.ts`; the files beside this one cite them by number.
 * - pulled = waiting + running + settling + acked + retried + released + dead + expired; at the end the first three are 0. Each message
 *   gets one verdict (I1).
 * - A message is acked only after its handler has returned normally (I2).
 * - A message whose handler has returned normally is acked. If the source does not take that, it counts as expired and the report names
 *   it (I3).
 * - A handler starts at most once for a message, and not after the stop. At most `concurrency` of them run (I4).
 * - At most `concurrency + prefetch` messages are in flight (I5).
 * - From the stop to the return pass no more than `grace` ms, whatever handlers and broker do (I6).
 * - At the return no message is in flight, and no task, timer or context of the worker is left. Then it calls the source no more (I7).
 * - A stop is no failure. The worker rejects only for misuse, and a handler that the stop has cut short is released. A failure from before
 *   the stop remains one (I8).
 * - Leases are extended until the source has answered. A message whose lease is lost is neither started nor settled (I9).
 * - Of the messages with one key, one is handled at a time, in the order of their pull (I10).
 */
import { notAContext } from "../internal/args.ts";
import { argKind, promiseOf } from "../internal/foreign.ts";
import { Chan, context, type Context, errgroup, sync } from "../index.ts";
import { monotonic } from "../internal/runtime.ts";
import { Account } from "./account.ts";
import { Attempts } from "./attempts.ts";
import { Stopping } from "./causes.ts";
import { type InFlight, wrapPulled } from "./inflight.ts";
import { KeyLanes } from "./keys.ts";
import { keepLeases, limitLeases } from "./leases.ts";
import { checked, checkedSource, type Settings, type WorkerOptions } from "./options.ts";
import { Puller } from "./puller.ts";
import type { Report } from "./report.ts";
import { Settler } from "./settler.ts";
import { Shutdown } from "./shutdown.ts";
import type { Delivery, Handler, Source, Verdict } from "./source.ts";

/**
 * Pulls messages from `source`, hands each to `handle`, and tells the source what became of it, until `ctx` ends or the source does.
 * Then it drains: it takes nothing new, gives back what it has not started, lets running handlers finish, and cancels and finally
 * abandons them if they take too long. Resolves to the account of every message it was ever given.
 *
 * **Cancellation**: the end of `ctx` is the request to stop, and no error. The return follows within `grace` ms, whatever handlers and source
 * do. When `options.abort` ends it follows within `abortWindow + settle` ms. When a `context.lifetime` that `ctx` carries ends, it follows
 * within `settle` ms.
 *
 * **Errors**: rejects only for misuse: TypeError or RangeError, naming the rule, and then nothing was pulled. Errors of handlers
 * decide about their message; errors of the source are retried, and show in the events and the report. A verdict that the source refuses for
 * one message alone is given up after `callTries` tries.
 *
 * All that the caller has given (handlers, `backoff`, `observe`, the calls of the source) runs in the asynchronous context of this call.
 *
 * **Ordering**: messages are started in the order of their pull, `concurrency` at a time, and may end in any. Of those with one key,
 * one is handled at a time, in the order of their pull, while other keys go on. When one is retried or released, those of its key that
 * were pulled after it are released behind it, with its delay. The source decides whether they then come again in order.
 *
 * @example
 * ```ts
 * import { context, time } from "headgate";
 * import { memoryBroker, worker } from "headgate/worker";
 *
 * const broker = memoryBroker<number>();
 * for (const n of [1, 2, 3]) await broker.publish(n);
 * broker.end();
 * const report = await worker(context.background(), broker, async (ctx, delivery) => {
 *   await time.sleep(delivery.body, ctx);
 *   if (delivery.body === 2 && delivery.attempt === 1) throw new Error("try again");
 * }, { backoff: () => 1 });
 * console.log(report.pulled, report.acked, report.retried); // => 4 3 1
 * ```
 */
export async function worker<D extends Delivery>(
  ctx: Context,
  source: Source<D>,
  handle: Handler<D>,
  options: WorkerOptions<D> = {},
): Promise<Report<D>> {
  if (!context.isContext(ctx)) throw notAContext(ctx, "worker", "first argument");
  const taken = checkedSource(source);
  if (typeof handle !== "function")
    throw new TypeError(`worker: the handler must be a function, got ${argKind(handle)}`);
  return new Run(ctx, taken, handle, checked(options)).run();
}

/**
 * The number of handlers that start with the worker. Each other one starts when a message needs it, because to start a hundred thousand
 * takes a second.
 */
const AT_ONCE = 64;

/**
 * A channel on which a send never waits. It needs no bound of its own, because the messages in flight have one (I5).
 */
function unbounded<T>(): Chan<T> {
  return new Chan(1_000_000_000);
}

/** One run of a worker: the stage handle, and what connects the stages. */
class Run<D extends Delivery> {
  private readonly source: Source<D>;
  private readonly settings: Settings<D>;
  private readonly handle: Handler<D>;
  private readonly results: Chan<InFlight<D>> = unbounded();
  private readonly account: Account<D>;
  private readonly shutdown: Shutdown<D>;
  private readonly attempts: Attempts;
  private readonly messages: Chan<InFlight<D>> = unbounded();
  private readonly keys: KeyLanes<D> = new KeyLanes();
  private readonly group: errgroup.Group = new errgroup.Group();
  private readonly handlers: sync.WaitGroup = new sync.WaitGroup();
  /** The number of handlers that have been started. */
  private started = 0;
  /** `open`: more will be pulled. `ended`: no more will, but `messages` is open. `closed`: it is closed, too. */
  private input: "open" | "ended" | "closed" = "open";
  /** Gets a value when there is room for another message. */
  private readonly room: Chan<true> = new Chan(1);
  private readonly inFlight: Set<InFlight<D>> = new Set();
  /** The place of the message that was pulled last, in the order of the pulls. */
  private lastOrder = 0;

  constructor(ctx: Context, source: Source<D>, handle: Handler<D>, settings: Settings<D>) {
    this.source = source;
    this.handle = handle;
    this.settings = settings;
    this.attempts = new Attempts(settings);
    this.account = new Account(source, settings);
    this.shutdown = new Shutdown(ctx, settings, this.account);
  }

  async run(): Promise<Report<D>> {
    const { source, settings, account, shutdown, group, handlers, inFlight, results } = this;
    const capacity = settings.concurrency + settings.prefetch;
    const settling = {
      source,
      settings,
      account,
      shutdown,
      results,
      isFull: () => inFlight.size >= capacity,
      settled: (message: InFlight<D>, verdict: Verdict, error?: unknown) => this.settled(message, verdict, error),
    };
    const pulling = {
      source,
      settings,
      account,
      shutdown,
      room: () => capacity - inFlight.size,
      hasRoom: this.room,
      take: (deliveries: readonly D[]) => this.take(deliveries),
      end: () => this.endInput(),
    };
    const leasing = { source, settings, account, inFlight, alive: shutdown.alive };
    // A test sees the tasks by the names of these functions.
    const pull = (): Promise<void> => new Puller(pulling).pullAll();
    const closer = async (): Promise<void> => {
      await handlers.wait();
      results.close();
    };
    const settler = async (): Promise<void> => {
      await new Settler(settling).settleAll();
      shutdown.end();
    };
    const leases = (): Promise<void> => keepLeases(leasing);
    const limit = (): Promise<void> => limitLeases(leasing);
    const watch = (): Promise<void> => shutdown.run(() => this.releaseWaiting());
    void group.go(pull);
    for (let i = 0; i < Math.min(settings.concurrency, AT_ONCE); i++) this.startHandler();
    for (const task of [closer, settler, leases, limit, watch]) void group.go(task);
    await group.wait();
    shutdown.enter("done");
    const report = account.report(shutdown.outcome());
    shutdown.release();
    return report;
  }

  // ------------------------------------------------------------------------------------------------------ stage 1 is in puller.ts

  /** No more will be pulled. */
  private endInput(): void {
    this.input = "ended";
    this.closeMessages();
  }

  /** Closes `messages` once no more can come: none from the source, and none that waits for its key. */
  private closeMessages(): void {
    if (this.input !== "ended" || this.keys.waiting > 0) return;
    this.input = "closed";
    this.messages.close();
  }

  /** Invalid entries are reported as an error of the source; the valid ones are handled. */
  private take(deliveries: readonly D[]): void {
    const { account, inFlight, keys } = this;
    const all = wrapPulled<D>(deliveries);
    if (all.length > 0) account.pulled(all.length);
    for (const message of all) {
      message.order = ++this.lastOrder;
      inFlight.add(message);
      if (this.attempts.of(message) > 1) account.redelivered();
      const to = this.shutdown.hasBegun ? "return" : keys.admit(message);
      if (to === "handle") this.start(message);
      else if (to === "return") this.decide(message, "released");
    }
    if (all.length === deliveries?.length) return;
    throw new TypeError("worker: source.pull must resolve to a list of deliveries, each with an id");
  }

  private releaseWaiting(): void {
    const { messages } = this;
    for (let got = messages.tryRecv(); got?.[1] === true; got = messages.tryRecv()) this.decide(got[0], "released");
    for (const message of this.keys.takeWaiting()) this.decide(message, "released");
    this.closeMessages();
  }

  // ---------------------------------------------------------------------------------------------------------- stage 2: handle

  /** Hands a message to the handlers, one more of which is started if there are not enough. */
  private start(message: InFlight<D>): void {
    this.messages.trySend(message);
    const { running, waiting } = this.account.progress;
    const wanted = running + waiting - this.keys.waiting;
    if (this.started < Math.min(this.settings.concurrency, wanted)) this.startHandler();
  }

  private startHandler(): void {
    this.started++;
    this.handlers.add(1);
    const handler = async (): Promise<void> => {
      await this.handleAll();
      this.handlers.done();
    };
    void this.group.go(handler);
  }

  private async handleAll(): Promise<void> {
    for await (const message of this.messages) {
      if (!this.shutdown.hasBegun && !message.isLost) await this.handleOne(message);
      else this.decide(message, "released");
    }
  }

  private async handleOne(message: InFlight<D>): Promise<void> {
    // Taken out of `this`, so that `handle` is called without our object.
    const { account, shutdown, handle } = this;
    const { delivery } = message;
    const [ctx, cancel] = context.withCancelCause(shutdown.handling);
    message.cancel = cancel;
    message.startedAt = monotonic();
    account.started(message);
    let pending = false;
    let failure: { readonly error: unknown } | undefined;
    // The cause of its ctx when the handler ended: a stop that comes later does not excuse its failure (I8).
    let cause: unknown;
    try {
      const result = handle(ctx, delivery);
      if (typeof (result as PromiseLike<unknown> | undefined)?.then === "function") {
        // One whose own properties throw has failed, as it would have by `await`.
        const returning = promiseOf(result);
        pending = true;
        const ended = (): void => {
          pending = false;
          cause = context.cause(ctx);
          if (message.state !== "running") account.emit({ type: "late", delivery });
        };
        try {
          void returning.then(ended, ended);
        } catch (error) {
          pending = false;
          throw error;
        }
        await context.wait(returning, shutdown.patience);
      }
    } catch (error) {
      failure = { error };
    }
    message.cancel = null;
    cancel();
    if (pending) account.abandoned();
    if (failure === undefined) this.decide(message, "acked");
    else if (cause instanceof Stopping || pending) this.decide(message, "released", failure.error);
    else this.decideFailure(message, failure.error);
  }

  private decideFailure(message: InFlight<D>, error: unknown): void {
    const delay = this.attempts.failed(message, error);
    message.delay = delay ?? 0;
    this.decide(message, delay === undefined ? "dead" : "retried", error);
  }

  /** The verdict on a message: from here on it is with the settler. */
  private decide(message: InFlight<D>, verdict: Verdict, error?: unknown): void {
    const wasRunning = message.state === "running";
    message.verdict = verdict;
    message.error = error;
    this.account.decided(message, wasRunning ? Math.round(monotonic() - message.startedAt) : undefined);
    this.results.trySend(message);
    if (message.key !== undefined) this.advanceKey(message);
  }

  /** Does what the verdict on a message means for the others of its key. */
  private advanceKey(message: InFlight<D>): void {
    const { next, followers } = this.keys.decided(message);
    if (next !== undefined) this.start(next);
    for (const follower of followers) this.decide(follower, "released");
    this.closeMessages();
  }

  // ----------------------------------------------------------------------------------------------- stage 3 is in settler.ts

  /** The source has answered for a message, or cannot be called any more: it is off our hands. */
  private settled(message: InFlight<D>, verdict: Verdict, error: unknown): void {
    this.inFlight.delete(message);
    this.keys.settled(message);
    if (verdict === "acked") this.attempts.forget(message);
    this.account.settled(message, verdict, error);
    this.room.trySend(true);
  }
}
