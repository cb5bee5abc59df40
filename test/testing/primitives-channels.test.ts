/**
 * Channels and select, cancelled at every point and in many orders: no value is lost, doubled, or delivered although
 * its send was refused; and both queues of a channel are served in the order of the calls.
 */
import { Chan, ClosedChannel, type Context, context, go, nil, select, sending, time, trySelect } from "headgate";
import { type Bubble, bubble, explore } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { errorOf } from "../support/errors.ts";
import { Oracle } from "./oracle.ts";
import { together, under } from "./tasks.ts";

type Sender = (oracle: Oracle, value: number, ctx: Context) => Promise<void>;
/** False: there is nothing more. */
type Receiver = (oracle: Oracle, ctx: Context) => Promise<boolean>;

const senders: Record<string, Sender> = {
  send: (oracle, value, ctx) => oracle.send(value, ctx),
  select: async (oracle, value, ctx) => {
    const sent = oracle.sending(value);
    await select({ never: nil, out: sending(oracle.ch, value) }, ctx);
    sent();
  },
};

const receivers: Record<string, Receiver> = {
  recv: (oracle, ctx) => oracle.recv(ctx),
  select: async (oracle, ctx) => {
    const received = oracle.receiving();
    const got = await select([oracle.ch, nil], ctx);
    if (got.ok) received(got.value);
    return got.ok;
  },
  iterator: async (oracle, ctx) => {
    const received = oracle.receiving();
    const { value, done } = await oracle.ch.values(ctx).next();
    if (done !== true) received(value);
    return done !== true;
  },
};

const kinds = <T>(table: Record<string, T>): T[] => Object.values(table);

/** Two of each kind of sender and all kinds of receivers, on one channel. Resolves when all have ended. */
async function crowd(t: Bubble, oracle: Oracle): Promise<void> {
  const sender = (send: Sender, i: number) => () =>
    under(t.ctx, async () => {
      for (const n of [1, 2]) await send(oracle, 10 * i + n, t.ctx);
    });
  const receiver = (receive: Receiver) => () =>
    under(t.ctx, async () => {
      while (await receive(oracle, t.ctx));
    });
  const receiving = together(...kinds(receivers).map(receiver));
  await together(...kinds(senders).map(sender));
  oracle.ch.close();
  await receiving;
}

