/**
 * What the demo does with a real broker, whichever it is: here the one in memory stands for it, in virtual time. The real ones are in
 * test/brokers.
 */
import { time } from "headgate";
import { type Bubble, bubble } from "headgate/testing";
import { type Delivery, type MemoryBroker, memoryBroker, Permanent, type Progress, worker } from "headgate/worker";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Adapter } from "../../docs/demo/brokers/broker.ts";
import { RealBroker } from "../../docs/demo/brokers/real.ts";
import { account, plain, progressLine } from "../../docs/demo/display.ts";
import type { GatewayCount } from "../../docs/demo/gateway.ts";
import { shown, textOf } from "../../docs/demo/secrets.ts";

let said: string[];

beforeEach(() => {
  said = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => said.push(String(text)) > 0);
});
afterEach(() => void vi.restoreAllMocks());

interface Fake extends Adapter {
  readonly memory: MemoryBroker<string>;
}

/** A broker with everything that an adapter may have. */
function fake(differing: Partial<Adapter> = {}): Fake {
  const memory = memoryBroker<string>({ lease: 10_000 });
  return {
    memory,
    source: memory,
    publish: (texts) => Promise.all(texts.map((text) => memory.publish(text))),
    left: async () => memory.size,
    deadLetters: "the dead",
    close: async () => {},
    ...differing,
  };
}

/** Answers the first time, and rejects then. */
function onlyOnce<T>(answer: T): () => Promise<T> {
  let calls = 0;
  return async () => {
    if (++calls > 1) throw new Error("not again");
    return answer;
  };
}

const zero = (): Progress => ({
  pulled: 0,
  waiting: 0,
  running: 0,
  settling: 0,
  acked: 0,
  retried: 0,
  released: 0,
  dead: 0,
  expired: 0,
});
const bodies = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

describe("the messages of the demo on a real broker", () => {
  it("are named by themselves: however often and to whomever they are delivered", () =>
    bubble(async (t) => {
      const adapter = fake();
      const [here, there] = [new RealBroker(adapter, undefined), new RealBroker(adapter, undefined)];
      await here.publish(t.ctx, [{ greeting: "hello" }]);
      await there.publish(t.ctx, [{ greeting: "hello" }]);
      const [first, second] = (await here.source.pull(t.ctx, 2)) as [Delivery, Delivery];
      await here.source.nack(t.ctx, [{ delivery: first, delay: 0, reason: "failed" }]);
      const [again] = (await there.source.pull(t.ctx, 2)) as [Delivery];
      expect(again.id).not.toBe(first.id);
      expect(there.messageOf(again)).toEqual(here.messageOf(first));
      expect(here.messageOf(first)).toEqual({ id: expect.stringMatching(/^\w{8}-1$/), body: { greeting: "hello" } });
      expect(here.messageOf(second).id).not.toBe(here.messageOf(first).id);
    }));

  it.each(["", "hello", "null", "1", "[]", '{"id":1}', '{"id":""}', '{"id":"a\\nb"}'])(
    "are no others: %j is dead at its first delivery",
    (body) => {
      const delivery = { id: "1", body };
      expect(() => new RealBroker(fake(), undefined).messageOf(delivery)).toThrow(Permanent);
    },
  );

  it("are held back while there are 1000 of them, whoever has published those", () =>
    bubble(async (t) => {
      const adapter = fake();
      for (let i = 0; i < 950; i++) await adapter.memory.publish("another's");
      const broker = new RealBroker(adapter, undefined);
      const publishing = broker.publish(t.ctx, bodies(300));
      await t.sleep(1_000);
      expect(broker.state).toMatchObject({ published: 100, unconfirmed: 0 });
      const pulled = await adapter.memory.pull(t.ctx, 200);
      await adapter.memory.ack(t.ctx, pulled);
      await publishing;
      expect(broker.state.published).toBe(300);
    }));

  it("that were sent and not confirmed are sent again, and counted", () =>
    bubble(async (t) => {
      const { publish } = fake();
      let calls = 0;
      const adapter = fake({
        async publish(texts) {
          await adapter.memory.publish(texts[0]!);
          if (++calls === 2) await time.sleep(6_000);
          if (calls <= 2) throw new Error("cut off");
          return publish(texts);
        },
      });
      const broker = new RealBroker(adapter, undefined);
      await broker.publish(t.ctx, bodies(100));
      expect([calls, broker.state.published, broker.state.unconfirmed]).toEqual([3, 100, 200]);
      await t.sleep(6_000);
    }));

  it("are published no more when the run is stopped, also while the broker is away", () =>
    bubble(async (t) => {
      const broker = new RealBroker(fake({ publish: () => Promise.reject(new Error("away")) }), undefined);
      const publishing = broker.publish(t.ctx, bodies(100)).catch((error: unknown) => error);
      await t.sleep(10_000);
      t.cancel();
      expect(await publishing).toBe(t.ctx.err());
      expect(broker.state.published).toBe(0);
    }));
});

