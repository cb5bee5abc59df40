/**
 * Every awaited operation of headgate is seen by the kit: it is a scheduling point, the trace tells of it, and while
 * it waits it is reported with its name, that of its object, and the line of the call.
 */
import {
  Chan,
  context,
  errgroup,
  go,
  nil,
  retry,
  select,
  semaphore,
  sending,
  singleflight,
  sync,
  time,
} from "headgate";
import { type Bubble, bubble, DeadlockError, explore, type TaskInfo } from "headgate/testing";
import { memoryBroker, type MemoryBroker, worker } from "headgate/worker";
import { describe, expect, it } from "vitest";
import { errorOf, failureOf } from "../support/errors.ts";

/** Calls an operation, and returns what it returns. */
type Call = (t: Bubble) => unknown;

/** An operation, as reports tell of it, and where in this file it is called: in the line that makes the entry. */
interface Entry {
  readonly shown: string;
  readonly call: Call;
  readonly line: string;
}

function entry(shown: string, call: Call): Entry {
  const [line] = /test\/testing\/coverage\.test\.ts:\d+:/.exec(new Error().stack!.split("\n")[2]!)!;
  return { shown, call, line };
}

const forever = (): Promise<unknown> => new Chan().recv();

function locked<L extends { tryLock: () => boolean }>(lock: L): L {
  lock.tryLock();
  return lock;
}

function waited(): sync.WaitGroup {
  const wg = new sync.WaitGroup();
  wg.add(1);
  return wg;
}

/** A group whose only slot is taken. */
function full(): errgroup.Group {
  const group = new errgroup.Group();
  group.setLimit(1);
  group.tryGo(forever);
  return group;
}

/** A channel that has been closed, after these values were put into it. */
function closed(...values: number[]): Chan<number> {
  const ch = new Chan<number>(values.length);
  for (const value of values) ch.trySend(value);
  ch.close();
  return ch;
}

/** A context that has ended. */
function ended(t: Bubble): context.Context {
  const [ctx, cancel] = context.withCancel(t.ctx);
  cancel();
  return ctx;
}

function fullBroker(): MemoryBroker<number> {
  const broker = memoryBroker<number>({ capacity: 1 });
  void broker.publish(7);
  return broker;
}

/** What a task did and what came of it, one text for each row of the trace. */
const storyOf = (t: Bubble, name: string): string[] =>
  t
    .trace()
    .rows.filter(({ task }) => task === name)
    .map(({ event, object, detail }) => [event, object, detail].filter((part) => part !== "").join(" "));

const waitingForEver: readonly Entry[] = [
  entry("send ch1 7", () => new Chan<number>().send(7)),
  entry("recv ch1", () => new Chan<number>().recv()),
  entry("recv ch1", () => new Chan<number>().values().next()),
  entry("recv ch1", (t) => new Chan<number>().recv(t.ctx)),
  entry("send nil 7", () => nil.send(7)),
  entry("recv nil", () => nil.recv()),
  entry("recv nil", () => nil.values().next()),
  entry("recv nil", () => context.background().done().recv()),
  entry("select in: ch1, off: nil", () => select({ in: new Chan(), off: null })),
  entry("select out: ch1 ← 7", () => select({ out: sending(new Chan(), 7) })),
  entry("select 0: ch1", () => select([new Chan()])),
  entry("select", () => select({})),
  entry("recv ctx1.done()", (t) => context.withCancel(t.ctx)[0].done().recv()),
  entry("recv t.ctx.done()", (t) => t.ctx.done().recv()),
  entry("recv timer1", () => time.after(Infinity).recv()),
  entry("recv timer1", () => new time.Timer(Infinity).c.recv()),
  entry("sleep Infinity", () => time.sleep(Infinity)),
  entry("lock mu1", () => locked(new sync.Mutex()).lock()),
  entry("lock rw1", () => locked(new sync.RWMutex()).lock()),
  entry("rLock rw1", () => locked(new sync.RWMutex()).rLock()),
  entry("cond.wait cond1", () => new sync.Cond(locked(new sync.Mutex())).wait()),
  entry("wg.wait wg1", () => waited().wait()),
  entry("acquire sem1 3", () => new semaphore.Weighted(2).acquire(3)),
  entry("singleflight.do flight1", () => new singleflight.Group<string, unknown>().do("key", forever)),
  entry("recv ch1", () => new singleflight.Group<string, unknown>().doChan("key", forever).recv()),
  entry("group.go group1 forever()", () => full().go(forever)),
  entry("group.wait group1", () => full().wait()),
  entry("group.wait group1", async (t) => await errgroup.run(t.ctx, (group) => void group.tryGo(forever))),
];

