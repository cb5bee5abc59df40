/**
 * Many bubbles and explorations at a time, as runners that run tests at once would have them; one inside of
 * another; and two copies of the library.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { readFile } from "node:fs/promises";
import { Chan, errgroup, go, time } from "headgate";
import { type Bubble, bubble, DeadlockError, explore, LeakError, ScheduleError } from "headgate/testing";
import { beforeAll, describe, expect, it } from "vitest";
import { build } from "../support/child.ts";
import { failureOf } from "../support/errors.ts";

const START = Date.UTC(2000, 0, 1);
const fifty = Array.from({ length: 50 }, (_, i) => i + 1);
/** A timer of the platform. */
const real = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const io = (): Promise<Buffer> => readFile(new URL(import.meta.url));

/** Tasks that talk and sleep, `n` seconds in all; every third time with some real I/O. */
async function talk(t: Bubble, n: number): Promise<void> {
  const [ch, group] = [new Chan<number>(), new errgroup.Group()];
  void group.go(async () => {
    for (let i = 1; i <= n; i++) {
      await time.sleep(1_000);
      if (n % 3 === 0 && i === 1) await Promise.all([io(), real(n % 5)]);
      await ch.send(i);
    }
    ch.close();
  });
  let sum = 0;
  for await (const i of ch.values(t.ctx)) sum += i;
  await group.wait();
  expect({ sum, elapsed: time.now() - START }).toEqual({ sum: (n * (n + 1)) / 2, elapsed: n * 1_000 });
}

/** Has six orders, of which one fails. */
async function threeStarts(t: Bubble): Promise<void> {
  let order = "";
  for (const name of ["a", "b", "c"]) go(() => void (order += name));
  await t.wait();
  if (order === "cba") throw new Error("backwards");
}

describe.concurrent("fifty tests of a runner at a time", () => {
  it.each(fifty)("number %i has a bubble of its own", async (n) => {
    await bubble((t) => talk(t, n));
  });

  it.each(fifty)("number %i explores its own schedules", async (n) => {
    const scenario = async (t: Bubble): Promise<void> => {
      for (let i = 0; i < n % 4; i++) await t.yield();
      if (n % 10 === 0) await io();
    };
    const { points } = await explore(scenario, { search: false, microtasks: 1 });
    expect(points).toBe(1 + (n % 4));
  });
});

