/**
 * The broker in memory: pulls, leases, and verdicts. How messages get into it, and its end, are in
 * memory-publish.test.ts.
 */
import { context, type Context } from "headgate";
import { type Delivery, memoryBroker, type MemoryBroker, type MemoryBrokerOptions, type Nack } from "headgate/worker";
import { describe, expect, it } from "vitest";
import { elapse, isPending, settle, timersSet, virtualTime } from "../support/clock.ts";

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

describe("a pull", () => {
  virtualTime();

  it("hands over what is ready, in the order of publishing, and no more than it was asked for", async () => {
    const broker = await filled(["a", "b", "c", "d", "e"]);
    expect(bodies(await broker.pull(ctx, 2))).toEqual(["a", "b"]);
    expect(bodies(await broker.pull(ctx, 1))).toEqual(["c"]);
    expect(bodies(await broker.pull(ctx, 100))).toEqual(["d", "e"]);
  });

  it("hands over the body as it is, with the attempt, the key and the attributes", async () => {
    const broker = memoryBroker<object>();
    const body = { n: 1 };
    await broker.publish(body, { key: "k", attributes: { colour: "red" } });
    await broker.publish(body);
    const [first, second] = await broker.pull(ctx, 2);
    expect(first).toEqual({ id: expect.any(String), body, attempt: 1, key: "k", attributes: { colour: "red" } });
    expect(first!.body).toBe(body);
    expect(Object.keys(second!).sort()).toEqual(["attempt", "body", "id"]);
  });

  it("waits until there is a message", async () => {
    const broker = memoryBroker<string>();
    const pulled = broker.pull(ctx, 10);
    expect(await isPending(pulled)).toBe(true);
    await broker.publish("late");
    expect(bodies(await pulled)).toEqual(["late"]);
  });

  it("returns nothing when its ctx ends first, and what comes then is for others", async () => {
    const broker = memoryBroker<string>();
    const [waiting, cancel] = context.withCancel(ctx);
    const pulled = broker.pull(waiting, 10);
    await settle();
    cancel();
    expect(await pulled).toEqual([]);
    await broker.publish("next");
    expect(await broker.pull(ctx, 10)).toMatchObject([{ body: "next", attempt: 1 }]);
  });

  it("takes nothing when its ctx has ended before", async () => {
    const broker = await filled(["a"]);
    const [ended, cancel] = context.withCancel(ctx);
    cancel();
    expect(await broker.pull(ended, 10)).toEqual([]);
    expect(await broker.pull(ctx, 10)).toMatchObject([{ body: "a", attempt: 1 }]);
  });

  it("leaves no timer behind, however it ends", async () => {
    const broker = await filled(["a"]);
    await broker.pull(ctx, 1);
    const [waiting, cancel] = context.withCancel(ctx);
    const cancelled = broker.pull(waiting, 1);
    const served = broker.pull(ctx, 1);
    await settle();
    expect(timersSet()).toBeGreaterThan(0);
    cancel();
    await cancelled;
    await broker.publish("b");
    await served;
    expect(timersSet()).toBe(0);
  });

  it("gives a message to one of several that wait, and the others go on waiting", async () => {
    const broker = memoryBroker<number>();
    const got: number[][] = [];
    const [until, cancel] = context.withCancel(ctx);
    const pulls = Array.from({ length: 3 }, () => broker.pull(until, 1).then((list) => got.push(bodies(list))));
    await settle();
    await broker.publish(1);
    await settle();
    expect(got).toEqual([[1]]);
    await broker.publish(2);
    await settle();
    expect(got).toEqual([[1], [2]]);
    cancel();
    await Promise.all(pulls);
    expect(got).toEqual([[1], [2], []]);
  });

  it("shares everything among those who pull, each message once", async () => {
    const all = Array.from({ length: 100 }, (_, i) => i);
    const broker = await filled(all);
    broker.end();
    const seen: number[] = [];
    const puller = async (max: number): Promise<void> => {
      while (!broker.ended) {
        const list = await broker.pull(ctx, max);
        seen.push(...bodies(list));
        await broker.ack(ctx, list);
      }
    };
    await Promise.all([puller(1), puller(2), puller(7)]);
    expect(seen.sort((a, b) => a - b)).toEqual(all);
  });
});

