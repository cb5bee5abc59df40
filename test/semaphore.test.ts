import { inspect } from "node:util";
import { context, semaphore } from "headgate";
import { describe, expect, it } from "vitest";
import { elapse, isPending, settle, virtualTime } from "./support/clock.ts";
import { failure } from "./support/errors.ts";

virtualTime();

/** A semaphore of `size` units of which `held` are taken. */
const newSemaphore = (size: number, held: number): semaphore.Weighted => {
  const sem = new semaphore.Weighted(size);
  expect(sem.tryAcquire(held)).toBe(true);
  return sem;
};

describe("acquire", () => {
  it("takes what is free at once, one unit unless told otherwise", async () => {
    const sem = new semaphore.Weighted(10);
    await sem.acquire();
    await sem.acquire(4);
    expect(sem.tryAcquire()).toBe(true);
    expect(inspect(sem)).toBe("semaphore.Weighted(6/10)");
    sem.release();
    sem.release(2);
    sem.release(0);
    expect(inspect(sem)).toBe("semaphore.Weighted(3/10)");
  });

  it("waits until there is enough, and is served in the order of the calls (M1)", async () => {
    const sem = newSemaphore(2, 2);
    const order: string[] = [];
    for (const name of "abc") void sem.acquire(1).then(() => order.push(name));
    expect(inspect(sem)).toBe("semaphore.Weighted(2/2, 3 waiting)");
    sem.release(1);
    await settle();
    expect(order).toEqual(["a"]);
    sem.release(1);
    sem.release(1);
    await settle();
    expect(order).toEqual(["a", "b", "c"]);
    expect(inspect(sem)).toBe("semaphore.Weighted(2/2)");
  });

  it("lets no call overtake one that waits for much, however little it asks for (M1)", async () => {
    const sem = newSemaphore(10, 5);
    const large = sem.acquire(6);
    const small = sem.acquire(1);
    expect(sem.tryAcquire(1)).toBe(false);
    expect(await isPending(small)).toBe(true);
    sem.release(1);
    await large;
    expect(await isPending(small)).toBe(true);
    sem.release(6);
    await small;
    expect(inspect(sem)).toBe("semaphore.Weighted(5/10)");
  });

  it("of more than the size never succeeds, delays no other call, and ends with its context (M3)", async () => {
    const sem = new semaphore.Weighted(2);
    const [ctx, cancel] = context.withTimeout(context.background(), 10);
    using _ = cancel;
    const hopeless = failure(sem.acquire(3, ctx));
    const forever = sem.acquire(3);
    await sem.acquire(2);
    sem.release(2);
    expect(sem.tryAcquire(3)).toBe(false);
    // oxlint-disable-next-line headgate/race -- neither gets any units
    expect(await isPending(Promise.race([hopeless, forever]))).toBe(true);
    await elapse(10);
    expect(await hopeless).toBe(ctx.err());
    expect(ctx.err()).toBeInstanceOf(context.DeadlineExceeded);
    expect(inspect(sem)).toBe("semaphore.Weighted(0/2)");
    expect(await isPending(forever)).toBe(true);
  });

  it("of nothing succeeds whenever no call waits, even if nothing is free (M7)", async () => {
    const sem = newSemaphore(1, 1);
    await sem.acquire(0);
    expect(sem.tryAcquire(0)).toBe(true);
    const waiting = sem.acquire(1);
    expect(sem.tryAcquire(0)).toBe(false);
    const nothing = sem.acquire(0);
    expect(await isPending(nothing)).toBe(true);
    sem.release(1);
    await Promise.all([waiting, nothing]);
    const empty = new semaphore.Weighted(0);
    await empty.acquire(0);
    expect(empty.tryAcquire(1)).toBe(false);
  });

  it("serves 20 000 who wait", async () => {
    const sem = newSemaphore(3, 3);
    let served = 0;
    const waiting = Array.from({ length: 20_000 }, async () => {
      await sem.acquire(1);
      served++;
      sem.release(1);
    });
    sem.release(3);
    await Promise.all(waiting);
    expect([served, inspect(sem)]).toEqual([20_000, "semaphore.Weighted(0/3)"]);
  });
});

describe("release", () => {
  it("admits as many as fit, in order, up to the first that does not (M6)", async () => {
    const sem = newSemaphore(10, 10);
    const order: number[] = [];
    for (const n of [2, 3, 6, 1]) void sem.acquire(n).then(() => order.push(n));
    sem.release(10);
    await settle();
    expect(order).toEqual([2, 3]);
    expect(inspect(sem)).toBe("semaphore.Weighted(5/10, 2 waiting)");
    sem.release(2);
    await settle();
    expect(order).toEqual([2, 3, 6, 1]);
  });

  it("hands units over at once: tryAcquire finds none that somebody waited for", async () => {
    const sem = newSemaphore(1, 1);
    const waiting = sem.acquire(1);
    sem.release(1);
    expect(sem.tryAcquire(1)).toBe(false);
    await waiting;
  });

  it("of more than is held throws, and nothing is released (M5)", async () => {
    const sem = newSemaphore(10, 4);
    const waiting = sem.acquire(7);
    expect(() => sem.release(5)).toThrow("semaphore: released more than held");
    expect(() => new semaphore.Weighted(1).release()).toThrow("semaphore: released more than held");
    expect(inspect(sem)).toBe("semaphore.Weighted(4/10, 1 waiting)");
    expect(await isPending(waiting)).toBe(true);
    sem.release(4);
    await waiting;
  });
});

