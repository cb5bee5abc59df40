/**
 * A verdict that the source refuses for ever must not hold up those on other messages.
 */
import { time } from "headgate";
import { type Delivery, type Handler, type Source, type WorkerOptions } from "headgate/worker";
import { describe, expect, it } from "vitest";
import { elapse, virtualTime } from "../support/clock.ts";
import { account, start as begin } from "./harness.ts";

type D = Delivery<number>;
const boom = new Error("boom");
const refused = new Error("refused");

/** A source with the messages 1 to n, whose calls of one kind reject if they are about the message `poison`. */
function poisoned(n: number, poison: number, call: "ack" | "nack" = "ack") {
  let next = 1;
  const calls: number[][] = [];
  const settled: number[] = [];
  const tell = async (bodies: number[]): Promise<void> => {
    calls.push(bodies);
    await time.sleep(5);
    if (bodies.includes(poison)) throw refused;
    settled.push(...bodies);
  };
  const source: Source<D> = {
    ended: false,
    async pull(ctx, max) {
      if (next > n) await ctx.done().recv();
      return Array.from({ length: Math.min(max, n + 1 - next) }, () => ({ id: `m${next}`, body: next++ }));
    },
    ack: (_, ds) => (call === "ack" ? tell(ds.map(({ body }) => body)) : Promise.resolve()),
    nack: (_, items) => (call === "nack" ? tell(items.map(({ delivery }) => delivery.body)) : Promise.resolve()),
  };
  return { source, calls, settled };
}

const start = (source: Source<D>, handle: Handler<D>, options?: WorkerOptions<D>) =>
  begin(source, handle, { grace: 1000, ...options });

describe("a verdict that is always refused", () => {
  virtualTime();

  it.each(["ack", "nack"] as const)("(%s) does not hold up those that are decided later", async (call) => {
    const { source, settled } = poisoned(40, 1, call);
    const handle: Handler<D> = async (ctx, { body }) => {
      await time.sleep(body * 10, ctx);
      if (call === "nack") throw boom;
    };
    start(source, handle, { concurrency: 40, prefetch: 0 });
    await elapse(410);
    expect(settled).toEqual(Array.from({ length: 39 }, (_, i) => i + 2));
  });

  it.each(["ack", "nack"] as const)("(%s) is parted from those it was told with, by halves", async (call) => {
    const { source, calls, settled } = poisoned(8, 5, call);
    const handle: Handler<D> = async (ctx) => {
      await time.sleep(10, ctx);
      if (call === "nack") throw boom;
    };
    const running = start(source, handle);
    await elapse(60_000);
    // The same batch is tried once more, for most faults pass.
    const sizes = calls.filter((bodies) => bodies.includes(5)).map((bodies) => bodies.length);
    expect(sizes.slice(0, 6)).toEqual([7, 7, 4, 2, 1, 1]);
    expect(settled.sort((a, b) => a - b)).toEqual([1, 2, 3, 4, 6, 7, 8]);
    expect(calls.at(-1)).toEqual([5]);
    running.stop();
    await elapse(1000);
    expect(running.report!.leftovers).toMatchObject([{ delivery: { body: 5 } }]);
    expect(running.report!.expired).toBe(1);
  });

  it("does not hold up its own batch for long where others are taken", async () => {
    const { source, settled } = poisoned(1000, 50);
    // All the first hundred are decided at once; then one every 10 ms.
    const handle: Handler<D> = (ctx, { body }) => time.sleep(body <= 100 ? 1 : (body - 100) * 10, ctx);
    start(source, handle, { concurrency: 1000, prefetch: 0, batch: 1000 });
    await elapse(5000);
    expect(settled.filter((body) => body <= 100)).toHaveLength(99);
  });

  it("leaves those that are told with it a place in the account when the worker stops", async () => {
    const { source } = poisoned(8, 5);
    const running = start(source, (ctx) => time.sleep(10, ctx));
    await elapse(10);
    running.stop();
    await elapse(1000);
    expect(account(running.report)).toBe("8 pulled: 7 acked, 1 expired");
  });
});
