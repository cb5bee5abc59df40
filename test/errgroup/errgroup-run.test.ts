import { Chan, context, errgroup } from "headgate";
import { describe, expect, it } from "vitest";
import { isPending, settle, virtualTime } from "../support/clock.ts";
import { failure } from "../support/errors.ts";

virtualTime();

const boom = new Error("boom");

/** A task that runs until `end()`. */
function gate() {
  const opened = new Chan<never>();
  return { end: () => opened.close(), task: () => opened.recv() };
}

describe("run", () => {
  it("returns what its body returned, when every task has ended too", async () => {
    const slow = gate();
    const running = errgroup.run(context.background(), (group) => {
      void group.go(slow.task);
      return "result";
    });
    expect(await isPending(running)).toBe(true);
    slow.end();
    expect(await running).toBe("result");
    expect(await errgroup.run(context.background(), async () => 7)).toBe(7);
  });

  it("waits for what tasks start, and for calls of go that still wait", async () => {
    const ran: string[] = [];
    await errgroup.run(context.background(), (group) => {
      group.setLimit(1);
      void group.go(() => void group.go(() => ran.push("started by a task")));
      void group.go(() => ran.push("queued"));
    });
    expect(ran).toEqual(["queued", "started by a task"]);
  });

  it("cancels the group with the error of its body, and rejects with it when the tasks have ended", async () => {
    for (const body of [
      () => {
        throw boom;
      },
      () => Promise.reject(boom),
    ]) {
      const slow = gate();
      let cause: unknown;
      const running = failure(
        errgroup.run(context.background(), async (group) => {
          void group.go(async (ctx) => {
            await ctx.done().recv();
            cause = context.cause(ctx);
            await slow.task();
          });
          return body();
        }),
      );
      expect(await isPending(running)).toBe(true);
      expect(cause).toBe(boom);
      slow.end();
      expect(await running).toBe(boom);
    }
  });

  it("rejects with the first error, be it of a task or of the body (E4)", async () => {
    const late = new Error("late");
    const taskFirst = errgroup.run(context.background(), async (group, ctx) => {
      void group.go(() => Promise.reject(boom));
      await ctx.done().recv();
      throw late;
    });
    expect(await failure(taskFirst)).toBe(boom);
    const bodyFirst = errgroup.run(context.background(), async (group) => {
      void group.go(async (ctx) => {
        await ctx.done().recv();
        throw late;
      });
      await settle();
      throw boom;
    });
    expect(await failure(bodyFirst)).toBe(boom);
  });

  it("rejects with the error of a task though the body returned, be it undefined (E23)", async () => {
    for (const error of [boom, undefined]) {
      const running = errgroup.run(context.background(), (group) => {
        void group.go(() => Promise.reject(error));
        return "result";
      });
      expect(await failure(running)).toBe(error);
    }
    expect(await failure(errgroup.run(context.background(), () => Promise.reject(undefined)))).toBeUndefined();
  });

  it("ends with its parent, and is no failure if nobody makes one of it (E11)", async () => {
    const [parent, cancel] = context.withCancel(context.background());
    const running = errgroup.run(parent, async (group, ctx) => {
      void group.go((ctx) => ctx.done().recv());
      await ctx.done().recv();
      return "drained";
    });
    expect(await isPending(running)).toBe(true);
    cancel();
    expect(await running).toBe("drained");
    expect(await errgroup.run(parent, (_, ctx) => ctx.err())).toBe(parent.err());
  });

  it("leaves its context ended and its parent alone (E6, E12)", async () => {
    const [parent, cancel] = context.withCancel(context.background());
    using _ = cancel;
    const inner = await errgroup.run(parent, (_, ctx) => ctx);
    expect(inner.err()).toBeInstanceOf(context.Canceled);
    expect(parent.err()).toBeUndefined();
  });

  it("rejects without a parent or a body", async () => {
    await expect(errgroup.run(null as never, () => 1)).rejects.toThrow("cannot create context from nil parent");
    await expect(errgroup.run(context.background(), 5 as never)).rejects.toThrow("errgroup: run");
  });
});
