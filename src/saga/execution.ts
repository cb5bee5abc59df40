/**
 * One execution of a saga: forward and, if that fails, back.
 *
 *     goForward ── all done ──────────────────────────────────────────────► committed
 *         │ a step failed
 *         ├─ no pivot is done ─► goBack: undo, last step first ─┐
 *         └─ a pivot is done ──► unfinished: the steps owed     ├─ nothing left ─► compensated
 *                                                               └─ letters ──────► dead-lettered, or lost
 *
 * The contexts:
 *
 *     forward      of the steps: ends with the caller's ctx, with `abort`, and with `context.lifetime`
 *     life         of every call: ends with `abort` and with `context.lifetime`, but not with ctx
 *     undoing      of the compensations: life, within the budget
 *     onward       of the steps after a pivot: life and, from the end of ctx on, the budget
 *
 * Invariants:
 * - The state of a step is `unknown` before it is called, so no step that may have been applied is forgotten. Each step ends as done (then
 *   all are done), not applied, compensated or dead-lettered, or its letter is in the result (A1).
 * - Steps are undone in reverse order, each successfully at most once (A2). No step is called after a failure or the end of forward,
 *   unless a pivot is done (A3). Run and compensate get the same key at every attempt (A4).
 * - A step has a letter only if its effect may remain or, after a pivot, if it is not done (A5).
 * - `run` resolves whatever happens outside. From the failure on it takes at most the budget and the time of the sink (A6). It leaves no
 *   timer and no listener behind (A7).
 */
import { mustBeReadable } from "../internal/errors.ts";
import { attempt } from "../internal/foreign.ts";
import { emit } from "../internal/observe.ts";
import { context, type Context, retry, time } from "../index.ts";
import { monotonic } from "../internal/runtime.ts";
import { attempt as called } from "./attempt.ts";
import { deserializeError, errorOf, isNotApplied, serializeError, withJson } from "./errors.ts";
import { resume, type Resumed } from "./journal.ts";
import { send } from "./letters.ts";
import type { Settings } from "./options.ts";
import { entryOf, loggedOf, type Outputs, outputsBefore, type State, stateOf, type Step } from "./state.ts";
import type { Call, DeadLetter, EventBody, Result } from "./types.ts";

/** The number of errors of a step that are kept for its letter: the attempts may be unlimited. */
const MAX_ERRORS = 16;

/** The number of steps in the log of a letter. All of thousands of steps in each of thousands of letters would be gigabytes. */
const MAX_LOGGED = 100;

/** The part that is the same in all letters of a run. */
interface LetterParts extends Pick<DeadLetter, "cause" | "log" | "at"> {
  /** The steps of the log. */
  readonly steps: readonly State[];
}

/** A step that needs a letter. */
interface Unresolved {
  readonly state: State;
  readonly reason: DeadLetter["reason"];
}

/** Why a step is not done. It is an object, because an async function that returned an error with a `then` would await it. */
interface Failure {
  readonly error: Error;
}

/** The terms on which a step, or its undo, is called. */
interface CallPolicy {
  readonly ctx: Context;
  /** When this ends, a running attempt is abandoned at once. */
  readonly bound: Context;
  readonly timeout: number | undefined;
  readonly policy: retry.Policy;
  readonly mayCall: () => boolean;
}

/** The end of a context of the caller; undefined while it has not ended. A context that throws when it is asked counts as ended. */
function endOf(ctx: Context | undefined): { readonly cause: unknown } | undefined {
  if (ctx === undefined) return undefined;
  try {
    const cause = context.cause(ctx);
    return cause === undefined ? undefined : { cause };
  } catch (error) {
    return { cause: error };
  }
}

/** **Errors**: TypeError that names the context, if it throws when it is waited for. */
function waitable<T>(name: string, wait: () => T): T {
  return mustBeReadable(`saga: ${name} is no Context that can be waited for`, wait);
}

export class Execution {
  private readonly name: string;
  private readonly ctx: Context;
  private readonly input: unknown;
  private readonly settings: Settings;
  private readonly states: readonly State[];
  private readonly resumed: Resumed;

  private readonly detached: Context;
  private readonly lifetime: Context | undefined;
  private readonly life: Context;
  private readonly endLife: context.CancelCauseFunc;
  private readonly forward: Context;
  private readonly endForward: context.CancelCauseFunc;
  /** Set when a pivot is done. */
  private onward: Context | undefined;
  private readonly cleanups: (() => void)[] = [];
  private hasEnded = false;
  /** Why nothing may be called any more; the first reason that was seen. */
  private stopReason: "aborted" | "out of time" | undefined;

