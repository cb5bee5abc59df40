/**
 * What lands in logs: everything of the kit's as JSON is one line, or the plain data that its docs name, and never what hangs on it.
 */
import { Chan, context } from "headgate";
import {
  type Bubble,
  bubble,
  DeadlockError,
  explore,
  LeakError,
  NondeterminismError,
  ScheduleError,
} from "headgate/testing";
import { describe, expect, it } from "vitest";
import { failureOf } from "../support/errors.ts";

const secret = context.key<{ token: string }>("secret");

describe("JSON", () => {
  it("of t is one line, and asks for nothing that was not there", async () => {
    await bubble(async (t) => {
      await t.sleep(1_500);
      expect(JSON.stringify({ t })).toBe('{"t":"Bubble(+1500ms, 1 task(s))"}');
    });
    await bubble(
      (t) => {
        const before = t.trace().rows.length;
        JSON.stringify(t);
        expect(t.trace().rows).toHaveLength(before);
        expect(t.now()).toBe(5);
      },
      { start: 5 },
    );
  });

  it("of t.ctx, t.abort and what is made of them is one line without values", async () => {
    await bubble((t) => {
      const [ctx, cancel] = context.withTimeout(context.withValue(t.ctx, secret, { token: "t0k3n" }), 5_000);
      using _ = cancel;
      for (const each of [t.ctx, t.abort, ctx]) {
        const json = JSON.stringify(each);
        expect(typeof JSON.parse(json)).toBe("string");
        expect(json).not.toMatch(/t0k3n|\n/);
        expect(json.length).toBeLessThan(120);
      }
    });
  });

  it("of a trace is its rows, of plain texts and numbers", async () => {
    await bubble(async (t) => {
      const ch = new Chan<object>(1);
      await ch.send({ token: "in the clear, as in the timeline" });
      const trace = t.trace();
      const rows = JSON.parse(JSON.stringify(trace)) as unknown;
      expect(rows).toEqual(trace.rows);
      expect(Object.keys(trace.rows[0]!)).toEqual(["step", "time", "task", "event", "object", "detail", "choices"]);
      for (const row of trace.rows) for (const part of Object.values(row)) expect(typeof part).toMatch(/string|number/);
    });
  });

  it("of a report is its numbers", async () => {
    const report = await explore((t) => t.yield(), { randomRuns: 1 });
    expect(JSON.parse(JSON.stringify(report))).toEqual({
      schedules: expect.any(Number),
      points: 2,
      complete: true,
      ms: report.ms,
    });
  });

  const blocked = async (): Promise<void> => {
    await new Chan().recv();
  };
  const task = {
    name: "main",
    state: "blocked",
    blockedOn: ["recv ch1"],
    since: 0,
    at: expect.stringContaining("json.test.ts"),
  };

  it("of a DeadlockError and a LeakError is the tasks", async () => {
    const deadlock = await failureOf(bubble(blocked), DeadlockError);
    expect(JSON.parse(JSON.stringify(deadlock))).toEqual({ tasks: [task] });
    const leak = await failureOf(
      bubble((t: Bubble) => void context.withCancel(t.ctx)),
      LeakError,
    );
    expect(JSON.parse(JSON.stringify(leak))).toEqual({ tasks: [] });
  });

  it("of a ScheduleError is replay, schedules and tasks: neither the trace nor the cause", async () => {
    const boom = Object.assign(new Error("boom"), { ring: {} });
    boom.ring = boom;
    const stuck = await failureOf(explore(blocked), ScheduleError);
    expect(JSON.parse(JSON.stringify(stuck))).toEqual({ replay: "0", schedules: 1, tasks: [task] });
    const thrown = await failureOf(
      explore(() => Promise.reject(boom)),
      ScheduleError,
    );
    expect(JSON.parse(JSON.stringify(thrown))).toMatchObject({ replay: "0", schedules: 1 });
    expect(Object.keys(thrown)).toEqual(["replay", "schedules", "tasks"]);
    expect(thrown.trace.rows.length).toBeGreaterThan(0);
    expect(thrown.cause).toBe(boom);
  });

  it("of a NondeterminismError is nothing", async () => {
    let runs = 0;
    const changing = async (t: Bubble): Promise<void> => {
      for (let i = runs++; i >= 0; i--) await t.yield();
    };
    expect(JSON.stringify(await failureOf(explore(changing), NondeterminismError))).toBe("{}");
  });
});
