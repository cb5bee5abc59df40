/**
 * What a worker makes of sources, deliveries, handlers and contexts that are not what they should be: it is reported, it
 * costs nobody else anything, and the account adds up.
 */
import { context, type Context, time } from "headgate";
import {
  type Delivery,
  type Handler,
  LeaseLost,
  Permanent,
  type Report,
  type Source,
  Stopping,
  worker,
  type WorkerEvent,
  type WorkerOptions,
} from "headgate/worker";
import { describe, expect, it } from "vitest";
import { elapse, timersSet, virtualTime } from "../support/clock.ts";
import { hostile, odd } from "../support/foreign.ts";
import { account, brokerOf } from "./harness.ts";

const background = context.background();
const boom = new Error("boom");

type D = Delivery<number>;
type Fault = Extract<WorkerEvent<D>, { type: "sourceError" }>;

/** A source that hands over all of this in its first pull, whatever it is, and has ended then. What it is told is written down. */
function sourceOf(deliveries: readonly unknown[], calls: object = {}) {
  let ended = false;
  const told: string[] = [];
  const source: Source<D> = {
    get ended() {
      return ended;
    },
    async pull() {
      ended = true;
      return deliveries as readonly D[];
    },
    ack: async (_, ds) => void told.push(...ds.map(({ id }) => `ack ${id}`)),
    nack: async (_, items) => void told.push(...items.map(({ delivery, reason }) => `${reason} ${delivery.id}`)),
    deadLetter: async (_, items) => void told.push(...items.map(({ delivery }) => `dead ${delivery.id}`)),
    ...calls,
  };
  return { source, told };
}

function start(source: Source<D>, handle: Handler<D>, options: WorkerOptions<D> = {}, ctx: Context = background) {
  const running = { report: undefined as Report<D> | undefined, faults: [] as Fault[], returned: NaN };
  const begun = Date.now();
  const observe = (event: WorkerEvent<D>): void => void (event.type === "sourceError" && running.faults.push(event));
  void worker(ctx, source, handle, { grace: 1000, observe, ...options }).then((report) => {
    running.report = report;
    running.returned = Date.now() - begun;
  });
  return running;
}

/** An object whose property cannot be read. */
function unreadable(property: string, rest: object): object {
  return Object.defineProperty({ ...rest }, property, {
    enumerable: true,
    get() {
      throw boom;
    },
  });
}

