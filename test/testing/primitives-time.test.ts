/**
 * Shared calls, sleeping, timers and trying again, cancelled at every point and in many orders: one call serves all
 * who came in time, a timer fires once or was stopped, nothing happens early, and nothing is left set.
 */
import assert from "node:assert/strict";
import { type Context, context, retry, select, singleflight, time } from "headgate";
import { bubble, explore } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { errorOf } from "../support/errors.ts";
import { together, under } from "./tasks.ts";

describe("singleflight", () => {
  /** One call of the function, and how many have come to share it. */
  interface Flight {
    readonly id: number;
    callers: number;
  }

  /** A group whose calls are on record: who comes while one is under way shares that, whoever else starts one. */
  class Loader {
    readonly group = new singleflight.Group<string, number>();
    readonly flights: Flight[] = [];
    private underWay: Flight | undefined;
    private readonly load: () => Promise<unknown>;

    constructor(load: () => Promise<unknown>) {
      this.load = load;
    }

    private board(): readonly [flight: Flight, fn: () => Promise<number>] {
      const flight = (this.underWay ??= { id: this.flights.length + 1, callers: 0 });
      if (flight.callers++ === 0) this.flights.push(flight);
      const fn = async (): Promise<number> => {
        await this.load();
        if (this.underWay === flight) this.underWay = undefined;
        return flight.id;
      };
      return [flight, fn];
    }

    async do(ctx: Context): Promise<void> {
      if (ctx.err() !== undefined) return;
      const [flight, fn] = this.board();
      const result = await this.group.do("key", fn, ctx);
      assert.deepEqual(result, { value: flight.id, shared: flight.callers > 1 });
    }

    async doChan(ctx: Context): Promise<void> {
      const [flight, fn] = this.board();
      const chan = this.group.doChan("key", fn);
      const [result] = await chan.recv(ctx);
      assert.deepEqual(result, { value: flight.id, shared: flight.callers > 1 });
    }

    forget(): void {
      this.group.forget("key");
      this.underWay = undefined;
    }
  }

  it("runs one call for all who come while it runs, and tells them so, whoever gives up (F1, F2, F3)", async () => {
    const flights = new Set<number>();
    await explore(async (t) => {
      const loader = new Loader(() => t.yield());
      const [own, cancel] = context.withCancel(t.ctx);
      await together(
        () => under(t.ctx, () => loader.do(t.ctx)),
        () => under(own, () => loader.do(own)),
        () => under(t.ctx, () => loader.doChan(t.ctx)),
        () => loader.do(context.background()),
        cancel,
      );
      await t.wait();
      expect(String(loader.group)).toBe("singleflight.Group(0 under way)");
      flights.add(loader.flights.length);
    });
    expect(flights).toEqual(new Set([1, 2, 3, 4]));
  });

  it("starts anew for who comes after a forget, and lets the others have what they came for (F4)", () =>
    explore(async (t) => {
      const loader = new Loader(() => t.yield());
      await together(
        () => under(t.ctx, () => loader.do(t.ctx)),
        () => under(t.ctx, () => loader.do(t.ctx)),
        () => loader.forget(),
        () => under(t.ctx, () => loader.do(t.ctx)),
      );
      await t.wait();
      expect(loader.flights.length).toBeLessThanOrEqual(3);
      expect(String(loader.group)).toBe("singleflight.Group(0 under way)");
    }));

  it("gives everybody the call's own error, and ends the call although nobody is left to wait for it", async () => {
    const shared = new Set<boolean>();
    const report = await explore(
      async (t) => {
        const group = new singleflight.Group<string, never>();
        const [failures, errors]: [Error[], unknown[]] = [[], []];
        let started = 0;
        const fn = async (): Promise<never> => {
          const failure = new Error(`failure ${++started}`);
          await t.yield();
          failures.push(failure);
          throw failure;
        };
        const caller = async (): Promise<void> => void errors.push(await errorOf(group.do("key", fn, t.ctx)));
        await together(caller, caller);
        await t.wait();
        expect(failures.length).toBe(started);
        for (const error of errors) expect([...failures, t.ctx.err()]).toContain(error);
        if (t.ctx.err() === undefined) expect(new Set(errors).size).toBe(started);
        shared.add(started < errors.length);
        expect(String(group)).toBe("singleflight.Group(0 under way)");
      },
      { bound: Infinity, randomRuns: 0 },
    );
    expect([report.complete, shared.size]).toEqual([true, 2]);
  });
});