describe("a context", () => {
  it("that has ended already ends the call though enough is free (M2)", async () => {
    const [ctx, cancel] = context.withCancelCause(context.background());
    cancel(new Error("the cause is not the error"));
    const sem = new semaphore.Weighted(1);
    for (const n of [0, 1, 2]) expect(await failure(sem.acquire(n, ctx))).toBe(ctx.err());
    expect(inspect(sem)).toBe("semaphore.Weighted(0/1)");
  });

  it("that ends takes the first out of the queue, and those behind it that fit go on at once (M4)", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const sem = newSemaphore(10, 5);
    const large = failure(sem.acquire(8, ctx));
    const behind = [sem.acquire(2), sem.acquire(3)];
    const last = sem.acquire(1);
    cancel();
    await Promise.all(behind);
    expect(await large).toBe(ctx.err());
    expect(inspect(sem)).toBe("semaphore.Weighted(10/10, 1 waiting)");
    expect(await isPending(last)).toBe(true);
  });

  it("that ends lets those behind go on, also when there have been others before (M4)", async () => {
    const sem = newSemaphore(2, 2);
    const before = sem.acquire(1);
    sem.release(1);
    await before;
    const [ctx, cancel] = context.withCancel(context.background());
    const large = failure(sem.acquire(2, ctx));
    const behind = sem.acquire(1);
    sem.release(1);
    expect(await isPending(behind)).toBe(true);
    cancel();
    await behind;
    expect(await large).toBe(ctx.err());
  });

  it("that ends takes one out of the middle; the others keep their places (M4)", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const sem = newSemaphore(1, 1);
    const order: string[] = [];
    void sem.acquire(1).then(() => order.push("first"));
    const given = failure(sem.acquire(1, ctx));
    void sem.acquire(1).then(() => order.push("last"));
    cancel();
    expect(await given).toBe(ctx.err());
    expect(order).toEqual([]);
    for (const expected of [["first"], ["first", "last"]]) {
      sem.release(1);
      await settle();
      expect(order).toEqual(expected);
    }
  });

  it("that ends after the units were handed over comes too late: they are held", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const sem = newSemaphore(1, 1);
    const waiting = sem.acquire(1, ctx);
    sem.release(1);
    cancel();
    await waiting;
    expect(inspect(sem)).toBe("semaphore.Weighted(1/1)");
  });

  it("that ends for the first and for those behind him gives nothing to any of them (M2, M4)", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const sem = newSemaphore(2, 1);
    const waiting = [sem.acquire(2, ctx), sem.acquire(1, ctx), sem.acquire(1, ctx)].map(failure);
    cancel();
    for (const error of await Promise.all(waiting)) expect(error).toBe(ctx.err());
    expect(inspect(sem)).toBe("semaphore.Weighted(1/2)");
  });

  it("that ends for the first, and a derived one for him behind, gives nothing to either (M2, M4)", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const [derived] = context.withCancel(ctx);
    const sem = newSemaphore(2, 1);
    const waiting = [sem.acquire(2, ctx), sem.acquire(1, derived)].map(failure);
    cancel();
    for (const error of await Promise.all(waiting)) expect(error).toBe(ctx.err());
    expect(inspect(sem)).toBe("semaphore.Weighted(1/2)");
  });

  it("leaves nobody waiting on itself when the units came first", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    using _ = cancel;
    const sem = newSemaphore(1, 1);
    const waiting = sem.acquire(1, ctx);
    expect(inspect(ctx.done())).toBe("Chan(0/0, 1 receiver waiting)");
    sem.release(1);
    await waiting;
    expect(inspect(ctx.done())).toBe("Chan(0/0)");
  });
});

describe("bad input", () => {
  it.each([
    [Number.NaN, RangeError],
    [0.5, RangeError],
    [-1, RangeError],
    [Infinity, RangeError],
    ["1", TypeError],
    [null, TypeError],
    [1n, TypeError],
  ])("a weight of %s is refused, and nothing has changed (M8)", async (n, kind) => {
    const sem = newSemaphore(4, 2);
    await expect(sem.acquire(n as never)).rejects.toThrow(kind);
    expect(() => sem.tryAcquire(n as never)).toThrow(kind);
    expect(() => sem.release(n as never)).toThrow(kind);
    expect(inspect(sem)).toBe("semaphore.Weighted(2/4)");
    expect(() => new semaphore.Weighted(n as never)).toThrow(kind);
  });

  it("a Context in the place of the weight is a TypeError that says so", async () => {
    const sem = newSemaphore(4, 2);
    await expect(sem.acquire(context.background() as never)).rejects.toThrow(TypeError);
    await expect(sem.acquire(context.background() as never)).rejects.toThrow(/Context/);
    expect(() => sem.tryAcquire(context.todo() as never)).toThrow(/Context/);
    expect(() => sem.release(context.todo() as never)).toThrow(/Context/);
    expect(inspect(sem)).toBe("semaphore.Weighted(2/4)");
  });

  it("what is no Context in the place of one is a TypeError, and nothing is taken", async () => {
    const sem = newSemaphore(4, 2);
    for (const ctx of [null, 5, {}, new AbortController().signal]) {
      await expect(sem.acquire(1, ctx as never)).rejects.toThrow(TypeError);
    }
    expect(inspect(sem)).toBe("semaphore.Weighted(2/4)");
  });

  it("a size that is missing is a TypeError", () => {
    expect(() => new semaphore.Weighted(undefined as never)).toThrow(TypeError);
  });
});
