/**
 * The cases of a select and its result, its ctx, and what is no case.
 */
import { Chan, context, nil, type RecvChan, select, type SendCase, sending, trySelect } from "headgate";
import { describe, expect, it, vi } from "vitest";
import { isPending } from "../support/clock.ts";
import { failure } from "../support/errors.ts";

const filled = <T>(...values: T[]): Chan<T> => {
  const ch = new Chan<T>(values.length);
  for (const value of values) ch.trySend(value);
  return ch;
};

const standing = (...channels: Chan<any>[]): string => channels.map(String).join(" ");

describe("the result of a select", () => {
  it("of named cases is discriminated by the name; a receive brings value and ok, a send nothing else", async () => {
    const closed = new Chan<string>();
    closed.close();
    expect(await select({ job: filled("dig") })).toEqual({ case: "job", value: "dig", ok: true });
    expect(trySelect({ closed })).toStrictEqual({ case: "closed", value: undefined, ok: false });
    expect(await select({ out: sending(new Chan<number>(1), 1) })).toStrictEqual({ case: "out" });
  });

  it("of a list is discriminated by the index, also behind nil cases", async () => {
    expect(await select([nil, null, filled("a"), undefined])).toEqual({ case: 2, value: "a", ok: true });
    const late = new Chan<string>();
    const got = select([null, sending(new Chan<number>(), 1), late]);
    late.trySend("b");
    expect(await got).toEqual({ case: 2, value: "b", ok: true });
  });

  it("is the same whether the select waited or not", async () => {
    const [now, later] = [filled("x"), new Chan<string>()];
    const waited = select({ ch: later, never: new Chan() });
    later.trySend("x");
    expect(await waited).toStrictEqual(await select({ ch: now, never: new Chan() }));
    const sent = select({ out: sending(later, "y") });
    later.tryRecv();
    expect(await sent).toStrictEqual(await select({ out: sending(new Chan<string>(1), "y") }));
  });

  it("brings undefined and promises as they were sent (H9)", async () => {
    const promise = Promise.resolve(1);
    expect(await select({ ch: filled(undefined) })).toStrictEqual({ case: "ch", value: undefined, ok: true });
    const got = await select({ ch: filled(promise) });
    expect(got.value).toBe(promise);
    const waited = new Chan<Promise<number>>();
    const later = select({ ch: waited });
    waited.trySend(promise);
    expect((await later).value).toBe(promise);
  });

  it("lets a loop be left from inside a case (S13)", async () => {
    const ticks = filled(1, 2, 3, 4);
    const seen: number[] = [];
    loop: for (;;) {
      const got = await select({ ticks, off: null, other: new Chan<string>() });
      switch (got.case) {
        case "ticks":
          if (!got.ok) break;
          seen.push(got.value);
          if (got.value === 3) break loop;
          break;
        case "other":
          return expect.unreachable();
        default:
          got satisfies never;
      }
    }
    expect([seen, ticks.length]).toEqual([[1, 2, 3], 1]);
  });
});

describe("the operands of a select", () => {
  it("are evaluated once, in source order, also those of the cases that lose and under a trySelect (S6)", async () => {
    for (const choose of [select, trySelect]) {
      const log: string[] = [];
      const say = <T>(text: string, value: T): T => (log.push(text), value);
      const got = await choose({
        a: say("a", new Chan<number>()),
        b: sending(say("b", new Chan<number>()), say("b value", 1)),
        c: say("c", filled(7)),
        d: sending(say("d", nil), say("d value", 2)),
      });
      expect(got).toEqual({ case: "c", value: 7, ok: true });
      expect(log).toEqual(["a", "b", "b value", "c", "d", "d value"]);
    }
  });

  it("are fixed by the call: later changes to the cases do not matter (S6, H20)", async () => {
    const [first, second] = [new Chan<string>(), new Chan<string>()];
    const record: Record<string, RecvChan<string>> = { a: first };
    const list: RecvChan<string>[] = [first];
    const waiting = [select(record), select(list)];
    delete record["a"];
    record["b"] = second;
    list[0] = second;
    expect(second.trySend("no")).toBe(false);
    for (const value of ["x", "y"]) first.trySend(value);
    expect(await Promise.all(waiting)).toEqual([
      { case: "a", value: "x", ok: true },
      { case: 0, value: "y", ok: true },
    ]);
  });

  it("may be used again: cases are no one-way tickets", async () => {
    const ch = new Chan<string>(3);
    const cases = { out: sending(ch, "again") };
    await select(cases);
    expect([trySelect(cases), trySelect(cases), trySelect(cases)]).toEqual([
      { case: "out" },
      { case: "out" },
      undefined,
    ]);
    expect([ch.tryRecv(), ch.tryRecv(), ch.tryRecv()].map((got) => got?.[0])).toEqual(["again", "again", "again"]);
  });
});

