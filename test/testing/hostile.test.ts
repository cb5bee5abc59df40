/**
 * Values that are not ours, in errors, in reports and in traces: what they do when they are looked at must neither break a report nor
 * change how a test ends.
 */
import { runInNewContext } from "node:vm";
import { Chan, context, go, select, sending } from "headgate";
import { type Bubble, bubble, DeadlockError, explore, ScheduleError, type TraceRow } from "headgate/testing";
import { describe, expect, it } from "vitest";
import { failureOf } from "../support/errors.ts";

const boom = (): never => {
  throw new Error("a trap");
};
/** A proxy of which every trap throws. */
const trapped = (target: object = {}): object =>
  new Proxy(target, new Proxy({}, { get: () => boom }) as ProxyHandler<object>);
const revoked = (target: object = {}): object => {
  const { proxy, revoke } = Proxy.revocable(target, {});
  revoke();
  return proxy;
};
const getter = (name: string, target: object = new Error("declined")): object =>
  Object.defineProperty(target, name, { get: boom });
const thenable = (then: unknown = (done: () => void) => done()): Error =>
  Object.assign(new Error("declined"), { then });

/** What may be thrown, and what a report calls it. */
const thrown: [string, () => unknown, RegExp][] = [
  ["an error with a `then`", () => thenable(), /Error: declined/],
  ["an error whose `then` never calls back", () => thenable(() => {}), /Error: declined/],
  ["an error whose `then` throws", () => thenable(boom), /Error: declined/],
  ["an error whose `then` is a getter that throws", () => getter("then"), /Error: declined/],
  ["an error whose message throws", () => getter("message"), /Error: \(a message that cannot be read\)/],
  ["an error whose name throws", () => getter("name"), /Error: declined/],
  ["an error whose stack and cause throw", () => getter("stack", getter("cause")), /Error: declined/],
  [
    "an error whose message is no text",
    () => Object.assign(new Error(), { message: Object.create(null) }),
    /Error: \[object Object\]/,
  ],
  ["an error of another realm", () => runInNewContext("new TypeError('elsewhere')"), /TypeError: elsewhere/],
  ["a proxy of which every trap throws", () => trapped(), /thrown: \[an object that cannot be read\]/],
  [
    "a proxy of an error of which every trap throws",
    () => trapped(new Error("x")),
    /thrown: \[an object that cannot be read\]/,
  ],
  ["a revoked proxy", () => revoked(), /thrown: \[an object that cannot be read\]/],
  [
    "a revoked function",
    () => revoked(() => {}),
    /thrown: \[an object that cannot be read\]|thrown: \[object Function\]/,
  ],
  ["an object without a prototype", () => Object.create(null), /thrown: \[object Object\]/],
  [
    "an object whose conversion throws",
    () => ({ toString: boom, [Symbol.toPrimitive]: boom }),
    /thrown: \[object Object\]/,
  ],
  [
    "a tag that throws",
    () => ({
      get [Symbol.toStringTag]() {
        return boom();
      },
      toString: boom,
    }),
    /thrown: \[an object that cannot be read\]/,
  ],
  ["a function", () => () => {}, /thrown: /],
  ["a symbol", () => Symbol("declined"), /thrown: Symbol\(declined\)/],
  ["a bigint", () => 5n, /thrown: 5/],
  ["undefined", () => undefined, /thrown: undefined/],
  ["null", () => null, /thrown: null/],
];

/** What a promise rejects with, in a box: it may be anything. */
const reasonOf = (promise: Promise<unknown>): Promise<{ reason: unknown } | undefined> =>
  promise.then(
    () => undefined,
    (reason: unknown) => ({ reason }),
  );

describe("whatever a scenario throws", () => {
  const ways: [string, (reason: unknown) => (t: Bubble) => Promise<void> | void][] = [
    [
      "at once",
      (reason) => () => {
        throw reason;
      },
    ],
    [
      "later",
      (reason) => async (t) => {
        await t.yield();
        throw reason;
      },
    ],
    [
      "in a task",
      (reason) => async (t) => {
        go(async () => {
          await t.yield();
          throw reason;
        });
        await t.sleep(1);
      },
    ],
  ];
  for (const [how, scenario] of ways) {
    it.each(thrown)(`fails the bubble as it is, ${how}: %s`, async (_, make) => {
      const reason = make();
      const found = await reasonOf(bubble(scenario(reason)));
      expect(found !== undefined && Object.is(found.reason, reason)).toBe(true);
    });

    it.each(thrown)(`is the cause of a ScheduleError, ${how}: %s`, async (_, make, text) => {
      const reason = make();
      const found = await reasonOf(explore(scenario(reason)));
      const error = found?.reason as ScheduleError;
      expect(error instanceof ScheduleError).toBe(true);
      expect(Object.is(error.cause, reason)).toBe(true);
      expect(error.message).toMatch(text);
      expect(error.replay).toBe("0");
    });
  }

  it.each(thrown)("is told where nobody awaits it: %s", async (_, make) => {
    const reason = make();
    const found = await reasonOf(bubble(() => void Promise.reject(reason)));
    const error = found?.reason as Error;
    expect(error.message).toMatch(/^unhandled rejection: /);
    expect(Object.is(error.cause, reason)).toBe(true);
  });

  it.each(thrown)("is not taken for what `fail` has put in: %s", async (_, make) => {
    const reason = make();
    const scenario = async (t: Bubble): Promise<void> => {
      try {
        await new Chan(1).send(1, t.ctx);
      } catch (error) {
        if (error !== fail) return;
        throw reason;
      }
    };
    const fail = new Error("fault");
    const found = await reasonOf(explore(scenario, { fail, cancel: false, randomRuns: 0 }));
    expect(found?.reason).toMatchObject({ replay: "0!f1" });
  });
});

