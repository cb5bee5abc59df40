/**
 * The test of a function that takes `until`: it is cancelled at every point, in each of the forms
 * that a caller may use. To copy it, put your function in the place of `delivered`.
 */
import { context, time } from "headgate";
import { type Bubble, explore } from "headgate/testing";
import { it } from "vitest"; // for node:test: import { it } from "node:test";
import { type Carrier, delivered } from "./delivered.ts";

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

export type Form = "a Context" | "a signal" | "options";

/** One call, whose caller leaves after `limit` ms if the test is not cancelled before. */
export async function check(t: Bubble, call: typeof delivered, form: Form, limit: number) {
  const [ctx, cancel] = context.withTimeoutCause(t.ctx, limit, why);
  const controller = new AbortController();
  const stop = context.afterFunc(ctx, () => controller.abort(why));
  const signal = form === "a Context" ? ctx.signal : controller.signal;
  let endedAt = Infinity;
  signal.addEventListener("abort", () => (endedAt = t.now()), { once: true });

  const carrier = carrierFor(signal);
  const until = { "a Context": ctx, "a signal": signal, options: { signal } }[form];
  const end = await call(carrier, "p1", until).catch((error: unknown) => error);
  const returnedAt = t.now();
  stop();
  cancel();
  await t.sleep(400); // the carrier is deaf: its last answer is still to come

  if (end === 3) return;
  if (end !== (form === "a Context" ? ctx.err() : why)) throw end;
  if (returnedAt > endedAt) throw new Error(`${returnedAt - endedAt} ms too late`);
  for (const fault of carrier.faults) throw new Error(fault);
}

// 900 ms: between two questions. 1500 ms: while the carrier is asked. A minute: it succeeds.
for (const limit of [900, 1_500, 60_000]) {
  for (const form of ["a Context", "a signal", "options"] as const) {
    it(`ends as its caller expects: ${form}, at ${limit} ms`, () =>
      explore((t) => check(t, delivered, form, limit)));
  }
}
