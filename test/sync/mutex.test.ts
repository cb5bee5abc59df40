import { inspect } from "node:util";
import { Chan, context, sync } from "headgate";
import { describe, expect, it } from "vitest";
import { isPending, settle, virtualTime } from "../support/clock.ts";

virtualTime();

const held = async (): Promise<sync.Mutex> => {
  const mu = new sync.Mutex();
  await mu.lock();
  return mu;
};

describe("a mutex", () => {
  it("has one holder at a time, however often that awaits (L1)", async () => {
    const mu = new sync.Mutex();
    let inside = 0;
    const seen: number[] = [];
    const visit = async (): Promise<void> => {
      using _ = await mu.lock();
      seen.push(++inside);
      await settle();
      inside--;
    };
    await Promise.all([visit(), visit(), visit()]);
    expect(seen).toEqual([1, 1, 1]);
    expect(inspect(mu)).toBe("sync.Mutex(unlocked)");
  });

  it("is handed over in the order of the calls (L2)", async () => {
    const mu = await held();
    const order: number[] = [];
    const visits = [1, 2, 3, 4].map(async (i) => {
      using _ = await mu.lock();
      order.push(i);
    });
    mu.unlock();
    await Promise.all(visits);
    expect(order).toEqual([1, 2, 3, 4]);
  });

  it("is never free between two holders: a later call comes last, and tryLock is false while any call waits (L3)", async () => {
    const mu = await held();
    const second = mu.lock();
    expect(mu.tryLock()).toBe(false);
    mu.unlock();
    expect(mu.tryLock()).toBe(false);
    const third = mu.lock();
    await second;
    expect(await isPending(third)).toBe(true);
    mu.unlock();
    await third;
    mu.unlock();
    expect(mu.tryLock()).toBe(true);
    expect(mu.tryLock()).toBe(false);
  });

  it("cannot be unlocked when it is not held, and is then still free (L4)", async () => {
    const mu = await held();
    mu.unlock();
    expect(() => mu.unlock()).toThrow("sync: unlock of unlocked mutex");
    expect(mu.tryLock()).toBe(true);
  });

  it("shows whether it is locked and how many wait", async () => {
    const mu = new sync.Mutex();
    expect(inspect(mu)).toBe("sync.Mutex(unlocked)");
    await mu.lock();
    expect(inspect(mu)).toBe("sync.Mutex(locked)");
    // oxlint-disable-next-line headgate/floating -- it waits for ever
    void mu.lock();
    // oxlint-disable-next-line headgate/floating -- it waits for ever
    void mu.lock();
    expect(inspect(mu)).toBe("sync.Mutex(locked, 2 waiting)");
  });

  it("serves 20 000 calls that wait, each once", async () => {
    const mu = await held();
    let served = 0;
    const visits = Array.from({ length: 20_000 }, async () => {
      using _ = await mu.lock();
      served++;
    });
    mu.unlock();
    await Promise.all(visits);
    expect(served).toBe(20_000);
  });
});

describe("a guard", () => {
  it("gives the lock back at the end of the block, also when that throws", async () => {
    const mu = new sync.Mutex();
    const failing = async (): Promise<void> => {
      using _ = await mu.lock();
      expect(mu.tryLock()).toBe(false);
      throw new Error("boom");
    };
    await expect(failing()).rejects.toThrow("boom");
    expect(inspect(mu)).toBe("sync.Mutex(unlocked)");
  });

  it("gives it back once only: disposed of twice, it leaves the next holder alone", async () => {
    const mu = new sync.Mutex();
    const guard = await mu.lock();
    const next = mu.lock();
    guard[Symbol.dispose]();
    guard[Symbol.dispose]();
    await next;
    expect(inspect(mu)).toBe("sync.Mutex(locked)");
  });

  it("does nothing after an unlock by hand, be the lock free or held by another by then (L5)", async () => {
    for (const takenAgain of [false, true]) {
      const mu = new sync.Mutex();
      const guards = [await mu.lock()];
      const second = mu.lock();
      mu.unlock();
      guards.push(await second);
      mu.unlock();
      if (takenAgain) await mu.lock();
      const before = inspect(mu);
      for (const guard of guards) guard[Symbol.dispose]();
      expect(inspect(mu)).toBe(before);
    }
  });
});

describe("a context", () => {
  it("that ends first ends the wait with its error: nothing is held, and those behind keep their place (L6)", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const mu = await held();
    const order: string[] = [];
    const visit = async (name: string, ctx?: context.Context): Promise<void> => {
      using _ = await mu.lock(ctx);
      order.push(name);
    };
    const before = visit("before");
    const given = visit("given up", ctx).catch((error: unknown) => error);
    const after = [visit("after"), visit("last")];
    cancel();
    expect(inspect(mu)).toBe("sync.Mutex(locked, 3 waiting)");
    expect(await given).toBe(ctx.err());
    mu.unlock();
    await Promise.all([before, ...after]);
    expect(order).toEqual(["before", "after", "last"]);
    expect(inspect(mu)).toBe("sync.Mutex(unlocked)");
  });

  it("that has ended already ends the wait though the lock is free", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    cancel();
    const mu = new sync.Mutex();
    expect(await mu.lock(ctx).catch((error: unknown) => error)).toBe(ctx.err());
    expect(inspect(mu)).toBe("sync.Mutex(unlocked)");
  });

  it("that ends after the lock was handed over comes too late: the lock is held", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const mu = await held();
    const waiting = mu.lock(ctx);
    mu.unlock();
    cancel();
    using _ = await waiting;
    expect(inspect(mu)).toBe("sync.Mutex(locked)");
  });

  it("that ends leaves no waiter on itself, however often it is waited with", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const mu = new sync.Mutex();
    for (let i = 0; i < 3; i++) {
      await mu.lock(ctx);
      const next = mu.lock(ctx);
      mu.unlock();
      await next;
      mu.unlock();
    }
    expect(inspect(ctx.done())).toBe("Chan(0/0)");
    cancel();
    expect(ctx.done()).toBeInstanceOf(Chan);
  });

  it("must be one: anything else is a TypeError, and the lock is not taken", async () => {
    const mu = new sync.Mutex();
    for (const ctx of [null, 5, {}, new AbortController().signal]) {
      await expect(mu.lock(ctx as never)).rejects.toThrow(TypeError);
    }
    expect(inspect(mu)).toBe("sync.Mutex(unlocked)");
  });
});
