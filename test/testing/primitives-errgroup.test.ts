/**
 * Groups of tasks, cancelled at every point and in many orders: the first error in time wins, the context ends with
 * it, the limit holds, every task that was admitted runs, and nothing of a group goes on after `wait`.
 */
import { Chan, type Context, context, errgroup, semaphore, sync, time } from "headgate";
import { type Bubble, bubble, explore } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { errorOf } from "../support/errors.ts";

/** Counts the tasks of a group while they run; a function of `task` is one. */
class Census {
  running = 0;
  peak = 0;
  ended = 0;

  task<C>(body: (ctx: C) => unknown): (ctx: C) => Promise<void> {
    return async (ctx) => {
      this.peak = Math.max(this.peak, ++this.running);
      try {
        await body(ctx);
      } finally {
        this.running--;
        this.ended++;
      }
    };
  }
}

describe("the first error", () => {
  it("is what wait rejects with, and the cause of the context, whoever it comes from (E4, E5, E6)", async () => {
    const winners = new Set<string>();
    await explore(async (t) => {
      const [group, ctx] = errgroup.withContext(t.ctx);
      const census = new Census();
      const failures: Error[] = [];
      const fail = (error: Error): never => {
        failures.push(error);
        throw error;
      };
      for (const name of ["a", "b"]) {
        void group.go(
          census.task(async () => {
            await t.yield();
            fail(new Error(name));
          }),
        );
      }
      void group.go(census.task((own: Context) => time.sleep(50, own).catch(fail)));
      void group.go(census.task((own: Context) => own.done().recv()));
      const error = await errorOf(group.wait());
      expect([census.running, census.ended]).toEqual([0, 4]);
      expect(error).toBe(failures[0]);
      expect(ctx.err()?.message).toBe("context canceled");
      // Where the parent ended first, its own error is the cause: it was there before the group's.
      expect([error, t.ctx.err()]).toContain(context.cause(ctx));
      if (t.ctx.err() === undefined) expect(context.cause(ctx)).toBe(error);
      expect(await errorOf(group.wait())).toBe(error);
      winners.add((error as Error).message);
    });
    expect([...winners].sort()).toEqual(["a", "b", "context canceled"]);
  });

  it("that is undefined is an error all the same (E23)", async () => {
    const report = await explore(
      async (t) => {
        const [group, ctx] = errgroup.withContext(t.ctx);
        void group.go(() => Promise.reject(undefined as never));
        void group.go((own) => own.done().recv());
        let hasFailed = false;
        await group.wait().catch((error: unknown) => (hasFailed = error === undefined));
        expect(hasFailed).toBe(true);
        expect([ctx.err(), t.ctx.err()]).toContain(context.cause(ctx));
      },
      { bound: Infinity, randomRuns: 0 },
    );
    expect(report.complete).toBe(true);
  });

  it("stays, whatever is run in the group later (E8)", () =>
    explore(async (t) => {
      const group = new errgroup.Group();
      const first = new Error("first");
      void group.go(() => Promise.reject(first));
      expect(await errorOf(group.wait())).toBe(first);
      void group.go(() => t.yield());
      void group.go(() => Promise.reject(new Error("second")));
      expect(await errorOf(group.wait())).toBe(first);
    }));
});

describe("without an error", () => {
  it("wait resolves although the parent has ended, and ends the context in any case (E6, E11, E12)", () =>
    explore(async (t) => {
      const [parent, cancel] = context.withCancelCause(t.ctx);
      const [group, ctx] = errgroup.withContext(parent);
      const seen: unknown[] = [];
      for (let i = 0; i < 2; i++) {
        void group.go(async (own) => {
          await errorOf(time.sleep(10, own));
          seen.push(context.cause(own));
        });
      }
      void group.go(() => cancel("enough"));
      expect(await errorOf(group.wait())).toBeUndefined();
      expect([ctx.err()?.message, seen.length]).toEqual(["context canceled", 2]);
      for (const cause of seen) expect(["enough", t.ctx.err()]).toContain(cause);
    }));

  it("wait does not touch the parent (E12)", () =>
    bubble(async (t) => {
      const [group, ctx] = errgroup.withContext(t.ctx);
      void group.go(() => time.sleep(10));
      await group.wait();
      expect([ctx.err()?.message, t.ctx.err(), t.now()]).toEqual([
        "context canceled",
        undefined,
        Date.UTC(2000, 0) + 10,
      ]);
    }));
});

