/**
 * One run of a worker in a bubble: four messages, two handlers, and a broker that misbehaves in one of seven ways. What
 * happens is written down; when the worker has returned, its account is held against the books by the invariants I1 to
 * I8.
 *
 * What "hangs" or "never returns" waits in a channel of headgate that is closed when the worker has returned: a promise
 * that nobody settles would count as the world outside, and hold the clock. If nobody stops the worker it is closed
 * after a while, so the plain order ends by itself, and every point of it comes before the stop.
 */
import { context, type Context, time } from "headgate";
import type { Bubble } from "headgate/testing";
import { Permanent, type Progress, type Report, type Source, type Verdict, worker } from "headgate/worker";
import { attempts, Books, limits } from "./explore-books.ts";
import { type Broker, type D, memoryOf, pileOf } from "./explore-broker.ts";

export const MODES = [
  "plain",
  "pull fails",
  "ack fails",
  "ack hangs",
  "pull hangs",
  "a handler never returns",
  "a handler is deaf to its ctx",
] as const;
export type Mode = (typeof MODES)[number];

/** What the scenario is played with. */
export interface Cast {
  /** Where the messages come from. "pile" */
  readonly broker?: "pile" | "memory";
  /**
   * What `t.ctx` is for the worker. "stop": the first signal, and `t.abort` is the second. "abort": nobody stops the
   * worker, and it is aborted at once. "stop"
   */
  readonly signal?: "stop" | "abort";
  /** What is put in the worker's place. */
  readonly worker?: typeof worker<D>;
  /** Is told, in a few words each, what happened: some things must, in one run or another. */
  readonly outcome?: (what: string) => void;
}

/** The scenario for `explore`: rejects with all that is wrong, a line each. */
export function scenario(mode: Mode, cast: Cast = {}): (t: Bubble) => Promise<void> {
  const bodies = [1, 2, 3, 4];
  return async (t) => {
    const broker = cast.broker === "memory" ? await memoryOf(bodies) : pileOf(bodies);
    await new Play(t, mode, broker, cast).run();
  };
}

/** Longer than the grace, in virtual ms. */
const LONG = 150;

const boom = new Error("boom");

class Play {
  private readonly t: Bubble;
  private readonly mode: Mode;
  private readonly broker: Broker;
  private readonly cast: Cast;
  private readonly books: Books;
  private readonly stop: Context;
  private readonly abort: Context;
  private readonly progress = {} as Progress;
  /** What hangs waits for its end. */
  private readonly gate: Context;
  private readonly openGate: () => void;
  private pulls = 0;
  private calls = 0;

  constructor(t: Bubble, mode: Mode, broker: Broker, cast: Cast) {
    this.t = t;
    this.mode = mode;
    this.broker = broker;
    this.cast = cast;
    [this.stop, this.abort] = cast.signal === "abort" ? [context.background(), t.ctx] : [t.ctx, t.abort];
    [this.gate, this.openGate] = context.withCancel(context.background());
    t.name(this.gate, "gate");
    const { stop, abort, progress } = this;
    const hasEnded = (): boolean => broker.source.ended === true;
    const [mayExpire, mayFail] = [mode.startsWith("ack"), mode === "pull hangs"];
    this.books = new Books({ t, stop, abort, progress, hasEnded, mayExpire, mayFail });
  }

  async run(): Promise<void> {
    const { t, mode, books, cast, stop, abort, progress } = this;
    if (/hangs|never/.test(mode)) void time.sleep(LONG, t.ctx).then(this.openGate, () => {});
    const run = cast.worker ?? worker<D>;
    const options = { ...limits, ...attempts, abort, progress, observe: books.observe.bind(books) };
    let report: Report<D> | undefined;
    try {
      report = await run(stop, this.source(), (ctx, delivery) => this.handle(ctx, delivery), options);
      books.atTheReturn(report);
    } catch (error) {
      books.must(false, `it has rejected: ${String(error)} (I8)`);
    } finally {
      this.openGate();
    }
    // What was given up comes to its end, and must not change anything.
    if (/pull hangs|deaf/.test(mode) || cast.signal === "abort") await t.sleep(LONG);
    else if (/hangs|never/.test(mode)) await t.wait();
    this.broker.close();
    if (report !== undefined) {
      books.atTheEnd(report);
      for (const what of books.outcomes(report)) cast.outcome?.(what);
    }
    if (books.wrong.size > 0) throw new Error([...books.wrong].join("\n"));
  }

  private async hang(): Promise<void> {
    await this.gate.done().recv();
  }

  // ------------------------------------------------------------------------------------------------------ the handlers

