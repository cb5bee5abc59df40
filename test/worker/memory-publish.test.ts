/**
 * The broker in memory: publishing, capacity, the end, bad input, and that it is deterministic.
 */
import { context } from "headgate";
import { bubble } from "headgate/testing";
import {
  type Delivery,
  memoryBroker,
  type MemoryBroker,
  type MemoryBrokerOptions,
  type Nack,
  worker,
} from "headgate/worker";
import { describe, expect, it } from "vitest";
import { elapse, isPending, settle, timersSet, virtualTime } from "../support/clock.ts";
import { givenIn } from "../support/errors.ts";

const ctx = context.background();

/** A broker with one message per body, ready. */
async function filled<T>(bodies: readonly T[], options?: MemoryBrokerOptions): Promise<MemoryBroker<T>> {
  const broker = memoryBroker<T>(options);
  for (const body of bodies) await broker.publish(body);
  return broker;
}

const bodies = <T>(deliveries: readonly Delivery<T>[]): T[] => deliveries.map((delivery) => delivery.body);
const nack = <T>(delivery: Delivery<T>, delay = 0, reason: Nack<Delivery>["reason"] = "failed"): Nack<Delivery<T>> => {
  return { delivery, delay, reason };
};

describe("a publish", () => {
  virtualTime();

  it("waits while the broker is full: a message takes its room until it is settled for good", async () => {
    const broker = await filled(["a", "b"], { capacity: 2 });
    const third = broker.publish("c");
    const [a, b] = await broker.pull(ctx, 2);
    await broker.nack(ctx, [nack(a!, 10)]);
    expect(await isPending(third)).toBe(true);
    await broker.ack(ctx, [b!]);
    await third;
    const fourth = broker.publish("d");
    expect(await isPending(fourth)).toBe(true);
    await elapse(10);
    const held = await broker.pull(ctx, 2);
    expect(bodies(held)).toEqual(["c", "a"]);
    await broker.deadLetter(ctx, [{ delivery: held[0]!, error: "bad" }]);
    await fourth;
    expect(broker.size).toBe(2);
  });

  it("that waits is served in the order of the calls", async () => {
    const broker = await filled(["a"], { capacity: 1 });
    const publishing = Promise.all(["b", "c", "d"].map((body) => broker.publish(body)));
    const seen: string[] = [];
    while (seen.length < 4) {
      const list = await broker.pull(ctx, 10);
      seen.push(...bodies(list));
      await broker.ack(ctx, list);
    }
    await publishing;
    expect(seen).toEqual(["a", "b", "c", "d"]);
  });

  it("that waits is called off by its ctx: nothing is published, and the room is for the next", async () => {
    const broker = await filled(["a"], { capacity: 1 });
    const [limited] = context.withTimeout(ctx, 50);
    const refused = expect(broker.publish("b", {}, limited)).rejects.toBeInstanceOf(context.DeadlineExceeded);
    const third = broker.publish("c");
    await elapse(50);
    await refused;
    await broker.ack(ctx, await broker.pull(ctx, 1));
    await third;
    expect(bodies(await broker.pull(ctx, 10))).toEqual(["c"]);
  });

  it.each([undefined, 1])("under a ctx that has ended publishes nothing (capacity %s)", async (capacity) => {
    const broker = memoryBroker<string>(capacity === undefined ? {} : { capacity });
    const [ended, cancel] = context.withCancel(ctx);
    cancel();
    await expect(broker.publish("a", {}, ended)).rejects.toBe(ended.err());
    expect(broker.size).toBe(0);
    await broker.publish("b");
    expect(broker.size).toBe(1);
  });

  it.each([undefined, 1])("after the end is refused (capacity %s)", async (capacity) => {
    const broker = memoryBroker<string>(capacity === undefined ? {} : { capacity });
    broker.end();
    for (let i = 0; i < 3; i++) await expect(broker.publish("a")).rejects.toThrow("publish after end()");
    expect([broker.size, broker.ended]).toEqual([0, true]);
  });

  it("that waits for room when the broker is ended is refused, too", async () => {
    const broker = await filled(["a"], { capacity: 1 });
    const refused = Promise.all(
      ["b", "c"].map((body) => expect(broker.publish(body)).rejects.toThrow("publish after end()")),
    );
    broker.end();
    await broker.ack(ctx, await broker.pull(ctx, 10));
    await refused;
    expect([broker.size, broker.ended]).toEqual([0, true]);
  });
});

