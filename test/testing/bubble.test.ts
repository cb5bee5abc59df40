/**
 * A bubble: what its members do, and how it ends. Its clock is in bubble-clock.test.ts, deadlocks and leaks are in
 * deadlock-leak.test.ts, promises from outside in outside.test.ts.
 */
import { Chan, context, errgroup, go, time } from "headgate";
import { type Bubble, bubble, DeadlockError } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { failureOf } from "../support/errors.ts";

const START = Date.UTC(2000, 0, 1);

describe("the members of a bubble", () => {
  it("t.ctx lasts until the function has returned", async () => {
    let [before, after]: unknown[] = [];
    await bubble(async (t) => {
      go(async () => {
        await t.ctx.done().recv();
        after = t.ctx.err();
      });
      await t.sleep(1_000);
      before = t.ctx.err();
    });
    expect(before).toBeUndefined();
    expect(after).toBeInstanceOf(context.Canceled);
  });

  it("t.cancel ends t.ctx with a cause, and leaves t.abort alone", async () => {
    await bubble((t) => {
      const cause = new Error("enough");
      t.cancel(cause);
      t.cancel(new Error("too late"));
      expect(t.ctx.err()).toBeInstanceOf(context.Canceled);
      expect(context.cause(t.ctx)).toBe(cause);
      expect(t.abort.err()).toBeUndefined();
    });
  });

  it("t.cancel needs no cause", async () => {
    await bubble((t) => {
      t.cancel();
      expect(context.cause(t.ctx)).toBe(t.ctx.err());
    });
  });

  it("t.abort is always the same context, and ends when the function has returned", async () => {
    let ended: unknown;
    await bubble(async (t) => {
      expect(t.abort).toBe(t.abort);
      go(async () => {
        await t.abort.done().recv();
        ended = t.abort.err();
      });
      await t.wait();
      expect([t.abort.err(), ended]).toEqual([undefined, undefined]);
    });
    expect(ended).toBeInstanceOf(context.Canceled);
  });

  it("t.yield lets the others go first", async () => {
    await bubble(async (t) => {
      const order: string[] = [];
      go(async () => {
        order.push("other begins");
        await t.yield();
        order.push("other ends");
      });
      await t.yield();
      order.push("main");
      await t.yield();
      expect(order).toEqual(["other begins", "main", "other ends"]);
    });
  });

  it("t.sleep sleeps and then waits: what is due by then has happened, and what follows from it (Y5)", async () => {
    await bubble(async (t) => {
      const ch = new Chan<number>();
      let got: number | undefined;
      go(async () => {
        await time.sleep(10);
        await ch.send(1);
      });
      go(async () => void ([got] = await ch.recv()));
      await t.sleep(10);
      expect([t.now() - START, got]).toEqual([10, 1]);
    });
  });

  it("t.sleep of 0 ms or less only waits", async () => {
    await bubble(async (t) => {
      let runs = 0;
      go(() => void runs++);
      await t.sleep(0);
      go(() => void runs++);
      await t.sleep(-5);
      expect([runs, t.now()]).toEqual([2, START]);
    });
  });

  it("t.sleep for ever is a deadlock", async () => {
    const { tasks } = await failureOf(
      bubble((t) => t.sleep(Infinity)),
      DeadlockError,
    );
    expect(tasks).toMatchObject([{ name: "main", blockedOn: ["t.sleep Infinity"] }]);
  });

  it("t.sleep refuses what is no duration", async () => {
    await bubble(async (t) => {
      await expect(t.sleep(NaN)).rejects.toThrow(
        new RangeError("t.sleep: NaN is no duration; pass a number of milliseconds (Infinity = never)"),
      );
      await expect(t.sleep("5" as never)).rejects.toThrow("t.sleep: expected a number of milliseconds, got string");
      await expect(t.sleep(t.ctx as never)).rejects.toThrow("got a Context, which comes last");
    });
  });

  it("t.name says how reports call an object and the task that runs a function, and returns it", async () => {
    await bubble(async (t) => {
      const jobs = t.name(new Chan<number>(), "jobs");
      expect(jobs).toBeInstanceOf(Chan);
      const work = async (): Promise<void> => void (await jobs.recv(t.ctx).catch(() => {}));
      expect(t.name(work, "reader")).toBe(work);
      go(work);
      go(work);
      await t.wait();
      expect(t.tasks().map(({ name, blockedOn }) => [name, ...blockedOn])).toEqual([
        ["main"],
        ["reader", "recv jobs"],
        ["reader2", "recv jobs"],
      ]);
    });
  });

  it("t.name refuses what cannot be named, and what is no name", async () => {
    await bubble((t) => {
      expect(() => t.name(5 as never, "five")).toThrow(
        new TypeError("t.name: expected an object or a function to name, got 5"),
      );
      expect(() => t.name(null as never, "nothing")).toThrow(
        "t.name: expected an object or a function to name, got null",
      );
      expect(() => t.name({}, "")).toThrow(new TypeError("t.name: expected a name"));
      expect(() => t.name({}, 5 as never)).toThrow(new TypeError("t.name: expected a name"));
    });
  });

  it("names what has no name by its kind and the order in which it was made, in each bubble anew", async () => {
    for (let run = 0; run < 2; run++) {
      await bubble(async (t) => {
        const [first, second] = [new Chan(), new Chan()];
        go(() => second.recv(t.ctx).catch(() => {}));
        go(async function named() {
          await first.recv(t.ctx).catch(() => {});
        });
        await t.wait();
        expect(t.tasks().slice(1)).toMatchObject([
          { name: "task1", blockedOn: ["recv ch2"] },
          { name: "named", blockedOn: ["recv ch1"] },
        ]);
      });
    }
  });

  it("t.tasks says of every task that has not ended what it does, and since when", async () => {
    await bubble(async (t) => {
      const ch = new Chan<number>();
      go(function ended() {});
      await t.wait();
      go(async function blocked() {
        await time.sleep(5);
        await ch.recv();
      });
      await t.sleep(20);
      go(async function unborn() {});
      const [main, ...others] = t.tasks();
      expect(main).toMatchObject({ name: "main", blockedOn: [], since: 0 });
      expect(others).toMatchObject([
        { name: "blocked", state: "blocked", blockedOn: ["recv ch1"], since: 15 },
        { name: "unborn", state: "ready", blockedOn: [], since: 0 },
      ]);
      ch.close();
    });
  });

  it("t.tasks does not say of the task that calls it that it waits for somebody outside", async () => {
    await bubble((t) => expect(t.tasks()[0]!.state).not.toBe("outside"));
  });

  it("t.trace is what has happened so far, and does not change afterwards", async () => {
    await bubble(async (t) => {
      const before = t.trace();
      const rows = before.rows.length;
      await t.sleep(5);
      expect(before.rows).toHaveLength(rows);
      expect(t.trace().rows.slice(rows)).toMatchObject([
        { time: 0, task: "main", event: "wait t.sleep", detail: "5" },
        { time: 5, task: "⏱" },
        { time: 5, task: "main", event: "resume t.sleep" },
        { time: 5, task: "main", event: "wait t.wait" },
        { time: 5, task: "main", event: "resume t.wait" },
      ]);
    });
  });
});