const waitingForContext: readonly Entry[] = [
  entry("send ch1 7", (t) => new Chan<number>().send(7, t.ctx)),
  entry("recv ch1", (t) => new Chan<number>().recv(t.ctx)),
  entry("recv ch1", (t) => new Chan<number>().values(t.ctx).next()),
  entry("recv timer1", (t) => new time.Ticker(10).c.recv(t.ctx)),
  entry("recv timer1", (t) => time.tick(10).recv(t.ctx)),
  entry("select in: ch1, late: timer1", (t) => select({ in: new Chan(), late: time.after(10) }, t.ctx)),
  entry("sleep 10", (t) => time.sleep(10, t.ctx)),
  entry("lock mu1", (t) => locked(new sync.Mutex()).lock(t.ctx)),
  entry("lock rw1", (t) => locked(new sync.RWMutex()).lock(t.ctx)),
  entry("rLock rw1", (t) => locked(new sync.RWMutex()).rLock(t.ctx)),
  entry("cond.wait cond1", (t) => new sync.Cond(locked(new sync.Mutex())).wait(t.ctx)),
  entry("wg.wait wg1", (t) => waited().wait(t.ctx)),
  entry("acquire sem1 3", (t) => new semaphore.Weighted(2).acquire(3, t.ctx)),
  entry("singleflight.do flight1", (t) => new singleflight.Group().do("key", () => t.ctx.done().recv(), t.ctx)),
  entry("context.wait promise", (t) => context.wait(new Promise(() => {}), t.ctx)),
];

const atOnce: readonly Entry[] = [
  entry("send ch1 7", () => new Chan<number>(1).send(7)),
  entry("recv ch1 7", () => closed(7).recv()),
  entry("recv ch1 closed", () => closed().recv()),
  entry("recv ch1 7", () => closed(7).values().next()),
  entry("recv ch1 closed", () => closed().values().next()),
  entry("select in: ch1 → in 7", () => select({ in: closed(7) })),
  entry("select out: ch1 ← 7 → out", () => select({ out: sending(new Chan<number>(1), 7) })),
  entry('recv timer1 "2000-01-01T00:00:00.000Z"', () => time.after(0).recv()),
  entry("sleep 0", () => time.sleep(0)),
  entry("lock mu1", () => new sync.Mutex().lock()),
  entry("lock rw1", () => new sync.RWMutex().lock()),
  entry("rLock rw1", () => new sync.RWMutex().rLock()),
  entry("wg.wait wg1", () => new sync.WaitGroup().wait()),
  entry("acquire sem1 2", () => new semaphore.Weighted(2).acquire(2)),
  entry("group.wait group1", () => new errgroup.Group().wait()),
  entry("group.wait group1", (t) => errgroup.run(t.ctx, () => {})),
  entry("acquire worker.sem1 1", () => memoryBroker({ capacity: 1 }).publish(7)),
];

/** What a scheduling point would tell nobody anything: that a group has room, that a loop has been left. */
const unseen: readonly Entry[] = [
  entry("group.go group1", () => new errgroup.Group().go(() => {})),
  entry("return ch1", () => closed().values().return!()),
];

/** Under a context that has ended, or on a channel that has been closed. */
const refused: readonly Entry[] = [
  entry("refuse send ch1 ClosedChannel: send on closed channel", () => closed().send(7)),
  entry("refuse send ch1 context canceled", (t) => new Chan<number>(1).send(7, ended(t))),
  entry("refuse recv ch1 context canceled", (t) => closed(7).recv(ended(t))),
  entry("refuse recv ch1 context canceled", (t) => closed(7).values(ended(t)).next()),
  entry("refuse select in: ch1 context canceled", (t) => select({ in: closed(7) }, ended(t))),
  entry("refuse sleep context canceled", (t) => time.sleep(0, ended(t))),
  entry("refuse lock mu1 context canceled", (t) => new sync.Mutex().lock(ended(t))),
  entry("refuse lock rw1 context canceled", (t) => new sync.RWMutex().lock(ended(t))),
  entry("refuse rLock rw1 context canceled", (t) => new sync.RWMutex().rLock(ended(t))),
  entry("refuse cond.wait cond1 context canceled", (t) => new sync.Cond(locked(new sync.Mutex())).wait(ended(t))),
  entry("refuse wg.wait wg1 context canceled", (t) => new sync.WaitGroup().wait(ended(t))),
  entry("refuse acquire sem1 context canceled", (t) => new semaphore.Weighted(1).acquire(1, ended(t))),
  entry("refuse singleflight.do flight1 context canceled", (t) =>
    new singleflight.Group().do("key", forever, ended(t)),
  ),
  entry("refuse context.wait promise context canceled", (t) => context.wait(Promise.resolve(), ended(t))),
];

