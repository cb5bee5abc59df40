/**
 * One run of a saga in a bubble, by itself or in the handler of a worker: three steps at a server, one of which, its undo, or the sink
 * misbehaves. What is called is written down; when the saga has returned, its result is held against that, and against what the server
 * has applied, by the invariants A1 to A7. (A7 is the bubble's: it fails if anything is left.)
 */
import { context, type Context, time } from "headgate";
import type { Bubble } from "headgate/testing";
import {
  type DeadLetter,
  NotApplied,
  type Result,
  saga,
  type SagaEvent,
  type SagaOptions,
  type StepOptions,
} from "headgate/saga";
import { memoryBroker, worker } from "headgate/worker";
import { Server } from "./server.ts";

export const MODES = [
  "plain",
  "a step fails",
  "a step fails once",
  "a step was not applied",
  "a step is deaf to its ctx",
  "undo fails once",
  "undo fails",
  "undo hangs",
  "undo is deaf to its ctx",
  "no undo",
  "the sink fails once",
  "the sink fails",
  "the sink hangs",
  "pivot",
  "pivot, and a step fails once",
  "pivot, and a step fails",
  "pivot, and a step hangs",
] as const;
export type Mode = (typeof MODES)[number];

/** The modes in which every step can be undone. */
export const UNDOABLE: readonly Mode[] = MODES.slice(0, 6);

/** In virtual ms. */
const compensation = { budget: 60, timeout: 10, retry: { tries: 3, base: 2 } };
const MOMENT = 100;
const SINK = 5_000;

/** Of the worker: handlers are cancelled 20 ms after the stop, their lifetime ends 80 ms after it, and at 100 ms they are abandoned. */
const limits = { grace: 120, abortWindow: 80, settle: 20, concurrency: 1 };

/** Longer than a moment and the budget. */
const LONG = 400;

const boom = new Error("boom");

/** Runs the saga. */
export type Runner = (ctx: Context, options: SagaOptions) => Promise<Result<unknown>>;

/** Undoes a step. */
export type Undoing = (ctx: Context, call: { readonly key: string; readonly outcome: string }) => Promise<void>;

export interface Cast {
  /** "abort": nobody cancels the saga, and it is aborted at once. "stop" */
  readonly signal?: "stop" | "abort";
  /** Where it runs. In a worker the signals are the worker's, and the saga has what its handler has: a ctx, and its lifetime. "alone" */
  readonly host?: "alone" | "worker";
  /** What is put in the place of the library's run, to see that it is found out. */
  readonly run?: (run: Runner) => Runner;
  /** What is put in the place of what undoes a step. `stop` is the ctx of the saga. */
  readonly undo?: (undo: Undoing, stop: Context) => Undoing;
  /** Is told, in a few words each, what happened. */
  readonly outcome?: (what: string) => void;
}

/** The scenario for `explore`: rejects with all that is wrong, a line each. */
export function scenario(mode: Mode, cast: Cast = {}): (t: Bubble) => Promise<void> {
  return (t) => new Play(t, mode, cast).run();
}

const NAMES = ["a", "b", "c"] as const;
type Name = (typeof NAMES)[number];

class Play {
  private readonly t: Bubble;
  private readonly mode: Mode;
  private readonly cast: Cast;
  /** What ends the way forward, and what ends everything, as the saga sees it. */
  private stop: Context;
  private end: Context;
  private readonly server = new Server();
  private readonly wrong = new Set<string>();
  /** Keys, in the order in which they were called for the first time. */
  private readonly ran: string[] = [];
  private readonly undos: string[] = [];
  private readonly undone: string[] = [];
  private readonly taken: DeadLetter[] = [];
  private readonly events: SagaEvent[] = [];
  private readonly calls = new Map<string, number>();
  private failedAt: number | undefined;
  private stoppedAt: number | undefined;
  private hasPassedPivot = false;
  private hasReturned = false;

  constructor(t: Bubble, mode: Mode, cast: Cast) {
    this.t = t;
    this.mode = mode;
    this.cast = cast;
    [this.stop, this.end] = cast.signal === "abort" ? [context.background(), t.ctx] : [t.ctx, t.abort];
  }

  async run(): Promise<void> {
    const { t, cast } = this;
    const result = await (cast.host === "worker" ? this.runInWorker() : this.runSaga({ abort: this.end }));
    // What was abandoned comes to its end, and what has left arrives.
    await t.sleep(2 * SINK);
    if (result !== undefined) this.compare(result);
    if (this.wrong.size > 0) throw new Error([...this.wrong].join("\n"));
  }

