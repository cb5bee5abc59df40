/**
 * `t.watch`: what a function sees after each step, where its snapshots are, and that it changes nothing.
 */
import { Chan, type Context, context, errgroup, go, select, sending, sync, time, trySelect } from "headgate";
import { type Bubble, bubble, explore, record, ScheduleError, Trace, type TraceRow } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { failureOf } from "../support/errors.ts";

/** A sender and a receiver of a channel with room for one, under a ctx with a deadline. */
const transfer =
  (look?: (ch: Chan<number>, ctx: Context, t: Bubble) => unknown) =>
  async (t: Bubble): Promise<void> => {
    const ch = t.name(new Chan<number>(1), "ch");
    const [ctx, cancel] = context.withTimeout(t.ctx, 50);
    using _ = cancel;
    if (look !== undefined) t.watch(() => look(ch, ctx, t));
    go(async function sender() {
      for (const n of [1, 2, 3]) await ch.send(n, ctx).catch(() => {});
    });
    await time.sleep(10, ctx).catch(() => {});
    await ch.recv(ctx).catch(() => {});
    await ctx.done().recv();
  };

describe("a snapshot", () => {
  it("is taken after each step, from the one of the call on", async () => {
    const { trace, error } = await record(transfer((ch, ctx) => [ch.length, ctx.err()?.message ?? "alive"]));
    expect(error).toBeUndefined();
    expect(trace.steps.map(({ step, time, task, snapshot }) => [step, time, task, snapshot])).toEqual([
      [1, 0, "main", [0, "alive"]],
      [2, 0, "sender", [1, "alive"]],
      [3, 0, "sender", [1, "alive"]],
      [4, 10, "⏱", [1, "alive"]],
      [5, 10, "main", [1, "alive"]],
      [6, 10, "sender", [1, "alive"]],
      [7, 10, "main", [1, "alive"]],
      [8, 50, "⏱", [1, "context deadline exceeded"]],
      [9, 50, "sender", [1, "context deadline exceeded"]],
      [10, 50, "main", [1, "context deadline exceeded"]],
      [11, 50, "⚡", [1, "context deadline exceeded"]],
    ]);
  });

  it("is in the last row of its step, so the rows alone are enough to make the trace again", async () => {
    const { trace } = await record(transfer((ch) => ch.length));
    for (const { rows, snapshot } of trace.steps)
      expect(rows.map((row) => row.snapshot)).toEqual([...rows.slice(1).map(() => undefined), snapshot]);
    const copy = new Trace(JSON.parse(JSON.stringify(trace)) as TraceRow[]);
    expect(copy.steps).toEqual(trace.steps);
  });

  it("is plain data of that moment, also of what changes later", async () => {
    const seen: number[] = [];
    const { trace } = await record(async (t) => {
      t.watch(() => ({ seen, at: new Date(t.now()) }));
      for (const n of [1, 2]) {
        seen.push(n);
        await t.sleep(1);
      }
    });
    const snapshots = trace.steps.map(({ snapshot }) => snapshot);
    expect(snapshots[0]).toEqual({ seen: [1], at: "2000-01-01T00:00:00.000Z" });
    expect(snapshots.at(-1)).toEqual({ seen: [1, 2], at: "2000-01-01T00:00:00.002Z" });
  });

  it("has headgate's objects as the one line that they are as JSON", async () => {
    const { trace } = await record(transfer((ch, ctx) => ({ ch, ctx })));
    const last = trace.steps.at(-1)!.snapshot as { ch: string; ctx: string };
    expect(last.ch).toMatch(/^Chan\(1\/1\)/);
    expect(last.ctx).toMatch(/deadline exceeded\)$/);
  });

  it("is the same object as long as nothing changes", async () => {
    const { trace } = await record(transfer((ch) => ({ length: ch.length })));
    const objects = new Set(trace.steps.map(({ snapshot }) => snapshot));
    expect([...objects]).toEqual([{ length: 0 }, { length: 1 }]);
  });

  it("is none if the function returns undefined, or if there is no function", async () => {
    for (const look of [undefined, () => undefined]) {
      const { trace } = await record(transfer(look));
      expect(trace.steps.filter((step) => "snapshot" in step)).toEqual([]);
      expect(trace.rows.filter((row) => "snapshot" in row)).toEqual([]);
    }
  });

  it("may be null, or false", async () => {
    for (const value of [null, false, 0, ""]) {
      const { trace } = await record(transfer(() => value));
      expect(new Set(trace.steps.map(({ snapshot }) => snapshot))).toEqual(new Set([value]));
    }
  });

  it("is in the trace of a bubble, and of the schedule that explore finds", async () => {
    await bubble(async (t) => {
      t.watch(() => t.tasks().length);
      go(() => t.yield());
      await t.yield();
      expect(t.trace().steps.map(({ snapshot }) => snapshot)).toEqual([2, 2, undefined]);
    });
    const { trace } = await failureOf(
      explore(async (t) => {
        t.watch(() => t.ctx.err()?.message ?? "");
        await t.yield();
        if (t.ctx.err() !== undefined) throw new Error("cancelled");
      }),
      ScheduleError,
    );
    expect(trace.steps.map(({ snapshot }) => snapshot)).toEqual(["", "context canceled", "context canceled"]);
  });

  it("sees a task as it is after the step: blocked, ready, ended", async () => {
    const states: string[][] = [];
    await bubble(async (t) => {
      t.watch(() => void states.push(t.tasks().map(({ name, state }) => `${name} ${state}`)));
      go(async function worker() {
        await time.sleep(5);
      });
      await t.sleep(10);
    });
    expect(states.slice(0, 3)).toEqual([
      ["main blocked", "worker ready"],
      ["main blocked", "worker blocked"],
      ["main blocked", "worker ready"],
    ]);
    expect(states.flat()).not.toContain("worker running");
  });
});