describe("a lease", () => {
  virtualTime();

  it("runs out, and not a millisecond early: then whoever waits gets the message as its next attempt", async () => {
    const broker = await filled(["a"], { lease: 100 });
    const [first] = await broker.pull(ctx, 1);
    const again = broker.pull(ctx, 1);
    await elapse(99);
    expect(await isPending(again)).toBe(true);
    await elapse(1);
    const [second] = await again;
    expect(second).toMatchObject({ body: "a", attempt: 2 });
    expect(second!.id).not.toBe(first!.id);
  });

  it("lasts 30 s unless told otherwise", async () => {
    const broker = await filled(["a"]);
    expect(broker.lease).toBe(30_000);
    await broker.pull(ctx, 1);
    const again = broker.pull(ctx, 1);
    await elapse(29_999);
    expect(await isPending(again)).toBe(true);
    await elapse(1);
    expect(await again).toMatchObject([{ attempt: 2 }]);
  });

  it("begins anew with an extend", async () => {
    const broker = await filled(["a"], { lease: 100 });
    const held = await broker.pull(ctx, 1);
    await elapse(60);
    expect(await broker.extend(ctx, held)).toEqual([]);
    const again = broker.pull(ctx, 1);
    await elapse(99);
    expect(await isPending(again)).toBe(true);
    await elapse(1);
    expect(await again).toMatchObject([{ attempt: 2 }]);
  });

  it("that was extended does not keep shorter ones from running out", async () => {
    const broker = await filled(["a", "b"], { lease: 100 });
    const a = await broker.pull(ctx, 1);
    await elapse(10);
    await broker.pull(ctx, 1);
    await elapse(10);
    await broker.extend(ctx, a);
    const at: unknown[] = [];
    const start = Date.now();
    for (let i = 0; i < 2; i++) {
      void broker.pull(ctx, 1).then((list) => at.push([bodies(list), Date.now() - start]));
    }
    await elapse(200);
    expect(at).toEqual([
      [["b"], 90],
      [["a"], 100],
    ]);
  });

  it("can last for ever", async () => {
    const broker = await filled(["a"], { lease: Infinity });
    const held = await broker.pull(ctx, 1);
    const again = broker.pull(ctx, 1);
    await elapse(1e9);
    expect(await isPending(again)).toBe(true);
    expect(await broker.ack(ctx, held)).toEqual([]);
  });
});