describe("one channel, all kinds of operations", () => {
  it.each([0, 1, 2])(
    "passes on every value once, in the order of the calls, with capacity %i (H5, H6, S7)",
    async (capacity) => {
      const report = await explore(async (t) => {
        const oracle = new Oracle(capacity);
        await crowd(t, oracle);
        oracle.check();
      });
      expect(report.points).toBeGreaterThan(10);
    },
  );

  const pairings = kinds(senders).flatMap((send) => kinds(receivers).map((receive) => ({ send, receive })));
  it("delivers nothing whose send has failed, in every schedule there is, whoever meets whom (S12)", async () => {
    for (const { send, receive } of pairings) {
      const outcomes = new Set<string>();
      const report = await explore(
        async (t) => {
          const oracle = new Oracle();
          let [sent, received] = [false, false];
          await together(
            async () => (sent = await under(t.ctx, () => send(oracle, 1, t.ctx))),
            async () => (received = await under(t.ctx, () => receive(oracle, t.ctx))),
          );
          oracle.check();
          outcomes.add(`sent: ${sent}, received: ${received}`);
        },
        { bound: Infinity, randomRuns: 0 },
      );
      expect(report.complete).toBe(true);
      expect([...outcomes].sort()).toEqual(["sent: false, received: false", "sent: true, received: true"]);
    }
  });

  it("lets a receiver that is cancelled alone leave the queue, and those behind it keep their places (S8)", () =>
    explore(async (t) => {
      const oracle = new Oracle();
      const [leaving, leave] = context.withCancel(t.ctx);
      const all = together(
        () => under(t.ctx, () => oracle.recv(t.ctx)),
        () => under(leaving, () => oracle.recv(leaving)),
        () => under(t.ctx, () => oracle.recv(t.ctx)),
        () => under(t.ctx, () => oracle.send(1, t.ctx)),
        leave,
        () => under(t.ctx, () => oracle.send(2, t.ctx)),
      );
      await oracle.stop(t, all);
    }));

  it("loses no value when a try form comes between those who wait (H6)", () =>
    explore(async (t) => {
      const oracle = new Oracle(1);
      const trySend = async (): Promise<void> => {
        for (const n of [1, 2]) {
          const sent = oracle.sending(n);
          if (oracle.ch.trySend(n)) sent();
          await t.yield();
        }
      };
      const tryRecv = async (): Promise<void> => {
        const first = oracle.receiving();
        const got = oracle.ch.tryRecv();
        if (got?.[1] === true) first(got[0]);
        await t.yield();
        const second = oracle.receiving();
        const selected = trySelect({ in: oracle.ch });
        if (selected?.ok === true) second(selected.value);
      };
      const all = together(
        () => under(t.ctx, () => oracle.send(10, t.ctx)),
        () => under(t.ctx, () => oracle.send(20, t.ctx)),
        trySend,
        () => under(t.ctx, () => oracle.recv(t.ctx)),
        tryRecv,
      );
      await oracle.stop(t, all);
    }));

  it("refuses sends from a close on and gives away what is buffered, whenever the close comes (H8, H11, H12)", () =>
    explore(async (t) => {
      const oracle = new Oracle(1);
      const sender = (n: number) => () =>
        under(t.ctx, async () => {
          const isClosed = oracle.ch.toString().includes("closed");
          const error = await errorOf(oracle.send(n, t.ctx));
          if (isClosed) expect(error).toBeDefined();
          if (error !== undefined && !(error instanceof ClosedChannel)) throw error;
        });
      await together(sender(1), sender(2), () => oracle.ch.close());
      const drain = context.withoutCancel(t.ctx);
      while (await oracle.recv(drain));
      oracle.check();
      expect(oracle.ch.length).toBe(0);
    }));

  it("withdraws the next() of an iterator that is left, and takes nothing for it", () =>
    explore(async (t) => {
      const oracle = new Oracle();
      const values = oracle.ch.values(t.ctx);
      const reader = () =>
        under(t.ctx, async () => {
          for (let n = 1; n <= 2; n++) {
            const received = oracle.receiving();
            const { value, done } = await values.next();
            if (done !== true) received(value);
          }
        });
      const leaver = () => values.return!();
      await oracle.stop(
        t,
        together(reader, leaver, () => under(t.ctx, () => oracle.send(1, t.ctx))),
      );
      expect(await values.next()).toEqual({ value: undefined, done: true });
      expect(oracle.ch.toString()).toBe("Chan(0/0)");
    }));

  it("gets each value to one receiver, whichever operation is refused", async () => {
    let refusals = 0;
    const refused = new Error("refused");
    const tolerant = (body: () => Promise<unknown>) => async () => {
      await body().catch((error: unknown) => {
        if (error === refused) refusals++;
        else if (!(error instanceof ClosedChannel)) throw error;
      });
    };
    await explore(
      async (t) => {
        const oracle = new Oracle();
        const sender = (send: Sender, i: number) => tolerant(() => send(oracle, i, context.background()));
        const receiver = (receive: Receiver) =>
          tolerant(async () => {
            while (await receive(oracle, context.background()));
          });
        const closer = tolerant(async () => {
          try {
            await together(...kinds(senders).map(sender));
          } finally {
            oracle.ch.close();
          }
        });
        for (const task of [closer, ...kinds(receivers).map(receiver)]) go(task);
        await t.wait();
        while (await oracle.recv());
        oracle.check();
      },
      { fail: refused, cancel: false, randomRuns: 0 },
    );
    // Two sends, a wait, and what each of the three receivers has called.
    expect(refusals).toBeGreaterThanOrEqual(6);
  });
});

describe("a pipeline", () => {
  const stage = (t: Bubble, from: Chan<number>, to: Chan<number>) => async (): Promise<void> => {
    try {
      await under(t.ctx, async () => {
        for await (const n of from.values(t.ctx)) await to.send(n * n, t.ctx);
      });
    } finally {
      to.close();
    }
  };

  it("comes to its end wherever it is cancelled, with a beginning of what it would have yielded", () =>
    explore(async (t) => {
      const [first, second, third] = [new Chan<number>(), new Chan<number>(1), new Chan<number>()];
      const source = async (): Promise<void> => {
        await under(t.ctx, async () => {
          for (const n of [1, 2, 3]) await first.send(n, t.ctx);
        });
        first.close();
      };
      const all = together(source, stage(t, first, second), stage(t, second, third));
      const got: number[] = [];
      for await (const n of third) got.push(n);
      await all;
      expect([1, 16, 81].slice(0, got.length)).toEqual(got);
      if (t.ctx.err() === undefined) expect(got).toHaveLength(3);
    }));

  it("takes exactly the time of its slowest stage for each value", () =>
    bubble(async (t) => {
      const [from, to] = [new Chan<number>(), new Chan<number>()];
      const source = async (): Promise<void> => {
        for (const n of [1, 2, 3]) {
          await time.sleep(10, t.ctx);
          await from.send(n, t.ctx);
        }
        from.close();
      };
      const slow = async (): Promise<void> => {
        for await (const n of from) {
          await time.sleep(100, t.ctx);
          await to.send(n, t.ctx);
        }
        to.close();
      };
      const all = together(source, slow);
      const begun = t.now();
      const arrivals: [number, number][] = [];
      for await (const n of to) arrivals.push([n, t.now() - begun]);
      expect(arrivals).toEqual([
        [1, 110],
        [2, 210],
        [3, 310],
      ]);
      await all;
    }));
});
