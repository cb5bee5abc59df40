/**
 * What the conformance suite is tried with: a lab in memory, whose sources may break a rule.
 */
import { bubble } from "headgate/testing";
import { type Delivery, memoryBroker, type Source } from "headgate/worker";
import { conformance, type Lab, type Traits } from "headgate/worker/conformance";

export type D = Delivery<string>;

/** A broker that can do everything. */
export const traits: Traits = {
  lease: 2_000,
  fenced: true,
  delayed: true,
  attempts: true,
  releaseIsFree: true,
  deadLetters: true,
  keys: true,
  attributes: true,
  ordered: true,
};

/** A lab in memory, whose sources may be changed. */
export const lab =
  (
    change: (source: Source<D>) => Partial<Source<D>> = () => ({}),
    options: { readonly lease?: number } = { lease: 2_000 },
  ) =>
  async (): Promise<Lab<D>> => {
    const broker = memoryBroker<string>(options);
    /** With the list of its letters, for bugs that change it. */
    const plain = (): Source<D> & Pick<typeof broker, "deadLetters"> => ({
      deadLetters: broker.deadLetters,
      lease: broker.lease,
      pull: broker.pull,
      ack: broker.ack,
      nack: broker.nack,
      deadLetter: broker.deadLetter,
      extend: broker.extend,
    });
    const changed = (): Source<D> => {
      const source = plain();
      return { ...source, ...change(source) };
    };
    return {
      source: changed(),
      other: changed(),
      publish: async (bodies, options) => {
        for (const body of bodies) await broker.publish(body, options);
      },
      deadLetters: async () =>
        broker.deadLetters.map(({ body, error, attributes }) => ({
          body,
          reason: String(error),
          attributes: attributes ?? null,
        })),
      size: async () => broker.size,
      close: async () => {},
    };
  };

/** The messages of the cases that fail. */
export async function failures(makeLab: () => Promise<Lab<D>>, traits: Traits): Promise<readonly string[]> {
  const found: string[] = [];
  for (const { skip, run } of conformance(makeLab, traits)) {
    if (skip !== undefined) continue;
    // A source that hangs, or forgets, may break the rules of the bubble as well.
    const note = (error: Error): void => void found.push(error.message);
    await bubble(() => run().catch(note)).catch(note);
  }
  return found;
}
