/**
 * The clock of a bubble, and when every task counts as blocked.
 */
import { Chan, context, errgroup, go, nil, select, semaphore, singleflight, sync, time } from "headgate";
import { type Bubble, bubble } from "headgate/testing";
import { describe, expect, it } from "vitest";

const START = Date.UTC(2000, 0, 1);
const YEAR = 365 * 24 * 3_600_000;

describe("the clock", () => {
  it("starts at 2000-01-01T00:00Z, for t.now and for the whole library (Y1)", async () => {
    await bubble(async (t) => {
      expect([t.now(), time.now()]).toEqual([START, START]);
      const [ctx, cancel] = context.withTimeout(t.ctx, 5);
      using _ = cancel;
      expect(ctx.deadline()).toBe(START + 5);
      const [due] = await time.after(3).recv();
      expect(due?.getTime()).toBe(START + 3);
    });
  });

  it.each([1_000, new Date(1_000), 0.5, -5])("starts at options.start: %o", async (start) => {
    await bubble((t) => expect(t.now()).toBe(Number(start)), { start });
  });

  it("stands still while any task has something to do, however long that takes (Y1)", async () => {
    await bubble(async (t) => {
      const [ctx, cancel] = context.withTimeout(t.ctx, 1);
      using _ = cancel;
      for (let i = 0; i < 1_000; i++) await t.yield();
      expect([t.now(), ctx.err()]).toEqual([START, undefined]);
    });
  });

  it("jumps straight to the next timer when every task is blocked (Y1)", async () => {
    await bubble(async (t) => {
      const woken: number[] = [];
      for (const ms of [30, 10, 20]) {
        go(async () => {
          await time.sleep(ms);
          woken.push(t.now() - START);
        });
      }
      await time.sleep(25);
      expect(woken).toEqual([10, 20]);
      await time.sleep(25);
      expect(woken).toEqual([10, 20, 30]);
      expect(t.now()).toBe(START + 50);
    });
  });

  it("jumps a year, beyond the longest platform timer, and a fraction of a millisecond, exactly", async () => {
    await bubble(async (t) => {
      const [ctx, cancel] = context.withTimeout(t.ctx, 2 * YEAR);
      using _ = cancel;
      await time.sleep(YEAR);
      expect(t.now()).toBe(START + YEAR);
      await time.sleep(YEAR - 0.25);
      expect([t.now(), ctx.err()]).toEqual([START + 2 * YEAR - 0.25, undefined]);
      await t.sleep(0.25);
      expect(ctx.err()).toBeInstanceOf(context.DeadlineExceeded);
      await t.sleep(1e12 + 0.5);
      expect(t.now()).toBe(START + 2 * YEAR + 1e12 + 0.5);
    });
  });

  it("ends a context exactly at its deadline", async () => {
    await bubble(async (t) => {
      const [ctx, cancel] = context.withTimeout(t.ctx, 5_000);
      using _ = cancel;
      await t.sleep(4_999);
      expect(ctx.err()).toBeUndefined();
      await t.sleep(1);
      expect(ctx.err()).toBeInstanceOf(context.DeadlineExceeded);
    });
  });

  it("takes a ticker through every tick", async () => {
    await bubble(async () => {
      const ticker = new time.Ticker(20);
      const ticks: number[] = [];
      for (let i = 0; i < 3; i++) ticks.push((await ticker.c.recv())[0]!.getTime() - START);
      expect(ticks).toEqual([20, 40, 60]);
    });
  });

  it("fires timers that are due at the same time in the order in which they were set (Y5)", async () => {
    await bubble(async (t) => {
      const fired: string[] = [];
      time.afterFunc(10, () => void fired.push("first"));
      time.afterFunc(10, () => void fired.push("second"));
      await t.sleep(10);
      expect(fired).toEqual(["first", "second"]);
    });
  });

  it("leaves the platform's clock alone", async () => {
    const before = Date.now();
    await bubble(async (t) => {
      await t.sleep(YEAR);
      expect(Date.now()).toBeGreaterThanOrEqual(before);
      expect(Date.now()).toBeLessThan(before + YEAR);
    });
  });

  it("stands still when the function has returned", async () => {
    let [returned, ended] = [0, 0];
    await bubble(async (t) => {
      go(async () => {
        await time.sleep(5_000, t.ctx).catch(() => {});
        ended = time.now();
      });
      await t.sleep(7);
      returned = t.now();
    });
    expect([returned, ended]).toEqual([START + 7, START + 7]);
  });
});

