import { inspect } from "node:util";
import { Chan, context, select, singleflight } from "headgate";
import { describe, expect, it } from "vitest";
import { isPending, settle, virtualTime } from "./support/clock.ts";
import { failure } from "./support/errors.ts";

virtualTime();

const boom = new Error("boom");

/** A function that counts its runs, and ends each of them with the next value sent to it. */
function slow<T>() {
  const results = new Chan<T | Error>();
  const calls = { runs: 0, end: (result: T | Error) => results.send(result), fn };
  async function fn(): Promise<T> {
    calls.runs++;
    const [result] = (await results.recv()) as readonly [T | Error, boolean];
    if (result instanceof Error) throw result;
    return result;
  }
  return calls;
}

describe("do", () => {
  it("starts the function on a later microtask, never inside the call", async () => {
    const group = new singleflight.Group<string, string>();
    let ran = false;
    const call = group.do("key", () => {
      ran = true;
      return "value";
    });
    expect(ran).toBe(false);
    expect(await call).toEqual({ value: "value", shared: false });
  });

  it("runs one call per key at a time; all get its value, shared for the first, too (F1)", async () => {
    const group = new singleflight.Group<string, object>();
    const load = slow<object>();
    const calls = [group.do("key", load.fn), group.do("key", load.fn)];
    await settle();
    calls.push(group.do("key", load.fn));
    const value = {};
    await load.end(value);
    for (const result of await Promise.all(calls)) {
      expect(result).toEqual({ value, shared: true });
      expect(result.value).toBe(value);
    }
    expect(load.runs).toBe(1);
  });

  it("runs calls of different keys side by side, keys being compared as in a Map", async () => {
    const group = new singleflight.Group<unknown, string>();
    const load = slow<string>();
    const keys = ["1", 1, {}, {}, undefined, Number.NaN];
    for (const key of [...keys, Number.NaN, keys[2]]) void group.do(key, load.fn);
    await settle();
    expect(load.runs).toBe(keys.length);
    expect(inspect(group)).toBe(`singleflight.Group(${keys.length} under way)`);
  });

  it("keeps nothing: the next call after the end runs again (F2)", async () => {
    const group = new singleflight.Group<string, number>();
    let runs = 0;
    for (const expected of [1, 2]) {
      expect(await group.do("key", () => ++runs)).toEqual({ value: expected, shared: false });
      expect(inspect(group)).toBe("singleflight.Group(0 under way)");
    }
  });

  it("gives all callers the same error, thrown or rejected, and keeps nothing of it (F2, F5)", async () => {
    const group = new singleflight.Group<string, number>();
    const failing = [
      () => {
        throw boom;
      },
      () => Promise.reject(boom),
      async () => {
        await settle();
        throw boom;
      },
    ];
    for (const fn of failing) {
      const calls = [group.do("key", fn), group.do("key", fn), group.do("key", fn)].map(failure);
      for (const error of await Promise.all(calls)) expect(error).toBe(boom);
      expect(await group.do("key", () => 1)).toEqual({ value: 1, shared: false });
    }
  });

  it("rejects with undefined if that was thrown (F5)", async () => {
    const group = new singleflight.Group<string, number>();
    expect(await failure(group.do("key", () => Promise.reject(undefined)))).toBeUndefined();
  });

  it("may be called for another key, and for its own after forget, from inside the function", async () => {
    const group = new singleflight.Group<string, string>();
    const { value } = await group.do("outer", async () => {
      group.forget("outer");
      const again = await group.do("outer", () => "again");
      return again.value + (await group.do("inner", () => " inner")).value;
    });
    expect(value).toBe("again inner");
  });
});

describe("doChan", () => {
  it("gives a channel of capacity 1 that gets the result once and is never closed (F3)", async () => {
    const group = new singleflight.Group<string, string>();
    const results = group.doChan("key", () => "value");
    expect(results.capacity).toBe(1);
    expect(results.tryRecv()).toBeUndefined();
    expect(await results.recv()).toEqual([{ value: "value", shared: false }, true]);
    expect(await isPending(results.recv())).toBe(true);
  });

  it("shares the call with do; each caller has a channel of his own (F1, F3)", async () => {
    const group = new singleflight.Group<string, string>();
    const load = slow<string>();
    const first = group.doChan("key", load.fn);
    const second = group.doChan("key", load.fn);
    const third = group.do("key", load.fn);
    await load.end("value");
    expect(await third).toEqual({ value: "value", shared: true });
    expect(second).not.toBe(first);
    for (const results of [first, second]) {
      expect(await results.recv()).toEqual([{ value: "value", shared: true }, true]);
    }
    expect(load.runs).toBe(1);
  });

  it("delivers the error of the function, undefined included, and rejects nowhere (F5)", async () => {
    const group = new singleflight.Group<string, string>();
    for (const error of [boom, undefined]) {
      const results = group.doChan("key", () => Promise.reject(error));
      const [result] = await results.recv();
      expect(result).toEqual({ error, shared: false });
      expect(Object.keys(result!)).toEqual(["error", "shared"]);
    }
  });

  it("lets a caller give up by select; the call goes on for the others (F7)", async () => {
    const group = new singleflight.Group<string, string>();
    const load = slow<string>();
    const [ctx, cancel] = context.withCancel(context.background());
    const impatient = select({ result: group.doChan("key", load.fn), done: ctx.done() });
    const patient = group.do("key", load.fn);
    cancel();
    expect((await impatient).case).toBe("done");
    await load.end("value");
    expect(await patient).toEqual({ value: "value", shared: true });
  });
});

