/**
 * What the types of the test kit promise: checked by the compiler, never run.
 */
import {
  type Bubble,
  bubble,
  type ChromeTrace,
  type ChromeTraceEvent,
  explore,
  type ExploreOptions,
  record,
  type RecordOptions,
  type Recording,
  type Trace,
  type TraceRow,
  type TraceStep,
} from "headgate/testing";

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
type Expect<T extends true> = T;

export type Returned = [
  Expect<Equal<Awaited<ReturnType<typeof record>>, Recording>>,
  Expect<Equal<keyof Recording, "trace" | "error" | "points" | "replay">>,
  Expect<Equal<Recording["trace"], Trace>>,
  Expect<Equal<Recording["error"], unknown>>,
  Expect<Equal<Trace["steps"], readonly TraceStep[]>>,
  Expect<Equal<TraceStep["rows"], readonly TraceRow[]>>,
  Expect<Equal<TraceStep["snapshot"], unknown>>,
  Expect<Equal<ReturnType<Trace["toChromeTrace"]>, ChromeTrace>>,
  Expect<Equal<ChromeTrace["traceEvents"], readonly ChromeTraceEvent[]>>,
  Expect<Equal<ReturnType<Trace["toSVG"]>, string>>,
  Expect<Equal<TraceRow["by"], number | undefined>>,
  Expect<Equal<TraceRow["among"], readonly string[] | undefined>>,
  Expect<Equal<TraceRow["pick"], number | undefined>>,
  Expect<Equal<keyof RecordOptions, "fail" | "timers" | "start" | "externalTimeout" | "maxSteps">>,
];

export async function recording(scenario: (t: Bubble) => Promise<void>, options: ExploreOptions): Promise<void> {
  // One scenario serves all three.
  await Promise.all([bubble(scenario), explore(scenario), record(scenario)]);
  const { replay, fail } = options;
  await record(scenario, replay, fail === undefined ? {} : { fail });
  await record(() => {}, "0!c1", { timers: "any", start: new Date(), externalTimeout: 5, maxSteps: 10 });
  // @ts-expect-error a point is a part of a string
  await record(scenario, 3);
  // @ts-expect-error the schedule is the second argument
  await record(scenario, { replay: "0" });
  // @ts-expect-error there is one schedule, so nothing is searched
  await record(scenario, "0", { bound: 2 });
  const result = await record(scenario);
  // @ts-expect-error it is a fact
  result.points = 1;
}

export function watching(t: Bubble): void {
  t.watch(() => ({ any: "thing" }));
  t.watch(() => {});
  // @ts-expect-error a function is called again and again, a value is not
  t.watch({ any: "thing" });
  // @ts-expect-error it gets nothing
  t.watch((step: number) => step);
}
