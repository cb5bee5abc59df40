import { inspect } from "node:util";
import { Chan, context, errgroup } from "headgate";
import { describe, expect, it } from "vitest";
import { isPending, settle, virtualTime } from "../support/clock.ts";

virtualTime();

const limited = (limit: number): errgroup.Group => {
  const group = new errgroup.Group();
  group.setLimit(limit);
  return group;
};

const forever = () => new Promise(() => {});

describe("a limit", () => {
  it("lets that many tasks run at a time, and no more (E14)", async () => {
    const group = limited(3);
    let running = 0;
    const seen: number[] = [];
    for (let i = 0; i < 20; i++) {
      void group.go(async () => {
        seen.push(++running);
        await settle();
        running--;
      });
    }
    await group.wait();
    expect(seen).toHaveLength(20);
    expect(Math.max(...seen)).toBe(3);
  });

  it("makes go wait for a slot, and tryGo say no (E14)", async () => {
    const group = limited(1);
    const slot = new Chan<void>();
    await group.go(() => slot.recv());
    const waiting = group.go(() => {});
    expect(await isPending(waiting)).toBe(true);
    expect(group.tryGo(() => {})).toBe(false);
    await slot.send();
    await waiting;
    await group.wait();
    expect(group.tryGo(() => {})).toBe(true);
  });

  it("holds back a loop that awaits go: it never has more than the limit under way, and nothing queued", async () => {
    const group = limited(2);
    const next = new Chan<void>();
    let started = 0;
    const producer = (async () => {
      for (; started < 6; started++) {
        await group.go(() => next.recv());
        expect(inspect(group)).not.toContain("waiting");
      }
    })();
    for (let ended = 0; ended < 6; ended++) {
      await settle();
      expect(started).toBe(Math.min(6, ended + 2));
      await next.send();
    }
    await producer;
    await group.wait();
  });

  it("gives slots in the order of the calls (E19)", async () => {
    const group = limited(2);
    const next = new Chan<void>();
    const order: string[] = [];
    for (const name of "abcdef") {
      void group.go(() => {
        order.push(name);
        return next.recv();
      });
    }
    for (let i = 0; i < 6; i++) await next.send();
    await group.wait();
    expect(order.join("")).toBe("abcdef");
  });

  it("gives a freed slot to the go that waits, never to a tryGo (E19)", async () => {
    const group = limited(1);
    const next = new Chan<void>();
    void group.go(() => next.recv());
    const order: string[] = [];
    void group.go(() => order.push("go"));
    void next.send();
    let refused = 0;
    while (!group.tryGo(() => order.push("tryGo"))) {
      refused++;
      await Promise.resolve();
    }
    await group.wait();
    expect(refused).toBeGreaterThan(0);
    expect(order).toEqual(["go", "tryGo"]);
  });

  it("is not lifted by the end of the context: who waits gets his slot, and only then (E10, E14)", async () => {
    const [parent, cancel] = context.withCancel(context.background());
    const [group, ctx] = errgroup.withContext(parent);
    group.setLimit(1);
    const next = new Chan<void>();
    void group.go(() => next.recv());
    let err: unknown;
    const waiting = group.go((ctx) => (err = ctx.err()));
    cancel();
    expect(await isPending(waiting)).toBe(true);
    await next.send();
    await group.wait();
    expect(err).toBe(ctx.err());
    expect(err).toBeInstanceOf(context.Canceled);
  });

  it("of 0 lets nothing start: tryGo says no, and go waits for ever (E15)", async () => {
    const group = limited(0);
    let ran = false;
    expect(group.tryGo(() => (ran = true))).toBe(false);
    const waiting = [group.go(() => (ran = true)), group.wait()];
    group.setLimit(0);
    for (const promise of waiting) expect(await isPending(promise)).toBe(true);
    expect(ran).toBe(false);
    group.setLimit(-1);
    await Promise.all(waiting);
    expect(ran).toBe(true);
  });

  it("of 0 that is raised admits as many of those who wait as there are slots now", async () => {
    const group = limited(0);
    const order: number[] = [];
    for (const i of [1, 2, 3]) {
      void group.go(() => {
        order.push(i);
        return forever();
      });
    }
    group.setLimit(2);
    await settle();
    expect(order).toEqual([1, 2]);
    expect(inspect(group)).toBe("errgroup.Group(2 running, limit 2, 1 waiting)");
  });

  it("may be lifted while tasks run, and then all waiting calls are admitted (E17)", async () => {
    const group = limited(1);
    const waiting = [1, 2, 3].map(() => group.go(forever));
    group.setLimit(-5);
    await Promise.all(waiting);
    expect(inspect(group)).toBe("errgroup.Group(3 running)");
  });

  it.each([0, 2, 5])("cannot be set to %i while tasks run, be it the same or none before (E16, E17)", async (n) => {
    for (const before of [5, -1]) {
      const group = limited(before);
      const next = new Chan<void>();
      for (const active of [1, 2]) {
        void group.go(() => next.recv());
        const message = `errgroup: modify limit while ${active} goroutines in the group are still active`;
        expect(() => group.setLimit(n)).toThrow(message);
        expect(inspect(group)).toBe(`errgroup.Group(${active} running${before < 0 ? "" : ", limit 5"})`);
      }
      next.close();
      await group.wait();
      group.setLimit(n);
      expect(inspect(group)).toBe(`errgroup.Group(0 running, limit ${n})`);
    }
  });

  it("lets a task queue another one behind itself, but not wait for it (E18)", async () => {
    const group = limited(1);
    let inner: Promise<void> | undefined;
    const outer = new Chan<void>();
    void group.go(async () => {
      inner = group.go(() => {});
      await outer.recv();
    });
    await settle();
    expect(await isPending(inner!)).toBe(true);
    await outer.send();
    await inner;
    await group.wait();
  });

  it("may have 50 000 calls of go waiting, and admits them all", async () => {
    const group = limited(10);
    let ran = 0;
    for (let i = 0; i < 50_000; i++) void group.go(() => ran++);
    await group.wait();
    expect(ran).toBe(50_000);
  });
});

