/**
 * Contexts, cancelled at every point and from several sides at once: whoever is first decides, a tree ends in one
 * step, its parts never disagree, and nothing is left on a parent or a signal.
 */
import assert from "node:assert/strict";
import { getEventListeners } from "node:events";
import { Chan, type Context, context, time } from "headgate";
import { type Bubble, bubble, explore } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { together, under } from "./tasks.ts";

const { Canceled, DeadlineExceeded } = context;

const isClosed = (ctx: Context): boolean => ctx.done().tryRecv() !== undefined;

/** Contexts, each with those derived from it; what must hold of them at any moment is checked by `agree`. */
class Tree {
  private readonly parents = new Map<Context, Context>();
  private readonly ends = new Map<Context, readonly [err: unknown, cause: unknown]>();

  add<C>(parent: Context, [ctx, cancel]: readonly [Context, C]): readonly [ctx: Context, cancel: C] {
    this.parents.set(ctx, parent);
    return [ctx, cancel];
  }

  /** Err, done and cause agree, children have ended with their parents, and what has once been said stays. */
  agree(): void {
    for (const [ctx, parent] of this.parents) {
      const [err, cause] = [ctx.err(), context.cause(ctx)];
      const hasEnded = err !== undefined;
      assert.equal(isClosed(ctx), hasEnded);
      assert.equal(cause !== undefined, hasEnded);
      assert(hasEnded || parent.err() === undefined);
      if (!hasEnded) continue;
      const said = this.ends.get(ctx) ?? [err, cause];
      assert.equal(err, said[0]);
      assert.equal(cause, said[1]);
      this.ends.set(ctx, said);
    }
  }

  /** The same when no cancel is under way: the signals agree, too. */
  settled(): void {
    this.agree();
    for (const ctx of this.parents.keys()) {
      assert.equal(ctx.signal.aborted, ctx.err() !== undefined);
      assert.equal(ctx.signal.reason, ctx.err());
    }
  }

  /** Cancels `ctx` for this cause: what has not ended yet below it must get it, and nothing else (C12, C31, C32). */
  cancelWith(ctx: Context, cancel: (cause: unknown) => void, cause: unknown): void {
    const open = [...this.parents.keys()].filter((one) => one.err() === undefined);
    cancel(cause);
    this.settled();
    for (const one of open) assert.equal(context.cause(one), this.isBelow(one, ctx) ? cause : undefined);
  }

  private isBelow(ctx: Context, top: Context): boolean {
    for (let at: Context | undefined = ctx; at !== undefined; at = this.parents.get(at)) if (at === top) return true;
    return false;
  }
}

/** Whether it was slept through; if not, `ctx` has ended it, with exactly its error. */
const sleptThrough = (ms: number, ctx: Context): Promise<boolean> => under(ctx, () => time.sleep(ms, ctx));

describe("a tree", () => {
  /** One of each kind, three deep, with watchers of all sorts, who find it in order whenever they look. */
  const scenario = async (t: Bubble): Promise<void> => {
    const tree = new Tree();
    const [stem, cutStem] = tree.add(t.ctx, context.withCancelCause(t.ctx));
    const [leaf, cutLeaf] = tree.add(stem, context.withCancelCause(stem));
    const late = new Error("late");
    const [timed, cutTimed] = tree.add(stem, context.withTimeoutCause(stem, 10, late));
    const value = context.withValue(timed, context.key<string>("user"), "ada");
    const [tip] = tree.add(timed, [value, undefined]);
    const [last, cutLast] = tree.add(tip, context.withCancelCause(tip));
    for (const ctx of [stem, leaf, last]) ctx.signal.addEventListener("abort", () => tree.agree());
    await together(
      async () => {
        await last.done().recv();
        tree.settled();
      },
      async () => {
        await sleptThrough(10, t.ctx);
        tree.cancelWith(leaf, cutLeaf, new Error("leaf"));
      },
      async () => {
        await t.yield();
        tree.cancelWith(last, cutLast, new Error("last"));
      },
      async () => {
        await sleptThrough(5, tip);
        tree.cancelWith(stem, cutStem, new Error("stem"));
        // Too late, all of these.
        for (const cut of [cutLeaf, cutTimed, cutLast]) cut(new Error("too late"));
        tree.settled();
      },
    );
    tree.settled();
    if (timed.err() instanceof DeadlineExceeded) expect(context.cause(timed)).toBe(late);
  };

  it("ends in one step, and the first to end a context says why (C10, C14, C31)", () => explore(scenario));

  it("does so on a slow machine, too, where a deadline may pass at any moment (C49)", () =>
    explore(scenario, { timers: "any" }));
});

