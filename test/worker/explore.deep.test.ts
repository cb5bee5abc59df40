/**
 * The invariants I1 to I8 of a worker at every point at which it can be stopped, and at every point at which it can be
 * aborted after that. The scenario is in `explore.ts`.
 */
import { explore, type ExploreReport } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { type Mode, MODES, scenario, type ScenarioOptions } from "./explore.ts";

const verdicts = ["acked", "retried", "released", "dead"];
const stops = ["source ended", "cancelled", "aborted"];

/** Everything that must happen in one schedule or another, or they would prove little. */
const OUTCOMES: Record<Mode, readonly string[]> = {
  plain: [...stops, ...verdicts],
  "pull fails": [...stops, ...verdicts],
  // An ack that was done, of which the worker does not know, is sent again: its lease is lost by then.
  "ack fails": [...stops, ...verdicts, "expired", "lease lost"],
  "ack hangs": [...stops, ...verdicts, "expired"],
  "pull hangs": ["failed", "cancelled", "aborted", ...verdicts, "pulled late"],
  "a handler never returns": [...stops, ...verdicts, "abandoned"],
  "a handler is deaf to its ctx": [...stops, ...verdicts, "abandoned"],
};

interface Explored {
  readonly report: ExploreReport;
  readonly outcomes: ReadonlySet<string>;
}

const explored = new Map<Mode, Promise<Explored>>();

/** Explores a mode, once, however often it is asked for. */
function everywhere(mode: Mode): Promise<Explored> {
  const known = explored.get(mode);
  if (known !== undefined) return known;
  const outcomes = new Set<string>();
  const options: ScenarioOptions = { outcome: (what) => outcomes.add(what) };
  const found = explore(scenario(mode, options), { search: false, signals: 2, maxSchedules: 100_000 });
  const result = found.then((report) => ({ report, outcomes }));
  explored.set(mode, result);
  return result;
}

describe("stopped at any point, and aborted at any later one, a worker keeps its invariants (I1–I8)", () => {
  it.each(MODES)("when the mode is: %s", { timeout: 60_000 }, async (mode) => {
    const { report, outcomes } = await everywhere(mode);
    expect(report.complete).toBe(true);
    expect(report.points).toBeGreaterThan(50);
    expect(outcomes).toEqual(new Set(OUTCOMES[mode]));
  });

  it("when the mode is: plain, and memoryBroker has the messages", { timeout: 60_000 }, async () => {
    const options = { broker: "memory" } as const;
    const report = await explore(scenario("plain", options), { search: false, signals: 2, maxSchedules: 100_000 });
    expect(report.complete).toBe(true);
    expect(report.points).toBeGreaterThan(50);
  });

  it("in more than 10 000 schedules, the modes taken together", { timeout: 120_000 }, async () => {
    let schedules = 0;
    for (const mode of MODES) schedules += (await everywhere(mode)).report.schedules;
    expect(schedules).toBeGreaterThan(10_000);
  });
});
