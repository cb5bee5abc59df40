/**
 * What a worker tells while it runs: its events, and the live counters of a Progress.
 */
import { context, type Context, time } from "headgate";
import {
  type Delivery,
  type MemoryBroker,
  Permanent,
  type Progress,
  type Source,
  type Verdict,
  worker,
  type WorkerEvent,
} from "headgate/worker";
import { describe, expect, it } from "vitest";
import { elapse, virtualTime } from "../support/clock.ts";
import { never, openBrokerOf } from "./harness.ts";

const background = context.background();
const boom = new Error("boom");

type D = Delivery<number>;
const ZERO: Progress = {
  pulled: 0,
  waiting: 0,
  running: 0,
  settling: 0,
  acked: 0,
  retried: 0,
  released: 0,
  dead: 0,
  expired: 0,
};

/** The broker, each call of which takes some ms. */
function slowed(broker: MemoryBroker<number>, ms: number): Source<D> {
  const slowly = (name: "ack" | "nack" | "deadLetter") => async (ctx: Context, items: never) => {
    await time.sleep(ms, ctx);
    return broker[name](ctx, items);
  };
  const calls = { ack: slowly("ack"), nack: slowly("nack"), deadLetter: slowly("deadLetter") };
  return Object.assign(Object.create(broker) as MemoryBroker<number>, calls);
}

/** All that can happen to a message, by the remainder of its number; half of the handlers are deaf. */
async function motley(ctx: Context, { body, attempt }: D): Promise<void> {
  if (body % 11 === 10) return never();
  await time.sleep(5 + ((body * 13) % 40), body % 2 === 0 ? ctx : undefined);
  if (body % 7 === 3 && attempt === 1) throw boom;
  if (body % 7 === 5) throw new Permanent("no use");
}

describe("the events of a worker", () => {
  virtualTime();

  it("tell the life of a message in order", async () => {
    const broker = await openBrokerOf(1);
    broker.end();
    const events: unknown[] = [];
    const handle = async (ctx: Context, { attempt }: D): Promise<void> => {
      await time.sleep(30, ctx);
      if (attempt === 1) throw boom;
    };
    const begun = Date.now();
    const running = worker(background, slowed(broker, 20), handle, {
      backoff: () => 50,
      observe: (event) => event.type !== "phase" && events.push([Date.now() - begun, event]),
    });
    await elapse(1000);
    await running;
    const first = expect.objectContaining({ body: 1, attempt: 1 }) as unknown;
    const second = expect.objectContaining({ body: 1, attempt: 2 }) as unknown;
    expect(events).toEqual([
      [0, { type: "pulled", count: 1 }],
      [0, { type: "started", delivery: first }],
      [30, { type: "finished", delivery: first, verdict: "retried", ms: 30, error: boom }],
      [50, { type: "settled", verdict: "retried", count: 1, ms: 20 }],
      [100, { type: "pulled", count: 1 }],
      [100, { type: "started", delivery: second }],
      [130, { type: "finished", delivery: second, verdict: "acked", ms: 30 }],
      [150, { type: "settled", verdict: "acked", count: 1, ms: 20 }],
    ]);
  });

  it("name every phase once, each from the one before", async () => {
    const [ctx, stop] = context.withCancel(background);
    const phases: unknown[] = [];
    const observe = (event: WorkerEvent<D>): void => {
      if (event.type === "phase") phases.push([event.from, event.to]);
    };
    const running = worker(ctx, await openBrokerOf(1), never, { grace: 100, observe });
    await elapse(1);
    stop();
    await elapse(100);
    await running;
    expect(phases).toEqual([
      ["running", "draining"],
      ["draining", "aborting"],
      ["aborting", "settling"],
      ["settling", "done"],
    ]);
  });

  it("count several messages of one call together, by their verdict", async () => {
    const broker = await openBrokerOf(6);
    broker.end();
    const settled: unknown[] = [];
    const observe = (event: WorkerEvent<D>): void => {
      if (event.type === "settled") settled.push([event.verdict, event.count]);
    };
    const lossy = Object.assign(Object.create(broker) as MemoryBroker<number>, {
      ack: async (ctx: Context, ds: readonly D[]) => {
        await time.sleep(10);
        await broker.ack(ctx, ds);
        return ds.filter(({ body }) => body === 5);
      },
    });
    const running = worker(background, lossy, (ctx, { body }) => time.sleep(body, ctx), { observe });
    await elapse(100);
    await running;
    expect(settled).toEqual([
      ["acked", 1],
      ["acked", 4],
      ["expired", 1],
    ]);
  });

  it("settle every message once, those included that the broker could not be told of", async () => {
    const broker = await openBrokerOf(5, 30);
    const [ctx, stop] = context.withCancel(background);
    const counts: unknown[] = [];
    const faulty = Object.assign(Object.create(broker) as MemoryBroker<number>, {
      extend: async (_: Context, ds: readonly D[]) => ds.filter(({ body }) => body === 1),
      ack: () => Promise.reject(boom),
    });
    const running = worker(ctx, faulty, (_, { body }) => time.sleep(body === 1 ? 20 : 5), {
      concurrency: 4,
      prefetch: 1,
      grace: 100,
      observe: (event) => event.type === "settled" && counts.push([event.verdict, event.count]),
    });
    await elapse(22);
    stop();
    await elapse(100);
    expect(await running).toMatchObject({ pulled: 5, expired: 5 });
    expect(counts).toEqual([
      ["expired", 1],
      ["expired", 4],
    ]);
  });

  it("tell late what an abandoned handler says, and only that", async () => {
    const broker = await openBrokerOf(2);
    const [ctx, stop] = context.withCancel(background);
    const events: WorkerEvent<D>[] = [];
    const handle = (_: Context, { body }: D): Promise<void> => time.sleep(body * 60);
    const running = worker(ctx, broker, handle, { grace: 100, observe: (event) => events.push(event) });
    await elapse(1);
    stop();
    await elapse(1000);
    expect(await running).toMatchObject({ pulled: 2, acked: 1, released: 1, abandoned: 1 });
    const late = events.filter((event) => event.type === "late");
    expect(late).toEqual([{ type: "late", delivery: expect.objectContaining({ body: 2 }) }]);
    expect(events.at(-1)).toBe(late[0]);
  });
});

