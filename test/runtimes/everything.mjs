/**
 * Every public name of headgate, used once, in real time: one file for Node, Bun, Deno, a page, a Web Worker and workerd.
 *
 * It is plain JavaScript that needs neither a test framework nor `using`. `everything()` resolves to one answer for each name: "ok", or what
 * was wrong. The answers are the same in every runtime, so nothing is in them that may differ. What a runtime has not got, such as signals,
 * is asked for by its feature; headgate must then refuse with a sentence, and the answer says so.
 *
 * `test/package.test.ts` holds that no name is missing here.
 */
import { Chan, ClosedChannel, context, errgroup, go, nil, retry, select, semaphore, sendAll, sending } from "headgate";
import { singleflight, sync, time, trySelect } from "headgate";
import * as chanOnly from "headgate/chan";
import * as contextOnly from "headgate/context";
import * as debug from "headgate/debug";
import * as errgroupOnly from "headgate/errgroup";
import * as linting from "headgate/eslint";
import * as retryOnly from "headgate/retry";
import { instrument, instrumentSaga } from "headgate/otel";
import { saga, NotApplied, orThrow, SagaError } from "headgate/saga";
import * as semaphoreOnly from "headgate/semaphore";
import { notifyContext, shutdown } from "headgate/signal";
import * as singleflightOnly from "headgate/singleflight";
import * as syncOnly from "headgate/sync";
import {
  bubble,
  DeadlockError,
  explore,
  LeakError,
  NondeterminismError,
  record,
  ScheduleError,
  Trace,
} from "headgate/testing";
import * as timeOnly from "headgate/time";
import { LeaseExpired, LeaseLost, memoryBroker, Permanent, Stopping, worker } from "headgate/worker";
import { conformance } from "headgate/worker/conformance";
import { metrics } from "headgate/worker/metrics";
import { natsConsumer } from "headgate/worker/nats";
import { createQueue, postgresQueue, schema } from "headgate/worker/postgres";
import { pubsubSubscription } from "headgate/worker/pubsub";
import { rabbitQueue } from "headgate/worker/rabbitmq";
import { redisStream } from "headgate/worker/redis";

const bg = context.background();

function must(isSo, what) {
  if (!isSo) throw new Error(`it is not so that ${what}`);
}

function same(got, expected) {
  const [a, b] = [got, expected].map((value) => JSON.stringify(value) ?? String(value));
  if (a !== b) throw new Error(`expected ${b}, got ${a}`);
}

/** The error of what must fail: that of a promise, or of a function. */
async function failureOf(what, Class = Error) {
  let error;
  try {
    await (typeof what === "function" ? what() : what);
  } catch (thrown) {
    error = thrown;
  }
  if (!(error instanceof Class)) throw error ?? new Error(`expected a ${Class.name}, and nothing failed`);
  return error;
}

/** How long something takes, in ms. A timer that is early by the resolution of the clock is not early. */
async function lasts(least, act) {
  const begun = performance.now();
  const result = await act();
  const took = performance.now() - begun;
  must(took >= least - 1, `${least} ms pass, and not ${took}`);
  return result;
}

/** Code that is cancelled when it is done: `using _ = cancel`, as every runtime understands it. */
async function under([ctx, cancel], body) {
  try {
    return await body(ctx, cancel);
  } finally {
    cancel();
  }
}

// ----------------------------------------------------------------------------------------------- channels, tasks and select

