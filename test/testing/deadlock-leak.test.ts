/**
 * Deadlocks, and what a test leaves behind: every report names the line to look at.
 */
import { Chan, context, errgroup, go, retry, select, sending, sync, time } from "headgate";
import { type Bubble, bubble, DeadlockError, explore, LeakError, ScheduleError } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { failureOf } from "../support/errors.ts";
import { linesOf } from "./lines.ts";

const at = linesOf(import.meta.url);
const deadlockOf = (fn: (t: Bubble) => Promise<void>): Promise<DeadlockError> => failureOf(bubble(fn), DeadlockError);
const leakOf = (fn: (t: Bubble) => Promise<void> | void): Promise<LeakError> => failureOf(bubble(fn), LeakError);
/** The lines of a report, each without what comes after the line number. */
const linesIn = (error: Error): string[] => error.message.split("\n").map((line) => line.replace(/(:\d+:)\d+$/, "$1"));

describe("a deadlock", () => {
  it("is reported when every task is blocked and no timer is set, with the line of each of them (Y3)", async () => {
    const error = await deadlockOf(async (t) => {
      const [left, right] = [t.name(new Chan<number>(), "left"), t.name(new Chan<number>(), "right")];
      go(async function partner() {
        await left.send(1); // line: partner sends
        await right.recv();
      });
      await right.send(2); // line: main sends
      await left.recv();
    });
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe("DeadlockError");
    expect(linesIn(error)).toEqual([
      "deadlock: all tasks in the bubble are blocked and no timer is pending",
      `  main         blocked 0ms in send right 2 at ${at("main sends")}`,
      `  partner      blocked 0ms in send left 1 at ${at("partner sends")}`,
    ]);
    expect(error.tasks).toMatchObject([
      { name: "main", state: "blocked", blockedOn: ["send right 2"], since: 0 },
      { name: "partner", state: "blocked", blockedOn: ["send left 1"], since: 0 },
    ]);
    expect(error.tasks[0]!.at).toContain(at("main sends"));
  });

  it("is reported only when no timer is left that could help, with how long each task has waited (Y3)", async () => {
    const { tasks } = await deadlockOf(async (t) => {
      const ch = new Chan<number>();
      go(async function late() {
        await time.sleep(40);
        await ch.recv();
      });
      await t.sleep(10);
      await new Chan().recv();
    });
    expect(tasks).toMatchObject([
      { name: "main", since: 30 },
      { name: "late", blockedOn: ["recv ch1"], since: 0 },
    ]);
  });

  it("is found under a context that has no deadline, and never under one that has", async () => {
    await deadlockOf(async (t) => {
      await new Chan().recv(t.ctx);
    });
    await bubble(async (t) => {
      const [ctx, cancel] = context.withTimeout(t.ctx, 60_000);
      using _ = cancel;
      await expect(new Chan().recv(ctx)).rejects.toBeInstanceOf(context.DeadlineExceeded);
    });
  });

  it("is found in a select, whose cases the report tells", async () => {
    const { tasks } = await deadlockOf(async (t) => {
      const [jobs, results] = [t.name(new Chan<number>(), "jobs"), t.name(new Chan<string>(), "results")];
      await select({ jobs, out: sending(results, "r1"), never: null });
    });
    expect(tasks).toMatchObject([{ blockedOn: ['select jobs: jobs, out: results ← "r1", never: nil'] }]);
  });

  it("is found when a task waits for several things at once, all of which the report tells", async () => {
    const { message } = await deadlockOf(async () => {
      const ch = new Chan<number>();
      await Promise.all([ch.recv(), new sync.WaitGroup().wait(), new Chan().recv()]);
    });
    expect(message).toContain("blocked 0ms in recv ch1 and recv ch2");
  });

  it("is found when a mutex is locked twice, although Go would not see it (Y4)", async () => {
    const { tasks } = await deadlockOf(async () => {
      const mu = new sync.Mutex();
      using _ = await mu.lock();
      await mu.lock();
    });
    expect(tasks).toMatchObject([{ blockedOn: ["lock mu1"] }]);
  });

  it("lets `finally` blocks run before the test rejects, for t.ctx and t.abort are cancelled", async () => {
    const events: unknown[] = [];
    await deadlockOf(async (t) => {
      go(async () => {
        await t.abort.done().recv();
        events.push(t.abort.err()?.message);
      });
      try {
        await new Chan().recv(t.ctx);
      } finally {
        await t.yield();
        events.push("finally");
      }
    });
    expect(new Set(events)).toEqual(new Set(["context canceled", "finally"]));
  });

  it("does not hang when the tasks heed no context, nor when they block again on their way out", async () => {
    const { tasks } = await deadlockOf(async (t) => {
      go(async () => {
        await t.ctx.done().recv();
        await new Chan().recv();
      });
      await new Chan().send(1);
    });
    expect(tasks).toHaveLength(2);
  });

  it("is the cause of a ScheduleError when a schedule of explore runs into it", async () => {
    const error = await failureOf(
      explore(async () => void (await new Chan().recv())),
      ScheduleError,
    );
    expect(error.cause).toBeInstanceOf(DeadlockError);
    expect(error.tasks).toMatchObject([{ name: "main", state: "blocked", blockedOn: ["recv ch1"] }]);
  });
});