describe("the ctx of a select", () => {
  it("rejects it with exactly ctx.err(), and no case has taken effect (rule 2)", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const [a, b] = [new Chan<number>(), new Chan<number>()];
    const waiting = failure(select({ a, b: sending(b, 1) }, ctx));
    cancel();
    expect(standing(a, b)).toBe("Chan(0/0) Chan(0/0)");
    expect(await waiting).toBe(ctx.err());
  });

  it("that is done on entry rejects it without trying, in contrast to ctx.done() as a case (S10)", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    cancel();
    for (let i = 0; i < 50; i++) {
      const [a, b] = [filled(1), new Chan<number>(1)];
      expect(await failure(select({ a, b: sending(b, 1) }, ctx))).toBe(ctx.err());
      expect(standing(a, b)).toBe("Chan(1/1) Chan(0/1)");
    }
    expect(await select({ done: ctx.done(), never: new Chan() })).toEqual({
      case: "done",
      value: undefined,
      ok: false,
    });
  });

  it("ends a select that nothing else can end (S4)", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const waiting = [select({}, ctx), select([nil, null], ctx)];
    expect(await isPending(waiting[0]!)).toBe(true);
    const failed = waiting.map(failure);
    cancel();
    expect(await Promise.all(failed)).toEqual([ctx.err(), ctx.err()]);
  });

  it("is left alone once a case is taken", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const ch = new Chan<number>();
    const got = select({ ch, other: new Chan() }, ctx);
    ch.trySend(1);
    expect((ctx.done() as Chan<never>).receivers.head).toBeNull();
    cancel();
    expect(await got).toEqual({ case: "ch", value: 1, ok: true });
  });

  it("may be a case as well: the case is taken or the select rejects, but not both", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const done = ctx.done() as Chan<never>;
    const waiting = select({ done, ch: new Chan() }, ctx).catch((error: unknown) => ({ case: error }));
    cancel();
    expect(["done", ctx.err()]).toContain((await waiting).case);
    expect(done.receivers.head).toBeNull();
  });
});

describe("what is no case is a TypeError, and no case was tried", () => {
  class LookAlike {
    capacity = 0;
    length = 0;
    recv = (): void => {};
    tryRecv = (): void => {};
    values = (): void => {};
  }
  const wrong: [name: string, value: unknown, message: RegExp][] = [
    ["a promise", Promise.resolve(1), /a promise is not a case.*go\(\).*context\.wait/],
    ["a receive that has been called", new Chan().recv(), /a promise is not a case/],
    ["a thenable", { then: () => {} }, /a promise is not a case/],
    ["a look-alike", new LookAlike(), /a case is a Chan of this copy.*got LookAlike/],
    ["a context", context.background(), /a case is a Chan of this copy/],
    ["a look-alike of a send case", { sends: true }, /a case is a Chan of this copy/],
    ["a number", 5, /got number/],
    ["a string", "ch", /got string/],
    ["a boolean", false, /got boolean/],
    ["a function", () => {}, /got function/],
    ["an object without a prototype", Object.create(null), /a case is a Chan of this copy/],
  ];

  it.each(wrong)("%s", async (_name, value, message) => {
    const ready = filled("kept");
    const out = new Chan<string>(1);
    const lists = [
      { ready, out: sending(out, "x"), wrong: value },
      { wrong: value, ready },
      [ready, value],
      { never: new Chan(), wrong: value },
    ];
    for (const cases of lists as never[]) {
      const error = await failure(select(cases));
      expect(error).toBeInstanceOf(TypeError);
      expect(String(error)).toMatch(message);
      expect(String(error)).toMatch(/^TypeError: select: /);
      expect(() => trySelect(cases)).toThrow(TypeError);
      expect(() => trySelect(cases)).toThrow(message);
      expect(() => trySelect(cases)).toThrow(/^trySelect: /);
    }
    expect(standing(ready, out)).toBe("Chan(1/1) Chan(0/1)");
    expect(() => sending(value as never, 1)).toThrow(TypeError);
    expect(() => sending(value as never, 1)).toThrow(message);
    expect(() => sending(value as never, 1)).toThrow(/^sending: /);
  });

  it("a channel, a nil or a send case of another copy of the package", async () => {
    vi.resetModules();
    const other = await import("headgate");
    const theirs = new other.Chan<number>(1);
    theirs.trySend(1);
    const ready = filled("kept");
    for (const wrong of [theirs, other.nil, other.sending(new other.Chan<number>(1), 1) as SendCase]) {
      const message = /a case is a Chan of this copy of headgate, sending\(ch, value\), or nil; got /;
      const error = await failure(select({ ready, wrong }));
      expect(error).toBeInstanceOf(TypeError);
      expect(String(error)).toMatch(message);
      expect(() => trySelect([ready, wrong])).toThrow(message);
      expect(() => sending(wrong as never, 1)).toThrow(message);
    }
    expect([theirs.length, ready.length]).toEqual([1, 1]);
  });

  it.each([undefined, null, 5, "cases", true, () => {}, 5n])(
    "%o is neither an object of cases nor a list",
    async (cases) => {
      const message = `expected the cases as an object or a list, got ${cases === null ? "null" : typeof cases}`;
      const error = await failure(select(cases as never));
      expect(error).toEqual(new TypeError(`select: ${message}`));
      expect(() => trySelect(cases as never)).toThrow(new TypeError(`trySelect: ${message}`));
    },
  );

  it("a channel where the cases belong", async () => {
    const ch = filled("kept");
    expect(await failure(select(ch as never))).toBeInstanceOf(TypeError);
    expect(() => trySelect(ch as never)).toThrow(TypeError);
    expect(await failure(select(sending(ch, "x") as never))).toBeInstanceOf(TypeError);
    expect(standing(ch)).toBe("Chan(1/1)");
  });

  it("a ctx that is no Context is found before the cases are tried", async () => {
    const ch = filled("kept");
    for (const ctx of [null, {}, 100, new AbortController().signal]) {
      expect(String(await failure(select({ ch }, ctx as never)))).toMatch(
        /^TypeError: ctx: expected a Context as the last argument, got /,
      );
    }
    expect(standing(ch)).toBe("Chan(1/1)");
  });
});
