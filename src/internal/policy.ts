/**
 * Policies: the number of tries of something, and the pauses between them.
 */
import { duration } from "./args.ts";
import { hasMethod, isPlain, shown } from "./foreign.ts";

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
 * **Errors**: RangeError for a value that makes no sense; TypeError for an unknown option, or for what is no options.
 */
export function checkedPolicy(
  policy: Policy,
  where: string,
): Required<Omit<Policy, "timeout">> & Pick<Policy, "timeout"> {
  const isObject = typeof policy === "object" && policy !== null;
  const { names, values } = isObject ? read(policy, where) : { names: [], values: [] };
  // A promise, a Map or a Context has no option, and is no options.
  if (!isObject || (!isPlain(policy) && values.every((value) => value === undefined)))
    throw new TypeError(
      `${where}: expected an options object, got ${hasMethod(policy, "err") ? "a Context" : shown(policy)}`,
    );
  const unknown = names.find((name) => !NAMES.includes(name));
  if (unknown !== undefined)
    throw new TypeError(`${where}: there is no option ${unknown}; there are ${NAMES.join(", ")}`);
  const [tries = 5, base = 500, max = 60_000, timeout] = values;
  if (tries !== Infinity && (!Number.isSafeInteger(tries) || tries < 1)) {
    throw new RangeError(`${where}: policy.tries must be a whole number from 1, or Infinity; got ${shown(tries)}`);
  }
  [base, max, timeout === undefined ? 0 : timeout].forEach((ms, i) => {
    const what = `${where}: policy.${NAMES[i + 1]}`;
    if (duration(ms, what) < 0) throw new RangeError(`${what} must not be negative; got ${ms}`);
  });
  return timeout === undefined ? { tries, base, max } : { tries, base, max, timeout };
}

const NAMES = ["tries", "base", "max", "timeout"];

/** The names that it has of its own, and the values of those in `NAMES`. */
function read(policy: Policy, where: string): { names: string[]; values: (number | undefined)[] } {
  try {
    const { tries, base, max, timeout } = policy;
    return { names: Object.keys(policy), values: [tries, base, max, timeout] };
  } catch (cause) {
    throw new TypeError(`${where}: the policy cannot be read`, { cause });
  }
}