describe("how a bubble ends", () => {
  it("resolves to nothing, when the function has returned and every task has ended", async () => {
    let ended = false;
    const result: unknown = await bubble(async (t) => {
      go(async () => {
        for (let i = 0; i < 10; i++) await t.yield();
        ended = true;
      });
    });
    expect([result, ended]).toEqual([undefined, true]);
  });

  it("takes a function that is not async, and any thenable", async () => {
    let calls = 0;
    await bubble(() => void calls++);
    await bubble(() => ({ then: (done) => (calls++, (done as () => never)()) }));
    expect(calls).toBe(2);
  });

  it.each([new Error("boom"), undefined, null, 0, "text"])(
    "rejects with exactly what is thrown: %o",
    async (thrown) => {
      const asked = async (fn: (t: Bubble) => Promise<void> | void): Promise<unknown> => {
        const [result] = await Promise.allSettled([bubble(fn)]);
        expect(result).toMatchObject({ status: "rejected" });
        return (result as PromiseRejectedResult).reason;
      };
      const atOnce = (): never => {
        throw thrown;
      };
      expect(await asked(atOnce)).toBe(thrown);
      expect(await asked((t) => t.yield().then(atOnce))).toBe(thrown);
    },
  );

  it("rejects with the error of a task that nobody waits for, as soon as it is thrown", async () => {
    const boom = new Error("boom");
    let reached = false;
    const result = bubble(async (t) => {
      go(async () => {
        await time.sleep(5);
        throw boom;
      });
      await t.sleep(10);
      reached = true;
    });
    await expect(result).rejects.toBe(boom);
    expect(reached).toBe(false);
  });

  it("rejects with the error of a task that fails after the function has returned", async () => {
    const boom = new Error("boom");
    const result = bubble((t) => {
      go(async () => {
        await t.ctx.done().recv();
        throw boom;
      });
    });
    await expect(result).rejects.toBe(boom);
  });

  it("rejects with the error of a function that a timer or the end of a context calls", async () => {
    const boom = (): never => {
      throw new Error("boom");
    };
    await expect(
      bubble(async (t) => {
        time.afterFunc(5, boom);
        await t.sleep(5);
      }),
    ).rejects.toThrow("boom");
    await expect(bubble((t) => void context.afterFunc(t.ctx, boom))).rejects.toThrow("boom");
  });

  it("rejects with the first of several errors", async () => {
    const result = bubble(async (t) => {
      go(() => Promise.reject(new Error("first")));
      go(() => Promise.reject(new Error("second")));
      await t.wait();
      throw new Error("third");
    });
    await expect(result).rejects.toThrow("first");
  });

  it("leaves the errors of a group to whoever waits for it", async () => {
    await bubble(async (t) => {
      const [group] = errgroup.withContext(t.ctx);
      await group.go(() => Promise.reject(new Error("boom")));
      await expect(group.wait()).rejects.toThrow("boom");
    });
  });

  it("rejects with a rejection that nobody handles, which is the cause of the error", async () => {
    const lost = new Error("lost");
    const error = await failureOf(
      bubble(async (t) => {
        void Promise.reject(lost);
        await t.sleep(5);
      }),
      Error,
    );
    expect(error.message).toMatch(/^unhandled rejection: Error: lost /);
    expect(error.cause).toBe(lost);
  });

  it("lets `finally` blocks run before it rejects, for t.ctx is cancelled", async () => {
    const events: string[] = [];
    const result = bubble(async (t) => {
      go(async () => {
        try {
          await time.sleep(1e9, t.ctx);
        } finally {
          events.push(`sleeper: ${t.ctx.err()?.message}`);
          await new Chan(1).send(1);
          events.push("cleaned up");
        }
      });
      await t.sleep(1);
      throw new Error("assertion failed");
    }).catch((error: Error) => events.push(error.message));
    await result;
    expect(events).toEqual(["sleeper: context canceled", "cleaned up", "assertion failed"]);
  });

  it("gives up an endless loop after so many steps, and lets `finally` blocks run", async () => {
    let [rounds, cleaned] = [0, false];
    const result = bubble(
      async (t) => {
        try {
          for (; t.ctx.err() === undefined; rounds++) await t.yield();
        } finally {
          cleaned = true;
        }
      },
      { maxSteps: 50 },
    );
    const { message, tasks } = await failureOf(result, DeadlockError);
    expect(message).toMatch(
      /^livelock: the scenario has made 50 steps; if it is not an endless loop, allow more by the option `maxSteps`/,
    );
    expect(tasks).toMatchObject([{ name: "main" }]);
    expect(cleaned).toBe(true);
    expect(rounds).toBeGreaterThan(40);
    expect(rounds).toBeLessThan(60);
  });

  it("does not hang for an endless loop that heeds no context", async () => {
    const result = bubble(
      async (t) => {
        for (;;) await t.yield();
      },
      { maxSteps: 50 },
    );
    await expect(result).rejects.toThrow("livelock");
  });
});

