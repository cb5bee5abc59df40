/**
 * Channels: capacity, length, order, closing. What a ctx does to an operation is in chan-context.test.ts, loops over a
 * channel are in chan-values.test.ts; nil, go, ClosedChannel and texts in language.test.ts.
 */
import { Chan, ClosedChannel, go, type Recv, select, sending } from "headgate";
import { describe, expect, it, vi } from "vitest";
import { isPending } from "../support/clock.ts";
import { failure } from "../support/errors.ts";

const closedError = (message: string): unknown =>
  expect.objectContaining({ constructor: ClosedChannel, name: "ClosedChannel", message });

const filled = <T>(capacity: number, ...values: T[]): Chan<T> => {
  const ch = new Chan<T>(capacity);
  for (const value of values) ch.trySend(value);
  return ch;
};

describe("the capacity of a channel", () => {
  it("is what the constructor was given, and 0 without (H1)", () => {
    expect([new Chan(), new Chan(undefined), new Chan(0), new Chan(7)].map((ch) => ch.capacity)).toEqual([0, 0, 0, 7]);
  });

  it.each([-1, 1.5, NaN, Infinity, 2 ** 32, 2 ** 60])("%s is out of range (H1)", (size) => {
    const advice = expect.stringContaining(`got ${size}`) as string;
    expect(() => new Chan(size)).toThrow(RangeError);
    expect(() => new Chan(size)).toThrow(
      expect.objectContaining({ message: "makechan: size out of range", cause: advice }),
    );
  });

  it.each([null, "3", {}, [], 3n, true])("%o is no size (H1)", (size) => {
    expect(() => new Chan(size as never)).toThrow(RangeError);
  });

  it("costs nothing until it is used: the largest one can be made (H1)", () => {
    const ch = filled(2 ** 32 - 1, "a");
    expect([ch.capacity, ch.length]).toEqual([2 ** 32 - 1, 1]);
  });
});

describe("the length of a channel", () => {
  it("counts the values in the buffer and no senders that wait (H2)", async () => {
    const ch = new Chan<number>(2);
    const lengths = [ch.length];
    const sends = [1, 2, 3, 4].map((n) => {
      const sent = ch.send(n);
      lengths.push(ch.length);
      return sent;
    });
    expect(lengths).toEqual([0, 1, 2, 2, 2]);
    for (const left of [2, 2, 1, 0]) {
      ch.tryRecv();
      expect(ch.length).toBe(left);
    }
    await Promise.all(sends);
  });

  it("stays 0 on an unbuffered channel, also while operations wait (H2, H3)", () => {
    const sender = new Chan<number>();
    void sender.send(1);
    const receiver = new Chan<number>();
    void receiver.recv();
    expect([sender.length, receiver.length]).toEqual([0, 0]);
  });

  it("can be read after close and falls as the buffer is drained (H2)", () => {
    const ch = filled(3, "a", "b");
    ch.close();
    const lengths = [ch.length];
    for (let i = 0; i < 3; i++) {
      ch.tryRecv();
      lengths.push(ch.length);
    }
    expect(lengths).toEqual([2, 1, 0, 0]);
    expect(ch.capacity).toBe(3);
  });
});

