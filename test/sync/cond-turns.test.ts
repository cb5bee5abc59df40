/**
 * Conditions in turns of the event loop that are short, and so long that settlements are held back.
 */
import { Chan, context, sync } from "headgate";
import { describe, expect, it } from "vitest";

describe("what signal does is done when it is called", () => {
  const burn = (): void => {
    for (const end = performance.now() + 3; performance.now() < end;);
  };

  /** In a short turn settlements are resumed at once, in a long one they are held back: neither makes a difference to the lock. */
  it.each([
    ["a short turn", () => {}],
    ["a long turn", burn],
  ])("in %s: the waiter has the lock, or waits for it, from then on", async (_, work) => {
    for (let i = 0; i < 50; i++) {
      const mutex = new sync.Mutex();
      const cond = new sync.Cond(mutex);
      await mutex.lock();
      const waiting = cond.wait();
      work();
      for (let n = 0; n < 200; n++) void new Chan<number>(1).send(n);
      cond.signal();
      expect(mutex.tryLock()).toBe(false);
      await waiting;
      mutex.unlock();
      expect(mutex.tryLock()).toBe(true);
    }
  });

  it.each([
    ["broadcast", (cond: sync.Cond) => cond.broadcast()],
    ["the cancel of its ctx", (_: sync.Cond, cancel: () => void) => cancel()],
  ])("so does %s, in a long turn, in the order of the calls", async (_, wakes) => {
    const mutex = new sync.Mutex();
    const cond = new sync.Cond(mutex);
    const [ctx, cancel] = context.withCancel(context.background());
    const order: number[] = [];
    const waiting = [0, 1, 2].map(async (n) => {
      using _ = await mutex.lock();
      await cond.wait(ctx).catch(() => {});
      order.push(n);
    });
    await new Promise((resolve) => setImmediate(resolve));
    burn();
    for (let n = 0; n < 200; n++) void new Chan<number>(1).send(n);
    wakes(cond, cancel);
    expect([mutex.tryLock(), String(mutex)]).toEqual([false, "sync.Mutex(locked, 2 waiting)"]);
    await Promise.all(waiting);
    expect([order, mutex.tryLock()]).toEqual([[0, 1, 2], true]);
  });
});
