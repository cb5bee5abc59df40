/**
 * What a worker does about errors of the functions it was given: they concern one message, or nothing. And what it
 * gives the calls of a source.
 */
import { context, type Context, time } from "headgate";
import { type Delivery, type Handler, memoryBroker, Permanent, type Source, worker } from "headgate/worker";
import { describe, expect, it } from "vitest";
import { elapse, virtualTime } from "../support/clock.ts";
import { account, brokerOf, override, start } from "./harness.ts";

const background = context.background();
const boom = new Error("boom");
const down = new Error("the broker is down");

type D = Delivery<number>;

describe("every call of a source", () => {
  virtualTime();

  it("gets a ctx with the values of the caller and a deadline of its own", async () => {
    const trace = context.key<string>("trace");
    const broker = memoryBroker<number>({ lease: 3000 });
    for (const n of [1, 2, 3]) await broker.publish(n);
    broker.end();
    const seen = new Map<string, unknown>();
    const noting = Object.fromEntries(
      (["pull", "ack", "nack", "deadLetter", "extend"] as const).map((name) => [
        name,
        (ctx: Context, what: never) => {
          seen.set(name, [ctx.value(trace), ctx.deadline()! - Date.now(), ctx.err()]);
          return broker[name](ctx, what);
        },
      ]),
    );
    const handle = async (ctx: Context, { body, attempt }: D): Promise<void> => {
      if (body === 2 && attempt === 1) throw boom;
      if (body === 3) throw new Permanent("no use");
      await time.sleep(1500, ctx);
    };
    const ctx = context.withValue(background, trace, "t-1");
    const running = worker(ctx, override(broker, noting), handle, { callTimeout: 4000, backoff: () => 0 });
    await elapse(5000);
    expect(account(await running)).toBe("4 pulled: 2 acked, 1 retried, 1 dead");
    expect(Object.fromEntries(seen)).toEqual({
      pull: ["t-1", 4000, undefined],
      ack: ["t-1", 4000, undefined],
      nack: ["t-1", 4000, undefined],
      deadLetter: ["t-1", 4000, undefined],
      extend: ["t-1", 1000, undefined],
    });
  });
});

describe("an error of", () => {
  virtualTime();

  it.each<[how: string, backoff: () => unknown]>([
    [
      "throws",
      () => {
        throw boom;
      },
    ],
    ["returns NaN", () => NaN],
    ["returns a negative number", () => -1],
    ["returns nothing", () => undefined],
    ["returns a promise", async () => 5],
  ])("a backoff that %s loses nothing: the message comes back all the same", async (_, backoff) => {
    const broker = await brokerOf(2);
    const delays: number[] = [];
    const nack: Source<D>["nack"] = (ctx, items) => {
      delays.push(...items.map(({ delay }) => delay));
      return broker.nack(ctx, items);
    };
    const handle: Handler<D> = (_ctx, { attempt }) => (attempt! < 3 ? Promise.reject(boom) : undefined);
    const running = start(override(broker, { nack }), handle, { backoff: backoff as () => number });
    await elapse(2000);
    expect(account(running.report)).toBe("6 pulled: 2 acked, 4 retried");
    expect(delays.filter((delay) => delay >= 0 && delay <= 1000)).toHaveLength(4);
  });

  it("an observer is ignored, whatever the event", async () => {
    const broker = await brokerOf(3);
    const types = new Set<string>();
    let calls = 0;
    const ack: Source<D>["ack"] = (ctx, ds) => (++calls === 1 ? Promise.reject(down) : broker.ack(ctx, ds));
    const running = start(override(broker, { ack }), (ctx) => time.sleep(15_000, ctx), {
      observe(event) {
        types.add(event.type);
        throw boom;
      },
    });
    await elapse(30_000);
    expect(account(running.report)).toBe("3 pulled: 3 acked");
    expect([...types].sort()).toEqual(["extended", "finished", "phase", "pulled", "settled", "sourceError", "started"]);
  });

  it("a handler concerns its own message alone", async () => {
    const broker = await brokerOf(20);
    const handle: Handler<D> = (_, { body }) => (body % 2 === 0 ? Promise.reject(boom) : undefined);
    const running = start(broker, handle, { maxAttempts: 1 });
    await elapse(10);
    expect(account(running.report)).toBe("20 pulled: 10 acked, 10 dead");
    expect(running.report!.stopped).toBe("source ended");
  });
});
