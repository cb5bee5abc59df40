/**
 * The broker in memory, cancelled at every point and in many orders: a message is published or not, delivered to one
 * at a time, settled once, and nobody who gives up keeps anything.
 */
import assert from "node:assert/strict";
import { type Context, context, time } from "headgate";
import { type Bubble, bubble, explore } from "headgate/testing";
import { type Delivery, memoryBroker, type MemoryBroker } from "headgate/worker";
import { describe, expect, it } from "vitest";
import { errorOf } from "../support/errors.ts";
import { together, under } from "./tasks.ts";

const root = context.background();
const byNumber = (a: number, b: number): number => a - b;

/** A broker, and what must have become of its messages according to those who use it. */
class Post {
  readonly broker: MemoryBroker<number>;
  readonly published: number[] = [];
  readonly settled: number[] = [];
  private readonly t: Bubble;
  private readonly ids = new Set<string>();
  private readonly attempts = new Map<number, number>();
  private readonly leases = new Map<string, number>();

  constructor(t: Bubble, options: { lease?: number; capacity?: number } = {}) {
    this.t = t;
    this.broker = memoryBroker(options);
  }

  async publish(body: number, ctx: Context): Promise<void> {
    await this.broker.publish(body, undefined, ctx);
    this.published.push(body);
  }

  /** Each delivery is a new one, and the next attempt at its message; it is due back when the lease is over. */
  async pull(ctx: Context, max: number = 1): Promise<readonly Delivery<number>[]> {
    const deliveries = await this.broker.pull(ctx, max);
    assert(deliveries.length <= max);
    for (const { id, body, attempt } of deliveries) {
      assert(!this.ids.has(id));
      this.ids.add(id);
      assert.equal(attempt, (this.attempts.get(body) ?? 0) + 1);
      this.attempts.set(body, attempt!);
      this.leases.set(id, this.t.now() + this.broker.lease);
    }
    return deliveries;
  }

  /** Says whether it counted: exactly if the lease is not over. */
  async ack(delivery: Delivery<number>): Promise<boolean> {
    const isHeld = this.t.now() < this.leases.get(delivery.id)!;
    const lost = await this.broker.ack(root, [delivery]);
    assert.deepEqual(lost, isHeld ? [] : [delivery]);
    if (isHeld) this.settled.push(delivery.body);
    return isHeld;
  }

  /** Pulls and acks until the broker has ended, or `ctx`; what it holds then is acked all the same. */
  async consume(ctx: Context, max: number, handle: (delivery: Delivery<number>) => Promise<unknown>): Promise<void> {
    while (!this.broker.ended && ctx.err() === undefined) {
      for (const delivery of await this.pull(ctx, max)) {
        await handle(delivery);
        await this.ack(delivery);
      }
    }
  }

  /** To be asked when nobody holds anything: what was published was settled once, or can be had at once. */
  async balance(): Promise<void> {
    const begun = this.t.now();
    const { size } = this.broker;
    const rest: number[] = [];
    if (size > 0) await this.pull(root, size + 1).then((found) => rest.push(...found.map(({ body }) => body)));
    expect(this.t.now()).toBe(begun);
    expect([...this.settled, ...rest].sort(byNumber)).toEqual([...this.published].sort(byNumber));
    expect(rest.length).toBe(size);
  }
}

describe("publishers and consumers", () => {
  it("settle each message once, with never more of them than there is room, wherever they are cancelled", async () => {
    const report = await explore(async (t) => {
      const post = new Post(t, { capacity: 2 });
      const publisher = (bodies: number[]) => () =>
        under(t.ctx, async () => {
          for (const body of bodies) {
            await post.publish(body, t.ctx);
            assert(post.broker.size <= 2);
          }
        });
      const consumer = () => post.consume(t.ctx, 2, () => t.yield());
      const consuming = together(consumer, consumer);
      await together(publisher([1, 2]), publisher([3, 4]));
      post.broker.end();
      await consuming;
      if (t.ctx.err() === undefined) expect([post.broker.ended, post.settled.length]).toEqual([true, 4]);
      await post.balance();
    });
    expect(report.points).toBeGreaterThan(10);
  });

  it("leave nothing with a pull that gives up: who waits behind it gets the message", () =>
    explore(async (t) => {
      const post = new Post(t);
      const [own, cancel] = context.withCancel(t.ctx);
      const got: number[] = [];
      const puller = (ctx: Context) => async (): Promise<void> => {
        for (const delivery of await post.pull(ctx)) {
          got.push(delivery.body);
          assert(await post.ack(delivery));
        }
      };
      const all = together(puller(own), puller(t.ctx), cancel, () => post.publish(1, root));
      await t.wait();
      expect([got, post.broker.size]).toEqual(t.ctx.err() === undefined ? [[1], 0] : [got, 1 - got.length]);
      t.cancel();
      await all;
      await post.balance();
    }));

  it("publish nothing once the broker was ended, not even who waited for room before", async () => {
    const outcomes = new Set<string>();
    await explore(async (t) => {
      const post = new Post(t, { capacity: 1 });
      const publisher = (body: number) => async (): Promise<void> => {
        const wasEnded = post.broker.ended;
        const error = await errorOf(post.publish(body, t.ctx));
        if (wasEnded) expect(error).toBeDefined();
        if (error !== undefined && error !== t.ctx.err())
          expect(error).toEqual(new Error("memoryBroker: publish after end()"));
      };
      await together(
        publisher(1),
        publisher(2),
        () => post.consume(t.ctx, 1, () => t.yield()),
        () => post.broker.end(),
      );
      await post.balance();
      outcomes.add(`${post.published.length} published`);
    });
    expect([...outcomes].sort()).toEqual(["0 published", "1 published", "2 published"]);
  });
});

