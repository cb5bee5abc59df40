/**
 * What Go's tests of select pin: those of the runtime, and the programs of test/chan that are about select.
 */
import { Chan, type Cases, ClosedChannel, go, nil, type RecvChan, select, sending, trySelect } from "headgate";
import { describe, expect, it } from "vitest";
import { isPending, settle } from "../support/clock.ts";

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

function filled<T>(capacity: number, ...values: T[]): Chan<T> {
  const ch = new Chan<T>(capacity);
  for (const value of values) ch.trySend(value);
  return ch;
}

function closed<T>(...values: T[]): Chan<T> {
  const ch = filled(values.length, ...values);
  ch.close();
  return ch;
}

// ------------------------------------------------------------------------------------------------ runtime/chan_test.go

describe("a trySelect on two channels of which one always has a value finds it", () => {
  it("when the value is put into the second before the first is emptied (S2) [runtime/chan_test.go TestNonblockSelectRace]", async () => {
    for (let i = 0; i < 500; i++) {
      const [first, second] = [filled(1, "x"), new Chan<string>(1)];
      const found = new Chan<boolean>(1);
      go(async () => {
        for (let pause = i % 5; pause > 0; pause--) await Promise.resolve();
        await found.send(trySelect({ first, second }) !== undefined);
      });
      await second.send("y");
      first.tryRecv();
      expect(await found.recv()).toEqual([true, true]);
    }
  });

  it("when the second is closed before the first is emptied (S2) [runtime/chan_test.go TestNonblockSelectRace2]", async () => {
    for (let i = 0; i < 500; i++) {
      const [first, second] = [filled(1, "x"), new Chan<string>()];
      const found = new Chan<boolean>(1);
      go(async () => {
        for (let pause = i % 5; pause > 0; pause--) await Promise.resolve();
        await found.send(trySelect({ first, second }) !== undefined);
      });
      await Promise.resolve();
      second.close();
      first.tryRecv();
      expect(await found.recv()).toEqual([true, true]);
    }
  });
});

it.each([0, 10])(
  "two tasks that select to send and to receive on one channel get on, and none hears itself (S9, capacity %i) [runtime/chan_test.go TestSelfSelect]",
  async (capacity) => {
    const ch = new Chan<number>(capacity);
    const heard: number[][] = [[], []];
    const tasks = [0, 1].map(async (me) => {
      for (let i = 0; i < 1000; i++) {
        const out = sending(ch, me);
        const got = i % 2 === 0 ? await select({ out, in: ch }) : await select({ in: ch, out });
        if (got.case === "in" && got.ok) heard[me]!.push(got.value);
      }
    });
    await Promise.all(tasks);
    expect(heard.flat().length).toBeGreaterThan(0);
    if (capacity === 0) for (const me of [0, 1]) expect(heard[me]).not.toContain(me);
  },
);

it("plain operations and selects that switch their cases off finish together (S5, S16) [runtime/chan_test.go TestSelectStress]", async () => {
  const N = 2000;
  const channels = [0, 0, 2, 3].map((capacity) => new Chan<number>(capacity));
  const received = channels.map(() => 0);
  const senders = channels.map(async (ch) => {
    for (let i = 0; i < N; i++) await ch.send(i);
  });
  const receivers = channels.map(async (ch, c) => {
    for (let i = 0; i < N; i++) if ((await ch.recv())[1]) received[c]!++;
  });
  const selectToSend = async (): Promise<void> => {
    const left: (Chan<number> | null)[] = [...channels];
    const sent = channels.map(() => 0);
    for (let i = 0; i < 4 * N; i++) {
      const got = await select(left.map((ch, c) => sending(ch, sent[c]!)));
      if (++sent[got.case]! === N) left[got.case] = null;
    }
  };
  const selectToReceive = async (): Promise<void> => {
    const left: RecvChan<number>[] = [...channels];
    const counts = channels.map(() => 0);
    for (let i = 0; i < 4 * N; i++) {
      const got = await select(left);
      received[got.case]!++;
      if (++counts[got.case]! === N) left[got.case] = nil;
    }
  };
  await Promise.all([...senders, ...receivers, selectToSend(), selectToReceive()]);
  expect(received).toEqual([2 * N, 2 * N, 2 * N, 2 * N]);
  expect(channels.map((ch) => String(ch))).toEqual(["Chan(0/0)", "Chan(0/0)", "Chan(0/2)", "Chan(0/3)"]);
});

