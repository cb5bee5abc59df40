/**
 * One run of a worker in a bubble: four messages, two handlers, and a broker that misbehaves in one of seven ways. The
 * oracle says which invariants were broken.
 *
 * What "hangs" or "never returns" waits in a channel of headgate that is closed when the worker has returned: a promise
 * that is never settled would count as the world outside, and hold the clock. If the worker is not stopped it is closed
 * after a while, so the plain order ends by itself, and every point of it comes before the stop.
 */
import { context, type Context, time } from "headgate";
import type { Bubble } from "headgate/testing";
import { Permanent, type Report, worker } from "headgate/worker";
import { type Broker, type D, memoryOf, pileOf } from "./explore-broker.ts";
import { Oracle } from "./oracle.ts";

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

export interface ScenarioOptions {
  /** Where the messages come from. @default "pile" */
  readonly broker?: "pile" | "memory";
  /**
   * What `t.ctx` is for the worker. "stop": the first signal, and `t.abort` is the second. "abort": the worker is not
   * stopped, but aborted at once. @default "stop"
   */
  readonly signal?: "stop" | "abort";
  /** What is put in the worker's place. */
  readonly worker?: typeof worker<D>;
  /** Gets, in a few words each, what happened: some things must, in one run or another. */
  readonly outcome?: (what: string) => void;
}

/** The scenario for `explore`: rejects with all that is wrong, a line each. */
export function scenario(mode: Mode, options: ScenarioOptions = {}): (t: Bubble) => Promise<void> {
  const bodies = [1, 2, 3, 4];
  return async (t) => {
    const broker = options.broker === "memory" ? await memoryOf(bodies) : pileOf(bodies);
    await new Scenario(t, mode, broker, options).run();
  };
}

/** In virtual ms. Handlers are cancelled 60 ms after the stop, and abandoned 80 ms after it. */
const limits = {
  concurrency: 2,
  prefetch: 1,
  batch: 2,
  grace: 100,
  abortWindow: 20,
  settle: 20,
  callTimeout: 30,
  maxAttempts: 2,
  backoff: (attempt: number): number => 3 * attempt,
  maxLease: 3_600_000,
};

/** Longer than the grace, in virtual ms. */
const LONG = 150;

const boom = new Error("boom");

class Scenario {
  private readonly t: Bubble;
  private readonly mode: Mode;
  private readonly broker: Broker;
  private readonly options: ScenarioOptions;
  private readonly oracle: Oracle<D>;
  private readonly stop: Context;
  /** What hangs waits for its end. */
  private readonly gate: Context;
  private readonly openGate: () => void;
  private pulls = 0;
  private verdicts = 0;

  constructor(t: Bubble, mode: Mode, broker: Broker, options: ScenarioOptions) {
    this.t = t;
    this.mode = mode;
    this.broker = broker;
    this.options = options;
    const [stop, abort] = options.signal === "abort" ? [context.background(), t.ctx] : [t.ctx, t.abort];
    this.stop = stop;
    [this.gate, this.openGate] = context.withCancel(context.background());
    t.name(this.gate, "gate");
    this.oracle = new Oracle({
      limits,
      stop,
      abort,
      left: () => this.left(),
      mayExpire: mode.startsWith("ack"),
      mayFail: mode === "pull hangs",
      mayBeAbandoned: /never|deaf/.test(mode),
    });
    if (stop === t.ctx) void this.watch(stop, "stop");
    void this.watch(abort, "abort");
  }

  private async watch(ctx: Context, signal: "stop" | "abort"): Promise<void> {
    await ctx.done().recv();
    this.oracle.came(signal);
  }

  async run(): Promise<void> {
    const { t, mode, oracle, options, stop } = this;
    if (/hangs|never/.test(mode)) void time.sleep(LONG, t.ctx).then(this.openGate, () => {});
    const run = options.worker ?? worker<D>;
    const [source, handler] = [
      oracle.source(this.source()),
      oracle.handler((ctx, delivery) => this.work(ctx, delivery)),
    ];
    let report: Report<D> | undefined;
    try {
      report = await run(stop, source, handler, oracle.options());
      oracle.atTheReturn(report);
    } catch (error) {
      oracle.rejected(error);
    } finally {
      this.openGate();
    }
    // What was given up comes to its end, and must not change anything.
    if (/pull hangs|deaf/.test(mode) || options.signal === "abort") await t.sleep(LONG);
    else if (/hangs|never/.test(mode)) await t.wait();
    this.broker.close();
    if (report !== undefined) {
      oracle.atTheEnd(report);
      for (const what of oracle.outcomes(report)) options.outcome?.(what);
    }
    if (oracle.wrong.length > 0) throw new Error(oracle.wrong.join("\n"));
  }

  private async hang(): Promise<void> {
    await this.gate.done().recv();
  }

  /** What hangs, and what sleeps and is deaf, cannot be ended by the worker. */
  private left(): string[] {
    const isExcused = (op: string): boolean => /gate|sleep/.test(op);
    const left = this.t.tasks().filter(({ name, blockedOn }) => name !== "main" && !blockedOn.every(isExcused));
    return left.map(({ name }) => name);
  }

  // ------------------------------------------------------------------------------------------------------ the handlers

  private async work(ctx: Context, delivery: D): Promise<void> {
    const { body } = delivery;
    const [never, deaf] = [this.mode.includes("never"), this.mode.includes("deaf")];
    if (never && body === 1) return this.hang();
    // The one may end after it was told to, and even after its lifetime, and before it is abandoned; the other does not.
    if (deaf && body === 1) return time.sleep(78);
    if (deaf && body === 4) return time.sleep(LONG).then(() => Promise.reject(boom));
    if (body === 1) await time.sleep(5, ctx).catch(() => time.sleep(2));
    if (body === 2) await time.sleep(2, ctx);
    if (body === 2 && this.oracle.nth(delivery) === 1) throw boom;
    if (body === 3) throw new Permanent("no use");
  }

  // -------------------------------------------------------------------------------------------------------- the broker

  /** The broker with its faults. */
  private source(): Broker["source"] {
    const { source } = this.broker;
    const { lease, extend } = source;
    return {
      get ended() {
        return source.ended === true;
      },
      ...(lease === undefined || extend === undefined ? {} : { lease, extend }),
      pull: (ctx, max) => this.pull(ctx, max),
      ack: (ctx, deliveries) => this.tell(ctx, deliveries, () => source.ack(ctx, deliveries)),
      nack: (ctx, items) => this.tell(ctx, items.map(deliveryOf), () => source.nack(ctx, items)),
      deadLetter: (ctx, items) => this.tell(ctx, items.map(deliveryOf), () => source.deadLetter(ctx, items)),
    };
  }

  private async pull(ctx: Context, max: number): Promise<readonly D[]> {
    const n = ++this.pulls;
    const { mode } = this;
    const { source } = this.broker;
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
    return deliveries;
  }

  private async tell(
    ctx: Context,
    deliveries: readonly D[],
    call: () => Promise<readonly D[] | void>,
  ): Promise<readonly D[]> {
    const n = ++this.verdicts;
    await this.trouble(
      ctx,
      n,
      deliveries.map(({ body }) => body),
    );
    const lost = (await call()) ?? [];
    // It was done, and the worker does not get to know.
    if (this.mode === "ack fails" && n === 3) throw boom;
    return lost;
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

function deliveryOf({ delivery }: { readonly delivery: D }): D {
  return delivery;
}
