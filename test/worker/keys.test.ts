/**
 * Ordering keys: of the messages with one key one is handled at a time, in the order of their pull (I10).
 */
import { context, type Context, time } from "headgate";
import {
  type Delivery,
  type Handler,
  LeaseLost,
  Permanent,
  type Report,
  type Source,
  worker,
  type WorkerOptions,
} from "headgate/worker";
import { describe, expect, it } from "vitest";
import { elapse, timersSet, virtualTime } from "../support/clock.ts";
import { account } from "./harness.ts";

const background = context.background();
const boom = new Error("boom");

type D = Delivery<string>;

/**
 * A source that knows nothing of order: it hands over what it has, such as "a1", whose key is "a", and what is nacked
 * goes to somebody else. What it is told is written down, a call a line.
 */
function sourceOf(names: string, calls: Partial<Source<D>> = {}) {
  const waiting = names.split(" ").map((name): D => ({ id: name, body: name, ...keyOf(name) }));
  const told: string[] = [];
  const source: Source<D> = {
    get ended() {
      return waiting.length === 0;
    },
    pull: async (_, max) => waiting.splice(0, max),
    async ack(_, ds) {
      told.push(`ack ${ds.map(({ id }) => id).join(" ")}`);
    },
    async nack(_, items) {
      told.push(`nack ${items.map(({ delivery, reason, delay }) => `${delivery.id}:${reason}:${delay}`).join(" ")}`);
    },
    async deadLetter(_, items) {
      told.push(`dead ${items.map(({ delivery }) => delivery.id).join(" ")}`);
    },
    ...calls,
  };
  return { source, told, waiting };
}

/** Those whose name begins with "x" have none. */
function keyOf(name: string): { key: string } | undefined {
  return name.startsWith("x") ? undefined : { key: name[0]! };
}

function start(source: Source<D>, handle: Handler<D>, options: WorkerOptions<D> = {}) {
  const [ctx, stop] = context.withCancel(background);
  const begun = Date.now();
  const running = { stop, report: undefined as Report<D> | undefined, log: [] as string[], most: 0 };
  const now = (): number => Date.now() - begun;
  let inside = 0;
  const logged = async (ctx: Context, delivery: D): Promise<void> => {
    running.log.push(`${delivery.id} at ${now()}`);
    running.most = Math.max(running.most, ++inside);
    try {
      await handle(ctx, delivery);
    } finally {
      inside--;
    }
  };
  void worker(ctx, source, logged, { backoff: () => 40, ...options }).then((report) => (running.report = report));
  return running;
}