describe("a delivery", () => {
  virtualTime();

  it.each<[what: string, delivery: unknown]>([
    ["is nothing", null],
    ["has no id", { body: 2 }],
    ["has a number for an id", { id: 2, body: 2 }],
    ["has an id that cannot be read", unreadable("id", { body: 2 })],
    ["has a key that cannot be read", unreadable("key", { id: "2", body: 2 })],
    ["has an attempt that cannot be read", unreadable("attempt", { id: "2", body: 2 })],
  ])("that %s is reported, and those that came with it are handled", async (_, delivery) => {
    const { source, told } = sourceOf([{ id: "1", body: 1 }, delivery, { id: "3", body: 3 }]);
    const running = start(source, () => undefined);
    await elapse(1000);
    expect(account(running.report)).toBe("2 pulled: 2 acked");
    expect(told).toEqual(["ack 1", "ack 3"]);
    const error = new TypeError("worker: source.pull must resolve to a list of deliveries, each with an id");
    expect(running.faults).toMatchObject([{ call: "pull", error }]);
  });

  it.each([0, -1, 1.5, NaN, Infinity, "2", {}, null])(
    "whose attempt is %o has its failures counted by the worker, as where the broker does not count",
    async (attempt) => {
      const { source, told } = sourceOf([{ id: "1", body: 1, attempt }]);
      const running = start(source, () => Promise.reject(boom), { maxAttempts: 2 });
      await elapse(1000);
      expect(account(running.report)).toBe("1 pulled: 1 retried");
      expect(running.report!.redelivered).toBe(0);
      expect(told).toEqual(["failed 1"]);
    },
  );

  it("whose key is null has none: many of them are handled at the same time", async () => {
    const { source } = sourceOf([1, 2, 3].map((body) => ({ id: String(body), body, key: null })));
    const running = start(source, (ctx) => time.sleep(100, ctx));
    await elapse(100);
    expect(account(running.report)).toBe("3 pulled: 3 acked");
  });

  it("is frozen, or written on by its handler, and its key is what it was", async () => {
    const { source, told } = sourceOf([
      Object.freeze({ id: "a1", body: 1, key: "a" }),
      { id: "a2", body: 2, key: "a" },
      { id: "a3", body: 3, key: "a" },
    ]);
    const handle: Handler<D> = (_, delivery) => {
      if (!Object.isFrozen(delivery)) Object.assign(delivery, { key: "b", attempt: 99, body: 0 });
    };
    const running = start(source, handle);
    await elapse(100);
    expect(account(running.report)).toBe("3 pulled: 3 acked");
    expect(told).toEqual(["ack a1", "ack a2", "ack a3"]);
    expect(timersSet()).toBe(0);
  });

  it("that is handed over twice is handled twice, and told of as often", async () => {
    const delivery = { id: "1", body: 1 };
    const { source, told } = sourceOf([delivery, delivery]);
    const running = start(source, () => undefined);
    await elapse(100);
    expect(account(running.report)).toBe("2 pulled: 2 acked");
    expect(told).toEqual(["ack 1", "ack 1"]);
  });

  it("of more than were asked for is taken all the same", async () => {
    const { source } = sourceOf(Array.from({ length: 20 }, (_, n) => ({ id: String(n), body: n })));
    const running = start(source, (ctx) => time.sleep(10, ctx), { concurrency: 2, prefetch: 1 });
    await elapse(1000);
    expect(account(running.report)).toBe("20 pulled: 20 acked");
  });
});

