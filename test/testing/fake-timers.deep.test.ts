/**
 * The kit under fake timers. What it needs of the platform it takes when it is imported; where that is a fake already, it takes something
 * else, or refuses to begin. (Real runners, with the packages themselves: `test/runners`.)
 */
import { Chan, context, errgroup, go, time } from "headgate";
import { type Bubble, bubble, DeadlockError, explore, ScheduleError } from "headgate/testing";
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { build, run } from "../support/child.ts";
import { failureOf } from "../support/errors.ts";

type Kit = Pick<typeof import("headgate/testing"), "bubble" | "explore">;
type Faked = NonNullable<NonNullable<Parameters<typeof vi.useFakeTimers>[0]>["toFake"]>;

const realSetTimeout = setTimeout;
/** A timer of the platform, though all are fakes. */
const real = (ms: number): Promise<void> => new Promise((resolve) => void realSetTimeout(resolve, ms));

const ALL: Faked = [
  "setTimeout",
  "clearTimeout",
  "setImmediate",
  "clearImmediate",
  "setInterval",
  "clearInterval",
  "Date",
  "performance",
  "queueMicrotask",
  "hrtime",
];

const subsets: [string, Faked | undefined][] = [
  ["those that vitest fakes by default", undefined],
  ["all", ALL],
  ...ALL.map((name): [string, Faked] => [`only ${name}`, [name]]),
  ...ALL.map((name): [string, Faked] => [`all but ${name}`, ALL.filter((other) => other !== name)]),
];

/** Everything for which the kit needs the platform: turns, waits for the world outside, unhandled rejections, many steps, an end. */
async function exercise({ bubble, explore }: Kit): Promise<void> {
  await bubble(async (t) => {
    const [group, ctx] = errgroup.withContext(t.ctx);
    const ch = new Chan<number>();
    void group.go(async () => {
      for (let i = 0; i < 600; i++) await ch.send(i, ctx);
      ch.close();
    });
    void group.go(async () => {
      for await (const n of ch) if (n % 100 === 0) await time.sleep(60_000, ctx);
    });
    await group.wait();
    expect(t.now() - Date.UTC(2000, 0, 1)).toBe(6 * 60_000);
    await t.external(real(2));
    await real(2);
  });
  const blocked = await bubble(() => new Chan().recv().then(() => {})).catch((error: unknown) => error);
  expect(String(blocked)).toMatch(/^DeadlockError: deadlock/);
  const outside = await bubble(() => new Promise<void>(() => {}), { externalTimeout: 20 }).catch(
    (error: unknown) => error,
  );
  expect(String(outside)).toMatch(/^DeadlockError: blocked outside the bubble/);
  const rejected = await bubble(() => void Promise.reject(new Error("lost"))).catch((error: unknown) => error);
  expect(String(rejected)).toMatch(/unhandled rejection: Error: lost/);
  const report = await explore(async (t: Bubble) => {
    const [ctx, cancel] = context.withTimeout(t.ctx, 5);
    go(() => time.sleep(10, ctx).catch(() => {}));
    await t.sleep(7);
    cancel();
  });
  expect(report).toMatchObject({ complete: true });
  const found = await explore(async () => {
    await Promise.reject(new Error("boom"));
  }).catch((error: unknown) => error);
  expect(found).toMatchObject({ name: "ScheduleError", replay: "0" });
}

afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.resetModules();
});

describe("fake timers that are installed after the kit was imported", () => {
  it.each(subsets)("do not concern it: %s", async (_, toFake) => {
    vi.useFakeTimers(toFake === undefined ? {} : { toFake });
    await exercise({ bubble, explore });
  });

  it("may be installed, moved and uninstalled inside of a bubble", async () => {
    await bubble(async (t) => {
      vi.useFakeTimers({ toFake: ALL });
      let rang = 0;
      setTimeout(() => void rang++, 1_000);
      await t.sleep(5_000);
      expect(rang).toBe(0);
      vi.advanceTimersByTime(1_000);
      expect([rang, t.now() - Date.UTC(2000, 0, 1)]).toEqual([1, 5_000]);
      vi.useRealTimers();
      await t.sleep(5_000);
    });
  });

  it("make a Date that `start` takes", async () => {
    vi.useFakeTimers({ now: 86_400_000 });
    await bubble((t) => expect(t.now()).toBe(86_400_000), { start: new Date() });
  });
});

describe("fake timers that were there before the kit was imported", () => {
  it.each(subsets)("are not used: %s", async (_, toFake) => {
    vi.useFakeTimers(toFake === undefined ? {} : { toFake });
    const kit: Kit = await import("../../src/testing/index.ts");
    expect(kit.bubble).not.toBe(bubble);
    await exerciseOf(kit);
    vi.useRealTimers();
    await exerciseOf(kit);
  });

  /** The same with the library that belongs to this kit. */
  async function exerciseOf(kit: Kit): Promise<void> {
    const { Chan, go, time } = await import("../../src/index.ts");
    await kit.bubble(async (t) => {
      const ch = new Chan<number>();
      go(async () => {
        for (let i = 0; i < 1_500; i++) await ch.send(i);
        ch.close();
      });
      for await (const n of ch) if (n % 100 === 0) await time.sleep(1_000);
      expect(t.now() - Date.UTC(2000, 0, 1)).toBe(15_000);
      await real(2);
      await t.external(real(2));
    });
    const outside = await kit.bubble(() => new Promise<void>(() => {}), { externalTimeout: 20 }).catch(String);
    expect(outside).toMatch(/^DeadlockError: blocked outside the bubble/);
    expect(await kit.explore(async (t) => time.sleep(5, t.ctx).catch(() => {}))).toMatchObject({ complete: true });
  }
});