describe("a scenario", () => {
  it("may return a thenable", async () => {
    const rounds: string[] = [];
    await bubble((t) => ({
      then: (done: (() => unknown) | null | undefined) => {
        rounds.push("begun");
        go(async () => {
          await t.yield();
          done!();
        });
        return undefined as never;
      },
    }));
    expect(rounds).toEqual(["begun"]);
  });

  it.each<[string, () => unknown]>([
    ["whose `then` throws", () => ({ then: boom })],
    ["whose `then` is a getter that throws", () => getter("then", {})],
    ["that is a promise whose constructor throws", () => getter("constructor", Promise.resolve())],
    ["that is a proxy of which every trap throws", () => trapped()],
  ])("fails if it returns one %s", async (_, make) => {
    await expect(bubble(() => make() as Promise<void>)).rejects.toThrow("a trap");
  });

  it.each<[string, () => unknown]>([
    ["whose `then` throws", () => ({ then: boom })],
    ["whose `then` is a getter that throws", () => getter("then", {})],
    ["whose constructor throws", () => getter("constructor", Promise.resolve())],
    ["that is a proxy of which every trap throws", () => trapped()],
  ])("is told by t.external of a promise %s, and goes on", async (_, make) => {
    await bubble(async (t) => {
      await expect(t.external(make() as Promise<void>)).rejects.toThrow("a trap");
      expect(t.tasks()).toMatchObject([{ name: "main", blockedOn: [] }]);
      await t.sleep(1);
    });
  });
});

describe("a value that is handed over", () => {
  const values: [string, () => unknown, string][] = [
    ["a proxy of which every trap throws", () => trapped(), "[an object that cannot be read]"],
    ["a proxy of an array of which every trap throws", () => trapped([]), "[an object that cannot be read]"],
    ["a revoked proxy", () => revoked(), "[an object that cannot be read]"],
    ["an object whose getters throw", () => getter("name", {}), "{}"],
    [
      "an object of which a field that is listed throws",
      () => ({
        get field(): never {
          return boom();
        },
      }),
      "[object Object]",
    ],
    ["an object whose toJSON throws", () => ({ toJSON: boom }), "[object Object]"],
    ["an object whose toJSON and toString throw", () => ({ toJSON: boom, toString: boom }), "[object Object]"],
    ["an object whose toJSON returns a function", () => ({ toJSON: () => boom }), "[object Object]"],
    ["an object without a prototype", () => Object.assign(Object.create(null), { a: 1 }), '{"a":1}'],
    [
      "a ring",
      () => {
        const ring: Record<string, unknown> = {};
        ring["ring"] = ring;
        return ring;
      },
      "[object Object]",
    ],
    ["a bigint in an object", () => ({ n: 1n, a: [undefined, boom, NaN] }), '{"n":1n,"a":[null,null,null]}'],
    ["bytes", () => new Uint8Array(3), "Uint8Array(3)"],
    ["bytes in an object", () => ({ body: Buffer.from("body"), size: 4 }), '{"body":Buffer(4),"size":4}'],
    [
      "what has a toJSON",
      () => ({ at: new Date(0), url: new URL("http://a/") }),
      '{"at":"1970-01-01T00:00:00.000Z","url":…',
    ],
    ["a function", () => function work() {}, "work()"],
    ["a function without a name", () => (() => () => {})(), "function()"],
    ["a function whose name throws", () => getter("name", () => {}), "function()"],
    ["a function whose name is no text", () => Object.defineProperty(() => {}, "name", { value: {} }), "function()"],
    ["a class", () => class Order {}, "Order()"],
    ["a symbol", () => Symbol("order"), "Symbol(order)"],
    ["an error of another realm", () => runInNewContext("new TypeError('elsewhere')"), "TypeError: elsewhere"],
    ["an error whose message throws", () => getter("message"), "Error: (a message that cannot be read)"],
    ["an error of two lines and some colour", () => new Error("\u001b[31mfirst\u001b[0m\nsecond"), "Error: first"],
    ["an array of another realm", () => runInNewContext("[1, 2]"), "[1,2]"],
    ["a date that is none", () => new Date(NaN), "null"],
    ["text that is too long", () => "x".repeat(100), `"${"x".repeat(38)}…`],
  ];

  it.each(values)("is shown in the trace, and arrives as it is: %s", async (_, make, text) => {
    const value = make();
    const rows = await traceOf(async () => {
      const ch = new Chan<unknown>(1);
      await ch.send(value);
      const [got] = await ch.recv();
      expect(Object.is(got, value)).toBe(true);
      const chosen = await select({ out: sending(ch, value) });
      expect(chosen).toEqual({ case: "out" });
    });
    const details = rows.filter(({ object }) => object === "ch1").map(({ event, detail }) => `${event} ${detail}`);
    expect(details).toContain(`send ${text}`);
    expect(details).toContain(`recv ${text}`);
  });

  it.each(values)("is shown among what a blocked task waits for: %s", async (_, make, text) => {
    const value = make();
    const { tasks } = await failureOf(
      bubble(() => new Chan<unknown>().send(value)),
      DeadlockError,
    );
    expect(tasks[0]!.blockedOn).toEqual([`send ch1 ${text}`]);
  });

  it("is shown as the cause of a cancel", async () => {
    const rows = await traceOf((t) => t.cancel(trapped()));
    expect(rows).toContainEqual(
      expect.objectContaining({ event: "cancel", detail: "[an object that cannot be read]" }),
    );
  });
});

