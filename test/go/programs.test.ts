/**
 * Go's programs over channels (test/chan), written anew. Those about select are in select.test.ts, the power series in
 * powser.test.ts.
 */
import { readFileSync } from "node:fs";
import { Chan, go, type RecvChan, select, type SendChan, sending } from "headgate";
import { describe, expect, it } from "vitest";
import { settle } from "../support/clock.ts";

const range = (n: number): number[] => Array.from({ length: n }, (_, i) => i);

/** The next value of a channel that is not closed. */
async function next<T>(ch: RecvChan<T>): Promise<T> {
  const [value, ok] = await ch.recv();
  if (!ok) throw new Error("the channel has been closed");
  return value;
}

describe("first in, first out", () => {
  it("through a buffer (H5) [test/chan/fifo.go main]", async () => {
    const ch = new Chan<number>(10);
    for (const n of range(10)) await ch.send(n);
    for (const n of range(10)) expect(await next(ch)).toBe(n);
  });

  it("through an unbuffered channel, whose receivers take turns (H3, H5) [test/chan/fifo.go main]", async () => {
    const ch = new Chan<number>();
    const received: [who: number, value: number][] = [];
    let turn = new Chan<void>();
    const start = turn;
    for (const who of range(10)) {
      const [mine, after] = [turn, new Chan<void>()];
      turn = after;
      go(async () => {
        await mine.recv();
        received.push([who, await next(ch)]);
        await after.send();
      });
    }
    go(() => start.send());
    for (const n of range(10)) await ch.send(n);
    await turn.recv();
    expect(received).toEqual(range(10).map((n) => [n, n]));
  });
});

it("a chain of 10 000 tasks hands a value from one end to the other (H22) [test/chan/goroutines.go main]", async () => {
  const leftmost = new Chan<number>();
  let left = leftmost;
  for (let i = 0; i < 10_000; i++) {
    const [to, from] = [left, new Chan<number>()];
    go(async () => to.send((await next(from)) + 1));
    left = from;
  }
  const rightmost = left;
  go(() => rightmost.send(0));
  expect(await next(leftmost)).toBe(10_000);
});

describe.each<[type: string, value: unknown, other: unknown]>([
  ["a number", 123, 321],
  ["a bigint", 123n, 321n],
  ["a boolean", true, false],
  ["a string", "hello", ""],
])("polling a channel of %s", (_type, value, other) => {
  it("unbuffered, a poll succeeds only once the other side has come (H3, S3) [test/chan/nonblock.go main]", async () => {
    const ch = new Chan<unknown>();
    expect([ch.tryRecv(), ch.trySend(value)]).toEqual([undefined, false]);

    go(() => ch.send(value));
    expect(ch.tryRecv()).toBeUndefined();
    await settle();
    expect([ch.tryRecv(), ch.tryRecv()]).toEqual([[value, true], undefined]);

    const received = new Chan<unknown>(1);
    go(async () => received.send(await next(ch)));
    expect(ch.trySend(other)).toBe(false);
    await settle();
    expect([ch.trySend(other), ch.trySend(value)]).toEqual([true, false]);
    expect(await next(received)).toBe(other);
  });

  it("with room for one, it succeeds at once, once (H4, S3) [test/chan/nonblock.go main]", () => {
    const ch = new Chan<unknown>(1);
    expect(ch.tryRecv()).toBeUndefined();
    expect([ch.trySend(value), ch.trySend(other)]).toEqual([true, false]);
    expect([ch.tryRecv(), ch.tryRecv()]).toEqual([[value, true], undefined]);
    expect([ch.trySend(other), ch.tryRecv()]).toEqual([true, [other, true]]);
  });
});

it("a wrong direction does not compile, whatever is tried with it (H17) [test/chan/perm.go main]", () => {
  const text = readFileSync(new URL("../types/channels.ts", import.meta.url), "utf8");
  const lines = text.split("\n").map((line) => line.trim());
  const code = lines.filter((line) => !line.startsWith("// oxlint-"));
  const isForbidden = (line: string, i: number): boolean =>
    code[i - 1]!.startsWith("// @ts-expect-error: ") && line !== "";
  const forbidden = new Set(code.filter((line, i) => i > 0 && isForbidden(line, i)));
  const allowed = new Set(code.filter((line) => !forbidden.has(line)));
  for (const line of [
    "both = receiveOnly;",
    "both = sendOnly;",
    "receiveOnly = sendOnly;",
    "sendOnly = receiveOnly;",
    "await n.recv();",
    "await n.send(2);",
    "await receiveOnly.send(0);",
    "receiveOnly.trySend(0);",
    "await sendOnly.recv();",
    "sendOnly.tryRecv();",
    "await select({ out: sending(receiveOnly, 0), in: both });",
    "await select({ out: sending(both, 0), in: sendOnly });",
    "for await (const value of sendOnly) void value;",
    "receiveOnly.close();",
    "n.close();",
  ]) {
    expect(forbidden, line).toContain(line);
  }
  for (const line of [
    "receiveOnly = both;",
    "sendOnly = both;",
    "await both.send(0);",
    "await both.recv();",
    "await receiveOnly.recv();",
    "await sendOnly.send(0);",
    "await select({ out: sending(sendOnly, 0), in: receiveOnly });",
    "both.close();",
    "sendOnly.close();",
  ]) {
    expect(allowed, line).toContain(line);
  }
});

it("a channel that has come over a channel is sent on (H16) [test/chan/sendstmt.go main]", async () => {
  const channels = new Chan<Chan<number>>(1);
  const inner = new Chan<number>(1);
  await channels.send(inner);
  await (await next(channels)).send(2);
  expect(await next(inner)).toBe(2);
});