it("of four cases the two that are always ready come equally often (S1) [runtime/chan_test.go TestSelectFairness]", async () => {
  const TRIALS = 10_000;
  const bytes = (value: number): Chan<number> => filled(TRIALS, ...range(TRIALS).map(() => value));
  const cases = { one: bytes(1), two: bytes(2), never: new Chan<number>(), nor: new Chan<number>() };
  const counts = { one: 0, two: 0, never: 0, nor: 0 };
  for (let i = 0; i < TRIALS; i++) counts[(await select(cases)).case]++;
  const sigma = Math.sqrt(TRIALS * 0.25);
  expect(Math.abs(counts.one - TRIALS / 2)).toBeLessThan(10 * sigma);
  expect(counts).toEqual({ one: counts.one, two: TRIALS - counts.one, never: 0, nor: 0 });
});

it.each([0, 100])(
  "a choice between two sends on one channel falls on both (S1, capacity %i) [runtime/chan_test.go TestPseudoRandomSend]",
  async (capacity) => {
    const ch = new Chan<number>(capacity);
    const got: number[] = [];
    const reader = (async () => {
      for (let i = 0; i < 100; i++) {
        await Promise.resolve();
        got.push((await ch.recv())[0]!);
      }
    })();
    for (let i = 0; i < 100; i++) {
      // On an unbuffered channel there is a choice only while somebody waits to receive.
      while (capacity === 0 && ch.receivers.head === null) await settle();
      await select({ one: sending(ch, 1), zero: sending(ch, 0) });
    }
    await reader;
    const ones = got.filter((n) => n === 1).length;
    expect(ones).toBeGreaterThan(10);
    expect(100 - ones).toBeGreaterThan(10);
  },
);

it("a select that had a channel twice leaves it to the receiver behind it (S8, S9) [runtime/chan_test.go TestSelectDuplicateChannel]", async () => {
  const [twice, other] = [new Chan<number>(), new Chan<number>()];
  const selected = select({ a: twice, b: twice, other });
  const behind = twice.recv();
  await other.send(8);
  expect(await selected).toEqual({ case: "other", value: 8, ok: true });
  await twice.send(9);
  expect(await behind).toEqual([9, true]);
});

it("close wakes selects, and what they did not receive keeps its value (H10) [runtime/chan_test.go TestSelectStackAdjust]", async () => {
  const channels = range(4).map(() => new Chan<string>());
  const variables = channels.map(() => "untouched");
  const tasks = channels.map(async (_, i) => {
    const [mine, next] = [channels[i]!, channels[(i + 1) % 4]!];
    for (;;) {
      const got = await select({ mine, next });
      if (!got.ok) return;
      variables[i] = got.value;
    }
  });
  await channels[0]!.send("received");
  await settle();
  for (const ch of channels) ch.close();
  await Promise.all(tasks);
  expect(variables.sort()).toEqual(["received", "untouched", "untouched", "untouched"]);
});

// ----------------------------------------------------------------------------------------------------------- test/chan

it("a select never sends one value to two channels (S7) [test/chan/doubleselect.go main]", async () => {
  const N = 10_000;
  const outputs = range(4).map(() => new Chan<number>());
  const merged = new Chan<number>();
  go(async () => {
    for (let n = 0; n < N; n++) await select(outputs.map((ch) => sending(ch, n)));
    for (const ch of outputs) ch.close();
  });
  let muxers = outputs.length;
  for (const ch of outputs) {
    go(async () => {
      for await (const n of ch) await merged.send(n);
      if (--muxers === 0) merged.close();
    });
  }
  const seen = new Set<number>();
  let count = 0;
  for await (const n of merged) {
    seen.add(n);
    count++;
  }
  expect([count, seen.size]).toEqual([N, N]);
});

it("every select evaluates what it might send, nil channels are out of the game, and no case is left at the end (S5, S6) [test/chan/select.go main]", async () => {
  let evaluated = 0;
  const next = (): number => 1 << evaluated++;
  const sendWhatFits = (a: Chan<number> | null, b: Chan<number> | null): number => {
    for (let sent = 0; ; sent++) {
      const got = trySelect({ a: sending(a, next()), b: sending(b, next()) });
      if (got === undefined) return sent;
      if (got.case === "a") a = null;
      else b = null;
    }
  };
  const [a, b] = [new Chan<number>(1), new Chan<number>(1)];
  expect(sendWhatFits(a, b)).toBe(2);
  // One came from the first round, the other from the second, whichever went first.
  const bits = a.tryRecv()![0]! | b.tryRecv()![0]!;
  expect([1 | 8, 2 | 4]).toContain(bits);
  expect(sendWhatFits(a, null)).toBe(1);
  expect(evaluated).toBe(10);
});