describe("a verdict", () => {
  virtualTime();

  it("of ack settles the message for good", async () => {
    const broker = await filled(["a"], { lease: 100 });
    expect(await broker.ack(ctx, await broker.pull(ctx, 1))).toEqual([]);
    expect(broker.size).toBe(0);
    const again = broker.pull(ctx, 1);
    await elapse(1000);
    expect(await isPending(again)).toBe(true);
  });

  it("of nack makes it ready at once, behind those that are ready, as its next attempt", async () => {
    const broker = await filled(["a", "b"]);
    const [a] = await broker.pull(ctx, 1);
    expect(await broker.nack(ctx, [nack(a!)])).toEqual([]);
    const again = await broker.pull(ctx, 2);
    expect(again.map(({ body, attempt }) => [body, attempt])).toEqual([
      ["b", 1],
      ["a", 2],
    ]);
  });

  it("of nack with a delay makes it ready when that has passed, whatever is left of the lease", async () => {
    const broker = await filled(["a"], { lease: 50 });
    const [a] = await broker.pull(ctx, 1);
    await broker.nack(ctx, [nack(a!, 200)]);
    const again = broker.pull(ctx, 1);
    await elapse(199);
    expect(await isPending(again)).toBe(true);
    await elapse(1);
    expect(await again).toMatchObject([{ body: "a", attempt: 2 }]);
  });

  it("of nack with different delays brings each back in its time", async () => {
    const delays = Array.from({ length: 50 }, (_, i) => 1 + ((i * 37) % 101));
    const broker = await filled(delays);
    const held = await broker.pull(ctx, 50);
    await broker.nack(
      ctx,
      held.map((delivery) => nack(delivery, delivery.body)),
    );
    broker.end();
    const start = Date.now();
    const back: [delay: number, after: number][] = [];
    const pulling = (async () => {
      while (!broker.ended) {
        const list = await broker.pull(ctx, 10);
        for (const { body } of list) back.push([body, Date.now() - start]);
        await broker.ack(ctx, list);
      }
    })();
    await elapse(101);
    await pulling;
    expect(back).toEqual([...delays].sort((a, b) => a - b).map((delay) => [delay, delay]));
  });

  it("of a release costs no attempt, with a delay or without", async () => {
    const broker = await filled(["a"]);
    for (const delay of [0, 10, 0]) {
      const [a] = await broker.pull(ctx, 1);
      expect(a!.attempt).toBe(1);
      await broker.nack(ctx, [nack(a!, delay, "released")]);
      await elapse(delay);
    }
    const [failed] = await broker.pull(ctx, 1);
    await broker.nack(ctx, [nack(failed!)]);
    expect(await broker.pull(ctx, 1)).toMatchObject([{ attempt: 2 }]);
  });

  it("of deadLetter puts it aside, with what is known of it", async () => {
    const broker = memoryBroker<string>();
    await broker.publish("bad", { key: "k", attributes: { colour: "red" } });
    const [first] = await broker.pull(ctx, 1);
    await broker.nack(ctx, [nack(first!)]);
    const [second] = await broker.pull(ctx, 1);
    const error = new Error("why");
    expect(await broker.deadLetter(ctx, [{ delivery: second!, error }])).toEqual([]);
    const attributes = { colour: "red" };
    expect(broker.deadLetters).toEqual([{ body: "bad", key: "k", attributes, attempts: 2, error }]);
    expect(broker.deadLetters[0]!.error).toBe(error);
    expect(broker.size).toBe(0);
  });

  type Tell = (ctx: Context, broker: MemoryBroker<string>, d: Delivery<string>) => Promise<readonly Delivery[] | void>;
  const verdicts: [string, Tell][] = [
    ["ack", (ctx, broker, d) => broker.ack(ctx, [d])],
    ["nack", (ctx, broker, d) => broker.nack(ctx, [nack(d, 5)])],
    ["release", (ctx, broker, d) => broker.nack(ctx, [nack(d, 0, "released")])],
    ["deadLetter", (ctx, broker, d) => broker.deadLetter(ctx, [{ delivery: d, error: "late" }])],
    ["extend", (ctx, broker, d) => broker.extend(ctx, [d])],
  ];

  it.each(verdicts)("%s after the lease was lost changes nothing for the next holder, and says so", async (_, tell) => {
    const broker = await filled(["a"], { lease: 100 });
    const [old] = await broker.pull(ctx, 1);
    await elapse(100);
    const [current] = await broker.pull(ctx, 1);
    await elapse(50);
    expect(await tell(ctx, broker, old!)).toEqual([old]);
    expect([broker.size, broker.deadLetters]).toEqual([1, []]);
    const again = broker.pull(ctx, 1);
    await elapse(49);
    expect(await isPending(again)).toBe(true);
    expect(await broker.ack(ctx, [current!])).toEqual([]);
    expect(broker.size).toBe(0);
  });

  it.each(verdicts)(
    "%s after the lease has run out is too late, even if nobody else has the message",
    async (_, tell) => {
      const broker = await filled(["a"], { lease: 100 });
      const [old] = await broker.pull(ctx, 1);
      await elapse(100);
      expect(await tell(ctx, broker, old!)).toEqual([old]);
      expect(broker.deadLetters).toEqual([]);
      expect(await broker.pull(ctx, 1)).toMatchObject([{ body: "a", attempt: 2 }]);
    },
  );

  it.each(verdicts)("%s under a ctx that has ended rejects with its error and changes nothing", async (_, tell) => {
    const broker = await filled(["a"]);
    const [held] = await broker.pull(ctx, 1);
    const [ended, cancel] = context.withCancel(ctx);
    cancel();
    await expect(tell(ended, broker, held!)).rejects.toBe(ended.err());
    expect([broker.size, broker.deadLetters]).toEqual([1, []]);
    expect(await broker.ack(ctx, [held!])).toEqual([]);
  });

  it("on several counts for those that are held; exactly the others are returned", async () => {
    const broker = await filled(["a", "b", "c"], { lease: 100 });
    const [a] = await broker.pull(ctx, 1);
    await elapse(60);
    const [b, c] = await broker.pull(ctx, 2);
    await broker.ack(ctx, [c!]);
    await elapse(60);
    expect(await broker.ack(ctx, [a!, b!, c!])).toEqual([a, c]);
    expect(broker.size).toBe(1);
  });
});
