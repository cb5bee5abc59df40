/**
 * The worker: pull → handle → ack, with an account of every message.
 *
 * Three stages, two channels. Closing a channel says that no more is coming; a context says to stop. A stage ends when its input is
 * closed and drained, never because of a context, so nothing can be left in between. The contexts:
 *
 *     stop       the caller's; ends the pulling, and what waits is released      (draining)
 *     handling   what handlers get; ends with the cause Stopping                 (aborting)
 *     lifetime   how long handlers may go on at all; then they have a moment to say what they leave undone
 *     patience   how long handlers, and the last pull, are waited for            (settling)
 *     calls      what the broker's calls get; ends when the grace is over        (done)
 *
 * All but the first derive from `withoutCancel(ctx)`: the caller's values, a life of their own.
 *
 * Invariants, at every moment:
 * - pulled = waiting + running + settling + acked + retried + released + dead + expired; at the end the first three are 0 (I1).
 * - A message is acked only after its handler has returned normally (I2), and its handler starts once at the most, and not after the
 *   stop (I4). At most `concurrency` handlers run; at most `concurrency + prefetch` messages are held (I5).
 * - From the stop to the return pass no more than `grace` ms, whatever handlers and broker do (I6).
 */
import { mustBeReadable } from "../internal/errors.ts";
import { attempt, promiseOf } from "../internal/foreign.ts";
import { Chan, context, type Context, errgroup, retry, select, sync, time } from "../index.ts";
import { monotonic } from "../internal/runtime.ts";
import { Account } from "./account.ts";
import { Attempts } from "./attempts.ts";
import { Stopping } from "./causes.ts";
import { type Held, heldOf } from "./inflight.ts";
import { checked, checkedSource, type Settings, type WorkerOptions } from "./options.ts";
import type { Phase, Progress, Report } from "./report.ts";
import type { Delivery, Handler, Source, Verdict } from "./source.ts";
import { Keys } from "./keys.ts";
import { keepLeases, limitLeases } from "./leases.ts";
import { Settler } from "./settler.ts";

/**
 * Pulls messages from `source`, hands each to `handle`, and tells the source what became of it, until `ctx` ends or the source does.
 * Then it drains: it takes nothing new, gives back what it has not started, lets running handlers finish, and cancels and finally
 * abandons them if they take too long. Resolves to the account of every message it was ever given.
 *
 * **Cancellation**: the end of `ctx` is the request to stop, and no error. The return follows within `grace` ms, whatever handlers
 * and source do; within `abortWindow + settle` ms when `options.abort` ends, and within `settle` ms when the `context.lifetime` ends that
 * `ctx` carries, if it does.
 *
 * **Errors**: rejects only for misuse: TypeError or RangeError, naming the rule, and then nothing was pulled. Errors of handlers
 * decide about their message; errors of the source are retried, and show in the events and the report. A verdict that the source refuses for
 * one message alone is given up after `callTries` tries.
 *
 * All that the caller has given (handlers, `backoff`, `observe`, the calls of the source) runs in the asynchronous context of this call.
 *
 * **Ordering**: messages are started in the order of their pull, `concurrency` at a time, and may end in any. Of those with one key,
 * one is handled at a time, in the order of their pull, while other keys go on. When one is retried or released, those of its key that
 * were pulled after it are released behind it, with its delay; that they then come again in order is for the source to see to.
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
  if (!context.isContext(ctx)) throw new TypeError("worker: the first argument must be a Context");
  const taken = checkedSource(source);
  if (typeof handle !== "function") throw new TypeError(`worker: the handler must be a function, got ${typeof handle}`);
  return new Run(ctx, taken, handle, checked(options)).run();
}

/** More than any worker holds: the channels between the stages never make anybody wait, for what is held is bounded elsewhere. */
const AMPLE = 1_000_000_000;

/**
 * The part of the abortWindow that is left when the lifetime of the handlers ends. Whoever is told of the end only when it is there cannot
 * say any more what is left undone; and a saga must, in its dead letters.
 */
const LAST_WORDS = 0.25;

/** Pulls that bring nothing, and do not wait for it, begin this far apart, in ms. */
const IDLE = 100;

/** Handlers that are started with the worker. Others are when there is a message for them: a hundred thousand would cost a second. */
const AT_ONCE = 64;

