/**
 * The invariants I1 to I8 of a worker in other orders of its tasks than the plain one: what the default options of
 * `explore` try. The scenario is in `explore.ts`.
 */
import { explore } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { type Mode, scenario } from "./explore.ts";

describe("in other orders of its tasks, too, a worker keeps its invariants (I1–I8)", () => {
  it.each<[mode: Mode, broker: "pile" | "memory"]>([
    ["plain", "pile"],
    ["ack fails", "pile"],
    ["ack hangs", "pile"],
    ["pull hangs", "pile"],
    ["a handler never returns", "memory"],
    ["a handler is deaf to its ctx", "memory"],
  ])("when the mode is: %s, and the %s has the messages", { timeout: 60_000 }, async (mode, broker) => {
    const { schedules, points } = await explore(scenario(mode, { broker }));
    // After the points and the hops, what the search finds and 500 by chance.
    expect(schedules - points).toBeGreaterThan(1_000);
  });

  it.each<Mode>(["plain", "ack hangs", "a handler never returns"])(
    "when it is aborted at any point, and nobody has stopped it before, and the mode is: %s",
    { timeout: 60_000 },
    async (mode) => {
      const { schedules, points } = await explore(scenario(mode, { signal: "abort" }));
      expect(schedules - points).toBeGreaterThan(1_000);
    },
  );
});
