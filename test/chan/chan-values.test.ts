/**
 * Loops over a channel: values(), its iterators, and how they end.
 */
import { Chan, context, go, select } from "headgate";
import { describe, expect, it } from "vitest";
import { isPending, settle } from "../support/clock.ts";

const end = { value: undefined, done: true };

/** A closed channel with these values in its buffer. */
const closedWith = <T>(...values: T[]): Chan<T> => {
  const ch = new Chan<T>(values.length);
  for (const value of values) ch.trySend(value);
  ch.close();
  return ch;
};

const collect = async <T>(values: AsyncIterable<T>): Promise<T[]> => {
  const all: T[] = [];
  for await (const value of values) all.push(value);
  return all;
};

const internals = (of: unknown): Chan<unknown> => of as Chan<unknown>;

describe("a loop over a channel", () => {
  it.each([0, 1, 3])(
    "gets every value and ends when the channel is closed and drained (H15, capacity %i)",
    async (capacity) => {
      const ch = new Chan<number>(capacity);
      go(async () => {
        for (let n = 0; n < 10; n++) await ch.send(n);
        ch.close();
      });
      expect(await collect(ch)).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
    },
  );

  it("may begin on a closed channel, drained or not (H15)", async () => {
    expect(await collect(closedWith("a", "b"))).toEqual(["a", "b"]);
    expect(await collect(closedWith())).toEqual([]);
  });

  it("that is left by break or by an error leaves the channel open and the rest in it (H15)", async () => {
    const ch = new Chan<number>(5);
    for (const n of [1, 2, 3, 4]) await ch.send(n);
    for await (const n of ch) if (n === 2) break;
    const thrown = (async () => {
      for await (const n of ch) throw new Error(`at ${n}`);
    })();
    await expect(thrown).rejects.toThrow("at 3");
    expect(ch.trySend(5)).toBe(true);
    ch.close();
    expect(await collect(ch)).toEqual([4, 5]);
  });

  it("shares the values with other loops: each goes to exactly one", async () => {
    const ch = new Chan<number>();
    const loops = [collect(ch), collect(ch.values()), collect(ch)];
    for (let n = 0; n < 30; n++) await ch.send(n);
    ch.close();
    const shares = await Promise.all(loops);
    expect(shares.flat().sort((a, b) => a - b)).toEqual(Array.from({ length: 30 }, (_, n) => n));
    for (const share of shares) expect(share).toEqual([...share].sort((a, b) => a - b));
  });

  it("yields promises as they are, and undefined as a value (H9)", async () => {
    const never = new Promise<never>(() => {});
    const got: unknown[] = [];
    for await (const value of closedWith<unknown>(undefined, never, undefined)) got.push(value);
    expect(got.map((value) => (value === never ? "the promise" : value))).toEqual([
      undefined,
      "the promise",
      undefined,
    ]);
  });

  it("over nothing but the channel is a loop over its values()", async () => {
    const ch = closedWith("a", "b", "c");
    const loop = ch[Symbol.asyncIterator]();
    expect(loop[Symbol.asyncIterator]()).toBe(loop);
    expect(await loop.next()).toEqual({ value: "a", done: false });
    expect(await collect(loop)).toEqual(["b", "c"]);
  });
});

describe("next()", () => {
  it("may be called ahead: the calls are served in their order (H6)", async () => {
    const ch = new Chan<string>();
    const loop = ch.values();
    const steps = [loop.next(), loop.next(), loop.next()];
    for (const value of ["a", "b"]) await ch.send(value);
    ch.close();
    expect(await Promise.all(steps)).toEqual([{ value: "a", done: false }, { value: "b", done: false }, end]);
  });

  it("after the end says done for ever", async () => {
    const loop = closedWith("a").values();
    await loop.next();
    for (let i = 0; i < 3; i++) expect(await loop.next()).toEqual(end);
  });

  it("takes a place in the queue when it is called, not when values() is (H6)", async () => {
    const ch = new Chan<string>();
    const loop = ch.values();
    const received = ch.recv();
    const step = loop.next();
    ch.trySend("first");
    ch.trySend("second");
    expect(await received).toEqual(["first", true]);
    expect(await step).toEqual({ value: "second", done: false });
  });
});

