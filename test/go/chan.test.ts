/**
 * What the tests of Go's channels pin. Those of select are in select.test.ts.
 */
import { Chan, go, type Recv, sync } from "headgate";
import { describe, expect, it } from "vitest";
import { isPending, settle } from "../support/clock.ts";

const CAPACITIES = Array.from({ length: 200 }, (_, capacity) => capacity);
const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

function full(capacity: number): Chan<number> {
  const ch = new Chan<number>(capacity);
  for (const n of range(capacity)) ch.trySend(n);
  return ch;
}

describe("at every capacity from 0 to 199", () => {
  it("a receive from an empty channel waits, and a poll does not (H3, H4) [runtime/chan_test.go TestChan]", async () => {
    for (const capacity of CAPACITIES) {
      const ch = new Chan<number>(capacity);
      expect(ch.tryRecv()).toBeUndefined();
      const received = ch.recv();
      expect(await isPending(received)).toBe(true);
      expect(ch.trySend(7)).toBe(true);
      expect(await received).toEqual([7, true]);
    }
  });

  it("a send to a full channel waits, and a try does not (H3, H4) [runtime/chan_test.go TestChan]", async () => {
    for (const capacity of CAPACITIES) {
      const ch = full(capacity);
      expect(ch.trySend(-1)).toBe(false);
      const sent = ch.send(capacity);
      expect(await isPending(sent)).toBe(true);
      expect(ch.tryRecv()).toEqual([0, true]);
      expect(await isPending(sent)).toBe(false);
    }
  });

  it("a closed channel gives what it holds, then undefined and false (H8) [runtime/chan_test.go TestChan]", async () => {
    for (const capacity of CAPACITIES) {
      const ch = full(capacity);
      ch.close();
      const all: Recv<number>[] = [];
      for (let i = 0; i < capacity + 2; i++) all.push(await ch.recv());
      expect(all).toEqual([...range(capacity).map((n) => [n, true]), [undefined, false], [undefined, false]]);
    }
  });

  it("close frees a receiver that waits (H10) [runtime/chan_test.go TestChan]", async () => {
    for (const capacity of CAPACITIES) {
      const ch = new Chan<number>(capacity);
      const received = ch.recv();
      ch.close();
      expect(await received).toEqual([undefined, false]);
    }
  });

  it("a hundred values arrive in their order (H5) [runtime/chan_test.go TestChan]", async () => {
    for (const capacity of CAPACITIES) {
      const ch = new Chan<number>(capacity);
      go(async () => {
        for (const n of range(100)) await ch.send(n);
      });
      const got: unknown[] = [];
      for (let i = 0; i < 100; i++) got.push((await ch.recv())[0]);
      expect(got).toEqual(range(100));
    }
  });

  it("length and capacity say what is in it and what would fit (H1, H2) [runtime/chan_test.go TestChan]", () => {
    for (const capacity of CAPACITIES) {
      const ch = new Chan<number>(capacity);
      expect([ch.length, ch.capacity]).toEqual([0, capacity]);
      for (const n of range(capacity)) ch.trySend(n);
      expect([ch.length, ch.capacity]).toEqual([capacity, capacity]);
    }
  });
});

it.each([0, 1, 2, 3, 7, 50, 199])(
  "of 4000 values from 4 senders each reaches one of 4 receivers (S7, capacity %i) [runtime/chan_test.go TestChan]",
  async (capacity) => {
    const ch = new Chan<number>(capacity);
    const senders = new sync.WaitGroup();
    for (let s = 0; s < 4; s++) {
      senders.go(async () => {
        for (let n = 0; n < 1000; n++) await ch.send(n);
      });
    }
    const receivers = range(4).map(async () => {
      const counts = new Map<number, number>();
      for (let i = 0; i < 1000; i++) {
        const [n] = await ch.recv();
        counts.set(n!, (counts.get(n!) ?? 0) + 1);
      }
      return counts;
    });
    const totals: number[] = range(1000).map(() => 0);
    for (const counts of await Promise.all(receivers)) for (const [n, count] of counts) totals[n]! += count;
    await senders.wait();
    expect(new Set(totals)).toEqual(new Set([4]));
    expect(ch.length).toBe(0);
  },
);

it("a value in the buffer can be taken after the channel is closed (H19) [runtime/chan_test.go TestNonblockRecvRace]", async () => {
  for (let i = 0; i < 1000; i++) {
    const ch = new Chan<number>(1);
    ch.trySend(i);
    let got: Recv<number> | undefined;
    go(() => (got = ch.tryRecv()));
    ch.close();
    if (i % 100 === 0) await settle();
    else await Promise.resolve();
    got ??= ch.tryRecv();
    expect(got).toEqual([i, true]);
  }
});

it("close ends every loop over the channel, and tells the stages of a pipeline one after the other (H15) [runtime/chan_test.go TestMultiConsumer]", async () => {
  const [WORKERS, VALUES] = [23, 27_182];
  const work = new Chan<number>(WORKERS * 3);
  const results = new Chan<number>(WORKERS * 3);
  const stages: string[] = [];

  const workers = new sync.WaitGroup();
  for (let w = 0; w < WORKERS; w++) {
    workers.go(async () => {
      for await (const n of work) {
        if (n % WORKERS === w) await Promise.resolve();
        await results.send(n);
      }
    });
  }
  let expected = 0;
  go(async () => {
    for (let i = 0; i < VALUES; i++) {
      const n = (i * i) % 9973;
      expected += n;
      await work.send(n);
    }
    stages.push("fed");
    work.close();
    await workers.wait();
    stages.push("worked");
    results.close();
  });
  let [sum, count] = [0, 0];
  for await (const n of results) {
    sum += n;
    count++;
  }
  stages.push("collected");
  expect([count, sum, stages]).toEqual([VALUES, expected, ["fed", "worked", "collected"]]);
});
