/**
 * `record`: one schedule with its whole trace, whether or not it fails, and how many points it has at which it can be
 * cancelled.
 */
import { Chan, context, errgroup, go, select, time } from "headgate";
import { type Bubble, bubble, DeadlockError, explore, LeakError, NondeterminismError, record } from "headgate/testing";
import { memoryBroker, worker } from "headgate/worker";
import { afterEach, describe, expect, it, vi } from "vitest";
import { failureOf } from "../support/errors.ts";

afterEach(() => {
  vi.unstubAllEnvs();
});

/** Three tasks, a channel, a select and two timers, of which nothing is left whenever it is cancelled. */
async function pipeline(t: Bubble): Promise<void> {
  const [group, ctx] = errgroup.withContext(t.ctx);
  const [jobs, results] = [t.name(new Chan<number>(), "jobs"), t.name(new Chan<number>(2), "results")];
  void group.go(async function producer() {
    for (const n of [1, 2]) await jobs.send(n, ctx);
    jobs.close();
  });
  for (const name of ["one", "two"]) {
    void group.go(
      t.name(async () => {
        for await (const n of jobs.values(ctx)) {
          await time.sleep(10, ctx);
          await results.send(n, ctx);
        }
      }, name),
    );
  }
  await group.wait().catch(() => {});
  results.close();
  for (;;) {
    const got = await select({ result: results, done: t.ctx.done() });
    if (got.case === "done" || !got.ok) return;
  }
}

/** What a scenario did, in the order of its own notes. */
async function notesOf(scenario: (t: Bubble, note: (text: string) => void) => Promise<void>, replay: string) {
  const notes: string[] = [];
  const recording = await record((t) => scenario(t, (text) => notes.push(text)), replay);
  return { ...recording, notes };
}

describe("a recording", () => {
  it("of a schedule that passes has the whole trace, and no error", async () => {
    const recording = await record(pipeline);
    expect(Object.keys(recording).sort()).toEqual(["points", "replay", "trace"]);
    expect(recording.replay).toBe("0");
    const { rows } = recording.trace;
    expect(rows[0]).toMatchObject({ step: 1, task: "main", event: "start" });
    expect(rows.slice(-2).map(({ task, event }) => `${task} ${event}`)).toEqual(["main end", "⚡ cancel"]);
  });

  it("is the trace of a bubble, where nothing is cancelled", async () => {
    let rows: unknown;
    await bubble(async (t) => {
      await pipeline(t);
      rows = t.trace().rows;
    });
    expect((await record(pipeline)).trace.rows.slice(0, -2)).toEqual(rows);
  });

  it("of a schedule that fails has the error, and the trace up to it", async () => {
    const boom = new RangeError("boom");
    const { error, trace } = await record(async (t) => {
      await t.yield();
      throw boom;
    });
    expect(error).toBe(boom);
    expect(trace.rows.slice(-2).map(({ event }) => event)).toEqual(["throw", "end"]);
  });

  it("has an error also if undefined was thrown", async () => {
    expect("error" in (await record(() => Promise.reject(undefined)))).toBe(true);
  });

  it.each<[string, (t: Bubble) => Promise<void> | void, unknown]>([
    ["a deadlock", async () => void (await new Chan().recv()), DeadlockError],
    ["a leak", (t) => void context.withCancel(t.ctx), LeakError],
    ["an endless loop", async (t) => Promise.all([forever(t), t.wait()]).then(() => {}), DeadlockError],
    ["the error of t.ctx, as it is cancelled", (t) => (t.cancel(), Promise.reject(t.ctx.err())), context.Canceled],
    ["a rejection that nothing handles", () => void Promise.reject(new TypeError("unhandled")), Error],
  ])("returns %s as an error, as explore finds it", async (_, scenario, Class) => {
    expect((await record(scenario)).error).toBeInstanceOf(Class);
  });

  it("is the same each time", async () => {
    const [one, two] = [await record(pipeline, "1.0.1!c9"), await record(pipeline, "1.0.1!c9")];
    expect(two).toEqual(one);
  });

  it("has all rows of the schedule before the cancel, at every point", async () => {
    const plain = await record(pipeline);
    for (let k = 1; k <= plain.points; k++) {
      const { trace, replay } = await record(pipeline, `0!c${k}`);
      expect(replay).toBe(`0!c${k}`);
      const before = plain.trace.rows.filter(({ step }) => step <= k);
      expect(trace.rows.slice(0, before.length)).toEqual(before);
    }
  });

  it("can be made of what explore finds, and tells the same", async () => {
    const scenario = async (t: Bubble): Promise<void> => {
      let begun = "";
      for (const name of ["a", "b"]) go(() => void (begun += name));
      await t.wait();
      await t.yield();
      if (t.ctx.err() !== undefined && begun === "ba") throw new Error("cancelled, and the other way round");
    };
    const found = await explore(scenario).catch((error) => error);
    const { error, trace, replay } = await record(scenario, found.replay);
    expect({ error: String(error), trace: String(trace), replay }).toEqual({
      error: String(found.cause),
      trace: String(found.trace),
      replay: found.replay,
    });
  });

  it("does not need a scenario that can be explored: real I/O is waited for", async () => {
    const { error, trace } = await record(async (t) => {
      await t.external(new Promise<void>((resolve) => setImmediate(resolve)));
      await new Promise<void>((resolve) => setImmediate(resolve));
      await t.yield();
    });
    expect(error).toBeUndefined();
    expect(trace.rows.map(({ event }) => event)).toContain("resume yield");
  });
});

