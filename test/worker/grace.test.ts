/**
 * The time a worker takes to stop: the grace, whatever never returns, and the abort. Unless a test says otherwise, the
 * grace is 1000 ms: handlers are cancelled 800 ms after the stop, and abandoned 900 ms after it.
 */
import { context, type Context, time } from "headgate";
import {
  type Delivery,
  type Handler,
  type MemoryBroker,
  Permanent,
  type Source,
  Stopping,
  worker,
  type WorkerOptions,
} from "headgate/worker";
import { afterEach, describe, expect, it, vi } from "vitest";
import type { CancelCtx } from "../../src/context/cancel.ts";
import { elapse, settle, timersSet, virtualTime } from "../support/clock.ts";
import { account, endingWithItsFirstPull, never, openBrokerOf, override, start as begin } from "./harness.ts";

const background = context.background();
const boom = new Error("boom");
const why = new Error("enough");

const limits = { grace: 1000, abortWindow: 100, settle: 100 };

/** A broker with the messages 1 to n, which may get more, and leases that do not matter. */
const brokerOf = (n: number, lease = 1e6): Promise<MemoryBroker<number>> => openBrokerOf(n, lease);

/** Starts a worker with these limits. */
const start = <T>(source: Source<Delivery<T>>, handle: Handler<Delivery<T>>, options?: WorkerOptions<Delivery<T>>) =>
  begin(source, handle, { ...limits, ...options });

describe("the grace", () => {
  virtualTime();
  afterEach(() => {
    vi.restoreAllMocks();
  });

  const slow: Handler = (ctx) => time.sleep(10_050, ctx);
  const failing: Handler = () => Promise.reject(boom);
  const hopeless: Handler = () => Promise.reject(new Permanent("no use"));
  const everything = { pull: never, ack: never, nack: never, deadLetter: never, extend: never };

  it.each<[what: string, handle: Handler, calls: Partial<Source<Delivery<number>>>, expected: string]>([
    ["a handler", never, {}, "3 pulled: 3 released"],
    ["pull", slow, { pull: never }, "0 pulled: "],
    ["ack", () => undefined, { ack: never }, "3 pulled: 3 expired"],
    ["nack", failing, { nack: never }, "3 pulled: 3 expired"],
    ["nack, for what a handler holds for ever,", never, { nack: never }, "3 pulled: 3 expired"],
    ["deadLetter", hopeless, { deadLetter: never }, "3 pulled: 3 expired"],
    ["extend", slow, { extend: never }, "3 pulled: 3 acked"],
    ["everything", never, everything, "0 pulled: "],
  ])("is kept, and nothing is left, when %s never returns", async (_, handle, calls, expected) => {
    const source = override(await brokerOf(3, 30_000), calls);
    // Nothing else would end the calls.
    const running = start(source, handle, { callTimeout: 1e6 });
    await elapse(10_005);
    running.stop(why);
    // Each stage in a step: the code of one runs before the next begins, on a busy machine, too.
    for (const ms of [800, 100, 100]) await elapse(ms);
    expect(account(running.report)).toBe(expected);
    expect(running.returned).toBeLessThanOrEqual(11_005);
    const { leftovers, expired } = running.report!;
    expect(leftovers).toHaveLength(expired);
    expect(leftovers.every(({ delivery, error }) => delivery.id !== "" && error instanceof Error)).toBe(true);
    expect([timersSet(), (running.aborted as CancelCtx).children]).toEqual([0, null]);
  });

  it("of 0 leaves no time for anything: what was held is named", async () => {
    const broker = await brokerOf(3);
    const running = start(broker, never, { concurrency: 2, prefetch: 1, grace: 0, abortWindow: 0, settle: 0 });
    await elapse(10);
    running.stop(why);
    await elapse(0);
    expect(account(running.report)).toBe("3 pulled: 3 expired");
    expect(running.report!.leftovers.map(({ delivery, verdict }) => [delivery.body, verdict])).toEqual(
      expect.arrayContaining([
        [1, "released"],
        [2, "released"],
        [3, "released"],
      ]),
    );
    expect([running.returned, running.report!.abandoned, timersSet()]).toEqual([10, 2, 0]);
  });

  it("begins with what was put off: a verdict that had been failing for long is told again at once", async () => {
    vi.spyOn(Math, "random").mockReturnValue(0.9);
    let works = false;
    const broker = await brokerOf(1);
    const ack: Source<Delivery<number>>["ack"] = (ctx, ds) => (works ? broker.ack(ctx, ds) : Promise.reject(boom));
    const running = start(override(broker, { ack }), () => undefined);
    await elapse(100_000);
    works = true;
    running.stop(why);
    await elapse(0);
    expect(account(running.report)).toBe("1 pulled: 1 acked");
  });

  it("bounds the ctx of the last calls, and the abort does so, too", async () => {
    for (const [end, left] of [
      ["stop", 1000],
      ["abort", 200],
    ] as const) {
      const deadlines: unknown[] = [];
      const broker = await brokerOf(5);
      const nack: Source<Delivery<number>>["nack"] = (ctx, items) => {
        deadlines.push(ctx.deadline()! - Date.now());
        return broker.nack(ctx, items);
      };
      const running = start(override(broker, { nack }), never, { concurrency: 2, prefetch: 3 });
      await elapse(10);
      running[end](why);
      await elapse(1000);
      expect(account(running.report)).toBe("5 pulled: 5 released");
      expect(deadlines).toEqual([left, 100]);
    }
  });

  it("is 25 s unless told otherwise, of which 2 s are for cancelled handlers and 2 s for the last calls", async () => {
    const broker = await brokerOf(1);
    const limits = { grace: undefined, abortWindow: undefined, settle: undefined } as object;
    const running = start(override(broker, { nack: never }), never, limits);
    await elapse(10);
    running.stop(why);
    await elapse(30_000);
    const at = ["draining at 10", "aborting at 21010", "settling at 23010", "done at 25010"];
    expect(running.phases).toEqual(at);
    expect(running.report!.phaseMs).toEqual({ draining: 21_000, aborting: 2000, settling: 2000 });
  });

  it("gives a fifth of itself to each of them, when it is short", async () => {
    const limits = { grace: 500, abortWindow: undefined, settle: undefined } as object;
    const running = start(override(await brokerOf(1), { nack: never }), never, limits);
    await elapse(10);
    running.stop(why);
    await elapse(1000);
    expect(running.phases).toEqual(["draining at 10", "aborting at 310", "settling at 410", "done at 510"]);
  });
});

