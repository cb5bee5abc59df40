/**
 * What a trace says of its choices: among what each was made, and that these are the choices of the replay string.
 */
import { Chan, context, go, select, sending, sync, time, trySelect } from "headgate";
import {
  type Bubble,
  bubble,
  explore,
  record,
  type RecordOptions,
  ScheduleError,
  type TraceRow,
} from "headgate/testing";
import { describe, expect, it } from "vitest";
import { failureOf } from "../support/errors.ts";

/** The choices of a schedule, in their order. */
async function choicesOf(scenario: (t: Bubble) => Promise<void> | void, replay?: string, options?: RecordOptions) {
  const { trace, error } = await record(scenario, replay, options);
  expect(error).toBeUndefined();
  return trace.rows.filter(({ choices }) => choices > 1);
}
const short = ({ task, event, among, pick }: TraceRow): unknown[] => [task, event, among, pick];

describe("a step", () => {
  const three = async (t: Bubble): Promise<void> => {
    for (const name of ["a", "b", "c"]) go(t.name(() => t.yield(), name));
    await t.wait();
  };

  it("says which tasks could have gone, and which one did", async () => {
    const rows = await choicesOf(three, "2.1");
    expect(rows.slice(0, 2)).toMatchObject([
      { step: 2, task: "c", event: "start", choices: 3, among: ["a", "b", "c"], pick: 2 },
      { step: 3, task: "b", event: "start", choices: 3, among: ["a", "b", "c"], pick: 1 },
    ]);
    for (const { among, pick, task } of rows) expect(among![pick!]).toBe(task);
  });

  it("without a choice says nothing of the kind", async () => {
    const { trace } = await record((t) => t.yield());
    expect(trace.rows.filter((row) => "among" in row || "pick" in row || row.choices !== 1)).toEqual([]);
  });

  it("among very many names twenty of them", async () => {
    await bubble(async (t) => {
      for (let i = 0; i < 1_000; i++) go(function each() {});
      await t.wait();
      const [first, second] = t.trace().rows.filter(({ choices }) => choices > 1);
      expect(first).toMatchObject({ choices: 1_000, pick: 0 });
      expect(first!.among).toHaveLength(20);
      expect(second!.among![0]).toBe("each2");
    });
  });
});

