/**
 * select, trySelect, sending: which case is taken, what becomes of the others, and how a select meets other operations.
 * Results, contexts and bad input are in select-cases.test.ts.
 */
import { Chan, type Cases, ClosedChannel, context, nil, type Recv, select, sending, trySelect } from "headgate";
import { describe, expect, it } from "vitest";
import { isPending, settle } from "../support/clock.ts";
import { failure } from "../support/errors.ts";

const filled = <T>(...values: T[]): Chan<T> => {
  const ch = new Chan<T>(values.length);
  for (const value of values) ch.trySend(value);
  return ch;
};

const closed = <T>(...values: T[]): Chan<T> => {
  const ch = filled(...values);
  ch.close();
  return ch;
};

/** How many wait on either side of a channel. */
const waiters = (...channels: Chan<any>[]): number =>
  channels.reduce((sum, ch) => sum + ch.receivers.count() + ch.senders.count(), 0);

describe("among several ready cases each is equally likely (S1)", () => {
  /** Takes a random case many times, and checks that all counts lie within 8 standard deviations of an equal share. */
  async function expectUniform(ready: string[], take: () => unknown, runs = 10_000): Promise<void> {
    const counts = new Map(ready.map((key) => [key, 0]));
    for (let i = 0; i < runs; i++) {
      const key = String(await take());
      counts.set(key, (counts.get(key) ?? NaN) + 1);
    }
    const share = runs / ready.length;
    const sigma = Math.sqrt(share * (1 - 1 / ready.length));
    for (const [key, count] of counts) expect(Math.abs(count - share), `${key}: ${count}`).toBeLessThan(8 * sigma);
  }

  it.each([2, 3, 4, 7, 16])("%i receives from closed channels", async (n) => {
    const cases = Array.from({ length: n }, () => closed<number>());
    await expectUniform([...cases.keys()].map(String), () => trySelect(cases)?.case);
  });

  it("receives, sends and closed channels; those that are not ready in between have no part in it", async () => {
    const full = filled(0);
    const take = (): string => {
      const cases = {
        never: new Chan<number>(),
        receive: filled(1),
        nil,
        send: sending(new Chan<number>(1), 1),
        full: sending(full, 1),
        closed: closed<number>(),
        null: null,
        none: undefined,
      };
      return trySelect(cases)!.case;
    };
    await expectUniform(["receive", "send", "closed"], take);
  });

  it("also when they are awaited, and through a list", async () => {
    const cases = [nil, closed<string>(), new Chan<string>(), closed<string>()] as const;
    await expectUniform(["1", "3"], async () => (await select(cases)).case);
  });

  it("waiting senders and receivers make a case as ready as a buffer does", async () => {
    const take = (): string => {
      const [receiver, sender] = [new Chan<number>(), new Chan<number>()];
      void receiver.recv();
      void sender.send(1);
      return trySelect({ receiver: sending(receiver, 1), sender, buffer: filled(1) })!.case;
    };
    await expectUniform(["receiver", "sender", "buffer"], take);
  });

  it("a context that is done has no precedence over data (S10)", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    cancel();
    await expectUniform(["done", "data"], async () => (await select({ done: ctx.done(), data: filled(1) })).case);
  });

  it("a channel in two cases has two shares (S9)", async () => {
    const take = (): string => {
      const [twice, once] = [filled(1), filled(1)];
      return trySelect({ a: twice, once, b: twice })!.case;
    };
    await expectUniform(["a", "b", "once"], take);
  });

  it("a send on a closed channel counts as ready: it is taken, and fails, as often as the other case (H12)", async () => {
    const [gone, data] = [closed<number>(), closed<number>()];
    const take = async (): Promise<string> => {
      const taken: unknown = await select({ out: sending(gone, 1), data }).catch((error: unknown) => error);
      return taken instanceof ClosedChannel ? "failed" : "data";
    };
    await expectUniform(["failed", "data"], take);
  });
});