  constructor(name: string, steps: readonly Step[], ctx: Context, input: unknown, settings: Settings) {
    this.name = name;
    this.ctx = ctx;
    this.input = input;
    this.settings = settings;
    this.states = steps.map((step) => stateOf(step, settings.id));
    this.resumed = resume(this.states, name, settings.id, settings.resume);
    const lifetime = mustBeReadable("saga: ctx: its value() has thrown", () => ctx.value(context.lifetime));
    this.lifetime = lifetime ?? undefined;
    if (this.lifetime !== undefined && !context.isContext(this.lifetime))
      throw new TypeError("saga: context.lifetime must be a Context");
    this.detached = context.withoutCancel(ctx);
    [this.life, this.endLife] = context.withCancelCause(this.detached);
    [this.forward, this.endForward] = waitable("ctx", () => context.withCancelCause(ctx));
    this.cleanups.push(this.endLife, this.endForward);
  }

  async run(): Promise<Result<unknown>> {
    try {
      for (const [name, ending] of [
        ["abort", this.settings.abort],
        ["context.lifetime", this.lifetime],
      ] as const) {
        if (ending === undefined) continue;
        const end = (): void => {
          const cause = endOf(ending)?.cause;
          this.endForward(cause);
          this.endLife(cause);
        };
        this.cleanups.push(waitable(name, () => context.afterFunc(ending, end)));
      }
      this.emit({ type: "started", input: this.input });
      const result = withJson(await this.outcome());
      this.emit({ type: "finished", status: result.status });
      return result;
    } finally {
      this.hasEnded = true;
      for (const cleanup of this.cleanups) cleanup();
    }
  }

  private async outcome(): Promise<Result<unknown>> {
    const { id } = this.settings;
    const failure = await this.goForward();
    if (failure === undefined) {
      return { status: "committed", id, output: outputsBefore(this.states), log: this.log().map(entryOf) };
    }
    const unresolved = this.onward === undefined ? await this.goBack(failure.error) : this.unfinished(this.onward);
    return this.report(failure.error, unresolved);
  }

  // ----------------------------------------------------------------------------------------------------------------- forward

  /** Calls the steps that are not done. Returns the failure if one of them could not be done. */
  private async goForward(): Promise<Failure | undefined> {
    if (this.resumed.cause !== undefined) return { error: this.resumed.cause };
    for (const state of this.states) {
      if (state.outcome === "dead-lettered") return { error: this.causeOf(state) };
      if (state.outcome !== "done") {
        const failure =
          this.onward === undefined ? await this.callForward(state) : await this.callOnward(state, this.onward);
        if (failure !== undefined) return failure;
      }
      if (state.step.pivot === true) this.onward ??= this.passPivot();
    }
    return undefined;
  }

  /** The cause in the letter of a step that an earlier run could not finish. */
  private causeOf({ key }: State): Error {
    const letter = this.resumed.letters.find((letter) => letter.key === key)!;
    return deserializeError(letter.cause);
  }

  private async callForward(state: State): Promise<Failure | undefined> {
    const stopped = this.stopped();
    if (stopped !== undefined) return { error: stopped };
    const { timeout, retry: policy = { tries: 1 } } = state.step;
    const mayCall = (): boolean => this.stopped() === undefined;
    const failure = await this.call(state, { ctx: this.forward, bound: this.life, timeout, policy, mayCall });
    return failure && { error: this.stopped() ?? failure.error };
  }

  private async callOnward(state: State, ctx: Context): Promise<Failure | undefined> {
    const { timeout, retry: policy = this.settings.compensation.retry } = state.step;
    const mayCall = (): boolean => this.isOver(ctx) === undefined;
    const failure = mayCall()
      ? await this.call(state, { ctx, bound: ctx, timeout, policy, mayCall })
      : { error: new Error("saga: no time is left") };
    if (failure === undefined || this.isOver(ctx) === undefined) return failure;
    return { error: this.stopped() ?? failure.error };
  }

