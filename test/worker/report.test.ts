/**
 * The account of a worker as it is read: what it keeps, what it says of its source, and what lands in a log.
 */
import { inspect } from "node:util";
import { context, time } from "headgate";
import {
  type Delivery,
  memoryBroker,
  Permanent,
  type Report,
  type Source,
  worker,
  type WorkerEvent,
  type WorkerOptions,
} from "headgate/worker";
import { describe, expect, it } from "vitest";
import { elapse, virtualTime } from "../support/clock.ts";
import { odd } from "../support/foreign.ts";
import { givenIn } from "../support/errors.ts";

type D = Delivery<string>;
const background = context.background();
const boom = new Error("boom", { cause: new Error("inner") });

/** A source of n messages, with what it is told of. */
function sourceOf(n: number, calls: Partial<Source<D>> = {}): Source<D> {
  let given = 0;
  return {
    get ended() {
      return given >= n;
    },
    pull: async (_, max) =>
      Array.from({ length: Math.min(max, n - given) }, () => {
        given++;
        return { id: `d${given}`, body: `secret ${given}`, key: `secret key ${given}`, attributes: { secret: "yes" } };
      }),
    ack: async () => {},
    nack: async () => {},
    ...calls,
  };
}

const idsOf = (report: Report<D>): string[] => report.leftovers.map(({ delivery }) => delivery.id);

describe("the dead messages of a source without deadLetter", () => {
  const poison = (): never => {
    throw new Permanent("no use");
  };

  it("are all counted, the last of them named, and each told to observe", async () => {
    const told: string[] = [];
    const observe = (event: WorkerEvent<D>): void => {
      if (event.type === "leftover") told.push(`${event.delivery.id} ${event.verdict} ${String(event.error)}`);
    };
    const report = await worker(background, sourceOf(10), poison, { leftovers: 3, concurrency: 1, observe });
    expect([report.pulled, report.dead, report.unnamed]).toEqual([10, 10, 7]);
    expect(idsOf(report)).toEqual(["d8", "d9", "d10"]);
    expect(told).toEqual(Array.from({ length: 10 }, (_, i) => `d${i + 1} dead Permanent: no use`));
  });

  it.each([0, 1, 4, 5, 6, Infinity])("are named as far as %i goes", async (leftovers) => {
    const report = await worker(background, sourceOf(5), poison, { leftovers, concurrency: 1 });
    expect(idsOf(report)).toEqual(["d1", "d2", "d3", "d4", "d5"].slice(Math.max(0, 5 - leftovers)));
    expect(report.unnamed ?? 0).toBe(Math.max(0, 5 - leftovers));
  });

  it.each([-1, 1.5, NaN, "5"])("cannot be named in the number of %o", async (leftovers) => {
    const running = worker(background, sourceOf(1), poison, { leftovers: leftovers as number });
    await expect(running).rejects.toThrow(
      new RangeError(`worker: leftovers must be a whole number from 0; got ${givenIn(leftovers)}`),
    );
  });

  it("are not kept by a worker that runs for long: the heap stays as it was", async () => {
    const [many, first] = [60_000, 20_000];
    let handled = 0;
    let [before, after] = [NaN, NaN];
    const heap = (): number => (globalThis.gc!(), process.memoryUsage().heapUsed);
    const pull: Source<D>["pull"] = async (_, max) =>
      Array.from({ length: Math.min(max, many - handled) }, (_, i) => ({
        id: String(i),
        body: `${i}`.padStart(2_000, "x"),
      }));
    const source = sourceOf(0, { pull });
    Object.defineProperty(source, "ended", { get: () => handled >= many });
    await worker(background, source, async () => {
      if (++handled === first) before = heap();
      if (handled === many) after = heap();
      throw new Permanent("no use");
    });
    expect((after - before) / (many - first)).toBeLessThan(100);
  });
});