const channels = {
  async Chan() {
    const [ch, got] = [new Chan(1), []];
    go(async () => {
      for (let n = 1; n <= 3; n++) await ch.send(n);
      ch.close();
    });
    for await (const n of ch) got.push(n);
    same(got, [1, 2, 3]);
    same(
      [ch.trySend === undefined, ch.tryRecv()[1], ch.length, ch.capacity, await ch.recv()],
      [false, false, 0, 1, [null, false]],
    );
  },
  async ClosedChannel() {
    const ch = new Chan();
    ch.close();
    same((await failureOf(ch.send(1), ClosedChannel)).message.split(";")[0], "send on closed channel");
    await failureOf(() => ch.close(), ClosedChannel);
  },
  async go() {
    const done = new Chan();
    go(() => done.close());
    same((await done.recv())[1], false);
  },
  async nil() {
    await lasts(5, () =>
      under(context.withTimeout(bg, 5), (ctx) => failureOf(nil.recv(ctx), context.DeadlineExceeded)),
    );
  },
  async select() {
    const [slow, fast] = [new Chan(), new Chan()];
    go(async () => {
      await time.sleep(5);
      await fast.send("it");
    });
    const got = await select({ slow, fast, late: time.after(60_000) });
    same([got.case, got.value, got.ok], ["fast", "it", true]);
    same((await select({ slow, late: time.after(5) })).case, "late");
  },
  async sending() {
    const ch = new Chan();
    go(() => ch.recv());
    same((await select({ out: sending(ch, 1), late: time.after(60_000) })).case, "out");
  },
  async sendAll() {
    const [ch, got] = [new Chan(), []];
    go(async () => {
      await sendAll(ch, [1, 2, 3], bg);
      ch.close();
    });
    for await (const n of ch) got.push(n);
    same(got, [1, 2, 3]);
  },
  async trySelect() {
    const ch = new Chan(1);
    same([trySelect({ ch }), trySelect({ out: sending(ch, 7) }).case, trySelect({ ch }).value], [null, "out", 7]);
  },
  /** Loops of operations that are always ready let timers through. */
  async "go, and timers come through"() {
    const [ch, stop] = [new Chan(1), new Chan()];
    let rung = false;
    setTimeout(() => ((rung = true), stop.close()), 5);
    const most = 5_000_000;
    for (let n = 0; n < most && !rung; n++) {
      await ch.send(n);
      await ch.recv();
    }
    return rung
      ? undefined
      : "a loop that is always ready keeps timers waiting: this clock stands still while code runs";
  },
};

// ----------------------------------------------------------------------------------------------------------------- contexts

const contexts = {
  async background() {
    same([context.background().err(), String(context.background())], [null, "context.Background"]);
  },
  async todo() {
    same(String(context.todo()), "context.TODO");
  },
  async withCancel() {
    await under(context.withCancel(bg), async (ctx, cancel) => {
      go(async () => {
        await time.sleep(2);
        cancel();
      });
      await ctx.done().recv();
      same([ctx.err().message, ctx.signal.aborted], ["context canceled", true]);
      if (Symbol.dispose !== undefined) cancel[Symbol.dispose]();
    });
  },
  async withCancelCause() {
    const [ctx, cancel] = context.withCancelCause(bg);
    cancel(new Error("enough"));
    same(context.cause(ctx).message, "enough");
  },
  async cause() {
    same(context.cause(bg), undefined);
  },
  async Canceled() {
    const [ctx, cancel] = context.withCancel(bg);
    cancel();
    const error = await failureOf(time.sleep(60_000, ctx), context.Canceled);
    same([error.name, error.code], ["AbortError", "ABORT_ERR"]);
  },
  async DeadlineExceeded() {
    const error = await lasts(3, () =>
      under(context.withTimeout(bg, 3), (ctx) => failureOf(time.sleep(60_000, ctx), context.DeadlineExceeded)),
    );
    same([error.name, error.timeout], ["TimeoutError", true]);
  },
  async withTimeout() {
    await lasts(8, () =>
      under(context.withTimeout(bg, 8), async (ctx) => {
        await ctx.done().recv();
        same(ctx.err().message, "context deadline exceeded");
      }),
    );
  },
  async withTimeoutCause() {
    await under(context.withTimeoutCause(bg, 3, "too slow"), async (ctx) => {
      await ctx.done().recv();
      same(context.cause(ctx), "too slow");
    });
  },
  async withDeadline() {
    await under(context.withDeadline(bg, new Date(Date.now() + 10)), async (ctx) => {
      must(ctx.deadline() !== undefined, "it has a deadline");
      await ctx.done().recv();
    });
  },
  async withDeadlineCause() {
    await under(context.withDeadlineCause(bg, Date.now() + 3, "too late"), async (ctx) => {
      await ctx.done().recv();
      same(context.cause(ctx), "too late");
    });
  },
  async withSignal() {
    const controller = new AbortController();
    await under(context.withSignal(bg, controller.signal), async (ctx) => {
      setTimeout(() => controller.abort("their reason"), 2);
      await ctx.done().recv();
      same(context.cause(ctx), "their reason");
    });
  },
  async from() {
    const [ctx, release] = context.from({ signal: AbortSignal.timeout(3) });
    await ctx.done().recv();
    release();
    same([context.from()[0].err(), ctx.err().name], [null, "TimeoutError"]);
  },
  async errorFor() {
    const signal = AbortSignal.abort("their reason");
    const [ctx, release] = context.from(signal);
    same(context.errorFor(signal, ctx, ctx.err()), "their reason");
    release();
  },
  async isContext() {
    same([bg, new AbortController().signal, null].map(context.isContext), [true, false, false]);
  },
  async merge() {
    const [server, stop] = context.withCancelCause(bg);
    await under(context.withTimeout(bg, 60_000), (request) =>
      under(context.merge(request, server), async (ctx) => {
        setTimeout(() => stop("shutting down"), 2);
        await ctx.done().recv();
        same(context.cause(ctx), "shutting down");
      }),
    );
  },
  async unref() {
    const [ctx, cancel] = context.withTimeout(bg, 3);
    same(context.unref(ctx) === ctx, true);
    // Something else keeps the process alive.
    await time.sleep(5);
    await ctx.done().recv();
    cancel();
  },
  async withoutCancel() {
    const [ctx, cancel] = context.withCancel(bg);
    cancel();
    same(context.withoutCancel(ctx).err(), undefined);
  },
  async key() {
    const user = context.key("user");
    same(context.withValue(bg, user, "ann").value(user), "ann");
  },
  async withValue() {
    const user = context.key("user");
    same(context.withValue(bg, user, 1).value(context.key("user")), undefined);
  },
  async lifetime() {
    same(context.withValue(bg, context.lifetime, bg).value(context.lifetime) === bg, true);
  },
  async wait() {
    same(await context.wait(Promise.resolve(1), bg), 1);
    await under(context.withTimeout(bg, 3), (ctx) =>
      failureOf(context.wait(new Promise(() => {}), ctx), context.DeadlineExceeded),
    );
  },
  async afterFunc() {
    const rung = new Chan();
    await under(context.withTimeout(bg, 3), async (ctx) => {
      context.afterFunc(ctx, () => rung.close());
      same(context.afterFunc(ctx, () => {})(), true);
      await rung.recv();
    });
  },
};