async function forever(t: Bubble): Promise<void> {
  while (t.ctx.err() === undefined) await t.yield();
}

describe("points", () => {
  it("is the number that explore cancels at", async () => {
    const withWorker = async (t: Bubble): Promise<void> => {
      const broker = memoryBroker<number>();
      await broker.publish(1);
      broker.end();
      await worker(t.ctx, broker, () => time.sleep(10), { abort: t.abort });
    };
    for (const scenario of [pipeline, withWorker, () => {}]) {
      const { points } = await explore(scenario, { search: false });
      expect((await record(scenario)).points).toBe(points);
    }
  });

  it("of a schedule that throws are those before", async () => {
    const scenario = async (t: Bubble): Promise<void> => {
      await t.yield();
      if (t.ctx.err() === undefined) throw new Error("not cancelled");
    };
    expect(await record(scenario)).toMatchObject({ points: 1, error: expect.anything() });
    expect(await record(scenario, "0!c1")).not.toHaveProperty("error");
    expect(await record(scenario, "0!c2")).toHaveProperty("error");
  });

  it("of a deadlock include the one at which nothing goes on, where a cancel may help", async () => {
    const scenario = (t: Bubble): Promise<void> =>
      new Chan().recv(t.ctx).then(
        () => {},
        () => {},
      );
    const { points, error } = await record(scenario);
    expect(error).toBeInstanceOf(DeadlockError);
    expect(points).toBe(1);
    expect(await record(scenario, "0!c1")).not.toHaveProperty("error");
  });

  it("of other orders are their own", async () => {
    const scenario = async (t: Bubble): Promise<void> => {
      const ch = new Chan<number>(1);
      go(() => ch.send(1));
      await t.yield();
      if (ch.length === 0) await t.yield();
      await ch.recv();
    };
    const lengths = await Promise.all(["0", "1"].map(async (replay) => (await record(scenario, replay)).points));
    expect(new Set(lengths).size).toBe(2);
  });
});

