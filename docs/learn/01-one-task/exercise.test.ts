import { context, type Context, time } from "headgate";
import { bubble } from "headgate/testing";
import { expect, it } from "vitest";
import { ask } from "./exercise.ts";

const server =
  (ms: number) =>
  async (ctx: Context): Promise<string> => {
    await time.sleep(ms, ctx);
    return "tea";
  };

it("gets the answer of a fast server, and leaves nothing behind", () =>
  bubble(async (t) => {
    expect(await ask(t.ctx, 30, server(10))).toBe("tea");
  }));

it("gives up a slow server after 30 ms", () =>
  bubble(async (t) => {
    const begun = t.now();
    await expect(ask(t.ctx, 30, server(100))).rejects.toBeInstanceOf(context.DeadlineExceeded);
    expect(t.now() - begun).toBe(30);
  }));

it("gives up when the context of its caller ends", () =>
  bubble(async (t) => {
    time.afterFunc(20, () => t.cancel());
    await expect(ask(t.ctx, 30, server(100))).rejects.toThrow("context canceled");
  }));
