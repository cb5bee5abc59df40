/**
 * What the garbage collector finds, and what it cannot. A wait that nothing can wake is reported with its line; one
 * that may still be woken is not.
 */
import { EventEmitter } from "node:events";
import { Chan, context, errgroup, go, nil, select, sync, time } from "headgate";
import * as debug from "headgate/debug";
import { afterAll, describe, expect, it } from "vitest";
import { dice } from "../support/random.ts";
import { turn, watched } from "./support.ts";

/** What stays reachable until all tests have ended. */
const kept: unknown[] = [];
afterAll(() => void (kept.length = 0));

/** Runs `leave`, which drops what it makes, and returns the leaks. */
async function leaksOf(leave: () => unknown, options: debug.WatchOptions = {}): Promise<readonly debug.Leak[]> {
  return await watched(async (reported) => {
    await leave();
    await turn();
    const found = await debug.leaks();
    expect(new Set(reported)).toEqual(new Set(found));
    return found;
  }, options);
}

interface Row {
  readonly leave: () => unknown;
  readonly line: string;
}

const row = (leave: () => unknown): Row => ({
  leave,
  line: /test\/debug\/leaks\.test\.ts:\d+/.exec(new Error().stack!.split("\n")[2]!)![0],
});

const [living, endLiving] = context.withCancel(context.background());
kept.push(endLiving);
afterAll(endLiving);
const ofModule = new Chan<number>();
const emitter = new EventEmitter();

const FOUND: Readonly<Record<string, Row>> = {
  "a receive on a channel that is dropped": row(() => void new Chan().recv()),
  "a send that no task receives": row(() => void new Chan<number>().send(1)),
  "a for await over a channel that is never closed": row(() => void new Chan().values().next()),
  "a receive under the background": row(() => void new Chan().recv(context.background())),
  "a receive under a ctx that is dropped as well": row(() => void new Chan().recv(dropped())),
  "a select over dropped channels": row(() => void select({ a: new Chan(), b: new Chan() })),
  "a mutex that is never unlocked": row(() => void locked(new sync.Mutex()).lock()),
  "the end of a ctx that no code can end": row(() => void context.withCancel(context.background())[0].done().recv()),
  "a wait for a promise that no code can settle": row(() => void context.wait(new Promise(() => {}))),
  "a group whose task never ends": row(() => void stuck().wait()),
  "a receive on a stopped timer": row(() => void stopped().c.recv()),
  "a wait on a Cond that is dropped": row(() => void new sync.Cond(locked(new sync.Mutex())).wait()),
};

const dropped = (): context.Context => context.withCancel(context.background())[0];

function locked(mutex: sync.Mutex): sync.Mutex {
  mutex.tryLock();
  return mutex;
}

function stuck(): errgroup.Group {
  const group = new errgroup.Group();
  group.tryGo(() => new Promise(() => {}));
  return group;
}

function stopped(): time.Timer {
  const timer = new time.Timer(60_000);
  timer.stop();
  return timer;
}

const NOT_FOUND: Readonly<Record<string, () => unknown>> = {
  "a receive on a channel of a module": () => void ofModule.recv(),
  "a receive under a ctx that can still end": () => void new Chan().recv(living).catch(() => {}),
  "a select with a timer that runs": () => {
    const [ctx, cancel] = context.withCancel(living);
    kept.push(cancel);
    afterAll(cancel);
    void select({ a: new Chan(), late: time.after(60_000) }, ctx).catch(() => {});
  },
  "a receive on a channel that a listener can reach": () => {
    const ch = new Chan<number>();
    emitter.on("event", () => ch.trySend(1));
    void ch.recv();
  },
  "a wait on nil": () => void nil.recv(),
  "a select without cases": () => void select({}),
  "a select of nothing but nil": () => void select({ a: nil, b: null }),
  "a sleep without an end": () => void time.sleep(Infinity),
  "a timer without an end": () => void time.after(Infinity).recv(),
  "a wait that is over": async () => {
    const ch = new Chan<number>();
    const got = ch.recv();
    await ch.send(1);
    await got;
  },
};

