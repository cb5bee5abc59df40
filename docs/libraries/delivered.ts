/**
 * A sample library: it waits until a parcel is delivered. Its caller passes a Context, an
 * AbortSignal, options with a signal, or nothing.
 */
import { context, type Context, time } from "headgate";

/** Says where a parcel is, over the network. */
export interface Carrier {
  readonly status: (id: string, options: { readonly signal: AbortSignal }) => Promise<string>;
}

/**
 * Asks once a second until the parcel is delivered. Resolves to the number of questions.
 *
 * **Cancellation**: when `until` ends first, no further question is asked. Rejects with the error
 * of the Context, or with the reason of the signal. Nothing is left on `until`.
 *
 * **Errors**: rejects with the error of the carrier.
 */
export async function delivered(
  carrier: Carrier,
  id: string,
  until?: context.Source,
): Promise<number> {
  const [ctx, release] = context.from(until);
  try {
    for (let asked = 1; ; asked++) {
      if (ctx.err() !== undefined) throw ctx.err();
      const status = await context.wait(carrier.status(id, ctx), ctx);
      if (status === "delivered") return asked;
      await time.sleep(1_000, ctx);
    }
  } catch (error) {
    throw forCaller(error, ctx, until);
  } finally {
    release();
  }
}

/** The error that the caller knows: a Context has its own, a signal has a reason. */
export function forCaller(error: unknown, ctx: Context, until: context.Source): unknown {
  if (error !== ctx.err() || context.isContext(until)) return error;
  return until && "aborted" in until ? until.reason : until?.signal?.reason;
}
