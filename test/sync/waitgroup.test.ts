import { inspect } from "node:util";
import { Chan, context, sync } from "headgate";
import { describe, expect, it } from "vitest";
import { isPending, settle, virtualTime } from "../support/clock.ts";

virtualTime();

describe("wait", () => {
  it("resolves at once while the counter is zero (G1)", async () => {
    await expect(new sync.WaitGroup().wait()).resolves.toBeUndefined();
  });

  it("resolves every wait when the counter reaches zero, and not before (G1)", async () => {
    const wg = new sync.WaitGroup();
    wg.add(2);
    const waiting = Promise.all([wg.wait(), wg.wait(), wg.wait()]);
    wg.done();
    expect(await isPending(waiting)).toBe(true);
    wg.done();
    expect(await waiting).toEqual([undefined, undefined, undefined]);
  });

  it("can be used again, as often as you like (G3)", async () => {
    const wg = new sync.WaitGroup();
    for (let round = 0; round < 3; round++) {
      wg.add(1);
      const waiting = wg.wait();
      expect(await isPending(waiting)).toBe(true);
      wg.done();
      await waiting;
    }
  });

  it("that was released is not held up by an add that comes before it resumes (G1)", async () => {
    const wg = new sync.WaitGroup();
    wg.add(1);
    const waiting = wg.wait();
    wg.done();
    wg.add(1);
    expect(await isPending(waiting)).toBe(false);
    expect(await isPending(wg.wait())).toBe(true);
  });
});

describe("add", () => {
  it("takes several at once, also back (G1)", async () => {
    const wg = new sync.WaitGroup();
    wg.add(5);
    wg.add(-4);
    wg.add(0);
    const waiting = wg.wait();
    expect(await isPending(waiting)).toBe(true);
    wg.add(-1);
    await waiting;
  });

  it("may come during a wait, from inside a task that is waited for (G4)", async () => {
    const wg = new sync.WaitGroup();
    const ran: string[] = [];
    wg.go(async () => {
      await settle();
      ran.push("outer");
      wg.go(async () => {
        await settle();
        ran.push("inner");
      });
    });
    await wg.wait();
    expect(ran).toEqual(["outer", "inner"]);
  });

  it("throws rather than let the counter fall below zero, and then nothing has changed (G2)", async () => {
    const wg = new sync.WaitGroup();
    expect(() => wg.done()).toThrow("sync: negative WaitGroup counter");
    wg.add(2);
    expect(() => wg.add(-3)).toThrow("sync: negative WaitGroup counter");
    expect(inspect(wg)).toBe("sync.WaitGroup(2)");
    const waiting = wg.wait();
    wg.add(-2);
    await waiting;
  });

  it.each([
    [Number.NaN, RangeError],
    [0.5, RangeError],
    [Infinity, RangeError],
    [-Infinity, RangeError],
    ["1", TypeError],
    [undefined, TypeError],
    [null, TypeError],
    [context.background(), /Context/],
  ])("of %s is an error, and nothing has changed", (n, error) => {
    const wg = new sync.WaitGroup();
    wg.add(1);
    expect(() => wg.add(n as never)).toThrow(error);
    expect(inspect(wg)).toBe("sync.WaitGroup(1)");
  });
});

describe("go", () => {
  it("counts at once and starts the task on a later microtask (G5)", async () => {
    const wg = new sync.WaitGroup();
    const ran: string[] = [];
    wg.go(() => ran.push("task"));
    ran.push("caller");
    expect(inspect(wg)).toBe("sync.WaitGroup(1)");
    await wg.wait();
    expect(ran).toEqual(["caller", "task"]);
    expect(inspect(wg)).toBe("sync.WaitGroup(0)");
  });

  it("counts a task until its promise has resolved, a foreign one included (G5)", async () => {
    const wg = new sync.WaitGroup();
    const ended = new Chan<never>();
    wg.go(() => ended.recv());
    wg.go(() => ({ then: (resolve: () => void) => void ended.recv().then(resolve) }));
    await settle();
    expect(inspect(wg)).toBe("sync.WaitGroup(2)");
    ended.close();
    await expect(wg.wait()).resolves.toBeUndefined();
  });

  it.each([undefined, null, 5, {}, Promise.resolve()])("of %j is a TypeError at once, and nothing is counted", (fn) => {
    const wg = new sync.WaitGroup();
    expect(() => wg.go(fn as never)).toThrow(TypeError);
    expect(inspect(wg)).toBe("sync.WaitGroup(0)");
  });
});

describe("a context", () => {
  it("that ends first ends the wait with its error; the counter and the other waits are as they were", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const wg = new sync.WaitGroup();
    wg.add(1);
    const [mine, others] = [wg.wait(ctx), wg.wait()];
    expect(inspect(wg)).toBe("sync.WaitGroup(1, 2 waiting)");
    cancel();
    expect(await mine.catch((error: unknown) => error)).toBe(ctx.err());
    expect(inspect(wg)).toBe("sync.WaitGroup(1, 1 waiting)");
    wg.done();
    await others;
  });

  it("that has ended already ends the wait even at zero", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    cancel();
    expect(await new sync.WaitGroup().wait(ctx).catch((error: unknown) => error)).toBe(ctx.err());
  });

  it("that ends after the counter reached zero comes too late", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const wg = new sync.WaitGroup();
    wg.add(1);
    const waiting = wg.wait(ctx);
    wg.done();
    cancel();
    await expect(waiting).resolves.toBeUndefined();
  });

  it("must be one: anything else is a TypeError, and nobody waits", async () => {
    const wg = new sync.WaitGroup();
    wg.add(1);
    for (const ctx of [null, 5, new AbortController().signal])
      await expect(wg.wait(ctx as never)).rejects.toThrow(TypeError);
    expect(inspect(wg)).toBe("sync.WaitGroup(1)");
  });
});
