/**
 * Alarms: all timers of headgate on one of the platform's. Most of these tests load the module where a {@link Platform}
 * is the native one.
 */
import { afterEach, beforeAll, describe, expect, it, vi } from "vitest";
import { type Alarm, type TimerTarget, platformClock } from "../../src/internal/timerwheel.ts";
import { build, run } from "../support/child.ts";
import { elapse, settle, timersSet, virtualTime } from "../support/clock.ts";
import { LONGEST, on, Platform, restore, type Setter } from "../support/platform.ts";
import { generator } from "../support/random.ts";

afterEach(restore);

const platformAlarm = (due: number, target: TimerTarget): Alarm => platformClock().alarm(due, target, null);

const HOUR = 3_600_000;
const DAY = 24 * HOUR;
/** Distances on both sides of the widths of all slots, of what the platform takes, and far beyond. */
const DISTANCES = [6, 12, 18, 24, 30, 31, 32, 36, 40]
  .flatMap((log) => [2 ** log - 1, 2 ** log, 2 ** log + 1])
  .concat(1, 2, 3, 10, 1000, 60_000, HOUR, DAY, 30 * DAY, 365 * DAY, 100 * 365 * DAY, LONGEST - 1);
const FRACTIONS = [1 / 64, 0.25, 0.5, 63 / 64, ...DISTANCES.flatMap((ms) => [ms - 1 / 64, ms + 1 / 64, ms + 0.5])];

describe("an alarm", () => {
  it.each(["objects", "numbers"] as const)(
    "fires once and exactly at its instant, however far off, where handles are %s (C50)",
    async (handles) => {
      const platform = new Platform(12.25, handles);
      const { set, fired } = await on(platform);
      const at: number[] = [];
      const dues = DISTANCES.map((ms) => {
        const due = platform.now + ms;
        set(due, () => at.push(platform.now));
        platform.goTo(due + 100);
        return due;
      });
      expect(fired).toEqual(dues);
      expect(at).toEqual(dues);
    },
  );

  it("fires less than a ms after an instant between two of the platform's, and never before it", async () => {
    const platform = new Platform();
    const { set, fired } = await on(platform);
    const delays = FRACTIONS.map((ms) => {
      const due = platform.now + ms;
      let delay = NaN;
      set(due, () => (delay = platform.now - due));
      platform.goTo(due + 100);
      return delay;
    });
    expect(fired.length).toBe(FRACTIONS.length);
    expect(delays.filter((delay) => !(delay >= 0 && delay < 1))).toEqual([]);
  });

  it("never fires early on a platform whose timers do", async () => {
    const platform = new Platform(5);
    platform.early = 0.75;
    const { set } = await on(platform);
    const delays: number[] = [];
    const all = [...DISTANCES, ...FRACTIONS].map((ms) => 5 + ms);
    for (const due of all) set(due, () => delays.push(platform.now - due));
    platform.goTo(Math.max(...all) + 1);
    expect(delays.length).toBe(all.length);
    expect(delays.filter((delay) => !(delay >= 0 && delay < 1))).toEqual([]);
  });

  it("whose instant has come already fires by the next timer, not inside the call", async () => {
    const platform = new Platform(100);
    const { set, fired } = await on(platform);
    set(100);
    set(40);
    set(60.5);
    expect(fired).toEqual([]);
    platform.goTo(101);
    expect(fired).toEqual([40, 60.5, 100]);
  });

  it("is moved a few times at most, and wakes the platform no more often", async () => {
    const platform = new Platform();
    const { set, fired } = await on(platform);
    const random = generator(1);
    const others = Array.from({ length: 10_000 }, () => set(random() * 365 * DAY));
    const due = 20 * DAY;
    set(due);
    for (const other of others) other.stop();
    platform.goTo(due);
    expect(fired).toEqual([due]);
    // The first instant there was, and one for each width of slots.
    expect(platform.fired).toBeLessThanOrEqual(8);
  });
});

function shuffled(numbers: readonly number[], random: () => number): number[] {
  return numbers
    .map((number) => ({ number, place: random() }))
    .sort((a, b) => a.place - b.place)
    .map(({ number }) => number);
}

