/**
 * In whose async context code runs in a bubble: always in that of the call that handed it over, as in production, whoever lets it start.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { Chan, context, errgroup, go, singleflight, sync, time } from "headgate";
import { type Bubble, bubble, explore } from "headgate/testing";
import { describe, expect, it } from "vitest";

const store = new AsyncLocalStorage<string>();

/** Calls `begin` in the context "A", with a callback that writes down in whose context it runs; the rest happens in others. */
const cases: [string, (t: Bubble, seen: () => void) => Promise<void>][] = [
  [
    "a task of go",
    async (t, seen) => {
      store.run("A", () => go(seen));
      await store.run("B", () => t.wait());
    },
  ],
  [
    "a task of a group",
    async (t, seen) => {
      const group = new errgroup.Group();
      await store.run("A", () => group.go(seen));
      await store.run("B", () => group.wait());
      await t.wait();
    },
  ],
  [
    "a task of a group behind a limit, which another's end lets start",
    async (_, seen) => {
      const group = new errgroup.Group();
      group.setLimit(1);
      await store.run("B", () => group.go(() => time.sleep(10)));
      const queued = store.run("A", () => group.go(seen));
      await store.run("C", () => group.wait());
      await queued;
    },
  ],
  [
    "a task of a WaitGroup",
    async (_, seen) => {
      const wg = new sync.WaitGroup();
      store.run("A", () => wg.go(seen));
      await store.run("B", () => wg.wait());
    },
  ],
  [
    "time.afterFunc, though another has set the clock",
    async (t, seen) => {
      store.run("B", () => go(() => time.sleep(20)));
      store.run("A", () => void time.afterFunc(40, seen));
      await store.run("C", () => t.sleep(100));
    },
  ],
  [
    "time.afterFunc that is set again by another",
    async (t, seen) => {
      const timer = store.run("A", () => time.afterFunc(40, seen));
      store.run("B", () => timer.reset(60));
      await store.run("C", () => t.sleep(100));
    },
  ],
  [
    "context.afterFunc at a cancel",
    async (t, seen) => {
      const [ctx, cancel] = context.withCancel(t.ctx);
      store.run("A", () => void context.afterFunc(ctx, seen));
      store.run("B", cancel);
      await t.wait();
    },
  ],
  [
    "context.afterFunc at a deadline that another has set",
    async (t, seen) => {
      const [ctx, cancel] = store.run("B", () => context.withTimeout(t.ctx, 20));
      using _ = cancel;
      store.run("A", () => void context.afterFunc(ctx, seen));
      await store.run("C", () => t.sleep(50));
    },
  ],
  [
    "context.afterFunc of a context that has ended",
    async (t, seen) => {
      const [ctx, cancel] = context.withCancel(t.ctx);
      cancel();
      store.run("A", () => void context.afterFunc(ctx, seen));
      await t.wait();
    },
  ],
  [
    "a flight that others join",
    async (_, seen) => {
      const flights = new singleflight.Group<string, void>();
      const both = [store.run("A", () => flights.do("key", seen)), store.run("B", () => flights.do("key", () => {}))];
      await Promise.all(both);
    },
  ],
  [
    "what follows an await of an operation that another has ended",
    async (t, seen) => {
      const ch = new Chan<number>();
      store.run("A", () =>
        go(async () => {
          await ch.recv();
          seen();
        }),
      );
      await store.run("B", () => ch.send(1));
      await t.wait();
    },
  ],
];

describe("code runs in the async context of the call that handed it over", () => {
  it.each(cases)("in a bubble: %s", async (_, scenario) => {
    const seen: unknown[] = [];
    await bubble((t) => scenario(t, () => void seen.push(store.getStore())));
    expect(seen).toEqual(["A"]);
  });

  it.each(cases)("in every schedule of explore: %s", async (_, scenario) => {
    const seen = new Set<unknown>();
    await explore((t) => scenario(t, () => void seen.add(store.getStore())), { cancel: false, randomRuns: 50 });
    expect([...seen]).toEqual(["A"]);
  });

  it("and so does the test's own function, in the context of the test", async () => {
    const seen: unknown[] = [];
    await store.run("A", () =>
      bubble(async (t) => {
        seen.push(store.getStore());
        await t.sleep(1);
        seen.push(store.getStore());
        await t.external(new Promise((resolve) => setTimeout(resolve, 1)));
        seen.push(store.getStore());
      }),
    );
    await store.run("B", () =>
      explore(async () => void seen.push(store.getStore()), { cancel: false, randomRuns: 0, bound: 0 }),
    );
    expect(seen).toEqual(["A", "A", "A", "B"]);
  });

  it("and the task that is queued is told by the line that asked for it", async () => {
    await bubble(async (t) => {
      const group = new errgroup.Group();
      group.setLimit(1);
      await group.go(() => time.sleep(10));
      const queued = group.go(async function second() {
        await new Promise((resolve) => setTimeout(resolve, 1));
        expect(t.tasks().find(({ name }) => name === "second")?.at).toContain("context-of-code.test.ts");
      });
      await queued;
      await group.wait();
    });
  });
});
