/**
 * "No starvation": a loop of operations that are always ready does not keep timers waiting. In real time, but without
 * a stopwatch: every loop lasts until a timer ends it, and only one that starves the timer makes so many steps
 * that it gives up.
 */
import { Chan, context, errgroup, go, retry, select, semaphore, sending, singleflight, sync, time } from "headgate";
import { describe, expect, it, vi } from "vitest";

/** Many times the steps that a loop has the time for. */
const ENDLESS = 1_000_000;

/** What a loop asks before each step, whether to go on. */
type Going = () => boolean;

/**
 * Lets the loops spin until a timer of the platform's, set 20 ms before, has ended them, and says how often an interval of 10 ms has fired
 * by then. Rejects if the timer does not come. A deadline would prove nothing: `ctx.err()` sees it without a turn of the event loop.
 */
async function spin(tasks: number, loop: (going: Going, i: number) => Promise<void>): Promise<number> {
  let fired = 0;
  let steps = 0;
  const interval = setInterval(() => fired++, 10);
  let over = false;
  setTimeout(() => (over = true), 20);
  const going = (): boolean => {
    if (++steps > ENDLESS) throw new retry.Permanent("the timers were starved");
    return !over;
  };
  try {
    await Promise.all(Array.from({ length: tasks }, (_, i) => loop(going, i)));
  } finally {
    clearInterval(interval);
  }
  return fired;
}

/** Two tasks that keep each other busy: one sends back what the other sends, until that one closes the channels. */
const pingPong = (capacity: number) => async (going: Going) => {
  const [ping, pong] = [new Chan<number>(capacity), new Chan<number>(capacity)];
  go(async () => {
    for await (const i of ping) await pong.send(i);
  });
  for (let i = 0; going(); i++) {
    await ping.send(i);
    if ((await pong.recv())[0] !== i) throw new Error("a value was lost");
  }
  ping.close();
};

