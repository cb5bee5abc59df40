/** What Go's own tests of singleflight pin, in our words. Where Go panics, everybody gets the error here. */
import { Chan, singleflight } from "headgate";
import { describe, expect, it } from "vitest";
import { isPending, settle, virtualTime } from "../support/clock.ts";
import { failure } from "../support/errors.ts";

virtualTime();

const failing = (error: unknown) => () => {
  throw error;
};

describe("singleflight.Group", () => {
  it("do gives the value of its function (F1) [singleflight/singleflight_test.go TestDo]", async () => {
    const group = new singleflight.Group<string, string>();
    expect(await group.do("key", () => "bar")).toEqual({ value: "bar", shared: false });
  });

  it("do rejects with the error of its function (F2) [singleflight/singleflight_test.go TestDoErr]", async () => {
    const error = new Error("some error");
    const group = new singleflight.Group<string, string>();
    expect(await failure(group.do("key", () => Promise.reject(error)))).toBe(error);
  });

  it("ten callers share a call (F1) [singleflight/singleflight_test.go TestDoDupSuppress]", async () => {
    const group = new singleflight.Group<string, string>();
    const values = new Chan<string>(1);
    let calls = 0;
    const fn = async (): Promise<string> => {
      calls++;
      return (await values.recv())[0]!;
    };
    const callers = Array.from({ length: 10 }, async (_, i) => {
      if (i > 5) await settle();
      return group.do("key", fn);
    });
    await settle();
    await settle();
    await values.send("bar");
    for (const result of await Promise.all(callers)) expect(result).toEqual({ value: "bar", shared: true });
    expect(calls).toBe(1);
  });

  it("a forgotten call does not remove the newer one (F4) [singleflight/singleflight_test.go TestForget]", async () => {
    const group = new singleflight.Group<string, number>();
    const [unblockFirst, unblockSecond] = [new Chan<never>(), new Chan<never>()];
    const after = (opened: Chan<never>, value: number) => async () => {
      await opened.recv();
      return value;
    };
    const first = group.do("key", after(unblockFirst, 1));
    group.forget("key");
    const second = group.doChan("key", after(unblockSecond, 2));
    unblockFirst.close();
    expect((await first).value).toBe(1);
    const third = group.doChan("key", failing(new Error("this one must join the second")));
    unblockSecond.close();
    for (const results of [second, third]) expect((await results.recv())[0]).toEqual({ value: 2, shared: true });
  });

  it("doChan delivers the value on its channel (F3) [singleflight/singleflight_test.go TestDoChan]", async () => {
    const group = new singleflight.Group<string, string>();
    const [result] = await group.doChan("key", () => "bar").recv();
    expect(result).toEqual({ value: "bar", shared: false });
  });

  it("an error comes as it is (F5) [singleflight/singleflight_test.go TestPanicErrorUnwrap]", async () => {
    const group = new singleflight.Group<string, string>();
    for (const thrown of ["not an error", { code: 1 }, new Error("outer", { cause: new Error("inner") })]) {
      expect(await failure(group.do("key", failing(thrown)))).toBe(thrown);
    }
  });

  it("an error reaches all five callers (F5) [singleflight/singleflight_test.go TestPanicDo]", async () => {
    const group = new singleflight.Group<string, string>();
    const error = new Error("invalid memory address");
    const callers = Array.from({ length: 5 }, () => failure(group.do("key", failing(error))));
    for (const got of await Promise.all(callers)) expect(got).toBe(error);
    expect(await group.do("key", () => "free")).toEqual({ value: "free", shared: false });
  });

  it("doChan delivers an error (F5) [singleflight/singleflight_test.go TestPanicDoChan]", async () => {
    const group = new singleflight.Group<string, string>();
    const error = new Error("panicking in doChan");
    const results = group.doChan("key", failing(error));
    expect(await results.recv()).toEqual([{ error, shared: false }, true]);
    group.doChan("nobody asks for the result", failing(error));
    await settle();
  });

  it("doChan joins do (F5) [singleflight/singleflight_test.go TestPanicDoSharedByDoChan]", async () => {
    const group = new singleflight.Group<string, string>();
    const error = new Error("panicking in do");
    const joined = new Chan<never>();
    const caller = failure(
      group.do("key", async () => {
        await joined.recv();
        throw error;
      }),
    );
    const results = group.doChan("key", failing(new Error("this one must join the first")));
    expect(await isPending(caller)).toBe(true);
    joined.close();
    expect(await caller).toBe(error);
    expect((await results.recv())[0]).toEqual({ error, shared: true });
  });
});