describe("a deadline and a cancel at the same time", () => {
  it("end as one of the two, each with its own cause, for good (C45, C46, C49)", async () => {
    const ends = new Set<string>();
    const late = new Error("late");
    const report = await explore(
      async (t) => {
        const [ctx, cancel] = context.withTimeoutCause(t.ctx, 10, late);
        await together(
          async () => {
            await time.sleep(10);
            cancel();
          },
          async () => expect(await sleptThrough(20, ctx)).toBe(false),
        );
        const err = ctx.err();
        cancel();
        expect(ctx.err()).toBe(err);
        expect(context.cause(ctx)).toBe(err instanceof DeadlineExceeded ? late : err);
        ends.add(err!.message);
      },
      { bound: Infinity, cancel: false, timers: "any", randomRuns: 0 },
    );
    expect(report.complete).toBe(true);
    expect([...ends].sort()).toEqual(["context canceled", "context deadline exceeded"]);
  });

  it("pass at their exact times, the earlier one first, wherever in the tree it is (C41, C44)", () =>
    bubble(async (t) => {
      const begun = t.now();
      const [outer, cancelOuter] = context.withTimeout(t.ctx, 30);
      using _outer = cancelOuter;
      const [inner, cancelInner] = context.withTimeout(outer, 20);
      using _inner = cancelInner;
      const [longer, cancelLonger] = context.withDeadline(inner, begun + 1_000);
      using _longer = cancelLonger;
      const ends: [string, number, string][] = [];
      const watch = (name: string, ctx: Context) => async () => {
        const error: unknown = await time.sleep(5_000, ctx).catch((error: unknown) => error);
        ends.push([name, t.now() - begun, (error as Error).message]);
      };
      expect([outer.deadline(), longer.deadline()]).toEqual([begun + 30, begun + 20]);
      await together(watch("outer", outer), watch("inner", inner), watch("longer", longer));
      expect(ends).toEqual([
        ["inner", 20, "context deadline exceeded"],
        ["longer", 20, "context deadline exceeded"],
        ["outer", 30, "context deadline exceeded"],
      ]);
    }));
});

