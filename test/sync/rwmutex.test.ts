import { inspect } from "node:util";
import { context, sync } from "headgate";
import { describe, expect, it } from "vitest";
import { isPending, settle, virtualTime } from "../support/clock.ts";

virtualTime();

/** Waits for the lock, writes down that it has it, and keeps it until told to give it back. */
function visitor(mu: sync.RWMutex, log: string[]) {
  return (name: string, how: "lock" | "rLock", ctx?: context.Context) => {
    const entered = mu[how](ctx).then((guard) => {
      log.push(name);
      return guard;
    });
    return { entered, leave: async () => (await entered)[Symbol.dispose]() };
  };
}

describe("readers", () => {
  it("hold the lock together, and keep writers out (L7)", async () => {
    const mu = new sync.RWMutex();
    await Promise.all([mu.rLock(), mu.rLock()]);
    expect(mu.tryRLock()).toBe(true);
    expect(mu.tryLock()).toBe(false);
    expect(inspect(mu)).toBe("sync.RWMutex(3 readers)");
    const writer = mu.lock();
    mu.rUnlock();
    mu.rUnlock();
    expect(await isPending(writer)).toBe(true);
    mu.rUnlock();
    await writer;
    expect(inspect(mu)).toBe("sync.RWMutex(locked)");
  });

  it("wait while a writer has the lock", async () => {
    const mu = new sync.RWMutex();
    await mu.lock();
    const reader = mu.rLock();
    expect(mu.tryRLock()).toBe(false);
    expect(await isPending(reader)).toBe(true);
    mu.unlock();
    await reader;
  });

  it("that come while a writer waits wait behind it, so writers do not starve (L8)", async () => {
    const mu = new sync.RWMutex();
    const log: string[] = [];
    const enter = visitor(mu, log);
    const first = enter("first reader", "rLock");
    const writer = enter("writer", "lock");
    const late = enter("late reader", "rLock");
    expect(mu.tryRLock()).toBe(false);
    await settle();
    expect(log).toEqual(["first reader"]);
    await first.leave();
    await settle();
    expect(log).toEqual(["first reader", "writer"]);
    await writer.leave();
    await late.entered;
  });
});

describe("a writer", () => {
  it("has the lock alone", async () => {
    const mu = new sync.RWMutex();
    await mu.lock();
    expect(mu.tryLock()).toBe(false);
    const other = mu.lock();
    expect(await isPending(other)).toBe(true);
    mu.unlock();
    await other;
    expect(inspect(mu)).toBe("sync.RWMutex(locked)");
  });

  it("lets in all readers that wait when it unlocks, before the next writer, so readers do not starve (L9)", async () => {
    const mu = new sync.RWMutex();
    const log: string[] = [];
    const enter = visitor(mu, log);
    const writer = enter("writer", "lock");
    const next = enter("next writer", "lock");
    const readers = [enter("reader", "rLock"), enter("reader", "rLock")];
    await writer.leave();
    const late = enter("late reader", "rLock");
    await settle();
    expect(log).toEqual(["writer", "reader", "reader"]);
    expect(inspect(mu)).toBe("sync.RWMutex(2 readers, 2 waiting)");
    for (const reader of readers) await reader.leave();
    await next.leave();
    await late.leave();
    expect(log.slice(3)).toEqual(["next writer", "late reader"]);
    expect(inspect(mu)).toBe("sync.RWMutex(unlocked)");
  });

  it("hands over to the next in the order of the calls, with no gap for tryLock", async () => {
    const mu = new sync.RWMutex();
    const log: string[] = [];
    const enter = visitor(mu, log);
    const writers = ["a", "b", "c"].map((name) => enter(name, "lock"));
    for (const writer of writers) {
      await writer.leave();
      if (writer !== writers.at(-1)) expect(mu.tryLock()).toBe(false);
    }
    expect(log).toEqual(["a", "b", "c"]);
    expect(mu.tryLock()).toBe(true);
  });
});