/** **Errors**: TypeError, naming the context, if it cannot be asked or waited for. */
function derived(what: string, ctx: Context | undefined): ReturnType<typeof context.withCancelCause> {
  return mustBeReadable(`worker: ${what} is no Context that can be waited for`, () =>
    context.withCancelCause(ctx ?? context.background()),
  );
}

/** One run of a worker. */
export class Run<D extends Delivery> {
  readonly source: Source<D>;
  readonly settings: Settings<D>;
  readonly results: Chan<Held<D>> = new Chan(AMPLE);
  /** What the calls of the source live under. */
  readonly calls: Context;
  /** When everything must be over, on the monotonic clock: known from the stop on. */
  deadline: number = Infinity;
  /** Gets a value when the phase has changed: what was put off must be looked at anew. */
  readonly nudge: Chan<true> = new Chan(1);
  readonly account: Account<D>;

  readonly progress: Progress;
  private readonly ctx: Context;
  private readonly handle: Handler<D>;
  private readonly messages: Chan<Held<D>> = new Chan(AMPLE);
  private readonly keys: Keys<D> = new Keys();
  private readonly group: errgroup.Group = new errgroup.Group();
  private readonly handlers: sync.WaitGroup = new sync.WaitGroup();
  /** How many have been started. */
  private started = 0;
  /** Whether more will be pulled, and if not, whether `messages` is closed. */
  private input: "open" | "ended" | "closed" = "open";
  /** Gets a value when there is room for another message. */
  private readonly room: Chan<true> = new Chan(1);
  readonly held: Set<Held<D>> = new Set();
  private pulled = 0;
  private readonly attempts: Attempts;

  private readonly abort: Context;
  private readonly releaseAbort: context.CancelFunc;
  /** The lifetime of what the worker runs in, such as the handler of another: nobody waits any longer than that. */
  private readonly outer: Context;
  private readonly releaseOuter: context.CancelFunc | undefined;
  private readonly detached: Context;
  private readonly stop: Context;
  private readonly stopNow: context.CancelCauseFunc;
  private readonly handling: Context;
  private readonly cancelHandlers: context.CancelCauseFunc;
  private readonly lifetime: Context;
  private readonly endLifetime: context.CancelCauseFunc;
  private readonly patience: Context;
  private readonly endPatience: context.CancelFunc;
  private readonly endCalls: context.CancelFunc;
  /** Ends when there is nothing left to do, or nothing to be done about it. */
  readonly alive: Context;
  private readonly end: context.CancelFunc;

  private phase: Phase = "running";
  private since = 0;
  /** What has cut the stop short: the cause of the context that ended. */
  private cutShort: { readonly cause: unknown } | null = null;
  private failure: { readonly error: unknown } | null = null;

  constructor(ctx: Context, source: Source<D>, handle: Handler<D>, settings: Settings<D>) {
    this.ctx = ctx;
    this.source = source;
    this.handle = handle;
    this.settings = settings;
    this.attempts = new Attempts(settings);
    this.account = new Account(settings);
    this.progress = this.account.progress;
    this.detached = context.withoutCancel(ctx);
    const outer = mustBeReadable("worker: ctx: its value() has thrown", () => ctx.value(context.lifetime) ?? undefined);
    // Contexts of our own: the caller's may be those of another copy of the package, which no select knows, or fail when they are asked.
    [this.abort, this.releaseAbort] = derived("abort", settings.abort);
    try {
      [this.outer, this.releaseOuter] = derived("ctx: its context.lifetime", outer);
      [this.stop, this.stopNow] = derived("ctx", ctx);
    } catch (error) {
      this.releaseAbort();
      this.releaseOuter?.();
      throw error;
    }
    [this.lifetime, this.endLifetime] = context.withCancelCause(this.detached);
    [this.patience, this.endPatience] = context.withCancel(this.detached);
    [this.handling, this.cancelHandlers] = context.withCancelCause(
      context.withValue(this.detached, context.lifetime, this.lifetime),
    );
    [this.calls, this.endCalls] = context.withCancel(this.detached);
    [this.alive, this.end] = context.withCancel(this.calls);
  }

