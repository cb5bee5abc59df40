import { Chan, context, nil, type RecvChan, select, time, trySelect } from "headgate";
import { afterEach, describe, expect, it, vi } from "vitest";
import { elapse, isPending, settle, timersSet, virtualTime } from "../support/clock.ts";

virtualTime();

afterEach(() => expect(timersSet()).toBe(0));

const start = Date.UTC(2000, 0, 1);
const at = (ms: number): Date => new Date(start + ms);

/** Lets time pass without letting anything run: what a busy program does. */
const pass = (ms: number): void => void vi.advanceTimersByTime(ms);

describe("sleep", () => {
  it("resolves when the time is over, and not before", async () => {
    for (const ms of [1, 100]) {
      const nap = time.sleep(ms);
      await elapse(ms - 1);
      expect(await isPending(nap)).toBe(true);
      await elapse(1);
      await nap;
    }
  });

  it("resolves at once, without a timer, for 0 and less (T5)", async () => {
    for (const ms of [0, -0, -1, -Infinity]) {
      const nap = time.sleep(ms);
      expect(timersSet()).toBe(0);
      await nap;
    }
  });

  it("never resolves for Infinity, and needs no timer for that", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const nap = time.sleep(Infinity, ctx).catch((error: unknown) => error);
    expect(timersSet()).toBe(0);
    await elapse(2 ** 40);
    expect(await isPending(nap)).toBe(true);
    cancel();
    expect(await nap).toBe(ctx.err());
  });

  it("may last longer than the platform's longest timer", async () => {
    const nap = time.sleep(2 ** 31 + 5);
    await elapse(2 ** 31 + 4);
    expect(await isPending(nap)).toBe(true);
    await elapse(1);
    await nap;
  });

  it("that is cancelled rejects with the error of the context and leaves no timer", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    const nap = time.sleep(60_000, ctx).catch((error: unknown) => error);
    expect(timersSet()).toBe(1);
    cancel();
    expect(timersSet()).toBe(0);
    expect(await nap).toBe(ctx.err());
  });

  it("under a context that has ended rejects at once, also for 0", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    cancel();
    for (const ms of [0, 5]) expect(await time.sleep(ms, ctx).catch((error: unknown) => error)).toBe(ctx.err());
  });

  it("that is over in time leaves nobody waiting on the context", async () => {
    const [ctx, cancel] = context.withCancel(context.background());
    using _ = cancel;
    void time.sleep(5, ctx);
    expect(String(ctx.done())).toBe("Chan(0/0, 1 receiver waiting)");
    await elapse(5);
    expect(String(ctx.done())).toBe("Chan(0/0)");
  });
});

