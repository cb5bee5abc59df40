/**
 * docs/cookbook.md: each recipe is cancelled at every point, and tried in many orders. One that leaks, deadlocks, or breaks what its demo
 * checks fails.
 */
import { Chan, context, type Context, go } from "headgate";
import { type Bubble, DeadlockError, explore, LeakError, ScheduleError } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { test as lastRecipe } from "../../docs/cookbook/18-test.ts";
import { recipes } from "./cookbook.ts";
import { failureOf } from "../support/errors.ts";

type Demo = (ctx: Context, log: (text: unknown) => void) => Promise<void>;

/** It may end by the error of ctx, or by what its pieces of work make of that; but only if ctx has ended. */
const scenarioOf =
  (demo: Demo) =>
  async (t: Bubble): Promise<void> => {
    const error: unknown = await demo(t.ctx, () => {}).catch((error: unknown) => error);
    if (error === undefined || error === t.ctx.err()) return;
    if (t.ctx.err() === undefined || !(error instanceof context.Canceled)) throw error;
  };

describe("however they end, and in whatever order", () => {
  it.each(recipes.filter(({ prints }) => prints.length > 0))("$file leaves nothing behind", async ({ demo }) => {
    const { points } = await explore(scenarioOf(demo));
    expect(points).toBeGreaterThan(2);
  });

  it("18-test.ts explores by itself", async () => {
    expect(await lastRecipe()).toBeGreaterThan(10);
  });
});

describe("what goes wrong is found:", () => {
  it.each<[string, Demo, typeof LeakError | typeof DeadlockError]>([
    ["a context that is left", async (ctx) => void context.withCancel(ctx)[0].err(), LeakError],
    ["a task that is left", async () => go(() => new Chan().recv()), LeakError],
    ["a wait that never ends", async () => void (await new Chan().recv()), DeadlockError],
  ])("%s", async (_, demo, Class) => {
    const { cause } = await failureOf(explore(scenarioOf(demo)), ScheduleError);
    expect(cause).toBeInstanceOf(Class);
  });
});
