/**
 * A guard outlives the waits on a condition: Go's `defer mu.Unlock()` around `for !c { cond.Wait() }`.
 */
import { inspect } from "node:util";
import { context, sync } from "headgate";
import { describe, expect, it } from "vitest";
import { settle } from "../support/clock.ts";

describe("the guard of a mutex", () => {
  it("still gives it back after a wait on a condition", async () => {
    const mutex = new sync.Mutex();
    const changed = new sync.Cond(mutex);
    const guard = await mutex.lock();
    const waiting = changed.wait();
    changed.signal();
    await waiting;
    guard[Symbol.dispose]();
    expect(inspect(mutex)).toBe("sync.Mutex(unlocked)");
  });

  it("still gives it back after a wait that its context has ended", async () => {
    const mutex = new sync.Mutex();
    const [ctx, cancel] = context.withCancel(context.background());
    const guard = await mutex.lock();
    const waiting = new sync.Cond(mutex).wait(ctx).catch((error: unknown) => error);
    cancel();
    expect(await waiting).toBe(ctx.err());
    guard[Symbol.dispose]();
    expect(inspect(mutex)).toBe("sync.Mutex(unlocked)");
  });

  it("does nothing while somebody else holds the mutex during the wait", async () => {
    const mutex = new sync.Mutex();
    const changed = new sync.Cond(mutex);
    const guard = await mutex.lock();
    const waiting = changed.wait();
    const others = await mutex.lock();
    guard[Symbol.dispose]();
    expect(inspect(mutex)).toBe("sync.Mutex(locked)");
    others[Symbol.dispose]();
    changed.signal();
    await waiting;
    await settle();
    expect(inspect(mutex)).toBe("sync.Mutex(locked)");
    guard[Symbol.dispose]();
    expect(inspect(mutex)).toBe("sync.Mutex(unlocked)");
  });
});
