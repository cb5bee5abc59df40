/**
 * The invariants of the worker, under random handlers, random faults of the broker, and stops at random moments. The oracle says
 * which were broken.
 *
 * Every run is made from a seed, which a failure names;
 * `HEADGATE_SEED=17 npx vitest run test/worker/invariants.test.ts` repeats the runs of that seed alone.
 */
import { type Chan, context, type Context, time } from "headgate";
import {
  type Delivery,
  memoryBroker,
  type MemoryBroker,
  Permanent,
  type Report,
  type Source,
  worker,
} from "headgate/worker";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { CancelCtx } from "../../src/context/cancel.ts";
import { turns, timersSet, virtualTime } from "../support/clock.ts";
import { generator } from "../support/random.ts";
import { Oracle } from "./oracle.ts";

type D = Delivery<number>;

const MODES = [
  "plain",
  "pull fails",
  "pull hangs",
  "ack fails",
  "ack hangs",
  "extend fails",
  "extend hangs",
  "a handler never returns",
  "a handler is deaf to its ctx",
  "a handler takes too long",
  "everything at once",
] as const;
type Mode = (typeof MODES)[number];

const SEEDS =
  process.env["HEADGATE_SEED"] === undefined
    ? Array.from({ length: 40 }, (_, i) => i + 1)
    : [Number(process.env["HEADGATE_SEED"])];

class Scenario {
  readonly oracle: Oracle<D>;
  private readonly mode: Mode;
  private readonly random: () => number;
  private readonly broker: MemoryBroker<number>;
  private readonly messages: number;
  private readonly start = Date.now();
  private readonly abortWindow: number;
  /** Timers that are not the worker's. */
  private timers = 0;
  private readonly stop: Context;
  private readonly abort: Context;
  private readonly endStop: () => void;
  private readonly endAbort: () => void;

  constructor(mode: Mode, random: () => number) {
    this.mode = mode;
    this.random = random;
    this.broker = memoryBroker({ lease: this.chance(0.5) ? 400 : 1e6 });
    this.messages = this.upTo(40);
    [this.stop, this.endStop] = context.withCancel(context.background());
    [this.abort, this.endAbort] = context.withCancel(context.background());
    const [abortWindow, settle] = [1 + this.upTo(100), 50 + this.upTo(100)];
    this.abortWindow = abortWindow;
    const limits = {
      concurrency: 1 + this.upTo(4),
      prefetch: this.upTo(5),
      batch: 1 + this.upTo(5),
      grace: abortWindow + settle + this.upTo(500),
      abortWindow,
      settle,
      maxAttempts: 1 + this.upTo(2),
      backoff: () => this.upTo(50),
      callTimeout: 100,
      maxLease: this.is("a handler takes too long") ? 450 : 1e6,
    };
    this.oracle = new Oracle({
      limits,
      stop: this.stop,
      abort: this.abort,
      left: () => this.left(),
      mayExpire: this.is("ack fails", "ack hangs"),
      mayBeLost: mode !== "plain",
      mayFail: this.is("pull hangs"),
      mayBeAbandoned: this.is("a handler never returns", "a handler is deaf to its ctx"),
    });
  }

  async run(): Promise<void> {
    const { oracle } = this;
    for (let n = 0; n < this.messages; n++) await this.broker.publish(n);
    this.broker.end();
    const moment = this.upTo(this.chance(0.2) ? 5 : 700);
    void this.wait(moment).then(() => {
      oracle.came("stop");
      this.endStop();
    });
    if (this.chance(0.4)) {
      void this.wait(moment + this.upTo(500)).then(() => {
        oracle.came("abort");
        this.endAbort();
      });
    }
    const [source, handler] = [oracle.source(this.source()), oracle.handler((ctx) => this.work(ctx))];
    const options = { ...oracle.options(), callTries: 6, leftovers: 1_000 };
    let report: Report<D> | undefined;
    void worker(this.stop, source, handler, options).then(
      (returned) => {
        report = returned;
        oracle.atTheReturn(returned);
      },
      (error) => oracle.rejected(error),
    );
    // What the abandoned still do, long after the return, must change nothing.
    for (await turns(4); timersSet() > 0; await turns(4)) {
      if (Date.now() - this.start > 60_000) break;
      vi.advanceTimersToNextTimer();
    }
    if (report === undefined) oracle.must(false, "it has not returned (I6)");
    else oracle.atTheEnd(report);
  }