describe("a select", () => {
  /** Of four cases three are ready: a value, room for one, and an end. */
  const ready = (): Record<string, Chan<number> | ReturnType<typeof sending>> => {
    const [full, room, closed] = [new Chan<number>(1), new Chan<number>(1), new Chan<number>()];
    full.trySend(7);
    closed.close();
    return { never: new Chan<number>(), full, room: sending(room, 8), closed };
  };

  it("says which cases were ready, and which one was taken", async () => {
    for (const [i, name] of ["full", "room", "closed"].entries()) {
      const [row] = await choicesOf(() => select(ready()).then(() => {}), String(i));
      expect(row).toMatchObject({ event: "select", choices: 3, among: ["full", "room", "closed"], pick: i });
      expect(row!.detail).toMatch(new RegExp(`^→ ${name}\\b`));
    }
  });

  it("as a list names its cases by their positions", async () => {
    const [row] = await choicesOf(async () => void (await select([null, ...Object.values(ready())])), "1");
    expect(row).toMatchObject({ among: ["2", "3", "4"], pick: 1 });
  });

  it("that does not wait is the same", async () => {
    const { trace } = await record(() => void trySelect(ready()), "1");
    expect(trace.rows.find(({ event }) => event === "trySelect")).toMatchObject({
      object: "never: ch4, full: ch1, room: ch2 ← 8, closed: ch3",
      detail: "→ room",
      choices: 3,
      among: ["full", "room", "closed"],
      pick: 1,
    });
  });

  it("with one ready case, or none, has no choice", async () => {
    const { trace } = await record(async (t) => {
      const [one, none] = [new Chan<number>(1), new Chan<number>()];
      await one.send(1);
      trySelect({ one, none });
      trySelect({ one, none });
      go(() => one.send(2));
      await t.yield();
      await select({ one, none });
    });
    const selects = trace.rows.filter(({ event }) => /select/i.test(event));
    expect(selects.map(({ event, detail, choices }) => [event, detail, choices])).toEqual([
      ["trySelect", "→ one 1", 1],
      ["select", "→ one 2", 1],
      ["resume select", "→ one 2", expect.any(Number)],
    ]);
  });

  it("among timers that are due judges them by one instant", async () => {
    const scenario = async (): Promise<void> => {
      const [early, late, later] = [new time.Timer(5), new time.Timer(10), new time.Timer(20)];
      await time.sleep(15);
      await select({ early: early.c, late: late.c, later: later.c });
      later.stop();
    };
    expect((await choicesOf(scenario, "0")).filter(({ event }) => event === "select")).toMatchObject([
      { among: ["early", "late"] },
    ]);
  });

  it("that throws has a row for its choice all the same", async () => {
    const { trace } = await record(async () => {
      const [closed, room] = [new Chan<number>(1), new Chan<number>(2)];
      closed.close();
      expect(() => trySelect({ closed: sending(closed, 1), room: sending(room, 1) })).toThrow("send on closed channel");
      await select({ room: sending(room, 1) });
      await expect(select({ closed: sending(closed, 1), room: sending(room, 1) })).rejects.toThrow("closed");
    });
    const rows = trace.rows.filter(({ event }) => /choose|select/.test(event));
    expect(rows.map(({ event, detail, among, pick }) => [event, detail, among, pick])).toEqual([
      ["choose", "→ closed", ["closed", "room"], 0],
      ["select", "→ room", undefined, undefined],
      ["resume select", "→ room", undefined, undefined],
      ["refuse select", "ClosedChannel: send on closed channel", ["closed", "room"], 0],
      ["fail select", "ClosedChannel: send on closed channel", undefined, undefined],
    ]);
  });

  it("reads no foreign code between the choice and its effect", async () => {
    const ch = (n: number): Chan<number> => {
      const chan = new Chan<number>(1);
      chan.trySend(n);
      return chan;
    };
    let reads = 0;
    const [a, b] = [ch(1), ch(2)];
    const cases = {
      get a() {
        // A second read would empty the channel.
        if (reads++ > 0) a.tryRecv();
        return a;
      },
      b,
    };
    let got: unknown;
    const { trace, error } = await record(async () => {
      got = await select(cases);
    });
    expect([got, error]).toEqual([{ case: "a", value: 1, ok: true }, undefined]);
    expect(trace.rows.find(({ event }) => event === "select")).toMatchObject({ among: ["a", "b"], pick: 0 });
  });
});

describe("a timer", () => {
  it("says which ones are due together, a sleep by its task", async () => {
    const scenario = async (t: Bubble): Promise<void> => {
      const [ctx, cancel] = context.withTimeout(t.ctx, 10);
      using _ = cancel;
      for (const name of ["a", "b"]) go(t.name(() => time.sleep(10), name));
      await ctx.done().recv();
      await t.sleep(1);
    };
    const fires = (await choicesOf(scenario, "0.0.1")).filter(({ event }) => event === "fire");
    expect(fires.map(({ object, among, pick }) => [object, among, pick])[0]).toEqual([
      "deadline of ctx1",
      ["deadline of ctx1", "sleep of a", "sleep of b"],
      0,
    ]);
  });

  it("that may come early is a candidate among the tasks, with a row of its own if it does", async () => {
    const scenario = async (t: Bubble): Promise<void> => {
      for (const name of ["a", "b"]) go(t.name(() => time.sleep(10), name));
      for (let i = 0; i < 4; i++) await t.yield();
      await t.sleep(20);
    };
    const rows = await choicesOf(scenario, "0.0.1.1", { timers: "any" });
    expect(rows.map(short).slice(0, 4)).toEqual([
      ["a", "start", ["a", "b", "main"], 0],
      ["b", "start", ["b", "main", "⏱"], 0],
      ["⏱", "choose", ["main", "⏱"], 1],
      ["⏱", "fire", ["sleep of a", "sleep of b"], 1],
    ]);
  });
});