describe("guards", () => {
  it("of readers give back their own acquisition, each once", async () => {
    const mu = new sync.RWMutex();
    const [one, two] = [await mu.rLock(), await mu.rLock()];
    one[Symbol.dispose]();
    one[Symbol.dispose]();
    expect(inspect(mu)).toBe("sync.RWMutex(1 reader)");
    two[Symbol.dispose]();
    expect(inspect(mu)).toBe("sync.RWMutex(unlocked)");
    using _ = await mu.rLock();
    for (const old of [one, two]) old[Symbol.dispose]();
    expect(inspect(mu)).toBe("sync.RWMutex(1 reader)");
  });

  it("of a writer give back once, and leave the next writer alone", async () => {
    const mu = new sync.RWMutex();
    const guard = await mu.lock();
    const next = mu.lock();
    guard[Symbol.dispose]();
    guard[Symbol.dispose]();
    await next;
    expect(inspect(mu)).toBe("sync.RWMutex(locked)");
    mu.unlock();
    await mu.lock();
    guard[Symbol.dispose]();
    expect(inspect(mu)).toBe("sync.RWMutex(locked)");
  });

  it("do nothing after an unlock by hand", async () => {
    const mu = new sync.RWMutex();
    const writer = await mu.lock();
    mu.unlock();
    const reader = await mu.rLock();
    writer[Symbol.dispose]();
    expect(inspect(mu)).toBe("sync.RWMutex(1 reader)");
    mu.rUnlock();
    reader[Symbol.dispose]();
    await mu.lock();
    reader[Symbol.dispose]();
    writer[Symbol.dispose]();
    expect(inspect(mu)).toBe("sync.RWMutex(locked)");
  });

  it("of readers that stay count what others unlocked by hand: two locks, two unlocks, whichever way", async () => {
    const mu = new sync.RWMutex();
    const [one, two] = [await mu.rLock(), await mu.rLock()];
    mu.rUnlock();
    one[Symbol.dispose]();
    expect(inspect(mu)).toBe("sync.RWMutex(1 reader)");
    two[Symbol.dispose]();
    expect(inspect(mu)).toBe("sync.RWMutex(unlocked)");
  });

  it("of readers give back their own acquisition beside one that came by tryRLock and went by rUnlock", async () => {
    const mu = new sync.RWMutex();
    const guard = await mu.rLock();
    expect(mu.tryRLock()).toBe(true);
    mu.rUnlock();
    expect(inspect(mu)).toBe("sync.RWMutex(1 reader)");
    guard[Symbol.dispose]();
    expect(inspect(mu)).toBe("sync.RWMutex(unlocked)");
  });

  it("of readers tell the two apart: one has unlocked by hand, others have come and gone", async () => {
    const mu = new sync.RWMutex();
    await mu.rLock();
    expect(mu.tryRLock()).toBe(true);
    mu.rUnlock();
    const guard = await mu.rLock();
    mu.rUnlock();
    guard[Symbol.dispose]();
    expect(inspect(mu)).toBe("sync.RWMutex(1 reader)");
  });

  it("of readers are not made void by unlocks by hand before the lock was free", async () => {
    const mu = new sync.RWMutex();
    for (const lock of [() => mu.rLock(), async () => mu.tryRLock()]) {
      await lock();
      mu.rUnlock();
      const guard = await mu.rLock();
      guard[Symbol.dispose]();
      expect(inspect(mu)).toBe("sync.RWMutex(unlocked)");
    }
  });

  it("of the readers a writer lets in work as well", async () => {
    const mu = new sync.RWMutex();
    await mu.lock();
    const readers = Promise.all([mu.rLock(), mu.rLock()]);
    mu.unlock();
    for (const guard of await readers) guard[Symbol.dispose]();
    expect(inspect(mu)).toBe("sync.RWMutex(unlocked)");
  });
});

