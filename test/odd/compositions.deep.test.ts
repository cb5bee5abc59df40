/**
 * Odd values in the worker, the saga, the test kit and the sources: each call returns, rejects or throws an error of headgate's, and none
 * hangs. What a handler, a step or a source does is never the call's failure: it shows in the account.
 */
import { context, retry, time } from "headgate";
import * as sagas from "headgate/saga";
import { NotApplied, orThrow, saga, SagaError, type SagaOptions } from "headgate/saga";
import * as testing from "headgate/testing";
import { bubble, DeadlockError, explore, record, ScheduleError } from "headgate/testing";
import * as workers from "headgate/worker";
import { LeaseExpired, LeaseLost, memoryBroker, Stopping, worker, type WorkerOptions } from "headgate/worker";
import * as suite from "headgate/worker/conformance";
import { conformance } from "headgate/worker/conformance";
import * as nats from "headgate/worker/nats";
import { natsConsumer } from "headgate/worker/nats";
import * as postgres from "headgate/worker/postgres";
import { createQueue, postgresQueue, schema } from "headgate/worker/postgres";
import * as pubsub from "headgate/worker/pubsub";
import { pubsubSubscription } from "headgate/worker/pubsub";
import * as rabbitmq from "headgate/worker/rabbitmq";
import { rabbitQueue } from "headgate/worker/rabbitmq";
import * as redis from "headgate/worker/redis";
import { redisStream } from "headgate/worker/redis";
import { describe, expect, it } from "vitest";
import { broker, letters, nothing, source, throwing } from "./around.ts";
import { ODD, type OddValue } from "./odd.ts";
import { fault, gatherUncaught, show, turn, uncaught } from "./trial.ts";

gatherUncaught();

const bg = context.background();

// ------------------------------------------------------------------------------------------------------------------ the calls

type Call = (odd: any, ctx: context.Context) => unknown;

interface Row {
  readonly says: RegExp;
  /** Errors that come out as they are, because they are the result. */
  readonly allows?: (error: unknown) => boolean;
  readonly calls: Readonly<Record<string, Call>>;
}

/** A worker whose time is up as soon as its ctx ends. */
const QUICK: WorkerOptions = { grace: 20, abortWindow: 5, settle: 5, callTimeout: 5, backoff: () => 0, maxAttempts: 2 };

const option = (name: string): [string, Call] => [
  `option ${name}`,
  (x, ctx) => worker(ctx, broker(), nothing, { ...QUICK, [name]: x }),
];
const OPTIONS = [
  "concurrency",
  "prefetch",
  "batch",
  "grace",
  "abortWindow",
  "settle",
  "abort",
  "maxAttempts",
  "backoff",
  "callTimeout",
  "maxLease",
  "observe",
  "progress",
  "leftovers",
];

const quick: SagaOptions = { ...letters, compensation: { budget: 20, timeout: 5, retry: { tries: 1 } } };
const sagaOption = (name: string): [string, Call] => [
  `option ${name}`,
  (x, ctx) =>
    saga<number>("s")
      .step("a", nothing, nothing)
      .run(ctx, 1, { id: "id", ...quick, [name]: x }),
];
const made = (
  make: (options: any) => unknown,
  base: object,
  names: readonly string[],
): Readonly<Record<string, Call>> =>
  Object.fromEntries([
    ["options", (x: unknown) => make(x)],
    ...names.map((name): [string, Call] => [`option ${name}`, (x) => make({ ...base, [name]: x })]),
  ]);

const FAILED = new Error("failed");
const thenOf = (x: any): unknown => {
  try {
    return x?.then;
  } catch {
    return x;
  }
};

const never = (): Promise<never> => new Promise(nothing);
const connection: any = {
  publish: nothing,
  subscribe: () => ({ unsubscribe: nothing }),
  flush: never,
  status: async function* () {},
};
const pool: any = { query: never, connect: never };
const subscriber: any = { pull: never, acknowledge: never, modifyAckDeadline: never };
const amqp: any = { createConfirmChannel: never, on: nothing, off: nothing };
const node: any = { sendCommand: never, duplicate: () => node, connect: never };

