import { inspect } from "node:util";
import { Chan, context, errgroup, time } from "headgate";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { elapse, isPending, settle, virtualTime } from "../support/clock.ts";
import { failure } from "../support/errors.ts";

virtualTime();

const boom = new Error("boom");

/** A new group with its context, derived from the background. */
const newGroup = () => errgroup.withContext(context.background());

/** Tasks that run until `end()`: `task` succeeds then, `failing(error)` fails then. */
function gate() {
  const opened = new Chan<never>();
  return {
    end: () => opened.close(),
    task: () => opened.recv(),
    failing: (error: unknown) => async () => {
      await opened.recv();
      throw error;
    },
  };
}

let unhandled: unknown[];
const onUnhandled = (reason: unknown) => void unhandled.push(reason);

beforeEach(() => {
  unhandled = [];
  process.on("unhandledRejection", onUnhandled);
});

afterEach(async () => {
  await settle();
  process.off("unhandledRejection", onUnhandled);
  expect(unhandled).toEqual([]);
});

describe("tasks", () => {
  it("start on a later microtask, never inside go (E3)", async () => {
    const group = new errgroup.Group();
    const ran: string[] = [];
    void group.go(() => ran.push("task"));
    expect(group.tryGo(() => ran.push("second task"))).toBe(true);
    ran.push("caller");
    await group.wait();
    expect(ran).toEqual(["caller", "task", "second task"]);
  });

  it("get the context of the group, or the background context in a group without one (E1, E2)", async () => {
    const [group, ctx] = newGroup();
    const given: context.Context[] = [];
    for (const g of [group, new errgroup.Group()]) {
      await g.go((ctx) => given.push(ctx));
      await g.wait();
    }
    expect(given).toEqual([ctx, context.background()]);
    expect(String(ctx)).toBe("context.Background.WithCancel");
  });

  it("are admitted at once without a limit, and go never carries their error", async () => {
    // oxlint-disable-next-line headgate/group-wait -- one of its tasks never ends
    const group = new errgroup.Group();
    const admitted = [group.go(() => Promise.reject(boom)), group.go(() => new Promise(() => {}))];
    expect(await Promise.all(admitted)).toEqual([undefined, undefined]);
  });

  it("may start more tasks of their own group, and wait waits for those (E13)", async () => {
    const group = new errgroup.Group();
    let depth = 0;
    const dive = async (): Promise<void> => {
      await settle();
      if (++depth < 5) void group.go(dive);
    };
    void group.go(dive);
    await group.wait();
    expect(depth).toBe(5);
  });

  it("have succeeded whatever they return, be it an Error (E23)", async () => {
    const group = new errgroup.Group();
    for (const result of [boom, null, false, 0, Promise.resolve(boom), { then: 1 }]) void group.go(() => result);
    await expect(group.wait()).resolves.toBeUndefined();
  });

  it.each([
    [
      "throws",
      () => {
        throw boom;
      },
    ],
    ["rejects", () => Promise.reject(boom)],
    [
      "returns a foreign promise that rejects",
      () => ({ then: (_: unknown, reject: (e: unknown) => void) => reject(boom) }),
    ],
    [
      "returns an object whose then throws",
      () => ({
        then() {
          throw boom;
        },
      }),
    ],
    [
      "returns an object whose then cannot be read",
      () => ({
        get then() {
          throw boom;
        },
      }),
    ],
  ])("a task that %s has failed (E20)", async (_, task) => {
    const [group, ctx] = newGroup();
    void group.go(task);
    expect(await failure(group.wait())).toBe(boom);
    expect(context.cause(ctx)).toBe(boom);
  });

  it.each([undefined, null, 0, "", false])("a task that throws %j has failed, too (E23)", async (nothing) => {
    for (const task of [
      () => {
        throw nothing;
      },
      () => Promise.reject(nothing),
    ]) {
      const [group, ctx] = newGroup();
      void group.go(task);
      expect(await failure(group.wait())).toBe(nothing);
      expect(ctx.err()).toBeInstanceOf(context.Canceled);
      expect(context.cause(ctx)).toBe(nothing ?? ctx.err());
    }
  });
});

