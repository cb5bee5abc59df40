/**
 * What operations cost, in what can be counted: microtasks until the caller resumes, promises made, bytes kept. Times are for `bench/`.
 *
 * A promise or a microtask more is how a fast path is lost unnoticed, and a few bytes more a context are what a server
 * with a million of them pays for.
 */
import { createHook } from "node:async_hooks";
import { Chan, context, errgroup, select, semaphore, sending, singleflight, sync, time, trySelect } from "headgate";
import { describe, expect, it } from "vitest";

const background = context.background();
const [live] = context.withCancel(background);
const RESOLVED = Promise.resolve();
const nothing = (): void => {};

// ------------------------------------------------------------------------------------------------------------ microtasks

/**
 * The number of microtasks from the end of `act` until the caller that awaits the promise of `begin` resumes. In a turn of the event loop
 * that has lasted for milliseconds, which is one of the machine's and not of ours, results wait for the next turn: then it is counted again.
 */
async function hops(begin: () => Promise<unknown>, act: () => unknown = () => {}): Promise<number> {
  for (;;) {
    let passed = 0;
    let isOver = false;
    const resumed = (async () => {
      await begin();
      isOver = true;
      return passed + 1;
    })();
    act();
    while (!isOver && passed < 1000) {
      await RESOLVED;
      passed++;
    }
    if (isOver) return resumed;
    await resumed;
  }
}

const buffered = (): Chan<number> => {
  const ch = new Chan<number>(1);
  ch.trySend(1);
  return ch;
};

describe("one microtask resumes the caller of", () => {
  for (const [what, operation] of Object.entries({
    "a send for which there is room": () => new Chan<number>(1).send(1),
    "a receive for which there is a value": () => buffered().recv(),
    "a receive under a ctx for which there is a value": () => buffered().recv(live),
    "a step of for await for which there is a value": () => buffered().values().next(),
    "a select with a case that is ready": () => select({ a: new Chan(), b: buffered() }),
    "a select with a send that is ready": () => select({ a: sending(new Chan<number>(1), 1) }),
    "errgroup's go when there is a slot": () => new errgroup.Group().go(nothing),
    "errgroup's wait when nothing runs": () => new errgroup.Group().wait(),
    "the lock of a mutex that is free": () => new sync.Mutex().lock(),
    "the rLock of a lock without writers": () => new sync.RWMutex().rLock(),
    "the wait of a WaitGroup at zero": () => new sync.WaitGroup().wait(),
    "an acquire for which there is enough": () => new semaphore.Weighted(1).acquire(),
    "a sleep of 0 ms": () => time.sleep(0),
  })) {
    it(what, async () => {
      expect(await hops(operation)).toBe(1);
    });
  }

  it("a receive that waits, when the value is sent", async () => {
    const ch = new Chan<number>();
    expect(
      await hops(
        () => ch.recv(),
        () => ch.trySend(1),
      ),
    ).toBe(1);
  });

  it("a send that waits, when the value is taken", async () => {
    const ch = new Chan<number>();
    expect(
      await hops(
        () => ch.send(1),
        () => ch.tryRecv(),
      ),
    ).toBe(1);
  });

  it("a step of for await that waits, when the value is sent", async () => {
    const ch = new Chan<number>();
    expect(
      await hops(
        () => ch.values().next(),
        () => ch.trySend(1),
      ),
    ).toBe(1);
  });

  it("a select that waits, when one of its cases is ready", async () => {
    const ch = new Chan<number>();
    expect(
      await hops(
        () => select({ a: new Chan(), b: ch }, live),
        () => ch.trySend(1),
      ),
    ).toBe(1);
  });

  it("a receive that waits under a ctx, when the ctx ends", async () => {
    const [ctx, cancel] = context.withCancel(background);
    const refused = (): Promise<unknown> => new Chan<number>().recv(ctx).catch(nothing);
    // One more is the catch.
    expect(await hops(refused, cancel)).toBe(2);
  });

  it("a lock that waits, when the mutex is unlocked", async () => {
    const mutex = new sync.Mutex();
    mutex.tryLock();
    expect(
      await hops(
        () => mutex.lock(),
        () => mutex.unlock(),
      ),
    ).toBe(1);
  });
});

// --------------------------------------------------------------------------------------------------------------- promises

/**
 * How many promises `act` makes. It must be synchronous. In a turn of the event loop that has lasted for milliseconds results are held back
 * by a promise more: so it is the least of some turns, and none of them begins with `act`.
 */
async function promises(act: () => unknown): Promise<number> {
  let least = Infinity;
  for (let round = 0; round < 5; round++) {
    await new Promise((resolve) => setImmediate(resolve));
    for (let i = 0; i < 200; i++) void buffered().recv();
    let made = 0;
    const hook = createHook({
      init: (_id, type) => {
        if (type === "PROMISE") made++;
      },
    });
    hook.enable();
    act();
    hook.disable();
    least = Math.min(least, made);
  }
  return least;
}