describe("misuse", () => {
  it("an rUnlock beside the guard of the same reader throws, and its cause says that guards end a reading", async () => {
    const mu = new sync.RWMutex();
    (await mu.rLock())[Symbol.dispose]();
    let error: unknown;
    try {
      mu.rUnlock();
    } catch (thrown) {
      error = thrown;
    }
    expect(error).toMatchObject({ message: "sync: RUnlock of unlocked RWMutex" });
    expect(String((error as Error).cause)).toMatch(/rUnlock once for each .* that no guard ends/);
  });

  it("unlocking what is not held that way throws, and nothing has changed (L10)", async () => {
    const mu = new sync.RWMutex();
    expect(() => mu.unlock()).toThrow("sync: Unlock of unlocked RWMutex");
    expect(() => mu.rUnlock()).toThrow("sync: RUnlock of unlocked RWMutex");
    await mu.lock();
    expect(() => mu.rUnlock()).toThrow("sync: RUnlock of unlocked RWMutex");
    expect(inspect(mu)).toBe("sync.RWMutex(locked)");
    mu.unlock();
    await mu.rLock();
    expect(() => mu.unlock()).toThrow("sync: Unlock of unlocked RWMutex");
    expect(inspect(mu)).toBe("sync.RWMutex(1 reader)");
  });

  it("what is no Context is a TypeError, and the lock is not taken", async () => {
    const mu = new sync.RWMutex();
    for (const ctx of [null, 5, {}, new AbortController().signal]) {
      await expect(mu.lock(ctx as never)).rejects.toThrow(TypeError);
      await expect(mu.rLock(ctx as never)).rejects.toThrow(TypeError);
    }
    expect(inspect(mu)).toBe("sync.RWMutex(unlocked)");
  });
});

describe("a context", () => {
  it("that has ended already ends the wait though the lock is free", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    cancel();
    const mu = new sync.RWMutex();
    expect(await mu.lock(ctx).catch((error: unknown) => error)).toBe(ctx.err());
    expect(await mu.rLock(ctx).catch((error: unknown) => error)).toBe(ctx.err());
    expect(inspect(mu)).toBe("sync.RWMutex(unlocked)");
  });

  it("that ends takes a reader out of the queue; those behind are let in as ever", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const mu = new sync.RWMutex();
    await mu.lock();
    const given = mu.rLock(ctx).catch((error: unknown) => error);
    const reader = mu.rLock();
    cancel();
    expect(await given).toBe(ctx.err());
    expect(inspect(mu)).toBe("sync.RWMutex(locked, 1 waiting)");
    mu.unlock();
    await reader;
    expect(inspect(mu)).toBe("sync.RWMutex(1 reader)");
  });

  it("that ends takes a writer out of the queue, and the readers behind it are let in", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const mu = new sync.RWMutex();
    await mu.rLock();
    const writer = mu.lock(ctx).catch((error: unknown) => error);
    const reader = mu.rLock();
    expect(await isPending(reader)).toBe(true);
    cancel();
    expect(await writer).toBe(ctx.err());
    await reader;
    expect(inspect(mu)).toBe("sync.RWMutex(2 readers)");
    expect(mu.tryRLock()).toBe(true);
  });

  it("that ends takes a writer out, but readers go on waiting while another writer does", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const mu = new sync.RWMutex();
    await mu.rLock();
    const given = mu.lock(ctx).catch((error: unknown) => error);
    const writer = mu.lock();
    const reader = mu.rLock();
    cancel();
    expect(await given).toBe(ctx.err());
    expect(await isPending(reader)).toBe(true);
    mu.rUnlock();
    await writer;
    expect(await isPending(reader)).toBe(true);
  });

  it("that ends while a writer has the lock lets no other in", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const mu = new sync.RWMutex();
    await mu.lock();
    const given = mu.lock(ctx).catch((error: unknown) => error);
    const reader = mu.rLock();
    cancel();
    expect(await given).toBe(ctx.err());
    expect(await isPending(reader)).toBe(true);
    expect(inspect(mu)).toBe("sync.RWMutex(locked, 1 waiting)");
  });

  it("that ends for a writer and for the readers behind it lets none of them in", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const mu = new sync.RWMutex();
    await mu.rLock();
    const waiting = [mu.lock(ctx), mu.rLock(ctx), mu.rLock(ctx)].map((p) => p.catch((error: unknown) => error));
    cancel();
    expect(await Promise.all(waiting)).toEqual([ctx.err(), ctx.err(), ctx.err()]);
    expect(inspect(mu)).toBe("sync.RWMutex(1 reader)");
  });

  it("that ends for a writer, and with it a derived one for the readers behind it, lets none of them in", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const [derived] = context.withCancel(ctx);
    const mu = new sync.RWMutex();
    await mu.rLock();
    const waiting = [mu.lock(ctx), mu.rLock(derived)].map((p) => p.catch((error: unknown) => error));
    cancel();
    expect(await Promise.all(waiting)).toEqual([ctx.err(), ctx.err()]);
    expect(inspect(mu)).toBe("sync.RWMutex(1 reader)");
  });
});