describe("readiness", () => {
  it("of all cases is judged at one instant: a value that moves between two channels is always found (S2)", async () => {
    const channels = [filled("a"), new Chan<string>(1)] as const;
    let moving = true;
    const mover = (async () => {
      for (let i = 0; i < 1000; i++) {
        const [from, to] = [channels[i % 2]!, channels[1 - (i % 2)]!];
        to.trySend("a");
        await Promise.resolve();
        from.tryRecv();
        await Promise.resolve();
      }
      moving = false;
    })();
    const found = { 0: 0, 1: 0 };
    while (moving) {
      const got = trySelect(channels);
      if (!got?.ok) throw new Error("nothing was ready");
      found[got.case]++;
      channels[got.case].trySend(got.value);
      await Promise.resolve();
    }
    await mover;
    expect([found[0] > 500, found[1] > 500]).toEqual([true, true]);
  });

  it("trySelect is undefined only if nothing is ready, and has then touched nothing (S3)", () => {
    const [empty, full] = [new Chan<number>(1), filled(1)];
    expect(trySelect({ empty, out: sending(full, 2) })).toBeUndefined();
    expect([waiters(empty, full), empty.length, full.length]).toEqual([0, 0, 1]);
    expect(trySelect({ empty, out: sending(full, 2), full })).toEqual({ case: "full", value: 1, ok: true });
  });

  it.each<[string, Cases]>([
    ["no cases", {}],
    ["an empty list", []],
    [
      "nil cases only",
      { a: nil, b: null, c: undefined, d: sending(nil, 1), e: sending(null, 1), f: sending(undefined, 1) },
    ],
  ])("a select of %s waits for ever, and trySelect falls through (S4, S5)", async (_name, cases) => {
    expect(await isPending(select(cases))).toBe(true);
    expect(trySelect(cases)).toBeUndefined();
  });

  it("nil cases are skipped, though their operands are evaluated (S5)", async () => {
    const log: string[] = [];
    const say = <T>(text: string, value: T): T => (log.push(text), value);
    const got = await select({
      off: say("off", nil),
      out: sending(say("out", null as Chan<number> | null), say("value", 1)),
      data: say("data", filled("x")),
    });
    expect(got).toEqual({ case: "data", value: "x", ok: true });
    expect(log).toEqual(["off", "out", "value", "data"]);
  });

  it("of a closed channel lasts for ever, after what is buffered (S10)", async () => {
    const ch = closed("last");
    const results: unknown[] = [];
    for (let i = 0; i < 3; i++) results.push(await select({ ch, never: new Chan() }), trySelect([ch]));
    expect(results[0]).toEqual({ case: "ch", value: "last", ok: true });
    expect(results.slice(1)).toEqual(
      [1, 2, 3, 4, 5].map((i) => ({ case: i % 2 === 1 ? 0 : "ch", value: undefined, ok: false })),
    );
  });

  it("a send case on a closed channel fails though it cannot be sent, while nothing else is ready (H12, S11)", async () => {
    const ch = closed<number>();
    const message = "send on closed channel";
    expect(await failure(select({ out: sending(ch, 1), other: new Chan() }))).toEqual(new ClosedChannel(message));
    expect(() => trySelect({ out: sending(ch, 1), other: new Chan() })).toThrow(new ClosedChannel(message));
  });

  it("takes any number of cases: of 70 000 the ready one is found, and those that wait are all left (S17)", async () => {
    const channels = Array.from({ length: 70_000 }, () => new Chan<string>(1));
    const waiting = select(channels);
    channels[65_537]!.trySend("x");
    expect(await waiting).toEqual({ case: 65_537, value: "x", ok: true });
    expect(waiters(...channels)).toBe(0);
    channels[69_999]!.trySend("y");
    expect(trySelect(channels)).toEqual({ case: 69_999, value: "y", ok: true });
  });
});

