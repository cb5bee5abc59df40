/** What a logger makes of headgate's objects: a line, and no value that was entrusted to them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Chan, context, errgroup, nil, semaphore, singleflight, sync, time } from "headgate";
import { shutdown } from "headgate/signal";
import { memoryBroker, worker } from "headgate/worker";
import pino from "pino";

/** What `log.info(fields)` writes. */
function logged(fields) {
  let written = "";
  pino({ base: undefined, timestamp: false }, { write: (line) => (written += line) }).info(fields, "told");
  return written;
}

const bg = context.background();
const SECRET = "correct horse";

/** Objects in use, each with a secret where it can have one. */
async function inUse() {
  const secret = context.key("secret");
  const carrying = context.withValue(bg, secret, SECRET);
  const [cancellable, cancel] = context.withCancelCause(carrying);
  const [timed, release] = context.withTimeout(cancellable, 60_000);
  const [failed, fail] = context.withCancelCause(carrying);
  fail(new Error("no"));
  const [stop, abort, letGo] = shutdown(carrying, "SIGUSR2");
  const buffered = new Chan(2);
  await buffered.send({ password: SECRET });
  const waited = new Chan();
  const sending = waited.send(SECRET, cancellable).catch(() => {});
  const group = errgroup.withContext(carrying)[0];
  void group.go(() => time.sleep(60_000, cancellable).catch(() => {}));
  const mutex = new sync.Mutex();
  await mutex.lock();
  const locking = mutex.lock(cancellable).catch(() => {});
  const pool = new semaphore.Weighted(2);
  const guard = await pool.acquire(1);
  const flight = new singleflight.Group();
  const flying = flight.do(SECRET, () => time.sleep(60_000, cancellable).catch(() => SECRET));
  const ticker = new time.Ticker(60_000);
  const objects = {
    bg,
    carrying,
    cancellable,
    timed,
    failed,
    stop,
    abort,
    detached: context.withoutCancel(timed),
    merged: context.merge(timed, stop)[0],
    buffered,
    waited,
    nil,
    done: timed.done(),
    group,
    plain: new errgroup.Group(),
    mutex,
    rw: new sync.RWMutex(),
    cond: new sync.Cond(mutex),
    tasks: new sync.WaitGroup(),
    pool,
    guard,
    flight,
    ticker,
    timer: new time.Timer(60_000),
  };
  const close = async () => {
    cancel();
    release();
    letGo();
    ticker.stop();
    await Promise.all([sending, locking, flying]);
  };
  return { objects, close };
}

test("each object of headgate is one line in a log, and tells no value", async () => {
  const { objects, close } = await inUse();
  for (const [name, object] of Object.entries(objects)) {
    const line = logged({ [name]: object });
    const { [name]: told } = JSON.parse(line);
    assert.equal(typeof told, "string", `${name} is ${JSON.stringify(told)}`);
    assert.ok(told.length < 300 && !told.includes("\n"), `${name} is a line: ${told}`);
    assert.ok(!line.includes(SECRET), `${name} tells a value: ${line}`);
  }
  await close();
});

test("an object that has one in it, however deep, can be logged", async () => {
  const { objects, close } = await inUse();
  const line = logged({ request: { id: 1, of: [objects] } });
  assert.ok(!line.includes(SECRET));
  assert.equal(JSON.parse(line).request.of[0].bg, "context.Background");
  await close();
});

test("the error of a context can be logged, with its cause", () => {
  const [ctx, cancel] = context.withCancelCause(bg);
  cancel(new Error("why"));
  const { err } = JSON.parse(logged({ err: ctx.err() }));
  assert.match(err.message, /^context canceled/);
  assert.match(err.stack, /why/);
});

test("the report of a worker can be logged", async () => {
  const broker = memoryBroker();
  await broker.publish("x");
  broker.end();
  const report = await worker(bg, broker, () => {});
  assert.equal(JSON.parse(logged({ report })).report.acked, 1);
});