it("100 000 selects with a case that never comes leave nothing behind (S8) [test/chan/select2.go main]", async () => {
  const [ch, never] = [new Chan<number>(), new Chan<number>()];
  const exchange = async (rounds: number): Promise<void> => {
    const sender = (async () => {
      for (let i = 0; i < rounds; i++) await select({ out: sending(ch, i), never });
    })();
    for (let i = 0; i < rounds; i++) await select({ in: ch, never, no: sending(never, i) });
    await sender;
  };
  const inUse = (): number => {
    globalThis.gc!();
    return process.memoryUsage().heapUsed;
  };
  await exchange(10_000);
  const before = inUse();
  await exchange(100_000);
  expect([ch, never].flatMap((each) => [each.receivers.head, each.senders.head])).toEqual([null, null, null, null]);
  expect(inUse() - before).toBeLessThan(2_000_000);
});

describe("what waits, what fails and what goes through", () => {
  const SEND = "send on closed channel";
  type Outcome = "waits" | "goes through" | typeof SEND | "close of nil channel" | "close of closed channel";
  const unused = (): Chan<number> => new Chan<number>();

  const rows: [what: string, outcome: Outcome, op: () => unknown][] = [
    ["a receive from nil", "waits", () => nil.recv()],
    ["a send to nil", "waits", () => nil.send(7)],
    ["a loop over nil", "waits", () => nil.values().next()],
    ["close of nil", "close of nil channel", () => nil.close()],
    ["a receive from a closed channel", "goes through", () => closed().recv()],
    ["a loop over a closed channel", "goes through", () => closed().values().next()],
    ["a send to a closed channel", SEND, () => closed<number>().send(7)],
    ["close of a closed channel", "close of closed channel", () => closed().close()],
    ["a receive from an empty unbuffered channel", "waits", () => unused().recv()],
    ["a send to an unbuffered channel", "waits", () => unused().send(7)],
    ["a receive from an empty buffered channel", "waits", () => filled(10).recv()],
    ["a send to a buffered channel with room", "goes through", () => filled<number>(10).send(7)],
    ["a receive from a buffered channel with a value", "goes through", () => filled(10, 1).recv()],
    ["a send to a full channel", "waits", () => filled(1, 1).send(7)],
    ["a receive from a full channel", "goes through", () => filled(1, 1).recv()],
    ["a select of nothing", "waits", () => select({})],
    ["a select of nil to receive", "waits", () => select({ nil })],
    ["a select of nil to send", "waits", () => select({ out: sending(nil, 7) })],
    ["a select of nil both ways", "waits", () => select({ nil, out: sending(nil, 7) })],
    ["a select of an empty channel", "waits", () => select({ in: unused() })],
    ["a select to send to a full channel", "waits", () => select({ out: sending(filled(1, 1), 7) })],
    ["a select with only one case ready", "goes through", () => select({ nil, never: unused(), in: filled(1, 1) })],
    ["a select with room to send", "goes through", () => select({ in: unused(), out: sending(filled<number>(1), 7) })],
    ["a select of a closed channel to receive", "goes through", () => select({ in: closed(), never: unused() })],
    ["a select of a closed channel to send", SEND, () => select({ in: unused(), out: sending(closed<number>(), 7) })],
    [
      "a select that sends to itself",
      "waits",
      () => {
        const ch = unused();
        return select({ in: ch, out: sending(ch, 7) });
      },
    ],
  ];
  it.each(rows)("%s: %s (H3–H14, S3–S10) [test/chan/select3.go main]", async (_what, outcome, op) => {
    let result = "waits";
    (async () => op())().then(
      () => (result = "goes through"),
      (error: unknown) => (result = error instanceof ClosedChannel ? error.message : String(error)),
    );
    await settle();
    expect(result).toBe(outcome);
  });

  const polls: [what: string, ready: boolean | typeof SEND, poll: () => unknown][] = [
    ["nothing", false, () => trySelect({})],
    ["nil both ways", false, () => trySelect({ nil, out: sending(nil, 7) })],
    ["a receive from nil", false, () => nil.tryRecv()],
    ["a send to nil", false, () => nil.trySend(7) || undefined],
    ["an empty channel", false, () => trySelect({ in: unused() })],
    ["an unbuffered channel to send", false, () => trySelect({ out: sending(unused(), 7) })],
    ["a channel to itself", false, () => ((ch) => trySelect({ in: ch, out: sending(ch, 7) }))(unused())],
    ["a full channel to send", false, () => trySelect({ out: sending(filled(1, 1), 7) })],
    ["a channel with room", true, () => trySelect({ out: sending(filled<number>(1), 7) })],
    ["a channel with a value", true, () => trySelect({ in: filled(1, 1) })],
    ["a closed channel", true, () => trySelect({ in: closed() })],
    ["a closed channel to send", SEND, () => trySelect({ out: sending(closed<number>(), 7) })],
  ];
  it.each(polls)("a poll of %s never waits: %s (S3) [test/chan/select3.go main]", (_what, ready, poll) => {
    if (ready === SEND) expect(poll).toThrow(new ClosedChannel(SEND));
    else expect(poll() !== undefined).toBe(ready);
  });

  it("two selects of both ways on one channel go through together (S9) [test/chan/select3.go main]", async () => {
    const ch = unused();
    const both = (): Promise<{ case: string }> => select({ in: ch, out: sending(ch, 7) });
    const cases = (await Promise.all([both(), both()])).map((got) => got.case);
    expect(cases.sort()).toEqual(["in", "out"]);
  });
});

