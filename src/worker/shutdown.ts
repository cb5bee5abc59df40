/**
 * The stop of a worker: its contexts, its phases, and how much time each has.
 *
 * A context says to stop, and each part of the worker has one of its own:
 *
 *     stop       the caller's; ends the pulling, and what waits is released      (draining)
 *     handling   what handlers get; ends with the cause Stopping                 (aborting)
 *     lifetime   how long handlers may go on at all; then they have a moment to say what they leave undone
 *     patience   how long handlers, and the last pull, are waited for            (settling)
 *     calls      what the broker's calls get; ends when the grace is over        (done)
 *
 * All but the first derive from `withoutCancel(ctx)`: the caller's values, a life of their own.
 *
 * Invariant: from the stop to the end of `calls` pass no more than `grace` ms, whatever handlers and broker do (I6).
 */
import { mustBeReadable } from "../internal/errors.ts";
import { attempt } from "../internal/foreign.ts";
import { Chan, context, type Context, nil, type RecvChan, select, time } from "../index.ts";
import { monotonic } from "../internal/runtime.ts";
import type { Account } from "./account.ts";
import { Stopping } from "./causes.ts";
import type { Settings } from "./options.ts";
import type { Phase, Report } from "./report.ts";
import type { Delivery } from "./source.ts";

/**
 * The part of the abortWindow that is left when the lifetime of the handlers ends. A cleanup that is notified only at the very end cannot
 * say any more what it leaves undone; and a saga must, in its dead letters.
 */
const LAST_WORDS = 0.25;

/** An event that ends a phase before its time. */
type End = "stop" | "abort" | "outer";

/** **Errors**: TypeError, naming the context, if it cannot be asked or waited for. */
function derived(what: string, ctx: Context | undefined): ReturnType<typeof context.withCancelCause> {
  return mustBeReadable(`worker: ${what} is no Context that can be waited for`, () =>
    context.withCancelCause(ctx ?? context.background()),
  );
}

export class Shutdown<D extends Delivery> {
  /** The caller's values, and no end. */
  readonly detached: Context;
  readonly stop: Context;
  readonly handling: Context;
  readonly patience: Context;
  readonly calls: Context;
  /** Ends when the run is finished or given up. */
  readonly alive: Context;
  /** When everything must be over, on the monotonic clock: known from the stop on. */
  deadline: number = Infinity;
  /** Gets a value when the phase has changed: what the settler has put off is due at once. */
  readonly phaseChanges: Chan<true> = new Chan(1);

  private readonly ctx: Context;
  private readonly settings: Settings<D>;
  private readonly account: Account<D>;
  /** Ends with the caller's `abort`, the second signal: then the draining is over. */
  private readonly abort: Context;
  /** The lifetime of what the worker runs in, such as the handler of another: then its result is not waited for any more. */
  private readonly outer: Context;
  private readonly lifetime: Context;
  private readonly stopNow: context.CancelCauseFunc;
  private readonly cancelHandlers: context.CancelCauseFunc;
  private readonly endLifetime: context.CancelCauseFunc;
  private readonly endPatience: context.CancelFunc;
  private readonly endCalls: context.CancelFunc;
  /** Ends {@link alive}: everything is done. */
  readonly end: context.CancelFunc;
  private readonly releaseAbort: context.CancelFunc;
  private readonly releaseOuter: context.CancelFunc | undefined;

  private phase: Phase = "running";
  /** When it began, on the monotonic clock. */
  private since = 0;
  /** Set when something has cut the stop short: the cause of the context that ended. */
  private cutShort: { readonly cause: unknown } | null = null;
  private failure: { readonly error: unknown } | null = null;

