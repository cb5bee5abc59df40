/**
 * Keeping the leases of everything a worker holds.
 *
 * Invariant: a message that is held (waiting, running, or decided and not yet told) is extended three times a lease, with all the
 * others in one call, until the source has answered for it (I9); but for one that is lost already or held longer than `maxLease`.
 */
import { context, select, time } from "../index.ts";
import { type Delivery, LeaseExpired, LeaseLost } from "./source.ts";
import type { Held, Run } from "./worker.ts";

/** Returns when the run is over; at once if the source knows no leases. */
export async function keepLeases<D extends Delivery>(run: Run<D>): Promise<void> {
  const { lease } = run.source;
  if (run.source.extend === undefined || lease === undefined || lease === Infinity) return;
  const ticker = new time.Ticker(lease / 3);
  for (;;) {
    const got = await select({ tick: ticker.c, over: run.alive.done() });
    if (got.case === "over") return;
    await extend(run, lease / 3);
  }
}

async function extend<D extends Delivery>(run: Run<D>, interval: number): Promise<void> {
  const all = toExtend(run);
  if (all.length === 0) return;
  const [ctx, cancel] = context.withTimeout(run.alive, Math.min(run.settings.callTimeout, interval));
  using _ = cancel;
  const deliveries = all.map((held) => held.delivery);
  try {
    const lost = (await context.wait(Promise.resolve(run.source.extend!(ctx, deliveries)), ctx)) ?? [];
    const ids = new Set(lost.map((delivery) => delivery.id));
    for (const held of all) {
      if (!ids.has(held.delivery.id) || !run.held.has(held)) continue;
      held.lost = true;
      held.cancel?.(new LeaseLost());
    }
    run.emit({ type: "extended", count: all.length - ids.size, lost: ids.size });
  } catch (error) {
    run.emit({ type: "sourceError", call: "extend", error, retryIn: interval });
  }
}

/** What is to be extended; whoever has held his message too long is told so instead. */
function toExtend<D extends Delivery>(run: Run<D>): Held<D>[] {
  const now = time.now();
  for (const held of run.held) {
    if (held.overdue || held.cancel === null || now - held.since < run.settings.maxLease) continue;
    held.overdue = true;
    held.cancel(new LeaseExpired());
  }
  return [...run.held].filter((held) => !held.overdue && !held.lost);
}