describe("a source", () => {
  virtualTime();

  it("that returns nothing and does not wait is asked ten times a second, and stops at once", async () => {
    let pulls = 0;
    const { source } = sourceOf([], { ended: false, pull: async () => (pulls++, []) });
    const [ctx, stop] = context.withCancel(background);
    const running = start(source, () => undefined, {}, ctx);
    await elapse(950);
    expect(pulls).toBe(10);
    stop();
    await elapse(0);
    expect(running.report).toMatchObject({ pulled: 0, stopped: "cancelled" });
    expect([running.returned, timersSet()]).toEqual([950, 0]);
  });

  it("that waits in vain for a while is asked again at once", async () => {
    const asked: number[] = [];
    const begun = Date.now();
    const pull = async (ctx: Context): Promise<D[]> => {
      asked.push(Date.now() - begun);
      await time.sleep(300, ctx).catch(() => {});
      return [];
    };
    const { source } = sourceOf([], { ended: false, pull });
    const [ctx, stop] = context.withCancel(background);
    const running = start(source, () => undefined, {}, ctx);
    await elapse(1000);
    stop();
    await elapse(0);
    expect(asked).toEqual([0, 300, 600, 900]);
    expect(running.report).toBeDefined();
  });

  it.each([5, "OK", true, {}, [undefined], [null], [{ delivery: { id: "1" } }]])(
    "whose ack answers %o has said nothing: it is told so, and told again of the verdict",
    async (answer) => {
      let calls = 0;
      const { source } = sourceOf([{ id: "1", body: 1 }], { ack: async () => (++calls <= 2 ? answer : []) });
      const running = start(source, () => undefined);
      await elapse(10_000);
      expect(account(running.report)).toBe("1 pulled: 1 acked");
      const rule =
        /^worker: source.ack must resolve to a list of the deliveries whose lease was lost, or to nothing; got/;
      const error = expect.objectContaining({ message: expect.stringMatching(rule) as unknown }) as unknown;
      expect(running.faults).toMatchObject([
        { call: "ack", error },
        { call: "ack", error },
      ]);
    },
  );

  it("that names as lost what it was not asked about loses nothing", async () => {
    const strangers = async (): Promise<unknown> => [{ id: "77", body: 77 }];
    const events: unknown[] = [];
    const { source } = sourceOf([{ id: "1", body: 1 }], { lease: 300, extend: strangers, ack: strangers });
    const observe = (event: WorkerEvent<D>): void => void (event.type === "extended" && events.push(event));
    const running = start(source, (ctx) => time.sleep(150, ctx), { observe });
    await elapse(200);
    expect(account(running.report)).toBe("1 pulled: 1 acked");
    expect(events).toEqual([{ type: "extended", count: 1, lost: 0 }]);
  });

  it("may return copies of those that it has lost, which are known by their ids", async () => {
    const { source } = sourceOf(
      ["1", "2"].map((id) => ({ id, body: 1 })),
      { ack: async () => [{ id: "2" }] },
    );
    const running = start(source, () => undefined);
    await elapse(100);
    expect(account(running.report)).toBe("2 pulled: 1 acked, 1 expired");
    expect(running.report!.leftovers).toMatchObject([{ delivery: { id: "2" }, verdict: "acked" }]);
  });

  it("that delivers again, under the same id, what is still held can say which of the two is lost", async () => {
    const [first, second] = [
      { id: "1", body: 1 },
      { id: "1", body: 2 },
    ];
    const causes: unknown[] = [];
    const { source, told } = sourceOf([first, second], {
      lease: 300,
      extend: async (_: Context, ds: readonly D[]) => ds.filter((delivery) => delivery === first),
    });
    const handle: Handler<D> = async (ctx, { body }) => {
      await time.sleep(150, ctx).catch(() => causes.push([body, context.cause(ctx)]));
    };
    const running = start(source, handle);
    await elapse(200);
    expect(causes).toEqual([[1, expect.any(LeaseLost)]]);
    expect(account(running.report)).toBe("2 pulled: 1 acked, 1 expired");
    expect(running.report!.leftovers[0]!.delivery).toBe(first);
    expect(told).toEqual(["ack 1"]);
  });

  it("whose extend rejects for ever is told of every message all the same", async () => {
    const { source, told } = sourceOf([{ id: "1", body: 1 }], { lease: 300, extend: () => Promise.reject(boom) });
    const running = start(source, (ctx) => time.sleep(1000, ctx));
    await elapse(1000);
    expect(account(running.report)).toBe("1 pulled: 1 acked");
    expect(told).toEqual(["ack 1"]);
    expect(running.faults).toHaveLength(9);
  });

  it.each(["ack", "nack", "deadLetter", "extend"] as const)("whose %s throws at once has rejected", async (call) => {
    let calls = 0;
    const fails = (): void => {
      if (++calls === 1) throw boom;
    };
    const { source } = sourceOf([{ id: "1", body: 1 }], { lease: 300, extend: async () => {}, [call]: fails });
    const handle: Handler<D> = async (ctx) => {
      await time.sleep(250, ctx);
      if (call === "nack") throw boom;
      if (call === "deadLetter") throw new Permanent("no use");
    };
    const running = start(source, handle);
    await elapse(5000);
    expect(running.report).toMatchObject({ pulled: 1, expired: 0 });
    expect(running.faults).toMatchObject([{ call, error: boom }]);
    expect(calls).toBeGreaterThan(1);
  });
});