describe("the end of a broker", () => {
  virtualTime();

  it("has come when it was announced and every message is settled: ready, delayed and leased ones count", async () => {
    const broker = await filled(["a", "b", "c"]);
    const [a, b] = await broker.pull(ctx, 2);
    await broker.nack(ctx, [nack(a!, 10)]);
    expect([broker.size, broker.ended]).toEqual([3, false]);
    broker.end();
    broker.end();
    expect(broker.ended).toBe(false);
    await broker.ack(ctx, [b!]);
    await broker.ack(ctx, await broker.pull(ctx, 1));
    expect([broker.size, broker.ended]).toEqual([1, false]);
    await elapse(10);
    const [again] = await broker.pull(ctx, 1);
    expect(again).toMatchObject({ body: "a", attempt: 2 });
    await broker.deadLetter(ctx, [{ delivery: again!, error: "bad" }]);
    expect([broker.size, broker.ended]).toEqual([0, true]);
  });

  it("is not reached by an empty broker that may still get messages", async () => {
    const broker = await filled(["a"]);
    await broker.ack(ctx, await broker.pull(ctx, 1));
    expect([broker.size, broker.ended]).toEqual([0, false]);
  });

  it("releases everybody who pulls, with nothing", async () => {
    const broker = await filled(["a"]);
    const held = await broker.pull(ctx, 1);
    const pulls = Promise.all([broker.pull(ctx, 1), broker.pull(ctx, 1)]);
    broker.end();
    expect(await isPending(pulls)).toBe(true);
    await broker.ack(ctx, held);
    expect(await pulls).toEqual([[], []]);
    expect(await broker.pull(ctx, 1)).toEqual([]);
    expect(timersSet()).toBe(0);
  });

  it("releases them also when it is announced to an empty broker", async () => {
    const broker = memoryBroker();
    const pulled = broker.pull(ctx, 1);
    await settle();
    broker.end();
    expect(await pulled).toEqual([]);
  });
});

describe("memoryBroker", () => {
  virtualTime();

  it.each([0, -1, NaN, "5", null])("refuses %o as a lease", (lease) => {
    expect(() => memoryBroker({ lease: lease as number })).toThrow(RangeError);
    expect(() => memoryBroker({ lease: lease as number })).toThrow(
      `lease must be a positive number of ms; got ${givenIn(lease)}`,
    );
  });

  it.each([0, -1, 1.5, NaN, Infinity, "5", null])("refuses %o as a capacity", (capacity) => {
    expect(() => memoryBroker({ capacity: capacity as number })).toThrow(RangeError);
    const message = `capacity must be a whole number from 1; got ${givenIn(capacity)}`;
    expect(() => memoryBroker({ capacity: capacity as number })).toThrow(message);
  });

  it("does the same again, given the same calls at the same times", async () => {
    const run = async (): Promise<unknown[]> => {
      const log: unknown[] = [];
      await bubble(async (t) => {
        const start = t.now();
        const broker = memoryBroker<number>({ lease: 70, capacity: 20 });
        const publishing = (async () => {
          for (let i = 0; i < 60; i++) await broker.publish(i);
          broker.end();
        })();
        const puller = async (name: string, max: number): Promise<void> => {
          while (!broker.ended) {
            for (const delivery of await broker.pull(t.ctx, max)) {
              const { id, body, attempt } = delivery;
              log.push([t.now() - start, name, id, body, attempt]);
              // Of five deliveries, three are acked, one fails and comes back later, and one is forgotten.
              const fate = (body + attempt!) % 5;
              if (fate < 3) await broker.ack(t.ctx, [delivery]);
              else if (fate === 3) await broker.nack(t.ctx, [nack(delivery, 10 + (body % 7) * 13)]);
            }
          }
        };
        await Promise.all([publishing, puller("x", 3), puller("y", 5)]);
      });
      return log;
    };
    const first = await run();
    expect(first.length).toBeGreaterThan(60);
    expect(await run()).toEqual(first);
  });
});

describe("dead letters", () => {
  async function dead(options: MemoryBrokerOptions): Promise<readonly number[]> {
    const broker = await filled([1, 2, 3, 4, 5], options);
    for (const delivery of await broker.pull(ctx, 5)) await broker.deadLetter(ctx, [{ delivery, error: "bad" }]);
    expect(broker.size).toBe(0);
    return broker.deadLetters.map(({ body }) => body);
  }

  it("are kept as far as the option says: the last ones", async () => {
    expect(await dead({ deadLetters: 3 })).toEqual([3, 4, 5]);
    expect(await dead({ deadLetters: 0 })).toEqual([]);
    expect(await dead({})).toEqual([1, 2, 3, 4, 5]);
  });

  it.each([-1, 1.5, NaN, Infinity, "5"])("cannot be kept in the number of %o", (deadLetters) => {
    const message = `memoryBroker: deadLetters must be a whole number from 0; got ${givenIn(deadLetters)}`;
    expect(() => memoryBroker({ deadLetters: deadLetters as number })).toThrow(new RangeError(message));
  });
});

describe("a handler that publishes to the full broker which its own message is from", () => {
  virtualTime();

  it("gets no room, for its message has it; with a deadline it goes on, and with its ctx it can be stopped", async () => {
    const broker = await filled([1], { capacity: 1 });
    const seen: string[] = [];
    const [stopping, stop] = context.withCancel(ctx);
    const running = worker(
      stopping,
      broker,
      async (ctx, { attempt }) => {
        const [limited, cancel] = attempt === 1 ? context.withTimeout(ctx, 100) : context.withCancel(ctx);
        using _ = cancel;
        await broker.publish(2, {}, limited).catch((error: unknown) => {
          seen.push(String(error));
          throw error;
        });
      },
      { backoff: () => 1 },
    );
    await elapse(60_000);
    expect(seen).toEqual(["TimeoutError: context deadline exceeded"]);
    stop();
    await elapse(25_000);
    expect(await running).toMatchObject({ pulled: 2, retried: 1, released: 1 });
  });
});
