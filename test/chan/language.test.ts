/**
 * What stands beside the channels: nil, go, ClosedChannel, and how a channel prints.
 */
import { inspect } from "node:util";
import { Chan, ClosedChannel, go, nil, select, sending } from "headgate";
import { describe, expect, it, vi } from "vitest";
import { isPending, settle } from "../support/clock.ts";

describe("ClosedChannel", () => {
  it("is an Error with a name, Go's message, and advice as its cause", () => {
    const ch = new Chan();
    ch.close();
    for (const misuse of [() => ch.close(), () => ch.trySend(1), () => nil.close()]) {
      expect(misuse).toThrow(ClosedChannel);
      expect(misuse).toThrow(expect.objectContaining({ name: "ClosedChannel", cause: expect.any(String) as string }));
    }
    expect(new ClosedChannel("x")).toBeInstanceOf(Error);
    expect(Object.keys(new ClosedChannel("x"))).toEqual([]);
  });

  it("is recognised across two copies of the package, but is no instance of a subclass", async () => {
    vi.resetModules();
    const other = await import("headgate");
    expect(other.ClosedChannel).not.toBe(ClosedChannel);
    class Special extends ClosedChannel {}
    const [ours, theirs] = [new ClosedChannel("x"), new other.ClosedChannel("x")];
    expect([theirs instanceof ClosedChannel, ours instanceof other.ClosedChannel]).toEqual([true, true]);
    expect([ours instanceof Special, new Special("x") instanceof Special]).toEqual([false, true]);
    expect([new Special("x") instanceof ClosedChannel, new Error("x") instanceof ClosedChannel]).toEqual([true, false]);
    expect([null, undefined, "x"].some((value) => (value as unknown) instanceof ClosedChannel)).toBe(false);
  });
});

describe("nil", () => {
  it("is never ready: send, receive and a loop wait for ever (H14)", async () => {
    const loop = (async () => {
      for await (const _ of nil) expect.unreachable();
    })();
    for (const op of [nil.send(1), nil.recv(), nil.values().next(), loop]) expect(await isPending(op)).toBe(true);
    expect([nil.trySend(1), nil.tryRecv()]).toEqual([false, undefined]);
  });

  it("has length and capacity 0, also while an operation waits (H2, H14)", () => {
    void nil.send(1);
    expect([nil.length, nil.capacity]).toEqual([0, 0]);
  });

  it("never brings a sender and a receiver together (H14)", async () => {
    const received = nil.recv();
    void nil.send(1);
    expect(nil.trySend(2)).toBe(false);
    expect(await isPending(received)).toBe(true);
  });

  it("cannot be closed (H13, H14)", () => {
    expect(() => nil.close()).toThrow(
      expect.objectContaining({ constructor: ClosedChannel, message: "close of nil channel" }),
    );
  });

  it("a loop over it can be left from outside by return() (H14)", async () => {
    const loop = nil.values();
    const next = loop.next();
    await loop.return!();
    expect(await next).toEqual({ value: undefined, done: true });
  });
});

describe("go", () => {
  it("starts the function on a later microtask, never inside the call", async () => {
    await settle();
    const log: string[] = [];
    go(() => log.push("started"));
    setImmediate(() => log.push("next turn"));
    log.push("called");
    await settle();
    expect(log).toEqual(["called", "started", "next turn"]);
  });

  it("is not waited for: a function that never ends holds nothing up", async () => {
    const log: string[] = [];
    go(() => new Promise(() => {}));
    go(async () => {
      await new Chan().recv();
      log.push("unreachable");
    });
    go(() => log.push("ran"));
    await settle();
    expect(log).toEqual(["ran"]);
  });

  it.each([
    [
      "throws",
      (error: unknown) => {
        throw error;
      },
    ],
    ["rejects", (error: unknown) => Promise.reject(error as Error)],
    [
      "returns a thenable that rejects",
      (error: unknown) => ({ then: (_: unknown, no: (e: unknown) => void) => no(error) }),
    ],
  ])("an error is reported as uncaught when the function %s (H13)", async (_how, fail) => {
    const listeners = process.listeners("uncaughtException");
    process.removeAllListeners("uncaughtException");
    const uncaught: unknown[] = [];
    process.on("uncaughtException", (error) => uncaught.push(error));
    const error = new Error("panic");
    go(() => fail(error));
    await settle();
    await settle();
    process.removeAllListeners("uncaughtException");
    for (const listener of listeners) process.on("uncaughtException", listener);
    expect(uncaught.map((caught) => caught === error)).toEqual([true]);
  });

  it.each([undefined, null, 3, "fn", Promise.resolve()])("%o is no function: a TypeError at once", (fn) => {
    expect(() => go(fn as never)).toThrow(TypeError);
    expect(() => go(fn as never)).toThrow(/^go: expected a function, got /);
  });
});

describe("the text of a channel", () => {
  it.each<[string, () => unknown]>([
    ["Chan(0/0)", () => new Chan()],
    [
      "Chan(2/3)",
      () => {
        const ch = new Chan(3);
        for (const value of ["a", "b"]) ch.trySend(value);
        return ch;
      },
    ],
    ["nil", () => nil],
    [
      "Chan(0/4, 1 receiver waiting)",
      () => {
        const ch = new Chan(4);
        void ch.recv();
        return ch;
      },
    ],
    [
      "Chan(10/10, 2 senders waiting)",
      () => {
        const ch = new Chan(10);
        for (let i = 0; i < 12; i++) void ch.send(i);
        return ch;
      },
    ],
    [
      "Chan(0/0, 1 receiver waiting, 1 sender waiting)",
      () => {
        const ch = new Chan();
        void select({ in: ch, out: sending(ch, 1) });
        return ch;
      },
    ],
    [
      "Chan(1/2, closed)",
      () => {
        const ch = new Chan(2);
        ch.trySend("kept");
        ch.close();
        return ch;
      },
    ],
  ])("%s says how it stands, in String and util.inspect", (text, make) => {
    const ch = make();
    expect(String(ch)).toBe(text);
    expect(inspect(ch)).toBe(text);
    expect(inspect({ deep: { ch } })).toBe(`{ deep: { ch: ${text} } }`);
  });
});