  async run(): Promise<Report<D>> {
    const { group, handlers } = this;
    // The names are for those who watch the tasks in a test.
    const pull = (): Promise<void> => this.pull();
    const closer = async (): Promise<void> => {
      await handlers.wait();
      this.results.close();
    };
    const settler = async (): Promise<void> => {
      await new Settler(this).settleAll();
      this.end();
    };
    const leases = (): Promise<void> => keepLeases(this);
    const limit = (): Promise<void> => limitLeases(this);
    const watch = (): Promise<void> => this.watch();
    void group.go(pull);
    for (let i = 0; i < Math.min(this.settings.concurrency, AT_ONCE); i++) this.startHandler();
    for (const task of [closer, settler, leases, limit, watch]) void group.go(task);
    await group.wait();
    this.enter("done");
    const report = this.report();
    const { releaseAbort, releaseOuter, stopNow, cancelHandlers, endLifetime, endPatience, endCalls } = this;
    for (const cancel of [releaseAbort, releaseOuter, stopNow, cancelHandlers, endLifetime, endPatience, endCalls])
      cancel?.();
    return report;
  }

  // ------------------------------------------------------------------------------------------------------------ stage 1: pull

  /** The abort alone is a stop, too, also in the moment before {@link watch} gets to know of it. */
  private get isStopping(): boolean {
    return this.stop.err() !== undefined || this.abort.err() !== undefined;
  }

  private async pull(): Promise<void> {
    const { concurrency, prefetch } = this.settings;
    let failures = 0;
    while (!this.isStopping) {
      try {
        if (this.source.ended === true) break;
        const room = concurrency + prefetch - this.held.size;
        if (room <= 0) await select({ room: this.room, stop: this.stop.done() });
        else await this.pullOnce(room);
        failures = 0;
      } catch (error) {
        const retryIn = retry.backoff(++failures);
        // A pull must not reject because the stop has begun; but it is no trouble either.
        if (this.isStopping) this.account.emit({ type: "sourceError", call: "pull", error, retryIn });
        else this.account.sourceFailed("pull", error, retryIn);
        await time.sleep(retryIn, this.stop).catch(() => {});
      }
    }
    if (!this.isStopping) this.enter("draining");
    this.input = "ended";
    this.closeMessages();
  }

  /** Does so when no more can come, from the source or from behind another of its key. */
  private closeMessages(): void {
    if (this.input !== "ended" || this.keys.waiting > 0) return;
    this.input = "closed";
    this.messages.close();
  }

  /** A pull that ignores the end of its ctx is given up, and the worker stops: what it brings later is released. */
  private async pullOnce(room: number): Promise<void> {
    const { batch, callTimeout, settle } = this.settings;
    const limited = this.limited(callTimeout);
    if (limited === undefined) return;
    const [ctx, cancel] = limited;
    // Even an obedient pull takes a while to come back, however short the grace.
    const slack = Math.max(settle, Math.min(callTimeout / 2, 1_000));
    const [patience, lose] = context.withTimeout(this.patience, callTimeout + slack);
    using _cancel = cancel;
    using _lose = lose;
    const begun = monotonic();
    const pulled = Promise.resolve(this.source.pull(ctx, Math.min(batch, room), room));
    let brought: readonly D[];
    try {
      brought = await context.wait(pulled, patience);
    } catch (error) {
      if (patience.err() === undefined || error !== patience.err()) throw error;
      attempt(
        () =>
          void pulled.then(
            (late) => this.releaseLate(late),
            () => {},
          ),
      );
      this.fail(new Error("worker: source.pull ignored the end of its ctx", { cause: error }));
      return;
    }
    this.take(brought);
    this.account.trouble.succeeded("pull", brought.length > 0);
    if (brought.length > 0 || this.source.ended === true) return;
    // It should have waited. Asked again at once, and again, it would keep everything else from its turn; also where it may not wait long.
    const apart = ctx.err() === undefined ? IDLE : Math.max(1, Math.min(IDLE, callTimeout));
    await time.sleep(begun + apart - monotonic(), this.stop).catch(() => {});
  }

  /** The ctx of a pull. Where the caller's ctx cannot be asked for its deadline any more, there is no pull, and the worker stops. */
  private limited(ms: number): ReturnType<typeof context.withTimeout> | undefined {
    try {
      return context.withTimeout(this.stop, ms);
    } catch (error) {
      return this.fail(error);
    }
  }