describe("t.wait", () => {
  it("returns when every other task is blocked, those included that were started meanwhile (Y2)", async () => {
    await bubble(async (t) => {
      const done: string[] = [];
      const never = new Chan<void>();
      go(async () => {
        for (let i = 0; i < 5; i++) await t.yield();
        go(async () => {
          await t.yield();
          done.push("child");
          await never.recv(t.ctx).catch(() => {});
        });
        done.push("parent");
      });
      await t.wait();
      expect(done).toEqual(["parent", "child"]);
    });
  });

  it("does not let time pass (Y2)", async () => {
    await bubble(async (t) => {
      let fired = false;
      time.afterFunc(0.001, () => void (fired = true));
      await t.wait();
      expect([t.now(), fired]).toEqual([START, false]);
      await t.sleep(0.001);
      expect(fired).toBe(true);
    });
  });

  it("waits for what a cancel sets in motion: functions after a context, and whoever they wake (Y2)", async () => {
    await bubble(async (t) => {
      const [ctx, cancel] = context.withCancel(t.ctx);
      const told = new Chan<string>();
      let heard: string | undefined;
      context.afterFunc(ctx, () => void told.send("ended"));
      go(async () => void ([heard] = await told.recv()));
      await t.wait();
      expect(heard).toBeUndefined();
      cancel();
      await t.wait();
      expect(heard).toBe("ended");
    });
  });

  it("may be called by any task, again and again", async () => {
    await bubble(async (t) => {
      const steps = new Chan<number>();
      go(async () => {
        for (let i = 1; i <= 3; i++) {
          await t.wait();
          await steps.send(i);
        }
      });
      for (let i = 1; i <= 3; i++) expect(await steps.recv()).toEqual([i, true]);
    });
  });

  it("rejects while another wait is under way, and the other goes on", async () => {
    await bubble(async (t) => {
      const first = t.wait();
      await expect(t.wait()).rejects.toThrow("t.wait: another wait is under way; let one task do the waiting");
      await first;
    });
  });
});

describe("what counts as blocked (Y4), so that t.wait returns and t.tasks says so", () => {
  type Blocking = (t: Bubble) => Promise<unknown>;
  const blocking: Record<string, Blocking> = {
    "recv ch1": (t) => new Chan().recv(t.ctx),
    "send ch1 7": (t) => new Chan<number>().send(7, t.ctx),
    "recv t.ctx.done()": (t) => t.ctx.done().recv(),
    "select in: ch1, out: nil": (t) => select({ in: new Chan<number>(), out: nil }, t.ctx),
    select: (t) => select({}, t.ctx),
    sleep: (t) => time.sleep(1_000, t.ctx),
    "recv timer1": (t) => time.after(1_000).recv(t.ctx),
    "wg.wait wg1": async (t) => {
      const wg = new sync.WaitGroup();
      wg.add(1);
      await wg.wait(t.ctx);
    },
    "lock mu1": async (t) => {
      const mu = new sync.Mutex();
      await mu.lock();
      await mu.lock(t.ctx);
    },
    "rLock rw1": async (t) => {
      const rw = new sync.RWMutex();
      await rw.lock();
      await rw.rLock(t.ctx);
    },
    "cond.wait cond1": async (t) => {
      const cond = new sync.Cond(new sync.Mutex());
      await cond.mutex.lock();
      await cond.wait(t.ctx);
    },
    "acquire sem1 2": (t) => new semaphore.Weighted(1).acquire(2, t.ctx),
    "group.wait group1": async (t) => {
      const group = new errgroup.Group();
      void group.go(() => new Chan().recv(t.ctx).catch(() => {}));
      await group.wait();
    },
    "singleflight.do flight1": (t) =>
      new singleflight.Group<string, void>().do("key", () => new Chan().recv(t.ctx).then(() => {}), t.ctx),
  };

  it.each(Object.entries(blocking))("%s", async (op, block) => {
    await bubble(async (t) => {
      go(async function blocked() {
        await block(t).catch(() => {});
      });
      await t.wait();
      expect(t.tasks()[1]).toMatchObject({
        name: "blocked",
        state: "blocked",
        blockedOn: [expect.stringContaining(op)],
      });
    });
  });
});