  constructor(ctx: Context, settings: Settings<D>, account: Account<D>) {
    this.ctx = ctx;
    this.settings = settings;
    this.account = account;
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

  /** The stop has begun. An abort alone is a stop, too, also in the moment before {@link run} gets to know of it. */
  get hasBegun(): boolean {
    return this.stop.err() !== undefined || this.abort.err() !== undefined;
  }

  /** Stops the worker because of an error: it is the cause in the report, unless the stop has begun already. */
  fail(error: unknown): void {
    if (this.stop.err() !== undefined) return;
    this.failure = { error };
    this.stopNow(error);
  }

  /**
   * Goes through the phases as their time comes, and returns early when everything is done. What is left of the grace at the beginning
   * of each, and what ends it early:
   *
   *     draining    grace                    abort, outer    pulling has ended; what waits is released
   *     aborting    abortWindow + settle     outer           the ctx of the handlers has ended
   *       of it     a quarter + settle       outer           their lifetime has ended, too
   *     settling    settle                                   handlers are abandoned
   *     (over)      0                                        calls of the source are abandoned
   *
   * An abort, or the end of the outer lifetime, while the worker runs skips the draining. The end of the outer lifetime skips the waits for
   * handlers, too.
   */
  async run(releaseWaiting: () => void): Promise<void> {
    const { grace, abortWindow, settle } = this.settings;
    const lastWords = abortWindow * LAST_WORDS;
    let by = (await this.until(["stop", "abort", "outer"])).case;
    if (by === "over") return;
    this.deadline = monotonic() + grace;
    if (by === "stop") {
      this.enter("draining");
      releaseWaiting();
      by = (await this.until(["abort", "outer"], grace - abortWindow - settle)).case;
      if (by === "over") return;
    }
    if (by !== "time") {
      this.cutShort = { cause: context.cause(by === "outer" ? this.outer : this.abort) };
      this.stopNow(this.cutShort.cause);
      releaseWaiting();
    }
    this.deadline = Math.min(this.deadline, monotonic() + abortWindow + settle);
    this.enter("aborting");
    this.cancelHandlers(new Stopping({ cause: context.cause(this.stop) }));
    if (by !== "outer") by = (await this.until(["outer"], abortWindow - lastWords)).case;
    if (by === "over") return;
    this.endLifetime(new Stopping({ cause: context.cause(this.stop) }));
    if (by !== "outer") by = (await this.until(["outer"], lastWords)).case;
    if (by === "over") return;
    this.deadline = Math.min(this.deadline, monotonic() + settle);
    this.enter("settling");
    this.endPatience();
    if ((await this.until([], this.deadline - monotonic())).case === "over") return;
    this.endCalls();
    this.phaseChanges.trySend(true);
  }

  /** Waits until one of these contexts has ended, the time is up, or everything is done. */
  private until(ends: readonly End[], ms?: number): Promise<{ readonly case: End | "time" | "over" }> {
    const doneOf = (end: End): RecvChan<never> => (ends.includes(end) ? this[end].done() : nil);
    return select({
      over: this.alive.done(),
      abort: doneOf("abort"),
      outer: doneOf("outer"),
      stop: doneOf("stop"),
      time: ms === undefined ? nil : time.after(ms),
    });
  }

  enter(phase: Phase): void {
    if (this.phase === phase) return;
    const now = monotonic();
    this.account.spent(this.phase, now - this.since);
    this.since = now;
    const from = this.phase;
    this.phase = phase;
    this.account.emit({ type: "phase", from, to: phase });
    this.phaseChanges.trySend(true);
  }

  /** Lets go of every context. */
  release(): void {
    const { releaseAbort, releaseOuter, stopNow, cancelHandlers, endLifetime, endPatience, endCalls } = this;
    for (const cancel of [releaseAbort, releaseOuter, stopNow, cancelHandlers, endLifetime, endPatience, endCalls])
      cancel?.();
  }

  /** Why the worker has stopped. */
  outcome(): Pick<Report, "stopped" | "cause"> {
    if (this.failure !== null) return { stopped: "failed", cause: this.failure.error };
    if (this.cutShort !== null) return { stopped: "aborted", cause: this.cutShort.cause };
    // A context that is not ours may tell of its end a moment late.
    const cause = context.cause(this.stop) ?? attempt(() => context.cause(this.ctx));
    return cause === undefined ? { stopped: "source ended" } : { stopped: "cancelled", cause };
  }
}
