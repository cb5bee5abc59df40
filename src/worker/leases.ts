/**
 * Keeping the leases of everything a worker has in flight, and not for ever.
 *
 * Invariants:
 * - Messages in flight (waiting, running, or decided and not settled) are extended three times a lease, all in one call, until the source
 *   has answered for them (I9). Left out are those that are lost already, and those whose handler has had them for `maxLease`.
 * - The ctx of a handler ends when the handler has had its message for `maxLease`, whether or not the source has leases.
 */
import { context, type Context, select, time } from "../index.ts";
import { monotonic } from "../internal/runtime.ts";
import type { Account } from "./account.ts";
import { LeaseExpired, LeaseLost } from "./causes.ts";
import { type InFlight, lostOf } from "./inflight.ts";
import type { Settings } from "./options.ts";
import type { Delivery, Source } from "./source.ts";

/** The parts of the worker that the leases need. */
export interface Leasing<D extends Delivery> {
  readonly source: Source<D>;
  readonly settings: Pick<Settings<D>, "callTimeout" | "maxLease">;
  readonly account: Pick<Account<D>, "emit" | "sourceFailed" | "trouble">;
  readonly inFlight: ReadonlySet<InFlight<D>>;
  /** Ends with the run. */
  readonly alive: Context;
}

/** ms between two looks at the leases, at least: else nothing else would get a turn. */
const SHORTEST = 1;

/** Returns when the run is over; at once if the source has no leases. */
export async function keepLeases<D extends Delivery>(worker: Leasing<D>): Promise<void> {
  const { source, alive } = worker;
  const { lease } = source;
  if (source.extend === undefined || lease === undefined || lease === Infinity) return;
  const interval = Math.max(lease / 3, SHORTEST);
  const ticker = new time.Ticker(interval);
  for (;;) {
    const got = await select({ tick: ticker.c, over: alive.done() });
    if (got.case === "over") return;
    await extend(worker, interval);
  }
}

async function extend<D extends Delivery>(worker: Leasing<D>, interval: number): Promise<void> {
  const { source, settings, account, inFlight, alive } = worker;
  const all = [...inFlight].filter((message) => !message.isOverdue && !message.isLost);
  if (all.length === 0) return;
  const [ctx, cancel] = context.withTimeout(alive, Math.min(settings.callTimeout, interval));
  using _ = cancel;
  const deliveries = all.map((message) => message.delivery);
  try {
    const answer = await context.wait(Promise.resolve(source.extend!(ctx, deliveries)), ctx);
    // A message that was settled while the call was under way, or is being settled, is neither extended nor lost.
    const still = all.filter((message) => inFlight.has(message) && !message.inCall);
    const lost = lostOf("extend", still, answer);
    for (const message of lost) {
      message.isLost = true;
      message.cancel?.(new LeaseLost());
    }
    account.trouble.succeeded("extend");
    account.emit({ type: "extended", count: still.length - lost.size, lost: lost.size });
  } catch (error) {
    if (alive.err() !== undefined) return;
    account.sourceFailed("extend", error, interval);
  }
}

/** Ends the ctx of handlers that have had their messages for too long. Returns when the run is over; at once if there is no limit. */
export async function limitLeases<D extends Delivery>(worker: Leasing<D>): Promise<void> {
  const { inFlight, alive } = worker;
  const { maxLease } = worker.settings;
  if (maxLease === Infinity) return;
  for (;;) {
    const now = monotonic();
    // A handler that starts from now on has at least this long.
    let next = now + maxLease;
    for (const message of inFlight) {
      if (message.isOverdue || message.cancel === null) continue;
      const due = message.startedAt + maxLease;
      if (due > now) {
        next = Math.min(next, due);
        continue;
      }
      message.isOverdue = true;
      message.cancel(new LeaseExpired());
    }
    const got = await select({ due: time.after(Math.max(next - now, SHORTEST)), over: alive.done() });
    if (got.case === "over") return;
  }
}