describe("a handler", () => {
  virtualTime();

  const revoked = (): object => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  };

  const unreadableConstructor = (): Promise<void> =>
    Object.defineProperty(Promise.resolve(), "constructor", {
      get() {
        throw boom;
      },
    });

  it.each<[what: string, thrown: unknown]>([
    ["undefined", undefined],
    ["null", null],
    ["a string", "no"],
    ["an object that nobody can ask anything", revoked()],
    ["a Permanent as the cause of something else", new Error("wrapped", { cause: new Permanent("no use") })],
    ["a Permanent among others", new AggregateError([new Permanent("no use"), boom])],
  ])("that throws %s has failed, and not for good", async (_, thrown) => {
    const { source, told } = sourceOf([{ id: "1", body: 1 }]);
    const running = start(source, () => Promise.reject(thrown));
    await elapse(100);
    expect(account(running.report)).toBe("1 pulled: 1 retried");
    expect(told).toEqual(["failed 1"]);
  });

  it.each(odd)("that throws %s has failed, and not for good; nobody awaits what it threw", async (_, make) => {
    const { source, told } = sourceOf(["1", "2"].map((id) => ({ id, body: Number(id) })));
    const running = start(source, (_, { body }) => {
      if (body === 2) return Promise.reject(make());
      throw make();
    });
    await elapse(100);
    expect(account(running.report)).toBe("2 pulled: 2 retried");
    expect(told).toEqual(["failed 1", "failed 2"]);
    expect(running.report!.abandoned).toBe(0);
  });

  it.each(odd)("that throws %s at its last attempt is dead of something that a source may ask", async (_, make) => {
    const reasons: string[] = [];
    const deadLetter: Source<D>["deadLetter"] = async (_, items) => {
      for (const { error } of items) {
        if (error instanceof Error) reasons.push(error.name, error.message, String(error.stack), String(error));
        else reasons.push(String(error));
      }
    };
    const { source } = sourceOf([{ id: "1", body: 1 }], { deadLetter });
    const running = start(source, () => Promise.reject(make()), { maxAttempts: 1 });
    await elapse(2_000);
    expect(running.faults).toEqual([]);
    expect(account(running.report)).toBe("1 pulled: 1 dead");
    expect(reasons.length).toBeGreaterThan(0);
  });

  it("that throws undefined at its last attempt is dead of that", async () => {
    const errors: unknown[] = [];
    const deadLetter: Source<D>["deadLetter"] = async (_, items) =>
      void errors.push(...items.map(({ error }) => error));
    const { source } = sourceOf([{ id: "1", body: 1 }], { deadLetter });
    const running = start(source, () => Promise.reject(), { maxAttempts: 1 });
    await elapse(100);
    expect(account(running.report)).toBe("1 pulled: 1 dead");
    expect(errors).toEqual([undefined]);
  });

  it.each<[what: string, thrown: unknown]>([
    ["an object that nobody can ask anything", revoked()],
    ["an object without a prototype", Object.create(null)],
    ["an error whose message cannot be read", Object.defineProperty(new Error(), "message", { get: revoked })],
  ])("that throws %s at its last attempt is dead, of something that a source can write down", async (_, thrown) => {
    const reasons: string[] = [];
    const deadLetter: Source<D>["deadLetter"] = async (_, items) =>
      void reasons.push(...items.map(({ error }) => String(error)));
    const { source } = sourceOf([{ id: "1", body: 1 }], { deadLetter });
    const running = start(source, () => Promise.reject(thrown), { maxAttempts: 1 });
    await elapse(2_000);
    expect(running.faults).toEqual([]);
    expect(account(running.report)).toBe("1 pulled: 1 dead");
    expect(reasons).toEqual(["Error: worker: what the handler threw cannot be shown as a text"]);
  });

  it.each<[what: string, result: () => unknown, expected: string]>([
    ["something whose then cannot be read", () => unreadable("then", {}), "1 pulled: 1 retried"],
    [
      "a thenable that throws",
      () => ({
        then(): never {
          throw boom;
        },
      }),
      "1 pulled: 1 retried",
    ],
    ["an error, which is no failure", () => boom, "1 pulled: 1 acked"],
    ["a proxy whose traps throw, which is as if it were awaited", () => hostile({}), "1 pulled: 1 retried"],
    ["a promise of one", () => ({ then: (ok: (value: unknown) => void) => ok(hostile({})) }), "1 pulled: 1 retried"],
    ["a promise whose constructor cannot be read", () => unreadableConstructor(), "1 pulled: 1 retried"],
  ])("may return %s", async (_, result, expected) => {
    const { source } = sourceOf([{ id: "1", body: 1 }]);
    const running = start(source, result);
    await elapse(100);
    expect(account(running.report)).toBe(expected);
  });
});

