/**
 * One run of a worker in a bubble, about ordering keys and leases (I9, I10): five messages, three of which have one key,
 * a broker with leases shorter than the work, and two handlers. The first message fails at first, so those behind it go
 * back with it. What happens is written down, and held against the invariants as it happens and at the end.
 */
import { context, type Context, time } from "headgate";
import type { Bubble } from "headgate/testing";
import { LeaseLost, type Nack, Permanent, type Progress, type Report, type Source, worker } from "headgate/worker";
import { account } from "./harness.ts";
import { type D, type KeyedBroker, keyedBroker, LEASE } from "./explore-keys-broker.ts";

export const MODES = [
  "plain",
  "ack fails",
  "extend fails",
  "extend hangs",
  "a lease is lost",
  "a handler takes longer than maxLease",
] as const;
export type Mode = (typeof MODES)[number];

/** In virtual ms. Handlers are cancelled 60 ms after the stop, and abandoned 80 ms after it. */
const limits = {
  concurrency: 2,
  prefetch: 3,
  batch: 3,
  grace: 100,
  abortWindow: 20,
  settle: 20,
  callTimeout: 30,
  maxAttempts: 2,
  backoff: (): number => 2,
};

const boom = new Error("boom");

/** What is put in the worker's place, and who is told, in a few words each, what has happened. */
export interface Cast {
  readonly worker?: typeof worker<D>;
  readonly outcome?: (what: string) => void;
}

/** The scenario for `explore`: rejects with all that is wrong, a line each. */
export function scenario(mode: Mode, cast: Cast = {}): (t: Bubble) => Promise<void> {
  return (t) => new Play(t, mode, cast).run();
}

/** What was seen of one delivery, in the order of the pulls. */
interface Seen {
  readonly delivery: D;
  /** Those of its key that the worker held when this one came. */
  readonly before: readonly Seen[];
  started: boolean;
  running: boolean;
  /** How its handler ended. "" while it has not; "lost" if its lease was by then. */
  ended: "" | "returned" | "dead" | "failed" | "lost";
  /** The worker knows that the lease is lost, or has let it run out on purpose. */
  lost: boolean;
  overdue: boolean;
  /** The verdict that the broker took. */
  told: "" | "acked" | "retried" | "released" | "dead";
}

class Play {
  private readonly t: Bubble;
  private readonly mode: Mode;
  private readonly cast: Cast;
  private readonly broker: KeyedBroker = keyedBroker();
  private readonly wrong = new Set<string>();
  private readonly seen = new Map<D, Seen>();
  private readonly progress = {} as Progress;
  private readonly gate: Context;
  private readonly openGate: () => void;
  private extends = 0;
  private verdicts = 0;
  /** What extend has called lost, until the worker says that it knows. */
  private news: Seen[] = [];
  private returned = false;

  constructor(t: Bubble, mode: Mode, cast: Cast) {
    this.t = t;
    this.mode = mode;
    this.cast = cast;
    [this.gate, this.openGate] = context.withCancel(context.background());
    t.name(this.gate, "gate");
  }

  async run(): Promise<void> {
    const { t, mode, cast, progress, broker } = this;
    if (mode === "extend hangs") void time.sleep(150, t.ctx).then(this.openGate, () => {});
    broker.onLapse = (delivery) => this.lapsed(this.seen.get(delivery)!);
    const maxLease = mode.startsWith("a handler") ? 30 : 1e6;
    const run = cast.worker ?? worker<D>;
    const stopped = this.moment(t.ctx);
    const aborted = this.moment(t.abort);
    let report: Report<D> | undefined;
    try {
      report = await run(t.ctx, this.source(), (ctx, delivery) => this.handle(ctx, delivery), {
        ...limits,
        maxLease,
        abort: t.abort,
        progress,
        observe: (event) => {
          if (event.type !== "extended" || event.lost === 0) return;
          for (const seen of this.news.splice(0)) seen.lost = true;
        },
      });
    } catch (error) {
      this.must(false, `it has rejected: ${String(error)} (I8)`);
    } finally {
      this.returned = true;
      this.openGate();
    }
    this.must(t.now() - stopped() <= limits.grace, `it returned ${t.now() - stopped()} ms after the stop (I6)`);
    const late = t.now() - aborted();
    this.must(late <= limits.abortWindow + limits.settle, `it returned ${late} ms after the abort (I6)`);
    broker.close();
    // What was given up comes to its end, and must not change anything.
    await t.wait();
    if (report !== undefined) this.atTheEnd(report);
    if (this.wrong.size > 0) throw new Error([...this.wrong].join("\n"));
  }