const TABLE: Readonly<Record<string, Row>> = {
  worker: {
    says: /^(worker|ctx|signal|parent)\b/,
    calls: {
      ctx: (x) => worker(x, broker(), nothing, QUICK),
      source: (x, ctx) => worker(ctx, x, nothing, QUICK),
      handle: (x, ctx) => worker(ctx, broker(), x, QUICK),
      options: (x, ctx) => worker(ctx, broker(), nothing, x),
      ...Object.fromEntries(OPTIONS.map(option)),
      "the lifetime in ctx": (x, ctx) => worker(context.withValue(ctx, context.lifetime, x), broker(), nothing, QUICK),
      "handle throws": (x, ctx) => worker(ctx, broker(), throwing(x), QUICK),
      "handle returns": (x, ctx) => worker(ctx, broker(), () => x, QUICK),
      "handle rejects": (x, ctx) => worker(ctx, broker(), () => Promise.reject(x), QUICK),
      "a body": (x, ctx) => worker(ctx, broker(x), throwing(x), QUICK),
      "backoff returns": (x, ctx) => worker(ctx, broker(), throwing(1), { ...QUICK, backoff: () => x }),
      "observe throws": (x, ctx) => worker(ctx, broker(), nothing, { ...QUICK, observe: throwing(x) }),
      "observe returns": (x, ctx) => worker(ctx, broker(), nothing, { ...QUICK, observe: (() => x) as never }),
      ...Object.fromEntries(
        ["pull", "ack", "nack", "deadLetter", "extend", "lease", "ended"].map((name): [string, Call] => [
          `the source's ${name}`,
          (x, ctx) => worker(ctx, source({ [name]: x }), throwing(1), QUICK),
        ]),
      ),
      ...Object.fromEntries(
        ["pull", "ack", "deadLetter"].map((name): [string, Call] => [
          `the source's ${name} returns`,
          (x, ctx) => worker(ctx, source({ [name]: () => x }), nothing, QUICK),
        ]),
      ),
      ...Object.fromEntries(
        ["pull", "ack", "nack", "deadLetter"].map((name): [string, Call] => [
          `the source's ${name} throws`,
          (x, ctx) => worker(ctx, source({ [name]: throwing(x) }), nothing, QUICK),
        ]),
      ),
      "a delivery": (x, ctx) => worker(ctx, source({ pull: async () => [x] }), nothing, QUICK),
      ...Object.fromEntries(
        ["id", "attempt", "key", "attributes"].map((name): [string, Call] => [
          `a delivery's ${name}`,
          (x, ctx) => worker(ctx, source({ pull: async () => [{ id: "1", body: 1, [name]: x }] }), throwing(1), QUICK),
        ]),
      ),
    },
  },
  memoryBroker: {
    says: /^(memoryBroker|ctx|signal)\b/,
    calls: {
      ...made((options) => memoryBroker(options), {}, ["lease", "capacity", "deadLetters"]),
      "publish: body": (x) => memoryBroker().publish(x),
      "publish: options": (x, ctx) => memoryBroker().publish(1, x, ctx),
      "publish: option key": (x, ctx) => memoryBroker().publish(1, { key: x }, ctx),
      "publish: option attributes": (x, ctx) => memoryBroker().publish(1, { attributes: x }, ctx),
      "publish: ctx": (x) => memoryBroker().publish(1, {}, x),
    },
  },
  saga: {
    says: /^(saga|ctx|signal|parent)\b/,
    calls: {
      name: (x) => saga(x),
      "a step's name": (x) => saga("s").step(x, nothing, nothing),
      "a step's run": (x) => saga("s").step("a", x, nothing),
      "a step's compensate": (x) => saga("s").step("a", nothing, x),
      "a step's options": (x) => saga("s").step("a", nothing, nothing, x),
      ...Object.fromEntries(
        ["timeout", "retry", "pivot"].map((name): [string, Call] => [
          `a step's option ${name}`,
          (x) => saga("s").step("a", nothing, nothing, { [name]: x }),
        ]),
      ),
      ctx: (x) => saga<number>("s").step("a", nothing, nothing).run(x, 1, quick),
      "the lifetime in ctx": (x, ctx) =>
        saga<number>("s")
          .step("a", nothing, nothing)
          .run(context.withValue(ctx, context.lifetime, x), 1, quick),
      "after a pivot: ctx": (x) =>
        saga<number>("s").step("a", nothing, undefined, { pivot: true }).step("b", nothing).run(x, 1, quick),
      "an event of resume": (x, ctx) =>
        saga<number>("s")
          .step("a", nothing, nothing)
          .run(ctx, 1, { ...quick, id: "id", resume: [x] }),
      // In virtual time, for the sink is asked again for 5 s.
      "the sink throws": (x) =>
        bubble(async () => {
          const undoable = saga<number>("s").step("a", throwing(1), throwing(1));
          const result = await undoable.run(bg, 1, { ...quick, deadLetter: throwing(x) });
          if (result.status !== "lost") throw new Error(`the saga is ${result.status}`);
        }),
      input: (x, ctx) => saga<unknown>("s").step("a", nothing, nothing).run(ctx, x, quick),
      options: (x, ctx) => saga<number>("s").step("a", nothing, nothing).run(ctx, 1, x),
      ...Object.fromEntries(["id", "compensation", "deadLetter", "abort", "observe", "resume"].map(sagaOption)),
      ...Object.fromEntries(
        ["budget", "timeout", "retry"].map((name): [string, Call] => [
          `option compensation.${name}`,
          (x, ctx) =>
            saga<number>("s")
              .step("a", nothing, nothing)
              .run(ctx, 1, { ...letters, compensation: { [name]: x } }),
        ]),
      ),
      "a step throws": (x, ctx) => saga<number>("s").step("a", throwing(x), nothing).run(ctx, 1, quick),
      "a step returns": (x, ctx) =>
        saga<number>("s")
          .step("a", () => x, nothing, { timeout: 5 })
          .run(ctx, 1, quick),
      "a compensation throws": (x, ctx) =>
        saga<number>("s").step("a", nothing, throwing(x)).step("b", throwing(1), nothing).run(ctx, 1, quick),
      "observe throws": (x, ctx) =>
        saga<number>("s")
          .step("a", nothing, nothing)
          .run(ctx, 1, { ...quick, observe: throwing(x) }),
    },
  },
  orThrow: {
    says: /^saga\b/,
    calls: {
      "the cause of its result": (x) => orThrow({ status: "compensated", id: "id", cause: x, log: [] }),
    },
    allows: (error) => error instanceof SagaError,
  },
  errors: {
    says: /^$/,
    calls: Object.fromEntries(
      [LeaseExpired, LeaseLost, Stopping, NotApplied].map((Class: new (...args: any[]) => Error): [string, Call] => [
        `new ${Class.name}`,
        (x) => void String([new Class(x), new Class(x, x), new Class("message", { cause: x })]),
      ]),
    ),
  },
  bubble: {
    says: /^bubble\b/,
    // It says itself which option allows more.
    allows: (error) => error instanceof DeadlockError && error.message.includes("`maxSteps`"),
    calls: {
      fn: (x) => (typeof x === "function" ? undefined : bubble(x)),
      ...made((options) => bubble(nothing, options), {}, ["start", "externalTimeout", "maxSteps"]),
    },
  },
  "what a bubble runs": {
    says: /^t\.name\b/,
    // What its function throws is its result.
    allows: () => true,
    calls: {
      "fn throws": (x) => bubble(throwing(x)),
      "fn returns": (x) => bubble(() => (thenOf(x) === undefined ? x : undefined)),
      "t.cancel": (x) => bubble((t) => t.cancel(x)),
      "t.name: object": (x) => bubble((t) => void t.name(x, "name")),
      "t.name: name": (x) => bubble((t) => void t.name({}, x)),
    },
  },
  explore: {
    says: /^explore\b/,
    // Its scenario fails at once: what is asked of it otherwise may be thousands of runs, as it should.
    allows: (error) => error instanceof ScheduleError,
    calls: {
      scenario: (x) => (typeof x === "function" ? undefined : explore(x)),
      ...made((options) => explore(throwing(FAILED), options), {}, [
        "cancel",
        "search",
        "bound",
        "boundedRuns",
        "randomRuns",
        "seed",
        "microtasks",
        "signals",
        "fail",
        "timers",
        "maxSchedules",
        "replay",
        "start",
        "externalTimeout",
        "maxSteps",
      ]),
    },
  },
  record: {
    says: /^record\b/,
    calls: {
      scenario: (x) => (typeof x === "function" ? undefined : record(x)),
      replay: (x) => (x === undefined ? undefined : record(nothing, x)),
      ...made((options) => record(nothing, "0", options), {}, [
        "fail",
        "timers",
        "start",
        "externalTimeout",
        "maxSteps",
      ]),
    },
  },
  conformance: {
    says: /^conformance\b/,
    calls: {
      makeLab: (x) => conformance(x, {} as never),
      ...made((traits) => conformance(never, traits), {}, ["lease", "fenced", "patience", "soon"]),
    },
  },
  natsConsumer: {
    says: /^(natsConsumer|ctx|signal|parent)\b/,
    calls: {
      connection: (x, ctx) => natsConsumer(x, { stream: "s", consumer: "c" }, ctx),
      ctx: (x) => natsConsumer(connection, { stream: "s", consumer: "c" }, x),
      ...Object.fromEntries(
        ["stream", "consumer", "deadLetters", "releases", "key", "apiPrefix", "inboxPrefix"].map(
          (name): [string, Call] => [
            `option ${name}`,
            (x, ctx) => natsConsumer(connection, { stream: "s", consumer: "c", [name]: x }, ctx),
          ],
        ),
      ),
    },
  },
  postgresQueue: {
    says: /^(postgresQueue|createQueue|schema)\b/,
    calls: {
      pool: (x) => postgresQueue(x).close(),
      ...made((options) => postgresQueue(pool, options).close(), {}, ["table", "queue", "lease", "poll", "listen"]),
      "schema: options": (x) => schema(x),
      "schema: option table": (x) => schema({ table: x }),
      "createQueue: options": (x) => createQueue({ query: async () => ({ rows: [] }) }, x),
    },
  },
  pubsubSubscription: {
    says: /^pubsubSubscription\b/,
    calls: {
      client: (x) => pubsubSubscription(x, { subscription: "projects/p/subscriptions/s" }),
      ...made((options) => pubsubSubscription(subscriber, options), { subscription: "projects/p/subscriptions/s" }, [
        "subscription",
        "lease",
        "wait",
        "decode",
        "deadLetters",
      ]),
    },
  },
  rabbitQueue: {
    says: /^rabbitQueue\b/,
    calls: {
      connection: (x) => void rabbitQueue(x, { queue: "q", deadLetters: "broker" }),
      ...made((options) => void rabbitQueue(amqp, options), { queue: "q" }, [
        "queue",
        "prefetch",
        "deadLetters",
        "delays",
        "key",
        "closeTimeout",
      ]),
    },
  },
  redisStream: {
    says: /^redisStream\b/,
    calls: {
      client: (x) => void redisStream(x, { stream: "s", group: "g" }),
      ...made((options) => void redisStream(node, options), { stream: "s", group: "g" }, [
        "stream",
        "group",
        "consumer",
        "lease",
        "deadLetters",
        "settled",
        "body",
        "key",
        "ordering",
      ]),
    },
  },
};

