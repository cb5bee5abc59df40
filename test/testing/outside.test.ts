/**
 * Promises from outside of a bubble: I/O, and timers of the platform. They are waited for in real time, so each is
 * short.
 */
import { readFile } from "node:fs/promises";
import { Chan, context, errgroup, go, time } from "headgate";
import { type Bubble, bubble, DeadlockError, explore, LeakError, type TraceRow } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { failureOf } from "../support/errors.ts";
import { linesOf } from "./lines.ts";

const START = Date.UTC(2000, 0, 1);
const at = linesOf(import.meta.url);
/** A timer of the platform. */
const real = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** Begins something that takes too long for any test. */
const tooLong = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 60_000).unref());
const never = (): Promise<void> => new Promise(() => {});
const io = (): Promise<Buffer> => readFile(new URL(import.meta.url));
/** What a task did, by events and objects. */
const doingsOf = (rows: readonly TraceRow[], task: string): string[] =>
  rows.filter((row) => row.task === task).map(({ event, object, detail }) => [event, object, detail].join(" ").trim());

describe("while a task awaits a promise that is not headgate's", () => {
  it("no deadlock is reported, although all others are blocked (Y3)", async () => {
    await bubble(async (t) => {
      const ch = new Chan<string>();
      go(async () => {
        await real(5);
        await ch.send("read");
      });
      expect(await ch.recv()).toEqual(["read", true]);
      expect(t.now()).toBe(START);
    });
  });

  it("time stands still, and no timer fires (Y1, Y4)", async () => {
    await bubble(async (t) => {
      let fired = false;
      time.afterFunc(1, () => void (fired = true));
      await real(5);
      expect([t.now(), fired]).toEqual([START, false]);
      await io();
      expect([t.now(), fired]).toEqual([START, false]);
      await t.sleep(1);
      expect([t.now(), fired]).toEqual([START + 1, true]);
    });
  });

  it("time goes on, though, if nobody but another task of the test can resolve it", async () => {
    await bubble(async (t) => {
      let open = (): void => {};
      const gate = new Promise<void>((resolve) => (open = resolve));
      go(async () => {
        await time.sleep(1_000);
        open();
      });
      await gate;
      expect(t.now()).toBe(START + 1_000);
    });
  });

  it("and goes on also if the process itself is held up meanwhile, for longer than the test would wait", async () => {
    // Others have the processor, or its memory is tidied.
    const holdUp = (times: number): void => {
      for (const begun = performance.now(); performance.now() - begun < 20;);
      if (times > 1) setImmediate(holdUp, times - 1);
    };
    setImmediate(holdUp, 10);
    await bubble(async (t) => {
      let open = (): void => {};
      const gate = new Promise<void>((resolve) => (open = resolve));
      go(async () => {
        await time.sleep(1_000);
        open();
      });
      await gate;
      expect(t.now()).toBe(START + 1_000);
    });
  });

  it("t.wait waits for it, too (Y2)", async () => {
    await bubble(async (t) => {
      let read = 0;
      go(async () => void (read = (await io()).length));
      await t.wait();
      expect(read).toBeGreaterThan(0);
    });
  });

  it("context.wait holds the clock just the same, and can be cancelled", async () => {
    await bubble(async (t) => {
      const [ctx, cancel] = context.withTimeout(t.ctx, 10);
      using _ = cancel;
      expect(
        await context.wait(
          real(2).then(() => "done"),
          ctx,
        ),
      ).toBe("done");
      expect([t.now(), ctx.err()]).toEqual([START, undefined]);
      go(async () => {
        await t.yield();
        cancel();
      });
      await expect(context.wait(never(), ctx)).rejects.toBeInstanceOf(context.Canceled);
    });
  });

  it("it counts as blocked if it also waits in headgate, unless t.external has brought the promise in", async () => {
    await bubble(async (t) => {
      // oxlint-disable-next-line headgate/race -- the bubble waits for the sleep
      await Promise.race([time.sleep(1_000), real(2)]);
      expect(t.now()).toBe(START + 1_000);
      await Promise.race([time.sleep(1_000, t.ctx), t.external(real(2))]);
      expect(t.now()).toBe(START + 1_000);
      t.cancel();
    }).catch((error: unknown) => expect(error).toBeInstanceOf(context.Canceled));
  });

  it("the rest of the process goes on", async () => {
    let rounds = 0;
    const others = new Promise<void>((resolve) => {
      const round = (): unknown => (++rounds === 100 ? resolve() : setImmediate(round));
      round();
    });
    // A busy machine takes its time for a hundred rounds.
    await bubble(() => others, { externalTimeout: 30_000 });
    expect(rounds).toBe(100);
  });
});