  /** What is no delivery is the source's mistake, and is not to cost the others their turn. */
  private take(deliveries: readonly D[]): void {
    const all = heldOf<D>(deliveries);
    if (all.length > 0) {
      this.progress.pulled += all.length;
      this.progress.waiting += all.length;
      this.account.emit({ type: "pulled", count: all.length });
    }
    for (const held of all) {
      held.order = ++this.pulled;
      this.held.add(held);
      if (this.attempts.of(held) > 1) this.account.counts.redelivered++;
      const to = this.isStopping ? "return" : this.keys.admit(held);
      if (to === "handle") this.start(held);
      else if (to === "return") this.release(held);
    }
    if (all.length === deliveries?.length) return;
    throw new TypeError("worker: source.pull must resolve to a list of deliveries, each with an id");
  }

  private release(held: Held<D>): void {
    this.progress.waiting--;
    this.decide(held, "released");
  }

  private async releaseLate(deliveries: readonly D[]): Promise<void> {
    const all = heldOf<D>(deliveries);
    if (all.length === 0) return;
    const [ctx, cancel] = context.withTimeout(this.detached, this.settings.callTimeout);
    using _ = cancel;
    const items = all.map(({ delivery }) => ({ delivery, delay: 0, why: "released" as const }));
    try {
      await this.source.nack(ctx, items);
    } catch (error) {
      this.account.sourceFailed("nack", error, Infinity);
    }
  }

  // ---------------------------------------------------------------------------------------------------------- stage 2: handle

  /** Hands a message to the handlers, one more of which is started if there are not enough. */
  private start(held: Held<D>): void {
    this.messages.trySend(held);
    const { concurrency } = this.settings;
    const wanted = this.progress.running + this.progress.waiting - this.keys.waiting;
    if (this.started < Math.min(concurrency, wanted)) this.startHandler();
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
    for await (const held of this.messages) {
      if (!this.isStopping && !held.lost) await this.handleOne(held);
      else this.release(held);
    }
  }

  private async handleOne(held: Held<D>): Promise<void> {
    const { delivery } = held;
    const [ctx, cancel] = context.withCancelCause(this.handling);
    const begun = monotonic();
    held.cancel = cancel;
    held.since = begun;
    this.progress.waiting--;
    this.progress.running++;
    this.account.counts.started++;
    this.account.emit({ type: "started", delivery });
    let pending = false;
    let failure: { readonly error: unknown } | undefined;
    // Why its ctx had ended when it did: what happens between that and our going on is no excuse for a failure (I8).
    let why: unknown;
    try {
      const result = this.handle(ctx, delivery);
      if (typeof (result as PromiseLike<unknown> | undefined)?.then === "function") {
        // One whose own properties throw has failed, as it would have by `await`.
        const returning = promiseOf(result);
        pending = true;
        const ended = (): void => {
          pending = false;
          why = context.cause(ctx);
          if (held.cancel !== cancel) this.account.emit({ type: "late", delivery });
        };
        try {
          void returning.then(ended, ended);
        } catch (error) {
          pending = false;
          throw error;
        }
        await context.wait(returning, this.patience);
      }
    } catch (error) {
      failure = { error };
    }
    held.cancel = null;
    cancel();
    this.progress.running--;
    if (pending) this.account.counts.abandoned++;
    if (failure === undefined) this.decide(held, "acked", begun);
    else if (why instanceof Stopping || pending) this.decide(held, "released", begun, failure.error);
    else this.decideFailure(held, begun, failure.error);
  }

  private decideFailure(held: Held<D>, begun: number, error: unknown): void {
    const delay = this.attempts.failed(held, error);
    held.delay = delay ?? 0;
    this.decide(held, delay === undefined ? "dead" : "retried", begun, error);
  }

  /** The verdict on a message; what is left is to tell the source. */
  private decide(held: Held<D>, verdict: Verdict, begun?: number, error?: unknown): void {
    held.verdict = verdict;
    held.error = error;
    this.progress.settling++;
    if (begun !== undefined) {
      const ending = {
        verdict: held.lost ? "expired" : verdict,
        ms: Math.round(monotonic() - begun),
        ...(error === undefined ? {} : { error }),
      } as const;
      this.account.emit({ type: "finished", delivery: held.delivery, ...ending });
    }
    this.results.trySend(held);
    if (held.key !== undefined) this.goOn(held);
  }