describe("the expired messages of a stop", () => {
  it("are all named, however many the worker holds", async () => {
    const [ctx, stop] = context.withCancel(background);
    const source = sourceOf(3_000, { nack: () => Promise.reject(boom) });
    const options = { concurrency: 2_000, prefetch: 1_000, batch: 3_000, grace: 50, abortWindow: 10, settle: 10 };
    let started = 0;
    const report = await worker(
      ctx,
      source,
      async (ctx) => {
        if (++started === 2_000) stop();
        await ctx.done().recv();
        throw boom;
      },
      options,
    );
    expect([report.pulled, report.expired, report.leftovers.length]).toEqual([3_000, 3_000, 3_000]);
    expect(report.unnamed).toBeUndefined();
  });
});

describe("a report as JSON", () => {
  async function reportOf(thrown: unknown, options: WorkerOptions<D> = {}, calls: Partial<Source<D>> = {}) {
    const [ctx, stop] = context.withCancelCause(background);
    return worker(
      ctx,
      sourceOf(2, calls),
      (_, { body }) => {
        stop(new Error("enough", { cause: boom }));
        if (body.includes("1")) throw new Permanent("no use", { cause: thrown });
      },
      { concurrency: 1, grace: 100, ...options },
    );
  }

  it("has its cause and the errors of its leftovers as texts, and nothing of a message but the id", async () => {
    const report = await reportOf(boom);
    const text = JSON.stringify(report);
    expect(JSON.parse(text)).toMatchObject({
      pulled: 2,
      dead: 1,
      stopped: "cancelled",
      cause: "Error: enough; caused by Error: boom; caused by Error: inner",
      leftovers: [
        { id: "d1", verdict: "dead", error: "Permanent: no use; caused by Error: boom; caused by Error: inner" },
      ],
    });
    expect(text).not.toContain("secret");
    expect(JSON.stringify({ report: { report } })).toContain("no use");
  });

  it("has what the source failed with, too", async () => {
    const report = await reportOf(boom, {}, { ack: () => Promise.reject(boom) });
    expect(JSON.parse(JSON.stringify(report))).toMatchObject({
      sourceErrors: { error: "Error: boom; caused by Error: inner", count: expect.any(Number) as number },
      leftovers: [{ id: "d1", error: expect.stringContaining("Error: boom") as string }],
    });
  });

  it.each(odd)("can be had when what was thrown is %s", async (_, make) => {
    const report = await reportOf(make());
    expect(() => JSON.stringify(report)).not.toThrow();
    expect(JSON.parse(JSON.stringify(report))).toMatchObject({ dead: 1 });
  });

  it("does not change how it shows itself, or what it is equal to", async () => {
    const report = await reportOf(boom);
    expect(Object.keys(report)).not.toContain("toJSON");
    expect(inspect(report)).not.toContain("toJSON");
    expect({ ...report }).toEqual(report);
  });
});

