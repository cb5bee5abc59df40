/**
 * A trace as a profiler opens it: each event has the fields that the Trace Event Format requires, the slices of a thread
 * nest, and the arrows lead from the step that ended a wait to the one that goes on.
 */
import { Chan, context, errgroup, go, select, sync, time } from "headgate";
import { type Bubble, bubble, type ChromeTraceEvent, record, Trace } from "headgate/testing";
import { memoryBroker, worker } from "headgate/worker";
import { describe, expect, it } from "vitest";

type Scenario = (t: Bubble) => Promise<void> | void;

async function eventsOf(scenario: Scenario, replay?: string): Promise<readonly ChromeTraceEvent[]> {
  const { trace } = await record(scenario, replay);
  const { traceEvents, ...rest } = trace.toChromeTrace();
  expect(rest).toEqual({ displayTimeUnit: "ms" });
  expect(JSON.parse(JSON.stringify(traceEvents))).toEqual(traceEvents);
  return traceEvents;
}

const isSlice = ({ ph }: ChromeTraceEvent): boolean => ph === "X";
const endOf = ({ ts, dur }: ChromeTraceEvent): number => ts! + dur!;

/** The names of the threads. */
function threadsOf(events: readonly ChromeTraceEvent[]): Map<number, string> {
  return new Map(
    events.filter(({ name }) => name === "thread_name").map(({ tid, args }) => [tid, String(args!["name"])]),
  );
}

/** The slice on the thread of an event in which it lies; the inner one, if there are several. */
function around(events: readonly ChromeTraceEvent[], { tid, ts }: ChromeTraceEvent): ChromeTraceEvent | undefined {
  const found = events.filter((e) => isSlice(e) && e.tid === tid && e.ts! <= ts! && ts! < endOf(e));
  return found.sort((a, b) => b.ts! - a.ts!)[0];
}

/** Each arrow as "task: step → task: step". */
function arrowsOf(events: readonly ChromeTraceEvent[]): string[] {
  const threads = threadsOf(events);
  const endText = (e: ChromeTraceEvent): string => `${threads.get(e.tid)}: ${around(events, e)?.name}`;
  return events
    .filter(({ ph }) => ph === "s")
    .map((begin) => {
      const end = events.find(({ ph, id }) => ph === "f" && id === begin.id)!;
      return `${endText(begin)} → ${endText(end)}`;
    });
}

const handOver: Scenario = async (t) => {
  const ch = t.name(new Chan<string>(), "ch");
  go(async function sender() {
    await time.sleep(10);
    await ch.send("v");
  });
  await ch.recv();
};

/** A task with several waits at once, a select, locks, a cancel, and a wait that never ends. */
const busy: Scenario = async (t) => {
  const [group, ctx] = errgroup.withContext(t.ctx);
  const [a, b, mu] = [new Chan<number>(), new Chan<number>(1), new sync.Mutex()];
  for (const n of [1, 2, 3]) {
    void group.go(async () => {
      await mu.lock();
      await time.sleep(n, ctx).catch(() => {});
      mu.unlock();
      await Promise.allSettled([a.send(n, ctx), b.send(n, ctx), time.sleep(n, ctx)]);
    });
  }
  void group.go(async function taker() {
    for (let i = 0; i < 6; i++) {
      const got = await select({ a, b, done: ctx.done() });
      if (got.case === "done") return;
    }
  });
  await group.wait().catch(() => {});
};

const withWorker: Scenario = async (t) => {
  const broker = memoryBroker<number>();
  for (const n of [1, 2]) await broker.publish(n);
  broker.end();
  await worker(t.ctx, broker, (ctx) => time.sleep(10, ctx), { abort: t.abort });
};

const stuck: Scenario = async () => {
  go(() => new Chan().recv().then(() => {}));
  await new Chan().recv();
};

const outside: Scenario = async (t) => {
  await new Promise<void>((resolve) => setImmediate(resolve));
  const [ctx, cancel] = context.withTimeout(t.ctx, 5);
  using _ = cancel;
  await t.external(new Promise<void>((resolve) => setImmediate(resolve)));
  await ctx.done().recv();
};

