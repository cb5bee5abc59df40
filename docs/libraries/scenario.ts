/**
 * The test of a function that takes `until`: it is cancelled at every point, in each of the forms that a caller may use. Copy it.
 */
import { context, time } from "headgate";
import { type Bubble, explore } from "headgate/testing";
import type { Carrier, delivered } from "./delivered.ts";

// #region test
const why = new Error("the caller has left");

/** A carrier that is slow, ignores its signal, and delivers at the third question. */
function carrierFor(signal: AbortSignal): Carrier & { readonly faults: string[] } {
  let asked = 0;
  const faults: string[] = [];
  const status = async () => {
    if (signal.aborted) faults.push("asked after the end");
    await time.sleep(400);
    return ++asked === 3 ? "delivered" : "under way";
  };
  return { faults, status };
}

/** One call, whose caller leaves after `limit` ms if the test is not cancelled before. */
async function check(t: Bubble, wait: typeof delivered, form: number, limit: number) {
  const [ctx, cancel] = context.withTimeoutCause(t.ctx, limit, why);
  const controller = new AbortController();
  const stop = context.afterFunc(ctx, () => controller.abort(why));
  const signal = form === 0 ? ctx.signal : controller.signal;
  let endedAt = Infinity;
  signal.addEventListener("abort", () => (endedAt = t.now()), { once: true });

  const carrier = carrierFor(signal);
  const until = [ctx, signal, { signal }][form];
  const end = await wait(carrier, "p1", until).catch((error: unknown) => error);
  const returnedAt = t.now();
  stop();
  cancel();
  await t.sleep(400); // the carrier is deaf: its last answer is still to come

  if (end === 3) return;
  if (end !== (form === 0 ? ctx.err() : why)) throw end;
  if (returnedAt > endedAt) throw new Error(`${returnedAt - endedAt} ms too late`);
  for (const fault of carrier.faults) throw new Error(fault);
}

export async function isRightHoweverItEnds(wait: typeof delivered): Promise<void> {
  // 900 ms: between two questions. 1500 ms: while the carrier is asked. A minute: it succeeds.
  for (const limit of [900, 1_500, 60_000]) {
    for (const form of [0, 1, 2]) await explore((t) => check(t, wait, form, limit));
  }
}
// #endregion