// ------------------------------------------------------------------------------------------------------- groups and the rest

const groups = {
  async Group() {
    const [group, got] = [new errgroup.Group(), []];
    group.setLimit(1);
    await group.go(async () => {
      await time.sleep(2);
      got.push(1);
    });
    await group.go(async () => {
      await time.sleep(2);
      got.push(2);
    });
    same(
      group.tryGo(() => {}),
      false,
    );
    await group.wait();
    same(got, [1, 2]);
  },
  async withContext() {
    const [group, ctx] = errgroup.withContext(bg);
    void group.go((ctx) => time.sleep(60_000, ctx));
    void group.go(async () => {
      await time.sleep(2);
      throw new Error("the first");
    });
    same([(await failureOf(group.wait())).message, context.cause(ctx).message], ["the first", "the first"]);
  },
  async run() {
    const result = await errgroup.run(bg, async (group) => {
      void group.go(() => time.sleep(1));
      return 5;
    });
    same(result, 5);
  },
};

const retries = {
  async run() {
    const result = await retry.run(
      bg,
      (ctx, attempt) => {
        if (attempt < 3) throw new Error("not yet");
        return attempt;
      },
      { base: 2, timeout: 60_000 },
    );
    same(result, 3);
  },
  async Permanent() {
    const tried = retry.run(bg, () => {
      throw new retry.Permanent("never");
    });
    same((await failureOf(tried, retry.Permanent)).message, "never");
  },
  async backoff() {
    const pause = retry.backoff(3, { base: 100 });
    must(pause >= 0 && pause < 400, `${pause} is below the ceiling`);
  },
};

const semaphores = {
  async Weighted() {
    const pool = new semaphore.Weighted(2);
    await pool.acquire(2);
    same(pool.tryAcquire(1), false);
    await under(context.withTimeout(bg, 3), (ctx) => failureOf(pool.acquire(1, ctx), context.DeadlineExceeded));
    setTimeout(() => pool.release(2), 2);
    await pool.acquire(1);
  },
};

const flights = {
  async Group() {
    const [group, calls] = [new singleflight.Group(), []];
    const slow = async () => {
      calls.push(1);
      await time.sleep(5);
      return "one";
    };
    const [a, b] = await Promise.all([group.do("k", slow), group.do("k", slow)]);
    same([a.value, b.shared, calls.length], ["one", true, 1]);
    same((await group.doChan("k", slow).recv())[0].value, "one");
    group.forget("k");
  },
};