describe.each<[string, Scenario, string]>([
  ["a hand-over", handOver, "0"],
  ["many waits at once", busy, "0"],
  ["many waits at once, in another order, cancelled", busy, "1.2.0.1!c14"],
  ["the worker", withWorker, "0!c20!a24"],
  ["a deadlock", stuck, "0"],
  ["the world outside", outside, "0"],
])("of %s", (_, scenario, replay) => {
  it("each event has the fields that its kind requires", async () => {
    const kinds = new Set<string>();
    for (const event of await eventsOf(scenario, replay)) {
      const { ph, name, cat, pid, tid, ts, dur, s, id, bp, args } = event;
      kinds.add(ph);
      expect(pid).toBe(1);
      expect(Number.isSafeInteger(tid) && tid >= 0).toBe(true);
      expect(typeof name).toBe("string");
      expect(name).not.toBe("");
      if (ph === "M") {
        expect(name).toMatch(/^(process_name|thread_name|thread_sort_index)$/);
        expect(typeof Object.values(args!)[0]).toMatch(/string|number/);
        continue;
      }
      expect(cat).toMatch(/^(step|wait|event|wakes)$/);
      expect(Number.isFinite(ts) && ts! >= 0).toBe(true);
      if (ph === "X") expect(Number.isFinite(dur) && dur! > 0).toBe(true);
      if (ph === "i") expect(s).toMatch(/^[tp]$/);
      if (ph === "s" || ph === "f") expect(id).toBeGreaterThan(0);
      expect(bp).toBe(ph === "f" ? "e" : undefined);
      const known = ["ph", "name", "cat", "pid", "tid", "ts", "dur", "s", "id", "bp", "args"];
      expect(Object.keys(event).filter((key) => !known.includes(key))).toEqual([]);
    }
    expect([...kinds]).toEqual(expect.arrayContaining(["M", "X"]));
  });

  it("each thread has a name, and its slices do not overlap", async () => {
    const events = await eventsOf(scenario, replay);
    const threads = threadsOf(events);
    for (const { ph, tid } of events) if (ph !== "M") expect(threads.has(tid)).toBe(true);
    for (const tid of threads.keys()) {
      const slices = events.filter((e) => isSlice(e) && e.tid === tid).sort((a, b) => a.ts! - b.ts!);
      slices.slice(1).forEach((slice, i) => expect(slice.ts!).toBeGreaterThanOrEqual(endOf(slices[i]!)));
    }
    expect(new Set(threads.values()).size).toBe(threads.size);
  });

  it("each arrow has one begin and one end, in this order, each in the slice of a step", async () => {
    const events = await eventsOf(scenario, replay);
    const arrows = events.filter(({ ph }) => ph === "s" || ph === "f");
    for (const id of new Set(arrows.map((arrow) => arrow.id))) {
      const [begin, end, ...more] = arrows.filter((arrow) => arrow.id === id);
      expect([begin!.ph, end!.ph, more.length]).toEqual(["s", "f", 0]);
      expect([end!.name, end!.cat]).toEqual([begin!.name, begin!.cat]);
      expect(end!.ts!).toBeGreaterThan(begin!.ts!);
      for (const each of [begin!, end!]) expect(around(events, each)).toMatchObject({ cat: "step" });
    }
  });

  it("every step of the trace is a slice, and every wait is one", async () => {
    const { trace } = await record(scenario, replay);
    const slices = trace.toChromeTrace().traceEvents.filter(isSlice);
    const steps = new Set(slices.filter(({ cat }) => cat === "step").map(({ args }) => args!["step"]));
    expect([...steps]).toEqual(trace.steps.map(({ step }) => step));
    const waits = trace.rows.filter(({ event }) => event.startsWith("wait "));
    expect(slices.filter(({ cat }) => cat === "wait")).toHaveLength(waits.length);
  });
});