describe("sending and receiving", () => {
  it("an unbuffered send completes only with a receiver (H3)", async () => {
    const ch = new Chan<string>();
    const sent = ch.send("a");
    expect(await isPending(sent)).toBe(true);
    expect(await ch.recv()).toEqual(["a", true]);
    expect(await sent).toBeUndefined();
  });

  it("an unbuffered receive completes only with a sender (H3)", async () => {
    const ch = new Chan<string>();
    const received = ch.recv();
    expect(await isPending(received)).toBe(true);
    await ch.send("a");
    expect(await received).toEqual(["a", true]);
  });

  it("an unbuffered trySend or tryRecv succeeds only if the other side waits already (H3)", async () => {
    const ch = new Chan<string>();
    expect([ch.trySend("a"), ch.tryRecv()]).toEqual([false, undefined]);
    const received = ch.recv();
    expect(ch.trySend("b")).toBe(true);
    expect(await received).toEqual(["b", true]);
    const sent = ch.send("c");
    expect(ch.tryRecv()).toEqual(["c", true]);
    expect(await isPending(sent)).toBe(false);
  });

  it("a send on a buffered channel waits only while the buffer is full (H4)", async () => {
    const ch = new Chan<number>(2);
    await ch.send(1);
    await ch.send(2);
    const third = ch.send(3);
    expect(ch.trySend(4)).toBe(false);
    expect(await isPending(third)).toBe(true);
    expect(await ch.recv()).toEqual([1, true]);
    expect(await isPending(third)).toBe(false);
  });

  it("a receive from a buffered channel waits only while the buffer is empty (H4)", async () => {
    const ch = filled(2, 1);
    expect(await ch.recv()).toEqual([1, true]);
    expect(ch.tryRecv()).toBeUndefined();
    const next = ch.recv();
    expect(await isPending(next)).toBe(true);
    await ch.send(2);
    expect(await next).toEqual([2, true]);
  });

  it("an operation begins when it is called, not when it is awaited", async () => {
    const ch = new Chan<number>(1);
    const received = ch.recv();
    const sends = [ch.send(1), ch.send(2), ch.send(3)];
    expect(String(ch)).toBe("Chan(1/1, 1 sender waiting)");
    expect(await isPending(sends[2]!)).toBe(true);
    expect([ch.tryRecv(), ch.tryRecv()]).toEqual([
      [2, true],
      [3, true],
    ]);
    expect(await received).toEqual([1, true]);
  });

  it("the value is what it was when send was called (H20)", async () => {
    const ch = new Chan<number>();
    let n = 1;
    const plain = ch.send(n++);
    const selected = select({ out: sending(ch, n++) });
    expect(n).toBe(3);
    n = 99;
    expect([await ch.recv(), await ch.recv()]).toEqual([
      [1, true],
      [2, true],
    ]);
    await Promise.all([plain, selected]);
  });

  it("channels are values: they travel over channels and are equal only to themselves (H16)", async () => {
    const requests = new Chan<{ n: number; reply: Chan<number> }>();
    go(async () => {
      for await (const { n, reply } of requests) await reply.send(n * n);
    });
    const reply = new Chan<number>();
    await requests.send({ n: 12, reply });
    expect(await reply.recv()).toEqual([144, true]);
    requests.close();
    const nested = filled(1, reply);
    expect(nested.tryRecv()?.[0]).toBe(reply);
    expect(new Set([reply, reply, nested]).size).toBe(2);
  });

  it.each([undefined, null, 0, "", false, NaN])("%o is a value like any other (H9)", async (value) => {
    const ch = new Chan<unknown>();
    void ch.send(value);
    expect(ch.tryRecv()).toEqual([value, true]);
    const received = ch.recv();
    ch.trySend(value);
    expect(await received).toEqual([value, true]);
    ch.close();
    expect(await ch.recv()).toEqual([undefined, false]);
  });

  it.each([0, 1])("a promise arrives as it was sent, neither awaited nor handled (capacity %i)", async (capacity) => {
    const ch = new Chan<Promise<never>>(capacity);
    const promise = Promise.reject<never>(new Error("sent, not thrown"));
    // The channel may hand it over in a later turn, in which the platform would have reported it.
    void promise.catch(() => {});
    const then = vi.spyOn(promise, "then");
    const sent = ch.send(promise);
    const [value] = await ch.recv();
    await sent;
    expect(value).toBe(promise);
    expect(then).not.toHaveBeenCalled();
    expect(await failure(promise)).toEqual(new Error("sent, not thrown"));
  });
});

describe("order", () => {
  it("values leave in the order they were sent, through the buffer and the senders behind it (H5)", async () => {
    const ch = new Chan<number>(3);
    const sends = Array.from({ length: 10 }, (_, n) => ch.send(n));
    for (let n = 0; n < 10; n++) expect(await ch.recv()).toEqual([n, true]);
    await Promise.all(sends);
  });

  it("a receive from a full buffer lets the first sender in within the same step (H5)", async () => {
    const ch = filled(2, 1, 2);
    const [third, fourth] = [ch.send(3), ch.send(4)];
    expect(ch.tryRecv()).toEqual([1, true]);
    expect(ch.length).toBe(2);
    expect(await isPending(third)).toBe(false);
    expect(await isPending(fourth)).toBe(true);
  });

  it("the k-th value goes to the k-th receiver, be it plain, a select or an iterator (H6, S15)", async () => {
    const ch = new Chan<number>();
    const other = new Chan<number>();
    const loop = ch.values();
    const waiting = [ch.recv(), select({ other, ch }), loop.next(), ch.recv(), select([ch]), loop.next()];
    for (let n = 0; n < 6; n++) expect(ch.trySend(n)).toBe(true);
    expect(ch.trySend(6)).toBe(false);
    expect(await Promise.all<unknown>(waiting)).toEqual([
      [0, true],
      { case: "ch", value: 1, ok: true },
      { value: 2, done: false },
      [3, true],
      { case: 0, value: 4, ok: true },
      { value: 5, done: false },
    ]);
  });

  it.each([0, 1])(
    "senders are served in the order of their calls, be it plain or a select (H6, capacity %i)",
    async (capacity) => {
      const ch = new Chan<string>(capacity);
      for (let i = 0; i < capacity; i++) ch.trySend("buffered");
      const other = new Chan<string>();
      const waiting = [
        ch.send("a"),
        select({ out: sending(ch, "b"), other }),
        ch.send("c"),
        select([sending(ch, "d")]),
      ];
      for (let i = 0; i < capacity; i++) ch.tryRecv();
      expect([ch.tryRecv(), ch.tryRecv(), ch.tryRecv(), ch.tryRecv()].map((got) => got?.[0])).toEqual([
        "a",
        "b",
        "c",
        "d",
      ]);
      expect(await Promise.all<unknown>(waiting)).toEqual([undefined, { case: "out" }, undefined, { case: 0 }]);
    },
  );

  it("trySend does not overtake senders that wait, though a place has just become free (H6)", async () => {
    const ch = filled(1, "a");
    const waiting = ch.send("b");
    expect(ch.tryRecv()).toEqual(["a", true]);
    expect(ch.trySend("c")).toBe(false);
    expect(ch.tryRecv()).toEqual(["b", true]);
    await waiting;
  });

  it("tryRecv does not overtake a receiver that waits, though it has not resumed yet (H6)", async () => {
    const ch = new Chan<string>(1);
    const waiting = ch.recv();
    ch.trySend("a");
    expect(ch.tryRecv()).toBeUndefined();
    expect(await waiting).toEqual(["a", true]);
  });

  it("a value is handed to a receiver that waits and bypasses the buffer (H7)", async () => {
    const ch = new Chan<string>(5);
    const waiting = ch.recv();
    await ch.send("a");
    expect(ch.length).toBe(0);
    expect(await waiting).toEqual(["a", true]);
  });

  it("100 000 waiters on either side are served in order (H6, H22)", async () => {
    const ch = new Chan<number>();
    const received: Promise<Recv<number>>[] = [];
    for (let n = 0; n < 100_000; n++) received.push(ch.recv());
    for (let n = 0; n < 200_000; n++) void ch.send(n);
    const values = (await Promise.all(received)).map(([n]) => n);
    for (let got; (got = ch.tryRecv()) !== undefined;) values.push(got[0]);
    expect(values.length).toBe(200_000);
    expect(values.every((n, i) => n === i)).toBe(true);
  });
});