const locks = {
  async Mutex() {
    const mutex = new sync.Mutex();
    await mutex.lock();
    same(mutex.tryLock(), false);
    await under(context.withTimeout(bg, 3), (ctx) => failureOf(mutex.lock(ctx), context.DeadlineExceeded));
    mutex.unlock();
    same(mutex.tryLock(), true);
  },
  async RWMutex() {
    const mutex = new sync.RWMutex();
    await mutex.rLock();
    same([mutex.tryRLock(), mutex.tryLock()], [true, false]);
    mutex.rUnlock();
    setTimeout(() => mutex.rUnlock(), 2);
    await mutex.lock();
    mutex.unlock();
  },
  async Cond() {
    const mutex = new sync.Mutex();
    const cond = new sync.Cond(mutex);
    let ready = false;
    go(async () => {
      await time.sleep(2);
      ready = true;
      cond.signal();
      cond.broadcast();
    });
    await mutex.lock();
    while (!ready) await cond.wait();
    mutex.unlock();
  },
  async WaitGroup() {
    const [group, got] = [new sync.WaitGroup(), []];
    group.add(1);
    setTimeout(() => group.done(), 2);
    group.go(() => got.push(1));
    await group.wait();
    same(got, [1]);
  },
  async once() {
    let calls = 0;
    const load = sync.once(() => ++calls);
    same([load(), load()], [1, 1]);
  },
};

const times = {
  async now() {
    must(Math.abs(time.now() - Date.now()) < 60_000, "it is now");
  },
  async sleep() {
    await lasts(10, () => time.sleep(10));
    // Many, for they share a timer; and some are stopped.
    await under(context.withTimeout(bg, 4), (ctx) =>
      Promise.all([9, 3, 1, 7, 5].map((ms) => time.sleep(ms)).concat(failureOf(time.sleep(60_000, ctx)))),
    );
  },
  async after() {
    const [due, ok] = await lasts(5, () => time.after(5).recv());
    same([due instanceof Date, ok], [true, true]);
  },
  async tick() {
    await lasts(6, async () => {
      const ticks = time.tick(3);
      await ticks.recv();
      await ticks.recv();
    });
  },
  async Timer() {
    const timer = new time.Timer(60_000);
    await lasts(3, () => {
      same([timer.stop(), timer.stop(), timer.reset(3)], [true, false, false]);
      return timer.c.recv();
    });
  },
  async Ticker() {
    const ticker = new time.Ticker(60_000);
    await lasts(6, async () => {
      ticker.reset(3);
      await ticker.c.recv();
      await ticker.c.recv();
    });
    ticker.stop();
  },
  async afterFunc() {
    const rung = new Chan();
    const never = time.afterFunc(3, () => rung.send("never"));
    same(never.stop(), true);
    time.afterFunc(4, () => rung.close());
    same((await rung.recv())[1], false);
  },
};

// ---------------------------------------------------------------------------------------------------------- the compositions

/** Signals come where there is a process that can be killed, in its main thread. Elsewhere both names refuse. */
const { process: ours } = globalThis;
const builtin = (name) => ours?.getBuiltinModule?.(name);
const hasSignals =
  typeof ours?.on === "function" &&
  typeof ours.kill === "function" &&
  builtin("node:worker_threads")?.isMainThread !== false;

/** Sends a signal to this process. */
let send = (signal) => ours.kill(ours.pid, signal);

async function refuses(call) {
  const { message } = await failureOf(call);
  must(/there is no process here|never comes to a worker thread/.test(message), `"${message}" says why`);
  return "refuses: there are no signals here";
}

const signals = {
  async notifyContext() {
    if (!hasSignals) return refuses(() => notifyContext(bg, "SIGUSR2"));
    await under(notifyContext(bg, "SIGUSR2"), async (ctx) => {
      send("SIGUSR2");
      // What keeps the process alive is not the signal.
      await select({ done: ctx.done(), late: time.after(60_000) });
      same(context.cause(ctx).message, "SIGUSR2 signal received");
    });
  },
  async shutdown() {
    if (!hasSignals) return refuses(() => shutdown(bg, "SIGHUP"));
    const [stop, abort, release] = shutdown(bg, "SIGHUP");
    send("SIGHUP");
    await select({ done: stop.done(), late: time.after(60_000) });
    same([stop.err()?.name, abort.err()], ["AbortError", null]);
    release();
    same(abort.err()?.name, "AbortError");
  },
};

/** A broker in memory with the messages a and b, each with a key of its own. */
async function brokerOfTwo() {
  const broker = memoryBroker();
  for (const body of ["a", "b"]) await broker.publish(body, { key: body });
  broker.end();
  return broker;
}