  private async call(state: State, policy: CallPolicy): Promise<Failure | undefined> {
    const { step, key } = state;
    const begun = monotonic();
    // A killed run may have called it.
    state.isDoubtful = state.outcome === "unknown";
    state.outcome = "unknown";
    this.emit({ type: "stepStarted", step: step.name, key });
    const run = (ctx: Context, attempt: number): unknown => {
      state.attempts++;
      return step.run(ctx, this.callOf(state, attempt, {}));
    };
    let failure: Failure | undefined;
    try {
      state.output = await this.tries(state, "run", policy, run);
      state.outcome = "done";
    } catch (error) {
      failure = { error: state.errors.at(-1) ?? errorOf(error) };
      state.error = failure.error;
      if (!state.isDoubtful) state.outcome = "not applied";
    }
    state.ms = Math.round(monotonic() - begun);
    const { outcome, attempts, ms } = state;
    const output = outcome === "done" ? { output: state.output } : {};
    this.emit({ type: "stepFinished", step: step.name, key, outcome, ...output, attempts, ms });
    return failure;
  }

  /** From here on the end of ctx does not end the steps: it starts their budget. */
  private passPivot(): Context {
    const [onward, end] = context.withCancelCause(this.life);
    let timer: time.Timer | undefined;
    const begin = (): void => {
      if (this.hasEnded) return;
      timer = time.afterFunc(this.settings.compensation.budget, () => end(new Error("saga: the budget is used up")));
    };
    // A ctx that can no longer be waited for counts as ended.
    const stop = attempt(() => context.afterFunc(this.ctx, begin));
    if (stop === undefined) begin();
    this.cleanups.push(
      () => stop?.(),
      () => timer?.stop(),
      end,
    );
    return onward;
  }

  /** The steps that a pivot obliges us to do, and that are not done. */
  private unfinished(onward: Context): Unresolved[] {
    const reason = this.isOver(onward) ?? "failed";
    return this.states
      .filter(({ outcome }) => outcome !== "done" && outcome !== "dead-lettered")
      .map((state) => ({ state, reason }));
  }

  // -------------------------------------------------------------------------------------------------------------------- back

  /** Undoes every step that may have been applied. Returns the steps that it could not undo. */
  private async goBack(cause: Error): Promise<Unresolved[]> {
    this.emit({ type: "compensating", cause: serializeError(cause) });
    const [undoing, cancel] = context.withTimeout(this.life, this.settings.compensation.budget);
    using _ = cancel;
    const unresolved: Unresolved[] = [];
    for (const state of [...this.states].reverse()) {
      if (state.outcome !== "done" && state.outcome !== "unknown") continue;
      const reason = await this.undo(undoing, state);
      if (reason !== undefined) unresolved.push({ state, reason });
    }
    return unresolved;
  }

  /** Undoes a step. Returns the reason if it could not. */
  private async undo(undoing: Context, state: State): Promise<DeadLetter["reason"] | undefined> {
    const { step, key, outcome } = state;
    const { compensate } = step;
    // The last error of its run stays in the log.
    state.errors = [];
    if (compensate === undefined) return "cannot be undone";
    const mayCall = (): boolean => this.isOver(undoing) === undefined;
    if (!mayCall()) return this.stopReason;
    const { timeout, retry: policy } = this.settings.compensation;
    const callPolicy = { ctx: undoing, bound: undoing, timeout, policy, mayCall };
    const known = outcome === "done" ? { outcome, output: state.output } : { outcome: "unknown" as const };
    const run = (ctx: Context, attempt: number): unknown => {
      state.undos++;
      return compensate(ctx, this.callOf(state, attempt, known));
    };
    try {
      await this.tries(state, "compensate", callPolicy, run);
    } catch (error) {
      state.error = state.errors.at(-1) ?? errorOf(error);
      return this.isOver(undoing) ?? "failed";
    }
    state.outcome = "compensated";
    this.emit({ type: "compensated", step: step.name, key });
    return undefined;
  }

  // -------------------------------------------------------------------------------------------------------------------- both

  /** The argument of a step or its undo. The outputs are collected on first use: of thousands of steps, few read them. */
  private callOf<More extends object>(state: State, attempt: number, more: More): Call<unknown, Outputs> & More {
    const { states } = this;
    let done: Outputs | undefined;
    return {
      key: state.key,
      input: this.input,
      get done() {
        return (done ??= outputsBefore(states, state));
      },
      ...more,
      attempt,
    };
  }

