/**
 * Policies: the number of tries of something, and the pauses between them.
 */
import { duration } from "./args.ts";
import { shown } from "./foreign.ts";

/** The policy of `retry.run`. */
export interface Policy {
  /**
   * The number of tries in all: a whole number from 1, or `Infinity`.
   *
   * @default 5
   */
  readonly tries?: number;
  /**
   * The ceiling of the first pause, in ms. It doubles with each try.
   *
   * @default 500
   */
  readonly base?: number;
  /**
   * The ceiling of every pause, in ms.
   *
   * @default 60_000
   */
  readonly max?: number;
  /**
   * The time that one try may take, in ms: the deadline of the context it gets. Without it a try gets `ctx` itself.
   *
   * @default undefined
   */
  readonly timeout?: number;
}

/**
 * The policy with nothing left open, read once. `where` names what it was given to.
 *
 * **Errors**: RangeError or TypeError for a policy that makes no sense.
 */
export function checkedPolicy(
  policy: Policy,
  where: string,
): Required<Omit<Policy, "timeout">> & Pick<Policy, "timeout"> {
  if (typeof policy !== "object" || policy === null)
    throw new TypeError(`${where}: expected a policy object, got ${shown(policy)}`);
  const { tries = 5, base = 500, max = 60_000, timeout } = read(policy, where);
  if (tries !== Infinity && (!Number.isSafeInteger(tries) || tries < 1)) {
    throw new RangeError(`${where}: policy.tries must be a whole number from 1, or Infinity; got ${shown(tries)}`);
  }
  for (const [name, ms] of [
    ["base", base],
    ["max", max],
  ] as const) {
    if (duration(ms, `${where}: policy.${name}`) < 0)
      throw new RangeError(`${where}: policy.${name} must not be negative; got ${ms}`);
  }
  if (timeout === undefined) return { tries, base, max };
  return { tries, base, max, timeout: duration(timeout, `${where}: policy.timeout`) };
}

function read(policy: Policy, where: string): Policy {
  try {
    const { tries, base, max, timeout } = policy;
    return { tries, base, max, timeout } as Policy;
  } catch (cause) {
    throw new TypeError(`${where}: the policy cannot be read`, { cause });
  }
}