describe("an environment that lacks what others have", () => {
  const lack = (...names: string[]): void => {
    for (const name of names) vi.stubGlobal(name, undefined);
  };
  const kitOf = (): Promise<typeof import("../../src/testing/index.ts")> => import("../../src/testing/index.ts");

  it.each([
    [["setImmediate"]],
    [["MessageChannel"]],
    // As Jest's environment of a page.
    [["setImmediate", "MessageChannel"]],
  ])("is enough for a bubble without %o", async (names) => {
    lack(...names);
    const { bubble, explore } = await kitOf();
    await bubble((t) => t.sleep(5));
    expect(await explore((t) => t.yield())).toMatchObject({ complete: true });
  });

  // In a process of its own: vitest puts back the nextTick that it finds, a moment later, into whatever `process` is then.
  it.each([[["getBuiltinModule"]], [["getBuiltinModule", "nextTick"]]])(
    "is enough also where process has no %o, as on older Nodes and in pages",
    { timeout: 60_000 },
    async (names) => {
      build();
      const program = `
        globalThis.setImmediate = globalThis.MessageChannel = undefined;
        globalThis.process = { ...process, ${names.map((name) => `${name}: undefined`).join(", ")} };
        const { bubble, explore } = await import("headgate/testing");
        await bubble((t) => t.sleep(5));
        const { complete } = await explore((t) => t.yield(), { randomRuns: 5, bound: 1 });
        console.log(complete);
      `;
      expect(await run(program)).toEqual({ code: 0, signal: null, lines: ["true"], errors: "" });
    },
  );

  it("is refused where every timer is a fake, with what to do about it", async () => {
    lack("setImmediate", "MessageChannel");
    vi.stubGlobal("process", { ...process, getBuiltinModule: undefined });
    vi.useFakeTimers();
    const { bubble, explore } = await kitOf();
    const refusal =
      /^headgate\/testing: every timer of the platform is a fake.*Import headgate\/testing before.*useRealTimers/;
    await expect(bubble(() => {})).rejects.toThrow(refusal);
    await expect(explore(() => {})).rejects.toThrow(refusal);
    vi.useRealTimers();
    await bubble((t) => t.sleep(5));
  });
});

describe("a fake nextTick, as sinon and Jest make by default", () => {
  beforeAll(build);

  // vitest refuses it in a process that it talks to.
  it.each([
    ["nextTick", "was there before", ["nextTick"]],
    ["nextTick, setImmediate and setTimeout", "were there before", ["nextTick", "setImmediate", "setTimeout"]],
    ["nextTick", "come after", ["nextTick"]],
    ["nextTick, setImmediate and setTimeout", "come after", ["nextTick", "setImmediate", "setTimeout"]],
  ])("does no harm: %s %s", async (_, when, names) => {
    const install = `
      for (const name of ${JSON.stringify(names)}) {
        const owner = name === "nextTick" ? process : globalThis;
        const genuine = owner[name];
        owner[name] = Object.assign(() => {}, { clock: {} });
        restore.push(() => (owner[name] = genuine));
      }`;
    const program = `
      const restore = [];
      const { setTimeout: later } = globalThis;
      const real = (ms) => new Promise((resolve) => later(resolve, ms));
      ${when === "come after" ? "" : install}
      const { Chan, go, time } = await import("headgate");
      const { bubble, explore } = await import("headgate/testing");
      ${when === "come after" ? install : ""}
      const told = [];
      await bubble(async (t) => {
        const ch = new Chan();
        go(async () => {
          for (let i = 0; i < 1500; i++) await ch.send(i);
          ch.close();
        });
        for await (const n of ch) if (n % 100 === 0) await time.sleep(1000);
        told.push(t.now() - 946684800000);
        await real(2);
        await t.external(real(2));
      });
      const failures = [() => new Chan().recv(), () => new Promise(() => {}), () => void Promise.reject(new Error("lost"))];
      for (const fn of failures) await bubble(fn, { externalTimeout: 20 }).catch((error) => told.push(error.message.slice(0, 19)));
      told.push((await explore((t) => t.sleep(1))).complete);
      for (const undo of restore) undo();
      await bubble((t) => t.sleep(1));
      console.log(JSON.stringify(told));
    `;
    expect(await run(program)).toEqual({
      code: 0,
      signal: null,
      lines: ['[15000,"deadlock: all tasks","blocked outside the","unhandled rejection",true]'],
      errors: "",
    });
  });
});

describe("what the kit says of them", () => {
  it("is nothing: a deadlock among fakes is a deadlock, a schedule that fails is one", async () => {
    vi.useFakeTimers({ toFake: ALL });
    await failureOf(
      bubble(() => new Chan().recv().then(() => {})),
      DeadlockError,
    );
    await failureOf(
      explore(() => Promise.reject(new Error("boom"))),
      ScheduleError,
    );
  });
});
