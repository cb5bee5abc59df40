/**
 * The invariants of a worker about leases and ordering keys (I9, I10), and the others with them, at every point at which
 * it can be stopped, and at every point at which it can be aborted after that. The scenario is in `explore-keys.ts`.
 */
import { explore, ScheduleError } from "headgate/testing";
import { type Source, worker } from "headgate/worker";
import { describe, expect, it } from "vitest";
import type { D } from "./explore-keys-broker.ts";
import { type Mode, MODES, scenario } from "./explore-keys.ts";

type Worker = typeof worker<D>;

const stops = ["source ended", "cancelled", "aborted"];
const verdicts = ["acked", "retried", "released", "dead", "extended"];

/** Everything that must happen in one schedule or another, or they would prove little. */
const OUTCOMES: Record<Mode, readonly string[]> = {
  plain: [...stops, ...verdicts],
  "ack fails": [...stops, ...verdicts],
  "extend fails": [...stops, ...verdicts, "expired", "lease lost"],
  "extend hangs": [...stops, ...verdicts, "expired", "lease lost"],
  "a lease is lost": [...stops, ...verdicts, "expired", "lease lost"],
  "a handler takes longer than maxLease": [...stops, ...verdicts],
  "a message comes while its lane goes back": [...stops, "acked", "retried", "released", "dead"],
};

describe("stopped at any point, and aborted at any later one, a worker keeps its leases and the order of keys (I9, I10)", () => {
  it.each(MODES)("when the mode is: %s", { timeout: 600_000 }, async (mode) => {
    const outcomes = new Set<string>();
    const explored = scenario(mode, { outcome: (what) => outcomes.add(what) });
    const report = await explore(explored, { search: false, signals: 2, microtasks: 0, maxSchedules: 100_000 });
    expect(report.complete).toBe(true);
    expect(report.points).toBeGreaterThan(50);
    expect([...outcomes]).toEqual(expect.arrayContaining([...OUTCOMES[mode]]));
  });

  it.each<Mode>(["plain", "a lease is lost"])(
    "when it is stopped between any two microtasks, and the mode is: %s",
    { timeout: 600_000 },
    async (mode) => {
      const report = await explore(scenario(mode), { search: false, maxSchedules: 100_000 });
      expect(report.complete).toBe(true);
    },
  );
});

/** A worker whose source has some of its calls replaced. */
function instead(calls: (source: Source<D>) => Partial<Source<D>>): Worker {
  return (stop, source, handle, options) =>
    worker(stop, Object.assign(Object.create(source) as Source<D>, calls(source)), handle, options);
}

describe("it is found out that a worker", () => {
  it.each<[what: string, invariant: string, mode: Mode, broken: Worker]>([
    [
      "begins late to extend",
      "I9",
      "plain",
      instead((source) => {
        let calls = 0;
        return { extend: async (ctx, ds) => (++calls > 2 ? source.extend!(ctx, ds) : []) };
      }),
    ],
    [
      "extends what it runs, and forgets what waits",
      "I9",
      "plain",
      instead((source) => ({ extend: (ctx, ds) => source.extend!(ctx, ds.slice(0, 1)) })),
    ],
    [
      "knows no keys",
      "I10",
      "plain",
      (stop, source, handle, options) => {
        const real = new Map<D, D>();
        const pull: Source<D>["pull"] = async (ctx, max) =>
          (await source.pull(ctx, max)).map((delivery) => {
            const { key: _, ...rest } = delivery;
            real.set(rest, delivery);
            return rest;
          });
        const of = (delivery: D): D => real.get(delivery)!;
        const blind: Source<D> = {
          lease: source.lease!,
          get ended() {
            return source.ended === true;
          },
          pull,
          ack: (ctx, ds) => source.ack(ctx, ds.map(of)),
          nack: (ctx, items) =>
            source.nack(
              ctx,
              items.map((item) => ({ ...item, delivery: of(item.delivery) })),
            ),
          deadLetter: (ctx, items) =>
            source.deadLetter!(
              ctx,
              items.map((item) => ({ ...item, delivery: of(item.delivery) })),
            ),
          extend: (ctx, ds) => source.extend!(ctx, ds.map(of)),
        };
        return worker(stop, blind, (ctx, delivery) => handle(ctx, of(delivery)), options);
      },
    ],
    [
      "gives back the messages of a key in the wrong order",
      "I10",
      "plain",
      instead((source) => ({ nack: (ctx, items) => source.nack(ctx, [...items].reverse()) })),
    ],
  ])("%s (%s)", async (_, invariant, mode, broken) => {
    const options = { search: false } as const;
    const error: unknown = await explore(scenario(mode, { worker: broken }), options).catch((error) => error);
    expect(error).toBeInstanceOf(ScheduleError);
    expect((error as ScheduleError).message).toContain(`(${invariant})`);
  });
});