const workers = {
  async worker() {
    const seen = [];
    const handle = async (ctx, { body, attempt }) => {
      await time.sleep(2, ctx);
      if (attempt === 1) throw new Error("again");
      seen.push(body);
    };
    const report = await worker(bg, await brokerOfTwo(), handle, { backoff: () => 3, concurrency: 2 });
    same([report.acked, report.retried, report.stopped, new Set(seen).size], [2, 2, "source ended", 2]);
  },
  async memoryBroker() {
    const broker = memoryBroker({ lease: 50 });
    await broker.publish(1);
    const [first] = await broker.pull(bg, 10);
    // The lease is over, and the message comes again; on a slow machine more than once before it is acked.
    let again;
    let lost;
    do {
      [again] = await broker.pull(bg, 10);
      lost = await broker.ack(bg, [again]);
    } while (lost.length > 0);
    same([first.attempt, again.attempt > 1, again.body, broker.size], [1, true, 1, 0]);
  },
  async Permanent() {
    const broker = await brokerOfTwo();
    const report = await worker(bg, broker, () => {
      throw new Permanent("no order");
    });
    same([report.dead, broker.deadLetters.map(({ error }) => error.message)], [2, ["no order", "no order"]]);
  },
  async Stopping() {
    const [abort, drop] = context.withCancel(bg);
    const [ctx, cancel] = context.withCancel(bg);
    const broker = memoryBroker();
    await broker.publish(1);
    let cause;
    const handle = async (ctx) => {
      cancel();
      drop();
      await ctx.done().recv();
      cause = context.cause(ctx);
      throw ctx.err();
    };
    const report = await worker(ctx, broker, handle, { abort });
    same([cause instanceof Stopping, report.released, report.stopped], [true, 1, "aborted"]);
  },
  async LeaseExpired() {
    let cause;
    const handle = async (ctx) => {
      await ctx.done().recv();
      cause = context.cause(ctx);
    };
    await worker(bg, await brokerOfTwo(), handle, { maxLease: 10 });
    must(cause instanceof LeaseExpired, `${cause} is a LeaseExpired`);
  },
  async LeaseLost() {
    let pulls = 0;
    let cause;
    const source = {
      get ended() {
        return pulls > 0;
      },
      lease: 30,
      pull: async () => (pulls++ === 0 ? [{ id: "1", body: "x" }] : []),
      ack: async () => [],
      nack: async () => [],
      extend: async (ctx, held) => held,
    };
    const handle = async (ctx) => {
      await ctx.done().recv();
      cause = context.cause(ctx);
    };
    const report = await worker(bg, source, handle);
    same([cause instanceof LeaseLost, report.expired], [true, 1]);
  },
};

const conformances = {
  async conformance() {
    const makeLab = async () => {
      const broker = memoryBroker({ lease: 500 });
      return {
        source: broker,
        other: broker,
        publish: async (bodies, options) => {
          for (const body of bodies) await broker.publish(body, options);
        },
        deadLetters: async () => broker.deadLetters.map(({ body, error }) => ({ body, reason: String(error) })),
        close: async () => {},
      };
    };
    const all = { fenced: true, delayed: true, attempts: true, releaseIsFree: true, deadLetters: true, keys: true };
    const cases = conformance(makeLab, { ...all, attributes: true, ordered: true, lease: 500 });
    must(cases.length > 10, "there are cases");
    for (const { run } of cases.slice(0, 3)) await run();
  },
};

const measures = {
  async metrics() {
    const { observe, progress, text } = metrics({ labels: { queue: "a" } });
    await worker(bg, await brokerOfTwo(), () => {}, { observe, progress });
    must(text().includes('headgate_worker_messages_total{queue="a",verdict="acked"} 2\n'), "both are counted");
  },
};

/** The part of `@opentelemetry/api` that is asked for, without an SDK behind it: it keeps the names of the spans. */
function telemetry(names) {
  const span = { spanContext: () => ({ traceId: "0", spanId: "0", traceFlags: 0 }) };
  for (const name of ["setAttribute", "setStatus", "addEvent", "recordException", "end"]) span[name] = () => {};
  const same = (context) => context;
  const none = () => {};
  const trace = {
    getSpan: none,
    setSpan: same,
    deleteSpan: same,
    getSpanContext: none,
    isSpanContextValid: () => false,
  };
  return {
    trace: { ...trace, getTracer: () => ({ startSpan: (name) => (names.push(name), span) }) },
    context: { active: () => ({}), with: (_, fn) => fn() },
    propagation: { inject: none, extract: same },
    metrics: { getMeter: () => ({ createCounter: () => ({ add() {} }), createHistogram: () => ({ record() {} }) }) },
  };
}