describe("started at the same moment", () => {
  it("fifty bubbles go well, each in its own time", async () => {
    await Promise.all(fifty.map((n) => bubble((t) => talk(t, n))));
  });

  it("explorations report and find what each finds alone", async () => {
    const alone = await explore((t) => talk(t, 2), { cancel: false, randomRuns: 5 });
    const { replay, schedules, message } = await failureOf(explore(threeStarts), ScheduleError);
    const reports = await Promise.allSettled(
      fifty
        .slice(0, 10)
        .flatMap((n) => [
          explore((t) => talk(t, 2), { cancel: false, randomRuns: 5 }),
          explore(threeStarts),
          bubble((t) => talk(t, n)),
        ]),
    );
    for (let i = 0; i < reports.length; i += 3) {
      expect(reports[i]).toEqual({ status: "fulfilled", value: { ...alone, ms: expect.any(Number) } });
      expect(reports[i + 1]).toMatchObject({ status: "rejected", reason: { replay, schedules, message } });
      expect(reports[i + 2]).toMatchObject({ status: "fulfilled" });
    }
  });

  it("each fails for reasons of its own, and only for them", async () => {
    const boom = new Error("boom");
    const results = await Promise.allSettled([
      bubble(async () => void (await new Chan().recv())),
      bubble((t) => talk(t, 3)),
      bubble(() => go(() => new Chan().recv())),
      bubble(() => go(() => Promise.reject(boom))),
      bubble(async (t) => {
        void Promise.reject(boom);
        await t.sleep(1);
      }),
      bubble((t) => talk(t, 4)),
      explore(threeStarts),
    ]);
    expect(results.map((result) => (result.status === "rejected" ? (result.reason as Error).name : "passed"))).toEqual([
      "DeadlockError",
      "passed",
      "LeakError",
      "Error",
      "Error",
      "passed",
      "ScheduleError",
    ]);
  });

  it("one that keeps the process busy does not use up the patience of one that waits outside", async () => {
    const busy = (t: Bubble): Promise<void> => {
      for (const end = performance.now() + 2; performance.now() < end;);
      return t.yield();
    };
    await Promise.all([
      explore(busy, { cancel: false, randomRuns: 100 }),
      bubble(() => real(5), { externalTimeout: 150 }),
      explore(busy, { cancel: false, randomRuns: 100 }),
    ]);
  });

  it("what comes after the call, in the same turn, is outside of the bubble", async () => {
    const inside = bubble((t) => t.sleep(1_000));
    const now = [time.now(), await Promise.resolve().then(() => time.now())];
    const ch = new Chan<string>(1);
    go(() => void ch.trySend("task"));
    expect(await ch.recv()).toEqual(["task", true]);
    for (const instant of now) expect(instant).toBeGreaterThan(START + 1_000);
    await inside;
  });

  it("what comes after one that is over is outside of those that still run", async () => {
    const instants = await Promise.all(
      fifty.slice(0, 5).map(async (n) => {
        await bubble((t) => t.sleep(n));
        await bubble((t) => t.sleep(n));
        return time.now();
      }),
    );
    for (const instant of instants) expect(instant).toBeGreaterThan(START + 1_000);
  });

  it("one goes on in its own time when another resolves the promise that it awaits", async () => {
    let open = (): void => {};
    const gate = new Promise<void>((resolve) => (open = resolve));
    const instants: number[] = [];
    const results = await Promise.allSettled([
      bubble(async (t) => {
        await gate;
        await time.sleep(1_000);
        instants.push(t.now() - START);
      }),
      bubble(async (t) => {
        await t.sleep(5);
        open();
        await t.sleep(5);
        instants.push(t.now() - START);
      }),
    ]);
    expect(results.map((result) => result.status)).toEqual(["fulfilled", "fulfilled"]);
    expect(new Set(instants)).toEqual(new Set([10, 1_000]));
  });

  it("leave the process as it was", async () => {
    const state = (): unknown => [
      Error.stackTraceLimit,
      process.listeners("unhandledRejection"),
      process.listeners("rejectionHandled"),
    ];
    const before = state();
    await Promise.allSettled([
      bubble((t) => talk(t, 3)),
      explore(threeStarts),
      explore(() => real(1), { randomRuns: 2, cancel: false }),
    ]);
    expect(state()).toEqual(before);
    const ch = new Chan<number>(1);
    await ch.send(1);
    expect(await ch.recv()).toEqual([1, true]);
    expect(time.now()).toBeGreaterThan(START + 20 * 365 * 86_400_000);
  });
});

describe("AsyncLocalStorage of the user's", () => {
  const storage = new AsyncLocalStorage<string>();

  it("holds in a bubble what it holds where the bubble was called, however many there are", async () => {
    const names = ["a", "b", "c"];
    const seen: string[] = [];
    const test =
      (name: string) =>
      async (t: Bubble): Promise<void> => {
        seen.push(`${name} begins in ${storage.getStore()}`);
        await t.sleep(10);
        seen.push(`${name} ends in ${storage.getStore()}`);
      };
    await Promise.all(names.map((name) => real(0).then(() => storage.run(name, () => bubble(test(name))))));
    expect(new Set(seen)).toEqual(
      new Set(names.flatMap((name) => [`${name} begins in ${name}`, `${name} ends in ${name}`])),
    );
  });

  it("holds in a task what it holds where the task was started, as outside of bubbles", async () => {
    const seen: unknown[] = [];
    const start = (): void => storage.run("request", () => go(() => void seen.push(storage.getStore())));
    start();
    await real(0);
    await bubble(start);
    await explore(start, { randomRuns: 0, cancel: false, bound: 0 });
    expect(new Set(seen)).toEqual(new Set(["request"]));
  });
});