describe("a run on a real broker", () => {
  /** Works until the run is over; returns how long that took after the last message, in ms. */
  async function tail(t: Bubble, adapter: Adapter, idle?: number): Promise<number> {
    const broker = new RealBroker(adapter, idle);
    const progress = zero();
    await broker.publish(t.ctx, bodies(20));
    let last = 0;
    const handle = async (): Promise<void> => {
      await time.sleep(500);
      last = time.now();
    };
    const { backoff, over } = broker.shared;
    const working = worker(t.ctx, broker.source, handle, { progress, backoff });
    await over(t.ctx, progress);
    const took = time.now() - last;
    t.cancel();
    expect((await working).acked).toBe(20);
    return took;
  }

  it("is over when nothing has come for 2 s, if the broker is empty", () =>
    bubble(async (t) => {
      const took = await tail(t, fake());
      expect(took).toBeGreaterThanOrEqual(2_000);
      expect(took).toBeLessThanOrEqual(2_200);
    }));

  it.each([
    ["somebody holds messages", async () => 1],
    ["the broker does not tell", undefined],
    ["it cannot be asked any more", onlyOnce(0)],
  ])("waits for longer than a lease if %s", (_, left) =>
    bubble(async (t) => {
      const { left: _, ...untold } = fake();
      const took = await tail(t, left === undefined ? untold : { ...untold, left });
      expect(took).toBeGreaterThanOrEqual(12_000);
      expect(took).toBeLessThanOrEqual(12_200);
    }),
  );

  it("gets what a process held that is no more, before it is over", () =>
    bubble(async (t) => {
      const adapter = fake();
      await adapter.memory.publish('{"id":"other-1"}');
      await adapter.memory.pull(t.ctx, 1);
      const broker = new RealBroker(adapter, undefined);
      const progress = zero();
      await broker.publish(t.ctx, bodies(20));
      const working = worker(t.ctx, broker.source, () => {}, { progress });
      await broker.shared.over(t.ctx, progress);
      t.cancel();
      expect((await working).acked).toBe(21);
    }));

  it("with --idle is over after that, whatever the broker says", () =>
    bubble(async (t) => {
      const took = await tail(t, { ...fake(), left: async () => 1 }, 5_000);
      expect(took).toBeGreaterThanOrEqual(5_000);
      expect(took).toBeLessThanOrEqual(5_200);
    }));

  it("is not over before all is published", () =>
    bubble(async (t) => {
      const broker = new RealBroker(fake(), 2_000);
      const over = vi.fn<() => void>();
      const ending = broker.shared.over(t.ctx, zero()).then(over, () => {});
      await t.sleep(60_000);
      expect(over).not.toHaveBeenCalled();
      await broker.publish(t.ctx, []);
      await ending;
      expect(over).toHaveBeenCalled();
    }));

  it("is not over while the broker is away, and that is said once, and once when it is back", () =>
    bubble(async (t) => {
      let isAway = true;
      const adapter = fake();
      const { memory } = adapter;
      const source = {
        ...memory,
        ended: false,
        pull: (ctx: typeof t.ctx, max: number) => {
          return isAway ? Promise.reject(new Error("connection refused")) : memory.pull(ctx, max);
        },
      };
      const broker = new RealBroker({ ...adapter, source }, 2_000);
      const progress = zero();
      await broker.publish(t.ctx, bodies(1));
      const working = worker(t.ctx, broker.source, () => {}, { progress });
      const ending = broker.shared.over(t.ctx, progress);
      await t.sleep(30_000);
      expect(said).toEqual(["demo: pull: connection refused; trying again\n"]);
      expect(progressLine(progress, 1, broker)).toBe(
        "1/1 published · 0 acked · 0 running · 0 waiting · 0 settling · pull: connection refused",
      );
      isAway = false;
      await ending;
      t.cancel();
      expect((await working).acked).toBe(1);
      expect(said.slice(1)).toEqual(["demo: the broker answers again\n"]);
    }));
});

