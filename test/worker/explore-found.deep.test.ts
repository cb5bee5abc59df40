/**
 * What exploring a worker finds: that whoever breaks one of its invariants is found out, and where; so the explorations
 * that find nothing say something.
 */
import { context, go, time } from "headgate";
import { explore, ScheduleError } from "headgate/testing";
import { type Handler, memoryBroker, Permanent, type Source, worker } from "headgate/worker";
import { describe, expect, it } from "vitest";
import { account } from "./harness.ts";
import type { D } from "./explore-broker.ts";
import { type Mode, scenario } from "./explore.ts";

type Worker = typeof worker<D>;

/** A worker whose source has some of its calls replaced. */
function instead(calls: (source: Source<D>, stop: context.Context) => Partial<Source<D>>): Worker {
  return (stop, source, handle, options) => {
    return worker(stop, Object.assign(Object.create(source) as Source<D>, calls(source, stop)), handle, options);
  };
}

const everywhere = { search: false, signals: 2 } as const;

/** The first schedule in which it goes wrong. */
async function failure(mode: Mode, broken: Worker, options: Parameters<typeof explore>[1] = everywhere) {
  const error: unknown = await explore(scenario(mode, { worker: broken }), options).catch((error) => error);
  if (error instanceof ScheduleError) return error;
  throw new Error(`no schedule was found that fails; instead: ${String(error)}`);
}

describe("when nobody stops it, nothing shows; but it is found out that a worker", () => {
  it.each<[what: string, invariant: string, broken: Worker]>([
    [
      "loses the acks when it is stopped",
      "I1",
      instead((source, stop) => ({ ack: async (ctx, ds) => (stop.err() ? [] : source.ack(ctx, ds)) })),
    ],
    [
      "tells the broker twice when it is stopped",
      "I1",
      instead((source, stop) => ({
        async nack(ctx, items) {
          if (stop.err()) await source.nack(ctx, items);
          return source.nack(ctx, items);
        },
      })),
    ],
    [
      "acks what it pulls when it is stopped, before it has handled it",
      "I2",
      instead((source, stop) => ({
        async pull(ctx, max) {
          const deliveries = await source.pull(ctx, max);
          if (stop.err() && deliveries.length > 0) await source.ack(context.withoutCancel(ctx), deliveries);
          return deliveries;
        },
      })),
    ],
    [
      "gives back when it is stopped what it has handled",
      "I3",
      instead((source, stop) => ({
        ack(ctx, ds) {
          const items = ds.map((delivery) => ({ delivery, delay: 0, reason: "released" as const }));
          return stop.err() ? source.nack(ctx, items) : source.ack(ctx, ds);
        },
      })),
    ],
    [
      "goes on starting handlers when it is stopped",
      "I4",
      (stop, source, handle, options) => worker(context.withoutCancel(stop), source, handle, options),
    ],
    [
      "takes a cancelled handler for a failed one",
      "I8",
      (stop, source, handle, options) => {
        const started = new Set<D>();
        const failed = { delay: 3, reason: "failed" } as const;
        const nack: Source<D>["nack"] = (ctx, items) =>
          source.nack(
            ctx,
            items.map((item) => (started.has(item.delivery) ? { ...item, ...failed } : item)),
          );
        const begin: Handler<D> = (ctx, delivery) => (started.add(delivery), handle(ctx, delivery));
        return instead(() => ({ nack }))(stop, source, begin, options);
      },
    ],
    [
      "rejects when it is stopped",
      "I8",
      async (stop, source, handle, options) => {
        const report = await worker(stop, source, handle, options);
        if (stop.err() !== undefined) throw stop.err();
        return report;
      },
    ],
  ])("%s (%s)", async (_, invariant, broken) => {
    await explore(scenario("plain", { worker: broken }), { cancel: false, bound: 0, randomRuns: 0 });
    const error = await failure("plain", broken);
    expect(error.message).toContain(`(${invariant})`);
    expect(error.replay).toMatch(/^0!c\d+(!a\d+)?$/);
    const again = await failure("plain", broken, { replay: error.replay });
    expect(String(again.cause)).toBe(String(error.cause));
  });
});

describe("it is found out that a worker", () => {
  it.each<[what: string, invariant: string, mode: Mode, broken: Worker]>([
    [
      "calls its handler twice",
      "I4",
      "plain",
      (stop, source, handle, options) =>
        worker(stop, source, (ctx, delivery) => Promise.all([handle(ctx, delivery), handle(ctx, delivery)]), options),
    ],
    [
      "runs one handler too many",
      "I4",
      "plain",
      (stop, source, handle, options) => worker(stop, source, handle, { ...options, concurrency: 3, prefetch: 0 }),
    ],
    [
      "holds one message too many",
      "I5",
      "plain",
      (stop, source, handle, options) => worker(stop, source, handle, { ...options, prefetch: 2 }),
    ],
    [
      "takes its time to stop",
      "I6",
      "a handler never returns",
      (stop, source, handle, options) => worker(stop, source, handle, { ...options, grace: 120 }),
    ],
    [
      "takes its time to abort",
      "I6",
      "a handler never returns",
      (stop, source, handle, options) => worker(stop, source, handle, { ...options, abortWindow: 40 }),
    ],
    [
      "forgets to count",
      "I7",
      "plain",
      async (stop, source, handle, options) => {
        const report = await worker(stop, source, handle, options);
        options!.progress!.running++;
        return report;
      },
    ],
    [
      "leaves a task behind",
      "I7",
      "plain",
      async (stop, source, handle, options) => {
        go(() => context.wait(new Promise(() => {}), stop).catch(() => {}));
        return worker(stop, source, handle, options);
      },
    ],
  ])("%s (%s)", async (_, invariant, mode, broken) => {
    expect((await failure(mode, broken)).message).toContain(`(${invariant})`);
  });

  it.each<[what: string, left: RegExp, leave: (stop: context.Context) => unknown]>([
    ["a timer", /1 timer\(s\) still set/, () => time.afterFunc(1_000, () => {})],
    [
      "a context",
      /1 context\(s\) that were never cancelled/,
      (stop) => context.withCancel(context.withoutCancel(stop)),
    ],
  ])("leaves %s behind (I7)", async (_, left, leave) => {
    const error = await failure("plain", (stop, source, handle, options) => {
      leave(stop);
      return worker(stop, source, handle, options);
    });
    expect(error.message).toMatch(left);
  });
});

describe("a handler that throws before its ctx has ended", () => {
  it("has failed, even if the abort comes in that very moment (I8)", async () => {
    await explore(async (t) => {
      const broker = memoryBroker<string>();
      await broker.publish("poison");
      broker.end();
      let hadEnded = true;
      const handle = async (ctx: context.Context): Promise<void> => {
        await time.sleep(1, ctx);
        hadEnded = ctx.err() !== undefined;
        throw new Permanent("no use");
      };
      const report = await worker(context.background(), broker, handle, { abort: t.ctx, concurrency: 1 });
      if (!hadEnded) expect(account(report)).toBe("1 pulled: 1 dead");
    });
  });
});