describe("alarms that are set together", () => {
  it("fire at their instants, in whichever order they were set and however wide their slots", async () => {
    const platform = new Platform();
    const { set, fired } = await on(platform);
    const random = generator(2);
    const sorted = [...DISTANCES].sort((a, b) => a - b);
    const at: number[] = [];
    for (const ms of shuffled(sorted, random)) set(ms, () => at.push(platform.now));
    platform.goTo(sorted.at(-1)!);
    expect(fired).toEqual(sorted);
    expect(at).toEqual(sorted);
  });

  it("fire in the order of their instants when all are overdue", async () => {
    const platform = new Platform();
    const { set, fired } = await on(platform);
    const random = generator(3);
    const sorted = [...DISTANCES, ...FRACTIONS].sort((a, b) => a - b);
    for (const ms of shuffled(sorted, random)) set(ms);
    platform.blockUntil(sorted.at(-1)! + 1);
    expect(fired).toEqual(sorted);
    expect([platform.fired, platform.timers.size]).toEqual([1, 0]);
  });

  it("fire in the order of their instants, whether they were far off or near when they were set", async () => {
    const platform = new Platform();
    const { set, fired } = await on(platform);
    for (const due of [1000, 4200, 5003, 5001]) set(due);
    platform.goTo(4990);
    for (const due of [5004, 5002, 5000, 5003.5]) set(due);
    platform.blockUntil(5010);
    expect(fired).toEqual([1000, 4200, 5000, 5001, 5002, 5003, 5003.5, 5004]);
  });

  it("of one instant fire in the order in which they were set", async () => {
    const platform = new Platform();
    const { set } = await on(platform);
    const order: string[] = [];
    for (const who of "abcdefgh") set(500, () => order.push(who));
    platform.goTo(500);
    expect(order.join("")).toBe("abcdefgh");
  });

  it("of one instant fire in the order in which they were set, from far off or from near", async () => {
    const platform = new Platform();
    const { set } = await on(platform);
    const order: string[] = [];
    set(50);
    set(90);
    set(100, () => order.push("from far off"));
    platform.goTo(50);
    set(100, () => order.push("from near"));
    platform.goTo(100);
    expect(order).toEqual(["from far off", "from near"]);
  });

  it("fire in time, however many there are: none is looked at whenever another one fires", async () => {
    const platform = new Platform(HOUR);
    const { set, fired } = await on(platform);
    const random = generator(6);
    const sorted = Array.from({ length: 50_000 }, (_, i) => HOUR + i + 1);
    for (const due of shuffled(sorted, random)) set(due);
    platform.goTo(sorted.at(-1)!);
    expect(fired).toEqual(sorted);
  });

  it("fire as soon as the platform lets them, if one before them took long", async () => {
    const platform = new Platform();
    const { set, fired } = await on(platform);
    const at: number[] = [];
    set(10, () => (platform.now += 15));
    for (const due of [20, 12]) set(due, () => at.push(platform.now));
    platform.goTo(40);
    expect(fired).toEqual([10, 12, 20]);
    expect(at).toEqual([26, 26]);
  });
});