/** What is made of several operations, waiting in one of them. */
const composed: readonly Entry[] = [
  entry("sleep <ms>", async (t) => await retry.run(t.ctx, () => Promise.reject(new Error("failed")))),
  entry("acquire worker.sem1 1", async (t) => await fullBroker().publish(8, undefined, t.ctx)),
  entry("select news: worker.ch1, due: nil, done: t.ctx.done()", async (t) => await memoryBroker().pull(t.ctx, 1)),
  entry("group.wait worker.group1", async (t) => await worker(t.ctx, memoryBroker(), () => {})),
];

/** What a task called `waiter` waits in when there is nothing else to do. */
function waiterOf(t: Bubble): TaskInfo {
  return t.tasks().find(({ name }) => name === "waiter")!;
}

describe("an operation that waits", () => {
  it.each(waitingForEver)(
    "is shown as $shown in a deadlock, with the line of the call",
    async ({ shown, call, line }) => {
      let info: TaskInfo | undefined;
      let story: string[] = [];
      const error = await failureOf(
        bubble(async (t) => {
          go(async function waiter() {
            await call(t);
          });
          await t.wait();
          story = storyOf(t, "waiter");
          info = waiterOf(t);
          await forever();
        }),
        DeadlockError,
      );
      expect(story).toContain(`wait ${shown}`);
      expect(info).toMatchObject({ name: "waiter", state: "blocked", blockedOn: [shown], since: 0 });
      expect(info!.at).toContain(line);
      expect(error.tasks).toContainEqual(info);
      expect(error.message).toContain(`\n  waiter       blocked 0ms in ${shown} at ${info!.at}`);
    },
  );

  it.each(waitingForContext)("is shown as $shown, and so is its end by a context", ({ shown, call, line }) =>
    bubble(async (t) => {
      go(async function waiter() {
        expect(await errorOf(call(t) as Promise<unknown>)).toBe(t.ctx.err());
      });
      await t.yield();
      const info = waiterOf(t);
      expect(info).toMatchObject({ blockedOn: [shown] });
      expect(info.at).toContain(line);
      t.cancel();
      await t.yield();
      const end = new RegExp(`^fail ${shown.split(" ")[0]!}.* context canceled$`);
      expect(storyOf(t, "waiter")).toContainEqual(expect.stringMatching(end));
    }),
  );
});

describe("an operation that need not wait", () => {
  /** Makes the call while another task is ready: who came first, and what the caller did. */
  const inCompany = async (t: Bubble, call: Call): Promise<readonly [order: string, story: string[]]> => {
    const order: string[] = [];
    go(() => void order.push("other"));
    await errorOf(Promise.resolve(call(t)));
    order.push("caller");
    return [order.join(), storyOf(t, "main")];
  };

  it.each(atOnce)("lets the others go first all the same, and is shown as $shown", ({ shown, call }) =>
    bubble(async (t) => {
      const [order, story] = await inCompany(t, call);
      const [name] = shown.split(" ");
      expect(order).toBe("other,caller");
      expect(story).toContain(shown);
      expect(story.at(-1)).toMatch(new RegExp(`^resume ${name!}`));
    }),
  );

  it.each(refused)("lets the others go first if it fails, too, and is shown as $shown", ({ shown, call }) =>
    bubble(async (t) => {
      const [order, story] = await inCompany(t, call);
      const [, name] = shown.split(" ");
      expect(order).toBe("other,caller");
      expect(story).toContain(shown);
      expect(story.at(-1)).toMatch(new RegExp(`^fail ${name!}`));
    }),
  );

  it.each(unseen)("is no scheduling point where nobody could tell the difference: $shown", ({ call }) =>
    bubble(async (t) => {
      const [order] = await inCompany(t, call);
      expect(order).toBe("caller");
    }),
  );
});