describe("what is shown", () => {
  it("is who waited for what, from when to when, and how it ended", async () => {
    const events = await eventsOf(handOver);
    const threads = threadsOf(events);
    const waits = events.filter(({ cat }) => cat === "wait");
    expect(waits.map(({ tid, name, args }) => [threads.get(tid), name, args])).toEqual([
      ["main", "recv ch", { ended: "resume", result: '"v"' }],
      ["sender", "sleep", { value: "10", ended: "resume" }],
    ]);
    // A millisecond of the bubble's time is one of the profiler's, but for a microsecond a row.
    for (const { dur } of waits) expect(Math.round(dur! / 1_000)).toBe(10);
  });

  it("is by whom a task was woken", async () => {
    expect(arrowsOf(await eventsOf(handOver))).toEqual([
      "main: start → sender: start",
      "⏱: fire sleep → sender: resume sleep",
      'sender: resume sleep → main: resume recv ch "v"',
    ]);
  });

  it("is what a cancel ends, and the cancel itself over all threads", async () => {
    const events = await eventsOf(async (t) => {
      await new Chan().recv(t.ctx).catch(() => {});
    }, "0!c1");
    expect(arrowsOf(events)).toEqual(["⚡: cancel t.ctx → main: fail recv ch1 context canceled"]);
    expect(events.filter(({ s }) => s === "p").map(({ name }) => name)).toEqual(["cancel t.ctx"]);
  });

  it("is a wait that never ends, up to the end of the trace", async () => {
    const events = await eventsOf(stuck);
    const last = Math.max(...events.filter(isSlice).map(endOf));
    const waits = events.filter(({ cat }) => cat === "wait");
    expect(waits.map(({ name, args }) => [name, args!["ended"]])).toEqual([
      ["recv ch1", "never"],
      ["recv ch2", "never"],
    ]);
    for (const wait of waits) expect(endOf(wait)).toBe(last);
  });

  it("is each of several waits of one task, on threads beside it", async () => {
    const events = await eventsOf(async (t) => {
      const [a, b] = [t.name(new Chan(), "a"), t.name(new Chan(), "b")];
      const both = Promise.all([a.recv(), b.recv(), time.sleep(1)]);
      go(async function closer() {
        a.close();
        await time.sleep(5);
        b.close();
      });
      await both;
    });
    const threads = threadsOf(events);
    const waits = events.filter(({ cat, tid }) => cat === "wait" && threads.get(tid)!.startsWith("main"));
    expect(waits.map(({ name }) => name).sort()).toEqual(["recv a", "recv b", "sleep"]);
    expect(waits.map(({ tid }) => threads.get(tid)!).sort()).toEqual(["main", "main (2)", "main (3)"]);
    const order = events.filter(({ name }) => name === "thread_sort_index");
    const indices = new Map(order.map(({ tid, args }) => [threads.get(tid), args!["sort_index"]]));
    expect(indices.get("main (3)")).toBe(indices.get("main"));
    expect(indices.get("⏱")).toBeGreaterThan(indices.get("closer") as number);
  });

  it("is the candidates of a choice, and the snapshot of t.watch", async () => {
    const events = await eventsOf(async (t) => {
      let n = 0;
      t.watch(() => n);
      for (const name of ["a", "b"]) go(t.name(() => void n++, name));
      await t.wait();
    });
    const step = events.find(({ args }) => args?.["step"] === 2)!;
    expect(step.args).toEqual({ step: 2, time: 0, choices: 2, among: ["a", "b"], snapshot: 1 });
  });

  it("is nothing of an empty trace", () => {
    expect(new Trace([]).toChromeTrace()).toEqual({
      traceEvents: [{ ph: "M", name: "process_name", pid: 1, tid: 0, args: { name: "headgate" } }],
      displayTimeUnit: "ms",
    });
  });

  it("is the same for the rows alone, and for the second half of a trace", async () => {
    const { trace } = await record(busy);
    expect(new Trace(JSON.parse(JSON.stringify(trace))).toChromeTrace()).toEqual(trace.toChromeTrace());
    const half = new Trace(trace.rows.slice(trace.rows.length / 2)).toChromeTrace();
    expect(half.traceEvents.filter(isSlice).length).toBeGreaterThan(5);
  });

  it("is all of a long trace", async () => {
    await bubble(async (t) => {
      const ch = new Chan<number>();
      go(async () => {
        for (let i = 0; i < 5_000; i++) await ch.send(i);
        ch.close();
      });
      for await (const _ of ch) continue;
      const trace = t.trace();
      const waits = trace.rows.filter(({ event }) => event.startsWith("wait "));
      const { traceEvents } = trace.toChromeTrace();
      expect(traceEvents.filter(({ cat }) => cat === "wait")).toHaveLength(waits.length);
    });
  });
});