describe("closing", () => {
  it.each([0, 2])(
    "receives give what is buffered and then undefined, false for ever (H8, capacity %i)",
    async (capacity) => {
      const ch = new Chan<string>(capacity);
      for (let i = 0; i < capacity; i++) ch.trySend("kept");
      ch.close();
      for (let i = 0; i < capacity; i++) expect(await ch.recv()).toEqual(["kept", true]);
      for (let i = 0; i < 3; i++) {
        expect(ch.tryRecv()).toEqual([undefined, false]);
        expect(await ch.recv()).toEqual([undefined, false]);
      }
    },
  );

  it("ok tells an undefined that was sent from the end of the channel (H9)", () => {
    const ch = filled(1, undefined);
    ch.close();
    expect([ch.tryRecv(), ch.tryRecv()]).toEqual([
      [undefined, true],
      [undefined, false],
    ]);
  });

  it("a value sent before close is there for a tryRecv after it (H19)", () => {
    const ch = filled(1, "sent");
    ch.close();
    expect(ch.tryRecv()).toEqual(["sent", true]);
  });

  it("wakes every receiver: plain, select and iterator (H10)", async () => {
    const ch = new Chan<number>(1);
    const waiting = [ch.recv(), ch.recv(), select({ other: new Chan(), ch }), ch.values().next()];
    ch.close();
    expect(await Promise.all<unknown>(waiting)).toEqual([
      [undefined, false],
      [undefined, false],
      { case: "ch", value: undefined, ok: false },
      { value: undefined, done: true },
    ]);
  });

  it("fails every sender that waits, and none of their values is delivered; the buffer survives (H11, H18)", async () => {
    const ch = filled(1, "buffered");
    const waiting = [ch.send("a"), select({ out: sending(ch, "b"), other: new Chan() }), ch.send("c")].map(failure);
    ch.close();
    const error = closedError("send on closed channel");
    expect(await Promise.all(waiting)).toEqual([error, error, error]);
    expect([ch.tryRecv(), ch.tryRecv()]).toEqual([
      ["buffered", true],
      [undefined, false],
    ]);
  });

  it.each([0, 3])("a send on a closed channel fails, room or not (H12, capacity %i)", async (capacity) => {
    const ch = new Chan<number>(capacity);
    ch.close();
    const error = closedError("send on closed channel");
    expect(await failure(ch.send(1))).toEqual(error);
    expect(() => ch.trySend(1)).toThrow(error as Error);
    expect(ch.length).toBe(0);
  });

  it("a second close throws and changes nothing (H13)", async () => {
    const ch = filled(1, "kept");
    ch.close();
    expect(() => ch.close()).toThrow(closedError("close of closed channel") as Error);
    expect([ch.tryRecv(), ch.tryRecv()]).toEqual([
      ["kept", true],
      [undefined, false],
    ]);
  });

  it("leaves no waiter behind (H10, H11)", async () => {
    const receivers = new Chan<number>();
    const senders = new Chan<number>();
    const both = select({ in: receivers, out: sending(senders, 1) });
    const others = [receivers.recv(), failure(senders.send(2))];
    receivers.close();
    senders.close();
    await Promise.all([both, ...others]);
    for (const ch of [receivers, senders]) expect([ch.receivers.head, ch.senders.head]).toEqual([null, null]);
  });

  it("what is never answered waits for ever, and sets no timer (H21)", async () => {
    const timers = vi.spyOn(globalThis, "setTimeout");
    const pending = [await isPending(new Chan().recv()), await isPending(new Chan().send(1))];
    const calls = timers.mock.calls.length;
    timers.mockRestore();
    expect([pending, calls]).toEqual([[true, true], 0]);
  });
});