describe("a limit", () => {
  it.each([1, 2])(
    "of %i is never passed, and whoever waited for a slot runs, cancelled or not (E10, E14)",
    async (limit) => {
      await explore(async (t) => {
        const [group, ctx] = errgroup.withContext(t.ctx);
        group.setLimit(limit);
        const census = new Census();
        let admitted = 0;
        for (let i = 0; i < 3; i++) {
          await group.go(
            census.task(async () => {
              await errorOf(time.sleep(10, ctx));
              if (i === 1) throw new Error("second");
            }),
          );
          admitted++;
        }
        // Not awaited, and not dropped either.
        void group.go(census.task(() => t.yield()));
        expect(await errorOf(group.wait())).toEqual(new Error("second"));
        expect([admitted, census.ended, census.running]).toEqual([3, 4, 0]);
        expect(census.peak).toBeLessThanOrEqual(limit);
      });
    },
  );

  it("gives its slots in the order of the calls, and tryGo does not overtake (E19)", () =>
    explore(
      async (t) => {
        const group = new errgroup.Group();
        group.setLimit(1);
        const order: string[] = [];
        const calls: string[] = [];
        const caller = (name: string) => async (): Promise<void> => {
          calls.push(name);
          await group.go(() => void order.push(name));
        };
        const callers = new sync.WaitGroup();
        void group.go(() => t.yield());
        for (const name of ["a", "b", "c"]) callers.go(caller(name));
        callers.go(() => {
          const isFree = String(group) === "errgroup.Group(0 running, limit 1)";
          expect(group.tryGo(() => void order.push("try"))).toBe(isFree);
          if (isFree) calls.push("try");
        });
        await callers.wait();
        await group.wait();
        expect(order).toEqual(calls);
      },
      { cancel: false },
    ));

  it("lets a task that gets a failed one's slot see that the context has ended (E9)", async () => {
    const report = await explore(
      async (t) => {
        const [group] = errgroup.withContext(t.ctx);
        group.setLimit(1);
        const seen: unknown[] = [];
        void group.go(() => Promise.reject(new Error("first")));
        void group.go((ctx) => void seen.push(ctx.err()?.message));
        await errorOf(group.wait());
        expect(seen).toEqual(["context canceled"]);
      },
      { bound: Infinity, randomRuns: 0 },
    );
    expect(report.complete).toBe(true);
  });

  it("may be lifted at any time, which admits all who wait, and not be set while tasks run (E16, E17)", () =>
    explore(async (t) => {
      const [group] = errgroup.withContext(t.ctx);
      group.setLimit(1);
      const gate = new Chan<never>();
      let inside = 0;
      for (let i = 0; i < 3; i++) {
        void group.go(async () => {
          inside++;
          await gate.recv();
        });
      }
      expect(() => group.setLimit(2)).toThrow(
        /^errgroup: modify limit while 1 goroutines in the group are still active/,
      );
      await t.yield();
      group.setLimit(-1);
      await t.wait();
      expect(inside).toBe(3);
      gate.close();
      await group.wait();
    }));

  it("of nothing lets nobody in, and wait waits for ever for those it keeps out (E15)", async () => {
    const stuck = bubble(async (t) => {
      const group = new errgroup.Group();
      group.setLimit(0);
      expect(group.tryGo(() => {})).toBe(false);
      void group.go(() => {});
      await t.wait();
      await group.wait();
    });
    await expect(stuck).rejects.toThrow(/blocked 0ms in group\.go group1.* and group\.wait group1/);
  });
});