describe("the replay string", () => {
  const two = async (t: Bubble, note: (text: string) => void): Promise<void> => {
    for (const name of ["a", "b"]) go(() => note(name));
    await t.wait();
    note(String(t.ctx.err() !== undefined));
  };

  it("is the plain order if it is left out, or only zeros", async () => {
    for (const replay of ["0", "0.0"])
      expect(await notesOf(two, replay)).toMatchObject({ notes: ["a", "b", "false"], replay: "0" });
    expect((await record(pipeline, undefined)).replay).toBe("0");
  });

  it("chooses, and cancels, and is returned without the zeros at its end", async () => {
    expect(await notesOf(two, "1.0.0!c3")).toMatchObject({ notes: ["b", "a", "true"], replay: "1!c3" });
  });

  it("may cancel inside of a step, cancel t.abort, refuse an operation, or let a timer come early", async () => {
    const { trace: inside } = await record(pipeline, "0!h4.1");
    expect(inside.rows.find(({ event }) => event === "cancel")).toMatchObject({ step: 5, task: "⚡", object: "t.ctx" });
    const { trace: twice } = await record((t) => forever({ ...t, ctx: t.abort } as Bubble), "0!c2!a4");
    const cancels = twice.rows.filter(({ event }) => event === "cancel");
    expect(cancels.map(({ step, object }) => [step, object])).toEqual([
      [3, "t.ctx"],
      [5, "t.abort"],
    ]);
    const fail = new Error("refused");
    expect(await record(() => time.sleep(1), "0!f1", { fail })).not.toHaveProperty("error");
    const { trace: refused } = await record(() => time.sleep(1), "0!f1", { fail });
    expect(refused.rows).toContainEqual(expect.objectContaining({ event: "refuse sleep" }));
    const early = async (t: Bubble): Promise<void> => {
      go(() => time.sleep(1_000));
      await t.yield();
      await t.yield();
      if (t.now() > Date.UTC(2000, 0, 1)) throw new Error("early");
      await t.sleep(2_000);
    };
    const found = await explore(early, { timers: "any", cancel: false }).catch((error) => error);
    expect(String((await record(early, found.replay, { timers: "any" })).error)).toBe("Error: early");
  });

  it("is not that of HEADGATE_REPLAY", async () => {
    vi.stubEnv("HEADGATE_REPLAY", "1!c1");
    expect((await record(pipeline)).replay).toBe("0");
  });

  it.each(["!4", "0!c", "1..2", " 0", "0!c1!c2"])("is refused if it is none: %j", async (replay) => {
    const { message } = await failureOf(record(pipeline, replay), RangeError);
    expect(message).toContain(`record: ${JSON.stringify(replay)} is no replay string; it looks like "0.2.1!c7"`);
  });

  it("is refused if it is no string", async () => {
    const { message } = await failureOf(record(pipeline, 3 as never), TypeError);
    expect(message).toBe("record: expected a replay string, got 3");
  });

  it("of another program is refused, as by explore", async () => {
    const { message } = await failureOf(record(pipeline, "7"), NondeterminismError);
    expect(message).toMatch(
      /choice 1 is to be number 7, but there are only \d candidates; the replay string belongs to/,
    );
  });
});

describe("the options", () => {
  it("are those that change a schedule", async () => {
    const start = new Date("2020-02-02T00:00Z");
    const times: number[] = [];
    await record((t) => void times.push(t.now()), "0", { start });
    expect(times).toEqual([start.getTime()]);
    const looping = await record(forever, "0", { maxSteps: 10 });
    expect(looping).toMatchObject({ points: 9, error: expect.any(DeadlockError) });
  });

  it.each<[object, RegExp]>([
    [{ replay: "0" }, /^record: there is no option replay; there are fail, timers, start, externalTimeout, maxSteps$/],
    [{ timers: "never" }, /^record: options\.timers must be "idle" or "any"; got the string "never"$/],
    [{ fail: "text" }, /^record: options\.fail must be an Error; got the string "text"$/],
    [{ maxSteps: 0 }, /^record: options\.maxSteps must be a whole number from 1; got 0$/],
  ])("are refused if they are wrong: %o", async (options, message) => {
    await expect(record(pipeline, "0", options)).rejects.toThrow(message);
  });

  it("must be outside of a bubble, with a function", async () => {
    await expect(record(3 as never)).rejects.toThrow(new TypeError("record: expected a function, got number"));
    await bubble(async (t) => {
      await expect(t.external(record(pipeline))).rejects.toThrow("record: called inside of a bubble");
    });
  });
});
