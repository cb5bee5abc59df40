/**
 * Select beside timers that are overdue: a busy turn has passed their instant, and the platform has not come to them.
 * Go brings all timers up to date before any case is judged (S2, S7, T6).
 */
import { Chan, context, errgroup, select, sending, time, trySelect } from "headgate";
import { explore } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { generator } from "../support/random.ts";

/** A turn so busy that a timer of 1 ms is overdue at its end. */
function burn(ms = 3): void {
  for (const end = performance.now() + ms; performance.now() < end;);
}

const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe("beside an overdue timer that a receiver waits for", () => {
  it("a send is complete only if it has been received", async () => {
    const [c, timer] = [new Chan<string>(), new time.Timer(1)];
    const waiter = select({ got: c, late: timer.c });
    burn();
    const [ctx, cancel] = context.withCancel(context.background());
    const sender = select({ out: sending(c, "v"), late: timer.c }, ctx);
    expect((await waiter).case).toBe("late");
    await settle();
    cancel();
    await expect(sender).rejects.toBe(ctx.err());
    expect([c.receivers.head, c.senders.head]).toEqual([null, null]);
  });

  it("a receive from an open channel never says that it is closed", async () => {
    const [c, timer] = [new Chan<string>(), new time.Timer(1)];
    const waiter = select({ out: sending(c, "v"), late: timer.c });
    burn();
    const [ctx, cancel] = context.withCancel(context.background());
    const receiver = select({ got: c, late: timer.c }, ctx);
    expect((await waiter).case).toBe("late");
    await settle();
    cancel();
    await expect(receiver).rejects.toBe(ctx.err());
  });

  it("trySelect takes its default, where the only partner leaves by the timer", async () => {
    for (const [mine, theirs] of [
      [(c: Chan<string>) => c, (c: Chan<string>) => sending(c, "v")],
      [(c: Chan<string>) => sending(c, "v"), (c: Chan<string>) => c],
    ] as const) {
      const [c, timer] = [new Chan<string>(), new time.Timer(1)];
      const waiter = select([theirs(c), timer.c]);
      burn();
      expect(trySelect([mine(c), timer.c])).toBeUndefined();
      expect((await waiter).case).toBe(1);
    }
  });

  it("a select with a third case that is ready returns, and takes one that is", async () => {
    for (let i = 0; i < 20; i++) {
      const [c, timer, ready] = [new Chan<string>(), new time.Timer(1), new Chan<number>(1)];
      ready.trySend(i);
      const waiter = select({ got: c, late: timer.c });
      burn(1.5);
      expect(await select({ out: sending(c, "v"), late: timer.c, ready })).toEqual({
        case: "ready",
        value: i,
        ok: true,
      });
      expect((await waiter).case).toBe("late");
    }
  });

  it("a ticker serves the one that waits, and the select that asks gets nothing of that tick", async () => {
    const [c, ticker] = [new Chan<string>(), new time.Ticker(50)];
    const waiter = select({ got: c, tick: ticker.c });
    burn(60);
    expect(trySelect({ out: sending(c, "v"), tick: ticker.c })).toBeUndefined();
    expect((await waiter).case).toBe("tick");
    ticker.stop();
  });
});

/** What tasks do at random with two channels and timers; every value that goes in is counted, and every one that comes out. */
async function program(seed: number, ctx: context.Context, work: () => void): Promise<{ sent: number; got: number }> {
  const random = generator(seed);
  const below = (n: number): number => Math.floor(random() * n);
  const channels = [new Chan<number>(), new Chan<number>(below(2))];
  const timers = [new time.Timer(below(3)), new time.Timer(1 + below(3))];
  const ticker = new time.Ticker(1 + below(3));
  let [sent, got] = [0, 0];
  const count = (taken: { case: unknown; ok?: boolean } | undefined): void => {
    if (taken?.case === "out") sent++;
    if (taken?.case === "in" && taken.ok === true) got++;
    if (taken?.case === "in" && taken.ok === false) throw new Error("an open channel is said to be closed");
  };
  const task = async (): Promise<void> => {
    for (let step = 0; step < 6; step++) {
      const [a, b] = [channels[below(2)]!, channels[below(2)]!];
      const cases = {
        ...(random() < 0.6 ? { out: sending(a, step) } : {}),
        ...(random() < 0.6 ? { in: b } : {}),
        ...(random() < 0.7 ? { late: timers[below(2)]!.c } : {}),
        ...(random() < 0.3 ? { tick: ticker.c } : {}),
        idle: time.after(1 + below(3)),
      };
      if (random() < 0.3) timers[below(2)]!.reset(below(3));
      if (random() < 0.3) work();
      count(random() < 0.3 ? trySelect(cases) : await select(cases, ctx));
    }
  };
  await errgroup.run(ctx, async (group) => {
    for (let i = 0; i < 4; i++) await group.go(task);
  });
  for (const ch of channels) {
    expect([ch.receivers.head, ch.senders.head]).toEqual([null, null]);
    got += ch.length;
  }
  for (const timer of [...timers, ticker]) timer.stop();
  return { sent, got };
}

describe("random programs with timers", () => {
  it("lose no value and invent none, in turns so busy that timers are overdue", async () => {
    for (let seed = 0; seed < 30; seed++) {
      const { sent, got } = await program(seed, context.background(), () => burn(1.5));
      expect([seed, got]).toEqual([seed, sent]);
    }
  });

  it("lose no value and invent none, in every order of tasks and timers up to a bound", async () => {
    for (let seed = 0; seed < 10; seed++) {
      await explore(
        async () => {
          const { sent, got } = await program(seed, context.background(), () => {});
          expect(got).toBe(sent);
        },
        { timers: "any", maxSchedules: 40 },
      );
    }
  });
});