// ------------------------------------------------------------------------------------------------------------------ the trial

/** Makes a call with each odd value, all at once, and says what was wrong. */
async function tried(row: Row, call: Call, odds: readonly OddValue[]): Promise<string[]> {
  const faults: string[] = [];
  uncaught.length = 0;
  const [ctx, cancel] = context.withCancel(bg);
  const pending = new Set<string>();
  const judge = (name: string, what: string, error: unknown): void => {
    const found = fault(error, [row.says], row.allows?.(error) === true);
    if (found !== undefined) faults.push(`${name}: ${what} ${found}`);
  };
  for (const { name, make } of odds) {
    try {
      const result = call(make(), ctx);
      if (!(result instanceof Promise)) continue;
      pending.add(name);
      result
        .catch((error: unknown) => judge(name, "it rejects with", error))
        .finally(() => pending.delete(name))
        .catch(nothing);
    } catch (error) {
      judge(name, "it throws", error);
    }
  }
  await turn();
  cancel();
  // A saga tries its sink for 5 s, and all do so at once, on a machine that may be busy. Only what hangs takes all of this.
  for (let i = 0; i < 1_000 && pending.size > 0; i++) await time.sleep(i < 20 ? 1 : 50);
  for (const name of pending) faults.push(`${name}: it hangs`);
  for (const error of uncaught) faults.push(`some: uncaught: ${show(error)}`);
  return faults;
}