  private async runSaga(more: Partial<SagaOptions>): Promise<Result<unknown> | undefined> {
    const { t, cast, stop } = this;
    const options: SagaOptions = {
      id: "t",
      compensation,
      deadLetter: (ctx, letter) => this.sink(ctx, letter),
      observe: (event) => this.observe(event),
      ...more,
    };
    const transfer = this.saga();
    const run: Runner = (ctx, options) => transfer.run(ctx, { amount: 5 }, options);
    if (cast.signal !== "abort") void this.noteTheStop();
    let result: Result<unknown> | undefined;
    try {
      result = await (cast.run?.(run) ?? run)(stop, options);
    } catch (error) {
      this.must(false, `it has rejected: ${String(error)}`);
    }
    this.hasReturned = true;
    const took = t.now() - Math.min(this.failedAt ?? t.now(), this.stoppedAt ?? t.now());
    this.must(took <= MOMENT + compensation.budget + SINK, `it returned ${took} ms after the failure (A6)`);
    return result;
  }

  /** The saga is not run at all if the worker is stopped before. */
  private async runInWorker(): Promise<Result<unknown> | undefined> {
    const { t, mode } = this;
    const broker = memoryBroker<string>();
    await broker.publish("t");
    broker.end();
    let running: Promise<Result<unknown> | undefined> | undefined;
    const handle = (ctx: Context): Promise<unknown> => {
      this.stop = ctx;
      this.end = ctx.value(context.lifetime)!;
      return (running = this.runSaga({}));
    };
    const report = await worker(t.ctx, broker, handle, { ...limits, abort: t.abort });
    this.must(report.pulled <= 1 && report.expired === 0, `${report.pulled} pulled, ${report.expired} expired`);
    const hasItsWords = report.abandoned === 0 || mode.startsWith("the sink");
    this.must(hasItsWords, "the worker has not waited for the dead letters");
    return running;
  }

  private async noteTheStop(): Promise<void> {
    await this.stop.done().recv();
    this.stoppedAt = this.t.now();
  }

  private must(holds: boolean, what: string): void {
    if (!holds) this.wrong.add(what);
  }

  private saga() {
    const { mode } = this;
    const options = (name: Name): StepOptions => ({
      ...(name === "b" && mode.startsWith("pivot") ? { pivot: true } : {}),
      ...(mode === "a step fails once" ? { retry: { tries: 2, base: 2 } } : {}),
    });
    const step = (name: Name) =>
      [
        (ctx: Context, { key }: { key: string }) => this.call(ctx, name, key),
        name === "b" && (mode === "no undo" || mode.startsWith("the sink"))
          ? undefined
          : (ctx: Context, undo: { key: string; outcome: string; output?: string }) => this.undo(ctx, name, undo),
        options(name),
      ] as const;
    return saga<{ amount: number }>("transfer")
      .step("a", ...step("a"))
      .step("b", ...step("b"))
      .step("c", ...step("c"));
  }

  private count(what: string): number {
    const n = (this.calls.get(what) ?? 0) + 1;
    this.calls.set(what, n);
    return n;
  }

  // -------------------------------------------------------------------------------------------- what the saga calls

  private async call(ctx: Context, name: Name, key: string): Promise<string> {
    const { mode } = this;
    this.must(key === `t:${name}`, `${name} was called with the key ${key} (A4)`);
    if (!this.hasPassedPivot) {
      this.must(this.stop.err() === undefined, `${name} was called after the cancellation (A3)`);
      this.must(this.failedAt === undefined, `${name} was called after a failure (A3)`);
    }
    this.must(this.end.err() === undefined, `${name} was called after the abort (A3)`);
    this.must(!this.hasReturned, `${name} was called after the return`);
    const n = this.count(`call ${name}`);
    if (n === 1) this.ran.push(key);
    const isBad = name === (mode.startsWith("pivot") ? "c" : "b");
    if (isBad && mode === "a step was not applied") throw new NotApplied();
    if (isBad && mode.endsWith("a step hangs")) await time.sleep(LONG, ctx);
    if (isBad && mode === "a step is deaf to its ctx") await time.sleep(LONG);
    await this.server.call(ctx, key);
    // It was applied, and nobody gets to know.
    if (isBad && (mode.endsWith("a step fails") || (mode.endsWith("a step fails once") && n === 1))) throw boom;
    return `output of ${name}`;
  }