describe("what the demo says of a real broker", () => {
  const phaseMs = { draining: 0, aborting: 0, settling: 0 };
  const counts = { pulled: 7, started: 7, redelivered: 0, acked: 4, retried: 0, released: 0, dead: 3, expired: 0 };
  const report = { ...counts, abandoned: 0, leftovers: [], stopped: "cancelled" as const, phaseMs };
  const gateway: GatewayCount = { requests: 7, accepted: 4, distinct: 4, refused: 3, hung: 0, brokenOff: 0 };
  const tailOf = (text: string): string[] => text.split("\n").slice(9);

  it("is what was done here, what is left, and that all terminals together add up", () => {
    const broker = new RealBroker(fake({ uncounted: "those that others hold" }), undefined);
    expect(tailOf(account(report, gateway, broker, 5))).toEqual([
      "",
      "here: published 0, acked 4, dead 3 (they are in the dead)",
      "still in the broker: 5, not counting those that others hold",
      "over all terminals: published = acked + dead + still in the broker",
    ]);
    expect(plain(report, gateway, broker, 5)).toMatchObject({ broker: { published: 0, unconfirmed: 0, left: 5 } });
  });

  it("is that it is not known, if the broker does not tell", async () => {
    const { left: _, ...untold } = fake();
    const broker = new RealBroker(untold, undefined);
    const left = await broker.left();
    expect(tailOf(account(report, gateway, broker, left))[2]).toBe(
      "still in the broker: unknown, for it does not tell",
    );
    expect(plain(report, gateway, broker, left)).toMatchObject({ broker: { left: null } });
  });

  it("is no equation if a verdict may have counted that was not confirmed, and ten lines of leftovers at the most", () => {
    const leftovers = Array.from({ length: 12 }, (_, i) => ({
      delivery: { id: `${i}`, body: "" },
      verdict: "acked" as const,
      error: new Error(`lost ${i}`),
    }));
    const lost = { ...report, expired: 12, leftovers };
    const lines = tailOf(account(lost, gateway, new RealBroker(fake(), undefined), 0));
    expect(lines[3]).toBe("over all terminals: published ≤ acked + dead + still in the broker");
    expect(lines).toHaveLength(16);
    expect(lines.at(-1)).toBe("  and 2 more: --json names all");
  });
});

describe("what may be shown", () => {
  it.each([
    ["redis://user:secret@host:6379/1?password=secret", "redis://host:6379/1"],
    ["postgres://secret@host/db?sslpassword=secret#secret", "postgres://host/db"],
    ["pubsub:project", "pubsub:project"],
  ])("of the url %s is %s", (url, text) => {
    expect(shown(new URL(url))).toBe(text);
  });

  it("of an error is what it says, and why; and if it has no text, that of each error in it, or its code", () => {
    const refused = new Error("connect ECONNREFUSED");
    expect(textOf(new Error("no\n  connection", { cause: refused }))).toBe("no connection: connect ECONNREFUSED");
    expect(textOf(new AggregateError([refused, new Error("timeout")]))).toBe("connect ECONNREFUSED, timeout");
    expect(textOf(Object.assign(new Error(), { code: "EPIPE" }))).toBe("EPIPE");
    expect(textOf("text")).toBe("text");
  });

  it("of an error is no password", () => {
    expect(textOf(new Error("invalid url amqp://user:p@ss@host/x, 'redis://:secret@b'"))).toBe(
      "invalid url amqp://host/x, 'redis://b'",
    );
  });
});
