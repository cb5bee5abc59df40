/**
 * Locks, conditions and wait groups, cancelled at every point and in many orders: nothing is held by more than may
 * hold it, whoever gives up leaves nobody stuck, and in the end everything is free.
 */
import assert from "node:assert/strict";
import { Chan, type Context, context, semaphore, sync, time } from "headgate";
import { type Bubble, explore } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { together, under } from "./tasks.ts";

/** Something that one may have at a time. */
interface Exclusive {
  take(ctx?: Context): Promise<unknown>;
  tryTake(): boolean;
  give(): void;
  toString(): string;
}

const lockOf = (lock: sync.Mutex | sync.RWMutex): Exclusive => ({
  take: (ctx) => lock.lock(ctx),
  tryTake: () => lock.tryLock(),
  give: () => lock.unlock(),
  toString: () => String(lock),
});

const exclusive: Record<string, () => Exclusive> = {
  Mutex: () => lockOf(new sync.Mutex()),
  RWMutex: () => lockOf(new sync.RWMutex()),
  "Weighted(1)": () => {
    const sem = new semaphore.Weighted(1);
    return {
      take: (ctx) => sem.acquire(1, ctx),
      tryTake: () => sem.tryAcquire(),
      give: () => sem.release(),
      toString: () => String(sem),
    };
  },
};

/** The visits to one of these, on record. */
class Visits {
  private readonly what: Exclusive;
  private readonly calls: string[] = [];
  private readonly holders: string[] = [];
  private inside = 0;

  constructor(what: Exclusive) {
    this.what = what;
  }

  async visit(name: string, ctx: Context | undefined, stay: () => Promise<unknown>): Promise<void> {
    this.calls.push(name);
    await this.what.take(ctx);
    await this.stay(name, stay);
  }

  /** A visit that does not wait; says whether it took place. */
  async tryVisit(name: string, stay: () => Promise<unknown>): Promise<boolean> {
    if (!this.what.tryTake()) return false;
    this.calls.push(name);
    await this.stay(name, stay);
    return true;
  }

  private async stay(name: string, stay: () => Promise<unknown>): Promise<void> {
    this.holders.push(name);
    try {
      assert.equal(++this.inside, 1);
      await stay();
    } finally {
      this.inside--;
      this.what.give();
    }
  }

  /** To be asked in the end: it was had in the order of the calls, and it is free. Returns who had it. */
  inOrder(): readonly string[] {
    expect(this.holders).toEqual(this.calls.filter((name) => this.holders.includes(name)));
    expect(String(this.what)).not.toContain("waiting");
    expect([this.what.tryTake(), this.what.tryTake()]).toEqual([true, false]);
    return this.holders;
  }
}

describe.each(Object.entries(exclusive))("%s", (_, make) => {
  it("is held by one at a time, in the order of the calls, and is free in the end, whoever gives up", () =>
    explore(async (t) => {
      const visits = new Visits(make());
      const [own, cancel] = context.withCancel(t.ctx);
      await together(
        () => under(t.ctx, () => visits.visit("a", t.ctx, () => time.sleep(1, t.ctx))),
        () => under(own, () => visits.visit("b", own, () => t.yield())),
        () => visits.visit("c", undefined, () => t.yield()),
        () => under(t.ctx, () => visits.visit("d", t.ctx, () => time.sleep(1))),
        cancel,
      );
      expect(visits.inOrder()).toContain("c");
    }));

  it("goes from holder to holder, so that nobody who tries slips in, in every schedule there is", async () => {
    const outcomes = new Set<string>();
    const report = await explore(
      async (t) => {
        const what = make();
        const visits = new Visits(what);
        const stay = (): Promise<void> => t.yield();
        await together(
          () => under(t.ctx, () => visits.visit("a", t.ctx, stay)),
          () => under(t.ctx, () => visits.visit("b", t.ctx, stay)),
          async () => {
            const isFree = /unlocked|0\/1/.test(String(what));
            expect(await visits.tryVisit("try", stay)).toBe(isFree);
          },
        );
        outcomes.add([...visits.inOrder()].sort().join());
      },
      { bound: Infinity, randomRuns: 0, maxSchedules: 20_000 },
    );
    expect(report.complete).toBe(true);
    expect([...outcomes].sort()).toEqual(["a", "a,b", "a,b,try", "a,try", "b", "b,try", "try"]);
  });
});