describe("the function", () => {
  it("changes nothing: the rows are those without it", async () => {
    const looks = {
      numbers: (ch: Chan<number>) => [ch.length, ch.capacity],
      texts: (ch: Chan<number>, ctx: Context) => [String(ch), String(ctx)],
      contexts: (_: Chan<number>, ctx: Context) => [ctx.err(), context.cause(ctx), ctx.deadline(), ctx.signal.aborted],
      done: (_: Chan<number>, ctx: Context) => String(ctx.done()),
      times: (_: Chan<number>, __: Context, t: Bubble) => [time.now(), t.now()],
      kit: (_: Chan<number>, __: Context, t: Bubble) => [t.tasks(), t.trace().rows.length, t],
    };
    const plain = await record(transfer(), "0!c4");
    for (const look of Object.values(looks)) {
      const { trace, error, points } = await record(transfer(look), "0!c4");
      expect(error).toBeUndefined();
      expect(points).toBe(plain.points);
      const rows = trace.rows.map(({ snapshot: _, ...row }) => row);
      expect(rows).toEqual(plain.trace.rows);
      expect(String(trace)).toBe(String(plain.trace));
    }
  });

  it("changes no number of schedules or points", async () => {
    const options = { randomRuns: 20, boundedRuns: 100 };
    const { ms: _, ...plain } = await explore(transfer(), options);
    expect(
      await explore(
        transfer((ch) => ch.length),
        options,
      ),
    ).toMatchObject(plain);
  });

  it("is called in every schedule of explore, so an invariant that it holds is found broken", async () => {
    const scenario = async (t: Bubble): Promise<void> => {
      let inside = 0;
      t.watch(() => {
        if (inside > 1) throw new RangeError(`${inside} are inside`);
      });
      const group = new errgroup.Group();
      for (let i = 0; i < 2; i++) {
        void group.go(async () => {
          if (inside > 0) return;
          await t.yield();
          inside++;
          await t.yield();
          inside--;
        });
      }
      await group.wait();
    };
    const { cause, trace } = await failureOf(explore(scenario), ScheduleError);
    expect(cause).toMatchObject({ message: "t.watch: its function threw: RangeError: 2 are inside" });
    expect((cause as Error).cause).toBeInstanceOf(RangeError);
    expect(trace.rows.at(-1)).toMatchObject({
      event: "throw",
      object: "t.watch",
      detail: "Error: t.watch: its function threw: Ran…",
    });
  });

  it("fails the run that it was called in, once", async () => {
    let calls = 0;
    const { error, points } = await record(
      transfer(() => {
        if (++calls === 3) throw "text";
      }),
    );
    expect(error).toMatchObject({ message: "t.watch: its function threw: thrown: text", cause: "text" });
    expect({ calls, points }).toEqual({ calls: 3, points: 2 });
  });

  const used = /^t\.watch: its function used an operation of headgate; it may only look: ch\.length, /;
  it.each<[string, (ch: Chan<number>, ctx: Context, t: Bubble) => unknown]>([
    ["a send", (ch) => void ch.send(1)],
    ["a recv", (ch) => void ch.recv()],
    ["a trySend", (ch) => (ch.tryRecv(), ch.trySend(1))],
    ["a close", (ch) => ch.close()],
    ["a select", (ch) => void select({ ch })],
    ["a trySelect", (ch) => void (trySelect({ ch }), trySelect({ ch: sending(ch, 1) }))],
    ["a sleep", () => void time.sleep(1)],
    ["a timer", () => time.after(1)],
    ["a task", () => go(() => {})],
    ["a lock", () => void new sync.Mutex().lock()],
    ["a channel that is made", () => new Chan()],
    ["a context that is made", (_, ctx) => context.withCancel(ctx)],
    ["a cancel", (_, __, t) => t.cancel()],
    ["t.yield", (_, __, t) => void t.yield()],
    ["t.wait", (_, __, t) => void t.wait()],
    ["t.external", (_, __, t) => void t.external(Promise.resolve())],
  ])("is refused %s, also if it catches the error", async (_, look) => {
    for (const isCaught of [false, true]) {
      const caught = (...args: Parameters<typeof look>): void => {
        try {
          look(...args);
        } catch (error) {
          if (!isCaught) throw error;
        }
      };
      expect(String((await record(transfer(caught))).error)).toMatch(
        /^Error: t\.watch: its function used an operation/,
      );
      await expect(bubble(transfer(caught))).rejects.toThrow(used);
    }
  });

  it.each<[string, () => unknown, RegExp]>([
    ["a promise", async () => 1, /^t\.watch: its function returned a promise; return the snapshot itself$/],
    ["what is no JSON", () => 1n, /^t\.watch: the snapshot cannot be written as JSON: TypeError: .*BigInt/],
  ])("may not return %s", async (_, look, message) => {
    const { error } = await record(transfer(look));
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(message);
  });

  it("must be one, and a function", async () => {
    await bubble((t) => {
      expect(() => t.watch(3 as never)).toThrow(new TypeError("t.watch: expected a function, got number"));
      t.watch(() => 1);
      expect(() => t.watch(() => 2)).toThrow(
        /^t\.watch: a function watches already; let one function return everything/,
      );
    });
  });

  it("is not called any more once the run has failed", async () => {
    const errors: unknown[] = [];
    await record(async (t) => {
      t.watch(() => void errors.push(t.ctx.err()));
      await t.yield();
      throw new Error("over");
    });
    expect(errors).toEqual([undefined, undefined]);
  });

  it("does not keep other bubbles of the same process from working", async () => {
    const one = record(transfer((ch) => ch.length));
    const two = bubble(async (t) => {
      for (let i = 0; i < 20; i++) await t.external(new Promise<void>((resolve) => setImmediate(resolve)));
    });
    expect(await Promise.all([one, two])).toMatchObject([{ points: 10 }, undefined]);
  });
});