describe("messages with one key", () => {
  virtualTime();

  it("are handled one at a time, in the order of their pull, and the others go on meanwhile", async () => {
    const { source } = sourceOf("a1 a2 a3 b1 x1 b2 x2");
    const running = start(source, (ctx) => time.sleep(10, ctx), { concurrency: 3, prefetch: 10 });
    await elapse(100);
    expect(running.log).toEqual(["a1 at 0", "b1 at 0", "x1 at 0", "x2 at 10", "a2 at 10", "b2 at 10", "a3 at 20"]);
    expect(running.most).toBe(3);
    expect(account(running.report)).toBe("7 pulled: 7 acked");
    expect(timersSet()).toBe(0);
  });

  it("keep their order across pulls", async () => {
    const { source } = sourceOf("a1 a2 a3 a4 a5 a6");
    const running = start(source, (ctx, { id }) => time.sleep(id === "a1" ? 30 : 1, ctx), { batch: 1 });
    await elapse(100);
    expect(running.log.map((line) => line.slice(0, 2))).toEqual(["a1", "a2", "a3", "a4", "a5", "a6"]);
    expect(running.most).toBe(1);
  });

  it("wait for the handler of the one before, and not until the source has been told of that", async () => {
    const { source } = sourceOf("a1 a2", { ack: (ctx) => time.sleep(50, ctx) });
    const running = start(source, (ctx) => time.sleep(10, ctx));
    await elapse(10);
    expect(running.log).toEqual(["a1 at 0", "a2 at 10"]);
    await elapse(100);
    expect(account(running.report)).toBe("2 pulled: 2 acked");
  });

  it("go back with one that is to be retried, behind it in the same call, and not before it comes again", async () => {
    const { source, told } = sourceOf("a1 b1 a2 a3 b2");
    const handle: Handler<D> = async (ctx, { id }) => {
      await time.sleep(10, ctx);
      if (id === "a1") throw boom;
    };
    const running = start(source, handle, { concurrency: 2, prefetch: 3 });
    await elapse(100);
    expect(running.log).toEqual(["a1 at 0", "b1 at 0", "b2 at 10"]);
    expect(told).toContain("nack a1:failed:40 a2:released:40 a3:released:40");
    expect(account(running.report)).toBe("5 pulled: 2 acked, 1 retried, 2 released");
  });

  it("go back, too, if they are pulled before the source has been told of it, and may come again after that", async () => {
    const { source, told, waiting } = sourceOf("a1", {
      async nack(ctx, items) {
        await time.sleep(50, ctx);
        told.push(`nack ${items.map(({ delivery, reason, delay }) => `${delivery.id}:${reason}:${delay}`).join(" ")}`);
      },
      pull: async (ctx, max) => {
        if (waiting.length === 0) await time.sleep(20, ctx).catch(() => {});
        return waiting.splice(0, max);
      },
    });
    Object.defineProperty(source, "ended", { value: false });
    const running = start(source, (_, { id }) => (id === "a1" ? Promise.reject(boom) : undefined));
    await elapse(1);
    waiting.push({ id: "a2", body: "a2", key: "a" });
    await elapse(198);
    expect(told).toEqual(["nack a1:failed:40", "nack a2:released:40"]);
    waiting.push({ id: "a3", body: "a3", key: "a" });
    await elapse(100);
    running.stop();
    await elapse(100);
    expect(running.log.map((line) => line.slice(0, 2))).toEqual(["a1", "a3"]);
    expect(account(running.report)).toBe("3 pulled: 1 acked, 1 retried, 1 released");
  });

  it.each([0, 2])(
    "are all handled in the end, even if the source brings each again before it has answered for the last, after %i ms",
    async (pause) => {
      // Each call of the source takes 5 ms. What is nacked comes again after its delay, in whatever order.
      const due: { at: number; delivery: D }[] = ["a1", "a2", "a3"].map((id, i) => ({
        at: Date.now() + 12 * i,
        delivery: { id, body: id, key: "a" },
      }));
      const back = (delivery: D, delay: number): void =>
        void due.push({ at: Date.now() + delay, delivery: { ...delivery } });
      let deliveries = 0;
      const source: Source<D> = {
        get ended() {
          return deliveries > 1_000;
        },
        async pull(ctx, max) {
          for (;;) {
            const ready = due.filter(({ at }) => at <= Date.now()).slice(0, max);
            for (const one of ready) due.splice(due.indexOf(one), 1);
            deliveries += ready.length;
            if (ready.length > 0 || ctx.err() !== undefined) return ready.map(({ delivery }) => delivery);
            await time.sleep(1, ctx).catch(() => {});
          }
        },
        ack: (ctx) => time.sleep(5, ctx),
        async nack(ctx, items) {
          await time.sleep(5, ctx);
          for (const { delivery, delay } of items) back(delivery, delay);
        },
      };
      const handled: string[] = [];
      let calls = 0;
      const handle: Handler<D> = async (ctx, { id }) => {
        await time.sleep(11, ctx);
        if (++calls === 1) throw boom;
        handled.push(id);
      };
      const running = start(source, handle, { backoff: () => pause });
      await elapse(2_000);
      running.stop();
      await elapse(30_000);
      expect(handled.sort()).toEqual(["a1", "a2", "a3"]);
      expect(deliveries).toBeLessThan(20);
    },
  );

  it("follow one that is dead", async () => {
    const { source, told } = sourceOf("a1 a2");
    const handle: Handler<D> = (_, { id }) => (id === "a1" ? Promise.reject(new Permanent("no use")) : undefined);
    const running = start(source, handle);
    await elapse(100);
    expect(told.sort()).toEqual(["ack a2", "dead a1"]);
    expect(account(running.report)).toBe("2 pulled: 1 acked, 1 dead");
  });

  it.each(["running", "waiting"])("go back with one whose lease was lost while it was %s", async (state) => {
    const lost = state === "running" ? "a1" : "a2";
    const { source, told } = sourceOf("a1 a2 a3 b1", {
      lease: 30,
      extend: async (_, ds) => ds.filter(({ id }) => id === lost),
    });
    const running = start(source, (ctx, { id }) => time.sleep(id === "a1" ? 25 : 5, ctx));
    await elapse(100);
    const follow = state === "running" ? "nack a2:released:0 a3:released:0" : "nack a3:released:0";
    expect(told).toContain(follow);
    const acked = state === "running" ? ["ack b1"] : ["ack b1", "ack a1"];
    expect(told.filter((line) => line.startsWith("ack"))).toEqual(acked);
    const { leftovers } = running.report!;
    expect(leftovers).toMatchObject([{ delivery: { id: lost }, error: expect.any(LeaseLost) as unknown }]);
    expect(running.log.map((line) => line.slice(0, 2))).toEqual(["a1", "b1"]);
  });

  it("are released at once when the worker stops, in order, while the first of them goes on", async () => {
    const { source, told } = sourceOf("a1 a2 a3 b1 b2 x1");
    const running = start(source, (ctx) => time.sleep(30, ctx), { concurrency: 1, prefetch: 10, grace: 100 });
    await elapse(10);
    running.stop();
    await elapse(0);
    expect(told).toEqual(["nack b1:released:0 b2:released:0 x1:released:0 a2:released:0 a3:released:0"]);
    await elapse(100);
    expect(account(running.report)).toBe("6 pulled: 1 acked, 5 released");
  });

  it("are all handled when the source ends while they wait", async () => {
    const { source } = sourceOf("a1 a2 a3");
    const running = start(source, (ctx) => time.sleep(10, ctx));
    await elapse(100);
    expect(account(running.report)).toBe("3 pulled: 3 acked");
    expect(running.report!.stopped).toBe("source ended");
  });

  it("are told of in order even where the source does not take it at first", async () => {
    let calls = 0;
    const { source, told } = sourceOf("a1 b1 a2 c1 b2 a3 c2", {
      async nack(_, items) {
        if (++calls <= 6) throw boom;
        told.push(...items.map(({ delivery }) => delivery.id));
      },
    });
    const running = start(source, () => Promise.reject(boom), { prefetch: 10 });
    await elapse(60_000);
    expect(account(running.report)).toBe("7 pulled: 3 retried, 4 released");
    for (const key of ["a", "b", "c"]) {
      const order = told.filter((id) => id.startsWith(key));
      expect(order).toEqual([...order].sort());
    }
  });
});