  private async undo(
    ctx: Context,
    name: Name,
    { key, outcome, output }: { key: string; outcome: string; output?: string },
  ): Promise<void> {
    const { mode, cast } = this;
    this.must(key === `t:${name}`, `${name} was undone with the key ${key} (A4)`);
    this.must(this.ran.includes(key), `${name} was undone, and had not been called`);
    this.must(
      (outcome === "done") === (output === `output of ${name}`),
      `${name} was ${outcome}, with the output ${output}`,
    );
    this.must(this.end.err() === undefined, `${name} was undone after the abort`);
    this.must(!this.hasReturned, `${name} was undone after the return`);
    const n = this.count(`undo ${name}`);
    if (n === 1) this.undos.push(key);
    if (name === "b" && (mode === "undo fails" || (mode === "undo fails once" && n === 1))) throw boom;
    if (name === "b" && mode === "undo hangs") await time.sleep(LONG, ctx);
    if (name === "b" && mode === "undo is deaf to its ctx") await time.sleep(LONG);
    const undo: Undoing = (ctx, { key }) => this.server.undo(ctx, key);
    await (cast.undo?.(undo, this.stop) ?? undo)(ctx, { key, outcome });
    if (!this.hasReturned) this.undone.push(key);
  }

  private async sink(ctx: Context, letter: DeadLetter): Promise<void> {
    const { mode } = this;
    const n = this.count(`letter ${letter.step}`);
    this.must(ctx.err() === undefined, `the sink was called with a ctx that has ended`);
    await time.sleep(1, ctx);
    if (mode === "the sink hangs") await time.sleep(2 * SINK, ctx);
    if (mode === "the sink fails" || (mode === "the sink fails once" && n === 1)) throw boom;
    this.taken.push(JSON.parse(JSON.stringify(letter)) as DeadLetter);
  }

  private observe(event: SagaEvent): void {
    this.events.push(event);
    const { type, at } = event;
    if (type === "stepFinished" && event.step === "b" && event.outcome === "done")
      this.hasPassedPivot = this.mode.startsWith("pivot");
    if (type === "stepFinished" && event.outcome !== "done") this.failedAt ??= at;
    if (type === "compensating") this.failedAt ??= at;
    this.cast.outcome?.(type === "finished" ? event.status : type);
  }

  // ------------------------------------------------------------------------------------------------- the comparison

  private compare(result: Result<unknown>): void {
    const { mode, server, ran, taken, cast } = this;
    const letters =
      result.status === "dead-lettered"
        ? result.letters
        : result.status === "lost"
          ? [...taken, ...result.letters]
          : [];
    const lettered = letters.map(({ key }) => key);
    for (const { reason, todo } of letters) cast.outcome?.(`${todo}: ${reason}`);

    const ends = result.status === "committed" ? ["done"] : ["not applied", "compensated", "dead-lettered"];
    if (this.hasPassedPivot) ends.push("done");
    if (result.status === "lost") ends.push("unknown", "done", "not started");
    for (const { step, outcome } of result.log) {
      cast.outcome?.(outcome);
      this.must(ends.includes(outcome), `${step} is ${outcome}, and the saga is ${result.status} (A1)`);
    }
    const logged = result.log.filter(({ attempts }) => attempts > 0).map(({ key }) => key);
    this.must(String(logged) === String(ran), `the log has ${String(logged)}, and ${String(ran)} were called (A1)`);

    const order = ran.filter((key) => this.undos.includes(key)).reverse();
    this.must(String(this.undos) === String(order), `called: ${String(ran)}; undone: ${String(this.undos)} (A2)`);
    this.must(new Set(this.undone).size === this.undone.length, `undone twice: ${String(this.undone)} (A2)`);

    const left = [...server.applied];
    if (result.status === "committed") {
      this.must(left.length === 3, `it is committed, and ${String(left)} are applied`);
      this.must(
        JSON.stringify(result.output) === JSON.stringify({ a: "output of a", b: "output of b", c: "output of c" }),
        "the output",
      );
    } else if (this.hasPassedPivot) {
      this.must(String(lettered) === "t:c", `the letters are for ${String(lettered)} (A5)`);
      this.must(
        left.includes("t:a") && left.includes("t:b"),
        `after the pivot something was undone: ${String(left)} are left`,
      );
    } else {
      for (const key of left) this.must(lettered.includes(key), `${key} is left, and there is no letter (A5)`);
      const mayBeLeft = this.end.err() !== undefined || !UNDOABLE.includes(mode);
      this.must(mayBeLeft || lettered.length === 0, `dead letters, and all could be undone: ${String(lettered)} (A5)`);
    }
    this.must(new Set(lettered).size === lettered.length, `several letters: ${String(lettered)} (A5)`);
    for (const key of lettered) this.must(!this.undone.includes(key), `${key} was undone, and there is a letter (A5)`);
    if (result.status === "dead-lettered") {
      const told = (which: readonly DeadLetter[]): string =>
        JSON.stringify([...which].sort((a, b) => (a.step < b.step ? -1 : 1)));
      this.must(told(taken) === told(letters), "the sink has other letters than the result");
    }
    const finished = this.events.at(-1);
    this.must(finished?.type === "finished" && finished.status === result.status, "the last event is not its end");
  }
}
