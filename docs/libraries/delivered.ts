/**
 * A sample library: it waits until a parcel is delivered. Its caller passes a Context, an
 * AbortSignal, options with a signal, or nothing.
 */
import { errorFor, from, type Source, wait } from "headgate/context";
import { sleep } from "headgate/time";

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
export async function delivered(carrier: Carrier, id: string, until?: Source): Promise<number> {
  const [ctx, release] = from(until);
  try {
    for (let asked = 1; ; asked++) {
      if (ctx.err() !== undefined) throw ctx.err();
      const status = await wait(carrier.status(id, ctx), ctx);
      if (status === "delivered") return asked;
      await sleep(1_000, ctx);
    }
  } catch (error) {
    throw errorFor(until, ctx, error);
  } finally {
    release();
  }
}