describe("a bubble inside of a bubble", () => {
  const refusal = /^(bubble|explore): called inside of a bubble; let one test be one bubble$/;

  it.each<[string, (t: Bubble, nested: () => Promise<unknown>) => Promise<unknown>]>([
    ["its function", (_, nested) => nested()],
    [
      "a task",
      async (_, nested) => {
        const group = new errgroup.Group();
        void group.go(nested);
        await group.wait();
      },
    ],
    [
      "what comes after a promise from outside",
      async (_, nested) => {
        await io();
        await nested();
      },
    ],
    ["what comes after time has passed", (t, nested) => t.sleep(5).then(nested)],
  ])("is refused in %s, and the outer one can go on", async (_, call) => {
    for (const [nested, outer] of [
      [() => bubble(() => {}), bubble],
      [() => explore(() => {}), bubble],
      [() => bubble(() => {}), (fn: (t: Bubble) => Promise<void>) => explore(fn, { randomRuns: 2, cancel: false })],
    ] as const) {
      let refused: unknown;
      await outer(async (t) => {
        refused = await call(t, nested).catch((error: unknown) => error);
        await t.sleep(1);
      });
      expect(refused).toBeInstanceOf(Error);
      expect((refused as Error).message).toMatch(refusal);
    }
  });

  it("fails the test if it is not caught", async () => {
    await expect(bubble(() => bubble(() => {}))).rejects.toThrow(refusal);
  });

  it("is none when the first one is over", async () => {
    await bubble((t) => t.sleep(1)).then(() => bubble((t) => t.sleep(1)));
    await bubble(() => Promise.reject(new Error("boom"))).catch(() => bubble((t) => t.sleep(1)));
  });
});

describe("a second copy of the library", () => {
  let other: typeof import("headgate/testing");
  const another = /another copy of headgate is running a bubble in this process.*one copy.*npm ls headgate/;

  beforeAll(async () => {
    build();
    other = (await import(new URL("../../dist/testing/index.js", import.meta.url).href)) as typeof other;
    expect(other.bubble).not.toBe(bubble);
  });

  it("is refused while this one runs a bubble, and this one while the other does", async () => {
    for (const [first, second] of [
      [bubble, other.bubble],
      [other.bubble, bubble],
    ] as const) {
      let release = (): void => {};
      const held = first(() => new Promise<void>((resolve) => (release = resolve)));
      await real(0);
      await expect(second(() => {})).rejects.toThrow(another);
      await expect(second === bubble ? explore(() => {}) : other.explore(() => {})).rejects.toThrow(another);
      release();
      await held;
      await second((t) => t.sleep(1_000));
    }
  });

  it("runs bubbles of its own when this one runs none", async () => {
    await bubble((t) => t.sleep(5));
    await other.bubble((t) => t.sleep(5));
    expect(await other.explore((t) => t.yield())).toMatchObject({ points: 2 });
    await bubble((t) => t.sleep(5));
  });

  it("has errors that are known to the classes of this one, though not to classes derived from them", async () => {
    class Derived extends DeadlockError {}
    const never = (): Promise<void> => new Promise(() => {});
    const deadlock = await failureOf(other.bubble(never, { externalTimeout: 5 }), DeadlockError);
    expect(deadlock).not.toBeInstanceOf(Derived);
    expect(deadlock).not.toBeInstanceOf(LeakError);
    const found = await failureOf(other.explore(never, { externalTimeout: 5 }), ScheduleError);
    expect(found.cause).toBeInstanceOf(DeadlockError);
    const own = await failureOf(bubble(never, { externalTimeout: 5 }), other.DeadlockError);
    expect(own).toBeInstanceOf(DeadlockError);
  });
});