describe("leaks", () => {
  it.each(Object.entries(FOUND))("finds %s, with the line of the call", async (_, { leave, line }) => {
    const leaks = (await leaksOf(leave)).filter(({ kind }) => kind === "wait");
    expect(leaks.map(({ at }) => at.replace(/:\d+$/, ""))).toContain(line);
    expect(leaks[0]!.text).toMatch(/: nothing can wake it any more, so it never ends$/);
  });

  it.each(Object.entries(NOT_FOUND))("does not report %s", async (_, leave) => {
    expect(await leaksOf(leave)).toEqual([]);
  });

  it("finds a task that awaits a promise of other code, which can never settle", async () => {
    const leaks = await leaksOf(() =>
      go(async function callback() {
        await new Promise(() => {});
      }),
    );
    expect(leaks).toHaveLength(1);
    expect(leaks[0]).toMatchObject({ kind: "task" });
    expect(leaks[0]!.text).toMatch(/^callback#\d+: what it awaits can never happen, so it never ends$/);
    expect(leaks[0]!.at).toContain("test/debug/leaks.test.ts:");
  });

  it("reports the wait of a task, and not the task as well, if tasks are known", async () => {
    const leave = (): void =>
      go(async function worker() {
        await turn();
        await new Chan().recv();
      });
    const leaks = await leaksOf(
      async () => {
        leave();
        await turn();
        await turn();
      },
      { tasks: true },
    );
    expect(leaks.map(({ kind }) => kind)).toEqual(["wait"]);
  });

  it("finds two tasks that wait for each other", async () => {
    const leaks = await leaksOf(() => {
      const [a, b] = [debug.name(new Chan<number>(), "a"), debug.name(new Chan<number>(), "b")];
      go(async () => {
        await a.recv();
        await b.send(1);
      });
      go(async () => {
        await b.recv();
        await a.send(1);
      });
    });
    const waits = leaks.filter(({ kind }) => kind === "wait").map(({ text }) => text.slice(0, 6));
    expect(new Set(waits)).toEqual(new Set(["recv a", "recv b"]));
  });

  it("is in a dump, and each leak once", async () => {
    await watched(async (reported) => {
      (() => void debug.name(new Chan(), "lost").recv())();
      await debug.leaks();
      await debug.leaks();
      expect(reported).toHaveLength(1);
      expect(debug.dump().leaks).toEqual(reported);
      expect(debug.dump().waits).toEqual([]);
      expect(String(debug.dump())).toContain("\nleaks\n    recv lost: nothing can wake it any more");
    });
  });

  it("are in the order in which they began, of contexts as well", async () => {
    await watched(async () => {
      const parents: context.Context[] = [];
      for (let i = 0; i < 6; i++) (() => void debug.name(new Chan(), `n${i}`).recv())();
      for (let i = 0; i < 6; i++) parents.push(debug.name(context.withCancel(living)[0], `c${i}`));
      await turn();
      const leaks = await debug.leaks();
      const names = (kind: string): string[] =>
        leaks.filter((leak) => leak.kind === kind).map(({ text }) => /[nc]\d/.exec(text)![0]);
      expect(names("wait")).toEqual(["n0", "n1", "n2", "n3", "n4", "n5"]);
      expect(names("cancel")).toEqual(["c0", "c1", "c2", "c3", "c4", "c5"]);
      expect(parents).toHaveLength(6);
    });
  });

  it("are one if they are equal, with their number, and each is passed to onLeak", async () => {
    await watched(async (reported) => {
      const leave = (n: number): void => {
        for (let i = 0; i < n; i++) (() => void debug.name(new Chan(), "answers").recv())();
      };
      leave(3);
      const [leak, ...more] = await debug.leaks();
      expect(more).toEqual([]);
      expect(leak).toMatchObject({ count: 3, text: "recv answers: nothing can wake it any more, so it never ends" });
      expect(leak!.at).toContain("test/debug/leaks.test.ts:");
      expect(leak!.made).toContain("test/debug/leaks.test.ts:");
      expect(reported.map(({ count }) => count)).toEqual([1, 1, 1]);
      leave(2);
      expect((await debug.leaks()).map(({ count }) => count)).toEqual([5]);
      const dump = debug.dump();
      expect(dump.counts.leaks).toBe(5);
      expect(String(dump)).toMatch(/5 leaks/);
      expect(String(dump)).toContain("\nleaks\n    5 × recv answers: nothing can wake it any more");
      expect((await debug.respond("/leaks")).body).toMatch(/^5 × recv answers: /);
    });
  });

  it("of contexts are one if they were made in one place, whatever their numbers and deadlines", async () => {
    await watched(async () => {
      const alive: context.Context[] = [];
      for (let i = 0; i < 3; i++) alive.push(context.withTimeout(living, 60_000 + i)[0]);
      await turn();
      const leaks = await debug.leaks();
      expect(leaks.map(({ count }) => count)).toEqual([3]);
      expect(String(debug.dump())).toMatch(/3 × ctx: its cancel function is lost/);
      for (const ctx of alive) context.unref(ctx);
    });
  });

  it("reports nothing of what is woken later, whatever the program does", async () => {
    await watched(async (reported) => {
      const roll = dice(7);
      for (let round = 0; round < 100; round++) {
        const chans = [0, 1, 2].map(() => new Chan<number>(roll(2)));
        const wg = new sync.WaitGroup();
        const mu = new sync.Mutex();
        for (let i = 0; i < 8; i++) {
          const [a, b] = [chans[roll(3)]!, chans[roll(3)]!];
          const what = roll(5);
          wg.go(async () => {
            const [ctx, cancel] = context.withCancel(living);
            try {
              if (what === 0) await a.send(1, ctx);
              else if (what === 1) await a.recv(ctx);
              else if (what === 2) await select({ a, b }, ctx);
              else if (what === 3) for await (const _ of a.values(ctx)) break;
              else {
                using _ = await mu.lock(ctx);
                await turn();
              }
            } catch {
              // Its channel was closed while it sent.
            } finally {
              cancel();
            }
          });
        }
        if (round % 25 === 0) await debug.leaks();
        else await turn();
        for (const ch of chans) ch.close();
        await wg.wait();
      }
      await debug.leaks();
      expect(reported).toEqual([]);
    });
  });

  it("rejects with the error of its ctx, and if nothing is watched", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    cancel();
    await watched(async () => await expect(debug.leaks(ctx)).rejects.toBe(ctx.err()));
    await expect(debug.leaks()).rejects.toThrow(/^leaks: nothing is watched; call watch\(\)/);
  });

  it("warns by the process if there is no onLeak, once for equal leaks of one place", async () => {
    const warnings: Error[] = [];
    const listen = (warning: Error): void => void warnings.push(warning);
    process.on("warning", listen);
    const watching = debug.watch({ stacks: Infinity });
    for (let i = 0; i < 3; i++) (() => void debug.name(new Chan(), "unheard").recv())();
    await debug.leaks();
    watching[Symbol.dispose]();
    await turn();
    process.off("warning", listen);
    expect(warnings.map(({ name }) => name)).toEqual(["HeadgateLeakWarning"]);
    expect(warnings[0]!.message).toMatch(/^recv unheard: .*; at test\/debug\/leaks\.test\.ts:\d+:\d+$/);
  });
});

