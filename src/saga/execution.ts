/**
 * One run of a saga: forward; and if that fails, back.
 *
 * The contexts:
 *
 *     forward      what steps get: ends with the caller's ctx, with `abort`, and with `context.lifetime`
 *     life         how long anything may be called at all: does not end with ctx, but with the other two
 *     undoing      what compensations get: life, and the budget
 *     onward       what the steps after a pivot get: life, and from the end of ctx on the budget
 *
 * Invariants:
 * - A step that is called is first noted as `unknown`, so none that may have been applied is forgotten; each ends as done (and then all
 *   are), not applied, compensated or dead-lettered, or its letter is in the result (S1).
 * - Steps are undone in the reverse of their order, each successfully at most once (S2); no step is called after a failure or the end of
 *   forward, unless a pivot is done (S3); run and compensate get the same key at each attempt (S4).
 * - A letter is written for a step only if its effect may remain; or, after a pivot, if it is still owed (S5).
 * - Whatever happens outside, `run` resolves; from the failure on within the budget and the time of the sink (S6), leaving nothing (S7).
 */
import { mustBeReadable } from "../internal/errors.ts";
import { attempt } from "../internal/foreign.ts";
import { emit } from "../internal/observe.ts";
import { context, type Context, retry, time } from "../index.ts";
import { monotonic } from "../internal/runtime.ts";
import { attempt as called } from "./attempt.ts";
import { errorOf, revived, saysNotApplied, serialized } from "./errors.ts";
import { type Past, resumed } from "./journal.ts";
import { send } from "./letters.ts";
import type { Settings } from "./options.ts";
import { type DeadLetter, type Happening, type Result, withJson } from "./result.ts";
import type { Call } from "./saga.ts";
import { entryOf, loggedOf, type Outputs, outputsBefore, type State, stateOf, type Step } from "./state.ts";

/** How many errors of a step are kept for its letter: there may be no end of attempts. */
const KEPT = 16;

/** How many steps are in the log of a letter: each letter with all of thousands of steps would be gigabytes. */
const LOGGED = 100;

/** What all letters of a run have in common. */
interface Common extends Pick<DeadLetter, "cause" | "log" | "at"> {
  /** Those of the log. */
  readonly steps: readonly State[];
}

/** What a person must see to, before it is a letter. */
interface Trouble {
  readonly state: State;
  readonly why: DeadLetter["why"];
}

/** Why a step is not done. In an object: an error that has a `then` would be awaited if an async function returned it. */
interface Failure {
  readonly error: Error;
}

/** How the user's code is called. */
interface Manner {
  readonly ctx: Context;
  /** When this ends nobody waits any longer. */
  readonly bound: Context;
  readonly timeout: number | undefined;
  readonly policy: retry.Policy;
  readonly mayCall: () => boolean;
}

/** How a context of the caller's has ended: it says so, or cannot be asked any more, which is as good as that. */
function endOf(ctx: Context | undefined): { readonly cause: unknown } | undefined {
  if (ctx === undefined) return undefined;
  try {
    const cause = context.cause(ctx);
    return cause === undefined ? undefined : { cause };
  } catch (error) {
    return { cause: error };
  }
}

/** **Errors**: TypeError, naming the context, if it cannot be waited for. */
function waitable<T>(name: string, wait: () => T): T {
  return mustBeReadable(`saga: ${name} is no Context that can be waited for`, wait);
}

export class Execution {
  private readonly name: string;
  private readonly ctx: Context;
  private readonly input: unknown;
  private readonly settings: Settings;
  private readonly states: readonly State[];
  private readonly past: Past;

  private readonly detached: Context;
  private readonly lifetime: Context | undefined;
  private readonly life: Context;
  private readonly endLife: context.CancelCauseFunc;
  private readonly forward: Context;
  private readonly endForward: context.CancelCauseFunc;
  /** Set when a pivot is done: there is no way back. */
  private onward: Context | undefined;
  private readonly cleanups: (() => void)[] = [];
  private hasEnded = false;
  /** Why nothing may be called any more, since that was first seen. */
  private ending: "aborted" | "out of time" | undefined;

  constructor(name: string, steps: readonly Step[], ctx: Context, input: unknown, settings: Settings) {
    this.name = name;
    this.ctx = ctx;
    this.input = input;
    this.settings = settings;
    this.states = steps.map((step) => stateOf(step, settings.id));
    this.past = resumed(this.states, name, settings.id, settings.resume);
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
    const trouble = this.onward === undefined ? await this.goBack(failure.error) : this.owed(this.onward);
    return this.report(failure.error, trouble);
  }