describe("exactly one case takes effect", () => {
  it("of a select that need not wait: one value received or one sent (S7)", async () => {
    for (let i = 0; i < 200; i++) {
      const [a, b, c, d] = [filled(1), filled(2), new Chan<number>(1), new Chan<number>(1)];
      const cases = { a, b, c: sending(c, 3), d: sending(d, 4) };
      const got = i % 2 === 0 ? trySelect(cases)! : await select(cases);
      const lengths = { a: 1, b: 1, c: 0, d: 0, [got.case]: got.case < "c" ? 0 : 1 };
      expect({ a: a.length, b: b.length, c: c.length, d: d.length }).toEqual(lengths);
    }
  });

  it("of a select that waits: the winner withdraws the others at once, before any caller resumes (S7, S8)", async () => {
    const [a, b, c] = [new Chan<number>(), new Chan<number>(), new Chan<number>()];
    const got = select({ a, b, c: sending(c, 3), again: a });
    expect(waiters(a, b, c)).toBe(4);
    expect(b.trySend(2)).toBe(true);
    expect(waiters(a, b, c)).toBe(0);
    expect([a.trySend(1), b.trySend(1), c.tryRecv()]).toEqual([false, false, undefined]);
    expect(await got).toEqual({ case: "b", value: 2, ok: true });
  });

  it("the waiters behind one that leaves keep their places (S8)", async () => {
    const [ch, other] = [new Chan<string>(), new Chan<string>()];
    const ahead = ch.recv();
    const leaving = select({ ch, other });
    const behind = [ch.recv(), select({ ch })];
    other.trySend("off");
    for (const value of ["a", "b", "c"]) ch.trySend(value);
    expect(await ahead).toEqual(["a", true]);
    expect(await leaving).toEqual({ case: "other", value: "off", ok: true });
    expect(await Promise.all<unknown>(behind)).toEqual([["b", true], { case: "ch", value: "c", ok: true }]);
  });

  it("the senders behind one that leaves keep their places (S8)", async () => {
    const [ch, other] = [new Chan<string>(), new Chan<string>()];
    const sends = [ch.send("a"), select({ out: sending(ch, "b"), other }), ch.send("c")];
    other.trySend("off");
    expect([ch.tryRecv(), ch.tryRecv(), ch.tryRecv()]).toEqual([["a", true], ["c", true], undefined]);
    expect((await Promise.all<unknown>(sends))[1]).toEqual({ case: "other", value: "off", ok: true });
  });

  it("when a channel of a send case is closed the select fails, and its other channels are clean (S11)", async () => {
    const [out, a, b] = [new Chan<number>(), new Chan<number>(), new Chan<number>(1)];
    b.trySend(0);
    const failed = failure(select({ a, out: sending(out, 1), b: sending(b, 2) }));
    out.close();
    expect(waiters(out, a, b)).toBe(0);
    expect(await failed).toEqual(new ClosedChannel("send on closed channel"));
    expect([a.trySend(1), b.tryRecv(), b.tryRecv()]).toEqual([false, [0, true], undefined]);
  });

  it("when a channel of a receive case is closed the select yields not ok, and its other channels are clean (H10)", async () => {
    const [gone, out, other] = [new Chan<number>(), new Chan<number>(), new Chan<number>()];
    const got = select({ other, gone, out: sending(out, 1) });
    gone.close();
    expect(waiters(gone, out, other)).toBe(0);
    expect(await got).toEqual({ case: "gone", value: undefined, ok: false });
    expect(out.tryRecv()).toBeUndefined();
  });

  it("100 000 selects that lost nothing leave no waiter behind on the channel they all share (S8, H22)", async () => {
    const [shared, own] = [new Chan<number>(), new Chan<number>()];
    const waiting: Promise<unknown>[] = [];
    for (let i = 0; i < 1000; i++) waiting.push(select({ shared, own }));
    for (let i = 0; i < 100_000; i++) {
      waiting.push(select({ shared, own }));
      own.trySend(i);
    }
    expect([shared.receivers.count(), own.receivers.count()]).toEqual([1000, 1000]);
    own.close();
    expect(waiters(shared, own)).toBe(0);
    expect(await Promise.all(waiting)).toHaveLength(101_000);
  });
});