describe("sleep", () => {
  it("is never too short, is over at once when its context ends, and leaves no timer", () =>
    explore(
      async (t) => {
        const [own, cancel] = context.withTimeout(t.ctx, 15);
        const sleeper = (ms: number, ctx: Context) => async (): Promise<void> => {
          const begun = t.now();
          const slept = await under(ctx, () => time.sleep(ms, ctx));
          if (slept) assert(t.now() - begun >= ms);
          else assert.notEqual(ctx.err(), undefined);
        };
        await together(sleeper(10, t.ctx), sleeper(20, own), sleeper(10, own), sleeper(0, t.ctx), async () => {
          await time.sleep(5, t.ctx).catch(cancel);
        });
        cancel();
        await t.wait();
      },
      { timers: "any" },
    ));

  it("that end together wake in any order, and nobody before his time", async () => {
    const orders = new Set<string>();
    const report = await explore(
      async (t) => {
        const order: number[] = [];
        const begun = t.now();
        const sleeper = (ms: number) => async (): Promise<void> => {
          await time.sleep(ms);
          order.push(ms);
          expect(t.now() - begun).toBe(ms);
        };
        await together(sleeper(20), sleeper(10), sleeper(10.5));
        expect(order).toEqual([10, 10.5, 20]);
        await together(
          async () => (await time.sleep(5), order.push(1)),
          async () => (await time.sleep(5), order.push(2)),
        );
        orders.add(order.slice(3).join());
      },
      { bound: Infinity, cancel: false, randomRuns: 0 },
    );
    expect(report.complete).toBe(true);
    expect([...orders].sort()).toEqual(["1,2", "2,1"]);
  });
});

describe("a timer", () => {
  it("fires once, or has been stopped once, in every schedule there is (T1, T2)", async () => {
    const outcomes = new Set<string>();
    const report = await explore(
      async (t) => {
        const timer = new time.Timer(10);
        let [fired, stopped] = [0, 0];
        await together(
          () =>
            under(t.ctx, async () => {
              const got = await select({ fired: timer.c, late: time.after(30) }, t.ctx);
              if (got.case === "fired") fired++;
            }),
          async () => {
            await time.sleep(10);
            if (timer.stop()) stopped++;
            if (timer.stop()) stopped++;
          },
        );
        expect(timer.c.tryRecv()).toBeUndefined();
        expect(fired + stopped).toBe(1);
        outcomes.add(fired === 1 ? "fired" : "stopped");
      },
      { bound: Infinity, randomRuns: 0, timers: "any", maxSchedules: 20_000 },
    );
    expect(report.complete).toBe(true);
    expect([...outcomes].sort()).toEqual(["fired", "stopped"]);
  });

  it("that was reset gives what it was set to last, and nothing of before (T1, T3)", () =>
    explore(
      async (t) => {
        const timer = new time.Timer(10);
        const [begun, ticks]: [number, number[]] = [t.now(), []];
        let wasRunning = false;
        await together(
          async () => {
            await time.sleep(10);
            wasRunning = timer.reset(10);
          },
          async () => {
            // If the first one was received, the second comes as well.
            for (let n = 0; n < (wasRunning ? 1 : 2); n++) {
              const got = await select({ tick: timer.c, over: time.after(50) });
              if (got.case === "tick" && got.ok) ticks.push(got.value.getTime() - begun);
            }
          },
        );
        expect([[20], [10, 20]]).toContainEqual(ticks);
        expect(ticks.length).toBe(wasRunning ? 1 : 2);
      },
      { cancel: false },
    ));

  it("of a function runs it as often as it was not prevented (T2)", async () => {
    const outcomes = new Set<number>();
    await explore(
      async (t) => {
        let [runs, prevented] = [0, 0];
        const timer = time.afterFunc(10, () => void runs++);
        await together(
          async () => {
            await under(t.ctx, () => time.sleep(10, t.ctx));
            if (timer.stop()) prevented++;
          },
          async () => {
            await t.yield();
            if (timer.reset(10)) prevented++;
          },
        );
        if (timer.stop()) prevented++;
        await t.wait();
        expect(runs + prevented).toBe(2);
        outcomes.add(runs);
      },
      { timers: "any" },
    );
    expect(outcomes).toEqual(new Set([0, 1, 2]));
  });
});