describe("a cancel function that is lost", () => {
  const abort = new AbortController();
  const derive = (make: (parent: context.Context) => readonly [context.Context, () => void]) => async () => {
    const [ctx] = make(living);
    kept.push(ctx);
    await turn();
  };

  it.each([
    ["withCancel", (parent: context.Context) => context.withCancel(parent), /until its parent ends$/],
    ["withTimeout", (parent: context.Context) => context.withTimeout(parent, 60_000), /until its deadline, in \d+ms$/],
    [
      "merge",
      (parent: context.Context) => context.merge(parent, living),
      /until its parent or the context that was merged with it ends$/,
    ],
    [
      "withSignal",
      (parent: context.Context) => context.withSignal(parent, abort.signal),
      /until its parent ends or its signal aborts$/,
    ],
  ] as const)("is reported for %s, with the line, and until when the context stays", async (_, make, text) => {
    const leaks = await leaksOf(derive(make));
    expect(leaks).toHaveLength(1);
    expect(leaks[0]).toMatchObject({ kind: "cancel" });
    expect(leaks[0]!.text).toMatch(text);
    expect(leaks[0]!.at).toContain("test/debug/leaks.test.ts:");
    for (const ctx of kept) if (context.isContext(ctx)) context.unref(ctx);
  });

  it.each<[string, () => unknown]>([
    ["it was called", () => context.withCancel(living)[1]()],
    [
      "the parent ended",
      () => {
        const [parent, cancel] = context.withCancel(living);
        kept.push(context.withCancel(parent)[0]);
        cancel();
      },
    ],
    ["the context has no parent that lives", () => void kept.push(context.withCancel(context.background())[0])],
    ["it can still be called", () => void kept.push(context.withCancel(living))],
    ["a group has it", () => void kept.push(errgroup.withContext(living))],
  ])("is not reported if %s", async (_, act) => {
    expect(await leaksOf(act)).toEqual([]);
  });
});

describe("what is watched is collected", () => {
  class Witness {
    readonly ch = new Chan<number>();
    receive(): void {
      void this.ch.recv();
    }
  }

  /** True if an object that `drop` lets go is collected within two sweeps, with a stack of each operation. */
  async function isCollected(drop: (report: (object: object) => void) => void): Promise<boolean> {
    return await watched(async () => {
      let isGone = false;
      const registry = new FinalizationRegistry<number>(() => (isGone = true));
      (() => drop((object) => registry.register(object, 1)))();
      await debug.leaks();
      await turn();
      return isGone;
    });
  }

  it("though a stack was taken in a method of it", async () => {
    expect(
      await isCollected((report) => {
        const witness = new Witness();
        report(witness);
        witness.receive();
      }),
    ).toBe(true);
  });

  it("though a stack was taken in a closure over it", async () => {
    expect(
      await isCollected((report) => {
        const ch = new Chan<number>();
        report(ch);
        const wait = (): unknown => ch.recv();
        wait();
      }),
    ).toBe(true);
  });

  it("though it was locked, made and started in such a closure", async () => {
    expect(
      await isCollected((report) => {
        const mu = new sync.Mutex();
        report(mu);
        const lock = (): void => {
          // oxlint-disable-next-line headgate/floating -- it waits for ever
          void mu.lock();
          go(() => mu.lock());
        };
        lock();
      }),
    ).toBe(true);
  });
});