describe("a leak", () => {
  it("is a task that does not end although t.ctx has", async () => {
    const error = await leakOf((t) => {
      const ch = t.name(new Chan<number>(), "jobs");
      go(async function deaf() {
        await ch.recv(); // line: deaf receives
      });
    });
    expect(error).toBeInstanceOf(Error);
    expect(error.name).toBe("LeakError");
    expect(linesIn(error)).toEqual([
      expect.stringMatching(/^leak: the test returned and left 1 task\(s\) that do not end/),
      `  deaf         blocked 0ms in recv jobs at ${at("deaf receives")}`,
    ]);
    expect(error.tasks).toMatchObject([{ name: "deaf", state: "blocked", blockedOn: ["recv jobs"] }]);
  });

  it("is a task that sleeps when t.ctx has ended, for time stands still, and its timer", async () => {
    const error = await leakOf((t) => {
      go(async function lazy() {
        await t.ctx.done().recv();
        await time.sleep(100); // line: lazy sleeps
      });
    });
    expect(linesIn(error)).toEqual([
      expect.stringMatching(/1 task\(s\) that do not end.* and 1 timer\(s\) still set/),
      expect.stringContaining(`in sleep 100 at ${at("lazy sleeps")}`),
      `  sleep set at ${at("lazy sleeps")}`,
    ]);
  });

  it.each<[string, (t: Bubble) => unknown]>([
    ["withCancel", (t) => context.withCancel(t.ctx)], // line: withCancel
    ["withCancelCause", (t) => context.withCancelCause(t.ctx)], // line: withCancelCause
    ["withSignal", (t) => context.withSignal(t.ctx, new AbortController().signal)], // line: withSignal
    ["withoutCancel", (t) => context.withCancel(context.withoutCancel(t.ctx))], // line: withoutCancel
    ["background", () => context.withCancel(context.background())], // line: background
    ["errgroup", (t) => errgroup.withContext(t.ctx)], // line: errgroup
  ])("is a context that was never cancelled: %s", async (mark, make) => {
    const error = await leakOf((t) => void make(t));
    expect(linesIn(error)).toEqual([
      expect.stringMatching(
        /^leak: the test returned and left 1 context\(s\) that were never cancelled: call cancel in finally, or write using _ = cancel/,
      ),
      expect.stringMatching(/^ {2}ctx\d made at /),
    ]);
    expect(error.message).toContain(`made at ${at(mark)}`);
    expect(error.tasks).toEqual([]);
  });

  it("is a context with a deadline, whose timer goes with t.ctx if that is its parent", async () => {
    const child = await leakOf((t) => void context.withTimeout(t.ctx, 1_000));
    expect(child.message).not.toContain("timer");
    const error = await leakOf(() => void context.withTimeout(context.background(), 1_000)); // line: withTimeout
    expect(linesIn(error)).toEqual([
      expect.stringMatching(/1 context\(s\) that were never cancelled.* and 1 timer\(s\) still set/),
      `  ctx1 made at ${at("withTimeout")}`,
      `  deadline of ctx1 set at ${at("withTimeout")}`,
    ]);
  });

  it("is a timer that is still set", async () => {
    const error = await leakOf(() => void time.afterFunc(50, () => {})); // line: afterFunc
    expect(linesIn(error)).toEqual([
      expect.stringMatching(/^leak: the test returned and left 1 timer\(s\) still set/),
      `  timer1 set at ${at("afterFunc")}`,
    ]);
  });

  it("is an operation that nobody awaits and that never ends", async () => {
    const error = await leakOf((t) => {
      const ch = t.name(new Chan<number>(), "ch");
      void ch.send(1); // line: floating
    });
    expect(error.message).toContain(`has returned, and nothing awaits its send ch 1 at ${at("floating")}`);
    expect(error.tasks).toMatchObject([{ name: "main", blockedOn: ["send ch 1"] }]);
  });

  it("is told together with all others", async () => {
    const { message } = await leakOf((t) => {
      go(() => new Chan().recv());
      go(() => new Chan().recv());
      void context.withCancel(t.ctx);
      time.afterFunc(1, () => {});
    });
    expect(message.split("\n")).toHaveLength(5);
    expect(message).toMatch(/left 2 task\(s\).*, and 1 context\(s\).*, and 1 timer\(s\)/);
  });

  it("is reported after `finally` blocks have run", async () => {
    let cleaned = false;
    await leakOf((t) => {
      go(() => new Chan().recv());
      go(async () => {
        try {
          await new Chan().recv(t.ctx);
        } catch {
          cleaned = true;
        }
      });
    });
    expect(cleaned).toBe(true);
  });

  it("is not reported when the test has failed anyway", async () => {
    const result = bubble((t) => {
      go(() => new Chan().recv());
      void context.withCancel(t.ctx);
      throw new Error("assertion failed");
    });
    await expect(result).rejects.toThrow("assertion failed");
  });

  it("is the cause of a ScheduleError when a schedule of explore leaves it", async () => {
    const error = await failureOf(
      explore((t) => void context.withCancel(t.ctx)),
      ScheduleError,
    );
    expect(error.cause).toBeInstanceOf(LeakError);
    expect((error.cause as LeakError).message).toContain("ctx1 made at test/testing/deadlock-leak.test.ts");
  });
});

