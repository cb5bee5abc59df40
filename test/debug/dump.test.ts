/**
 * A dump of what is watched: every wait with its object, its line and its age; who holds a lock; contexts and tasks.
 */
import { Chan, context, errgroup, go, nil, select, semaphore, sending, singleflight, sync, time } from "headgate";
import * as debug from "headgate/debug";
import { bubble } from "headgate/testing";
import { describe, expect, it, vi } from "vitest";
import { lineOf, turn, watched } from "./support.ts";

const FILE = "dump.test.ts";
const here = (): string => lineOf(FILE);

/** The wait that `call` has begun, as a dump has it. The call's promise may stay pending. */
async function waitOf(call: () => unknown): Promise<debug.Wait> {
  void Promise.resolve(call()).catch(() => {});
  await turn();
  return debug.dump().waits.at(-1)!;
}

interface Row {
  readonly what: RegExp;
  readonly call: () => unknown;
  readonly line: string;
}

const row = (what: RegExp, call: () => unknown): Row => ({
  what,
  call,
  line: /test\/debug\/dump\.test\.ts:\d+/.exec(new Error().stack!.split("\n")[2]!)![0],
});

const forever = (): Promise<never> => new Promise(() => {});
const locked = <L extends { tryLock: () => boolean }>(lock: L): L => (lock.tryLock(), lock);

function full(): errgroup.Group {
  const group = new errgroup.Group();
  group.setLimit(1);
  group.tryGo(forever);
  return group;
}

function waitGroup(): sync.WaitGroup {
  const wg = new sync.WaitGroup();
  wg.add(1);
  return wg;
}

function stuckOn(group: errgroup.Group): Promise<void> {
  group.tryGo(forever);
  return group.wait();
}

const three = () => ({ a: new Chan(), b: sending(new Chan<number>(), 1), c: nil });