describe("the rows with a choice", () => {
  /** Every kind of choice: two tasks, two timers, a select and one that does not wait. */
  const everything = async (t: Bubble): Promise<void> => {
    const [a, b] = [t.name(new Chan<number>(2), "a"), t.name(new Chan<number>(2), "b")];
    for (const ch of [a, a, b, b]) ch.trySend(1);
    const all = new sync.WaitGroup();
    for (const name of ["one", "two"]) all.go(t.name(() => time.sleep(5), name));
    await select({ a, b });
    trySelect({ a, b });
    await all.wait();
  };

  it.each<RecordOptions>([{}, { timers: "any" }])(
    "are those of the replay string, in its order: %o",
    async (options) => {
      const replays: string[] = [];
      // Each schedule fails at its end, so that its string is known.
      for (let seed = 1; seed <= 40; seed++) {
        const always = async (t: Bubble): Promise<void> => {
          await everything(t);
          if (seed > 1 || t.ctx.err() !== undefined) throw new Error("here");
        };
        const how = { ...options, seed, bound: 0, boundedRuns: 0, microtasks: 0, cancel: seed % 2 === 0 };
        const found = await explore(always, how).catch((error: unknown) => error);
        if (found instanceof ScheduleError) replays.push(found.replay);
      }
      replays.push("1", "0.1", "0.0.1", "1.1.1", "0.1.0.1", "0.0.0.1.0.1", "0.0.0.0.1.1.0.1");
      const seen = new Set<string>();
      for (const replay of replays) {
        const {
          trace,
          replay: exact,
          error,
        } = await record(everything, replay, options).catch((error) => {
          // This string has a choice that is not there.
          expect(String(error)).toContain("there are only");
          return record(everything, "0", options);
        });
        expect(error).toBeUndefined();
        const rows = trace.rows.filter(({ choices }) => choices > 1);
        const picks = rows
          .map(({ pick }) => pick!.toString(36))
          .join(".")
          .replace(/(\.?0)+$/, "");
        expect(picks).toBe(exact.replace(/!.*/, "").replace(/^0$/, ""));
        for (const { event, choices, among, pick, task, object, detail } of rows) {
          seen.add(event);
          expect(among).toHaveLength(choices);
          const name = among![pick!]!;
          if (/^(select|trySelect)$/.test(event)) expect(detail).toMatch(new RegExp(`^→ ${name}\\b`));
          else if (event === "fire") expect(name).toContain(object);
          else expect(name).toBe(task);
        }
      }
      const events = ["start", "select", "trySelect", "fire"];
      expect([...seen]).toEqual(expect.arrayContaining("timers" in options ? [...events, "choose"] : events));
    },
  );

  it("are enough to take another candidate there", async () => {
    const { trace } = await record(everything);
    const rows = trace.rows.filter(({ choices }) => choices > 1);
    const at = rows.findIndex(({ event }) => event === "select" || event === "trySelect");
    const picks = rows.slice(0, at).map(({ pick }) => pick!.toString(36));
    const other = await record(everything, [...picks, 1].join("."));
    const changed = other.trace.rows.filter(({ choices }) => choices > 1)[at]!;
    expect(changed).toMatchObject({ among: rows[at]!.among!, pick: 1 });
    expect(changed.detail).not.toBe(rows[at]!.detail);
  });

  it("are the same when the schedule of a failure is recorded again", async () => {
    const scenario = async (t: Bubble): Promise<void> => {
      const [a, b] = [new Chan<string>(1), new Chan<string>(1)];
      a.trySend("a");
      b.trySend("b");
      if ((await select({ a, b })).case === "b") throw new Error("b came first");
      await t.yield();
    };
    const { trace, replay } = await failureOf(explore(scenario, { cancel: false }), ScheduleError);
    expect(replay).toBe("1");
    expect(trace.rows.find(({ event }) => event === "select")).toMatchObject({ among: ["a", "b"], pick: 1 });
    expect(String(trace)).toContain('select a: ch1, b: ch2 → b "b"');
  });
});

describe("the step that made another possible", () => {
  it("is none for what comes from outside, though its promise settles during a step", async () => {
    const { trace } = await record(async (t) => {
      await t.external(Promise.resolve());
      const ch = new Chan<number>();
      go(() => ch.send(1));
      await ch.recv();
    });
    const causes = trace.rows.filter(({ event }) => event.startsWith("resume")).map(({ event, by }) => [event, by]);
    expect(causes).toEqual([
      ["resume external", undefined],
      ["resume recv", expect.any(Number)],
      ["resume send", expect.any(Number)],
    ]);
  });
});