describe("a promise from outside that does not come", () => {
  it("fails the test after `externalTimeout` ms of real time, and names the tasks that wait", async () => {
    const result = bubble(
      async (t) => {
        const ch = new Chan<number>();
        go(async function reader() {
          await tooLong();
          await ch.send(1);
        }); // line: reader is started
        go(async function writer() {
          await t.external(never()); // line: writer waits
        });
        await ch.recv();
      },
      { externalTimeout: 30 },
    );
    const { message, name, tasks } = await failureOf(result, DeadlockError);
    expect(name).toBe("DeadlockError");
    const [what, ...lines] = message.split("\n");
    expect(what).toBe("blocked outside the bubble for more than 30ms of real time");
    expect(lines[0]).toMatch(/^ {2}reader {7}awaits a promise that is not headgate's at .*:\d+:\d+ \(started there\)$/);
    expect(lines[1]).toContain(
      `  writer       awaits a promise that is not headgate's (external) at ${at("writer waits")}`,
    );
    expect(lines[2]).toMatch(/t\.external\(promise\).*`externalTimeout`/);
    expect(lines).toHaveLength(3);
    expect(tasks).toMatchObject([
      { name: "main", state: "blocked", blockedOn: ["recv ch1"] },
      { name: "reader", state: "outside", blockedOn: [] },
      { name: "writer", state: "outside", blockedOn: ["external"] },
    ]);
  });

  it("cancels t.ctx then, so that `finally` blocks run", async () => {
    let cleaned = false;
    const result = bubble(
      async (t) => {
        go(() => never());
        await new Chan().recv(t.ctx).finally(() => (cleaned = true));
      },
      { externalTimeout: 5 },
    );
    await failureOf(result, DeadlockError);
    expect(cleaned).toBe(true);
  });

  it("is a leak when the function has returned", async () => {
    const result = bubble(
      () =>
        go(async function reader() {
          await tooLong();
        }),
      { externalTimeout: 5 },
    );
    const { message, tasks } = await failureOf(result, LeakError);
    expect(message).toMatch(/^blocked outside the bubble for more than 5ms of real time\n {2}reader /);
    expect(tasks).toMatchObject([{ name: "reader", state: "outside" }]);
  });

  it("fails the test sooner, after a tenth of that time, if nothing was begun that could bring news", async () => {
    const error = await failureOf(bubble(never, { externalTimeout: 30 }), DeadlockError);
    expect(error.message).toMatch(
      /^blocked outside the bubble for more than 3ms of real time, a tenth of `externalTimeout`, /,
    );
  });

  it("fails a schedule of explore likewise", async () => {
    const error = await failureOf(explore(never, { externalTimeout: 5 }), Error);
    expect(error.name).toBe("ScheduleError");
    expect(error.cause).toBeInstanceOf(DeadlockError);
  });

  it("is told from many that come one after the other and together take longer", async () => {
    await bubble(
      async (t) => {
        for (let i = 0; i < 4; i++) await t.external(real(150));
      },
      { externalTimeout: 400 },
    );
  });
});

describe("t.external", () => {
  it("resolves as the promise does, and takes what is no promise", async () => {
    await bubble(async (t) => {
      expect(await t.external(io().then((text) => text.length > 0))).toBe(true);
      expect(await t.external(Promise.resolve([1]))).toEqual([1]);
      expect(await t.external({ then: (done) => (done as (n: number) => never)(7) })).toBe(7);
      expect(await t.external(8 as never)).toBe(8);
    });
  });

  it("rejects as the promise does, with undefined too", async () => {
    await bubble(async (t) => {
      const boom = new Error("boom");
      await expect(t.external(real(1).then(() => Promise.reject(boom)))).rejects.toBe(boom);
      await expect(t.external(Promise.reject(undefined))).rejects.toBeUndefined();
    });
  });

  it("lets time stand still until the promise has settled", async () => {
    await bubble(async (t) => {
      go(() => time.sleep(1, t.ctx).catch(() => {}));
      await t.external(real(3));
      expect(t.now()).toBe(START);
    });
  });

  it("makes it a choice of the schedule which of two results is seen first", async () => {
    const orders = new Set<string>();
    const scenario = async (t: Bubble): Promise<void> => {
      const seen: string[] = [];
      const both = ["a", "b"].map((name) => t.external(Promise.resolve()).then(() => seen.push(name)));
      await Promise.all(both);
      orders.add(seen.join());
    };
    await bubble(scenario);
    expect([...orders]).toEqual(["a,b"]);
    await explore(scenario, { cancel: false, randomRuns: 0 });
    expect(orders).toEqual(new Set(["a,b", "b,a"]));
  });
});

describe("code that goes on after a promise from outside", () => {
  it("belongs to its own task, when several wait outside at the same time", async () => {
    await bubble(async (t) => {
      const group = new errgroup.Group();
      const worker = (name: string, ms: number) => {
        const ch = t.name(new Chan<string>(1), `${name}'s`);
        return t.name(async () => {
          await real(ms);
          await ch.send(name);
          await io();
          await ch.recv();
        }, name);
      };
      for (const [i, name] of ["slow", "fast", "faster"].entries()) void group.go(worker(name, 6 - 3 * i));
      await group.wait();
      const { rows } = t.trace();
      for (const name of ["slow", "fast", "faster"]) {
        expect(doingsOf(rows, name)).toEqual([
          "start",
          `send ${name}'s "${name}"`,
          `resume send ${name}'s`,
          `recv ${name}'s "${name}"`,
          `resume recv ${name}'s "${name}"`,
          "end",
        ]);
      }
      expect(new Set(rows.map((row) => row.task))).toEqual(new Set(["main", "slow", "fast", "faster"]));
    });
  });

  it("sleeps in virtual time, makes things that belong to the bubble, and starts tasks of it", async () => {
    await bubble(async (t) => {
      await Promise.all([io(), real(2)]);
      const ch = new Chan<number>();
      go(async function child() {
        await io();
        await time.sleep(3_600_000);
        await ch.send(time.now());
      });
      expect(await ch.recv()).toEqual([START + 3_600_000, true]);
      expect(t.tasks().map(({ name }) => name)).toEqual(["main", "child"]);
    });
  });

  it("is found when it blocks for ever: a deadlock in virtual time", async () => {
    const result = bubble(async () => {
      await io();
      await new Chan().recv(); // line: after reading
    });
    const { message } = await failureOf(result, DeadlockError);
    expect(message).toContain(`main         blocked 0ms in recv ch1 at ${at("after reading")}`);
  });

  it("fails the test by what it throws, also in a task", async () => {
    const boom = new Error("boom");
    const failing = async (): Promise<void> => {
      await io();
      throw boom;
    };
    await expect(bubble(failing)).rejects.toBe(boom);
    await expect(
      bubble(async (t) => {
        go(failing);
        await t.wait();
      }),
    ).rejects.toBe(boom);
  });

  it("belongs to its own task under explore, too, in every schedule", async () => {
    const scenario = async (t: Bubble): Promise<void> => {
      const ch = new Chan<number>();
      const reader = async (): Promise<void> => {
        await io();
        await time.sleep(1_000);
        await ch.send(1);
      };
      go(reader);
      go(reader);
      await ch.recv();
      await ch.recv();
      expect(t.now()).toBe(START + 1_000);
    };
    const report = await explore(scenario, { cancel: false, bound: 1, randomRuns: 5 });
    expect(report).toMatchObject({ complete: true });
    expect(report.schedules).toBeGreaterThanOrEqual(10);
  });
});

describe("what nobody handles", () => {
  /** Runs `fn` and returns the uncaught errors that the process was told of: they would fail the whole run of tests. */
  async function uncaught(fn: () => Promise<void>): Promise<unknown[]> {
    const told: unknown[] = [];
    const events = ["unhandledRejection", "uncaughtException"] as const;
    const listeners = events.map((event) => process.rawListeners(event));
    for (const event of events) process.removeAllListeners(event).on(event, (error) => void told.push(error));
    try {
      await fn();
      await real(5);
    } finally {
      events.forEach((event, i) => {
        process.removeAllListeners(event);
        for (const listener of listeners[i]!) process.on(event, listener as () => void);
      });
    }
    return told;
  }
  const lost = new Error("lost");
  /** Rejects, and nobody is there. */
  const drop = (): void => void Promise.reject(lost);

  it.each<[string, (t: Bubble) => Promise<void>]>([
    ["before it waits outside", (_) => (drop(), real(3))],
    [
      "after that",
      (t) =>
        real(3)
          .then(drop)
          .then(() => t.sleep(1)),
    ],
    [
      "between two such waits",
      (_) =>
        real(3)
          .then(drop)
          .then(() => real(3)),
    ],
  ])("fails the bubble it comes from, and is told to nobody else: %s", async (_, fn) => {
    let result: unknown;
    const told = await uncaught(async () => {
      result = await bubble(fn).catch((error: unknown) => error);
    });
    expect(result).toMatchObject({ message: expect.stringContaining("lost"), cause: lost });
    expect(told).toEqual([]);
  });

  it("does not end the process when it comes from a task of a test that has failed long since", async () => {
    const boom = new Error("boom");
    const told = await uncaught(async () => {
      const result = bubble(async (t) => {
        go(async () => {
          try {
            await new Chan().recv(t.ctx);
          } finally {
            await real(3);
          }
        });
        await t.wait();
        throw boom;
      });
      await expect(result).rejects.toBe(boom);
    });
    expect(told).toEqual([]);
  });
});