describe("tasks that start tasks", () => {
  it("are all waited for, however deep, by everybody who waits (E7, E13)", () =>
    explore(async (t) => {
      const [group, ctx] = errgroup.withContext(t.ctx);
      const census = new Census();
      const grow = (depth: number): ((ctx: unknown) => unknown) =>
        census.task(async () => {
          for (let i = 0; depth > 0 && i < 2; i++) void group.go(grow(depth - 1));
          await t.yield();
        });
      void group.go(grow(1));
      const other = new sync.WaitGroup();
      other.go(async () => {
        await group.wait();
        expect([census.ended, ctx.err()?.message]).toEqual([3, "context canceled"]);
      });
      await group.wait();
      expect(census.ended).toBe(3);
      await other.wait();
    }));
});

describe("run", () => {
  /** A scope whose body and task do what they are told, after a while. */
  const scope = async (t: Bubble, body: () => unknown, task: () => unknown): Promise<readonly [unknown, Census]> => {
    const census = new Census();
    const result = await errgroup
      .run(t.ctx, async (group, ctx) => {
        void group.go(
          census.task(async () => {
            await t.yield();
            await task();
          }),
        );
        void group.go(census.task(() => errorOf(time.sleep(100, ctx))));
        await t.yield();
        return body();
      })
      .catch((error: unknown) => error);
    return [result, census];
  };
  const bodyError = new Error("body");
  const taskError = new Error("task");
  const failing = (error: Error) => () => {
    throw error;
  };

  it("returns what its body returned, when every task of it has ended", () =>
    explore(async (t) => {
      const [result, census] = await scope(
        t,
        () => "result",
        () => t.yield(),
      );
      expect([result, census.ended]).toEqual(["result", 2]);
    }));

  it("rejects with the first error, be it a task's or the body's, when every task of it has ended", async () => {
    const results = new Set<unknown>();
    await explore(async (t) => {
      const [result, census] = await scope(t, failing(bodyError), failing(taskError));
      expect(census.ended).toBe(2);
      expect([bodyError, taskError]).toContain(result);
      results.add(result);
    });
    expect(results.size).toBe(2);
  });
});

describe("a program of everything", () => {
  /** A producer, two workers that share a semaphore, and a collector: all of one group, all heeding its context. */
  const program = async (t: Bubble, budget: semaphore.Weighted): Promise<number[]> =>
    errgroup.run(t.ctx, async (group, ctx) => {
      const [jobs, results] = [new Chan<number>(), new Chan<number>(1)];
      const got: number[] = [];
      void group.go(async () => {
        for (const n of [1, 2, 3]) await jobs.send(n, ctx);
        jobs.close();
      });
      const workers = new sync.WaitGroup();
      workers.add(2);
      for (let i = 0; i < 2; i++) {
        void group.go(async () => {
          try {
            for await (const n of jobs.values(ctx)) {
              await budget.acquire(1, ctx);
              try {
                await time.sleep(n, ctx);
              } finally {
                budget.release();
              }
              await results.send(n * n, ctx);
            }
          } finally {
            workers.done();
          }
        });
      }
      void group.go(async () => {
        await workers.wait();
        results.close();
      });
      for await (const n of results.values(ctx)) got.push(n);
      return got.sort((a, b) => a - b);
    });

  it("comes to its end wherever it is cancelled, with all its results or with the error of its context", async () => {
    const report = await explore(async (t) => {
      const budget = new semaphore.Weighted(1);
      const error = await errorOf(program(t, budget).then((got) => expect(got).toEqual([1, 4, 9])));
      if (error !== undefined) expect(error).toBe(t.ctx.err());
      expect(budget.tryAcquire(1)).toBe(true);
    });
    expect(report.points).toBeGreaterThan(20);
  });

  it("comes to its end whichever of its operations is refused, with that error and with no permit held", async () => {
    let refusals = 0;
    const refused = new Error("refused");
    await explore(
      async (t) => {
        const budget = new semaphore.Weighted(1);
        const error = await errorOf(program(t, budget));
        expect([undefined, refused]).toContain(error);
        if (error === refused) refusals++;
        expect(budget.tryAcquire(1)).toBe(true);
      },
      { fail: refused, cancel: false, randomRuns: 0 },
    );
    expect(refusals).toBeGreaterThan(15);
  });
});