describe("return()", () => {
  it("withdraws a next() that waits: it ends with done, and the value goes to the one that waits behind it", async () => {
    const ch = new Chan<string>();
    const loop = ch.values();
    const step = loop.next();
    const behind = ch.recv();
    expect(await loop.return!()).toEqual(end);
    expect(await step).toEqual(end);
    expect(ch.trySend("a")).toBe(true);
    expect(await behind).toEqual(["a", true]);
    expect(ch.trySend("b")).toBe(false);
  });

  it("withdraws every next() of its own iterator, also after others were served, and none of another's", async () => {
    const ch = new Chan<string>();
    const [loop, other] = [ch.values(), ch.values()];
    const steps = [loop.next(), other.next(), loop.next(), loop.next(), other.next()];
    ch.trySend("a");
    await loop.return!();
    ch.trySend("b");
    ch.trySend("c");
    expect(await Promise.all(steps)).toEqual([
      { value: "a", done: false },
      { value: "b", done: false },
      end,
      end,
      { value: "c", done: false },
    ]);
    expect(ch.receivers.head).toBeNull();
  });

  it("does not take back a value that a next() was given before, though it has not resumed yet", async () => {
    const ch = new Chan<string>();
    const loop = ch.values();
    const step = loop.next();
    ch.trySend("given");
    void loop.return!();
    expect(await step).toEqual({ value: "given", done: false });
  });

  it("ends the iterator: a later next() is done and takes nothing, also if it was never started", async () => {
    const ch = new Chan<string>(1);
    ch.trySend("kept");
    const loop = ch.values();
    expect(await loop.return!()).toEqual(end);
    expect(await loop.next()).toEqual(end);
    expect(await loop.return!()).toEqual(end);
    expect(ch.tryRecv()).toEqual(["kept", true]);
  });

  it("of a cancellable iterator leaves nothing on the context either", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const ch = new Chan<string>();
    const loop = ch.values(ctx);
    const step = loop.next();
    expect(internals(ctx.done()).receivers.head).not.toBeNull();
    await loop.return!();
    expect(internals(ctx.done()).receivers.head).toBeNull();
    cancel();
    expect(await step).toEqual(end);
  });
});

describe("values(ctx)", () => {
  it("rejects a next() that waits with ctx.err(), and no value is lost by it", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const ch = new Chan<string>();
    const steps = ch.values(ctx);
    const failed = [steps.next(), steps.next()].map((step) => step.catch((error: unknown) => error));
    const behind = ch.recv();
    cancel();
    expect((await Promise.all(failed)).map((error) => error === ctx.err())).toEqual([true, true]);
    expect(ch.trySend("a")).toBe(true);
    expect(await behind).toEqual(["a", true]);
  });

  it("throws ctx.err() out of the loop, whose channel stays as it is", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const ch = new Chan<number>(4);
    for (const n of [1, 2, 3]) await ch.send(n);
    const seen: number[] = [];
    const loop = (async () => {
      for await (const n of ch.values(ctx)) {
        seen.push(n);
        if (n === 2) cancel();
      }
    })();
    expect(await loop.catch((error: unknown) => error === ctx.err())).toBe(true);
    expect([seen, ch.length, ch.trySend(4)]).toEqual([[1, 2], 1, true]);
  });

  it("of a context that is done takes nothing, from a closed channel neither", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    cancel();
    const ch = closedWith("kept");
    await expect(ch.values(ctx).next()).rejects.toBe(ctx.err());
    expect(await ch.recv()).toEqual(["kept", true]);
    await expect(ch.values(ctx).next()).rejects.toBe(ctx.err());
  });

  it("rejects each further next(), and return() still ends it", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const loop = new Chan<string>().values(ctx);
    cancel();
    for (let i = 0; i < 2; i++) await expect(loop.next()).rejects.toBe(ctx.err());
    expect(await loop.return!()).toEqual(end);
    expect(await loop.next()).toEqual(end);
  });

  it("leaves the context alone while no next() waits", async () => {
    const [ctx] = context.withCancel(context.background());
    const ch = new Chan<string>(2);
    const loop = ch.values(ctx);
    const step = loop.next();
    ch.trySend("a");
    await step;
    expect(internals(ctx.done()).receivers.head).toBeNull();
  });
});

it("an iterator, a select and a plain receive share one queue (H6)", async () => {
  const ch = new Chan<number>();
  const log: string[] = [];
  void collect(ch.values()).then((values) => log.push(`loop ${values}`));
  void select({ ch }).then((got) => log.push(`select ${got.value}`));
  void ch.recv().then(([value]) => log.push(`recv ${value}`));
  for (const n of [1, 2, 3]) expect(ch.trySend(n)).toBe(true);
  await settle();
  const fourth = ch.send(4);
  expect(await isPending(fourth)).toBe(false);
  ch.close();
  await settle();
  expect(log.sort()).toEqual(["loop 1,4", "recv 3", "select 2"]);
});