describe("a source whose calls", () => {
  virtualTime();

  it.each(odd)("reject with %s is told again", async (_, make) => {
    const failed = new Set<string>();
    const once = (call: string): Promise<void> => {
      if (failed.has(call)) return Promise.resolve();
      failed.add(call);
      return Promise.reject(make());
    };
    const { source } = sourceOf([1, 2, 3].map((body) => ({ id: String(body), body })));
    const { pull } = source;
    const running = start(
      {
        ...source,
        get ended() {
          return source.ended === true;
        },
        pull: async (ctx, max) => {
          await once("pull");
          return pull(ctx, max);
        },
        ack: () => once("ack"),
        nack: () => once("nack"),
        deadLetter: () => once("deadLetter"),
      },
      (_, { body }) => {
        if (body === 2) throw boom;
        if (body === 3) throw new Permanent("no use");
      },
    );
    await elapse(5_000);
    expect(account(running.report)).toBe("3 pulled: 1 acked, 1 retried, 1 dead");
    expect(running.faults.map(({ call }) => call).sort()).toEqual(["ack", "deadLetter", "nack", "pull"]);
  });
});

describe("an observer", () => {
  virtualTime();

  it("that is an async function may fail: nobody is told of an unhandled rejection", async () => {
    const { source } = sourceOf([{ id: "1", body: 1 }]);
    const rejections: unknown[] = [];
    const listeners = process.listeners("unhandledRejection");
    process.removeAllListeners("unhandledRejection");
    process.on("unhandledRejection", (error) => rejections.push(error));
    const running = start(source, () => undefined, { observe: () => Promise.reject(boom) as unknown as undefined });
    await elapse(100);
    await new Promise((resolve) => setImmediate(resolve));
    process.removeAllListeners("unhandledRejection");
    for (const listener of listeners) process.on("unhandledRejection", listener);
    expect(account(running.report)).toBe("1 pulled: 1 acked");
    expect(rejections).toEqual([]);
  });
});

describe("a context of another copy of the package", () => {
  virtualTime();

  /** A context that has nothing of ours but the shape. */
  function foreign(): { ctx: Context; end: () => void } {
    const controller = new AbortController();
    const ctx = {
      deadline: () => undefined,
      done: () => ({ recv: () => new Promise(() => {}) }),
      err: () => controller.signal.reason as Error | undefined,
      value: () => undefined,
      signal: controller.signal,
    };
    return { ctx: ctx as unknown as Context, end: () => controller.abort(new context.Canceled()) };
  }

  it.each(["ctx", "abort"] as const)("may be the %s of a worker", async (role) => {
    const { ctx, end } = foreign();
    const { source } = sourceOf([{ id: "1", body: 1 }]);
    const handle: Handler<D> = (ctx) => time.sleep(10_000, ctx);
    const running = role === "ctx" ? start(source, handle, {}, ctx) : start(source, handle, { abort: ctx });
    await elapse(50);
    end();
    await elapse(1000);
    expect(account(running.report)).toBe("1 pulled: 1 released");
    expect(running.report).toMatchObject({
      stopped: role === "ctx" ? "cancelled" : "aborted",
      cause: expect.any(context.Canceled) as unknown,
    });
    expect(running.returned).toBe(role === "ctx" ? 650 : 50);
    expect(timersSet()).toBe(0);
  });
});