const loops: Record<string, (going: Going) => Promise<void>> = {
  "play ping-pong on unbuffered channels": pingPong(0),
  "play ping-pong on buffered channels": pingPong(1),

  "fill and drain a buffered channel": async (going) => {
    const ch = new Chan<number>(8);
    while (going()) {
      while (ch.length < ch.capacity) await ch.send(1);
      while (ch.length > 0) await ch.recv();
    }
  },

  "send to a receiver that is always slower": async (going) => {
    const ch = new Chan<number>(4);
    go(async () => {
      for (let open = true; open;) [, open] = await ch.recv();
    });
    while (going()) await ch.send(1);
    ch.close();
  },

  "receive from a closed channel": async (going) => {
    const ch = new Chan<number>();
    ch.close();
    while (going()) await ch.recv();
  },

  "select with a case that is always ready": async (going) => {
    const [closed, never] = [new Chan<number>(), new Chan<number>()];
    closed.close();
    while (going()) await select({ closed, never, out: sending(never, 1) });
  },

  "select against each other": async (going) => {
    const ch = new Chan<number>();
    const done = new Chan<never>();
    go(async () => {
      while ((await select({ ch, done })).case === "ch");
    });
    while (going()) await select([sending(ch, 1), done]);
    done.close();
  },

  "lock and unlock a mutex": async (going) => {
    const mu = new sync.Mutex();
    while (going()) {
      await mu.lock();
      mu.unlock();
    }
  },

  "contend for a mutex": async (going) => {
    const mu = new sync.Mutex();
    const contend = async (): Promise<void> => {
      while (going()) {
        using _ = await mu.lock();
        await time.sleep(0);
      }
    };
    await Promise.all([contend(), contend(), contend()]);
  },

  "read and write under an RWMutex": async (going) => {
    const mu = new sync.RWMutex();
    const read = async (): Promise<void> => {
      while (going()) (await mu.rLock())[Symbol.dispose]();
    };
    const write = async (): Promise<void> => {
      while (going()) (await mu.lock())[Symbol.dispose]();
    };
    await Promise.all([read(), read(), write()]);
  },

  "wake each other by a condition": async (going) => {
    const cond = new sync.Cond(new sync.Mutex());
    let turn = 0;
    const play = async (mine: number): Promise<void> => {
      await cond.mutex.lock();
      while (going()) {
        while (turn % 2 !== mine) await cond.wait();
        turn++;
        cond.signal();
      }
      turn = mine + 1;
      cond.signal();
      cond.mutex.unlock();
    };
    await Promise.all([play(0), play(1)]);
  },

  "wait for a WaitGroup of trivial tasks": async (going) => {
    const wg = new sync.WaitGroup();
    while (going()) {
      wg.go(() => {});
      await wg.wait();
    }
  },

  "acquire and release a semaphore": async (going) => {
    const sem = new semaphore.Weighted(1);
    while (going()) {
      await sem.acquire();
      sem.release();
    }
  },

  "contend for a semaphore": async (going) => {
    const sem = new semaphore.Weighted(2);
    const contend = async (n: number): Promise<void> => {
      while (going()) {
        await sem.acquire(n);
        await time.sleep(0);
        sem.release(n);
      }
    };
    await Promise.all([contend(1), contend(2), contend(1)]);
  },

  "start trivial tasks of a group": async (going) => {
    const group = new errgroup.Group();
    while (going()) await group.go(() => {});
    await group.wait();
  },

  "start trivial tasks of a limited group": async (going) => {
    const group = new errgroup.Group();
    group.setLimit(2);
    while (going()) await group.go(() => Promise.resolve());
    await group.wait();
  },

  "wait for groups of trivial tasks": async (going) => {
    while (going()) await errgroup.run(context.background(), (group) => group.go(() => {}));
  },

  "sleep for no time": async (going) => {
    while (going()) await time.sleep(0);
  },

  "receive from timers that are due": async (going) => {
    while (going()) await time.after(0).recv();
  },

  "wake each other by trySend alone": async (going) => {
    const [there, back] = [new Chan<void>(1), new Chan<void>(1)];
    go(async () => {
      while ((await there.recv())[1]) back.trySend();
    });
    while (going()) {
      there.trySend();
      await back.recv();
    }
    there.close();
  },

  "iterate over a channel": async (going) => {
    const ch = new Chan<number>(4);
    const left = new Chan<never>();
    go(async () => {
      while ((await select({ out: sending(ch, 1), left })).case === "out");
    });
    for await (const value of ch) if (value !== 1 || !going()) break;
    left.close();
  },

  "iterate over a channel that is filled by trySend": async (going) => {
    const ch = new Chan<number>(4);
    ch.trySend(1);
    for await (const value of ch) {
      if (!going()) break;
      ch.trySend(value);
    }
  },

  "ask a singleflight group": async (going) => {
    const group = new singleflight.Group<string, number>();
    while (going()) await group.do("key", () => 1);
  },

  "ask a singleflight group by channels": async (going) => {
    const group = new singleflight.Group<string, number>();
    while (going()) await group.doChan("key", () => 1).recv();
  },

  "try again without a pause": async (going) => {
    const fn = () => (going() ? Promise.reject(new Error("again")) : "over");
    await retry.run(context.background(), fn, { tries: Infinity, base: 0 });
  },

  "wait for promises that have resolved": async (going) => {
    while (going()) await context.wait(Promise.resolve());
  },

  "are refused by a context that has ended": async (going) => {
    const [ctx, cancel] = context.withCancel(context.background());
    cancel();
    while (going()) await time.sleep(1, ctx).catch(() => {});
  },

  "start each other by go": async (going) => {
    await new Promise<void>((resolve, reject) => {
      const next = (): void => {
        try {
          if (going()) go(next);
          else resolve();
        } catch (error) {
          reject(error as Error);
        }
      };
      go(next);
    });
  },
};

describe("timers are not starved by tasks that", () => {
  it.each(Object.keys(loops))("%s", async (name) => {
    expect(await spin(1, loops[name]!)).toBeGreaterThanOrEqual(1);
  });

  it("do all of this at the same time", async () => {
    const all = Object.values(loops);
    expect(await spin(all.length, (going, i) => all[i]!(going))).toBeGreaterThanOrEqual(1);
  });

  it.each(Object.keys(loops))("are a thousand, and %s", async (name) => {
    expect(await spin(1000, loops[name]!)).toBeGreaterThanOrEqual(1);
  });
});

describe("long work between the operations of a loop is noticed", () => {
  const work = (ms: number): void => {
    for (const begun = performance.now(); performance.now() - begun < ms;);
  };

  /** Receives with 2 ms of work for each value, until a timer of 1 ms has fired; returns how many it has received. */
  async function countUntilTimer(recv: () => Promise<unknown>): Promise<number> {
    let fired = false;
    setTimeout(() => (fired = true), 1);
    let count = 0;
    for (; !fired && count < 1000; count++) {
      await recv();
      work(2);
    }
    return count;
  }

  it("from its first operation on, in a program that begins with it", async () => {
    vi.resetModules();
    const { Chan } = await import("headgate");
    const ch = new Chan<number>();
    ch.close();
    // Go's scheduler would let the timer in after 10 ms. The clock is read at each operation here.
    expect(await countUntilTimer(() => ch.recv())).toBeLessThan(16);
  });

  it("within a batch of 64, after operations that were dense", async () => {
    const ch = new Chan<number>();
    ch.close();
    for (let i = 0; i < 5000; i++) await ch.recv();
    await time.sleep(5);
    for (let i = 0; i < 200; i++) await ch.recv();
    expect(await countUntilTimer(() => ch.recv())).toBeLessThan(64 + 16);
  });
});