describe("Mutex", () => {
  it("is given back by a guard once, and only by the guard of who holds it", () =>
    explore(async (t) => {
      const mu = new sync.Mutex();
      let inside = 0;
      const visit = (byHand: boolean) => () =>
        under(t.ctx, async () => {
          const guard = await mu.lock(t.ctx);
          assert.equal(++inside, 1);
          await t.yield();
          inside--;
          if (byHand) mu.unlock();
          else guard[Symbol.dispose]();
          await t.yield();
          guard[Symbol.dispose]();
        });
      await together(visit(true), visit(false), visit(true));
      expect(mu.tryLock()).toBe(true);
    }));
});

describe("RWMutex", () => {
  /** Who is in: any number of readers, or one writer. */
  class Library {
    readonly mu = new sync.RWMutex();
    private readers = 0;
    private writers = 0;
    readonly seen = new Set<string>();

    async read(ctx: Context, stay: () => Promise<unknown>): Promise<void> {
      using _ = await this.mu.rLock(ctx);
      this.readers++;
      this.seen.add(`${this.readers} reading`);
      await this.stay(stay);
      this.readers--;
    }

    async write(ctx: Context, stay: () => Promise<unknown>): Promise<void> {
      using _ = await this.mu.lock(ctx);
      this.writers++;
      this.seen.add(`${this.writers} writing`);
      await this.stay(stay);
      this.writers--;
    }

    private async stay(stay: () => Promise<unknown>): Promise<void> {
      const check = (): void => assert(this.writers === 0 || this.writers + this.readers === 1);
      check();
      await stay();
      check();
    }
  }

  it("lets in readers together or one writer alone, and is free in the end, whoever gives up", async () => {
    const seen = new Set<string>();
    await explore(async (t) => {
      const library = new Library();
      const [own, cancel] = context.withCancel(t.ctx);
      const stay = (): Promise<void> => t.yield();
      const mayRead = (): void => {
        const isOpen = /\((unlocked|\d readers?)\)/.test(String(library.mu));
        expect(library.mu.tryRLock()).toBe(isOpen);
        if (isOpen) library.mu.rUnlock();
      };
      await together(
        () => under(t.ctx, () => library.read(t.ctx, stay)),
        () => under(own, () => library.write(own, stay)),
        () => under(t.ctx, () => library.read(t.ctx, stay)),
        () => under(t.ctx, () => library.write(t.ctx, stay)),
        () => under(own, () => library.read(own, stay)),
        cancel,
        mayRead,
      );
      for (const sight of library.seen) seen.add(sight);
      expect(library.mu.tryLock()).toBe(true);
    });
    expect([...seen].sort()).toEqual(["1 reading", "1 writing", "2 reading", "3 reading"]);
  });

  it("lets in the readers behind a writer who gives up, while others still read", async () => {
    const outcomes = new Set<string>();
    await explore(async (t) => {
      const library = new Library();
      const [own, cancel] = context.withCancel(t.ctx);
      const hasRead = new Chan<never>();
      let wrote = false;
      await together(
        // Stays until the second reader has been in: if the writer kept that one out for ever, nobody would ever leave.
        () => under(t.ctx, () => library.read(t.ctx, () => hasRead.recv(t.ctx))),
        async () => (wrote = await under(own, () => library.write(own, () => t.yield()))),
        () => under(t.ctx, () => library.read(t.ctx, async () => hasRead.close())),
        async () => {
          await time.sleep(1);
          cancel();
        },
      );
      outcomes.add(wrote ? "wrote" : "gave up");
      expect(library.mu.tryLock()).toBe(true);
    });
    expect([...outcomes].sort()).toEqual(["gave up", "wrote"]);
  });

  it("lets in nobody who gives up together with the one he waits behind", () =>
    explore(async (t) => {
      const mu = new sync.RWMutex();
      const [own, cancel] = context.withCancel(t.ctx);
      const [below] = context.withCancel(own);
      expect(mu.tryRLock()).toBe(true);
      await together(
        () => under(own, () => mu.lock(own)),
        () => under(below, () => mu.rLock(below).then((guard) => guard[Symbol.dispose]())),
        async () => {
          await t.yield();
          const before = String(mu);
          cancel();
          expect(String(mu)).toBe(before.replace(/, \d waiting/, ""));
        },
      );
      mu.rUnlock();
      expect(mu.tryLock()).toBe(true);
    }));
});