describe("afterFunc", () => {
  it("runs its function once, or stop has returned true once, in every schedule there is (C80, C82)", async () => {
    const outcomes = new Set<string>();
    const report = await explore(
      async (t) => {
        const [ctx, cancel] = context.withCancel(t.ctx);
        let [runs, stops] = [0, 0];
        let isInside = false;
        const stop = context.afterFunc(ctx, () => {
          expect([isInside, ctx.err() !== undefined]).toEqual([false, true]);
          runs++;
        });
        const stopOnce = (): void => void (stop() && stops++);
        await together(stopOnce, stopOnce, () => {
          isInside = true;
          cancel();
          isInside = false;
          // The cancel has decided: what has not been stopped will run (C83).
          expect(stop()).toBe(false);
        });
        await t.wait();
        expect(runs + stops).toBe(1);
        outcomes.add(runs === 1 ? "run" : "stopped");
      },
      { bound: Infinity, randomRuns: 0 },
    );
    expect(report.complete).toBe(true);
    expect([...outcomes].sort()).toEqual(["run", "stopped"]);
  });

  it("keeps each registration apart, those on a context that has ended included (C81, C85)", () =>
    explore(
      async (t) => {
        const [ctx, cancel] = context.withTimeout(t.ctx, 10);
        const runs = [0, 0, 0];
        const stopped = [false, false, false];
        const register = (i: number): (() => boolean) => context.afterFunc(ctx, () => runs[i]!++);
        const [first] = [register(0), register(1)];
        await together(
          () => (stopped[0] = first()),
          async () => {
            await sleptThrough(10, t.ctx);
            const hadEnded = ctx.err() !== undefined;
            stopped[2] = register(2)();
            if (hadEnded) expect(stopped[2]).toBe(false);
          },
        );
        cancel();
        await t.wait();
        expect(runs).toEqual(stopped.map((isStopped) => (isStopped ? 0 : 1)));
      },
      { timers: "any" },
    ));

  it("merges two contexts, and the merged one has the cause of the first to end (C90)", () =>
    explore(async (t) => {
      const [[a, cancelA], [b, cancelB]] = [context.withCancelCause(t.ctx), context.withCancelCause(t.ctx)];
      const [merged, cancel] = context.withCancelCause(a);
      const stop = context.afterFunc(b, () => cancel(context.cause(b)));
      await together(
        () => cancelA("a"),
        () => cancelB("b"),
        async () => {
          await merged.done().recv();
          expect(["a", "b", t.ctx.err()]).toContain(context.cause(merged));
        },
      );
      expect([context.cause(a), context.cause(b)]).toContain(context.cause(merged));
      expect(stop()).toBe(false);
    }));
});

describe("AbortSignals", () => {
  const listeners = (...signals: AbortSignal[]): number =>
    signals.reduce((sum, signal) => sum + getEventListeners(signal, "abort").length, 0);

  it.each(["AbortError", "TimeoutError"])(
    "carry an end into a context and out of it again, whoever is first, with a reason named %s (C106)",
    async (name) => {
      const ends = new Set<string>();
      await explore(async (t) => {
        const controller = new AbortController();
        const reason = Object.assign(new Error("why"), { name });
        const [near, cancelNear] = context.withSignal(t.ctx, controller.signal);
        const [far, cancelFar] = context.withSignal(context.background(), near.signal);
        const deaf = sleptThrough(1_000, far);
        await together(
          async () => {
            await t.yield();
            controller.abort(reason);
          },
          async () => {
            await t.yield();
            await t.yield();
            cancelNear();
          },
        );
        const isTimeout = name === "TimeoutError" && context.cause(near) === reason;
        const Class = isTimeout ? DeadlineExceeded : Canceled;
        expect([near.err(), far.err()]).toEqual([expect.any(Class), expect.any(Class)]);
        if (t.ctx.err() === undefined) expect([reason, near.err()]).toContain(context.cause(near));
        expect(context.cause(far)).toBe(near.err());
        expect(near.signal.reason).toBe(near.err());
        expect(await deaf).toBe(false);
        expect(listeners(controller.signal, near.signal)).toBe(0);
        cancelFar();
        ends.add(context.cause(near) === reason ? "aborted" : "cancelled");
      });
      expect([...ends].sort()).toEqual(["aborted", "cancelled"]);
    },
  );

  it("keep one listener while any context of theirs lives, and none when the last has ended", () =>
    explore(async (t) => {
      const { signal } = new AbortController();
      const pairs = [1, 2, 3].map(() => context.withSignal(t.ctx, signal));
      const check = (): void => {
        expect(listeners(signal)).toBe(pairs.some(([ctx]) => ctx.err() === undefined) ? 1 : 0);
      };
      await together(
        ...pairs.map(([, cancel]) => async () => {
          check();
          await t.yield();
          cancel();
          check();
        }),
      );
      expect(listeners(signal)).toBe(0);
    }));
});