describe("the promises made by", () => {
  const cancelled = (): void => context.withCancel(live)[1]();
  const meet = (): void => {
    const ch = new Chan<number>();
    void ch.recv();
    void ch.send(1);
  };
  for (const [what, act, made] of [
    ["a send for which there is room: none, for they all share one", () => new Chan<number>(1).send(1), 0],
    ["a receive that waits and the send that serves it: one", meet, 1],
    ["a receive for which there is a value: one", () => buffered().recv(), 1],
    ["a receive that waits: one", () => new Chan().recv(), 1],
    ["a receive that waits under a ctx: one", () => new Chan().recv(live), 1],
    ["a select that waits for ten: one", () => select(Array.from({ length: 10 }, () => new Chan())), 1],
    ["trySend, tryRecv and trySelect: none", () => trySelect({ a: sending(buffered(), 1), b: new Chan() }), 0],
    ["a context that is made and cancelled: none", cancelled, 0],
    ["a deadline that is set and cancelled: none", () => context.withTimeout(live, 60_000)[1](), 0],
    ["an acquire for which there is enough: one, for its guard", () => new semaphore.Weighted(1).acquire(), 1],
    ["a call of singleflight: two, the caller's and the task's", () => new singleflight.Group().do(1, () => 1), 2],
  ] as const) {
    it(what, async () => {
      expect(await promises(act)).toBe(made);
    });
  }
});

// ------------------------------------------------------------------------------------------------------------------ bytes

/** The bytes of the heap in use, without garbage. */
function heapUsed(): number {
  for (let i = 0; i < 4; i++) globalThis.gc!();
  return process.memoryUsage().heapUsed;
}

/**
 * The bytes that `make(n)` leaves behind, for each of n. If they are more than `most`, the least of five rounds: what V8 compiles in the
 * background counts to the round in which it ends, and on a busy machine that was half a byte for each of 50 000.
 */
function retained(n: number, most: number, make: (n: number) => unknown, drop: () => void = nothing): number {
  let least = Infinity;
  make(1000);
  drop();
  for (let round = 0; round < 5 && least > most; round++) {
    const before = heapUsed();
    const kept = make(n);
    least = Math.min(least, (heapUsed() - before) / n);
    expect(kept).toBeDefined();
    drop();
  }
  return least;
}

describe("the memory of", () => {
  const many = 50_000;
  for (const [what, most, make] of [
    ["a channel", 168, (n: number) => Array.from({ length: n }, () => new Chan())],
    [
      "a receiver that waits, its promise included",
      330,
      (n: number) => {
        const ch = new Chan();
        for (let i = 0; i < n; i++) void ch.recv();
        return ch;
      },
    ],
    [
      "a child context",
      84,
      (n: number) => {
        const parent = context.withCancel(background);
        for (let i = 0; i < n; i++) context.withCancel(parent[0]);
        return parent;
      },
    ],
    [
      // 240 of them keep the async context of the call, in which it will start.
      "a task that waits for its slot, its promise included",
      570,
      (n: number) => {
        const group = new errgroup.Group();
        group.setLimit(0);
        // oxlint-disable-next-line headgate/floating -- they wait for a slot for ever
        for (let i = 0; i < n; i++) void group.go(nothing);
        return group;
      },
    ],
  ] as const) {
    it(`${what}: at most ${most} bytes`, () => {
      expect(retained(many, most, make)).toBeLessThanOrEqual(most);
    });
  }

  it("a context with a deadline: at most 233 bytes", () => {
    const cancels: (() => void)[] = [];
    const make = (n: number): unknown => {
      const [parent, cancel] = context.withCancel(background);
      for (let i = 0; i < n; i++) context.withTimeout(parent, 3_600_000 + (i % 1000));
      cancels.push(cancel);
      return parent;
    };
    const bytes = retained(many, 233, make, () => cancels.splice(0).forEach((cancel) => cancel()));
    expect(bytes).toBeLessThanOrEqual(233);
  });

  it("200 000 contexts, deadlines and guarded waits that have ended: nothing", async () => {
    const [parent] = context.withCancel(background);
    const ch = new Chan<number>();
    const round = async (n: number): Promise<void> => {
      for (let i = 0; i < n; i++) {
        const [ctx, cancel] = context.withTimeout(parent, 60_000);
        const received = ch.recv(ctx);
        if (i % 2 === 0) ch.trySend(i);
        cancel();
        await received.catch(nothing);
      }
    };
    await round(2000);
    const before = heapUsed();
    await round(200_000);
    expect((heapUsed() - before) / 200_000).toBeLessThan(1);
  });
});