describe("a source that does nothing but fail", () => {
  virtualTime();

  function start(source: Source<D>, handle: () => unknown = () => undefined) {
    const [ctx, stop] = context.withCancel(background);
    const running = { stop, report: undefined as Report<D> | undefined, told: [] as string[] };
    const observe = (event: WorkerEvent<D>): void =>
      void (event.type === "trouble" && running.told.push(event.message));
    void worker(ctx, source, handle, { observe }).then((report) => (running.report = report));
    return running;
  }
  const wrong = new Error("there is no connection", {
    cause: new Error("WRONGTYPE Operation against a key holding the wrong kind of value"),
  });

  it("is told of once, in words, with what it said and what to do; and in the report", async () => {
    const running = start(sourceOf(1, { pull: () => Promise.reject(wrong) }));
    await elapse(4_000);
    expect(running.told).toEqual([]);
    await elapse(600_000);
    expect(running.told).toHaveLength(1);
    expect(running.told[0]).toMatch(
      /^worker: source\.pull has failed \d+ times in a row, for \d+ s: Error: there is no connection; caused by Error: WRONGTYPE/,
    );
    expect(running.told[0]).toContain("So nothing is pulled. It is tried again. If it can never succeed");
    running.stop();
    await elapse(25_000);
    const { sourceErrors, pulled } = running.report!;
    expect(pulled).toBe(0);
    expect(sourceErrors).toMatchObject({ call: "pull", error: wrong });
    expect(sourceErrors!.count).toBeGreaterThan(5);
    expect(sourceErrors!.trouble).toContain("WRONGTYPE");
  });

  it("says so in the report also if it is stopped before that", async () => {
    const running = start(sourceOf(1, { pull: () => Promise.reject(wrong) }));
    await elapse(100);
    running.stop();
    await elapse(25_000);
    expect(running.told).toEqual([]);
    expect(running.report!.sourceErrors!.trouble).toContain("WRONGTYPE");
  });

  it("is told of again when it fails again, after it has worked", async () => {
    let fails = true;
    const pull: Source<D>["pull"] = async (ctx) => {
      if (fails) throw wrong;
      await time.sleep(100, ctx).catch(() => {});
      return [];
    };
    const running = start(sourceOf(1, { pull }));
    await elapse(60_000);
    fails = false;
    await elapse(120_000);
    fails = true;
    await elapse(60_000);
    expect(running.told).toHaveLength(2);
    fails = false;
    await elapse(120_000);
    running.stop();
    await elapse(25_000);
    expect(running.report!.sourceErrors).toMatchObject({ call: "pull", error: wrong });
    expect(running.report!.sourceErrors!.trouble).toBeUndefined();
  });

  it("is no trouble if its pull rejects because the stop has begun", async () => {
    const pull: Source<D>["pull"] = async (ctx) => {
      await ctx.done().recv();
      throw ctx.err();
    };
    const running = start(sourceOf(1, { pull }));
    await elapse(100);
    running.stop();
    await elapse(25_000);
    expect(running.report!.sourceErrors).toBeUndefined();
  });

  it("is not in the report of a worker whose source has never failed", async () => {
    const running = start(sourceOf(1));
    await elapse(1_000);
    expect(running.report).toBeDefined();
    expect(Object.keys(running.report!)).not.toContain("sourceErrors");
  });
});

describe("a worker with room for a hundred thousand handlers", () => {
  it("starts them as they are needed: it takes no memory for those that are not", async () => {
    const heap = (): number => (globalThis.gc!(), process.memoryUsage().heapUsed);
    const broker = memoryBroker<number>();
    for (let i = 0; i < 500; i++) await broker.publish(i);
    broker.end();
    const gate = new Gate(500);
    let taken = NaN;
    const before = heap();
    const handle = async (): Promise<void> => {
      if (gate.enter() === 500) taken = heap() - before;
      await gate.opened;
    };
    const report = await worker(background, broker, handle, { concurrency: 100_000 });
    expect(report.acked).toBe(500);
    expect(taken).toBeLessThan(20e6);
  });

  it.each([1, 63, 64, 65, 200])("runs %i at once, and never more, if that is its concurrency", async (concurrency) => {
    const broker = memoryBroker<number>();
    for (let i = 0; i < 500; i++) await broker.publish(i, i % 3 === 0 ? { key: `k${i % 5}` } : {});
    broker.end();
    const gate = new Gate(concurrency);
    const handle = async (): Promise<void> => {
      gate.enter();
      await gate.opened;
      gate.leave();
    };
    const report = await worker(background, broker, handle, { concurrency });
    expect(report.acked).toBe(500);
    expect(gate.most).toBe(concurrency);
  });
});

/** Opens when so many are there. */
class Gate {
  most = 0;
  private now = 0;
  private readonly size: number;
  private open: () => void = () => {};
  readonly opened: Promise<void> = new Promise((resolve) => (this.open = resolve));

  constructor(size: number) {
    this.size = size;
  }

  enter(): number {
    this.most = Math.max(this.most, ++this.now);
    if (this.now === this.size) this.open();
    return this.now;
  }

  leave(): void {
    this.now--;
  }
}