describe("a group shows", () => {
  it("how many tasks run, the limit, how many calls of go wait, and whether it has failed", async () => {
    const group = new errgroup.Group();
    expect(inspect(group)).toBe("errgroup.Group(0 running)");
    group.setLimit(4);
    for (let i = 0; i < 6; i++) void group.go(forever);
    expect(inspect(group)).toBe("errgroup.Group(4 running, limit 4, 2 waiting)");
    expect(String(group)).toBe(inspect(group));
    group.setLimit(-1);
    expect(group.tryGo(() => Promise.reject(new Error("boom")))).toBe(true);
    await settle();
    expect(inspect(group)).toBe("errgroup.Group(6 running, failed)");
  });
});

describe("bad input", () => {
  it.each([undefined, null, 5, "task", {}, Promise.resolve()])(
    "a task that is %j is a TypeError, and nothing starts",
    async (fn) => {
      for (const limit of [-1, 0, 1]) {
        const group = limited(limit);
        const before = inspect(group);
        await expect(group.go(fn as never)).rejects.toThrow(TypeError);
        expect(() => group.tryGo(fn as never)).toThrow(TypeError);
        expect(inspect(group)).toBe(before);
        await group.wait().then(() => expect(inspect(group)).toBe(before));
      }
    },
  );

  it.each([
    [Number.NaN, RangeError],
    [1.5, RangeError],
    [-0.5, RangeError],
    [Infinity, RangeError],
    [-Infinity, RangeError],
    ["3", TypeError],
    [undefined, TypeError],
    [3n, TypeError],
  ])("a limit of %s is refused, and the limit stays", (n, kind) => {
    const group = limited(2);
    expect(() => group.setLimit(n as never)).toThrow(kind);
    expect(inspect(group)).toBe("errgroup.Group(0 running, limit 2)");
  });

  it("a Context where the limit belongs is a TypeError that says so", () => {
    expect(() => limited(context.background() as never)).toThrow(/Context/);
  });

  it.each([null, undefined])("a parent that is %s is refused", (parent) => {
    expect(() => errgroup.withContext(parent as never)).toThrow("cannot create context from nil parent");
  });
});