  /** What the verdict on a message means for the others of its key. */
  private goOn(held: Held<D>): void {
    const { next, followers } = this.keys.decided(held);
    if (next !== undefined) this.start(next);
    for (const follower of followers) this.release(follower);
    this.closeMessages();
  }

  // ----------------------------------------------------------------------------------------------- stage 3 is in settler.ts

  /** There is no room for another message. */
  get isFull(): boolean {
    return this.held.size >= this.settings.concurrency + this.settings.prefetch;
  }

  /** The source has been told, or cannot be told any more: the message is off our hands. */
  finish(held: Held<D>, verdict: Verdict, error?: unknown): void {
    this.held.delete(held);
    this.keys.told(held);
    this.progress.settling--;
    this.progress[verdict]++;
    if (verdict === "acked") this.attempts.forget(held);
    if (verdict === "expired" || (verdict === "dead" && this.source.deadLetter === undefined)) {
      this.account.leave({ delivery: held.delivery, was: held.verdict, error: error ?? held.error });
    }
    this.room.trySend(true);
  }

  // ----------------------------------------------------------------------------------------------------------------- the stop

  /** Goes through the phases of the stop as their time comes; leaves early when everything is done. */
  private async watch(): Promise<void> {
    const { grace, abortWindow, settle } = this.settings;
    const ends = { over: this.alive.done(), abort: this.abort.done(), outer: this.outer.done() };
    let { case: why }: { case: keyof typeof ends | "stop" | "late" } = await select({
      ...ends,
      stop: this.stop.done(),
    });
    if (why === "over") return;
    this.deadline = monotonic() + grace;
    if (why === "stop") {
      this.enter("draining");
      this.releaseWaiting();
      ({ case: why } = await select({ ...ends, late: time.after(grace - abortWindow - settle) }));
      if (why === "over") return;
    }
    if (why !== "late") {
      this.cutShort = { cause: context.cause(why === "outer" ? this.outer : this.abort) };
      this.stopNow(this.cutShort.cause);
      this.releaseWaiting();
    }
    this.deadline = Math.min(this.deadline, monotonic() + abortWindow + settle);
    this.enter("aborting");
    this.cancelHandlers(new Stopping({ cause: context.cause(this.stop) }));
    const patient = { over: ends.over, outer: ends.outer };
    const words = abortWindow * LAST_WORDS;
    if (why !== "outer") ({ case: why } = await select({ ...patient, late: time.after(abortWindow - words) }));
    if (why === "over") return;
    this.endLifetime(new Stopping({ cause: context.cause(this.stop) }));
    if (why !== "outer") ({ case: why } = await select({ ...patient, late: time.after(words) }));
    if (why === "over") return;
    this.deadline = Math.min(this.deadline, monotonic() + settle);
    this.enter("settling");
    this.endPatience();
    if ((await select({ over: ends.over, late: time.after(this.deadline - monotonic()) })).case === "over") return;
    this.endCalls();
    this.nudge.trySend(true);
  }

  private releaseWaiting(): void {
    for (let got = this.messages.tryRecv(); got?.[1] === true; got = this.messages.tryRecv()) this.release(got[0]);
    for (const held of this.keys.takeWaiting()) this.release(held);
    this.closeMessages();
  }

  private fail(error: unknown): undefined {
    if (this.stop.err() !== undefined) return undefined;
    this.failure = { error };
    this.stopNow(error);
    return undefined;
  }

  private enter(phase: Phase): void {
    if (this.phase === phase) return;
    const now = monotonic();
    if (this.phase !== "running" && this.phase !== "done")
      this.account.took[this.phase] += Math.round(now - this.since);
    this.since = now;
    const from = this.phase;
    this.phase = phase;
    this.account.emit({ type: "phase", from, to: phase });
    this.nudge.trySend(true);
  }

  private report(): Report<D> {
    if (this.failure !== null) return this.account.report({ stopped: "failed", cause: this.failure.error });
    if (this.cutShort !== null) return this.account.report({ stopped: "aborted", cause: this.cutShort.cause });
    // Somebody else's context may tell of its end a moment late.
    const cause = context.cause(this.stop) ?? attempt(() => context.cause(this.ctx));
    return this.account.report(cause === undefined ? { stopped: "source ended" } : { stopped: "cancelled", cause });
  }
}