  private must(holds: boolean, what: string): void {
    if (!holds) this.wrong.add(what);
  }

  /** When a context has ended; never, if it has not. */
  private moment(ctx: Context): () => number {
    let at = Infinity;
    context.afterFunc(ctx, () => (at = this.t.now()));
    return () => Math.min(at, ctx.err() === undefined ? Infinity : this.t.now());
  }

  // ------------------------------------------------------------------------------------------------------ the handlers

  private async handle(ctx: Context, delivery: D): Promise<void> {
    const seen = this.seen.get(delivery)!;
    this.mayStart(seen);
    seen.started = true;
    seen.running = true;
    try {
      await this.work(ctx, delivery);
      this.ended(ctx, seen, "returned");
    } catch (error) {
      this.ended(ctx, seen, error instanceof Permanent || delivery.attempt === limits.maxAttempts ? "dead" : "failed");
      throw error;
    }
  }

  private async work(ctx: Context, { id, attempt }: D): Promise<void> {
    if (id.startsWith("a1")) {
      await time.sleep(5, ctx);
      if (attempt === 1) throw boom;
    }
    if (id.startsWith("a2")) {
      await time.sleep(LEASE + 6, ctx);
      throw new Permanent("no use");
    }
    // Who is told to go takes a moment.
    if (id.startsWith("b1")) await time.sleep(2 * LEASE, ctx).catch(() => time.sleep(3));
    if (id.startsWith("x1")) await time.sleep(3, ctx);
  }

  private ended(ctx: Context, seen: Seen, how: Seen["ended"]): void {
    const cause = context.cause(ctx);
    seen.running = false;
    seen.ended = cause instanceof LeaseLost ? "lost" : how === "dead" && cause !== undefined ? "failed" : how;
  }

  /** I4, and I10: of a key one at a time, in order; and not past one that went back, or will. */
  private mayStart(seen: Seen): void {
    const { id } = seen.delivery;
    this.must(!seen.started, `${id} was started twice (I4)`);
    this.must(
      this.t.ctx.err() === undefined && this.t.abort.err() === undefined,
      `${id} was started after the stop (I4)`,
    );
    this.must(!seen.lost, `${id} was started although its lease was lost (I9)`);
    for (const other of seen.before) {
      const isThrough = other.ended === "returned" || other.ended === "dead";
      this.must(!other.running, `${id} was started while ${other.delivery.id} was running (I10)`);
      this.must(other.running || isThrough, `${id} was started past ${other.delivery.id} (I10)`);
    }
    const running = [...this.seen.values()].filter(({ running }) => running).length + 1;
    this.must(running <= limits.concurrency, `${running} handlers at once (I4)`);
  }

  // -------------------------------------------------------------------------------------------------------- the broker

  private source(): Source<D> {
    const { broker } = this;
    return {
      lease: LEASE,
      get ended() {
        return broker.ended;
      },
      pull: async (ctx, max) => {
        const deliveries = await broker.pull(ctx, max);
        for (const delivery of deliveries) {
          const before = [...this.seen.values()].filter(
            (other) => other.delivery.key === delivery.key && isHeld(other),
          );
          const nothing = { started: false, running: false, ended: "", lost: false, overdue: false, told: "" } as const;
          this.seen.set(delivery, { ...nothing, delivery, before: delivery.key === undefined ? [] : before });
        }
        const held = [...this.seen.values()].filter(isHeld).length;
        this.must(held <= limits.concurrency + limits.prefetch, `${held} messages held (I5)`);
        return deliveries;
      },
      ack: (ctx, deliveries) => this.tell(ctx, "acked", deliveries, () => broker.settle(deliveries)),
      deadLetter: (ctx, items) => {
        const deliveries = items.map(({ delivery }) => delivery);
        return this.tell(ctx, "dead", deliveries, () => broker.settle(deliveries));
      },
      nack: (ctx, items) => this.nack(ctx, items),
      extend: (ctx, deliveries) => this.extend(ctx, deliveries),
    };
  }

  private nack(ctx: Context, items: readonly Nack<D>[]): Promise<readonly D[]> {
    const order = [...this.seen.keys()];
    const last = new Map<string, number>();
    for (const { delivery } of items) {
      const { id, key } = delivery;
      if (key === undefined) continue;
      const at = order.indexOf(delivery);
      this.must((last.get(key) ?? -1) < at, `${id} was given back behind a later one of its key (I10)`);
      last.set(key, at);
    }
    const deliveries = items.map(({ delivery }) => delivery);
    const reason = new Map(items.map(({ delivery, reason }) => [delivery, reason]));
    return this.tell(
      ctx,
      (delivery) => (reason.get(delivery) === "failed" ? "retried" : "released"),
      deliveries,
      () => this.broker.giveBack(items),
    );
  }