describe("one channel in several cases (S9)", () => {
  it.each([0, 3])("a select that sends and receives never pairs with itself (capacity %i)", async (capacity) => {
    const ch = new Chan<number>(capacity);
    if (capacity === 0) {
      const own = select({ in: ch, out: sending(ch, 1) });
      expect(await isPending(own)).toBe(true);
      expect(ch.tryRecv()).toEqual([1, true]);
      expect(await own).toEqual({ case: "out" });
      expect(trySelect({ in: ch, out: sending(ch, 1) })).toBeUndefined();
    } else {
      expect(await select({ in: ch, out: sending(ch, 1) })).toEqual({ case: "out" });
      expect(ch.length).toBe(1);
    }
    expect(waiters(ch)).toBe(0);
  });

  it("two selects that send and receive on the same unbuffered channel pair with each other", async () => {
    const seen = new Set<string>();
    for (let i = 0; i < 200; i++) {
      const ch = new Chan<string>();
      const pair = await Promise.all(["x", "y"].map((name) => select({ in: ch, out: sending(ch, name) })));
      seen.add(pair.map((got) => got.case).join());
      const receiver = pair.findIndex((got) => got.case === "in");
      expect(pair[receiver]).toEqual({ case: "in", value: "yx"[receiver], ok: true });
      expect(pair[1 - receiver]).toEqual({ case: "out" });
      expect(waiters(ch)).toBe(0);
    }
    expect([...seen].sort()).toEqual(["in,out", "out,in"]);
  });

  it("twice as a receive is served once", async () => {
    const ch = new Chan<string>();
    const got = select([ch, ch, ch]);
    expect([ch.trySend("a"), ch.trySend("b")]).toEqual([true, false]);
    expect(await got).toEqual({ case: 0, value: "a", ok: true });
  });

  it("twice as a send is sent once, the first in the queue", async () => {
    const ch = new Chan<string>();
    const sent = select({ a: sending(ch, "a"), b: sending(ch, "b") });
    expect([ch.tryRecv(), ch.tryRecv()]).toEqual([["a", true], undefined]);
    expect(await sent).toEqual({ case: "a" });
  });
});

describe("a select meets", () => {
  type Side = (ch: Chan<string>) => Promise<unknown>;
  const sides: [name: string, send: Side, recv: Side][] = [
    ["a plain operation", (ch) => ch.send("x"), (ch) => ch.recv().then(([value]: Recv<string>) => value)],
    ["a select of one", (ch) => select([sending(ch, "x")]), (ch) => select([ch]).then((got) => got.value)],
    [
      "a select of two",
      (ch) => select({ never: new Chan(), out: sending(ch, "x") }),
      (ch) => select({ ch, never: sending(new Chan(), 1) }).then((got) => ("value" in got ? got.value : got)),
    ],
  ];
  const pairings = sides.flatMap(([a, send]) => sides.map(([b, , recv]) => [a, b, send, recv] as const));

  it.each(pairings)(
    "%s that sends and %s that receives hand over one value, whichever comes first (S12)",
    async (_a, _b, send, recv) => {
      for (const [first, second] of [
        [send, recv],
        [recv, send],
      ] as const) {
        const ch = new Chan<string>();
        const [early, late] = [first(ch), second(ch)];
        expect(await (first === recv ? early : late)).toBe("x");
        await Promise.all([early, late]);
        expect(waiters(ch)).toBe(0);
      }
    },
  );

  it("another under the same context, and both agree whether the value has passed (S14)", async () => {
    for (const cancelFirst of [true, false]) {
      const [ctx, cancel] = context.withCancel(context.background());
      const ch = new Chan<string>();
      const sender = select({ done: ctx.done(), out: sending(ch, "x") });
      if (cancelFirst) cancel();
      const receiver = select({ in: ch, done: ctx.done() });
      cancel();
      const got = [(await sender).case, (await receiver).case];
      expect(got).toEqual(cancelFirst ? ["done", "done"] : ["out", "in"]);
      expect(waiters(ch)).toBe(0);
    }
  });

  it("the order of a queue: k-th waiter, k-th value, selects among the others (S15)", async () => {
    const [ch, other] = [new Chan<number>(), new Chan<number>()];
    const got: unknown[] = [];
    const waiting = Array.from({ length: 6 }, (_, i) =>
      i % 2 === 0 ? ch.recv().then(([n]) => (got[i] = n)) : select({ other, ch }).then(({ value }) => (got[i] = value)),
    );
    for (let n = 0; n < 6; n++) ch.trySend(n);
    await Promise.all(waiting);
    await settle();
    expect(got).toEqual([0, 1, 2, 3, 4, 5]);
  });
});
