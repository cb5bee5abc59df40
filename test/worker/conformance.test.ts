/**
 * The conformance suite of sources: the broker in memory passes, and a source that breaks a rule fails the test of that rule.
 */
import { describe, expect, it } from "vitest";
import { context, time } from "../../src/index.ts";
import { bubble } from "../../src/testing/index.ts";
import { conformance, type Lab } from "../../src/worker/conformance.ts";
import { type Delivery, memoryBroker, type Source } from "../../src/worker/index.ts";

type Broken = (source: Source<Delivery<string>>) => Partial<Source<Delivery<string>>>;

const lab =
  (broken: Broken = () => ({})) =>
  async (lease: number): Promise<Lab<Delivery<string>>> => {
    const broker = memoryBroker<string>({ lease });
    const { pull, ack, nack, deadLetter, extend } = broker;
    const source = { lease, pull, ack, nack, deadLetter, extend };
    const made = { ...source, ...broken(source) };
    return {
      source: made,
      other: made,
      publish: (body, attributes) => broker.publish(body, { attributes }),
      deadLetters: async () => broker.deadLetters.map(({ body, error }) => ({ body, reason: String(error) })),
      close: async () => {},
    };
  };

const traits = { freeRelease: true };

describe("the broker in memory keeps the contract of a source", () => {
  for (const { name, run } of conformance(lab(), traits)) it(name, () => bubble(run));
});

describe("the conformance suite finds a source", () => {
  const cases: readonly (readonly [what: string, finds: RegExp, broken: Broken])[] = [
    [
      "that loses attributes",
      /intact: an attribute is missing/,
      (s) => ({
        pull: async (ctx, max) => (await s.pull(ctx, max)).map(({ attributes: _, ...delivery }) => delivery),
      }),
    ],
    ["that hands over more than max", /3 were asked for, 7 came/, (s) => ({ pull: (ctx) => s.pull(ctx, 100) })],
    [
      "that does not wait",
      /published later: .*there is nothing/,
      (s) => ({
        pull: async (ctx, max) => {
          const [soon, cancel] = context.withTimeout(ctx, 0);
          using _ = cancel;
          const got = await s.pull(soon, max);
          if (got.length === 0) throw new Error("there is nothing");
          return got;
        },
      }),
    ],
    [
      "whose pull rejects at the end of its ctx",
      /canceled|deadline/,
      (s) => ({
        pull: async (ctx, max) => {
          const got = await s.pull(ctx, max);
          if (got.length === 0 && ctx.err() !== undefined) throw ctx.err();
          return got;
        },
      }),
    ],
    [
      "whose pull ignores its ctx",
      /has not settled/,
      (s) => ({
        pull: async (ctx, max) => {
          const got = await s.pull(ctx, max);
          if (got.length === 0) await time.sleep(100_000);
          return got;
        },
      }),
    ],
    [
      "that strands what came as it was stopped",
      /strands no message.*should have come|strands no message.*have come/,
      (s) => ({
        pull: async (ctx, max) => {
          const got = await s.pull(ctx, max);
          await time.sleep(1);
          return ctx.err() === undefined ? got : [];
        },
      }),
    ],
    [
      "that delivers twice",
      /delivered twice|same id|were delivered/,
      (s) => ({
        pull: async (ctx, max) => {
          const got = await s.pull(ctx, max);
          return got.length > 0 && got.length < max ? [...got, got[0]!] : got;
        },
      }),
    ],
    ["that does not ack", /is gone.*it was acked, but it came/, () => ({ ack: async () => [] })],
    ["that does not nack", /brings a message back.*should have come/, () => ({ nack: async () => [] })],
    [
      "that knows no delay",
      /for its delay: it came after/,
      (s) => ({
        nack: (ctx, items) =>
          s.nack(
            ctx,
            items.map((item) => ({ ...item, delay: 0 })),
          ),
      }),
    ],
    [
      "that does not count",
      /counted from 1: delivery 2 says it is number 1/,
      (s) => ({
        nack: (ctx, items) =>
          s.nack(
            ctx,
            items.map((item) => ({ ...item, why: "released" as const })),
          ),
      }),
    ],
    [
      "whose releases cost an attempt",
      /costs no attempt: it was attempt 1, and is 2/,
      (s) => ({
        nack: (ctx, items) =>
          s.nack(
            ctx,
            items.map((item) => ({ ...item, why: "failed" as const })),
          ),
      }),
    ],
    ["that does not extend", /extended is kept/, () => ({ extend: async () => [] })],
    [
      "that hides lost leases",
      /ack of a lost lease.*does not return/,
      (s) => ({ ack: async (ctx, deliveries) => void (await s.ack(ctx, deliveries)) }),
    ],
    [
      "that keeps no reason",
      /body and the reason.*the reason is/,
      (s) => ({
        deadLetter: (ctx, items) =>
          s.deadLetter!(
            ctx,
            items.map((item) => ({ ...item, error: "?" })),
          ),
      }),
    ],
    [
      "whose verdicts hang",
      /has not settled/,
      (s) => ({
        ack: async (ctx, deliveries) => {
          await time.sleep(100_000);
          return s.ack(ctx, deliveries);
        },
      }),
    ],
  ];

  const findings = async (broken: Broken): Promise<string[]> => {
    const found: string[] = [];
    for (const { run } of conformance(lab(broken), traits)) {
      await bubble(run).catch((error: unknown) => found.push(String(error)));
    }
    return found;
  };

  for (const [what, finds, broken] of cases) {
    it(what, async () => {
      const found = await findings(broken);
      expect(found.filter((text) => finds.test(text)).length, found.join("\n")).toBeGreaterThan(0);
    });
  }

  it("only by tests that a correct one passes: what it cannot do is left out by its traits", () => {
    const names = (given: Parameters<typeof conformance>[1]): string[] =>
      conformance(lab() as never, given).map(({ name }) => name);
    const left = names({ fenced: false, delays: false, attempts: false });
    expect(names(traits).filter((name) => !left.includes(name)).length).toBe(7);
  });

  it("and says so at once if it is given no lab", () => {
    expect(() => conformance(undefined as never)).toThrow(TypeError);
  });
});