describe("after", () => {
  it("gives the time once, and is never closed", async () => {
    const ch = time.after(10);
    expect(ch.tryRecv()).toBeUndefined();
    const received = ch.recv();
    await elapse(10);
    expect(await received).toEqual([at(10), true]);
    expect(await isPending(ch.recv())).toBe(true);
  });

  it("looks unbuffered, due or not (T1)", () => {
    const ch = time.after(10);
    expect([ch.length, ch.capacity]).toEqual([0, 0]);
    pass(20);
    expect([ch.length, ch.capacity]).toEqual([0, 0]);
  });

  it("sets a platform timer only while somebody waits (T6)", async () => {
    const ch = time.after(60_000);
    expect(timersSet()).toBe(0);
    const [ctx, cancel] = context.withCancel(context.background());
    const waiting = [ch.recv(ctx), ch.recv(ctx)].map((p) => p.catch((error: unknown) => error));
    expect(timersSet()).toBe(1);
    cancel();
    expect(timersSet()).toBe(0);
    expect(await Promise.all(waiting)).toEqual([ctx.err(), ctx.err()]);
  });

  it("leaves nothing behind when it loses its select (T6)", async () => {
    const jobs = new Chan<string>();
    const got = select({ job: jobs, idle: time.after(60_000) });
    expect(timersSet()).toBe(1);
    await jobs.send("dig");
    expect(timersSet()).toBe(0);
    expect(await got).toEqual({ case: "job", value: "dig", ok: true });
    void jobs.send("rest");
    expect(await select({ job: jobs, idle: time.after(60_000) })).toMatchObject({ value: "rest" });
    expect(timersSet()).toBe(0);
  });

  it("wins its select when it is due, and withdraws the other cases", async () => {
    const jobs = new Chan<string>();
    const got = select({ job: jobs, idle: time.after(10), later: time.after(20) });
    await elapse(10);
    expect(await got).toEqual({ case: "idle", value: at(10), ok: true });
    expect(String(jobs)).toBe("Chan(0/0)");
  });

  it("is ready when it is overdue though nobody had waited: to a poll, a select and a receive (T6)", async () => {
    for (const take of [(ch: RecvChan<Date>) => ch.tryRecv(), (ch: RecvChan<Date>) => ch.recv()]) {
      const ch = time.after(10);
      const due = new Date(Date.now() + 10);
      pass(25);
      expect(await take(ch)).toEqual([due, true]);
      expect(ch.tryRecv()).toBeUndefined();
    }
    const [polled, waited] = [time.after(10), time.after(10)];
    pass(10);
    expect(trySelect([polled])).toMatchObject({ ok: true });
    expect(await select([waited, nil])).toMatchObject({ case: 0, ok: true });
  });

  it("fires at once for 0 and less, with the time of the call (T5)", () => {
    for (const ms of [0, -1, -60_000, -Infinity]) expect(time.after(ms).tryRecv()).toEqual([at(0), true]);
  });

  it("never fires for Infinity, without a timer", async () => {
    const received = time.after(Infinity).recv();
    expect(timersSet()).toBe(0);
    await elapse(2 ** 40);
    expect(await isPending(received)).toBe(true);
  });

  it("gives its one value to the one who waits longest", async () => {
    const ch = time.after(10);
    const [ctx, cancel] = context.withCancel(context.background());
    const [first, second] = [ch.recv(ctx), ch.recv(ctx).catch((error: unknown) => error)];
    await elapse(50);
    expect(await first).toEqual([at(10), true]);
    expect(await isPending(second)).toBe(true);
    cancel();
    expect(await second).toBe(ctx.err());
  });

  it("that is overdue because the program was busy goes to the one who waits, not to who comes by (H6)", async () => {
    for (const comeBy of [
      (ch: RecvChan<Date>) => ch.tryRecv(),
      (ch: RecvChan<Date>) => trySelect([ch]),
      (ch: RecvChan<Date>) => void ch.recv(),
      (ch: RecvChan<Date>) => void select([ch]),
    ]) {
      const ch = time.after(10);
      const due = new Date(Date.now() + 10);
      const waiting = ch.recv();
      const busy = vi.spyOn(performance, "now").mockReturnValue(performance.now() + 20);
      expect(comeBy(ch)).toBeUndefined();
      busy.mockRestore();
      await elapse(20);
      expect(await isPending(waiting)).toBe(false);
      expect(await waiting).toEqual([due, true]);
    }
  });

  it("may be longer than the platform's longest timer", async () => {
    const received = time.after(2 ** 31 + 5).recv();
    await elapse(2 ** 31 + 4);
    expect(await isPending(received)).toBe(true);
    await elapse(1);
    expect(await received).toEqual([at(2 ** 31 + 5), true]);
  });

  it("fires in the order of the due times, whichever was made first", async () => {
    const order: number[] = [];
    for (const ms of [30, 10, 20])
      void time
        .after(ms)
        .recv()
        .then(() => order.push(ms));
    await elapse(30);
    expect(order).toEqual([10, 20, 30]);
  });
});

describe("now", () => {
  it("is the time in epoch milliseconds", async () => {
    expect(time.now()).toBe(start);
    await elapse(1234);
    expect(time.now()).toBe(start + 1234);
  });
});

describe("bad input", () => {
  const makers = {
    after: (ms: number) => time.after(ms),
    tick: (ms: number) => time.tick(ms),
    Timer: (ms: number) => new time.Timer(ms),
    Ticker: (ms: number) => new time.Ticker(ms),
    afterFunc: (ms: number) => time.afterFunc(ms, () => {}),
  };

  it.each(Object.keys(makers) as (keyof typeof makers)[])("%s takes no NaN and nothing but numbers", (name) => {
    expect(() => makers[name](Number.NaN)).toThrow(RangeError);
    for (const ms of ["5", undefined, null, 5n, new Date()]) expect(() => makers[name](ms as never)).toThrow(TypeError);
    expect(() => makers[name](context.background() as never)).toThrow(/Context/);
  });

  it("sleep rejects for NaN, for what is no number, and for a Context in its place", async () => {
    await expect(time.sleep(Number.NaN)).rejects.toThrow(RangeError);
    for (const ms of ["5", undefined, null]) await expect(time.sleep(ms as never)).rejects.toThrow(TypeError);
    await expect(time.sleep(context.background() as never)).rejects.toThrow(/Context/);
    await expect(time.sleep(5, 5 as never)).rejects.toThrow(TypeError);
  });

  it("reset of NaN or no number throws and leaves the timer as it was", () => {
    const [timer, ticker] = [new time.Timer(10), new time.Ticker(10)];
    for (const t of [timer, ticker]) {
      expect(() => t.reset(Number.NaN)).toThrow(RangeError);
      expect(() => t.reset(undefined as never)).toThrow(TypeError);
      pass(10);
      expect(t.c.tryRecv()?.[1]).toBe(true);
    }
  });

  it.each([undefined, null, 5, {}])("afterFunc of %j is a TypeError, and nothing is set", async (fn) => {
    expect(() => time.afterFunc(1, fn as never)).toThrow(TypeError);
    await settle();
    expect(timersSet()).toBe(0);
  });
});