describe.each(["objects", "numbers"] as const)("where handles are %s", (handles) => {
  it("a stopped alarm never fires, and to stop it again, or one that has fired, changes nothing", async () => {
    const platform = new Platform(0, handles);
    const { set, fired } = await on(platform);
    const [a, b, , d] = [10, 20, 20, 30].map((due) => set(due));
    b!.stop();
    b!.stop();
    platform.goTo(10);
    a!.stop();
    a!.stop();
    expect(platform.held).toBe(1);
    platform.goTo(25);
    d!.stop();
    d!.stop();
    expect(platform.held).toBe(0);
    set(40);
    for (const alarm of [a, b, d]) alarm!.stop();
    expect(platform.held).toBe(1);
    platform.goTo(50);
    expect(fired).toEqual([10, 20, 40]);
  });

  it("an alarm that fires may stop others, also those that are overdue with it, and itself", async () => {
    const platform = new Platform(0, handles);
    const { set, fired } = await on(platform);
    const all: Alarm[] = [];
    all.push(
      set(10, () => [0, 1, 3].forEach((i) => all[i]!.stop())),
      set(11),
      set(12, () => all[4]!.stop()),
      set(500),
      set(12),
    );
    platform.blockUntil(100);
    expect([platform.held, platform.timers.size]).toEqual([0, 0]);
    platform.goTo(1000);
    expect(fired).toEqual([10, 12]);
  });

  it("an alarm that fires may set others: sooner or later than those there are, and once all are stopped", async () => {
    const platform = new Platform(0, handles);
    const { set, fired } = await on(platform);
    const far = set(900);
    set(10, () => [1000, 11, 70, 10].forEach((due) => set(due)));
    set(20, () => {
      far.stop();
      set(20.5).stop();
      set(30);
    });
    const at: number[] = [];
    set(2000, () => {
      set(2001).stop();
      set(2010, () => at.push(platform.now));
      set(2005, () => at.push(platform.now));
    });
    platform.goTo(2010);
    expect(fired).toEqual([10, 10, 11, 20, 30, 70, 1000, 2000, 2005, 2010]);
    expect(at).toEqual([2005, 2010]);
    expect([platform.held, platform.timers.size]).toEqual([0, 0]);
  });

  it("one platform timer serves all, is held while one alarm is set, and not longer", async () => {
    const platform = new Platform(0, handles);
    const { set, fired } = await on(platform);
    expect(platform.timers.size).toBe(0);
    const random = generator(4);
    const alarms = Array.from({ length: 1000 }, () => set(1 + random() * HOUR));
    expect([platform.timers.size, platform.held]).toEqual([1, 1]);
    for (const alarm of alarms.slice(1)) alarm.stop();
    expect([platform.timers.size, platform.held]).toEqual([1, 1]);
    alarms[0]!.stop();
    expect(platform.held).toBe(0);
    expect(platform.timers.size).toBe(handles === "numbers" ? 0 : 1);
    platform.goTo(2 * HOUR);
    expect([fired.length, platform.timers.size]).toEqual([0, 0]);
  });

  it.each([
    ["sooner than", 40],
    ["at the same instant as", 100],
    ["later than", 300],
    ["far later than", 100 * DAY],
  ])("a new alarm, %s the last one that was stopped, fires at its instant", async (_, due) => {
    const platform = new Platform(0, handles);
    const { set } = await on(platform);
    const at: number[] = [];
    set(100).stop();
    platform.goTo(30);
    expect(platform.held).toBe(0);
    set(due, () => at.push(platform.now));
    expect([platform.timers.size, platform.held]).toEqual([1, 1]);
    platform.goTo(due + 100);
    expect(at).toEqual([due]);
    expect([platform.timers.size, platform.held]).toEqual([0, 0]);
    // And one that comes when nothing is left of either.
    set(platform.now + 7, () => at.push(platform.now));
    platform.goTo(platform.now + 20);
    expect(at).toEqual([due, due + 107]);
  });

  it("each sooner alarm fires at its instant, and those before it keep theirs", async () => {
    const platform = new Platform(0, handles);
    const { set } = await on(platform);
    const at: number[] = [];
    const dues = [40 * DAY, DAY, 5000, 4000, 64, 63, 5, 1];
    for (const due of dues) {
      set(due, () => at.push(platform.now));
      expect(platform.timers.size).toBe(1);
    }
    platform.goTo(50 * DAY);
    expect(at).toEqual([...dues].reverse());
  });

  it("of a hundred thousand alarms set and stopped nothing is retained, whether one stays set or none", async () => {
    const platform = new Platform(0, handles);
    const { set } = await on(platform);
    const random = generator(5);
    const used = (): number => {
      globalThis.gc!();
      return process.memoryUsage().heapUsed;
    };
    const churn = (times: number): void => {
      for (let i = 0; i < times; i++) set(platform.now + random() * DAY).stop();
    };
    churn(1000);
    const before = used();
    churn(100_000);
    const none = used();
    const one = set(100 * DAY);
    churn(100_000);
    expect([none - before < 2 ** 20, used() - none < 2 ** 20]).toEqual([true, true]);
    one.stop();
  });

  it("the target of an alarm is retained neither after a stop nor after it has fired", async () => {
    const platform = new Platform(0, handles);
    const { set, fired } = await on(platform);
    set(HOUR);
    const setAndStop = (due: number): WeakRef<object> => {
      const object = { due };
      const alarm = set(due, () => (object.due = 0));
      platform.goTo(10);
      alarm.stop();
      return new WeakRef(object);
    };
    const refs = [10, 20, 50_000].map(setAndStop);
    await settle();
    globalThis.gc!();
    expect(fired).toEqual([10]);
    expect(refs.map((ref) => ref.deref())).toEqual([undefined, undefined, undefined]);
  });

  it("if one throws, the platform reports it, and the others fire all the same", async () => {
    const platform = new Platform(0, handles);
    const { set, fired } = await on(platform);
    const no = new Error("no");
    for (const due of [9, 11, 40]) set(due);
    set(10, () => {
      throw no;
    });
    expect(() => platform.blockUntil(20)).toThrow(no);
    set(30);
    set(50);
    platform.goTo(60);
    expect(fired).toEqual([9, 10, 11, 30, 40, 50]);
    expect([platform.held, platform.timers.size]).toEqual([0, 0]);
  });

  it.each(["timers", "timers and clock"])(
    "alarms go on when the %s of the platform are replaced for a while, and so do those that are set later",
    async (what) => {
      const platform = new Platform(1000, handles);
      const { set, fired } = await on(platform);
      for (const due of [1010, 1020]) set(due);
      const fake = new Platform();
      fake.install();
      if (what === "timers") platform.installClock();
      platform.goTo(1010);
      expect([fired, fake.timers.size]).toEqual([[1010], 0]);
      platform.install();
      set(1030);
      platform.goTo(1040);
      expect(fired).toEqual([1010, 1020, 1030]);
    },
  );
});