const spans = {
  async instrument() {
    const names = [];
    const orders = instrument(telemetry(names), { system: "memory", destination: "orders" });
    await worker(
      bg,
      orders.source(await brokerOfTwo()),
      orders.handler(() => {}),
      orders.options(),
    );
    same(new Set(names), new Set(["process orders", "ack orders"]));
  },
  async instrumentSaga() {
    const names = [];
    const { step, options } = instrumentSaga(telemetry(names));
    const trip = saga("trip").step(
      "hotel",
      step(() => {}),
    );
    await trip.run(bg, "Oslo", options({ deadLetter: () => {} }));
    same(names, ["saga trip", "step hotel"]);
  },
};

const sources = {
  async "nats: natsConsumer"() {
    const listeners = [];
    const info = { config: { ack_policy: "explicit", ack_wait: 30e9 } };
    const connection = {
      subscribe: (subject, { callback }) => {
        listeners.push(callback);
        return { unsubscribe: () => {} };
      },
      publish: (subject, payload, { reply } = {}) => {
        const data = new TextEncoder().encode(JSON.stringify(info));
        for (const callback of listeners) callback(null, { subject: reply, data });
      },
      flush: async () => {},
      status: async function* () {},
    };
    same((await natsConsumer(connection, { stream: "s", consumer: "c" })).lease, 30_000);
    await failureOf(natsConsumer({}, { stream: "s", consumer: "c" }), TypeError);
  },
  async "postgres: postgresQueue"() {
    const said = [];
    const pool = poolThat((text) => void said.push(text));
    const queue = postgresQueue(pool, { lease: 1_000, listen: false });
    await queue.publish(["a"]);
    same([queue.lease, said.length], [1_000, 1]);
    await failureOf(() => postgresQueue({}), TypeError);
  },
  async "postgres: createQueue"() {
    const said = [];
    await createQueue(poolThat((text) => void said.push(text)));
    must(/create table/i.test(said[0]), "a table is created");
  },
  async "postgres: schema"() {
    must(/create table/i.test(schema()), "it is the table");
  },
  async "pubsub: pubsubSubscription"() {
    const acked = [];
    let left = 1;
    const client = {
      pull: async () => {
        await time.sleep(2);
        const message = { data: new TextEncoder().encode("hello"), messageId: "1" };
        return [{ receivedMessages: left-- > 0 ? [{ ackId: "7", message }] : [] }];
      },
      acknowledge: async ({ ackIds }) => void acked.push(...ackIds),
      modifyAckDeadline: async () => {},
    };
    const source = pubsubSubscription(client, { subscription: "projects/p/subscriptions/s" });
    const [got] = await source.pull(bg, 1);
    await source.ack(bg, [got]);
    same([got.body, acked], ["hello", ["7"]]);
  },
  async "rabbitmq: rabbitQueue"() {
    const source = rabbitQueue(async () => ({}), { queue: "q" });
    await source.close();
    await failureOf(() => rabbitQueue({}, { queue: "q" }), TypeError);
  },
  async "redis: redisStream"() {
    const said = [];
    const client = { call: async (...args) => (said.push(args[0]), "1-0"), duplicate: () => client };
    same([await redisStream(client, { stream: "s", group: "g" }).publish("a"), said], ["1-0", ["XADD"]]);
    await failureOf(() => redisStream({}, { stream: "s", group: "g" }), TypeError);
  },
};

/** A pool that runs no statement. */
const poolThat = (query) => ({
  query: async (text) => {
    query(text);
    return { rows: [] };
  },
  connect: async () => ({}),
});

/** A saga of two steps: the second does as it is told. */
const transfer = (second) =>
  saga("transfer")
    .step(
      "debit",
      async (ctx) => {
        await time.sleep(2, ctx);
        return "debited";
      },
      (ctx, { input }) => void input.undone.push("debit"),
    )
    .step("credit", second, (ctx, { input }) => void input.undone.push("credit"), { timeout: 60_000 });

const sagas = {
  async saga() {
    const undone = [];
    const undo = (ctx, { key, outcome }) => void undone.push([key, outcome]);
    const broken = saga("trip")
      .step("hotel", (ctx) => time.sleep(2, ctx), undo)
      .step(
        "flight",
        () => {
          throw new Error("no seats");
        },
        undo,
      );
    const { status } = await broken.run(bg, null, { id: "1", deadLetter: () => {} });
    same(
      [status, undone],
      [
        "compensated",
        [
          ["1:flight", "unknown"],
          ["1:hotel", "done"],
        ],
      ],
    );
  },
  async NotApplied() {
    const input = { undone: [] };
    const refused = transfer(() => {
      throw new NotApplied("refused");
    });
    same([(await refused.run(bg, input, { deadLetter: () => {} })).status, input.undone], ["compensated", ["debit"]]);
  },
  async orThrow() {
    const result = await transfer(() => "credited").run(bg, { undone: [] }, { deadLetter: () => {} });
    same(orThrow(result), { debit: "debited", credit: "credited" });
  },
  async SagaError() {
    const broken = transfer(() => {
      throw new Error("no");
    });
    const run = broken.run(bg, { undone: [] }, { id: "9", deadLetter: () => {} }).then(orThrow);
    same((await failureOf(run, SagaError)).status, "compensated");
  },
};