describe("an operation that is refused by the option `fail`", () => {
  /** The operations of a group take no context and do not fail; those of the worker are its own business. */
  const mayFail = ({ shown }: Entry): boolean => !/^group\.|worker/.test(shown);

  it.each([...waitingForContext, ...atOnce].filter(mayFail))("rejects with its error: $shown", async ({ call }) => {
    const errors: unknown[] = [];
    const fail = new Error("refused");
    await explore(
      async (t) => {
        go(t.cancel);
        errors.push(await errorOf(Promise.resolve(call(t))));
      },
      { fail, cancel: false, randomRuns: 0 },
    );
    expect(errors).toContain(fail);
  });

  it.each(atOnce.filter((op) => !mayFail(op)))("is none of these: $shown", async ({ call }) => {
    const fail = new Error("refused");
    const report = await explore(async (t) => void (await call(t)), { fail, cancel: false, randomRuns: 0 });
    expect(report.schedules).toBe(1);
  });
});

describe("a name that was given", () => {
  const named: readonly (readonly [shown: string, call: Call])[] = [
    ["recv orders", (t) => t.name(new Chan(), "orders").recv()],
    ["select in: orders", (t) => select({ in: t.name(new Chan(), "orders") })],
    ["recv orders.done()", (t) => t.name(context.withCancel(t.ctx)[0], "orders").done().recv()],
    ["recv orders", (t) => t.name(time.after(Infinity), "orders").recv()],
    ["recv orders", (t) => t.name(new time.Timer(Infinity), "orders").c.recv()],
    ["lock orders", (t) => t.name(locked(new sync.Mutex()), "orders").lock()],
    ["rLock orders", (t) => t.name(locked(new sync.RWMutex()), "orders").rLock()],
    ["cond.wait orders", (t) => t.name(new sync.Cond(locked(new sync.Mutex())), "orders").wait()],
    ["wg.wait orders", (t) => t.name(waited(), "orders").wait()],
    ["acquire orders 3", (t) => t.name(new semaphore.Weighted(2), "orders").acquire(3)],
    ["singleflight.do orders", (t) => t.name(new singleflight.Group(), "orders").do("key", forever)],
    ["group.wait orders", (t) => t.name(full(), "orders").wait()],
  ];
  it.each(named)("is what reports and the trace use: %s", async (shown, call) => {
    let story: string[] = [];
    const { tasks } = await failureOf(
      bubble(async (t) => {
        const never = call(t);
        story = storyOf(t, "main");
        await never;
      }),
      DeadlockError,
    );
    expect(story).toContain(`wait ${shown}`);
    expect(tasks[0]).toMatchObject({ name: "main", blockedOn: [shown] });
  });

  it("of a task is that of the function, or what it was called before its start", () =>
    bubble(async (t) => {
      // oxlint-disable-next-line headgate/group-wait -- the bubble waits for its tasks
      const group = new errgroup.Group();
      const wait = async (): Promise<void> => void (await t.ctx.done().recv());
      go(wait);
      void group.go(wait);
      new sync.WaitGroup().go(t.name(async () => wait(), "keeper"));
      await t.wait();
      expect(t.tasks().map(({ name }) => name)).toEqual(["main", "wait", "wait2", "keeper"]);
    }));
});

describe("what is made of several operations", () => {
  it.each(composed)("is shown as $shown while it waits in that, with the line of the call", ({ shown, call, line }) =>
    bubble(async (t) => {
      go(async function waiter() {
        await errorOf(call(t) as Promise<unknown>);
      });
      await t.wait();
      const info = waiterOf(t);
      expect(info.state).toBe("blocked");
      // The pause of a retry is random.
      expect(info.blockedOn.map((text) => text.replace(/^sleep \d+(\.\d+)?$/, "sleep <ms>"))).toEqual([shown]);
      expect(info.at).toContain(line);
      t.cancel();
    }),
  );
});

it("the test's own operations are shown, too", () =>
  bubble(async (t) => {
    await t.yield();
    await t.sleep(10);
    await t.wait();
    expect(await t.external(Promise.resolve(7))).toBe(7);
    expect(storyOf(t, "main").filter((text) => text.startsWith("wait"))).toEqual([
      "wait yield",
      "wait t.sleep 10",
      "wait t.wait",
      "wait t.wait",
      "wait external",
    ]);
  }));