describe("bad input to bubble", () => {
  const run = (options: unknown): Promise<void> => bubble(() => {}, options as never);

  it.each([undefined, null, 5, "text", {}])("refuses %o where a function belongs", async (fn) => {
    const what = fn === null ? "null" : typeof fn === "object" ? "Object" : typeof fn;
    await expect(bubble(fn as never)).rejects.toThrow(new TypeError(`bubble: expected a function, got ${what}`));
  });

  it.each([
    [null, TypeError, "bubble: expected an options object, got null"],
    [5, TypeError, "bubble: expected an options object, got 5"],
    [{ start: "now" }, TypeError, "bubble: options.start: expected a number of milliseconds, got string"],
    [{ start: NaN }, RangeError, "bubble: options.start must be a time"],
    [{ start: new Date(NaN) }, RangeError, "bubble: options.start must be a time"],
    [{ start: Infinity }, RangeError, "bubble: options.start"],
    [{ start: new Date(8.64e15 + 1) }, RangeError, "bubble: options.start must be a time"],
    [
      { externalTimeout: "1s" },
      TypeError,
      "bubble: options.externalTimeout: expected a number of milliseconds, got string",
    ],
    [{ externalTimeout: NaN }, RangeError, "bubble: options.externalTimeout: NaN is no duration"],
    [{ steps: 9 }, TypeError, "bubble: there is no option steps; there are start, externalTimeout, maxSteps"],
    [{ external: 9 }, TypeError, "bubble: there is no option external; there are start, externalTimeout, maxSteps"],
    [{ maxSteps: 0 }, RangeError, "bubble: options.maxSteps must be a whole number from 1; got 0"],
    [{ maxSteps: 1.5 }, RangeError, "bubble: options.maxSteps must be a whole number from 1; got 1.5"],
    [{ maxSteps: "9" }, RangeError, 'bubble: options.maxSteps must be a whole number from 1; got the string "9"'],
  ])("refuses the options %o", async (options, Class, rule) => {
    const { message } = await failureOf(run(options), Class);
    expect(message).toContain(rule);
  });

  it("takes Infinity for the steps and for the patience with the world outside", async () => {
    await expect(run({ maxSteps: Infinity, externalTimeout: Infinity })).resolves.toBeUndefined();
  });
});
