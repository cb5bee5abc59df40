/**
 * Delivery of dead letters to the sink.
 *
 * Invariant: within {@link DELIVERY_TIME} each letter is taken by the sink, or reported with the error.
 */
import { context, type Context, errgroup, retry } from "../index.ts";
import { attempt } from "./attempt.ts";
import { errorOf } from "./errors.ts";
import type { SagaOptions, Settings } from "./options.ts";
import type { DeadLetter } from "./types.ts";

/** ms to deliver one letter, all attempts included. */
const DELIVERY_TIME = 5_000;

/** The attempts within that time. */
const DELIVERY_POLICY: retry.Policy = { tries: Infinity, base: 100, max: 1_000, timeout: 2_000 };

/**
 * Sends all letters at once: no letter waits for another, and a sink that hangs costs the time of one. Calls `sent` for each letter, with
 * the error if it was not taken. `ctx` must not have ended.
 */
export async function send(
  ctx: Context,
  letters: readonly DeadLetter[],
  sink: SagaOptions["deadLetter"],
  sent: (letter: DeadLetter, error: Error | undefined) => void,
): Promise<void> {
  const group = new errgroup.Group();
  for (const letter of letters) {
    const deliver = async (): Promise<void> => sent(letter, (await sendOne(ctx, letter, sink))?.error);
    void group.go(deliver);
  }
  await group.wait();
}

/** The error if the letter was not taken. It is in an object, because an error with a `then` would be awaited. */
async function sendOne(
  ctx: Context,
  letter: DeadLetter,
  sink: Settings["deadLetter"],
): Promise<{ readonly error: Error } | undefined> {
  const [sending, cancel] = context.withTimeout(ctx, DELIVERY_TIME);
  using _ = cancel;
  const call = async (trying: Context): Promise<void> => {
    try {
      await attempt(trying, sending, (ctx) => sink(ctx, letter));
    } catch (error) {
      throw errorOf(error);
    }
  };
  try {
    await retry.run(sending, call, DELIVERY_POLICY);
    return undefined;
  } catch (error) {
    return { error: errorOf(error) };
  }
}
