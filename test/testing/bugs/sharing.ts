/**
 * Bugs of tasks that share something: a fact that changes between the check and the act, a lock or a permit that is
 * not where it should be.
 */
import { strict as assert } from "node:assert";
import { context, type Context, errgroup, go, semaphore, singleflight, sync, time } from "headgate";
import { type Bug, unlessCancelled } from "./bug.ts";

export const sharing: readonly Bug[] = [
  {
    name: "duplicate handled twice",
    story:
      "A message comes a second time while it is being handled. The worker looks for it among the handled messages, " +
      "and does not find it.",
    scenario: (fixed) => async (t) => {
      const seen = new Set<string>();
      const mutex = new sync.Mutex();
      let handled = 0;
      async function handle(id: string): Promise<void> {
        using _ = fixed ? await mutex.lock() : null;
        if (seen.has(id)) return;
        await t.yield(); // reads
        await t.yield(); // writes
        handled++;
        seen.add(id);
      }
      const [group] = errgroup.withContext(t.ctx);
      void group.go(function first() {
        return handle("m1");
      });
      void group.go(async function again() {
        for (let hop = 0; hop < 3; hop++) await t.yield(); // a longer way
        await handle("m1");
      });
      await group.wait();
      assert(handled === 1, "m1 was handled twice");
    },
  },
  {
    name: "cache stampede",
    story: "Each caller that finds the cache empty asks the database, until the first answer is stored.",
    scenario: (fixed) => async (t) => {
      const cache = new Map<string, string>();
      const flights = new singleflight.Group<string, string>();
      let queries = 0;
      async function load(key: string): Promise<string> {
        queries++;
        await t.yield(); // the query
        cache.set(key, `the value of ${key}`);
        return cache.get(key)!;
      }
      async function get(key: string): Promise<string> {
        return cache.get(key) ?? (fixed ? (await flights.do(key, () => load(key))).value : await load(key));
      }
      const [group] = errgroup.withContext(t.ctx);
      void group.go(function early() {
        return get("a");
      });
      void group.go(async function late() {
        for (let hop = 0; hop < 2; hop++) await t.yield();
        await get("a");
      });
      await group.wait();
      assert(queries === 1, "the database was asked twice for the same");
    },
  },
  {
    name: "flight of a cancelled caller",
    story:
      "Two callers share one query, which runs with the ctx of the first caller. When the first one is " +
      "cancelled, the other one fails with it.",
    scenario: (fixed) => async (t) => {
      const flights = new singleflight.Group<string, string>();
      async function query(ctx: Context): Promise<string> {
        await time.sleep(10, ctx);
        return "an answer";
      }
      const ask = (ctx: Context): Promise<string> =>
        flights.do("key", () => query(fixed ? context.withoutCancel(ctx) : ctx), ctx).then(({ value }) => value);
      const callers = new errgroup.Group();
      void callers.go(function impatient() {
        return ask(t.ctx).catch(unlessCancelled);
      });
      void callers.go(function patient() {
        return ask(context.background());
      });
      const error = await callers.wait().catch((error: unknown) => error);
      assert(error === undefined, "a caller failed that had not been cancelled");
    },
  },
  {
    name: "permit lost on the way to the finally",
    story:
      "A task takes a permit, connects, and then enters the try whose finally gives the permit back. " +
      "If it is cancelled while it connects, it never enters the try.",
    scenario: (fixed) => async (t) => {
      const permits = new semaphore.Weighted(2);
      const connect = (ctx: Context): Promise<void> => time.sleep(1, ctx);
      const query = (ctx: Context): Promise<void> => time.sleep(10, ctx);
      async function lateTry(ctx: Context): Promise<void> {
        await permits.acquire(1, ctx);
        await connect(ctx);
        try {
          await query(ctx);
        } finally {
          permits.release(1);
        }
      }
      async function earlyTry(ctx: Context): Promise<void> {
        await permits.acquire(1, ctx);
        try {
          await connect(ctx);
          await query(ctx);
        } finally {
          permits.release(1);
        }
      }
      const [group] = errgroup.withContext(t.ctx);
      for (let i = 0; i < 3; i++) void group.go(fixed ? earlyTry : lateTry);
      await group.wait().catch(unlessCancelled);
      await permits.acquire(2); // all of them are back: the pool may be closed
    },
  },
  {
    name: "unlock without the lock",
    story:
      "The task takes the lock inside the try, so its finally unlocks even if the wait for the lock was " +
      "cancelled. Then it unlocks the lock of another task.",
    scenario: (fixed) => async (t) => {
      const mutex = new sync.Mutex();
      let inside = 0;
      async function critical(): Promise<void> {
        assert(++inside === 1, "two tasks in the critical section");
        await time.sleep(10);
        inside--;
      }
      async function unlockAnyway(ctx: Context): Promise<void> {
        try {
          await mutex.lock(ctx);
          await critical();
        } finally {
          mutex.unlock();
        }
      }
      async function guarded(ctx: Context): Promise<void> {
        using _ = await mutex.lock(ctx);
        await critical();
      }
      const enter = fixed ? guarded : unlockAnyway;
      const group = new errgroup.Group();
      void group.go(function holder() {
        return enter(context.background());
      });
      void group.go(function quitter() {
        return enter(t.ctx).catch(unlessCancelled);
      });
      void group.go(function next() {
        return enter(context.background());
      });
      await group.wait();
    },
  },
  {
    name: "lock granted to an abandoned wait",
    story:
      "The task races a lock against the end of its ctx, by Promise.race. The wait that loses stays in the " +
      "queue, gets the lock in its turn, and never unlocks it.",
    scenario: (fixed) => async (t) => {
      const mutex = new sync.Mutex();
      async function raced(ctx: Context): Promise<void> {
        const lock = mutex.lock().then(() => "locked");
        if ((await Promise.race([lock, ctx.done().recv()])) !== "locked") return;
        try {
          await time.sleep(5, ctx);
        } finally {
          mutex.unlock();
        }
      }
      async function withdrawn(ctx: Context): Promise<void> {
        using _ = await mutex.lock(ctx);
        await time.sleep(5, ctx);
      }
      const [group] = errgroup.withContext(t.ctx);
      for (let i = 0; i < 2; i++) void group.go(fixed ? withdrawn : raced);
      await group.wait().catch(unlessCancelled);
      using _ = await mutex.lock(); // to close what the mutex protects
    },
  },
  {
    name: "lost wake-up",
    story:
      "The task checks the condition before it takes the lock. If the condition becomes true between the check and " +
      "the wait, the broadcast comes too early, and the task waits for ever.",
    scenario: (fixed) => async (t) => {
      const mutex = new sync.Mutex();
      const changed = new sync.Cond(mutex);
      let isReady = false;
      async function checkThenLock(ctx: Context): Promise<void> {
        if (isReady) return;
        using _ = await mutex.lock(ctx);
        await changed.wait(ctx);
      }
      async function lockThenCheck(ctx: Context): Promise<void> {
        using _ = await mutex.lock(ctx);
        while (!isReady) await changed.wait(ctx);
      }
      const [group] = errgroup.withContext(t.ctx);
      void group.go(fixed ? lockThenCheck : checkThenLock);
      void group.go(async function makeReady() {
        using _ = await mutex.lock();
        isReady = true;
        changed.broadcast();
      });
      await group.wait().catch(unlessCancelled);
    },
  },
  {
    name: "counted too late",
    story:
      "Each task adds itself to the wait group when it begins. If the wait comes before that, there is nothing " +
      "to wait for.",
    scenario: (fixed) => async (t) => {
      const wg = new sync.WaitGroup();
      let done = 0;
      async function work(): Promise<void> {
        await time.sleep(10);
        done++;
      }
      for (let i = 0; i < 2; i++) {
        if (fixed) wg.go(work);
        else {
          go(async function task() {
            wg.add(1);
            await work();
            wg.done();
          });
        }
      }
      await t.yield(); // says that it has begun
      await wg.wait();
      assert(done === 2, "the wait was over before the work");
    },
  },
];
