/**
 * What the examples of Go's package context show.
 */
import { describe, expect, it } from "vitest";
import { Chan, type Context, context, go, type RecvChan, select, sending } from "headgate";
import { elapse, settle, virtualTime } from "../support/clock.ts";

const { background, withCancel, withDeadline, withTimeout, withValue } = context;

virtualTime();

describe("an example", () => {
  it("a generator leaves when its reader has enough [context/example_test.go ExampleWithCancel]", async () => {
    let left = false;
    const numbers = (ctx: Context): RecvChan<number> => {
      const out = new Chan<number>();
      go(async () => {
        for (let n = 1; ; n++) {
          const { case: chosen } = await select({ done: ctx.done(), out: sending(out, n) });
          if (chosen === "done") break;
        }
        left = true;
      });
      return out;
    };
    const [ctx, cancel] = withCancel(background());
    const got: number[] = [];
    for await (const n of numbers(ctx)) {
      got.push(n);
      if (n === 5) break;
    }
    expect([got, left]).toEqual([[1, 2, 3, 4, 5], false]);
    cancel();
    await settle();
    expect(left).toBe(true);
  });

  it.each([
    ["a deadline", () => withDeadline(background(), Date.now() + 1)],
    ["a timeout", () => withTimeout(background(), 1)],
  ])(
    "%s ends a wait [context/example_test.go ExampleWithDeadline] [context/example_test.go ExampleWithTimeout]",
    async (_, make) => {
      const [ctx, cancel] = make();
      using _cancel = cancel;
      const got = select({ never: new Chan<void>(), done: ctx.done() });
      await elapse(1);
      expect([(await got).case, ctx.err()?.message]).toEqual(["done", "context deadline exceeded"]);
    },
  );

  it("a value is found by its key only [context/example_test.go ExampleWithValue]", () => {
    const language = context.key<string>("language");
    const ctx = withValue(background(), language, "Go");
    expect([ctx.value(language), ctx.value(context.key<string>("color"))]).toEqual(["Go", undefined]);
  });
});