describe("a lease", () => {
  it("makes a verdict count exactly while it lasts, also on a slow machine, and each message once", async () => {
    const losses = new Set<boolean>();
    await explore(
      async (t) => {
        const post = new Post(t, { lease: 10 });
        await post.publish(1, root);
        await post.publish(2, root);
        post.broker.end();
        let lost = 0;
        const consumer = async (): Promise<void> => {
          while (!post.broker.ended) {
            for (const delivery of await post.pull(root)) {
              // Too slow the first time, for the first message.
              await time.sleep(delivery.attempt === 1 && delivery.body === 1 ? 15 : 5);
              if (!(await post.ack(delivery))) lost++;
            }
          }
        };
        await together(consumer, consumer);
        expect(post.settled.sort(byNumber)).toEqual([1, 2]);
        losses.add(lost > 1);
      },
      { timers: "any", cancel: false },
    );
    expect(losses.size).toBe(2);
  });

  it("of a consumer who is gone runs out, and his messages go to another at that very moment", () =>
    bubble(async (t) => {
      const post = new Post(t, { lease: 1_000 });
      await post.publish(1, root);
      await post.publish(2, root);
      const begun = t.now();
      const [gone] = await post.pull(t.ctx);
      await time.sleep(300);
      const [later] = await post.pull(t.ctx);
      const arrivals: [number, number][] = [];
      for (let n = 0; n < 2; n++) {
        const [delivery] = await post.pull(t.ctx);
        arrivals.push([delivery!.body, t.now() - begun]);
        expect(await post.ack(delivery!)).toBe(true);
      }
      expect(arrivals).toEqual([
        [1, 1_000],
        [2, 1_300],
      ]);
      expect([await post.ack(gone!), await post.ack(later!)]).toEqual([false, false]);
    }));

  it("is kept by extending it in time, and not by extending it too late", () =>
    explore(
      async (t) => {
        const broker = memoryBroker<number>({ lease: 10 });
        await broker.publish(1);
        const [delivery] = await broker.pull(root, 1);
        let due = t.now() + 10;
        for (let n = 0; n < 3; n++) {
          await time.sleep(6);
          const isHeld = t.now() < due;
          expect(await broker.extend(root, [delivery!])).toEqual(isHeld ? [] : [delivery]);
          if (isHeld) due = t.now() + 10;
        }
        await time.sleep(6);
        const isHeld = t.now() < due;
        expect(await broker.ack(root, [delivery!])).toEqual(isHeld ? [] : [delivery]);
        expect(broker.size).toBe(isHeld ? 0 : 1);
      },
      { timers: "any", cancel: false },
    ));
});

describe("a message that was not acked", () => {
  it("comes again to one of those who wait, after its delay and not before", () =>
    explore(
      async (t) => {
        const post = new Post(t, { lease: Infinity });
        await post.publish(1, root);
        post.broker.end();
        let due = 0;
        const consumer = async (): Promise<void> => {
          while (!post.broker.ended && t.ctx.err() === undefined) {
            for (const delivery of await post.pull(t.ctx)) {
              await t.yield();
              assert(t.now() >= due);
              if (delivery.attempt === 3) {
                assert(await post.ack(delivery));
              } else {
                due = t.now() + 50;
                assert.deepEqual(await post.broker.nack(root, [{ delivery, delay: 50, reason: "failed" }]), []);
                // It has been given back, so nothing more can be said about it.
                assert.deepEqual(await post.broker.ack(root, [delivery]), [delivery]);
              }
            }
          }
        };
        await together(consumer, consumer);
        if (t.ctx.err() === undefined) expect(post.settled).toEqual([1]);
        await time.sleep(50);
        await post.balance();
      },
      { timers: "any" },
    ));

  it("does not count an attempt that was released, and is no more when it is dead", () =>
    bubble(async (t) => {
      const broker = memoryBroker<string>();
      const begun = t.now();
      await broker.publish("hello");
      const attempts: [attempt: number | undefined, after: number][] = [];
      for (const reason of ["failed", "released", "failed"] as const) {
        const [delivery] = await broker.pull(t.ctx, 1);
        attempts.push([delivery!.attempt, t.now() - begun]);
        await broker.nack(t.ctx, [{ delivery: delivery!, delay: 10, reason }]);
      }
      const [last] = await broker.pull(t.ctx, 1);
      expect([...attempts, [last!.attempt, t.now() - begun]]).toEqual([
        [1, 0],
        [2, 10],
        [2, 20],
        [3, 30],
      ]);
      await broker.deadLetter(t.ctx, [{ delivery: last!, error: "no use" }]);
      expect([broker.size, broker.deadLetters]).toEqual([0, [{ body: "hello", attempts: 3, error: "no use" }]]);
    }));
});