  // ----------------------------------------------------------------------------------------------------------------- forward

  /** Calls the steps that are not done. Returns why they are not all done, if so. */
  private async goForward(): Promise<Failure | undefined> {
    if (this.past.cause !== undefined) return { error: this.past.cause };
    for (const state of this.states) {
      if (state.outcome === "dead-lettered") return { error: this.causeOf(state) };
      if (state.outcome !== "done") {
        const failure =
          this.onward === undefined ? await this.callForward(state) : await this.callOnward(state, this.onward);
        if (failure !== undefined) return failure;
      }
      if (state.step.pivot === true) this.onward ??= this.closeTheWayBack();
    }
    return undefined;
  }

  /** What the journal says about a step that was to be finished. */
  private causeOf({ key }: State): Error {
    const letter = this.past.letters.find((letter) => letter.key === key)!;
    return revived(letter.cause);
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

  private async call(state: State, manner: Manner): Promise<Failure | undefined> {
    const { step, key } = state;
    const begun = monotonic();
    // It may have been under way when the run before this one was killed.
    state.isDoubtful = state.outcome === "unknown";
    state.outcome = "unknown";
    this.emit({ type: "stepStarted", step: step.name, key });
    const run = (ctx: Context, attempt: number): unknown => {
      state.attempts++;
      return step.run(ctx, this.callOf(state, attempt, {}));
    };
    let failure: Failure | undefined;
    try {
      state.output = await this.tries(state, "run", manner, run);
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

  /** From here on the end of ctx ends no step; but they get no longer than the budget after it. */
  private closeTheWayBack(): Context {
    const [onward, end] = context.withCancelCause(this.life);
    let timer: time.Timer | undefined;
    const begin = (): void => {
      if (this.hasEnded) return;
      timer = time.afterFunc(this.settings.compensation.budget, () => end(new Error("saga: the budget is used up")));
    };
    // One that cannot be waited for any more has as good as ended.
    const stop = attempt(() => context.afterFunc(this.ctx, begin));
    if (stop === undefined) begin();
    this.cleanups.push(
      () => stop?.(),
      () => timer?.stop(),
      end,
    );
    return onward;
  }

  /** The steps that are still to be done. */
  private owed(onward: Context): Trouble[] {
    const why = this.isOver(onward) ?? "failed";
    return this.states
      .filter(({ outcome }) => outcome !== "done" && outcome !== "dead-lettered")
      .map((state) => ({ state, why }));
  }

  // -------------------------------------------------------------------------------------------------------------------- back

  /** Undoes what may have been applied. Returns what it could not undo. */
  private async goBack(cause: Error): Promise<Trouble[]> {
    this.emit({ type: "compensating", cause: serialized(cause) });
    const [undoing, cancel] = context.withTimeout(this.life, this.settings.compensation.budget);
    using _ = cancel;
    const trouble: Trouble[] = [];
    for (const state of [...this.states].reverse()) {
      if (state.outcome !== "done" && state.outcome !== "unknown") continue;
      const why = await this.undo(undoing, state);
      if (why !== undefined) trouble.push({ state, why });
    }
    return trouble;
  }

  /** Returns why the step is not undone, if so. */
  private async undo(undoing: Context, state: State): Promise<DeadLetter["why"] | undefined> {
    const { step, key, outcome } = state;
    const { compensate } = step;
    // Those of its run are in the log.
    state.errors = [];
    if (compensate === undefined) return "cannot be undone";
    const mayCall = (): boolean => this.isOver(undoing) === undefined;
    if (!mayCall()) return this.ending;
    const { timeout, retry: policy } = this.settings.compensation;
    const manner = { ctx: undoing, bound: undoing, timeout, policy, mayCall };
    const known = outcome === "done" ? { outcome, output: state.output } : { outcome: "unknown" as const };
    const run = (ctx: Context, attempt: number): unknown => {
      state.undos++;
      return compensate(ctx, this.callOf(state, attempt, known));
    };
    try {
      await this.tries(state, "compensate", manner, run);
    } catch (error) {
      state.error = state.errors.at(-1) ?? errorOf(error);
      return this.isOver(undoing) ?? "failed";
    }
    state.outcome = "compensated";
    this.emit({ type: "compensated", step: step.name, key });
    return undefined;
  }

  // -------------------------------------------------------------------------------------------------------------------- both

  /** What a step or its undo is called with. The outputs are put together when they are asked for: of thousands of steps few ask. */
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

  /** Calls the user's code as often as it may be called, and collects what it throws. */
  private tries<T>(
    state: State,
    call: "run" | "compensate",
    { ctx, bound, timeout = Infinity, policy, mayCall }: Manner,
    run: (ctx: Context, attempt: number) => PromiseLike<T> | T,
  ): Promise<T> {
    const once = async (trying: Context, n: number): Promise<T> => {
      // An abort needs a moment to reach ctx.
      if (!mayCall()) throw new retry.Permanent("saga: stopped");
      const [limited, cancel] = context.withTimeout(trying, timeout);
      using _ = cancel;
      try {
        return await called(limited, bound, (ctx) => run(ctx, n));
      } catch (thrown) {
        const error = errorOf(thrown);
        state.errors.push(error);
        if (state.errors.length > KEPT) state.errors.shift();
        if (!saysNotApplied(error)) state.isDoubtful = true;
        const { step, key } = state;
        this.emit({ type: "attemptFailed", step: step.name, key, call, attempt: n, error: serialized(error) });
        throw error;
      }
    };
    return retry.retry(ctx, once, policy);
  }

  /** Why no step may be called that can be undone, if that is so. */
  private stopped(): Error | undefined {
    for (const ctx of [this.ctx, this.settings.abort, this.lifetime]) {
      const end = endOf(ctx);
      if (end !== undefined) return errorOf(end.cause);
    }
    return undefined;
  }

  /** Why nothing at all may be called under this ctx, if that is so. */
  private isOver(ctx: Context): "aborted" | "out of time" | undefined {
    if (endOf(this.settings.abort) !== undefined) this.ending ??= "aborted";
    if (endOf(this.lifetime) !== undefined || ctx.err() !== undefined) this.ending ??= "out of time";
    return this.ending;
  }

  /** The steps that are in the log. */
  private log(): readonly State[] {
    if (this.onward !== undefined) return this.states;
    return this.states.filter(({ outcome }) => outcome !== "not started");
  }

  private async report(cause: Error, trouble: readonly Trouble[]): Promise<Result<unknown>> {
    const { id, deadLetter } = this.settings;
    const steps = this.log();
    // Once for all letters, which are written in this moment: there may be thousands of them.
    const common = {
      cause: serialized(cause),
      steps,
      log: steps.map(loggedOf),
      at: new Date(time.now()).toISOString(),
    };
    const written = new Map(trouble.map((each) => [this.letterOf(common, each), each.state]));
    const errors = new Map<DeadLetter, Error>();
    await send(this.detached, [...written.keys()], deadLetter, (letter, error) => {
      const { step, key } = letter;
      if (error === undefined) {
        written.get(letter)!.outcome = "dead-lettered";
        this.emit({ type: "deadLettered", step, key, letter });
      } else {
        errors.set(letter, error);
        this.emit({ type: "lost", step, key, letter, error: serialized(error) });
      }
    });
    const log = this.log().map(entryOf);
    const lost = [...written.keys()].filter((letter) => errors.has(letter));
    if (lost.length > 0) {
      return { status: "lost", id, cause, letters: lost, errors: lost.map((letter) => errors.get(letter)!), log };
    }
    const letters = [...this.past.letters, ...written.keys()];
    if (letters.length > 0) return { status: "dead-lettered", id, cause, letters, log };
    return { status: "compensated", id, cause, log };
  }

  private letterOf({ cause, steps, log, at }: Common, { state, why }: Trouble): DeadLetter {
    const { step, key, outcome } = state;
    const from = Math.max(0, Math.min(steps.indexOf(state) - LOGGED / 2, log.length - LOGGED));
    return {
      saga: this.name,
      id: this.settings.id,
      step: step.name,
      key,
      input: this.input,
      ...(outcome === "done" ? { output: state.output } : {}),
      todo: this.onward === undefined ? "undo" : "finish",
      outcome: outcome as DeadLetter["outcome"],
      why,
      cause,
      errors: state.errors.map((error) => serialized(error)),
      log: log.slice(from, from + LOGGED),
      ...(log.length > LOGGED ? { omitted: log.length - LOGGED } : {}),
      at,
    };
  }

  private emit(event: Happening): void {
    const { observe, id } = this.settings;
    if (observe !== undefined) emit(observe, { saga: this.name, id, at: time.now(), ...event });
  }
}