describe("a worker whose contexts have ended before it is started", () => {
  virtualTime();

  it.each<[which: string, stopped: Report["stopped"]]>([
    ["ctx", "cancelled"],
    ["abort", "aborted"],
    ["ctx and abort", "aborted"],
  ])("pulls nothing and returns at once: %s", async (which, stopped) => {
    const [ended, end] = context.withCancelCause(background);
    end(boom);
    let pulls = 0;
    const { source } = sourceOf([], { ended: false, pull: async () => (pulls++, []) });
    const ctx = which.startsWith("ctx") ? ended : background;
    const running = start(source, () => undefined, which.endsWith("abort") ? { abort: ended } : {}, ctx);
    await elapse(0);
    expect(running.report).toMatchObject({ pulled: 0, stopped, cause: boom });
    expect([pulls, timersSet()]).toEqual([0, 0]);
  });
});

describe("a worker in the handler of another", () => {
  virtualTime();

  const limits = { grace: 1000, abortWindow: 300, settle: 100 };

  /** An inner worker that is given some time, and how its message ends. */
  function nested(inner: WorkerOptions<D>, handle: Handler<D>) {
    const [ctx, stop] = context.withCancelCause(background);
    const { source, told } = sourceOf([{ id: "inner", body: 1 }], { ended: false });
    let pulled = false;
    const pull = async (ctx: Context): Promise<readonly D[]> => {
      if (!pulled) return ((pulled = true), [{ id: "inner", body: 1 }]);
      await ctx.done().recv();
      return [];
    };
    const found = { inner: undefined as Report<D> | undefined, at: NaN };
    const begun = Date.now();
    const outer = sourceOf([{ id: "outer", body: 1 }]);
    const running = start(
      outer.source,
      async (ctx) => {
        found.inner = await worker(ctx, Object.assign(Object.create(source) as Source<D>, { pull }), handle, inner);
        found.at = Date.now() - begun;
      },
      limits,
      ctx,
    );
    return { running, found, told, outerTold: outer.told, stop };
  }

  it("is stopped with its handler, and has the abortWindow of the outer one to return", async () => {
    const { running, found, told, outerTold, stop } = nested({ grace: 250 }, (ctx) => time.sleep(10_000, ctx));
    await elapse(10);
    stop(boom);
    await elapse(1000);
    expect(found).toMatchObject({ inner: { pulled: 1, released: 1, stopped: "cancelled" }, at: 760 });
    expect(told).toEqual(["released inner"]);
    expect(outerTold).toEqual(["ack outer"]);
    expect(account(running.report)).toBe("1 pulled: 1 acked");
  });

  it("is aborted at the end of the lifetime it was given, whatever its grace: what it holds goes back", async () => {
    const causes: unknown[] = [];
    const handle: Handler<D> = async (ctx) => {
      await time.sleep(10_000, ctx).catch(() => causes.push(context.cause(ctx)));
      await new Promise(() => {});
    };
    const { running, found, told, stop } = nested({ grace: 25_000, settle: 50 }, handle);
    await elapse(10);
    stop(boom);
    await elapse(2000);
    // It is back before the outer one has waited for its whole abortWindow.
    expect(running.report).toMatchObject({ pulled: 1, acked: 1, abandoned: 0 });
    expect(found).toMatchObject({ inner: { pulled: 1, released: 1, abandoned: 1, stopped: "aborted" }, at: 835 });
    expect(found.inner!.cause).toBeInstanceOf(Stopping);
    expect(causes).toEqual([expect.any(Stopping)]);
    expect(told).toEqual(["released inner"]);
    expect(timersSet()).toBe(0);
  });
});

it("calls a handler and a backoff without a `this`, through which either could reach into the worker", async () => {
  const got: unknown[] = [];
  const report = await worker(
    background,
    await brokerOf(1),
    function (this: unknown, _ctx, { attempt }) {
      got.push(this);
      if (attempt === 1) throw boom;
    },
    {
      backoff(this: unknown) {
        got.push(this);
        return 0;
      },
    },
  );
  expect(account(report)).toBe("2 pulled: 1 acked, 1 retried");
  expect(got).toEqual([undefined, undefined, undefined]);
});