describe("the progress of a worker", () => {
  virtualTime();

  it.each([0, 30])("adds up at every event, with a broker that takes %i ms, through all phases", async (ms) => {
    const broker = await openBrokerOf(200, 90);
    const progress: Progress = { ...ZERO };
    const wrong: unknown[] = [];
    const seen = new Set<string>();
    const settled: Record<Verdict, number> = { acked: 0, retried: 0, released: 0, dead: 0, expired: 0 };
    const [ctx, stop] = context.withCancel(background);
    const running = worker(ctx, slowed(broker, ms), motley, {
      concurrency: 16,
      prefetch: 8,
      batch: 10,
      grace: 500,
      backoff: () => 10,
      progress,
      observe(event) {
        const { pulled, waiting, running, settling, acked, retried, released, dead, expired } = progress;
        const sum = waiting + running + settling + acked + retried + released + dead + expired;
        if (event.type === "settled") settled[event.verdict] += event.count;
        if (pulled !== sum || Math.min(waiting, running, settling) < 0) wrong.push([event.type, { ...progress }]);
        seen.add(event.type);
      },
    });
    await elapse(400);
    stop();
    await elapse(500);
    const report = await running;
    expect(wrong).toEqual([]);
    expect(seen.size).toBeGreaterThanOrEqual(6);
    const { pulled, acked, retried, released, dead, expired } = report;
    expect(settled).toEqual({ acked, retried, released, dead, expired });
    expect(progress).toEqual({ ...ZERO, pulled, acked, retried, released, dead, expired });
    expect(Math.min(acked, retried, released, dead)).toBeGreaterThan(0);
  });

  it("is the caller's object, which shows where every message is", async () => {
    const progress: Progress = { ...ZERO, pulled: 99, expired: 99 };
    const [ctx, stop] = context.withCancel(background);
    const handle = (ctx: Context): Promise<void> => time.sleep(30, ctx);
    const running = worker(ctx, slowed(await openBrokerOf(9), 20), handle, { concurrency: 2, prefetch: 3, progress });
    expect(progress).toEqual(ZERO);
    await elapse(10);
    expect(progress).toEqual({ ...ZERO, pulled: 5, waiting: 3, running: 2 });
    await elapse(30);
    expect(progress).toEqual({ ...ZERO, pulled: 5, waiting: 1, running: 2, settling: 2 });
    await elapse(15);
    expect(progress).toEqual({ ...ZERO, pulled: 6, waiting: 2, running: 2, settling: 1, acked: 1 });
    stop();
    await elapse(0);
    expect(progress).toEqual({ ...ZERO, pulled: 6, running: 2, settling: 3, acked: 1 });
    await elapse(1000);
    expect(progress).toEqual({ ...ZERO, pulled: 6, acked: 4, released: 2 });
    expect(await running).toMatchObject({ pulled: 6, acked: 4, released: 2 });
  });
});