describe("a ticker", () => {
  it("keeps its beat for a reader who is late, and drops what he has missed (T4, T5)", () =>
    bubble(async (t) => {
      const ticker = new time.Ticker(10);
      const begun = t.now();
      const beats: [number, number][] = [];
      for (const pause of [0, 25, 0, 3]) {
        await time.sleep(pause);
        const [tick] = await ticker.c.recv(t.ctx);
        beats.push([tick!.getTime() - begun, t.now() - begun]);
      }
      expect(beats).toEqual([
        [10, 10],
        [20, 35],
        [40, 40],
        [50, 50],
      ]);
    }));

  it("gives each beat to one of those who wait, and to nobody after its stop, however it is cancelled", () =>
    explore(
      async (t) => {
        const ticker = new time.Ticker(10);
        const begun = t.now();
        const beats: number[] = [];
        const reader = () =>
          under(t.ctx, async () => {
            const [tick] = await ticker.c.recv(t.ctx);
            beats.push(tick!.getTime() - begun);
          });
        await together(reader, reader);
        assert.deepEqual([...new Set(beats)], beats);
        if (t.ctx.err() === undefined)
          assert.deepEqual(
            beats.sort((a, b) => a - b),
            [10, 20],
          );
        expect([ticker.stop(), ticker.stop(), ticker.c.tryRecv()]).toEqual([true, false, undefined]);
      },
      { timers: "any" },
    ));
});

describe("retry", () => {
  /** Fails twice, then succeeds; each try takes 10 ms. */
  class Service {
    attempts = 0;
    running = 0;
    readonly errors: Error[] = [];

    call = async (ctx: Context, attempt: number): Promise<string> => {
      assert.equal(++this.running, 1);
      assert.equal(attempt, ++this.attempts);
      try {
        await time.sleep(10, ctx);
        if (attempt < 3) throw new Error(`failure ${attempt}`);
        return "done";
      } catch (error) {
        this.errors.push(error as Error);
        throw error;
      } finally {
        this.running--;
      }
    };
  }

  it("tries one after the other until it succeeds or is cancelled, and then says how the last try went", async () => {
    const attempts = new Set<number>();
    const report = await explore(async (t) => {
      const service = new Service();
      await t.yield();
      const policy = { tries: 3, base: 100, timeout: 50 };
      const outcome = await retry.run(t.ctx, service.call, policy).catch((e: unknown) => e);
      expect([service.attempts <= 3, service.running]).toEqual([true, 0]);
      if (t.ctx.err() === undefined) expect(outcome).toBe("done");
      if (outcome !== "done") expect(outcome).toBe(service.errors.at(-1) ?? t.ctx.err());
      attempts.add(service.attempts);
    });
    expect(attempts).toEqual(new Set([0, 1, 2, 3]));
    expect(report.complete).toBe(true);
  });

  it("gives each try its time, on a slow machine, too, and leaves no deadline behind", () =>
    explore(
      async (t) => {
        const service = new Service();
        const policy = { tries: 3, base: 0, timeout: 10 };
        const outcome = await retry.run(t.ctx, service.call, policy).catch((e: unknown) => e);
        if (outcome !== "done") expect(outcome).toBe(service.errors.at(-1) ?? t.ctx.err());
        expect(service.running).toBe(0);
      },
      { timers: "any" },
    ));

  it("pauses for no more than its policy says, in exact time", () =>
    bubble(async (t) => {
      const service = new Service();
      const begun = t.now();
      expect(await retry.run(t.ctx, service.call, { base: 100 })).toBe("done");
      const paused = t.now() - begun - 30;
      expect(paused).toBeGreaterThan(0);
      expect(paused).toBeLessThan(100 + 200);
      await expect(retry.run(t.ctx, new Service().call, { tries: 2, base: 0 })).rejects.toThrow("failure 2");
      expect(t.now() - begun).toBe(30 + paused + 20);
    }));

  it("survives the refusal of any operation of a try, and reports that of its own", async () => {
    const refused = new Error("refused");
    const outcomes: unknown[] = [];
    const report = await explore(
      async (t) => {
        const service = new Service();
        outcomes.push(await retry.run(t.ctx, service.call, { tries: 4, base: 10 }).catch((e: unknown) => e));
        expect(service.running).toBe(0);
      },
      { fail: refused, cancel: false, randomRuns: 0, bound: 0 },
    );
    expect(report.complete).toBe(true);
    // The refused one was retry's own, asked before the first try, or one of a try, which is made up for by another.
    expect(new Set(outcomes)).toEqual(new Set(["done", refused]));
  });
});
