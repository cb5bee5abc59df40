/**
 * Trying again: as often as a policy allows, while a context lasts, with growing, jittered pauses.
 */
import { isOurs } from "./internal/foreigncontext.ts";
import { entryError } from "./internal/suspend.ts";
import { withTimeout } from "./context/index.ts";
import { Branded } from "./internal/errors.ts";
import { attempt as tried, isA, shown } from "./internal/foreign.ts";
import { random } from "./internal/runtime.ts";
import { sleep } from "./time.ts";
import type { Context } from "./types.ts";
import { mustBeFunction, notAContext } from "./internal/args.ts";
import { checkedPolicy, type Policy } from "./internal/policy.ts";

export type { Policy };

/**
 * An error that trying again will not mend. Throw it, with the real error as its `cause`, to stop a {@link run} at once.
 * `instanceof` holds across copies of the package.
 */
export class Permanent extends Branded {
  /** @internal */ static readonly kind = "Permanent";
}

/**
 * Calls `fn(ctx, attempt)`, with attempts counted from 1, until it succeeds, and returns its result. Stops when the tries are
 * used up, when `fn` throws a {@link Permanent}, or when `ctx` has ended. Between two tries it pauses as long as {@link backoff} says.
 *
 * With `timeout`, each try gets a context with that deadline. `fn` must respect it, and `ctx` as well: a try that does not is waited
 * for, so that two tries never run at the same time.
 *
 * Every try runs in the async context (AsyncLocalStorage) of this call.
 *
 * **Cancellation**: the end of `ctx` ends the pause between two tries, and the ctx of a try.
 *
 * **Errors**: rejects with the last error of `fn`, unchanged, also when `ctx` has ended or can no longer be asked. Rejects with
 * `ctx.err()` if `ctx` had ended before the first try. RangeError or TypeError for an invalid policy; `fn` is then not called.
 *
 * @example
 * ```ts
 * import { context, retry } from "headgate";
 *
 * const answer = await retry.run(
 *   context.background(),
 *   (ctx, attempt) => {
 *     if (attempt < 3) throw new Error("busy");
 *     return `answered at attempt ${attempt}`;
 *   },
 *   { base: 1 },
 * );
 * console.log(answer); // => answered at attempt 3
 * ```
 */
export async function run<T>(
  ctx: Context,
  fn: (ctx: Context, attempt: number) => Promise<T> | T,
  policy: Policy = {},
): Promise<T> {
  mustBeFunction(fn, "retry: run(ctx, fn)");
  // Read once: a policy that can no longer be read must not hide the error of `fn`.
  const settings = checkedPolicy(policy, "retry");
  const { tries, timeout } = settings;
  const refused = ctx === undefined ? notAContext(ctx, "retry", "first argument") : entryError(ctx);
  if (refused !== undefined) throw refused;
  let limited = timeout === undefined ? undefined : withTimeout(ctx, timeout);
  for (let attempt = 1; ; attempt++) {
    try {
      return await once(ctx, fn, attempt, limited);
    } catch (error) {
      if (isA(error, Permanent) || attempt >= tries) throw error;
      try {
        await sleep(backoff(attempt, settings), ctx);
      } catch (failure) {
        // Without an end of ctx a foreign ctx has failed, which counts as its end; or the test kit has refused the sleep.
        if (hasEnded(ctx) || !isOurs(ctx)) throw error;
        throw failure;
      }
      if (hasEnded(ctx)) throw error;
      limited = timeout === undefined ? undefined : tried(() => withTimeout(ctx, timeout));
      if (timeout !== undefined && limited === undefined) throw error;
    }
  }
}

async function once<T>(
  ctx: Context,
  fn: (ctx: Context, attempt: number) => Promise<T> | T,
  attempt: number,
  limited: ReturnType<typeof withTimeout> | undefined,
): Promise<T> {
  if (limited === undefined) return fn(ctx, attempt);
  const [trying, cancel] = limited;
  try {
    return await fn(trying, attempt);
  } finally {
    cancel();
  }
}

/** True if ctx has ended. One that can no longer be asked counts as ended: the error of `fn` comes out. */
function hasEnded(ctx: Context): boolean {
  return tried(() => (ctx.err() ?? undefined) === undefined) !== true;
}

/**
 * The pause after attempt number `attempt` (from 1), in ms: full jitter, a random part of min(max, base · 2^(attempt − 1)).
 * Full jitter, so that callers that failed together do not retry together.
 *
 * **Errors**: RangeError or TypeError for an invalid attempt or policy.
 */
export function backoff(attempt: number, policy: Policy = {}): number {
  if (!Number.isSafeInteger(attempt) || attempt < 1)
    throw new RangeError(`backoff: attempts are counted from 1, got ${shown(attempt)}`);
  const { base, max } = checkedPolicy(policy, "backoff");
  return base === 0 ? 0 : random(undefined) * Math.min(max, base * 2 ** (attempt - 1), Number.MAX_VALUE);
}
