/**
 * Keeping the leases of everything a worker holds, and not for ever.
 *
 * Invariants:
 * - A message that is held (waiting, running, or decided and not yet told) is extended three times a lease, with all the others in one
 *   call, until the source has answered for it (I9); but for one that is lost already, or whose handler has had it for `maxLease`.
 * - A handler is told when it has had its message for `maxLease`, whatever the source is like.
 */
import { context, select, time } from "../index.ts";
import { monotonic } from "../internal/runtime.ts";
import { LeaseExpired, LeaseLost } from "./causes.ts";
import { lostOf } from "./inflight.ts";
import type { Delivery } from "./source.ts";
import type { Run } from "./worker.ts";

/** ms between two looks at the leases, at least: nothing else would have its turn. */
const SHORTEST = 1;

/** Returns when the run is over; at once if the source knows no leases. */
export async function keepLeases<D extends Delivery>(run: Run<D>): Promise<void> {
  const { lease } = run.source;
  if (run.source.extend === undefined || lease === undefined || lease === Infinity) return;
  const interval = Math.max(lease / 3, SHORTEST);
  const ticker = new time.Ticker(interval);
  for (;;) {
    const got = await select({ tick: ticker.c, over: run.alive.done() });
    if (got.case === "over") return;
    await extend(run, interval);
  }
}

async function extend<D extends Delivery>(run: Run<D>, interval: number): Promise<void> {
  const all = [...run.held].filter((held) => !held.overdue && !held.lost);
  if (all.length === 0) return;
  const [ctx, cancel] = context.withTimeout(run.alive, Math.min(run.settings.callTimeout, interval));
  using _ = cancel;
  const deliveries = all.map((held) => held.delivery);
  try {
    const answer = await context.wait(Promise.resolve(run.source.extend!(ctx, deliveries)), ctx);
    // What was settled while the call was under way, or is being settled, is neither extended nor lost.
    const still = all.filter((held) => run.held.has(held) && !held.telling);
    const lost = lostOf("extend", still, answer);
    for (const held of lost) {
      held.lost = true;
      held.cancel?.(new LeaseLost());
    }
    run.account.trouble.succeeded("extend");
    run.account.emit({ type: "extended", count: still.length - lost.size, lost: lost.size });
  } catch (error) {
    if (run.alive.err() !== undefined) return;
    run.account.sourceFailed("extend", error, interval);
  }
}

/** Tells the handlers that have had their messages for too long. Returns when the run is over; at once if there is no limit. */
export async function limitLeases<D extends Delivery>(run: Run<D>): Promise<void> {
  const { maxLease } = run.settings;
  if (maxLease === Infinity) return;
  for (;;) {
    const now = monotonic();
    // Whoever starts from now on has at least this long.
    let next = now + maxLease;
    for (const held of run.held) {
      if (held.overdue || held.cancel === null) continue;
      if (held.since + maxLease > now) {
        next = Math.min(next, held.since + maxLease);
        continue;
      }
      held.overdue = true;
      held.cancel(new LeaseExpired());
    }
    const got = await select({ due: time.after(Math.max(next - now, SHORTEST)), over: run.alive.done() });
    if (got.case === "over") return;
  }
}