describe("Cond", () => {
  /** A queue with room for one, made of a mutex and two conditions. */
  class Slot {
    private readonly t: Bubble;
    readonly mu = new sync.Mutex();
    private readonly filled = new sync.Cond(this.mu);
    private readonly emptied = new sync.Cond(this.mu);
    readonly items: number[] = [];
    private inside = 0;

    constructor(t: Bubble) {
      this.t = t;
    }

    put(item: number, ctx: Context): Promise<void> {
      return this.locked(ctx, async () => {
        while (this.items.length > 0) await this.wait(this.emptied, ctx);
        this.items.push(item);
        this.filled.signal();
      });
    }

    take(ctx: Context): Promise<number> {
      return this.locked(ctx, async () => {
        while (this.items.length === 0) await this.wait(this.filled, ctx);
        this.emptied.signal();
        return this.items.shift()!;
      });
    }

    private async locked<T>(ctx: Context, body: () => Promise<T>): Promise<T> {
      using _ = await this.mu.lock(ctx);
      assert.equal(++this.inside, 1);
      try {
        const result = await body();
        await this.t.yield();
        return result;
      } finally {
        this.inside--;
      }
    }

    /** However it ends, the mutex is held again. */
    private async wait(cond: sync.Cond, ctx: Context): Promise<void> {
      this.inside--;
      try {
        await cond.wait(ctx);
      } finally {
        assert.equal(++this.inside, 1);
        assert.equal(this.mu.tryLock(), false);
      }
    }
  }

  it("keeps every item of a queue made of it, and has the mutex again after a cancelled wait", async () => {
    const report = await explore(async (t) => {
      const slot = new Slot(t);
      const [put, taken]: [number[], number[]] = [[], []];
      const producer = (items: number[]) => () =>
        under(t.ctx, async () => {
          for (const item of items) {
            await slot.put(item, t.ctx);
            put.push(item);
          }
        });
      const consumer = () =>
        under(t.ctx, async () => {
          for (let n = 0; n < 2; n++) taken.push(await slot.take(t.ctx));
        });
      await together(producer([1, 2]), producer([3, 4]), consumer, consumer);
      const byNumber = (a: number, b: number): number => a - b;
      expect([...taken, ...slot.items].sort(byNumber)).toEqual(put.sort(byNumber));
      expect(slot.mu.tryLock()).toBe(true);
    });
    expect(report.points).toBeGreaterThan(10);
  });

  it("gives a signal to one who still waits: it is not lost on one who gives up", () =>
    explore(async (t) => {
      const slot = new Slot(t);
      const [own, cancel] = context.withCancel(t.ctx);
      let leaverGot: boolean | undefined;
      await together(
        async () => (leaverGot = await under(own, () => slot.take(own))),
        () => under(t.ctx, () => slot.take(t.ctx)),
        () => under(t.ctx, () => slot.put(1, t.ctx)),
        async () => {
          await t.yield();
          cancel();
        },
        async () => {
          // If the one who may leave has taken the item, there must be another for the one who stays.
          await t.wait();
          if (leaverGot === true) await under(t.ctx, () => slot.put(2, t.ctx));
        },
      );
      expect(slot.mu.tryLock()).toBe(true);
    }));

  it("wakes everybody by a broadcast, one after the other, in every schedule there is", async () => {
    const report = await explore(
      async (t) => {
        const mu = new sync.Mutex();
        const opened = new sync.Cond(mu);
        let [isOpen, inside] = [false, 0];
        const enter = () =>
          under(t.ctx, async () => {
            using _ = await mu.lock(t.ctx);
            while (!isOpen) await opened.wait(t.ctx);
            assert.equal(++inside, 1);
            await t.yield();
            inside--;
          });
        await together(enter, enter, () => {
          isOpen = true;
          opened.broadcast();
        });
        expect([mu.tryLock(), String(opened)]).toEqual([true, "sync.Cond(0 waiting)"]);
      },
      { bound: Infinity, randomRuns: 0 },
    );
    expect(report.complete).toBe(true);
  });
});

