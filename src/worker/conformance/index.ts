/**
 * `headgate/worker/conformance`: the contract of a {@link Source} as a list of tests, for any broker and any test
 * runner.
 *
 * Invariants:
 * - Each case has a lab of its own, an empty queue, so the cases may run in any order and at the same time.
 * - A case waits for what must happen, at most for `patience`. Only for what must not happen does it watch a fixed
 *   time.
 * - A rule that the broker cannot keep is not tested, and its case says why. No case is skipped silently.
 * - All its time is the library's, so a source in memory can be tested in a bubble, in virtual time.
 */
import { given, isA, textOf } from "../../internal/foreign.ts";
import { Fault, Probe } from "./probe.ts";
import { pulls } from "./pulls.ts";
import { verdicts } from "./verdicts.ts";
import { onlyKnown } from "../../internal/args.ts";
import type { Case, Lab, Traits } from "./types.ts";
import type { Delivery } from "../source.ts";

export type { Case, Lab, Traits } from "./types.ts";

/**
 * The contract of a source as a list of cases. Give each to your test runner, and skip those with `skip`, which says
 * why.
 *
 * Each case makes a lab of its own. It takes a few ms, or a little more than the lease if it has to outlast one.
 *
 * **Errors**: TypeError or RangeError for invalid traits. `run` rejects when the rule is broken, and when the lab
 * cannot be made or closed.
 *
 * @example
 * ```ts
 * import { type Delivery, memoryBroker } from "headgate/worker";
 * import { conformance, type Lab } from "headgate/worker/conformance";
 *
 * const makeLab = async (): Promise<Lab<Delivery<string>>> => {
 *   const broker = memoryBroker<string>({ lease: 500 });
 *   return {
 *     source: broker,
 *     other: broker,
 *     publish: async (bodies, options) => {
 *       for (const body of bodies) await broker.publish(body, options);
 *     },
 *     deadLetters: async () => broker.deadLetters.map(({ body, error }) => ({ body, reason: String(error) })),
 *     close: async () => {},
 *   };
 * };
 * const all = { fenced: true, delayed: true, attempts: true, releaseIsFree: true, deadLetters: true, keys: true, attributes: true };
 * const cases = conformance(makeLab, { ...all, ordered: true, lease: 500 });
 * await cases[0]!.run();
 * console.log(cases[0]!.name); // => a pull hands over what was published, each message once
 * ```
 */
export function conformance<D extends Delivery<string>>(
  makeLab: () => Promise<Lab<D>>,
  traits: Traits,
): readonly Case[] {
  if (typeof makeLab !== "function")
    throw new TypeError("conformance: the first argument must be a function that makes a lab");
  traits = onlyKnown("conformance", traits, TRAITS);
  for (const name of Object.keys(TRAITS) as (keyof Traits)[]) {
    const value: unknown = traits[name];
    if (TRAITS[name] !== "boolean" || typeof value === "boolean") continue;
    throw new TypeError(
      `conformance: ${name} must be true or false, as the broker has that ability or not; got ${given(value)}`,
    );
  }
  for (const name of ["lease", "patience", "soon"] as const) {
    const value: unknown = traits[name];
    if (value === undefined && name !== "lease") continue;
    if (typeof value !== "number" || !(value > 0)) {
      throw new RangeError(`conformance: ${name} must be a positive number of ms; got ${given(value)}`);
    }
  }
  return [...pulls<D>(), ...verdicts<D>()].map(({ name, unless, check }): Case => {
    const skip = unless?.(traits);
    if (skip === undefined) return { name, run: () => run(name, makeLab, traits, check) };
    const refuse = async (): Promise<void> => {
      throw new Error(`${name}: this case is skipped, because ${skip}`);
    };
    return { name, skip, run: refuse };
  });
}

const TRAITS = {
  lease: "ms",
  fenced: "boolean",
  delayed: "boolean",
  attempts: "boolean",
  releaseIsFree: "boolean",
  deadLetters: "boolean",
  keys: "boolean",
  attributes: "boolean",
  ordered: "boolean",
  patience: "ms",
  soon: "ms",
} as const satisfies Record<keyof Traits, string>;

async function run<D extends Delivery<string>>(
  name: string,
  makeLab: () => Promise<Lab<D>>,
  traits: Traits,
  check: (probe: Probe<D>) => Promise<void>,
): Promise<void> {
  const lab = await makeLab();
  let broken: Error | undefined;
  try {
    await check(new Probe(lab, traits));
  } catch (error) {
    const what = isA(error, Fault) ? error.message : `failed with ${textOf(error)}`;
    broken = new Error(`the source breaks a rule: ${name}: ${what}`, { cause: error });
  }
  try {
    await lab.close();
  } catch (error) {
    // A source that breaks a rule may break the lab, too. The rule matters more.
    broken ??= new Error(`the lab could not be closed: ${name}: ${textOf(error)}`, { cause: error });
  }
  if (broken !== undefined) throw broken;
}