describe("the first error", () => {
  it("is the first in time, whichever task was started first (E4)", async () => {
    const [group] = newGroup();
    for (const ms of [30, 10, 20]) {
      void group.go(async () => {
        await time.sleep(ms);
        throw new Error(`after ${ms}`);
      });
    }
    const waiting = failure(group.wait());
    await elapse(30);
    expect(await waiting).toEqual(new Error("after 10"));
  });

  it("ends the context at once, with itself as the cause (E5)", async () => {
    const [group, ctx] = newGroup();
    const seen: unknown[] = [];
    void group.go(async (ctx) => {
      await ctx.done().recv();
      seen.push(ctx.err(), context.cause(ctx));
    });
    await settle();
    expect(seen).toEqual([]);
    void group.go(() => Promise.reject(boom));
    await settle();
    expect(seen).toEqual([ctx.err(), boom]);
    expect(ctx.err()).toBeInstanceOf(context.Canceled);
    await failure(group.wait());
  });

  it("ends nothing in a group without a context (E1)", async () => {
    const group = new errgroup.Group();
    void group.go(() => Promise.reject(boom));
    await settle();
    let err: unknown = "not run";
    void group.go((ctx) => (err = ctx.err()));
    expect(await failure(group.wait())).toBe(boom);
    expect(err).toBeUndefined();
  });

  it("does not keep tasks from being started, nor does a cancelled parent (E10)", async () => {
    const [parent, cancel] = context.withCancel(context.background());
    for (const end of [() => Promise.reject(boom), () => cancel()]) {
      const [group, ctx] = errgroup.withContext(parent);
      void group.go(end);
      await settle();
      expect(ctx.err()).toBeDefined();
      let ran = 0;
      void group.go(() => ran++);
      expect(group.tryGo(() => ran++)).toBe(true);
      await group.wait().catch(() => {});
      expect(ran).toBe(2);
    }
  });

  it("stays for ever: neither a later success nor a later error replaces it (E8)", async () => {
    const [group, ctx] = newGroup();
    void group.go(() => Promise.reject(boom));
    expect(await failure(group.wait())).toBe(boom);
    void group.go(() => {});
    expect(await failure(group.wait())).toBe(boom);
    void group.go(() => Promise.reject(new Error("later")));
    expect(await failure(group.wait())).toBe(boom);
    expect(context.cause(ctx)).toBe(boom);
  });

  it("of a group that had succeeded before is reported, but its context keeps the first cause (E8)", async () => {
    const [group, ctx] = newGroup();
    await group.wait();
    void group.go(() => Promise.reject(boom));
    expect(await failure(group.wait())).toBe(boom);
    expect(context.cause(ctx)).toBe(ctx.err());
  });

  it("of undefined is the first, too, and stays (E8, E23)", async () => {
    const group = new errgroup.Group();
    void group.go(() => Promise.reject(undefined));
    void group.go(() => Promise.reject(boom));
    expect(await failure(group.wait())).toBeUndefined();
  });

  it("is stored, then the context ends, then the slot is free, then the waits settle (E9)", async () => {
    const [group, ctx] = newGroup();
    group.setLimit(1);
    const seen: unknown[] = [];
    ctx.signal.addEventListener("abort", () =>
      seen.push(
        inspect(group),
        group.tryGo(() => {}),
      ),
    );
    void group.go(() => Promise.reject(boom));
    void group.go((ctx) => seen.push(context.cause(ctx)));
    expect(await failure(group.wait())).toBe(boom);
    expect(seen).toEqual(["errgroup.Group(1 running, limit 1, 1 waiting, failed)", false, boom]);
  });
});

describe("wait", () => {
  it("waits for every task, also after an error (E6)", async () => {
    const [group] = newGroup();
    const slow = gate();
    void group.go(slow.task);
    void group.go(() => Promise.reject(boom));
    const waiting = failure(group.wait());
    expect(await isPending(waiting)).toBe(true);
    slow.end();
    expect(await waiting).toBe(boom);
  });

  it("ends the context in any case; without an error the cause is Canceled (E6)", async () => {
    const [group, ctx] = newGroup();
    void group.go(() => {});
    await settle();
    expect(ctx.err()).toBeUndefined();
    await group.wait();
    expect(ctx.err()).toBeInstanceOf(context.Canceled);
    expect(context.cause(ctx)).toBe(ctx.err());
  });

  it("has ended the context when it resolves to those who waited (E6)", async () => {
    const [group, ctx] = newGroup();
    const slow = gate();
    void group.go(slow.task);
    const waiting = group.wait().then(() => ctx.err());
    slow.end();
    expect(await waiting).toBeInstanceOf(context.Canceled);
  });

  it("resolves at once in a group without tasks, and may be called repeatedly (E7, E22)", async () => {
    for (const group of [new errgroup.Group(), newGroup()[0]]) {
      await group.wait();
      await group.wait();
      void group.go(() => Promise.reject(boom));
      expect(await failure(group.wait())).toBe(boom);
      expect(await failure(group.wait())).toBe(boom);
    }
  });

  it("settles all waits of one time in the same way (E7)", async () => {
    const [group] = newGroup();
    const slow = gate();
    void group.go(slow.failing(boom));
    const waiting = Promise.all([1, 2, 3].map(() => failure(group.wait())));
    slow.end();
    expect(await waiting).toEqual([boom, boom, boom]);
  });

  it("resolves when the parent is cancelled and no task has failed; the cause is the parent's (E11)", async () => {
    const [parent, cancel] = context.withCancelCause(context.background());
    const [group, ctx] = errgroup.withContext(parent);
    void group.go((ctx) => ctx.done().recv());
    const waiting = group.wait();
    cancel(boom);
    expect(ctx.err()).toBe(parent.err());
    await expect(waiting).resolves.toBeUndefined();
    expect(context.cause(ctx)).toBe(boom);
  });

  it("never ends the parent (E12)", async () => {
    const [parent, cancel] = context.withCancel(context.background());
    using _ = cancel;
    for (const task of [() => {}, () => Promise.reject(boom)]) {
      const [group] = errgroup.withContext(parent);
      void group.go(task);
      await group.wait().catch(() => {});
      expect(parent.err()).toBeUndefined();
    }
  });

  it("waits for calls of go that still wait, too: a forgotten await drops nothing", async () => {
    const [group] = newGroup();
    group.setLimit(1);
    const ran: number[] = [];
    for (let i = 0; i < 50; i++) {
      void group.go(async () => {
        await settle();
        ran.push(i);
        if (i % 10 === 3) throw new Error(`task ${i}`);
      });
    }
    expect(await failure(group.wait())).toEqual(new Error("task 3"));
    expect(ran).toEqual(Array.from({ length: 50 }, (_, i) => i));
  });

  it("rejects to its callers only: the errors of a group that is not waited for are dropped", async () => {
    const [group, ctx] = newGroup();
    for (const task of [
      () => {
        throw boom;
      },
      () => Promise.reject(boom),
      () => Promise.reject(undefined),
    ]) {
      void group.go(task);
      group.tryGo(task);
    }
    await settle();
    expect(context.cause(ctx)).toBe(boom);
    expect(inspect(group)).toBe("errgroup.Group(0 running, failed)");
  });
});