const ROWS: readonly Row[] = [
  row(/^send ch#\d+$/, () => new Chan().send(1)),
  row(/^recv ch#\d+$/, () => new Chan().recv()),
  row(/^recv ch#\d+$/, () => new Chan().values().next()),
  row(/^recv nil$/, () => nil.recv()),
  row(/^recv nil$/, () => context.background().done().recv()),
  row(/^recv ctx#\d+\.done\(\)$/, () => context.withCancel(context.background())[0].done().recv()),
  row(/^recv timer$/, () => time.after(Infinity).recv()),
  row(/^select \{ a: ch#\d+, b: ch#\d+ ←, c: nil \}$/, () => select(three())),
  row(/^select \{\}$/, () => select({})),
  row(/^sleep Infinityms$/, () => time.sleep(Infinity)),
  row(/^lock mu#\d+$/, () => locked(new sync.Mutex()).lock()),
  row(/^lock rw#\d+$/, () => locked(new sync.RWMutex()).lock()),
  row(/^rLock rw#\d+$/, () => locked(new sync.RWMutex()).rLock()),
  row(/^cond\.wait cond#\d+$/, () => new sync.Cond(locked(new sync.Mutex())).wait()),
  row(/^wg\.wait wg#\d+$/, () => waitGroup().wait()),
  row(/^acquire 3 of sem#\d+$/, () => new semaphore.Weighted(2).acquire(3)),
  row(/^singleflight\.do flight#\d+$/, () => new singleflight.Group<string, unknown>().do("key", forever)),
  row(/^group\.go group#\d+$/, () => full().go(forever)),
  row(/^group\.wait group#\d+$/, () => full().wait()),
  row(/^context\.wait a promise$/, () => context.wait(forever())),
];

describe("a wait in a dump", () => {
  it.each(ROWS)("is $what, with the line of its call", async ({ what, call, line }) => {
    await watched(async () => {
      const wait = await waitOf(call);
      expect(wait.what).toMatch(what);
      expect(wait.at).toContain(`${line}:`);
      expect(wait).toMatchObject({ reachable: true });
    });
  });

  it("does not ask its object for its state more often than once in a dump", async () => {
    await watched(async () => {
      const jobs = new Chan();
      for (let i = 0; i < 50; i++) void jobs.recv();
      const asked = vi.spyOn(Chan.prototype, "toString");
      try {
        const { waits } = debug.dump();
        expect(waits.map(({ state }) => state)).toEqual(Array(50).fill("Chan(0/0, 50 receivers waiting)"));
        expect(asked).toHaveBeenCalledTimes(1);
      } finally {
        asked.mockRestore();
      }
      jobs.close();
      await turn();
    });
  });

  it("is no longer in it when it is over, in each of the generations", async () => {
    await watched(async () => {
      const [a, b, c] = [new Chan<number>(), new Chan<number>(), new Chan<number>()];
      const waiting = [a.recv()];
      await debug.leaks();
      waiting.push(b.recv());
      await debug.leaks();
      waiting.push(c.recv());
      expect(debug.dump().waits).toHaveLength(3);
      for (const [i, ch] of [a, b, c].entries()) {
        ch.close();
        await waiting[i];
        expect(debug.dump().waits).toHaveLength(2 - i);
      }
    });
  });

  it("on a Cond is in it until the mutex is held again", async () => {
    await watched(async () => {
      const mu = new sync.Mutex();
      const cond = new sync.Cond(mu);
      await mu.lock();
      const waiting = cond.wait();
      await mu.lock();
      cond.signal();
      expect(debug.dump().waits.map(({ what }) => what.replace(/#\d+/, ""))).toEqual(["cond.wait cond"]);
      mu.unlock();
      await waiting;
      expect(debug.dump().waits).toEqual([]);
    });
  });

  it("has the state of its object, and the line where that was made", async () => {
    await watched(async () => {
      const made = here();
      const jobs = new Chan<number>(10);
      const wait = await waitOf(() => jobs.recv());
      expect(wait.state).toBe("Chan(0/10, 1 receiver waiting)");
      const [file, line] = made.split(":");
      expect(wait.made).toContain(`${file}:${Number(line) + 1}:`);
    });
  });

  it("has the frames that it was called from", async () => {
    await watched(async () => {
      const ch = new Chan();
      const inner = (): Promise<unknown> => ch.recv();
      const outer = (): Promise<unknown> => inner();
      const wait = await waitOf(outer);
      expect(wait.stack.slice(0, 2).map(({ fn }) => fn)).toEqual(["inner", "outer"]);
    });
  });

  it("that headgate itself began later has the line where its object was made, never one of headgate's own", async () => {
    await watched(
      async () => {
        const hold = new Chan();
        const line = here();
        const running = errgroup.run(context.background(), (group) => void group.go(() => hold.recv()));
        for (let i = 0; i < 3; i++) await turn();
        const wait = debug.dump().waits.find(({ what }) => what.startsWith("group.wait"))!;
        const [file, n] = line.split(":");
        expect(wait.at).toContain(`${file}:${Number(n) + 1}:`);
        for (const { stack } of debug.dump().waits) for (const { at } of stack) expect(at).not.toMatch(/^(src|dist)\//);
        hold.close();
        await running;
        for (const { stack } of debug.profile().rows)
          for (const { at } of stack) expect(at).not.toMatch(/^(src|dist)\//);
      },
      { samples: 1e9 },
    );
  });

  it("has its name", async () => {
    await watched(async () => {
      const jobs = debug.name(new Chan(), " my \n jobs ");
      expect((await waitOf(() => jobs.recv())).what).toBe("recv my jobs");
      const [ctx] = context.withCancel(context.background());
      debug.name(ctx, "app");
      expect((await waitOf(() => ctx.done().recv())).what).toBe("recv app.done()");
      expect((await waitOf(() => select({ jobs, stop: ctx.done() }))).what).toBe(
        "select { jobs: my jobs, stop: app.done() }",
      );
    });
  });

  it("has the task it is in, if tasks are known", async () => {
    await watched(
      async () => {
        const ch = new Chan();
        go(async function worker() {
          await turn();
          await ch.recv();
        });
        await turn();
        await turn();
        expect(debug.dump().waits[0]!.task).toMatch(/^worker#\d+$/);
      },
      { tasks: true },
    );
  });

  it("has no line if the budget of stacks is 0, and is in it all the same", async () => {
    await watched(
      async () => {
        const wait = await waitOf(() => new Chan().recv());
        expect(wait).toMatchObject({ what: "recv ch", at: "", made: "", stack: [] });
        expect(String(debug.dump())).toContain("(no stack was taken)");
      },
      { stacks: 0, samples: 0 },
    );
  });
});

describe("the budget of stacks", () => {
  /** Many waits of one operation on one channel, each of them over at once. */
  async function chatter(ch: Chan<number>): Promise<void> {
    for (let n = 0; n < 300; n++) {
      const got = ch.recv();
      await ch.send(n);
      await got;
    }
  }

  const SMALL = { stacks: 20, samples: 0 };

  it("leaves a stack for an operation that is seen for the first time, and for the holder of its lock", async () => {
    await watched(async () => {
      await chatter(new Chan<number>());
      const mu = new sync.Mutex();
      await mu.lock();
      const wait = await waitOf(() => mu.lock());
      expect(wait.at).toContain("test/debug/dump.test.ts:");
      expect(wait.heldBy).toContain("test/debug/dump.test.ts:");
    }, SMALL);
  });

  it("leaves one for an object that is seen for the first time, though its operation is frequent", async () => {
    await watched(async () => {
      const seldom = new Chan<number>();
      await chatter(new Chan<number>());
      const wait = await waitOf(() => seldom.recv());
      expect(wait.at).toContain("test/debug/dump.test.ts:");
    }, SMALL);
  });

  it("leaves one for an object that had none in the last second", async () => {
    await watched(async () => {
      const seldom = new Chan<number>();
      const first = seldom.recv();
      await seldom.send(1);
      await first;
      for (let i = 0; i < 3; i++) await debug.leaks();
      await chatter(new Chan<number>());
      const wait = await waitOf(() => seldom.recv());
      expect(wait.at).toContain("test/debug/dump.test.ts:");
    }, SMALL);
  });

  it("is used up at last: then a wait has the place of an earlier one, and the dump says why", async () => {
    await watched(
      async () => {
        const mu = new sync.Mutex();
        async function known(): Promise<void> {
          await mu.lock();
        }
        await mu.lock();
        const second = known();
        mu.unlock();
        await second;
        // Any other use takes what is left.
        go(() => new Chan().recv());
        await waitOf(() => mu.lock());
        const late = debug.dump().waits.find(({ what }) => what.startsWith("lock"))!;
        expect(late).toMatchObject({ at: "", stack: [] });
        expect(late.why).toMatch(
          /^no stack was taken; an earlier call was at known \(test\/debug\/dump\.test\.ts:\d+:\d+\)$/,
        );
        const text = String(debug.dump());
        expect(text).toContain(`    at      (${late.why})`);
        expect(text).toMatch(
          /^no stack was taken of some: more than 4 a second; watch\(\{ stacks: Infinity \}\) takes all$/m,
        );
      },
      { stacks: 4, samples: 0 },
    );
  });

  it("says so where the holder of a lock has no stack, and where it was taken before", async () => {
    await watched(
      async () => {
        const [held, free] = [new sync.Mutex(), new sync.Mutex()];
        void (await waitOf(() => locked(held).lock()));
        expect(debug.dump().waits[0]!.heldBy).toBe("(no stack was taken)");
        expect(String(debug.dump())).toContain("    held by (no stack was taken)");
        const group = new errgroup.Group();
        expect(free.tryLock()).toBe(true);
        expect((await waitOf(() => stuckOn(group))).heldBy).toBe("");
      },
      { stacks: 0, samples: 0 },
    );
  });

  it("does not claim too many where there are stacks of all", async () => {
    await watched(async () => {
      await waitOf(() => new Chan().recv());
      expect(String(debug.dump())).not.toContain("no stack was taken");
    });
  });
});

describe("the holder of a lock", () => {
  const holderOf = (): string => debug.dump().waits[0]!.heldBy;

  it("is the call that took it", async () => {
    await watched(async () => {
      const mu = new sync.Mutex();
      async function first(): Promise<void> {
        await mu.lock();
      }
      await first();
      // oxlint-disable-next-line headgate/floating -- it waits for ever
      void mu.lock();
      expect(holderOf()).toMatch(/^first \(test\/debug\/dump\.test\.ts:\d+:\d+\)$/);
    });
  });

  it("is the call that waited for it, not the one that unlocked it", async () => {
    await watched(async () => {
      const mu = new sync.Mutex();
      async function second(): Promise<void> {
        await mu.lock();
      }
      await mu.lock();
      const waiting = second();
      mu.unlock();
      await waiting;
      // oxlint-disable-next-line headgate/floating -- it waits for ever
      void mu.lock();
      expect(holderOf()).toMatch(/^second /);
    });
  });

  it("is the wait on a Cond that holds it again", async () => {
    await watched(async () => {
      const mu = new sync.Mutex();
      const cond = new sync.Cond(mu);
      async function waiter(): Promise<void> {
        await mu.lock();
        await cond.wait();
      }
      const waiting = waiter();
      await turn();
      cond.signal();
      await waiting;
      // oxlint-disable-next-line headgate/floating -- it waits for ever
      void mu.lock();
      expect(holderOf()).toMatch(/^waiter /);
    });
  });

  it("is the writer, the last reader, or the last taker of units", async () => {
    await watched(async () => {
      const rw = new sync.RWMutex();
      await (async function reader() {
        await rw.rLock();
      })();
      // oxlint-disable-next-line headgate/floating -- it waits for ever
      void rw.lock();
      expect(holderOf()).toMatch(/^reader /);
      rw.rUnlock();
      // oxlint-disable-next-line headgate/floating -- it waits for ever
      void rw.rLock();
      expect(holderOf()).toMatch(/test\/debug\/dump\.test\.ts/);
      rw.unlock();
    });
    await watched(async () => {
      const sem = new semaphore.Weighted(1);
      (function taker() {
        sem.tryAcquire();
      })();
      // oxlint-disable-next-line headgate/floating -- it waits for ever
      void sem.acquire();
      expect(holderOf()).toMatch(/^taker /);
    });
  });

  it("is known of a lock that was made before the watch", async () => {
    const mu = new sync.Mutex();
    await watched(async () => {
      await mu.lock();
      // oxlint-disable-next-line headgate/floating -- it waits for ever
      void mu.lock();
      expect(holderOf()).toMatch(/test\/debug\/dump\.test\.ts/);
    });
  });
});

describe("contexts and tasks in a dump", () => {
  it("are trees, with kinds, deadlines and the number of waits", async () => {
    await watched(async () => {
      const [app, stop] = context.withCancel(context.background());
      const [request, cancel] = context.withTimeout(debug.name(app, "app"), 60_000);
      debug.name(request, "request");
      const unlink = context.afterFunc(request, () => {});
      const [merged, end] = context.merge(app, request);
      debug.name(merged, "merged");
      void new Chan().recv(request).catch(() => {});
      const [node] = debug.dump().contexts;
      expect(node).toMatchObject({ name: "app", kind: "WithCancel", waiting: 0, more: 0 });
      expect(node!.deadline).toBeUndefined();
      expect(node!.children.map(({ name }) => name)).toEqual(["request", "merged"]);
      const [child] = node!.children;
      expect(child).toMatchObject({ kind: "WithDeadline", waiting: 1 });
      expect(child!.deadline).toBeLessThanOrEqual(60_000);
      expect(child!.made).toContain("test/debug/dump.test.ts:");
      expect(child!.children.map(({ kind }) => kind)).toEqual(["AfterFunc"]);
      unlink();
      end();
      cancel();
      stop();
      expect(debug.dump().contexts).toEqual([]);
    });
  });

  it("are the same when they are old", async () => {
    await watched(async () => {
      const [ctx, cancel] = context.withCancel(context.background());
      debug.name(ctx, "old");
      const hold = new Chan<void>();
      go(async function worker() {
        await hold.recv();
      });
      for (let i = 0; i < 3; i++) await debug.leaks();
      expect(debug.dump().contexts.map(({ name }) => name)).toEqual(["old"]);
      expect(debug.dump().tasks.map(({ name }) => name.replace(/\d+/, ""))).toEqual(["worker#"]);
      hold.close();
      await turn();
      cancel();
      expect(debug.dump()).toMatchObject({ contexts: [], tasks: [] });
    });
  });

  it("names a task by its function, or as the user did, with the line that started it", async () => {
    await watched(async () => {
      const hold = new Chan<void>();
      const line = here();
      go(async function worker() {
        await hold.recv();
      });
      go(debug.name(() => hold.recv(), "named"));
      await turn();
      const { tasks } = debug.dump();
      expect(tasks.map(({ name }) => name.replace(/\d+/, ""))).toEqual(["worker#", "named#"]);
      const [file, n] = line.split(":");
      expect(tasks[0]!.at).toContain(`${file}:${Number(n) + 1}:`);
      hold.close();
      await turn();
      expect(debug.dump().tasks).toEqual([]);
    });
  });

  it("does not list a function that has not been started", async () => {
    await watched(async () => {
      const [ctx, cancel] = context.withCancel(context.background());
      const hold = new Chan<void>();
      context.afterFunc(ctx, () => hold.recv());
      expect(debug.dump().tasks).toEqual([]);
      cancel();
      await turn();
      expect(debug.dump().tasks).toHaveLength(1);
      hold.close();
      await turn();
    });
  });
});

describe("the text of a dump", () => {
  it("puts equal waits together, the most numerous first", async () => {
    await watched(async () => {
      const jobs = debug.name(new Chan<string>(), "jobs");
      void new Chan().recv();
      for (let i = 0; i < 3; i++) {
        go(async function consumer() {
          await jobs.recv();
        });
      }
      await turn();
      const text = String(debug.dump())
        .replace(/\d+ms/g, "_ms")
        .replace(/#\d+/g, "#_")
        .replace(/:\d+:\d+/g, ":_");
      const file = "test/debug/dump.test.ts:_";
      const blocks = text.split("\n\n");
      expect(blocks[0]).toMatch(/^headgate: 4 waits, 0 contexts, 3 tasks, 0 leaks/);
      expect(blocks[1]).toMatch(/^3 × recv jobs, _ms\n {4}on {6}Chan\(0\/0, 3 receivers waiting\), made at /);
      expect(blocks[1]).toContain(`    at      consumer (${file})`);
      expect(blocks[2]).toMatch(/^recv ch#_, _ms\n/);
      expect(blocks[3]).toBe(`tasks\n    3 × consumer, _ms, started at ${file}`);
    });
  });

  it("is no part of its JSON, which is plain", async () => {
    await watched(async () => {
      void new Chan().recv();
      const dump = debug.dump();
      const plain = JSON.parse(JSON.stringify(dump)) as debug.Dump;
      expect(plain.waits).toEqual(dump.waits);
      expect(Object.keys(dump)).toEqual(expect.arrayContaining(["waits", "contexts", "tasks", "leaks"]));
      expect(Object.keys(dump)).not.toContain("toString");
    });
  });

  it("has at most so many waits, the oldest", async () => {
    await watched(async () => {
      const chans = [1, 2, 3].map((n) => debug.name(new Chan(), `ch${n}`));
      for (const ch of chans) {
        void ch.recv();
        await debug.leaks();
      }
      expect(debug.dump({ most: 2 }).waits.map(({ what }) => what)).toEqual(["recv ch1", "recv ch2"]);
    });
  });

  it("counts all that waits and runs, and says what is not listed", async () => {
    await watched(async () => {
      const jobs = new Chan();
      for (let i = 0; i < 7; i++) go(() => jobs.recv());
      await turn();
      const dump = debug.dump({ most: 2 });
      expect(dump).toMatchObject({ counts: { waits: 7, contexts: 0, tasks: 7, leaks: 0 } });
      expect([dump.waits, dump.tasks].map((list) => list.length)).toEqual([2, 2]);
      const text = String(dump);
      expect(text).toMatch(/^headgate: 7 waits, 0 contexts, 7 tasks, 0 leaks/);
      expect(text).toMatch(/^and 5 waits more$/m);
      expect(text).toMatch(/^ {4}and 5 tasks more$/m);
      expect(String(debug.dump())).not.toContain("more");
      jobs.close();
      await turn();
    });
  });
});

describe("watch", () => {
  it("that begins late says so in a dump: what began before is not in it", async () => {
    const ch = new Chan();
    const before = ch.recv();
    await watched(async () => {
      const dump = debug.dump();
      expect(dump.waits).toEqual([]);
      expect(dump.watchedFor).toBeGreaterThanOrEqual(0);
      expect(String(dump)).toMatch(/; watched for [\dms.]+, and what began before is not here$/m);
    });
    ch.close();
    await before;
  });

  it("ends with the last handle, and a second call watches the same", async () => {
    const [first, second] = [debug.watch(), debug.watch()];
    void new Chan().recv();
    first[Symbol.dispose]();
    first[Symbol.dispose]();
    expect(debug.dump()).toMatchObject({ watched: true });
    expect(debug.dump().waits).toHaveLength(1);
    second[Symbol.dispose]();
    expect(() => debug.profile()).toThrow(/nothing is watched/);
  });

  it("calls the onLeak of each handle, also if one throws", async () => {
    const got: string[] = [];
    const first = debug.watch({
      onLeak: () => {
        throw new Error("mine");
      },
    });
    const second = debug.watch({ onLeak: () => got.push("second") });
    (() => void new Chan().recv())();
    await debug.leaks();
    first[Symbol.dispose]();
    second[Symbol.dispose]();
    expect(got).toEqual(["second"]);
  });

  it("sees nothing of a bubble, and the rest of the program meanwhile", async () => {
    await watched(async () => {
      const outside = debug.name(new Chan<string>(), "outside");
      const waiting = outside.recv();
      await bubble(async (t) => {
        const inside = new Chan<string>();
        const mu = new sync.Mutex();
        await mu.lock();
        go(async () => void (await inside.recv()));
        const [, cancel] = context.withCancel(t.ctx);
        await t.wait();
        expect(debug.dump().waits.map(({ what }) => what)).toEqual(["recv outside"]);
        expect(debug.dump()).toMatchObject({ contexts: [], tasks: [] });
        cancel();
        inside.close();
      });
      outside.close();
      await waiting;
    });
  });

  it("does not defer a settlement that would not be deferred without it", async () => {
    const order = async (): Promise<string[]> => {
      const [got, ch] = [[] as string[], new Chan<number>()];
      go(async () => {
        for (let i = 0; i < 3; i++) got.push(`got ${(await ch.recv())[0]}`);
      });
      for (let i = 0; i < 3; i++) {
        await ch.send(i);
        got.push(`sent ${i}`);
      }
      await turn();
      return got;
    };
    const plain = await order();
    expect(await watched(order)).toEqual(plain);
  });

  it.each<[Record<string, unknown>, RegExp]>([
    [{ stacks: -1 }, /^watch: stacks must be a number a second, 0 or more; got -1$/],
    [{ stacks: NaN }, /^watch: stacks must be/],
    [{ samples: "many" }, /^watch: samples must be a number a second, 0 or more; got the string "many"$/],
    [{ tasks: 1 }, /^watch: tasks must be true or false; got 1$/],
    [{ sweep: 0 }, /^watch: sweep must be a positive number of ms; got 0$/],
    [{ sweep: 60_001 }, /^watch: sweep must be at most 60000 ms; got 60001$/],
    [{ onLeak: 1 }, /^watch: onLeak: expected a function, got number$/],
    [{ onleak: () => {} }, /^watch: there is no option onleak; there are stacks, samples, tasks, sweep, onLeak$/],
  ])("refuses %j", (options, message) => {
    expect(() => debug.watch(options)).toThrow(message);
    expect(() => debug.profile()).toThrow(/nothing is watched/);
  });

  it("refuses odd arguments of dump, name and onSignal", () => {
    expect(() => debug.dump({ most: -1 })).toThrow(/^dump: most must be a whole number from 0; got -1$/);
    expect(() => debug.name(1 as unknown as object, "one")).toThrow(/^name: expected an object or a function to name/);
    expect(() => debug.name({}, " ")).toThrow(/^name: expected a name$/);
    expect(() => debug.onSignal("SIGNAL")).toThrow(/^onSignal: expected names of signals/);
    expect(() => debug.onSignal("SIGKILL")).toThrow(/^onSignal: SIGKILL cannot be caught$/);
    expect(() => debug.onSignal("SIGQUIT", 1 as unknown as () => void)).toThrow(/^onSignal: expected a function/);
  });
});

describe("a name", () => {
  it("is that of the reports of headgate/testing, too, unless the test gives another", async () => {
    const ch = debug.name(new Chan(), "letters");
    const error = await bubble(async (t) => {
      const own = debug.name(new Chan(), "own");
      go(() => own.recv());
      go(() => t.name(debug.name(new Chan(), "debug's"), "test's").recv());
      await ch.recv(t.ctx);
    }).catch((thrown: unknown) => thrown);
    expect(String(error)).toContain("recv letters");
    expect(String(error)).toContain("recv own");
    expect(String(error)).toContain("recv test's");
  });
});