describe("wait for a promise from outside", () => {
  it("ends with the promise or with the context, and a rejection that comes too late troubles nobody", async () => {
    const outcomes = new Set<string>();
    await explore(async (t) => {
      let reject!: (error: Error) => void;
      const promise = new Promise<never>((_, no) => (reject = no));
      const failure = new Error("from outside");
      const [ctx, cancel] = context.withCancel(t.ctx);
      const waits = (own: Context) => async (): Promise<void> => {
        const error: unknown = await context.wait(promise, own).catch((error: unknown) => error);
        expect([failure, own.err()]).toContain(error);
        outcomes.add(error === failure ? "rejected" : "cancelled");
      };
      await together(waits(ctx), waits(t.ctx), cancel, () => reject(failure));
    });
    expect([...outcomes].sort()).toEqual(["cancelled", "rejected"]);
  });
});

describe("withoutCancel", () => {
  it("lets a cleanup be done to its end, in its own time, wherever the work is cancelled (C70, C71)", () =>
    explore(async (t) => {
      const user = context.key<string>("user");
      const ctx = context.withValue(t.ctx, user, "ada");
      const log: string[] = [];
      const work = async (): Promise<void> => {
        try {
          for (let n = 1; n <= 3; n++) if (!(await sleptThrough(10, ctx))) return;
          log.push("worked");
        } finally {
          const [cleaning, cancel] = context.withTimeout(context.withoutCancel(ctx), 100);
          using _ = cancel;
          const begun = t.now();
          expect(context.cause(cleaning)).toBeUndefined();
          expect(await sleptThrough(99, cleaning)).toBe(true);
          log.push(`cleaned up after ${cleaning.value(user)} in ${t.now() - begun}ms`);
          expect([await sleptThrough(2, cleaning), t.now() - begun]).toEqual([false, 100]);
        }
      };
      await together(work);
      expect(log.at(-1)).toBe("cleaned up after ada in 99ms");
      expect(log.length).toBe(log[0] === "worked" ? 2 : 1);
      if (log.length === 1) expect(t.ctx.err()).toBeDefined();
    }));
});

describe("a context of somebody's own", () => {
  it("ends what is derived from it, with its error, as soon as everybody has had a turn (C102, C103)", () =>
    explore(
      async (t) => {
        const ending = new Chan<never>();
        const error = new Canceled("stopped by hand");
        const own: Context = {
          deadline: () => undefined,
          done: () => ending,
          err: () => (ending.toString().includes("closed") ? error : undefined),
          value: () => undefined,
          signal: new AbortController().signal,
        };
        const [child, cancel] = context.withCancelCause(own);
        const [other] = context.withCancel(own);
        await together(
          () => ending.close(),
          () => cancel("by its own cancel"),
          async () => expect(await sleptThrough(1_000, child)).toBe(false),
        );
        await t.wait();
        expect([error, "by its own cancel"]).toContain(context.cause(child));
        expect([other.err(), context.cause(other)]).toEqual([error, error]);
      },
      { cancel: false },
    ));
});

it("nothing is left behind, whichever operation under a context is refused", async () => {
  const refused = new Error("refused");
  let refusals = 0;
  const report = await explore(
    async (t) => {
      const [outer, cancelOuter] = context.withTimeout(t.ctx, 50);
      using _outer = cancelOuter;
      const [inner, cancelInner] = context.withSignal(outer, new AbortController().signal);
      using _inner = cancelInner;
      const stop = context.afterFunc(inner, () => expect(inner.err()).toBeDefined());
      try {
        await time.sleep(10, inner);
        await context.wait(Promise.resolve(1), inner);
        await new Chan<number>(1).send(1, inner);
        await outer.done().recv();
        expect([stop(), t.ctx.err()]).toEqual([false, undefined]);
      } catch (error) {
        refusals++;
        throw error;
      }
    },
    { fail: refused, cancel: false, randomRuns: 0 },
  );
  expect([refusals, report.complete]).toEqual([4, true]);
});
