/**
 * Whatever is thrown in a saga, by a step, an undo, the sink, or as the cause of a cancellation, it has failed: what was thrown is never
 * awaited, nor does it break who looks at it.
 */
import { context, retry } from "headgate";
import { type DeadLetter, NotApplied, type Result, saga, type SagaOptions } from "headgate/saga";
import { bubble } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { odd } from "../support/foreign.ts";

const fast = { budget: 1_000, retry: { tries: 2, base: 1 } };

/** Throws at once, or rejects. */
const ways: readonly (readonly [how: string, fail: (make: () => unknown) => unknown])[] = [
  [
    "throws",
    (make) => {
      throw make();
    },
  ],
  ["rejects with", (make) => new Promise((_, reject) => reject(make() as Error))],
];
const cases = ways.flatMap(([how, fail]) => odd.map(([what, make]) => [how, what, () => fail(make) as never] as const));

/** Runs it in a bubble, which would find what hangs or is left to reject. */
async function play<Done>(
  run: (options: SagaOptions, ctx: context.Context) => Promise<Result<Done>>,
  options: Partial<SagaOptions> = {},
): Promise<{ result: Result<Done>; letters: DeadLetter[] }> {
  const letters: DeadLetter[] = [];
  let result: Result<Done> | undefined;
  await bubble(async (t) => {
    const deadLetter = (_: context.Context, letter: DeadLetter): void => void letters.push(letter);
    result = await run({ compensation: fast, deadLetter, ...options }, t.ctx);
  });
  return { result: result!, letters };
}

describe.each(cases)("when it %s %s,", (_how, _what, fail) => {
  it("a step has failed, and is undone", async () => {
    const undone: string[] = [];
    const order = saga("s")
      .step(
        "a",
        () => 1,
        () => void undone.push("a"),
      )
      .step("b", fail, () => void undone.push("b"));
    const { result } = await play((options, ctx) => order.run(ctx, 0, options));
    expect([result.status, undone]).toEqual(["compensated", ["b", "a"]]);
    expect(result.log.map(({ outcome }) => outcome)).toEqual(["compensated", "compensated"]);
  });

  it("a step that is tried again is tried again", async () => {
    const order = saga("s").step(
      "a",
      (_, { attempt }) => (attempt < 3 ? fail() : attempt),
      () => {},
      {
        retry: { tries: 3, base: 1 },
      },
    );
    const { result } = await play((options, ctx) => order.run(ctx, 0, options));
    expect(result).toMatchObject({ status: "committed", output: { a: 3 } });
  });

  it("a step after a pivot is to be finished", async () => {
    const order = saga("s")
      .step(
        "a",
        () => 1,
        () => {},
        { pivot: true },
      )
      .step("b", fail);
    const { result, letters } = await play((options, ctx) => order.run(ctx, 0, options));
    expect(result.status).toBe("dead-lettered");
    expect(letters).toMatchObject([{ step: "b", todo: "finish", reason: "failed", errors: [{}, {}] }]);
    expect(JSON.parse(JSON.stringify(letters))).toEqual(letters);
  });

  it("an undo has failed, and those of the others go on", async () => {
    const order = saga("s")
      .step(
        "a",
        () => 1,
        () => {},
      )
      .step("b", () => 2, fail)
      .step("c", () => Promise.reject(new NotApplied()));
    const { result, letters } = await play((options, ctx) => order.run(ctx, 0, options));
    expect(result.status).toBe("dead-lettered");
    expect(letters).toMatchObject([{ step: "b", todo: "undo", reason: "failed", errors: [{}, {}] }]);
  });

  it("the sink has failed", async () => {
    const order = saga("s").step("a", () => Promise.reject(new Error("boom")));
    const deadLetter = fail as SagaOptions["deadLetter"];
    const { result } = await play((options, ctx) => order.run(ctx, 0, options), { deadLetter });
    expect(result).toMatchObject({ status: "lost", letters: [{ step: "a" }], errors: [expect.anything()] });
  });

  it("an observer changes nothing", async () => {
    const observe = fail as NonNullable<SagaOptions["observe"]>;
    const order = saga("s").step(
      "a",
      () => 1,
      () => {},
    );
    const { result } = await play((options, ctx) => order.run(ctx, 0, options), { observe });
    expect(result.status).toBe("committed");
  });
});

describe.each(odd)("when the cause of a cancellation is %s,", (_what, make) => {
  it("what was begun is undone", async () => {
    const undone: string[] = [];
    const { result } = await play((options, parent) => {
      const [ctx, cancel] = context.withCancelCause(parent);
      const order = saga("s")
        .step(
          "a",
          () => cancel(make()),
          () => void undone.push("a"),
        )
        .step(
          "b",
          () => 2,
          () => void undone.push("b"),
        );
      return order.run(ctx, 0, options);
    });
    expect([result.status, undone]).toEqual(["compensated", ["a"]]);
  });

  it("a Permanent with it as its cause is not taken for a NotApplied", async () => {
    const order = saga("s").step("a", () => Promise.reject(new retry.Permanent("no", { cause: make() })));
    const { result } = await play((options, ctx) => order.run(ctx, 0, options));
    expect(result.log).toMatchObject([{ outcome: "dead-lettered", attempts: 1 }]);
  });
});

describe("a step", () => {
  it("cannot be called then, for the outputs would be taken for a promise", () => {
    expect(() => saga("s").step("then", () => () => {})).toThrow("saga: a step cannot be called then");
  });

  it.each(["a promise of a value", "a value with a then"])("may return %s, which is awaited", async (what) => {
    const value = what === "a promise of a value" ? Promise.resolve(7) : { then: (ok: (n: number) => void) => ok(7) };
    const order = saga("s").step(
      "a",
      () => value as Promise<number>,
      () => {},
    );
    const { result } = await play((options, ctx) => order.run(ctx, 0, options));
    expect(result).toMatchObject({ status: "committed", output: { a: 7 } });
  });
});
