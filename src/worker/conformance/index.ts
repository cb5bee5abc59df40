/**
 * `headgate/worker/conformance`: the contract of a {@link Source} as a list of tests, for any broker and any test runner.
 *
 * Invariants:
 * - Each case has a lab of its own, an empty queue, so the cases may run in any order and at the same time.
 * - A case waits for what must happen, and no longer than `patience`; only what must not happen is watched for a fixed time.
 * - What the broker cannot do is not tested, and the case says so by name. Nothing is left out silently.
 * - All its time is the library's, so a source in memory can be tested in a bubble, in virtual time.
 */
import { given, isA, textOf } from "../../internal/foreign.ts";
import { Bench, Fault } from "./probe.ts";
import { pulls } from "./pulls.ts";
import { verdicts } from "./verdicts.ts";
import { onlyKnown } from "../../internal/args.ts";
import type { Delivery, Source } from "../source.ts";

/** One fresh, empty queue, for one case. */
export interface Lab<D extends Delivery<string> = Delivery<string>> {
  /** A worker's view of the queue. It must hand over 250 messages without a verdict. */
  readonly source: Source<D>;
  /** A second consumer of the same queue, as another process would have it. */
  readonly other: Source<D>;
  /** Publishes in this order. Resolves when the broker has all of them. */
  readonly publish: (
    bodies: readonly string[],
    options?: { readonly key?: string; readonly attributes?: Readonly<Record<string, string>> },
  ) => Promise<void>;
  /** What has been dead-lettered; asked again until it is there. Not called if `traits.deadLetters` is false. */
  readonly deadLetters: () => Promise<readonly { readonly body: string; readonly reason: string }[]>;
  /** How many messages are not settled yet, where the broker can tell; asked again until it is right. */
  readonly size?: () => Promise<number>;
  /** Called once, after the case, whether it passed or not. */
  readonly close: () => Promise<void>;
}

/** What the broker can do. The cases that ask for more than that are left out, by name. */
export interface Traits {
  /**
   * How long a lease lasts in the lab, in ms; `Infinity` if a delivery is held until the connection ends. Messages that come back
   * are expected well before that, so a short lease makes a busy machine look like a fault: 2 000 is a good choice.
   */
  readonly lease: number;
  /** A verdict after a lost lease is reported, and does not touch the next holder's delivery. */
  readonly fenced: boolean;
  /** A nack honours its delay. */
  readonly delayed: boolean;
  /** Deliveries carry the count of their attempts. */
  readonly attempts: boolean;
  /** A release costs no attempt. false: it costs one, as does what a consumer was sent and never handed over. */
  readonly releaseIsFree: boolean;
  /** The source has `deadLetter`. */
  readonly deadLetters: boolean;
  /** Messages can have an ordering key. */
  readonly keys: boolean;
  /** Messages can have attributes. */
  readonly attributes: boolean;
  /** A single consumer gets the messages in the order of publishing. */
  readonly ordered: boolean;
  /** How long anything may take that should happen at once, in ms. 5 000 */
  readonly patience?: number;
  /** How long a pull may take to settle after the end of its ctx, in ms. 2 000 */
  readonly soon?: number;
}

/** One rule of the contract. */
export interface Case {
  /** The rule, as a sentence. */
  readonly name: string;
  /** Why this broker is not held to it. Then `run` must not be called. */
  readonly leftOut?: string;
  /** Rejects with an Error that names the rule, and what was seen instead. */
  readonly run: () => Promise<void>;
}

/**
 * The contract of a source as a list of cases. Give each to your test runner, and skip those with `leftOut`, which says why.
 *
 * The lab is made anew for each case. A case takes a few ms, or a little more than the lease where it has to outlast one.
 *
 * **Errors**: TypeError or RangeError for traits that make no sense. `run` rejects when the rule is broken, and when the lab cannot be
 * made or closed.
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
    if (TRAITS[name] !== "yes or no" || typeof value === "boolean") continue;
    throw new TypeError(
      `conformance: ${name} must be true or false, for it is what the broker can do; got ${given(value)}`,
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
    const leftOut = unless?.(traits);
    if (leftOut === undefined) return { name, run: () => run(name, makeLab, traits, check) };
    const run1 = async (): Promise<void> => {
      throw new Error(`${name}: this case is left out, for ${leftOut}`);
    };
    return { name, leftOut, run: run1 };
  });
}

const TRAITS = {
  lease: "ms",
  fenced: "yes or no",
  delayed: "yes or no",
  attempts: "yes or no",
  releaseIsFree: "yes or no",
  deadLetters: "yes or no",
  keys: "yes or no",
  attributes: "yes or no",
  ordered: "yes or no",
  patience: "ms",
  soon: "ms",
} as const satisfies Record<keyof Traits, string>;

async function run<D extends Delivery<string>>(
  name: string,
  makeLab: () => Promise<Lab<D>>,
  traits: Traits,
  check: (bench: Bench<D>) => Promise<void>,
): Promise<void> {
  const lab = await makeLab();
  let broken: Error | undefined;
  try {
    await check(new Bench(lab, traits));
  } catch (error) {
    const what = isA(error, Fault) ? error.message : `failed with ${textOf(error)}`;
    broken = new Error(`the source breaks a rule: ${name}: ${what}`, { cause: error });
  }
  try {
    await lab.close();
  } catch (error) {
    // Who breaks a rule may well break the lab, too. It is the rule that matters.
    broken ??= new Error(`the lab could not be closed: ${name}: ${textOf(error)}`, { cause: error });
  }
  if (broken !== undefined) throw broken;
}