describe("under fake timers that were installed after headgate was loaded", () => {
  virtualTime();

  it("each alarm has a timer of its own, which can be counted and cleared", async () => {
    const fired: number[] = [];
    const set: Setter = (due) => platformAlarm(due, { expire: () => fired.push(due) });
    const start = performance.now();
    const [a] = [10, 20, 30, HOUR].map((ms) => set(start + ms));
    expect(timersSet()).toBe(4);
    a!.stop();
    expect(timersSet()).toBe(3);
    await elapse(20);
    expect([fired, timersSet()]).toEqual([[start + 20], 2]);
    vi.clearAllTimers();
    expect(timersSet()).toBe(0);
    await elapse(HOUR);
    set(start + 2 * HOUR);
    await elapse(2 * HOUR);
    expect(fired).toEqual([start + 20, start + 2 * HOUR]);
  });

  it("an alarm fires once and never early, a fraction of a ms or months off (C50)", async () => {
    for (const ms of [0.25, 1, 1.5, 64, LONGEST, LONGEST + 1, 3 * LONGEST + 0.5]) {
      const due = performance.now() + ms;
      const delays: number[] = [];
      platformAlarm(due, { expire: () => delays.push(performance.now() - due) });
      await elapse(Math.floor(ms));
      if (!Number.isInteger(ms)) expect(delays).toEqual([]);
      await elapse(10);
      expect(delays.map((delay) => delay >= 0 && delay < 1)).toEqual([true]);
    }
  });

  it("stopping twice, or one that has fired, takes no other's timer away", async () => {
    const fired: string[] = [];
    const set = (ms: number, name: string): Alarm =>
      platformAlarm(performance.now() + ms, { expire: () => fired.push(name) });
    const [a, b] = [set(10, "a"), set(5, "b")];
    set(20, "c");
    a.stop();
    a.stop();
    await elapse(5);
    b.stop();
    expect(timersSet()).toBe(1);
    await elapse(20);
    expect(fired).toEqual(["b", "c"]);
  });
});

describe("under fake timers that were there before headgate", () => {
  virtualTime();

  it("no alarm is lost when they are cleared, and all fire by the platform's when they are gone", async () => {
    vi.resetModules();
    const loaded = await import("../../src/internal/timerwheel.ts");
    const set = (due: number, target: TimerTarget): Alarm => loaded.platformClock().alarm(due, target, null);
    const fired: string[] = [];
    const alarm = (ms: number, name: string): Alarm =>
      set(performance.now() + ms, { expire: () => void fired.push(name) });
    alarm(10, "cleared");
    alarm(20, "cleared");
    expect(timersSet()).toBe(2);
    vi.clearAllTimers();
    alarm(30, "set afterwards");
    await elapse(30);
    expect(fired).toEqual(["set afterwards"]);
    vi.useRealTimers();
    await new Promise<void>((resolve) => set(performance.now() + 1, { expire: resolve }));
  });
});

describe("a process", () => {
  beforeAll(build);

  const head = `import { context, time } from "headgate";
    const timeout = (ms) => context.withTimeout(context.background(), ms);
    process.on("exit", () => console.log("ended"));\n`;

  it.each([
    ["ends when its only deadline, an hour off, is cancelled", `timeout(${HOUR})[1]();`, []],
    ["ends when a thousand deadlines are cancelled", `for (let i = 0; i < 1000; i++) timeout(i + 5000)[1]();`, []],
    ["lives as long as a sleep", `await time.sleep(50); console.log("slept");`, ["slept"]],
    [
      "lives until a deadline that is not cancelled",
      `const [ctx] = timeout(50); context.afterFunc(ctx, () => console.log(ctx.err().message));`,
      ["context deadline exceeded"],
    ],
    [
      "lives as long as a sleep that is shorter than a deadline that was cancelled",
      `timeout(${HOUR})[1](); await time.sleep(50); console.log("slept");`,
      ["slept"],
    ],
    [
      "lives as long as a sleep that is longer than a deadline that was cancelled",
      `timeout(20)[1](); await time.sleep(60); console.log("slept");`,
      ["slept"],
    ],
    [
      "ends when a deadline an hour off is cancelled because of one that passes",
      `const [, cancel] = timeout(${HOUR});
      context.afterFunc(timeout(20)[0], () => (cancel(), console.log("passed")));`,
      ["passed"],
    ],
  ])("%s", async (_, program, lines) => {
    expect(await run(head + program)).toEqual({ code: 0, signal: null, lines: [...lines, "ended"], errors: "" });
  });

  it("never sees a sleep end early, by its own clock", async () => {
    const program = `const early = [];
      const nap = async (ms) => {
        const start = performance.now();
        await time.sleep(ms);
        if (performance.now() < start + ms) early.push(ms);
      };
      await Promise.all(Array.from({ length: 3000 }, (_, i) => nap(i / 32)));
      console.log(early.length);`;
    expect(await run(head + program)).toEqual({ code: 0, signal: null, lines: ["0", "ended"], errors: "" });
  });
});
