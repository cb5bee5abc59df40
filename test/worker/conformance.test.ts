/**
 * The conformance suite: the broker in memory passes, and what a broker cannot do is skipped by name. Sources that break a rule are in
 * conformance-found.deep.test.ts.
 */
import { bubble } from "headgate/testing";
import { conformance, type Lab, type Traits } from "headgate/worker/conformance";
import { describe, expect, it } from "vitest";
import { type D, failures, lab, traits } from "./conformance-lab.ts";

describe("the broker in memory", () => {
  for (const { name, skip, run } of conformance(lab(), traits)) {
    it(`keeps the rule: ${name}`, async () => {
      expect(skip).toBeUndefined();
      await bubble(run);
    });
  }

  it("keeps the rules without a lease", async () => {
    expect(await failures(lab(undefined, { lease: Infinity }), { ...traits, lease: Infinity })).toEqual([]);
  });

  it("keeps them in real time, too", async () => {
    const inTime = async (lease: number): Promise<unknown[]> => {
      const cases = conformance(lab(undefined, { lease }), { ...traits, lease });
      const ended = await Promise.allSettled(cases.map(({ run }) => run()));
      return ended.filter(({ status }) => status === "rejected");
    };
    // A busy machine may be later than a short lease allows. What breaks a rule breaks it with a long one, too.
    if ((await inTime(300)).length > 0) expect(await inTime(3_000)).toEqual([]);
  });
});

describe("what a broker cannot do", () => {
  const least: Traits = {
    lease: Infinity,
    fenced: false,
    delayed: false,
    attempts: false,
    releaseIsFree: false,
    deadLetters: false,
    keys: false,
    attributes: false,
    ordered: false,
  };

  it("is skipped by name, with the reason, and everything else is tested", async () => {
    const cases = conformance(lab(), least);
    expect(cases.map(({ name }) => name)).toEqual(
      expect.arrayContaining(conformance(lab(), traits).map(({ name }) => name)),
    );
    const left = cases.filter(({ skip }) => skip !== undefined).map(({ name, skip }) => `${name}: ${skip}`);
    expect(left).toMatchInlineSnapshot(`
      [
        "the attributes arrive as they were published: the broker has no attributes",
        "the ordering key arrives as it was published, and no other message has one: the broker has no ordering keys",
        "a single consumer gets the messages in the order of publishing: the broker keeps no order",
        "a message that is nacked with a delay comes back after it, and not before: the broker cannot delay a delivery",
        "a delay may be longer than the lease: a delivery is held until the connection ends",
        "the attempt counts the deliveries from 1: the broker does not count attempts",
        "a release costs no attempt, and a failure after it costs one: the broker counts a release like any other delivery",
        "a message whose lease ran out goes to the next pull, and not before: a delivery is held until the connection ends",
        "a message whose lease is extended goes to no other consumer: a delivery is held until the connection ends",
        "ack after a lost lease is reported, and does not touch the next holder's delivery: a delivery is held until the connection ends",
        "nack after a lost lease is reported, and does not touch the next holder's delivery: a delivery is held until the connection ends",
        "release after a lost lease is reported, and does not touch the next holder's delivery: a delivery is held until the connection ends",
        "deadLetter after a lost lease is reported, and does not touch the next holder's delivery: a delivery is held until the connection ends",
        "extend after a lost lease is reported, and does not touch the next holder's delivery: a delivery is held until the connection ends",
        "a verdict on several counts for those that are held, and reports exactly the others: a delivery is held until the connection ends",
        "a dead letter is put aside with its body and the reason, and is gone from the queue: the source has no dead letters",
        "a dead letter keeps the attributes of its message, so that its trace goes on: the source has no dead letters",
        "a dead letter is put aside whatever was thrown, also what no header can hold: the source has no dead letters",
      ]
    `);
    expect(cases.length - left.length).toBeGreaterThan(15);
  });

  it("passes no case that is run although it is skipped", async () => {
    const left = conformance(lab(), least).filter(({ skip }) => skip !== undefined);
    for (const { name, skip, run } of left) {
      await expect(run()).rejects.toThrow(`${name}: this case is skipped, because ${skip}`);
    }
  });
});

describe("the suite", () => {
  it("refuses invalid traits", () => {
    expect(() => conformance(lab(), { ...traits, lease: 0 })).toThrow(/lease must be a positive number of ms; got 0/);
    expect(() => conformance(lab(), { ...traits, patience: -1 })).toThrow(/patience must be/);
    expect(() => conformance(undefined as never, traits)).toThrow(/a function that makes a lab/);
    expect(() => conformance(lab(), { ...traits, ordered: undefined as never })).toThrow(
      /ordered must be true or false/,
    );
    expect(() => conformance(lab(), { ...traits, order: true } as Traits)).toThrow(
      /no option order; there are lease, fenced/,
    );
  });

  it("closes the lab of a case, whether it passes or fails", async () => {
    let open = 0;
    const counted = (makeLab: () => Promise<Lab<D>>) => async (): Promise<Lab<D>> => {
      const made = await makeLab();
      open++;
      return { ...made, close: async () => void open-- };
    };
    const broken = lab(() => ({ ack: async () => Promise.reject(new Error("down")) }));
    for (const makeLab of [lab(), broken]) {
      const [first] = conformance(counted(makeLab), traits);
      await bubble(() => first!.run().catch(() => {}));
      expect(open).toBe(0);
    }
  });

  it("does not hang if a pull returns nothing and does not wait either", async () => {
    const [first] = conformance(
      lab(() => ({ pull: async () => [] })),
      traits,
    );
    await bubble(() => expect(first!.run()).rejects.toThrow("0 of the 10 expected came within 5000 ms"));
  });

  it("fails a case whose lab cannot be closed, and says which rule was broken, if one was", async () => {
    const unclosed = (makeLab: () => Promise<Lab<D>>) => async (): Promise<Lab<D>> => {
      return { ...(await makeLab()), close: () => Promise.reject(new Error("still open")) };
    };
    const broken = lab(() => ({ ack: async () => Promise.reject(new Error("down")) }));
    for (const [makeLab, message] of [
      [lab(), /the lab could not be closed: a pull hands over.*still open/],
      [broken, /the source breaks a rule: a pull hands over.*down/],
    ] as const) {
      const [first] = conformance(unclosed(makeLab), traits);
      await bubble(() => expect(first!.run()).rejects.toThrow(message));
    }
  });
});