describe("no leak", () => {
  it("is a context that was cancelled, has reached its deadline, or whose parent was cancelled", async () => {
    await bubble(async (t) => {
      using _ = context.withCancel(t.ctx)[1];
      context.withTimeout(t.ctx, 10);
      const [parent, cancel] = context.withCancel(t.ctx);
      context.withCancel(context.withValue(parent, context.key<number>("k"), 1));
      cancel();
      await t.sleep(10);
    });
  });

  it("is a group that was waited for, or a scope", async () => {
    await bubble(async (t) => {
      const [group] = errgroup.withContext(t.ctx);
      await group.go((ctx) => time.sleep(5, ctx));
      await group.wait();
      await errgroup.run(t.ctx, () => time.sleep(5));
      await retry.run(t.ctx, () => time.sleep(5), { timeout: 10 });
    });
  });

  it("is a context that a task cancels as it ends, because t.ctx has", async () => {
    await bubble(async (t) => {
      go(async () => {
        const [ctx, cancel] = context.withTimeout(t.ctx, 1_000);
        using _ = cancel;
        await new Chan().recv(ctx).catch(() => {});
      });
      await t.wait();
    });
  });

  it("is a context that cannot be cancelled, or that waits for another to end", async () => {
    await bubble((t) => {
      context.withoutCancel(context.withValue(t.ctx, context.key<number>("k"), 1));
      context.afterFunc(t.ctx, () => {});
    });
  });

  it("is a timer that nobody waits for", async () => {
    await bubble(async () => {
      const timer = new time.Timer(1_000);
      time.after(1_000);
      time.tick(1_000);
      new time.Ticker(1_000);
      time.afterFunc(1_000, () => {}).stop();
      expect(await select({ timer: timer.c, ready: time.after(0) })).toMatchObject({ case: "ready" });
    });
  });

  it("is a task that ends when t.ctx does, however many steps it takes", async () => {
    let steps = 0;
    await bubble((t) => {
      go(async () => {
        await t.ctx.done().recv();
        const ch = new Chan<number>();
        go(() => ch.send(1));
        await ch.recv();
        for (; steps < 100; steps++) await t.yield();
      });
    });
    expect(steps).toBe(100);
  });
});