// --------------------------------------------------------------------------------------------------------------- the test kit

const kit = {
  async bubble() {
    const begun = performance.now();
    await bubble(async (t) => {
      const start = time.now();
      await time.sleep(3_600_000);
      same(time.now() - start, 3_600_000);
      const [ctx, cancel] = context.withTimeout(t.ctx, 60_000);
      await ctx.done().recv();
      cancel();
    });
    must(performance.now() - begun < 3_600_000, "an hour has not passed");
  },
  async Trace() {
    let trace;
    await bubble(async (t) => {
      await t.sleep(5);
      trace = t.trace();
    });
    must(trace instanceof Trace && /sleep/.test(String(trace)), "the trace tells of the sleep");
  },
  async DeadlockError() {
    const error = await failureOf(
      bubble(() => new Chan().recv()),
      DeadlockError,
    );
    same(error.tasks.length, 1);
  },
  async LeakError() {
    await failureOf(
      bubble(() => void time.afterFunc(1_000, () => {})),
      LeakError,
    );
  },
  async explore() {
    const { complete, points } = await explore(
      async (t) => {
        await time.sleep(5, t.ctx).catch(() => {});
      },
      { randomRuns: 5 },
    );
    same([complete, points > 0], [true, true]);
  },
  async record() {
    const scenario = async (t) => {
      await t.yield();
      if (t.ctx.err() !== undefined) throw new Error("cancelled");
    };
    const [plain, cancelled] = [await record(scenario), await record(scenario, "0!c1")];
    same([plain.points, "error" in plain, cancelled.error?.message], [2, false, "cancelled"]);
    must(cancelled.trace.rows.length > plain.trace.rows.length - 2, "both have their rows");
  },
  async ScheduleError() {
    const error = await failureOf(
      explore(async (t) => {
        await time.sleep(5);
        if (t.ctx.err() !== undefined) throw new Error("found");
      }),
      ScheduleError,
    );
    same([error.cause.message, error.replay.length > 0], ["found", true]);
  },
  async NondeterminismError() {
    // Where two may go on there is no eighth.
    const scenario = async () => {
      const group = new errgroup.Group();
      for (let n = 0; n < 2; n++) void group.go(() => time.sleep(1));
      await group.wait();
    };
    await failureOf(explore(scenario, { replay: "7" }), NondeterminismError);
  },
};

const lint = {
  async default() {
    const { rules, configs } = linting.default;
    same(Object.keys(configs.recommended.rules).length, Object.keys(rules).length - 1);
    // A file that does not import headgate is not looked at.
    same(rules.race.create({ sourceCode: { ast: { body: [] } } }), {});
  },
};

/** The subpaths are the namespaces of the index. */
const subpaths = {
  async "headgate/chan"() {
    sameNames(chanOnly, { Chan, ClosedChannel, go, nil, select, sendAll, sending, trySelect });
  },
  async "headgate/context"() {
    sameNames(contextOnly, context);
  },
  async "headgate/errgroup"() {
    sameNames(errgroupOnly, errgroup);
  },
  async "headgate/retry"() {
    sameNames(retryOnly, retry);
  },
  async "headgate/semaphore"() {
    sameNames(semaphoreOnly, semaphore);
  },
  async "headgate/singleflight"() {
    sameNames(singleflightOnly, singleflight);
  },
  async "headgate/sync"() {
    sameNames(syncOnly, sync);
  },
  async "headgate/time"() {
    sameNames(timeOnly, time);
  },
};

/** A watch on all that the other uses leave behind; a platform on which timers belong to requests has none. */
async function watched(body) {
  let watching;
  try {
    watching = debug.watch({ stacks: Infinity });
  } catch (error) {
    must(/a timer belongs to a request here/.test(error.message), `"${error.message}" says why`);
    return "refuses: a timer belongs to a request here";
  }
  try {
    return await body();
  } finally {
    watching[Symbol.dispose]();
  }
}

