/**
 * The invariants of the worker, under random handlers, random faults of the broker, and stops at random moments.
 *
 * Every run is made from a seed, which a failure names;
 * `HEADGATE_SEED=17 npx vitest run test/worker/invariants.test.ts` plays the runs of that seed alone.
 */
import { type Chan, context, type Context, time } from "headgate";
import {
  type Delivery,
  memoryBroker,
  type MemoryBroker,
  Permanent,
  type Progress,
  type Report,
  type Source,
  type Verdict,
  worker,
  type WorkerOptions,
} from "headgate/worker";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { CancelCtx } from "../../src/context/cancel.ts";
import { turns, timersSet, virtualTime } from "../support/clock.ts";

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

/** A small generator of numbers from 0 to 1: the same seed, the same numbers. */
function generator(seed: number): () => number {
  let state = Math.imul(seed, 0x9e3779b1) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What the broker and the handlers saw of one delivery. */
interface Witness {
  started: number;
  /** Its handler returned normally, while the worker still waited for it. */
  returned: boolean;
  /** The verdicts that the broker took. */
  readonly told: Verdict[];
  /** The broker said that the lease was lost. */
  lost: boolean;
}

/** One run: a worker, its broker and its handlers, and what was seen. */
class Play {
  readonly wrong: string[] = [];
  readonly seen = new Map<string, Witness>();
  readonly options: Required<Omit<WorkerOptions<D>, "observe">>;
  private readonly mode: Mode;
  private readonly random: () => number;
  private readonly broker: MemoryBroker<number>;
  private readonly progress: Progress;
  private readonly messages: number;
  private readonly start = Date.now();
  private running = 0;
  /** Timers that are not the worker's. */
  private timers = 0;
  /** Handlers are not abandoned yet. */
  private isPatient = true;
  private stoppedAt: number | undefined;
  private abortedAt: number | undefined;
  private returnedAt: number | undefined;
  private report: Report<D> | undefined;
  private readonly ctx: Context;
  private readonly stop: () => void;
  private readonly abort: () => void;

  constructor(mode: Mode, random: () => number) {
    this.mode = mode;
    this.random = random;
    this.broker = memoryBroker({ lease: this.chance(0.5) ? 400 : 1e6 });
    this.messages = this.upTo(40);
    this.progress = {} as Progress;
    [this.ctx, this.stop] = context.withCancel(context.background());
    const [abort, cancel] = context.withCancel(context.background());
    this.abort = cancel;
    const [abortWindow, settle] = [1 + this.upTo(100), 50 + this.upTo(100)];
    this.options = {
      concurrency: 1 + this.upTo(4),
      prefetch: this.upTo(5),
      batch: 1 + this.upTo(5),
      grace: abortWindow + settle + this.upTo(500),
      abortWindow,
      settle,
      abort,
      maxAttempts: 1 + this.upTo(2),
      backoff: () => this.upTo(50),
      callTimeout: 100,
      callTries: 6,
      leftovers: 1_000,
      maxLease: this.is("a handler takes too long") ? 450 : 1e6,
      progress: this.progress,
    };
  }

  // ---------------------------------------------------------------------------------------------------------- the play

  async run(): Promise<void> {
    for (let n = 0; n < this.messages; n++) await this.broker.publish(n);
    this.broker.end();
    const moment = this.upTo(this.chance(0.2) ? 5 : 700);
    void this.wait(moment).then(() => {
      this.stoppedAt ??= this.now();
      this.stop();
    });
    if (this.chance(0.4)) {
      void this.wait(moment + this.upTo(500)).then(() => {
        this.abortedAt = this.now();
        this.abort();
      });
    }
    const observe: WorkerOptions<D>["observe"] = (event) => {
      if (event.type !== "phase" || this.returnedAt !== undefined) return;
      if (event.to === "settling") this.isPatient = false;
      // A pull that was given up is a stop, too.
      if (event.to === "draining" && !this.broker.ended) this.stoppedAt ??= this.now();
    };
    const running = worker(this.ctx, this.source(), (ctx, delivery) => this.handle(ctx, delivery), {
      ...this.options,
      observe,
    });
    void running.then((report) => {
      this.report = report;
      this.atTheReturn();
    });
    // What the abandoned still do, long after the return, must change nothing.
    for (await turns(4); timersSet() > 0; await turns(4)) {
      if (this.now() > 60_000) break;
      vi.advanceTimersToNextTimer();
    }
    if (this.report === undefined) return this.fail("it has not returned");
    this.atTheEnd(this.report);
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

  private now(): number {
    return Date.now() - this.start;
  }

  private fail(what: string): void {
    this.wrong.push(`${what} (at ${this.now()} ms)`);
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

  // ------------------------------------------------------------------------------------------------------ the handlers

  private async handle(ctx: Context, { id }: D): Promise<void> {
    const witness = this.seen.get(id)!;
    if (++witness.started > 1) this.fail(`${id} was started twice (I4)`);
    if (this.ctx.err() !== undefined) this.fail(`${id} was started after the stop (I4)`);
    if (++this.running > this.options.concurrency) this.fail(`${this.running} handlers at once (I4)`);
    this.countersAddUp();
    try {
      await this.work(ctx);
      if (this.isPatient) witness.returned = true;
    } finally {
      this.running--;
    }
  }

  private async work(ctx: Context): Promise<void> {
    const ms = this.upTo(this.chance(0.5) ? 5 : 200);
    if (this.is("a handler never returns") && this.chance(0.2)) return new Promise(() => {});
    if (this.is("a handler is deaf to its ctx") && this.chance(0.3)) await this.wait(this.upTo(2000));
    else if (this.is("a handler takes too long") && this.chance(0.3)) await time.sleep(this.upTo(900), ctx);
    else if (this.chance(0.5)) await time.sleep(ms, ctx);
    else await time.sleep(ms, ctx).catch(() => this.wait(this.upTo(Math.min(30, this.options.abortWindow - 1))));
    if (this.chance(0.2)) throw this.chance(0.3) ? new Permanent("no use") : new Error("boom");
  }

  // -------------------------------------------------------------------------------------------------------- the broker

  private source(): Source<D> {
    const { broker } = this;
    const play = this;
    return {
      lease: broker.lease,
      get ended() {
        return broker.ended;
      },
      pull: (ctx, max) => this.pull(ctx, max),
      ack: (ctx, deliveries) =>
        this.tell(
          ctx,
          deliveries,
          (d) => [d.id, "acked"],
          (ctx) => broker.ack(ctx, deliveries) as Promise<D[]>,
        ),
      nack: (ctx, items) =>
        this.tell(
          ctx,
          items,
          ({ delivery, reason }) => [delivery.id, reason === "failed" ? "retried" : "released"],
          (ctx) => broker.nack(ctx, items) as Promise<D[]>,
        ),
      deadLetter: (ctx, items) =>
        this.tell(
          ctx,
          items,
          ({ delivery }) => [delivery.id, "dead"],
          (ctx) => broker.deadLetter(ctx, items),
        ),
      async extend(ctx, deliveries) {
        await play.trouble(ctx, "extend fails", "extend hangs");
        const lost = await broker.extend(ctx, deliveries);
        // What was settled while this call was under way is not lost.
        for (const { id } of lost) play.seen.get(id)!.lost ||= play.seen.get(id)!.told.length === 0;
        return lost;
      },
    };
  }

  private async pull(ctx: Context, max: number): Promise<readonly D[]> {
    this.countersAddUp();
    if (this.is("pull fails") && this.chance(0.3)) throw new Error("no connection");
    const deliveries = await this.broker.pull(ctx, max);
    if (this.is("pull hangs") && this.chance(0.1)) {
      if (this.chance(0.5)) return new Promise(() => {});
      await this.wait(this.upTo(1000));
    }
    for (const { id } of deliveries) this.seen.set(id, { started: 0, returned: false, told: [], lost: false });
    const held = [...this.seen.values()].filter(({ told, lost }) => told.length === 0 && !lost).length;
    const limit = this.options.concurrency + this.options.prefetch;
    // Who pulls too late has been given up.
    if (held > limit && !this.is("pull hangs")) this.fail(`${held} messages held, where ${limit} are allowed (I5)`);
    return deliveries;
  }

  private async tell<I>(
    ctx: Context,
    items: readonly I[],
    verdictOf: (item: I) => readonly [id: string, verdict: Verdict],
    call: (ctx: Context) => Promise<readonly D[]>,
  ): Promise<readonly D[]> {
    this.countersAddUp();
    if (items.length > this.options.batch) this.fail(`${items.length} in one call`);
    await this.trouble(ctx, "ack fails", "ack hangs");
    const lost = await call(ctx);
    const late = new Set(lost.map(({ id }) => id));
    for (const [id, verdict] of items.map(verdictOf)) {
      const witness = this.seen.get(id)!;
      if (late.has(id)) witness.lost = true;
      else witness.told.push(verdict);
      if (verdict === "acked" && !witness.returned) this.fail(`${id} was acked before its handler returned (I2)`);
    }
    return lost;
  }

  private async trouble(ctx: Context, fails: Mode, hangs: Mode): Promise<void> {
    if (this.is(fails) && this.chance(0.3)) throw new Error("no connection");
    if (this.is(hangs) && this.chance(0.2)) return new Promise(() => {});
    if (this.chance(0.5)) await this.wait(this.upTo(3));
    if (ctx.err() !== undefined) throw ctx.err();
  }

  // ------------------------------------------------------------------------------------------------------- the account

  private countersAddUp(): void {
    const { pulled, waiting, running, settling, acked, retried, released, dead, expired } = this.progress;
    const sum = waiting + running + settling + acked + retried + released + dead + expired;
    if (pulled !== sum) this.fail(`the counters do not add up: ${JSON.stringify(this.progress)} (I1)`);
  }

  private atTheReturn(): void {
    this.returnedAt = this.now();
    const { grace, abortWindow, settle } = this.options;
    const late = (since: number | undefined, most: number): boolean => this.returnedAt! - (since ?? Infinity) > most;
    if (late(this.stoppedAt, grace)) this.fail(`it returned later than the grace allows, ${grace} ms (I6)`);
    if (late(this.abortedAt, abortWindow + settle)) this.fail("it returned later than an abort allows (I6)");
    // A pull that was given up may have brought something by now, and the call that releases it has a deadline.
    const timers = timersSet() - this.timers;
    if (timers > (this.is("pull hangs") ? 1 : 0)) this.fail(`${timers} timers are left (I7)`);
    for (const ctx of [this.ctx, this.options.abort]) {
      if ((ctx as CancelCtx).children !== null) this.fail("a context is left (I7)");
      if ((ctx.done() as Chan<never>).receivers.count() > 0) this.fail("somebody still waits for a context (I7)");
    }
    const { waiting, running, settling } = this.progress;
    if (waiting + running + settling > 0) this.fail("messages are still held (I7)");
  }

  private atTheEnd(report: Report<D>): void {
    this.countersAddUp();
    const { pulled, acked, retried, released, dead, expired, abandoned, leftovers } = report;
    if (acked + retried + released + dead + expired !== pulled) this.fail("the account does not add up (I1)");
    const named = new Set(leftovers.map(({ delivery }) => delivery.id));
    if (named.size !== expired || leftovers.length !== expired)
      this.fail(`${expired} expired, ${named.size} named (I3)`);
    // What a pull brings when it has been given up is released, uncounted, or its lease runs out.
    const witnesses = [...this.seen.values()];
    const late = this.seen.size - pulled;
    const strays = [...this.seen].filter(([id, { told }]) => told.length === 0 && !named.has(id));
    if (late < 0 || (late > 0 && !this.is("pull hangs"))) this.fail(`${pulled} counted of ${this.seen.size} (I1)`);
    if (strays.length > late || !(strays.every(([, { lost }]) => lost) || this.is("ack fails", "ack hangs"))) {
      this.fail(`the broker was never told of ${strays.map(([id]) => id).join()} (I1)`);
    }
    const took = (verdict: Verdict): number => witnesses.filter(({ told }) => told[0] === verdict).length;
    const mine = [acked, retried, released + late - strays.length, dead].join();
    const theirs = [took("acked"), took("retried"), took("released"), took("dead")].join();
    if (mine !== theirs)
      this.fail(`acked, retried, released, dead: the worker says ${mine}, the broker ${theirs} (I1)`);
    for (const [id, { started, returned, told, lost }] of this.seen) {
      if (told.length > 1) this.fail(`the broker was told of ${id}: ${told.join(" and ")} (I1)`);
      if (returned && told[0] !== "acked" && !named.has(id)) this.fail(`${id} was handled and is forgotten (I3)`);
      if (named.has(id) && told.length > 0) this.fail(`${id} is a leftover, but ${told[0]} (I3)`);
      if (lost && told.length > 0) this.fail(`${id} was lost and ${told[0]} all the same (I9)`);
      if (told[0] === "dead" && started === 0) this.fail(`${id} is dead and was never started`);
    }
    if (report.started !== witnesses.filter(({ started }) => started > 0).length) this.fail("started is miscounted");
    const deaf = this.is("a handler never returns", "a handler is deaf to its ctx");
    if (abandoned > 0 && !deaf) this.fail(`${abandoned} handlers were abandoned, and none was deaf`);
    if (this.mode === "plain" && expired > 0) this.fail(`${expired} expired without any fault (I9)`);
    this.stoppedForAReason(report);
  }

  private stoppedForAReason({ stopped, cause }: Report<D>): void {
    const possible = {
      "source ended": this.broker.ended,
      cancelled: this.ctx.err() !== undefined && cause === context.cause(this.ctx),
      aborted: this.abortedAt !== undefined && cause === context.cause(this.options.abort),
      failed: this.is("pull hangs") && cause instanceof Error,
    };
    if (!possible[stopped]) this.fail(`it stopped as ${stopped}, because of ${String(cause)} (I8)`);
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
      const play = new Play(mode, random);
      await play.run();
      expect(play.wrong, `mode "${mode}", seed ${seed}`).toEqual([]);
      vi.clearAllTimers();
    }
  });
});