  private is(...modes: Mode[]): boolean {
    return this.mode === "everything at once" || modes.includes(this.mode);
  }

  private chance(share: number): boolean {
    return this.random() < share;
  }

  private upTo(n: number): number {
    return Math.floor(this.random() * (n + 1));
  }

  /** Lets time pass for what is not the worker's. */
  private wait(ms: number): Promise<void> {
    this.timers++;
    return new Promise((resolve) => {
      setTimeout(() => {
        this.timers--;
        resolve();
      }, ms);
    });
  }

  private left(): string[] {
    const left: string[] = [];
    // A pull that was given up may have brought something by now, and the call that releases it has a deadline.
    const timers = timersSet() - this.timers;
    if (timers > (this.is("pull hangs") ? 1 : 0)) left.push(`${timers} timers`);
    for (const ctx of [this.stop, this.abort]) {
      if ((ctx as CancelCtx).children !== null) left.push("a context");
      if ((ctx.done() as Chan<never>).receivers.count() > 0) left.push("a wait for a context");
    }
    return left;
  }

  // ------------------------------------------------------------------------------------------------------ the handlers

  private async work(ctx: Context): Promise<void> {
    const ms = this.upTo(this.chance(0.5) ? 5 : 200);
    if (this.is("a handler never returns") && this.chance(0.2)) return new Promise(() => {});
    if (this.is("a handler is deaf to its ctx") && this.chance(0.3)) await this.wait(this.upTo(2000));
    else if (this.is("a handler takes too long") && this.chance(0.3)) await time.sleep(this.upTo(900), ctx);
    else if (this.chance(0.5)) await time.sleep(ms, ctx);
    else await time.sleep(ms, ctx).catch(() => this.wait(this.upTo(Math.min(30, this.abortWindow - 1))));
    if (this.chance(0.2)) throw this.chance(0.3) ? new Permanent("no use") : new Error("boom");
  }

  // -------------------------------------------------------------------------------------------------------- the broker

  /** The broker with its faults. */
  private source(): Source<D> & Required<Pick<Source<D>, "deadLetter">> {
    const { broker } = this;
    const late = async <R>(ctx: Context, call: () => R): Promise<Awaited<R>> => {
      await this.trouble(ctx, "ack fails", "ack hangs");
      return await call();
    };
    return {
      lease: broker.lease,
      get ended() {
        return broker.ended;
      },
      pull: (ctx, max) => this.pull(ctx, max),
      ack: (ctx, deliveries) => late(ctx, () => broker.ack(ctx, deliveries)),
      nack: (ctx, items) => late(ctx, () => broker.nack(ctx, items)),
      deadLetter: (ctx, items) => late(ctx, () => broker.deadLetter(ctx, items)),
      extend: async (ctx, deliveries) => {
        await this.trouble(ctx, "extend fails", "extend hangs");
        return broker.extend(ctx, deliveries);
      },
    };
  }

  private async pull(ctx: Context, max: number): Promise<readonly D[]> {
    if (this.is("pull fails") && this.chance(0.3)) throw new Error("no connection");
    const deliveries = await this.broker.pull(ctx, max);
    if (this.is("pull hangs") && this.chance(0.1)) {
      if (this.chance(0.5)) return new Promise(() => {});
      await this.wait(this.upTo(1000));
    }
    return deliveries;
  }

  private async trouble(ctx: Context, fails: Mode, hangs: Mode): Promise<void> {
    if (this.is(fails) && this.chance(0.3)) throw new Error("no connection");
    if (this.is(hangs) && this.chance(0.2)) return new Promise(() => {});
    if (this.chance(0.5)) await this.wait(this.upTo(3));
    if (ctx.err() !== undefined) throw ctx.err();
  }
}

describe("whatever happens, a worker keeps its invariants", () => {
  virtualTime();
  afterEach(() => {
    vi.restoreAllMocks();
  });

  it.each(MODES)("when the mode is: %s", async (mode) => {
    for (const seed of SEEDS) {
      const random = generator(seed * MODES.length + MODES.indexOf(mode));
      // The library's own choices come from the seed, too.
      vi.spyOn(Math, "random").mockImplementation(random);
      const scenario = new Scenario(mode, random);
      await scenario.run();
      expect(scenario.oracle.wrong, `mode "${mode}", seed ${seed}`).toEqual([]);
      vi.clearAllTimers();
    }
  });
});
