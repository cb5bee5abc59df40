/**
 * Whatever operation fails, the saga's own among them, `run` resolves.
 */
import { context, time } from "headgate";
import { saga } from "headgate/saga";
import { explore } from "headgate/testing";
import { expect, it } from "vitest";

it.each([
  ["is committed", 0],
  ["is undone", 1],
  ["has a pivot", 2],
])("a saga resolves, whichever operation fails: one that %s", async (_, mode) => {
  const fail = new Error("refused");
  const seen = new Set<string>();
  const nap = (ctx: context.Context): Promise<void> => time.sleep(1, ctx);
  const last = mode === 1 ? () => Promise.reject(new Error("boom")) : nap;
  const { schedules } = await explore(
    async (t) => {
      const running = saga("s")
        .step("a", nap, nap, { pivot: mode === 2 })
        .step("b", last, nap)
        .run(t.ctx, undefined, { id: "1", deadLetter: nap });
      const result = await running.catch((error: unknown) => {
        throw new Error("it has rejected", { cause: error });
      });
      seen.add(result.status);
      await t.sleep(10_000).catch(() => {});
    },
    { fail, cancel: false, randomRuns: 0, bound: 0 },
  );
  expect(schedules).toBeGreaterThan(4);
  expect(seen).toContain(mode === 1 ? "compensated" : "committed");
});
