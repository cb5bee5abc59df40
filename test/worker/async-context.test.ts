/**
 * Whose asynchronous context (AsyncLocalStorage) code runs in: that of the call that handed it over, no matter who lets it start.
 */
import { AsyncLocalStorage } from "node:async_hooks";
import { context, type Context, errgroup, retry, time } from "headgate";
import { NotApplied, saga, type SagaOptions } from "headgate/saga";
import { type Delivery, memoryBroker, Permanent, type Source, worker } from "headgate/worker";
import { describe, expect, it } from "vitest";
import { elapse, virtualTime } from "../support/clock.ts";

const als = new AsyncLocalStorage<string>();
const background = context.background();

/** Where each kind of code has run; each must have run in one place only. */
class Places {
  private readonly seen = new Map<string, Set<string>>();

  note(what: string): void {
    const all = this.seen.get(what) ?? new Set();
    this.seen.set(what, all.add(als.getStore() ?? "none"));
  }

  get all(): Record<string, string> {
    return Object.fromEntries([...this.seen].map(([what, where]) => [what, [...where].sort().join(" and ")]));
  }
}

describe("everything that a worker is given runs in the context of the call of worker", () => {
  virtualTime();

  it.each([1, 4, 200])(
    "with %i handlers, no matter who publishes, ends its ctx, or makes room",
    async (concurrency) => {
      const places = new Places();
      const broker = memoryBroker<number>({ lease: 300 });
      const noting =
        <A extends unknown[], R>(what: string, call: (...args: A) => R) =>
        (...args: A): R => {
          places.note(what);
          return call(...args);
        };
      const source: Source<Delivery<number>> = {
        lease: broker.lease,
        get ended() {
          return broker.ended;
        },
        pull: noting("pull", broker.pull),
        ack: noting("ack", broker.ack),
        nack: noting("nack", broker.nack),
        deadLetter: noting("deadLetter", broker.deadLetter),
        extend: noting("extend", broker.extend),
      };
      const [ctx, stop] = context.withCancel(background);
      const handle = async (ctx: Context, { body, attempt }: Delivery<number>): Promise<void> => {
        places.note("handler");
        context.afterFunc(ctx, () => {});
        await time.sleep(50 + (body % 7) * 20, ctx);
        places.note("handler, later");
        if (body % 5 === 1 && attempt === 1) throw new Error("boom");
        if (body % 5 === 2) throw new Permanent("no use");
      };
      const running = als.run("worker", () =>
        worker(ctx, source, handle, {
          concurrency,
          backoff: noting("backoff", () => 10),
          observe: noting("observe", () => {}),
        }),
      );
      for (let i = 0; i < 300; i++) {
        await als.run("publisher", () => broker.publish(i, i % 3 === 0 ? { key: `k${i % 4}` } : {}));
        if (i % 50 === 49) await als.run("clock", () => elapse(100));
      }
      await als.run("clock", () => elapse(1_000));
      als.run("stopper", stop);
      await als.run("clock", () => elapse(30_000));
      await running;
      const expected = [
        "pull",
        "ack",
        "nack",
        "deadLetter",
        "extend",
        "handler",
        "handler, later",
        "backoff",
        "observe",
      ];
      expect(places.all).toEqual(Object.fromEntries(expected.map((what) => [what, "worker"])));
    },
  );
});

describe("everything that a saga is given runs in the context of the call of run", () => {
  virtualTime();

  const places = new Places();
  const attempted = async (what: string, attempt: number, ctx: Context): Promise<void> => {
    places.note(what);
    await time.sleep(10, ctx);
    places.note(what);
    if (attempt < 2) throw new Error("again");
  };
  const options: SagaOptions = {
    compensation: { retry: { tries: 3, base: 10 } },
    deadLetter: async () => {
      places.note("sink");
      await time.sleep(10);
      places.note("sink");
    },
    observe: () => places.note("observe"),
  };

  it("steps, undos, the sink and observe, no matter who ends its ctx", async () => {
    const [ctx, cancel] = context.withCancel(background);
    const order = als.run("maker", () =>
      saga("s")
        .step(
          "a",
          (ctx, { attempt }) => attempted("step", attempt, ctx),
          (ctx, { attempt }) => attempted("undo", attempt, ctx),
          {
            retry: { tries: 3, base: 10 },
          },
        )
        .step("b", () => 1)
        .step(
          "c",
          (ctx) =>
            ctx
              .done()
              .recv()
              .then(() => Promise.reject(new Error("cancelled"))),
          (ctx, { attempt }) => attempted("undo", attempt, ctx),
        ),
    );
    const run = als.run("run", () => order.run(ctx, 0, options));
    await als.run("clock", () => elapse(1_000));
    als.run("canceller", cancel);
    await als.run("clock", () => elapse(10_000));
    expect(await run).toMatchObject({ status: "dead-lettered", letters: [{ step: "b" }] });
    expect(places.all).toEqual({ step: "run", undo: "run", sink: "run", observe: "run" });
  });

  it("steps after a pivot, no matter who ends its ctx", async () => {
    const seen = new Places();
    const [ctx, cancel] = context.withCancel(background);
    const order = saga("s")
      .step(
        "a",
        () => 1,
        () => {},
        { pivot: true },
      )
      .step("b", async (_, { attempt }) => {
        seen.note("step");
        await time.sleep(100);
        seen.note("step");
        if (attempt < 3) throw new NotApplied();
      });
    const run = als.run("run", () => order.run(ctx, 0, options));
    await elapse(50);
    als.run("canceller", cancel);
    await als.run("clock", () => elapse(10_000));
    expect((await run).status).toBe("committed");
    expect(seen.all).toEqual({ step: "run" });
  });
});

describe("retry and errgroup.run", () => {
  virtualTime();

  it("call their function in the context of their own call, at each attempt", async () => {
    const places = new Places();
    const failing = als.run("retry", () =>
      retry.run(
        background,
        async (ctx, attempt) => {
          places.note("fn");
          await time.sleep(100, ctx).catch(() => {});
          places.note("fn");
          if (attempt < 4) throw new Error("again");
        },
        { base: 100, timeout: 50 },
      ),
    );
    // A timer of somebody else's is due first, and ours is armed by it.
    als.run("other", () => void time.sleep(1));
    await als.run("clock", () => elapse(10_000));
    await failing;
    const scope = als.run("scope", () => errgroup.run(background, () => places.note("body")));
    await scope;
    expect(places.all).toEqual({ fn: "retry", body: "scope" });
  });
});
