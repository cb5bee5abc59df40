/**
 * Contexts, lists, promises and options that fail late or are out of all proportion: what the worker, the saga, retry and explore make of
 * each. Every odd value in every place is in compositions.deep.test.ts.
 */
import { context, retry, time } from "headgate";
import { saga, type SagaOptions } from "headgate/saga";
import { bubble, explore } from "headgate/testing";
import { memoryBroker, type Progress, type Report, worker, type WorkerEvent } from "headgate/worker";
import { describe, expect, it } from "vitest";
import { broker, letters, nothing, source, throwing } from "./around.ts";
import { gatherUncaught, uncaught } from "./trial.ts";

gatherUncaught();

const bg = context.background();

/** A context of somebody's own that never ends, with methods of its own. */
function custom(methods: object): context.Context {
  const { signal } = new AbortController();
  return { deadline: nothing, done: () => null, err: nothing, value: nothing, signal, ...methods } as never;
}

const ODD_ERROR = new Error("odd");

describe("a worker", () => {
  it.each(["done", "err", "value"])(
    "rejects, and names ctx, when its %s throws, with the error as the cause",
    async (name) => {
      const running = worker(custom({ [name]: throwing(ODD_ERROR) }), broker(), nothing);
      const error = await running.catch((error: unknown) => error);
      expect(error).toBeInstanceOf(TypeError);
      expect((error as Error).message).toMatch(/^worker: ctx\b/);
      const causes = [(error as Error).cause, ((error as Error).cause as Error).cause];
      expect(causes).toContain(ODD_ERROR);
    },
  );

  it("stops as failed when its ctx cannot be asked for a deadline any more, and gives back what it has", async () => {
    await bubble(async () => {
      let asked = 0;
      const ctx = custom({ deadline: () => (asked++ < 1 ? undefined : throwing(ODD_ERROR)()) });
      const report = await worker(ctx, memoryBroker<number>(), nothing);
      expect(report.stopped).toBe("failed");
      expect((report.cause as Error).message).toMatch(/^ctx: a Context of your own has thrown/);
      expect((report.cause as Error).cause).toBe(ODD_ERROR);
    });
  });

  it("takes a promise whose then throws for a failure of its handler, not for one that it has left", async () => {
    await bubble(async () => {
      const result = Object.assign(Promise.resolve(1), { then: throwing(ODD_ERROR) });
      const report = await worker(bg, broker(), () => result, { maxAttempts: 3, backoff: () => 0 });
      expect(report).toMatchObject({ pulled: 3, retried: 2, dead: 1, released: 0, abandoned: 0 });
    });
  });

  it("hands on what a list has before the item that cannot be read", async () => {
    await bubble(async () => {
      const list = Object.defineProperty([{ id: "1", body: 1 }, null], 1, { get: throwing(ODD_ERROR) });
      const events: WorkerEvent[] = [];
      const lists = [list];
      const pulling = { pull: async () => lists.shift() ?? [], ended: false };
      Object.defineProperty(pulling, "ended", { get: () => lists.length === 0 });
      const report = await worker(bg, source(pulling), nothing, { observe: (event) => void events.push(event) });
      expect(report).toMatchObject({ pulled: 1, acked: 1 });
      expect(events).toContainEqual(expect.objectContaining({ type: "sourceError", call: "pull" }));
    });
  });

  it("releases nothing, and tells nobody as uncaught, when a pull comes too late with what is no list", async () => {
    uncaught.length = 0;
    await bubble(async (t) => {
      const { proxy, revoke } = Proxy.revocable([], {});
      revoke();
      const pull = async (): Promise<never> => {
        await time.sleep(60_000);
        return proxy as never;
      };
      const report = await worker(t.ctx, source({ pull }), nothing, { callTimeout: 5, settle: 5, grace: 20 });
      expect(report.stopped).toBe("failed");
      await t.sleep(60_000);
    });
    expect(uncaught).toEqual([]);
  });

  it.each([
    ["callTimeout", 1e-6],
    ["maxLease", 1e-6],
    ["maxLease", Number.MIN_VALUE],
    ["callTimeout", Number.MIN_VALUE],
  ])("does not go round and round with a %s of %f ms", async (name, ms) => {
    const ended = bubble(
      async () => {
        const [ctx, cancel] = context.withTimeout(bg, 100);
        using _ = cancel;
        const pull = async (limited: context.Context): Promise<never[]> => {
          await limited.done().recv();
          return [];
        };
        const waiting = { pull, ended: false };
        await worker(ctx, source(waiting), nothing, { [name]: ms, abortWindow: 5, settle: 5, grace: 20 });
      },
      { maxSteps: 5_000 },
    );
    await expect(ended).resolves.toBe(undefined);
  });

  it("extends leases of no time at all a thousand times a second, and no more often", async () => {
    let extended = 0;
    await bubble(
      async () => {
        const extend = async (): Promise<void> => void extended++;
        await worker(bg, source({ lease: Number.MIN_VALUE, extend }), (ctx) => time.sleep(100, ctx));
      },
      { maxSteps: 5_000 },
    );
    expect(extended).toBeGreaterThan(10);
    expect(extended).toBeLessThanOrEqual(100);
  });

  it("keeps the counters of its own when those of the caller cannot be written to any more", async () => {
    let left = 12;
    const progress = new Proxy({} as Progress, {
      set: (target, name, value: number) => (left-- > 0 ? Reflect.set(target, name, value) : throwing(ODD_ERROR)()),
    });
    const report: Report = await worker(bg, broker(), nothing, { progress });
    expect(report).toMatchObject({ pulled: 1, acked: 1, expired: 0 });
  });
});