describe("WaitGroup", () => {
  it("lets go on whoever waits when all is done, and never before, round after round (G1, G3)", () =>
    explore(async (t) => {
      const wg = new sync.WaitGroup();
      const [own, cancel] = context.withCancel(t.ctx);
      for (let round = 0; round < 2; round++) {
        let ended = 0;
        for (let i = 0; i < 2; i++) {
          wg.go(async () => {
            await t.yield();
            wg.go(() => void ended++);
            ended++;
          });
        }
        const waiter = (ctx: Context) => async (): Promise<void> => {
          if (await under(ctx, () => wg.wait(ctx))) assert.equal(ended, 4);
        };
        await together(waiter(t.ctx), waiter(own), waiter(context.background()), cancel);
        expect([ended, String(wg)]).toEqual([4, "sync.WaitGroup(0)"]);
      }
    }));
});

describe("once", () => {
  it.each([true, false])("runs its function once for all who come, if it succeeds: %s", async (succeeds) => {
    await explore(
      async (t) => {
        let runs = 0;
        const failure = new Error("failed");
        const get = sync.once(async () => {
          runs++;
          await t.yield();
          if (succeeds) return { runs };
          throw failure;
        });
        const results: unknown[] = [];
        const come = async (): Promise<void> => void results.push(await get().catch((error: unknown) => error));
        await together(come, come, come);
        expect(runs).toBe(1);
        expect(new Set(results).size).toBe(1);
        expect(results[0]).toEqual(succeeds ? { runs: 1 } : failure);
      },
      { cancel: false },
    );
  });
});

it("nothing stays locked or taken, whichever operation is refused", async () => {
  const refused = new Error("refused");
  let refusals = 0;
  const report = await explore(
    async (t) => {
      const [mu, rw] = [new sync.Mutex(), new sync.RWMutex()];
      const [cond, wg, sem] = [new sync.Cond(mu), new sync.WaitGroup(), new semaphore.Weighted(2)];
      let isOpen = false;
      const work = async (): Promise<void> => {
        using _mu = await mu.lock(t.ctx);
        while (!isOpen) await cond.wait(t.ctx);
        assert.equal(mu.tryLock(), false);
        using _rw = await rw.rLock(t.ctx);
        await sem.acquire(2, t.ctx);
        try {
          await wg.wait(t.ctx);
        } finally {
          sem.release(2);
        }
      };
      const task = () =>
        work().catch((error: unknown) => {
          expect([refused, t.ctx.err()]).toContain(error);
          if (error === refused) refusals++;
        });
      const open = async (): Promise<void> => {
        await rw.lock();
        isOpen = true;
        cond.broadcast();
        rw.unlock();
      };
      await together(task, task, () => open().catch(t.cancel));
      expect([mu.tryLock(), rw.tryLock(), sem.tryAcquire(2)]).toEqual([true, true, true]);
    },
    { fail: refused, cancel: false, randomRuns: 0 },
  );
  expect(report.complete).toBe(true);
  expect(refusals).toBeGreaterThanOrEqual(8);
});