describe("forget", () => {
  it("lets the next caller start a new call, while the old one ends for its own callers (F4)", async () => {
    const group = new singleflight.Group<string, string>();
    const [old, fresh] = [slow<string>(), slow<string>()];
    const first = group.do("key", old.fn);
    group.forget("key");
    const second = group.do("key", fresh.fn);
    await old.end("old");
    expect(await first).toEqual({ value: "old", shared: false });
    const third = group.do("key", fresh.fn);
    await fresh.end("fresh");
    expect(await Promise.all([second, third])).toEqual([
      { value: "fresh", shared: true },
      { value: "fresh", shared: true },
    ]);
    expect([old.runs, fresh.runs]).toEqual([1, 1]);
  });

  it("of a key that nobody asks for does nothing", async () => {
    const group = new singleflight.Group<string, string>();
    group.forget("key");
    expect(await group.do("key", () => "value")).toEqual({ value: "value", shared: false });
  });
});

describe("a context", () => {
  it("ends the wait of its own caller only: the call goes on for the others", async () => {
    const group = new singleflight.Group<string, string>();
    const load = slow<string>();
    const [ctx, cancel] = context.withCancel(context.background());
    const leader = failure(group.do("key", load.fn, ctx));
    const follower = group.do("key", load.fn);
    await settle();
    cancel();
    expect(await leader).toBe(ctx.err());
    expect(await isPending(follower)).toBe(true);
    await load.end("value");
    expect(await follower).toEqual({ value: "value", shared: true });
    expect(load.runs).toBe(1);
  });

  it("of the last caller leaves the call under way, for who comes next; its error is then nobody's", async () => {
    const group = new singleflight.Group<string, string>();
    const load = slow<string>();
    const [ctx, cancel] = context.withCancel(context.background());
    const alone = failure(group.do("key", load.fn, ctx));
    cancel();
    expect(await alone).toBe(ctx.err());
    expect(inspect(group)).toBe("singleflight.Group(1 under way)");
    await load.end(boom);
    await settle();
    expect(inspect(group)).toBe("singleflight.Group(0 under way)");
  });

  it("that has ended already keeps the call from being started", async () => {
    const group = new singleflight.Group<string, string>();
    const load = slow<string>();
    const [ctx, cancel] = context.withCancel(context.background());
    cancel();
    expect(await failure(group.do("key", load.fn, ctx))).toBe(ctx.err());
    await settle();
    expect(load.runs).toBe(0);
  });
});

describe("bad input", () => {
  it.each([undefined, null, 5, {}])(
    "a function that is %j is a TypeError, also while a call is under way",
    async (fn) => {
      const group = new singleflight.Group<string, string>();
      const load = slow<string>();
      for (const underWay of [0, 1]) {
        await expect(group.do("key", fn as never)).rejects.toThrow(TypeError);
        expect(() => group.doChan("key", fn as never)).toThrow(TypeError);
        expect(inspect(group)).toBe(`singleflight.Group(${underWay} under way)`);
        void group.do("key", load.fn);
      }
    },
  );

  it.each([
    ["null", null],
    ["a number", 5],
    ["an AbortSignal", new AbortController().signal],
    ["an object that is no Context", { err: () => undefined, done: () => 5 }],
  ])("%s in the place of the context is a TypeError, and no call is started or joined", async (_, ctx) => {
    const group = new singleflight.Group<string, string>();
    const load = slow<string>();
    await expect(group.do("key", load.fn, ctx as never)).rejects.toThrow(TypeError);
    await settle();
    expect(load.runs).toBe(0);
    const call = group.do("key", load.fn);
    await expect(group.do("key", load.fn, ctx as never)).rejects.toThrow(TypeError);
    await load.end("value");
    expect(await call).toEqual({ value: "value", shared: false });
  });
});
