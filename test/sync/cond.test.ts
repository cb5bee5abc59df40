import { inspect } from "node:util";
import { context, sync } from "headgate";
import { describe, expect, it } from "vitest";
import { isPending, settle, virtualTime } from "../support/clock.ts";

virtualTime();

const newCond = () => {
  const mutex = new sync.Mutex();
  return { mutex, cond: new sync.Cond(mutex) };
};

describe("wait", () => {
  it("unlocks the mutex while it waits, and holds it again when it resolves (L11)", async () => {
    const { mutex, cond } = newCond();
    await mutex.lock();
    const waiting = cond.wait();
    expect(mutex.tryLock()).toBe(true);
    cond.signal();
    expect(await isPending(waiting)).toBe(true);
    mutex.unlock();
    await waiting;
    expect(inspect(mutex)).toBe("sync.Mutex(locked)");
    mutex.unlock();
  });

  it("gets the mutex back in its turn, behind the calls that waited for it before the signal (L11)", async () => {
    const { mutex, cond } = newCond();
    const order: string[] = [];
    await mutex.lock();
    const waiting = cond.wait().then(() => {
      order.push("woken");
      mutex.unlock();
    });
    await mutex.lock();
    const visits = ["first", "second"].map(async (name) => {
      using _ = await mutex.lock();
      order.push(name);
    });
    cond.signal();
    mutex.unlock();
    await Promise.all([waiting, ...visits]);
    expect(order).toEqual(["first", "second", "woken"]);
  });

  it("fails without the mutex, and then nothing waits (L11)", async () => {
    const { mutex, cond } = newCond();
    await expect(cond.wait()).rejects.toThrow("sync: unlock of unlocked mutex");
    expect(inspect(cond)).toBe("sync.Cond(0 waiting)");
    expect(mutex.tryLock()).toBe(true);
  });
});

describe("signal and broadcast", () => {
  /** Five who wait, and the order in which they are woken. */
  const five = async () => {
    const { mutex, cond } = newCond();
    const order: number[] = [];
    for (let i = 0; i < 5; i++) {
      await mutex.lock();
      void cond.wait().then(() => {
        order.push(i);
        mutex.unlock();
      });
    }
    return { cond, order };
  };

  it("signal wakes the call that has waited longest (L12)", async () => {
    const { cond, order } = await five();
    cond.signal();
    await settle();
    expect(order).toEqual([0]);
    expect(inspect(cond)).toBe("sync.Cond(4 waiting)");
    cond.signal();
    cond.signal();
    await settle();
    expect(order).toEqual([0, 1, 2]);
  });

  it("broadcast wakes all that wait now, in order, and none that comes later (L12)", async () => {
    const { cond, order } = await five();
    cond.broadcast();
    await cond.mutex.lock();
    const late = cond.wait();
    await settle();
    expect(order).toEqual([0, 1, 2, 3, 4]);
    expect(await isPending(late)).toBe(true);
  });

  it("do nothing when nothing waits, and are not remembered (L12)", async () => {
    const { mutex, cond } = newCond();
    cond.signal();
    cond.broadcast();
    await mutex.lock();
    expect(await isPending(cond.wait())).toBe(true);
  });

  it("make a bounded buffer of two conditions on one mutex", async () => {
    const mutex = new sync.Mutex();
    const [filled, emptied] = [new sync.Cond(mutex), new sync.Cond(mutex)];
    const buffer: number[] = [];
    const taken: number[] = [];
    const produce = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) {
        await mutex.lock();
        while (buffer.length === 2) await emptied.wait();
        buffer.push(i);
        filled.signal();
        mutex.unlock();
      }
    };
    const consume = async (): Promise<void> => {
      while (taken.length < 20) {
        await mutex.lock();
        while (buffer.length === 0) await filled.wait();
        expect(buffer.length).toBeLessThanOrEqual(2);
        taken.push(buffer.shift()!);
        emptied.signal();
        mutex.unlock();
      }
    };
    await Promise.all([produce(), consume()]);
    expect(taken).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });
});

describe("a context", () => {
  it("that ends ends the wait, but only once the mutex is held again", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const { mutex, cond } = newCond();
    await mutex.lock();
    const waiting = cond.wait(ctx).catch((error: unknown) => error);
    await mutex.lock();
    cancel();
    expect(await isPending(waiting)).toBe(true);
    expect(inspect(mutex)).toBe("sync.Mutex(locked, 1 waiting)");
    mutex.unlock();
    expect(await waiting).toBe(ctx.err());
    expect(inspect(mutex)).toBe("sync.Mutex(locked)");
    expect(inspect(cond)).toBe("sync.Cond(0 waiting)");
  });

  it("that ends at once when the mutex is free leaves the mutex locked all the same", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const { mutex, cond } = newCond();
    await mutex.lock();
    const waiting = cond.wait(ctx).catch((error: unknown) => error);
    cancel();
    expect(await waiting).toBe(ctx.err());
    expect(mutex.tryLock()).toBe(false);
  });

  it("that has ended already ends the wait without letting go of the mutex", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const { mutex, cond } = newCond();
    await mutex.lock();
    const other = mutex.lock();
    cancel();
    expect(await cond.wait(ctx).catch((error: unknown) => error)).toBe(ctx.err());
    expect(await isPending(other)).toBe(true);
  });

  it("that ends takes no signal away from those behind", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const { mutex, cond } = newCond();
    const woken: string[] = [];
    for (const name of ["given up", "behind"]) {
      await mutex.lock();
      void cond
        .wait(name === "given up" ? ctx : undefined)
        .then(() => woken.push(name))
        .catch(() => {})
        .finally(() => mutex.unlock());
    }
    cancel();
    cond.signal();
    await settle();
    expect(woken).toEqual(["behind"]);
    expect(inspect(mutex)).toBe("sync.Mutex(unlocked)");
  });

  it("that ends after the signal comes too late, even while the mutex is still waited for", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const { mutex, cond } = newCond();
    await mutex.lock();
    const waiting = cond.wait(ctx);
    await mutex.lock();
    cond.signal();
    cancel();
    mutex.unlock();
    await expect(waiting).resolves.toBeUndefined();
    expect(inspect(ctx.done())).toBe("Chan(0/0, closed)");
  });

  it("must be one: anything else is a TypeError, and the mutex stays locked", async () => {
    const { mutex, cond } = newCond();
    await mutex.lock();
    const other = mutex.lock();
    for (const ctx of [null, 5, {}, new AbortController().signal, { err: () => undefined, done: () => 5 }]) {
      await expect(cond.wait(ctx as never)).rejects.toThrow(TypeError);
    }
    expect(await isPending(other)).toBe(true);
    expect(inspect(cond)).toBe("sync.Cond(0 waiting)");
  });
});

describe("making one", () => {
  it.each([undefined, null, {}, new sync.RWMutex()])("needs a mutex: %s is a TypeError", (mutex) => {
    expect(() => new sync.Cond(mutex as never)).toThrow(TypeError);
  });

  it("shows how many wait, and gives the mutex back as a property", async () => {
    const { mutex, cond } = newCond();
    expect(cond.mutex).toBe(mutex);
    await mutex.lock();
    void cond.wait();
    expect(inspect(cond)).toBe("sync.Cond(1 waiting)");
  });
});
