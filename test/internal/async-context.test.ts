/**
 * Whose async context (AsyncLocalStorage) code runs in: that of the call that handed it over, whatever lets it start.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { Chan, context, errgroup, go, retry, select, singleflight, sync, time } from "headgate";
import { bubble } from "headgate/testing";
import { describe, expect, it } from "vitest";

const als = new AsyncLocalStorage<string>();
const store = (): string => als.getStore() ?? "none";

/** A turn so long that settlements are deferred to the next, which other code has armed. */
async function inLongTurn(act: () => void): Promise<void> {
  const busy = (): void => {
    for (const end = performance.now() + 3; performance.now() < end;);
  };
  const ch = new Chan<number>(1);
  await als.run("who holds back", async () => {
    for (let i = 0; i < 4; i++) {
      busy();
      for (let n = 0; n < 200; n++) {
        ch.trySend(n);
        await ch.recv();
      }
    }
    busy();
    for (let n = 0; n < 300; n++) void new Chan(1).send(n);
    act();
  });
}

type Seen = (who: string) => void;

/** Each hands functions over in the context `who`; other code lets them start. */
const handed: Record<string, (seen: Seen) => Promise<unknown>> = {
  "a task of a group behind a limit": async (seen) => {
    const group = new errgroup.Group();
    group.setLimit(1);
    const task = async (): Promise<void> => {
      await time.sleep(1);
      seen(store());
    };
    for (const who of ["A", "B", "C"]) als.run(who, () => void group.go(task));
    await group.wait();
  },
  "what it awaits": async (seen) => {
    const group = new errgroup.Group();
    group.setLimit(1);
    for (const who of ["A", "B", "C"]) {
      als.run(
        who,
        () =>
          void group.go(async () => {
            await Promise.resolve();
            seen(store());
          }),
      );
    }
    await group.wait();
  },
  "time.afterFunc": async (seen) => {
    const done = new sync.WaitGroup();
    done.add(3);
    als.run("X", () => void time.sleep(5));
    for (const [i, who] of ["A", "B", "C"].entries()) {
      als.run(who, () => time.afterFunc(10 + i, () => (seen(store()), done.done())));
    }
    await done.wait();
  },
  "time.afterFunc, set again by other code": async (seen) => {
    const done = new sync.WaitGroup();
    for (const who of ["A", "B", "C"]) {
      done.add(2);
      const timer = als.run(who, () => time.afterFunc(1, () => (seen(store()), done.done())));
      als.run("X", () => void time.sleep(3).then(() => timer.reset(1)));
    }
    await done.wait();
  },
  "context.afterFunc at a deadline": async (seen) => {
    als.run("X", () => void time.sleep(2));
    const [ctx] = als.run("Y", () => context.withTimeout(context.background(), 4));
    for (const who of ["A", "B", "C"]) als.run(who, () => context.afterFunc(ctx, () => seen(store())));
    await ctx.done().recv();
    await time.sleep(1);
  },
  "context.afterFunc at a cancel": async (seen) => {
    const [ctx, cancel] = context.withCancel(context.background());
    for (const who of ["A", "B", "C"]) als.run(who, () => context.afterFunc(ctx, () => seen(store())));
    als.run("X", cancel);
    await time.sleep(1);
  },
  "the function of singleflight": async (seen) => {
    const group = new singleflight.Group<string, void>();
    await Promise.all(["A", "B", "C"].map((who) => als.run(who, () => group.do(who, () => seen(store())))));
  },
  "go, wg.go and tasks of a group": async (seen) => {
    const wg = new sync.WaitGroup();
    als.run("A", () => wg.go(() => seen(store())));
    als.run("B", () => go(() => seen(store())));
    const group = new errgroup.Group();
    als.run("C", () => void group.go(() => seen(store())));
    await Promise.all([wg.wait(), group.wait()]);
  },
  "a try of retry, after a pause": async (seen) => {
    await Promise.all(
      ["A", "B", "C"].map((who) =>
        als.run(who, () =>
          retry.run(
            context.background(),
            (_, attempt) => (attempt < 2 ? Promise.reject(new Error("no")) : seen(store())),
            { base: 2 },
          ),
        ),
      ),
    );
  },
  "the body and the tasks of errgroup.run": async (seen) => {
    await Promise.all(
      ["A", "B", "C"].map((who) =>
        als.run(who, () => errgroup.run(context.background(), (group) => group.go(() => seen(store())))),
      ),
    );
  },
  "who waits in any operation": async (seen) => {
    const ch = new Chan<number>();
    const waiting = [
      als.run("A", async () => (await ch.recv(), seen(store()))),
      als.run("B", async () => (await select({ ch }), seen(store()))),
      als.run("C", async () => (await ch.values().next(), seen(store()))),
    ];
    await als.run("X", async () => {
      for (let n = 0; n < 3; n++) await ch.send(n);
    });
    await Promise.all(waiting);
  },
};

describe("code runs in the async context of the call that handed it over:", () => {
  it.each(Object.keys(handed))("%s", async (name) => {
    const seen: string[] = [];
    await als.run("test", () => handed[name]!((who) => seen.push(who)));
    expect([...new Set(seen)].sort()).toEqual(["A", "B", "C"]);
  });

  it.each(Object.keys(handed))("%s, in a bubble", async (name) => {
    const seen: string[] = [];
    await als.run("test", () => bubble(async () => void (await handed[name]!((who) => seen.push(who)))));
    expect([...new Set(seen)].sort()).toEqual(["A", "B", "C"]);
  });

  it("in a turn so long that starts are deferred", async () => {
    const seen: string[] = [];
    const wg = new sync.WaitGroup();
    const [ended, cancel] = context.withCancel(context.background());
    const flights = new singleflight.Group<number, void>();
    // oxlint-disable-next-line headgate/group-wait -- the WaitGroup counts its tasks, too
    const group = new errgroup.Group();
    const note = (who: string): void => {
      seen.push(`${who}:${store()}`);
      wg.done();
    };
    await inLongTurn(() => {
      for (let i = 0; i < 100; i++) {
        const who = `task ${i}`;
        wg.add(5);
        als.run(who, () => {
          go(() => note(who));
          void group.go(() => note(who));
          void flights.do(i, () => note(who));
          context.afterFunc(ended, () => note(who));
          wg.go(() => note(who));
        });
      }
      cancel();
    });
    await wg.wait();
    expect(seen.length).toBe(500);
    expect(seen.filter((line) => line !== `${line.split(":")[0]}:${line.split(":")[0]}`)).toEqual([]);
  });
});

it("an abort listener runs in the async context of the call that cancels", () => {
  const [ctx, cancel] = context.withCancel(context.background());
  const seen: string[] = [];
  als.run("listens", () => ctx.signal.addEventListener("abort", () => seen.push(store())));
  als.run("cancels", cancel);
  expect(seen).toEqual(["cancels"]);
});
