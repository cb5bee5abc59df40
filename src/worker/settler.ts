/**
 * The last stage of a worker: telling the source what became of its messages.
 *
 * Batches come about by themselves, without a timer: one call is under way at a time, and what is decided meanwhile is the next batch.
 * Acks, nacks and dead letters each have a lane, so that one that fails and must be tried again does not hold up the others.
 *
 * Invariant: a message is in one lane, or in the call that is under way, until the source has answered for it or the grace is over.
 */
import { context, nil, retry, select, time } from "../index.ts";
import { type Delivery, LeaseLost, type Verdict } from "./source.ts";
import type { Held, Run } from "./worker.ts";

interface Lane<D extends Delivery> {
  readonly call: "ack" | "nack" | "deadLetter";
  items: Held<D>[];
  /** Calls that have failed in a row. */
  failures: number;
  /** Not before this time, in epoch ms. */
  due: number;
}

export class Settler<D extends Delivery> {
  private readonly run: Run<D>;
  private readonly lanes: readonly Lane<D>[];

  constructor(run: Run<D>) {
    this.run = run;
    this.lanes = (["ack", "nack", "deadLetter"] as const).map((call) => ({ call, items: [], failures: 0, due: 0 }));
  }

  /** Returns when no more is coming and the source has been told of everything, or the grace is over. */
  async settleAll(): Promise<void> {
    const { results, nudge, calls } = this.run;
    for (let open = true; ;) {
      for (let got; open && (got = results.tryRecv()) !== undefined;) {
        if (got[1]) this.sort(got[0]);
        else open = false;
      }
      const now = time.now();
      if (calls.err() !== undefined || now >= this.run.deadline) this.giveUp();
      const lanes = this.lanes.filter((lane) => lane.items.length > 0);
      if (lanes.length === 0 && !open) return;
      const due = lanes.filter((lane) => lane.due <= now);
      if (due.length > 0) {
        for (const lane of due) await this.tell(lane);
        continue;
      }
      const wait = Math.min(...lanes.map((lane) => lane.due - now));
      const got = await select({ result: open ? results : nil, nudge, due: wait < Infinity ? time.after(wait) : nil });
      if (got.case === "result") {
        if (got.ok) this.sort(got.value);
        else open = false;
      } else if (got.case === "nudge") {
        for (const lane of lanes) lane.due = 0;
      }
    }
  }

  private sort(held: Held<D>): void {
    const [ack, nack, dead] = this.lanes as [Lane<D>, Lane<D>, Lane<D>];
    if (held.verdict === "acked") ack.items.push(held);
    else if (held.verdict === "dead") dead.items.push(held);
    else nack.items.push(held);
  }

  /** Tells the source of the next batch of a lane. */
  private async tell(lane: Lane<D>): Promise<void> {
    const { run } = this;
    const batch: Held<D>[] = [];
    for (const held of lane.items.splice(0, run.settings.batch)) {
      if (held.lost) run.finish(held, "expired", new LeaseLost());
      else batch.push(held);
    }
    if (batch.length === 0) return;
    const began = time.now();
    const [ctx, cancel] = context.withTimeout(run.calls, Math.min(run.settings.callTimeout, run.deadline - began));
    using _ = cancel;
    try {
      const lost = (await context.wait(this.call(lane.call, ctx, batch), ctx)) ?? [];
      lane.failures = 0;
      this.conclude(batch, new Set(lost.map((delivery) => delivery.id)), time.now() - began);
    } catch (error) {
      lane.items = batch.concat(lane.items);
      // While stopping there is no time for long pauses.
      const now = time.now();
      const retryIn = Math.max(1, Math.min(retry.backoff(++lane.failures), (run.deadline - now) / 4));
      lane.due = now + retryIn;
      run.emit({ type: "sourceError", call: lane.call, error, retryIn });
    }
  }

  private async call(
    name: Lane<D>["call"],
    ctx: context.Context,
    batch: readonly Held<D>[],
  ): Promise<readonly D[] | void> {
    const { source } = this.run;
    if (name === "nack") {
      const items = batch.map(({ delivery, delay, verdict }) => {
        return { delivery, delay, why: verdict === "released" ? ("released" as const) : ("failed" as const) };
      });
      return source.nack(ctx, items);
    }
    if (name === "deadLetter" && source.deadLetter !== undefined) {
      return source.deadLetter(
        ctx,
        batch.map(({ delivery, error }) => ({ delivery, error })),
      );
    }
    return source.ack(
      ctx,
      batch.map(({ delivery }) => delivery),
    );
  }

  /** The source has answered. */
  private conclude(batch: readonly Held<D>[], lost: ReadonlySet<string>, ms: number): void {
    const counts = new Map<Verdict, number>();
    for (const held of batch) {
      const verdict = lost.has(held.delivery.id) ? "expired" : held.verdict;
      counts.set(verdict, (counts.get(verdict) ?? 0) + 1);
      this.run.finish(held, verdict, verdict === "expired" ? new LeaseLost() : undefined);
    }
    for (const [verdict, count] of counts) this.run.emit({ type: "settled", verdict, count, ms });
  }

  /** The grace is over: what the source has not been told of is named in the report. */
  private giveUp(): void {
    for (const lane of this.lanes) {
      for (const held of lane.items)
        this.run.finish(held, "expired", new Error(`worker: the grace was over before ${lane.call} succeeded`));
      lane.items = [];
    }
  }
}