  private async handle(ctx: Context, delivery: D): Promise<void> {
    const nth = this.books.started(delivery);
    try {
      await this.work(ctx, delivery.body, nth);
    } catch (error) {
      this.books.ended(ctx, delivery, "threw", error);
      throw error;
    }
    this.books.ended(ctx, delivery, "returned");
  }

  private async work(ctx: Context, body: number, nth: number): Promise<void> {
    const [never, deaf] = [this.mode.includes("never"), this.mode.includes("deaf")];
    if (never && body === 1) return this.hang();
    // The one may end after it was told to, and even after its lifetime, and before it is abandoned; the other does not.
    if (deaf && body === 1) return time.sleep(78);
    if (deaf && body === 4) return time.sleep(LONG).then(() => Promise.reject(boom));
    if (body === 1) await time.sleep(5, ctx).catch(() => time.sleep(2));
    if (body === 2) await time.sleep(2, ctx);
    if (body === 2 && nth === 1) throw boom;
    if (body === 3) throw new Permanent("no use");
  }

  // -------------------------------------------------------------------------------------------------------- the broker

  /** The broker with its faults, and with somebody who writes down what it is told. */
  private source(): Source<D> {
    const { books } = this;
    const { source } = this.broker;
    const { lease, extend } = source;
    type Verdicts = (readonly [delivery: D, verdict: Verdict])[];
    return {
      get ended() {
        return source.ended === true;
      },
      ...(lease === undefined || extend === undefined ? {} : { lease, extend }),
      pull: (ctx, max) => this.pull(ctx, max),
      ack: (ctx, deliveries) => {
        const verdicts: Verdicts = deliveries.map((delivery) => [delivery, "acked"]);
        return this.tell(ctx, verdicts, () => source.ack(ctx, deliveries));
      },
      nack: (ctx, items) => {
        const verdicts: Verdicts = items.map((item) => [item.delivery, books.verdictOf(item)]);
        return this.tell(ctx, verdicts, () => source.nack(ctx, items));
      },
      deadLetter: (ctx, items) => {
        const verdicts: Verdicts = items.map(({ delivery }) => [delivery, "dead"]);
        return this.tell(ctx, verdicts, () => source.deadLetter(ctx, items));
      },
    };
  }

  private async pull(ctx: Context, max: number): Promise<readonly D[]> {
    const n = ++this.pulls;
    const { mode, books } = this;
    const { source } = this.broker;
    books.asked(ctx);
    books.must(!books.returned, "pull was called after the return (I7)");
    if (mode === "pull fails" && n === 1) throw boom;
    const deliveries = await source.pull(ctx, max);
    if (mode === "pull fails" && n === 3) {
      const items = deliveries.map((delivery) => ({ delivery, delay: 1, reason: "released" as const }));
      await source.nack(context.background(), items);
      throw boom;
    }
    // It may not reject because of its ctx, but there are sources that do.
    if (mode === "pull fails" && deliveries.length === 0 && ctx.err() !== undefined) throw ctx.err();
    // First later than its ctx, but soon enough; and then never.
    if (mode === "pull hangs" && n === 2) await time.sleep(limits.callTimeout + 5);
    if (mode === "pull hangs" && n === 3) await this.hang();
    books.pulled(deliveries, max);
    return deliveries;
  }

  private async tell(
    ctx: Context,
    verdicts: readonly (readonly [delivery: D, verdict: Verdict])[],
    call: () => Promise<readonly D[] | void>,
  ): Promise<readonly D[]> {
    const n = ++this.calls;
    const { mode, books } = this;
    books.asked(ctx);
    books.must(verdicts.length <= limits.batch, `${verdicts.length} in one call (I5)`);
    const told = verdicts.map(([delivery, verdict]) => books.told(delivery, verdict));
    try {
      await this.trouble(
        ctx,
        n,
        verdicts.map(([delivery]) => delivery.body),
      );
      const lost = (await call()) ?? [];
      // It was done, and nobody gets to know.
      if (mode === "ack fails" && n === 3) throw boom;
      for (const [i, [delivery]] of verdicts.entries()) told[i]!.answer = lost.includes(delivery) ? "lost" : "done";
      return lost;
    } catch (error) {
      for (const entry of told) entry.answer = "error";
      throw error;
    }
  }

  /** What happens to the so many-th verdict on its way to the broker, which takes 1 ms. */
  private async trouble(ctx: Context, n: number, bodies: readonly number[]): Promise<void> {
    const stopping = this.t.ctx.err() !== undefined;
    if (this.mode === "ack hangs" && (n === 1 || (stopping && n % 2 === 1))) {
      await this.hang();
      throw boom;
    }
    await time.sleep(1, ctx);
    if (this.mode === "ack fails" && (n === 1 || n === 4 || (stopping && bodies.includes(1)))) throw boom;
  }
}
