/**
 * The broker in memory: the order of messages with one key, and what a test sees of its calls.
 */
import { context, type Context } from "headgate";
import { explore } from "headgate/testing";
import { type Delivery, memoryBroker, type MemoryBroker, type Nack, worker } from "headgate/worker";
import { describe, expect, it } from "vitest";
import { elapse, isPending, timersSet, virtualTime } from "../support/clock.ts";

const ctx = context.background();

/** A broker with messages such as "a1", whose key is "a"; those with an "x" have none. */
async function brokerOf(names: string, lease = 100): Promise<MemoryBroker<string>> {
  const broker = memoryBroker<string>({ lease });
  for (const name of names.split(" ")) {
    await broker.publish(name, name.startsWith("x") ? undefined : { key: name[0]! });
  }
  return broker;
}

const bodies = (deliveries: readonly Delivery<string>[]): string => deliveries.map(({ body }) => body).join(" ");
const nack = (
  delivery: Delivery<string>,
  delay = 0,
  reason: Nack<Delivery>["reason"] = "failed",
): Nack<Delivery<string>> => {
  return { delivery, delay, reason };
};

describe("messages with one key", () => {
  virtualTime();

  it("are delivered one after the other, each when the one before is settled for good", async () => {
    const broker = await brokerOf("a1 a2 b1 x1 a3 b2 x2");
    expect(broker.size).toBe(7);
    const first = await broker.pull(ctx, 10);
    expect(bodies(first)).toBe("a1 b1 x1 x2");
    const waiting = broker.pull(ctx, 10);
    expect(await isPending(waiting)).toBe(true);
    await broker.ack(ctx, [first[0]!]);
    expect(bodies(await waiting)).toBe("a2");
    await broker.deadLetter(ctx, [{ delivery: first[1]!, error: "why" }]);
    expect(bodies(await broker.pull(ctx, 10))).toBe("b2");
    expect(broker.size).toBe(5);
  });

  it.each<[how: string, again: (broker: MemoryBroker<string>, d: Delivery<string>) => unknown, after: number]>([
    ["is nacked", (broker, d) => broker.nack(ctx, [nack(d)]), 0],
    ["is nacked with a delay", (broker, d) => broker.nack(ctx, [nack(d, 40)]), 40],
    ["is released", (broker, d) => broker.nack(ctx, [nack(d, 0, "released")]), 0],
    ["loses its lease", () => undefined, 100],
  ])("wait until one that %s has come again", async (_, again, after) => {
    const broker = await brokerOf("a1 a2");
    const [a1] = await broker.pull(ctx, 10);
    await again(broker, a1!);
    const next = broker.pull(ctx, 10);
    if (after > 0) {
      await elapse(after - 1);
      expect(await isPending(next)).toBe(true);
      await elapse(1);
    }
    const second = await next;
    expect(bodies(second)).toBe("a1");
    await broker.publish("a3", { key: "a" });
    await broker.ack(ctx, second);
    expect(bodies(await broker.pull(ctx, 10))).toBe("a2");
  });

  it("have their turn with those of others: a key that has come first does not go before all others", async () => {
    const broker = await brokerOf("a1 a2 a3 x1 x2");
    const order: string[] = [];
    broker.end();
    while (!broker.ended) {
      const got = await broker.pull(ctx, 1);
      order.push(bodies(got));
      await broker.ack(ctx, got);
    }
    expect(order).toEqual(["a1", "x1", "x2", "a2", "a3"]);
  });

  it("count for the end, and for the room, while they wait behind another", async () => {
    const broker = memoryBroker<string>({ capacity: 2 });
    for (const body of ["a1", "a2"]) await broker.publish(body, { key: "a" });
    const third = broker.publish("a3", { key: "a" });
    expect(await isPending(third)).toBe(true);
    const got = await broker.pull(ctx, 10);
    await broker.ack(ctx, got);
    await third;
    broker.end();
    for (const body of ["a2", "a3"]) {
      expect(broker.ended).toBe(false);
      const next = await broker.pull(ctx, 10);
      expect(bodies(next)).toBe(body);
      await broker.ack(ctx, next);
    }
    expect(broker.ended).toBe(true);
  });

  it("are handled in order by several workers, whatever fails, and all keys at once", async () => {
    const names = ["a", "b", "c"].flatMap((key) => Array.from({ length: 5 }, (_, i) => `${key}${i}`));
    const broker = await brokerOf(names.join(" "), 1000);
    broker.end();
    const done: string[] = [];
    const handle = async (_: Context, { body, attempt }: Delivery<string>): Promise<void> => {
      if (attempt === 1 && "a1 b0 c4".includes(body)) throw new Error("boom");
      done.push(body);
    };
    const workers = [1, 2].map(() => worker(ctx, broker, handle, { backoff: () => 25, concurrency: 2 }));
    await elapse(1000);
    await Promise.all(workers);
    for (const key of ["a", "b", "c"]) {
      expect(done.filter((body) => body.startsWith(key))).toEqual(names.filter((name) => name.startsWith(key)));
    }
    expect([broker.size, timersSet()]).toEqual([0, 0]);
  });
});

describe("to explore, a call of the broker takes a step:", () => {
  type Call = (broker: MemoryBroker<string>, ctx: Context, d: Delivery<string>) => Promise<unknown>;

  it.each<[name: string, call: Call]>([
    ["publish", (broker) => broker.publish("new")],
    ["ack", (broker, ctx, d) => broker.ack(ctx, [d])],
    ["nack", (broker, ctx, d) => broker.nack(ctx, [nack(d)])],
    ["deadLetter", (broker, ctx, d) => broker.deadLetter(ctx, [{ delivery: d, error: "why" }])],
    ["extend", (broker, ctx, d) => broker.extend(ctx, [d])],
  ])("what is cancelled, may be so while %s is under way", async (_, call) => {
    const seen = new Set<string>();
    await explore(
      async (t) => {
        const broker = await brokerOf("x1 x2");
        const [held] = await broker.pull(ctx, 1);
        const before = t.ctx.err() !== undefined;
        await call(broker, ctx, held!);
        seen.add(`${before} ${t.ctx.err() !== undefined}`);
      },
      { search: false },
    );
    expect(seen).toContain("false true");
  });
});