describe("a promise of somebody's that is waited for", () => {
  it("is not looked at for the trace: its `then` may begin to work", async () => {
    let looks = 0;
    const lazy = {
      get then() {
        looks++;
        return (done: (n: number) => void) => done(5);
      },
    };
    let alone = 0;
    {
      looks = 0;
      await context.wait(lazy as unknown as Promise<number>);
      alone = looks;
    }
    looks = 0;
    await bubble(async (t) => {
      expect(await context.wait(lazy as unknown as Promise<number>, t.ctx)).toBe(5);
    });
    expect(looks).toBe(alone);
  });
});

describe("a name", () => {
  it("of a task is that of its function, or task where that is none", async () => {
    await bubble(async (t) => {
      const begin = (name: unknown): void => go(Object.defineProperty(async () => t.yield(), "name", { value: name }));
      for (const name of ["work", "", 5, {}, null]) begin(name);
      go(getter("name", async () => t.yield()) as () => Promise<void>);
      expect(t.tasks().map(({ name }) => name)).toEqual(["main", "work", "task1", "task2", "task3", "task4", "task5"]);
      await t.wait();
    });
  });

  it.each([
    ["null", null],
    ["undefined", undefined],
    ["a number", 5],
    ["a symbol", Symbol("s")],
  ])("cannot be given to %s", async (_, object) => {
    await bubble((t) =>
      expect(() => t.name(object as never, "name")).toThrow(/^t\.name: expected an object or a function/),
    );
  });

  it("can be given to anything else, and it is not looked at", async () => {
    const rows = await traceOf(async (t) => {
      const ch = new Chan<unknown>(1);
      await ch.send(t.name(trapped(), "it"));
    });
    expect(rows).toContainEqual(expect.objectContaining({ event: "send", detail: "it" }));
  });
});

describe("an option that is no option", () => {
  it.each([
    [{ cancel: Object.create(null) }, /options\.cancel must be.*got \[object Object\]/],
    [{ fail: trapped() }, /options\.fail must be an Error; got \[an object/],
    [{ bound: Object.create(null) }, /options\.bound must be a whole number.*got \[object Object\]/],
    [{ replay: Symbol("r") }, /options\.replay must be a string; got Symbol\(r\)/],
  ])("is refused with the rule: %#", async (options, rule) => {
    await expect(explore(() => {}, options as never)).rejects.toThrow(rule);
  });

  it("is not an error of another realm", async () => {
    const fail = runInNewContext("new Error('fault')") as Error;
    await explore((t) => new Chan(1).send(1, t.ctx), { fail, cancel: false, randomRuns: 0 });
  });
});

async function traceOf(fn: (t: Bubble) => Promise<void> | void): Promise<readonly TraceRow[]> {
  let rows: readonly TraceRow[] = [];
  await bubble(async (t) => {
    await fn(t);
    ({ rows } = t.trace());
  });
  return rows;
}