it("what is to be done with a value is looked at only for the case that wins (S6) [test/chan/select4.go main]", async () => {
  const looked: string[] = [];
  const place = (name: string): { value?: number } => {
    looked.push(name);
    return {};
  };
  const got = await select({ won: filled(1, 42), lost: new Chan<number>(), off: null });
  const target = place(got.case);
  if (got.ok) target.value = got.value;
  expect([target, looked]).toEqual([{ value: 42 }, ["won"]]);
});

it("each operand is asked for once and in source order, in every form of select (S6) [test/chan/select5.go main]", async () => {
  const kinds = {
    receive: () => filled(1, 1),
    send: () => sending(new Chan<number>(1), 1),
    "not ready": () => new Chan<number>(),
    "no room": () => sending(new Chan<number>(), 1),
    "nil to receive": () => nil,
    "nil to send": () => sending(null, 1),
  };
  const names = Object.keys(kinds) as (keyof typeof kinds)[];
  let forms = 0;
  for (const a of names) {
    for (const b of names) {
      for (const c of names) {
        for (const list of [[a], [a, b], [a, b, c]]) {
          const log: string[] = [];
          const cases = {};
          for (const [i, kind] of list.entries()) {
            const get = (): unknown => (log.push(`${i} ${kind}`), kinds[kind]());
            Object.defineProperty(cases, `case ${i}`, { get, enumerable: true });
          }
          if (forms++ % 2 === 0) void select(cases as Cases);
          else trySelect(cases as Cases);
          expect(log).toEqual(list.map((kind, i) => `${i} ${kind}`));
        }
      }
    }
  }
  expect(forms).toBe(648);
});

it("a select that leaves the middle of a queue leaves those before and after it in place (S8) [test/chan/select6.go main]", async () => {
  const [ch, other] = [new Chan<number>(), new Chan<number>()];
  const before = ch.recv();
  const middle = select({ ch, other });
  const after = ch.recv();
  await other.send(1);
  expect(await middle).toEqual({ case: "other", value: 1, ok: true });
  await Promise.all([ch.send(2), ch.send(3)]);
  expect(await Promise.all([before, after])).toEqual([
    [2, true],
    [3, true],
  ]);
});

describe("every way to send meets every way to receive", () => {
  const never = new Chan<number>();
  const receive: Record<string, (ch: Chan<number>) => Promise<unknown>> = {
    "a plain receive": async (ch) => (await ch.recv())[0],
    "a select with one case": async (ch) => (await select({ ch })).value,
    "a select with two cases": async (ch) => (await select({ never, ch })).value,
  };
  const send: Record<string, (ch: Chan<number>) => Promise<unknown>> = {
    "a plain send": (ch) => ch.send(42),
    "a select with one case": (ch) => select({ out: sending(ch, 42) }),
    "a select with two cases": (ch) => select({ never, out: sending(ch, 42) }),
  };
  const pairs = Object.keys(send).flatMap((s) => Object.keys(receive).map((r) => [s, r] as const));
  it.each(pairs)("%s, %s (S12) [test/chan/select7.go main]", async (s, r) => {
    const ch = new Chan<number>();
    const received = receive[r]!(ch);
    expect(await isPending(received)).toBe(true);
    await send[s]!(ch);
    expect(await received).toBe(42);

    const sent = send[s]!(ch);
    expect(await isPending(sent)).toBe(true);
    expect(await receive[r]!(ch)).toBe(42);
    await sent;
  });
});

it("break ends the switch over a case, return and a label end the loop around it (S13) [test/chan/select8.go main]", async () => {
  const visit = async (how: "break" | "return" | "label"): Promise<string> => {
    const ch = filled(3, 1, 2, 3);
    let rounds = 0;
    loop: for (;;) {
      const got = trySelect({ ch, off: nil });
      rounds++;
      if (got === undefined) break;
      switch (got.case) {
        case "ch":
          if (how === "return") return `returned after ${rounds}`;
          if (how === "label") break loop;
          break;
        default:
          return "took a case that is off";
      }
    }
    return `left after ${rounds}`;
  };
  expect(await Promise.all([visit("break"), visit("return"), visit("label")])).toEqual([
    "left after 4",
    "returned after 1",
    "left after 1",
  ]);
});