describe("the abort", () => {
  virtualTime();
  const tooLate = new Error("at once");

  it("while draining cancels the handlers without waiting for the grace", async () => {
    const running = start(await brokerOf(3), (ctx, { body }) => (body === 1 ? never() : time.sleep(5000, ctx)));
    await elapse(10);
    running.stop(why);
    await elapse(90);
    running.abort(tooLate);
    await elapse(1000);
    expect(account(running.report)).toBe("3 pulled: 3 released");
    expect(running.report).toMatchObject({ abandoned: 1, stopped: "aborted", cause: tooLate });
    const at = ["draining at 10", "aborting at 100", "settling at 200", "done at 200"];
    expect([running.phases, running.returned]).toEqual([at, 200]);
  });

  it("without a stop stops and cancels at once, and gives back what waits", async () => {
    const broker = await brokerOf(5);
    const causes: unknown[] = [];
    const handle = async (ctx: Context): Promise<void> => {
      await ctx.done().recv();
      causes.push(context.cause(ctx), (context.cause(ctx) as Error).cause);
      throw ctx.err();
    };
    const running = start(broker, handle, { concurrency: 2 });
    await elapse(10);
    running.abort(tooLate);
    await elapse(0);
    expect(account(running.report)).toBe("4 pulled: 4 released");
    expect(running.report).toMatchObject({ started: 2, stopped: "aborted", cause: tooLate });
    expect(causes).toEqual([expect.any(Stopping), tooLate, expect.any(Stopping), tooLate]);
    expect(running.phases).toEqual(["aborting at 10", "done at 10"]);
    expect([(running.ctx as CancelCtx).children, timersSet()]).toEqual([null, 0]);
  });

  it.each(["stop", "abort"] as const)(
    "leaves a pull the abortWindow to come back, begun by a %s; what it brings is counted, and released",
    async (first) => {
      const broker = await brokerOf(3);
      let pulls = 0;
      const pull: Source<Delivery<number>>["pull"] = async (ctx, max) => {
        const deliveries = await broker.pull(ctx, ++pulls === 1 ? 1 : max);
        if (pulls === 1) return deliveries;
        await ctx.done().recv();
        await time.sleep(90);
        return deliveries;
      };
      const running = start(override(broker, { pull }), (ctx) => time.sleep(5000, ctx));
      await elapse(10);
      running[first](tooLate);
      running.abort(tooLate);
      await elapse(90);
      await elapse(0);
      expect(account(running.report)).toBe("3 pulled: 3 released");
      expect(running.returned).toBe(100);
      expect(await broker.pull(background, 10)).toMatchObject([{ attempt: 1 }, { attempt: 1 }, { attempt: 1 }]);
    },
  );

  it("gives up a pull that has not come back at the end of the abortWindow", async () => {
    const running = start(override(await brokerOf(0), { pull: never }), () => undefined);
    await elapse(10);
    running.abort(tooLate);
    await elapse(100);
    await elapse(0);
    expect(running.report).toMatchObject({ pulled: 0, stopped: "aborted", cause: tooLate });
    expect([running.returned, timersSet()]).toEqual([110, 0]);
  });

  it("in the very moment in which a handler ends lets no other start", async () => {
    const started: number[] = [];
    const running = start(
      await brokerOf(4),
      async (_, { body }) => {
        started.push(body);
        await time.sleep(10);
        if (body === 1) running.abort(tooLate);
      },
      { concurrency: 1 },
    );
    await elapse(1000);
    expect(started).toEqual([1]);
    expect(running.report).toMatchObject({ started: 1, acked: 1, stopped: "aborted" });
  });

  it("gives back at once what waits, though the handlers are deaf", async () => {
    const broker = await brokerOf(5);
    const running = start(broker, never, { concurrency: 2, prefetch: 3 });
    await elapse(10);
    running.abort(tooLate);
    await elapse(0);
    expect((await broker.pull(background, 10)).map(({ body }) => body)).toEqual([3, 4, 5]);
    await elapse(100);
    expect(account(running.report)).toBe("5 pulled: 5 released");
  });

  it("leaves abortWindow and settle, and no more, to a broker that never answers", async () => {
    const running = start(override(await brokerOf(3), { nack: never }), never, { concurrency: 2 });
    await elapse(10);
    running.abort(tooLate);
    await elapse(1000);
    expect(account(running.report)).toBe("3 pulled: 3 expired");
    expect([running.returned, timersSet()]).toEqual([210, 0]);
  });

  it("does not prolong the grace when it comes late", async () => {
    const running = start(override(await brokerOf(1), { nack: never }), never);
    await elapse(10);
    running.stop(why);
    await elapse(850);
    running.abort(tooLate);
    await elapse(1000);
    expect(running.phases).toEqual(["draining at 10", "aborting at 810", "settling at 910", "done at 1010"]);
    expect(account(running.report)).toBe("1 pulled: 1 expired");
  });

  it("before the start means that no handler starts", async () => {
    const [aborted, abort] = context.withCancelCause(background);
    abort(tooLate);
    const broker = await brokerOf(3);
    const running = worker(background, broker, () => undefined, { abort: aborted });
    await elapse(0);
    const report = await running;
    expect(report).toMatchObject({ started: 0, acked: 0, stopped: "aborted", cause: tooLate });
    expect(report.released).toBe(report.pulled);
    expect(broker.size).toBe(3);
  });

  it.each(["before the start", "while it runs"])("together with the stop, %s, counts as an abort", async (when) => {
    for (let i = 0; i < 20; i++) {
      const [aborted, abort] = context.withCancelCause(background);
      const [ctx] = context.withCancel(aborted);
      if (when === "before the start") abort(tooLate);
      const running = worker(ctx, await brokerOf(1), never, { ...limits, abort: aborted });
      await settle();
      abort(tooLate);
      await elapse(200);
      expect(await running).toMatchObject({ stopped: "aborted", cause: tooLate });
    }
  });

  it("also ends the wait for what was pulled from a source that has ended", async () => {
    const broker = await brokerOf(4);
    const source = endingWithItsFirstPull(broker);
    const running = start(source, (ctx) => time.sleep(1000, ctx), { concurrency: 1, prefetch: 3 });
    await elapse(10);
    running.abort(tooLate);
    await elapse(0);
    expect(account(running.report)).toBe("4 pulled: 4 released");
    expect(running.report).toMatchObject({ started: 1, stopped: "aborted" });
  });
});