  private async tell(
    ctx: Context,
    verdict: "acked" | "dead" | ((delivery: D) => "retried" | "released"),
    deliveries: readonly D[],
    call: () => readonly D[],
  ): Promise<readonly D[]> {
    const n = ++this.verdicts;
    for (const delivery of deliveries) {
      const seen = this.seen.get(delivery)!;
      this.must(!seen.lost, `${delivery.id} was told of although its lease was lost (I9)`);
      this.must(seen.told === "", `${delivery.id} was told of again, although the broker had answered (I1)`);
      this.must(
        verdict !== "acked" || seen.ended === "returned",
        `${delivery.id} was acked before its handler returned (I2)`,
      );
    }
    await time.sleep(1, ctx);
    if (this.mode === "ack fails" && (n <= 2 || n === 4)) throw boom;
    const lost = call();
    for (const delivery of deliveries) {
      const seen = this.seen.get(delivery)!;
      if (lost.includes(delivery)) seen.lost = true;
      else seen.told = typeof verdict === "string" ? verdict : verdict(delivery);
    }
    return lost;
  }

  private async extend(ctx: Context, deliveries: readonly D[]): Promise<readonly D[]> {
    const n = ++this.extends;
    const { mode } = this;
    for (const [delivery, seen] of this.seen) {
      seen.overdue ||= seen.running && !deliveries.includes(delivery) && mode.startsWith("a handler");
    }
    for (const delivery of deliveries) {
      this.must(!this.seen.get(delivery)!.lost, `${delivery.id} was extended although its lease was lost (I9)`);
    }
    // One failure leaves two more tries before the lease runs out; three in a row do not.
    if (mode === "extend fails" && n !== 2 && n < 6) throw boom;
    if (mode === "extend hangs" && n > 2 && n < 6) await this.gate.done().recv();
    if (mode === "a lease is lost" && n <= 2) this.broker.revoke(deliveries[n === 1 ? deliveries.length - 1 : 0]);
    await time.sleep(1, ctx);
    const lost = this.broker.extend(deliveries);
    this.news.push(...lost.map((delivery) => this.seen.get(delivery)!).filter(({ told }) => told === ""));
    return lost;
  }

  /** A lease has run out at the broker. */
  private lapsed(seen: Seen): void {
    const isExcused = this.returned || seen.overdue || this.mode.startsWith("extend");
    this.must(isExcused || !isHeld(seen), `the lease of ${seen.delivery.id} ran out while it was held (I9)`);
  }

  // ---------------------------------------------------------------------------------------------------- the comparison

  private atTheEnd(report: Report<D>): void {
    const { pulled, acked, retried, released, dead, expired, leftovers, abandoned } = report;
    const sum = acked + retried + released + dead + expired;
    this.must(sum === pulled && pulled === this.seen.size, `it does not add up: ${account(report)} (I1)`);
    const { waiting, running, settling } = this.progress;
    this.must(waiting + running + settling === 0, "something is still held (I7)");
    this.must(abandoned === 0, "a handler was abandoned, and none was deaf (I6)");
    const named = new Set(leftovers.map(({ delivery }) => delivery));
    const told = { acked: 0, retried: 0, released: 0, dead: 0 };
    for (const [delivery, seen] of this.seen) {
      if (seen.told !== "") told[seen.told]++;
      this.must(
        named.has(delivery) === (seen.told === ""),
        `${delivery.id} is ${seen.told || "not settled"}: it is named, or not, by mistake (I3)`,
      );
      const mayExpire = this.mode !== "plain" || seen.lost;
      this.must(mayExpire || seen.told !== "", `${delivery.id} expired through no fault of the broker's (I3)`);
    }
    const theirs = JSON.stringify({ ...told, expired: this.seen.size - Object.values(told).reduce((a, b) => a + b) });
    const mine = JSON.stringify({ acked, retried, released, dead, expired });
    this.must(mine === theirs, `the worker says ${mine}, the broker ${theirs} (I1)`);
    const { outcome } = this.cast;
    outcome?.(report.stopped);
    for (const what of ["acked", "retried", "released", "dead", "expired"] as const)
      if (report[what] > 0) outcome?.(what);
    for (const { error } of leftovers) if (error instanceof LeaseLost) outcome?.("lease lost");
    if (this.extends > 0) outcome?.("extended");
  }
}

/** Whether the worker still has it to settle. */
function isHeld({ told, lost }: Seen): boolean {
  return told === "" && !lost;
}
