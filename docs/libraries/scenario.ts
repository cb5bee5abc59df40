/**
 * The test of a function that takes `until`: it is cancelled at every point, in each of the forms that a caller may use. Copy it.
 */
import type { context, Context } from "headgate";
import { explore } from "headgate/testing";
import type { Carrier, delivered } from "./delivered.ts";

// #region test
/** A carrier that delivers at the third question, and must not be asked once `ctx` has ended. */
function carrierFor(ctx: Context): Carrier & { readonly faults: string[] } {
  let asked = 0;
  const faults: string[] = [];
  const status = async () => {
    if (ctx.err() !== undefined) faults.push("asked after the end");
    return ++asked === 3 ? "delivered" : "under way";
  };
  return { faults, status };
}

export async function isRightHoweverItEnds(wait: typeof delivered): Promise<void> {
  await explore(async (t) => {
    // The reason of t.ctx.signal is t.ctx.err(), so one rule does for all forms.
    const forms: context.Source[] = [t.ctx, t.ctx.signal, { signal: t.ctx.signal }];
    for (const until of forms) {
      const carrier = carrierFor(t.ctx);
      const end = await wait(carrier, "p1", until).catch((error: unknown) => error);
      const isRight = end === 3 || (end !== undefined && end === t.ctx.err());
      if (!isRight) throw end;
      for (const fault of carrier.faults) throw new Error(fault);
    }
  });
}
// #endregion