describe("an odd value does no harm", () => {
  for (const [name, row] of Object.entries(TABLE)) {
    for (const [place, call] of Object.entries(row.calls)) {
      it(`${name}: ${place}`, { timeout: 120_000 }, async () => {
        const faults = await tried(row, call, ODD);
        if (faults.length > 0) expect.fail(`${faults.length} faults\n${faults.join("\n")}`);
      });
    }
  }

  it("and afterwards a worker works, and a saga commits", async () => {
    const report = await worker(bg, broker(), nothing);
    expect(report).toMatchObject({ pulled: 1, acked: 1 });
    const result = await saga<number>("s").step("a", nothing, nothing).run(bg, 1, quick);
    expect(result.status).toBe("committed");
    await retry.run(bg, nothing);
  });
});

describe("the table of odd compositions", () => {
  it("has every function and class that is exported", () => {
    const exported = [workers, sagas, testing, suite, nats, postgres, pubsub, rabbitmq, redis].flatMap((module) =>
      Object.entries(module).flatMap(([name, value]) => (typeof value === "function" ? [name] : [])),
    );
    const known = Object.entries(TABLE).flatMap(([name, { calls }]) => [
      name,
      ...Object.keys(calls).map((place) => place.replace(/^new |:.*/g, "")),
    ]);
    // Permanent is the core's. The kit alone makes its errors, and orThrow the error of a saga.
    const made = [
      "Permanent",
      "DeadlockError",
      "LeakError",
      "NondeterminismError",
      "ScheduleError",
      "Trace",
      "SagaError",
    ];
    expect(exported.length).toBeGreaterThan(20);
    expect(exported.filter((name) => !known.includes(name) && !made.includes(name))).toEqual([]);
  });
});