  /** Calls the step, or its undo, until it succeeds or the policy is used up. Collects the errors. */
  private tries<T>(
    state: State,
    call: "run" | "compensate",
    { ctx, bound, timeout = Infinity, policy, mayCall }: CallPolicy,
    run: (ctx: Context, attempt: number) => PromiseLike<T> | T,
  ): Promise<T> {
    const once = async (trying: Context, n: number): Promise<T> => {
      // An abort reaches ctx only a microtask later.
      if (!mayCall()) throw new retry.Permanent("saga: stopped");
      const [limited, cancel] = context.withTimeout(trying, timeout);
      using _ = cancel;
      try {
        return await called(limited, bound, (ctx) => run(ctx, n));
      } catch (thrown) {
        const error = errorOf(thrown);
        state.errors.push(error);
        if (state.errors.length > MAX_ERRORS) state.errors.shift();
        if (!isNotApplied(error)) state.isDoubtful = true;
        const { step, key } = state;
        this.emit({ type: "attemptFailed", step: step.name, key, call, attempt: n, error: serializeError(error) });
        throw error;
      }
    };
    return retry.run(ctx, once, policy);
  }

  /** The error that ends the way forward; undefined while steps may be called. */
  private stopped(): Error | undefined {
    for (const ctx of [this.ctx, this.settings.abort, this.lifetime]) {
      const end = endOf(ctx);
      if (end !== undefined) return errorOf(end.cause);
    }
    return undefined;
  }

  /** The reason why nothing may be called under this ctx; undefined while calls are allowed. */
  private isOver(ctx: Context): "aborted" | "out of time" | undefined {
    if (endOf(this.settings.abort) !== undefined) this.stopReason ??= "aborted";
    if (endOf(this.lifetime) !== undefined || ctx.err() !== undefined) this.stopReason ??= "out of time";
    return this.stopReason;
  }

  /** The steps of the log. */
  private log(): readonly State[] {
    if (this.onward !== undefined) return this.states;
    return this.states.filter(({ outcome }) => outcome !== "not started");
  }

  private async report(cause: Error, unresolved: readonly Unresolved[]): Promise<Result<unknown>> {
    const { id, deadLetter } = this.settings;
    const steps = this.log();
    // Made once for all letters, of which there may be thousands.
    const parts = {
      cause: serializeError(cause),
      steps,
      log: steps.map(loggedOf),
      at: new Date(time.now()).toISOString(),
    };
    const written = new Map(unresolved.map((each) => [this.letterOf(parts, each), each.state]));
    const errors = new Map<DeadLetter, Error>();
    await send(this.detached, [...written.keys()], deadLetter, (letter, error) => {
      const { step, key } = letter;
      if (error === undefined) {
        written.get(letter)!.outcome = "dead-lettered";
        this.emit({ type: "deadLettered", step, key, letter });
      } else {
        errors.set(letter, error);
        this.emit({ type: "lost", step, key, letter, error: serializeError(error) });
      }
    });
    const log = this.log().map(entryOf);
    const lost = [...written.keys()].filter((letter) => errors.has(letter));
    if (lost.length > 0) {
      return { status: "lost", id, cause, letters: lost, errors: lost.map((letter) => errors.get(letter)!), log };
    }
    const letters = [...this.resumed.letters, ...written.keys()];
    if (letters.length > 0) return { status: "dead-lettered", id, cause, letters, log };
    return { status: "compensated", id, cause, log };
  }

  private letterOf({ cause, steps, log, at }: LetterParts, { state, reason }: Unresolved): DeadLetter {
    const { step, key, outcome } = state;
    const from = Math.max(0, Math.min(steps.indexOf(state) - MAX_LOGGED / 2, log.length - MAX_LOGGED));
    return {
      saga: this.name,
      id: this.settings.id,
      step: step.name,
      key,
      input: this.input,
      ...(outcome === "done" ? { output: state.output } : {}),
      todo: this.onward === undefined ? "undo" : "finish",
      outcome: outcome as DeadLetter["outcome"],
      reason,
      cause,
      errors: state.errors.map((error) => serializeError(error)),
      log: log.slice(from, from + MAX_LOGGED),
      ...(log.length > MAX_LOGGED ? { omitted: log.length - MAX_LOGGED } : {}),
      at,
    };
  }

  private emit(event: EventBody): void {
    const { observe, id } = this.settings;
    if (observe !== undefined) emit(observe, { saga: this.name, id, at: time.now(), ...event });
  }
}
