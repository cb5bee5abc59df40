/**
 * Dead letters on their way to the sink.
 *
 * Invariant: a letter is either taken by the sink or returned, with the reason, within {@link PATIENCE} ms.
 */
import { context, type Context, errgroup, retry } from "../index.ts";
import { attempt } from "./attempt.ts";
import { errorOf } from "./errors.ts";
import type { SagaOptions, Settings } from "./options.ts";
import type { DeadLetter } from "./result.ts";

/** ms that the sink has for a letter. */
const PATIENCE = 5_000;

/** How often it is asked in that time, if it fails. */
const POLICY: retry.Policy = { tries: Infinity, base: 100, max: 1_000, timeout: 2_000 };

/**
 * Sends all at once: none waits for another, and a sink that hangs costs its time only once. Tells of each whether it was taken, or why
 * not. `ctx` must be one that is alive.
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

/** Why it was not taken; in an object: an error that has a `then` would be awaited. */
async function sendOne(
  ctx: Context,
  letter: DeadLetter,
  sink: Settings["deadLetter"],
): Promise<{ readonly error: Error } | undefined> {
  const [sending, cancel] = context.withTimeout(ctx, PATIENCE);
  using _ = cancel;
  const call = async (trying: Context): Promise<void> => {
    try {
      await attempt(trying, sending, (ctx) => sink(ctx, letter));
    } catch (error) {
      throw errorOf(error);
    }
  };
  try {
    await retry.run(sending, call, POLICY);
    return undefined;
  } catch (error) {
    return { error: errorOf(error) };
  }
}