const debuggers = {
  watch: () => watched(() => must(debug.dump().watched, "a dump is that of the watch")),
  dump: () =>
    watched(async () => {
      const [ch, ctx, cancel] = [new Chan(), ...context.withCancel(bg)];
      const waiting = ch.recv(ctx).catch(() => {});
      must(
        debug.dump().waits.some(({ what }) => what.startsWith("recv ch")),
        "the wait is in it",
      );
      must(/headgate: \d+ waits?/.test(String(debug.dump({ most: 5 }))), "it is a text");
      cancel();
      await waiting;
    }),
  name: () =>
    watched(async () => {
      const letters = debug.name(new Chan(), "letters");
      const waiting = letters.recv();
      must(
        debug.dump().waits.some(({ what }) => what === "recv letters"),
        "the name is in it",
      );
      letters.close();
      await waiting;
    }),
  leaks: () =>
    watched(async () => {
      const before = performance.now();
      let found;
      try {
        found = await debug.leaks(bg);
      } catch (error) {
        must(/no way to run its garbage collector/.test(error.message), `"${error.message}" says why`);
        return "refuses: the garbage collector is out of reach here";
      }
      must(Array.isArray(found) && performance.now() >= before, "the leaks are a list");
    }),
  profile: () =>
    watched(async () => {
      const ch = new Chan();
      go(() => ch.send(1));
      await ch.recv();
      const profile = debug.profile();
      must(/^ *total/.test(String(profile)), "it is a table");
      must(profile.toPprof() instanceof Uint8Array, "it is bytes");
    }),
  respond: () =>
    watched(async () => {
      same([(await debug.respond("/waits")).status, (await debug.respond("/none")).status], [200, 404]);
    }),
  async onExit() {
    if (typeof ours?.on !== "function") {
      const { message } = await failureOf(() => debug.onExit());
      must(/no process here whose end/.test(message), `"${message}" says why`);
      return;
    }
    const stop = debug.onExit();
    stop();
  },
  async onSignal() {
    if (!hasSignals) return refuses(() => debug.onSignal("SIGQUIT"));
    const [texts, written] = [[], new Chan(1)];
    const stop = debug.onSignal("SIGQUIT", (text) => {
      texts.push(text);
      written.trySend(text);
    });
    send("SIGQUIT");
    await select({ written, late: time.after(60_000) });
    stop();
    must(/^headgate: |^dump: |^Error: dump: /.test(texts[0]), `it is a dump, and not ${texts[0]}`);
  },
};

function sameNames(module, expected) {
  same(Object.keys(module).sort(), Object.keys(expected).sort());
  for (const name of Object.keys(expected)) {
    const [a, b] = [module[name], expected[name]];
    // Parcel's minifier writes a function out wherever it is looked up, so it may be another one with the same text.
    must(a === b || (typeof a === "function" && String(a) === String(b)), `${name} is the same`);
  }
}

/** What is asked, by the path of the names; those of the brokers have the name of the module before theirs. */
export const uses = {
  headgate: channels,
  "headgate/context": contexts,
  "headgate/errgroup": groups,
  "headgate/retry": retries,
  "headgate/semaphore": semaphores,
  "headgate/singleflight": flights,
  "headgate/sync": locks,
  "headgate/time": times,
  "headgate/signal": signals,
  "headgate/worker": workers,
  "headgate/worker/conformance": conformances,
  "headgate/worker/metrics": measures,
  "headgate/worker/…": sources,
  "headgate/otel": spans,
  "headgate/saga": sagas,
  "headgate/testing": kit,
  "headgate/debug": debuggers,
  "headgate/eslint": lint,
  subpaths: subpaths,
};

/** How long a use may take, in ms, before it counts as hanging. When one hangs, those that follow probably do, too. */
let patience = 10_000;

/**
 * Runs all uses, or those of some paths: one path after the other, the uses of one at once. `signal` sends a signal where no real one can
 * come: Jest gives its tests a copy of `process`, which hears of none.
 */
export async function everything(paths = Object.keys(uses), signal = send) {
  const answers = {};
  send = signal;
  for (const path of paths) {
    const entries = Object.entries(uses[path]);
    const settled = await Promise.all(entries.map(([, use]) => answerOf(use)));
    for (const [i, [name]] of entries.entries()) answers[`${path}: ${name}`] = settled[i];
  }
  return answers;
}

async function answerOf(use) {
  let timer;
  const late = new Promise((resolve) => {
    timer = setTimeout(() => {
      resolve(`hangs: nothing after ${patience} ms`);
      patience = 1_000;
    }, patience);
  });
  try {
    return await Promise.race([use().then((answer) => answer ?? "ok"), late]);
  } catch (error) {
    return `failed: ${error?.name}: ${error?.message}`;
  } finally {
    clearTimeout(timer);
  }
}