describe("a saga", () => {
  it.each(["done", "err", "value"])("rejects, calls nothing, and names ctx, when its %s throws", async (name) => {
    let calls = 0;
    const running = saga<number>("s")
      .step("a", () => void calls++)
      .run(custom({ [name]: throwing(ODD_ERROR) }), 1, letters as SagaOptions);
    const error = await running.catch((error: unknown) => error);
    expect(error).toBeInstanceOf(TypeError);
    expect((error as Error).message).toMatch(/^saga: ctx\b/);
    expect(calls).toBe(0);
  });

  it("takes the way back when its ctx cannot be asked any more", async () => {
    let broken = false;
    const undone: string[] = [];
    const result = await saga<number>("s")
      .step(
        "a",
        () => void (broken = true),
        () => void undone.push("a"),
      )
      .step("b", nothing, nothing)
      .run(custom({ err: () => (broken ? throwing(ODD_ERROR)() : undefined) }), 1, letters as SagaOptions);
    expect(result).toMatchObject({ status: "compensated", cause: { cause: ODD_ERROR } });
    expect(undone).toEqual(["a"]);
  });
});

describe("retry", () => {
  it.each(["err", "deadline"])(
    "rejects with the last error of fn when no pause can be made, as %s of ctx throws",
    async (name) => {
      let broken = false;
      const ctx = custom({ [name]: () => (broken ? throwing(new Error("of the ctx"))() : undefined) });
      const fn = (): never => {
        broken = true;
        throw ODD_ERROR;
      };
      await expect(retry.run(ctx, fn, { base: 0 })).rejects.toBe(ODD_ERROR);
      broken = false;
      await expect(retry.run(ctx, fn, { base: 0, timeout: 5 })).rejects.toBe(ODD_ERROR);
    },
  );
});

describe("explore", () => {
  it("refuses more microtasks than can be run, and says how many can", async () => {
    await expect(explore(nothing, { microtasks: 2 ** 32 })).rejects.toThrow(
      /^explore: options\.microtasks .* got 4294967296.* 10000 at most$/,
    );
  });
});