it("values without content are passed and counted like others (H2) [test/chan/zerosize.go main]", async () => {
  const [unbuffered, nothings, empties] = [new Chan<[]>(), new Chan<void>(2), new Chan<object>(1)];
  void unbuffered.send([]);
  await nothings.send();
  await nothings.send();
  await empties.send({});
  expect([unbuffered.length, nothings.length, nothings.trySend(), empties.length]).toEqual([0, 2, false, 1]);
  expect([await unbuffered.recv(), await nothings.recv(), await empties.recv()]).toEqual([
    [[], true],
    [undefined, true],
    [{}, true],
  ]);
});

// ---------------------------------------------------------------------------------------------------------- the sieves

const isPrime = (n: number): boolean => n > 1 && range(n).every((d) => d < 2 || n % d !== 0);

it("a chain of filters lets only primes through, and what is left of it stays blocked (H3) [test/chan/sieve1.go main]", async () => {
  const numbers = new Chan<number>();
  let generated = 1;
  go(async () => {
    for (;;) await numbers.send(++generated);
  });
  const without = (prime: number, from: RecvChan<number>): RecvChan<number> => {
    const to = new Chan<number>();
    go(async () => {
      for await (const n of from) if (n % prime !== 0) await to.send(n);
    });
    return to;
  };
  const primes: number[] = [];
  for (let rest: RecvChan<number> = numbers; primes.length < 25;) {
    const prime = await next(rest);
    primes.push(prime);
    rest = without(prime, rest);
  }
  expect(primes).toEqual(range(98).filter(isPrime));
  // What the filters still have room for is passed on; then everything stands still, with the generator in its send.
  for (let seen = 0; seen < generated;) {
    seen = generated;
    for (let i = 0; i < 10; i++) await settle();
  }
  expect(numbers.senders.count()).toBe(1);
});

describe("a sieve that merges the multiples of all primes", () => {
  /** A stream of rising numbers whose first one can be looked at. */
  interface Peeked {
    first: number;
    rest: RecvChan<number>;
  }

  /** Streams by their first number, the smallest at index 0: each is at most as large as those at 2i + 1 and 2i + 2. */
  class Heap {
    private readonly items: Peeked[] = [];

    push(item: Peeked): void {
      const { items } = this;
      let i = items.push(item) - 1;
      for (let up; i > 0 && items[(up = (i - 1) >> 1)]!.first > item.first; i = up) items[i] = items[up]!;
      items[i] = item;
    }

    pop(): Peeked {
      const { items } = this;
      const smallest = items[0]!;
      const last = items.pop()!;
      if (items.length === 0) return smallest;
      let i = 0;
      for (let child; (child = 2 * i + 1) < items.length; i = child) {
        if (child + 1 < items.length && items[child + 1]!.first < items[child]!.first) child++;
        if (items[child]!.first >= last.first) break;
        items[i] = items[child]!;
      }
      items[i] = last;
      return smallest;
    }
  }

  /** 2 and then the odd numbers. */
  function candidates(): RecvChan<number> {
    const out = new Chan<number>();
    go(async () => {
      await out.send(2);
      for (let n = 3; ; n += 2) await out.send(n);
    });
    return out;
  }

  function multiples(prime: number): RecvChan<number> {
    const out = new Chan<number>(10);
    go(async () => {
      for (let n = prime * prime; ; n += prime) await out.send(n);
    });
    return out;
  }

  /** The composite numbers in rising order, from the primes, which come in rising order as well. */
  async function merge(primes: RecvChan<number>, out: SendChan<number>): Promise<void> {
    const heap = new Heap();
    const add = async (prime: number): Promise<void> => {
      const rest = multiples(prime);
      heap.push({ first: await next(rest), rest });
    };
    await add(await next(primes));
    let prime = await next(primes);
    for (let last = 0; ;) {
      const smallest = heap.pop();
      heap.push(smallest);
      if (prime * prime <= smallest.first) {
        await add(prime);
        prime = await next(primes);
        continue;
      }
      const { first, rest } = heap.pop();
      heap.push({ first: await next(rest), rest });
      if (first !== last) await out.send((last = first));
    }
  }

  /** A channel into which one can always send soon: a task keeps what `to` does not take yet. */
  function relay(to: SendChan<number>): SendChan<number> {
    const from = new Chan<number>();
    const kept: number[] = [];
    go(async () => {
      for (;;) {
        const got = await select({ from, to: sending(kept.length > 0 ? to : null, kept[0]!) });
        if (got.case === "to") kept.shift();
        else if (got.ok) kept.push(got.value);
      }
    });
    return from;
  }

  function sieve(): RecvChan<number> {
    const out = new Chan<number>();
    const [primes, composites] = [new Chan<number>(), new Chan<number>(10)];
    const own = relay(primes);
    go(() => merge(primes, composites));
    go(async () => {
      const numbers = candidates();
      const found = async (prime: number): Promise<void> => {
        await own.send(prime);
        await out.send(prime);
      };
      for (let i = 0; i < 2; i++) await found(await next(numbers));
      let composite = await next(composites);
      for await (const n of numbers) {
        while (composite < n) composite = await next(composites);
        if (composite !== n) await found(n);
      }
    });
    return out;
  }

  it("yields the primes in order, with a channel for each of them (H5, S5) [test/chan/sieve2.go main]", async () => {
    const primes: number[] = [];
    for await (const prime of sieve()) {
      primes.push(prime);
      if (prime > 1000) break;
    }
    expect(primes).toEqual(range(1010).filter(isPrime));
  });
});
