/**
 * The two errors a context ends with, and what two copies of the package think of each other's.
 */
import { describe, expect, it, vi } from "vitest";
import { ClosedChannel, context } from "headgate";

const { Canceled, DeadlineExceeded } = context;

/** The package, loaded a second time. */
async function secondCopy(): Promise<typeof import("headgate")> {
  vi.resetModules();
  return import("headgate");
}

describe("Canceled", () => {
  it("has Go's message and the platform's name and code for an abort (C5, C6)", () => {
    const err = new Canceled();
    expect(err).toMatchObject({ message: "context canceled", name: "AbortError", code: "ABORT_ERR" });
    expect(err).toBeInstanceOf(Error);
    expect(String(err)).toBe("AbortError: context canceled");
    expect(err.stack).toMatch(/^AbortError: context canceled\n/);
    expect(err).not.toHaveProperty("timeout");
    expect(err).not.toHaveProperty("temporary");
  });
});

describe("DeadlineExceeded", () => {
  it("has Go's message, the platform's name and code for a timeout, and is temporary (C5, C6)", () => {
    const err = new DeadlineExceeded();
    expect(err).toMatchObject({ message: "context deadline exceeded", name: "TimeoutError", code: "TIMEOUT_ERR" });
    expect(err).toMatchObject({ timeout: true, temporary: true });
    expect(err).toBeInstanceOf(Error);
    expect(String(err)).toBe("TimeoutError: context deadline exceeded");
    expect(err.stack).toMatch(/^TimeoutError: context deadline exceeded\n/);
  });
});

describe("both", () => {
  it("have a cause only when one is given, even an odd one", () => {
    for (const Class of [Canceled, DeadlineExceeded]) {
      expect("cause" in new Class()).toBe(false);
      expect(new Class("other words", { cause: 0 })).toMatchObject({ message: "other words", cause: 0 });
    }
  });

  it("do not match each other (C6)", () => {
    expect(new Canceled()).not.toBeInstanceOf(DeadlineExceeded);
    expect(new DeadlineExceeded()).not.toBeInstanceOf(Canceled);
  });

  it("do not show their brand or name among their own keys", () => {
    expect(Object.keys(new Canceled())).toEqual(["code"]);
    expect(Object.keys(new DeadlineExceeded()).sort()).toEqual(["code", "temporary", "timeout"]);
  });
});

describe("instanceof", () => {
  it("holds for the errors of another copy of the package, in both directions", async () => {
    const other = await secondCopy();
    expect(other.context.Canceled).not.toBe(Canceled);
    const pairs = [
      [Canceled, other.context.Canceled],
      [DeadlineExceeded, other.context.DeadlineExceeded],
      [ClosedChannel, other.ClosedChannel],
    ] as const;
    for (const [here, there] of pairs) {
      expect(new there("theirs") instanceof here).toBe(true);
      expect(new here("ours") instanceof there).toBe(true);
    }
    expect(new other.context.Canceled() instanceof DeadlineExceeded).toBe(false);
    expect(new other.ClosedChannel("closed") instanceof Canceled).toBe(false);
  });

  it("holds for the error with which another copy's context ends", async () => {
    const other = await secondCopy();
    const [ctx, cancel] = other.context.withCancel(other.context.background());
    cancel();
    expect(ctx.err() instanceof Canceled).toBe(true);
    const [late] = other.context.withTimeout(other.context.background(), 0);
    expect(late.err() instanceof DeadlineExceeded).toBe(true);
  });

  it("does not hold for what only looks like one", () => {
    const lookAlike = { name: "AbortError", code: "ABORT_ERR", message: "context canceled" };
    for (const value of [
      new DOMException("gone", "AbortError"),
      lookAlike,
      new Error("context canceled"),
    ] as unknown[]) {
      expect(value instanceof Canceled).toBe(false);
    }
    expect(new DOMException("late", "TimeoutError") instanceof DeadlineExceeded).toBe(false);
    for (const value of [null, undefined, "context canceled", 7, Symbol.for("headgate.Canceled")] as unknown[]) {
      expect(value instanceof Canceled).toBe(false);
      expect(value instanceof DeadlineExceeded).toBe(false);
    }
  });

  it("is ordinary for a subclass: only its own instances, which are Canceled too", () => {
    class UserLeft extends Canceled {}
    expect(new UserLeft() instanceof UserLeft).toBe(true);
    expect(new UserLeft() instanceof Canceled).toBe(true);
    expect(new Canceled() instanceof UserLeft).toBe(false);
    class Slow extends DeadlineExceeded {}
    expect(new Slow() instanceof Slow).toBe(true);
    expect(new DeadlineExceeded() instanceof Slow).toBe(false);
  });

  it("of another copy's subclass holds for the class it extends", async () => {
    const other = await secondCopy();
    class UserLeft extends other.context.Canceled {}
    expect(new UserLeft() instanceof Canceled).toBe(true);
    expect(new Canceled() instanceof UserLeft).toBe(false);
  });
});
