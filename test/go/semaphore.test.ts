/** What Go's own tests of semaphore.Weighted pin, in our words. */
import { context, errgroup, semaphore } from "headgate";
import { describe, expect, it } from "vitest";
import { elapse, isPending, settle, virtualTime } from "../support/clock.ts";

virtualTime();

/** Whether an acquire has got its units within 10 ms. */
async function inTime(sem: semaphore.Weighted, n: number): Promise<boolean> {
  const [ctx, cancel] = context.withTimeout(context.background(), 10);
  using _ = cancel;
  const acquired = sem.acquire(n, ctx).then(
    () => true,
    (error: unknown) => {
      expect(error).toBe(ctx.err());
      return false;
    },
  );
  await elapse(10);
  return acquired;
}

describe("semaphore.Weighted", () => {
  it("never gives out more than it has, under a hammer (M6) [semaphore/semaphore_test.go TestWeighted]", async () => {
    const size = 8;
    const sem = new semaphore.Weighted(size);
    let taken = 0;
    let acquired = 0;
    await errgroup.run(context.background(), (group) => {
      for (let i = 0; i < size; i++) {
        const n = i + 1;
        void group.go(async () => {
          for (let round = 0; round < 200; round++) {
            await sem.acquire(n);
            taken += n;
            acquired++;
            expect(taken).toBeLessThanOrEqual(size);
            if (round % 10 === i) await settle();
            taken -= n;
            sem.release(n);
          }
        });
      }
    });
    expect([taken, acquired]).toEqual([0, size * 200]);
    expect(sem.tryAcquire(size)).toBe(true);
  });

  it("throws when more is released than held (M5) [semaphore/semaphore_test.go TestWeightedPanic]", () => {
    expect(() => new semaphore.Weighted(1).release(1)).toThrow("semaphore: released more than held");
  });

  it("tryAcquire says whether it fits [semaphore/semaphore_test.go TestWeightedTryAcquire]", () => {
    const sem = new semaphore.Weighted(2);
    const tries = [sem.tryAcquire(1), sem.tryAcquire(2)];
    sem.release(1);
    tries.push(sem.tryAcquire(2), sem.tryAcquire(1));
    expect(tries).toEqual([true, false, true, false]);
  });

  it("acquire gets what fits, or ends with its context [semaphore/semaphore_test.go TestWeightedAcquire]", async () => {
    const sem = new semaphore.Weighted(2);
    const tries = [await inTime(sem, 1), await inTime(sem, 2)];
    sem.release(1);
    tries.push(await inTime(sem, 2), await inTime(sem, 1));
    expect(tries).toEqual([true, false, true, false]);
  });

  it("a hopeless wait hinders nobody (M3) [semaphore/semaphore_test.go TestWeightedDoesntBlockIfTooBig]", async () => {
    const n = 2;
    const sem = new semaphore.Weighted(n);
    const [ctx, cancel] = context.withCancel(context.background());
    const hopeless = sem.acquire(n + 1, ctx).catch((error: unknown) => error);
    await errgroup.run(context.background(), (group) => {
      for (let i = n * 3; i > 0; i--) {
        void group.go(async () => {
          await sem.acquire(1);
          await settle();
          sem.release(1);
        });
      }
    });
    expect(await isPending(hopeless)).toBe(true);
    cancel();
    expect(await hopeless).toBe(ctx.err());
  });

  it("a large request is not starved (M1) [semaphore/semaphore_test.go TestLargeAcquireDoesntStarve]", async () => {
    const n = 4;
    const sem = new semaphore.Weighted(n);
    let running = true;
    const small = Array.from({ length: n }, async () => {
      await sem.acquire(1);
      while (running) {
        await settle();
        sem.release(1);
        await sem.acquire(1);
      }
      sem.release(1);
    });
    await settle();
    await sem.acquire(n);
    running = false;
    sem.release(n);
    await Promise.all(small);
    expect(sem.tryAcquire(n)).toBe(true);
  });

  it("who gives up lets others go on (M4) [semaphore/semaphore_test.go TestAllocCancelDoesntStarve]", async () => {
    const sem = new semaphore.Weighted(10);
    await sem.acquire(1);
    const [ctx, cancel] = context.withCancel(context.background());
    const everything = sem.acquire(10, ctx).catch((error: unknown) => error);
    const one = sem.acquire(1);
    expect(await isPending(one)).toBe(true);
    cancel();
    await one;
    expect(await everything).toBe(ctx.err());
  });

  it("an ended context never acquires (M2) [semaphore/semaphore_test.go TestWeightedAcquireCanceled]", async () => {
    const sem = new semaphore.Weighted(2);
    const [ctx, cancel] = context.withCancel(context.background());
    await sem.acquire(1);
    const waiting = sem.acquire(2, ctx).catch((error: unknown) => error);
    cancel();
    sem.release(1);
    expect(await waiting).toBe(ctx.err());
    expect(await sem.acquire(1, ctx).catch((error: unknown) => error)).toBe(ctx.err());
    expect(sem.tryAcquire(2)).toBe(true);
  });
});
