/** Effect: fibers that run generators, queues, scopes and semaphores. Each operation can be interrupted, and gives way to timers. */
import { Cache, Context, Effect, Exit, Fiber, Queue, Scope, Semaphore, Stream, TxReentrantLock } from "effect";
import { latenessBeside } from "../harness/lateness.mjs";

export const name = "effect";

const nothing = () => {};
const soon = async () => {};
const range = (n) => Array.from({ length: n }, (_, i) => i);
const run = (body) => Effect.runPromise(Effect.gen(body));

/** A program of `n` operations; `body` is a generator. */
const program = (body) => (n, size) => run(() => body(n, size));

const sendAll = Effect.fnUntraced(function* (queue, n) {
  for (let i = 0; i < n; i++) yield* Queue.offer(queue, i);
});

const transfer = (capacity) =>
  program(function* (n) {
    const queue = yield* Queue.bounded(capacity);
    const sent = yield* Effect.forkChild(sendAll(queue, n));
    for (let i = 0; i < n; i++) yield* Queue.take(queue);
    yield* Fiber.join(sent);
  });

const iterate = (capacity) =>
  program(function* (n) {
    const queue = yield* Queue.bounded(capacity);
    const sent = yield* Effect.forkChild(Effect.andThen(sendAll(queue, n), Queue.end(queue)));
    yield* Stream.runDrain(Stream.fromQueue(queue));
    yield* Fiber.join(sent);
  });

const queues = (k) => Effect.all(range(k).map(() => Queue.bounded(0)));

const selectOf = (k) =>
  program(function* (n) {
    const all = yield* queues(k);
    const select = Effect.raceAllFirst(all.map((queue) => Queue.take(queue)));
    const received = yield* Effect.forkChild(
      Effect.gen(function* () {
        for (let i = 0; i < n; i++) yield* select;
      }),
      { startImmediately: true },
    );
    for (let i = 0; i < n; i++) yield* Queue.offer(all[i % k], i);
    yield* Fiber.join(received);
  });

/** `tasks` fibers that share `n` turns. */
const inTasks = (tasks, n, turn) =>
  Effect.forEach(
    range(tasks),
    Effect.fnUntraced(function* (task) {
      for (let i = 0; i < n / tasks; i++) yield* turn(task);
    }),
    { concurrency: "unbounded", discard: true },
  );

const close = (scope) => Effect.runPromise(Scope.close(scope, Exit.void));

const family = (n) => {
  const parent = Scope.makeUnsafe();
  for (let i = 0; i < n; i++) Scope.forkUnsafe(parent);
  return parent;
};

/** Nothing hangs on the scope, and so nothing is left to be run when it is closed. */
const forkAndClose = (parent) => Scope.closeUnsafe(Scope.forkUnsafe(parent), Exit.void);

const deadline = (ms) => Effect.timeoutOption(Effect.never, ms);

const never = new Promise(nothing);
const task = Effect.sync(nothing);

const group = (concurrency) => (n) =>
  Effect.runPromise(Effect.forEach(range(n), () => task, { concurrency, discard: true }));

/** Calls that are forgotten as soon as they are over. */
const shared = Cache.makeWith(() => Effect.promise(soon), { capacity: 1, timeToLive: () => 0 });

const free = program(function* (n) {
  const semaphore = yield* Semaphore.make(1);
  for (let i = 0; i < n; i++) {
    yield* semaphore.take(1);
    yield* semaphore.release(1);
  }
});

const wanted = program(function* (n) {
  const semaphore = yield* Semaphore.make(1);
  yield* inTasks(10, n, () => Effect.andThen(semaphore.take(1), semaphore.release(1)));
});

export const programs = {
  unbuffered: transfer(0),
  buffered: transfer(128),
  "buffered-try": program(function* (n) {
    const queue = yield* Queue.bounded(128);
    const sent = yield* Effect.forkChild(
      Effect.gen(function* () {
        for (let i = 0; i < n; i++) if (!Queue.offerUnsafe(queue, i)) yield* Queue.offer(queue, i);
      }),
    );
    for (let i = 0; i < n; i++) if (Queue.takeUnsafe(queue) === undefined) yield* Queue.take(queue);
    yield* Fiber.join(sent);
  }),
  "iterate-buffered": iterate(128),
  "iterate-unbuffered": iterate(0),
  "fan-in": program(function* (n) {
    const queue = yield* Queue.bounded(0);
    const sent = yield* Effect.forkChild(inTasks(100, n, (task) => Queue.offer(queue, task)));
    for (let i = 0; i < n; i++) yield* Queue.take(queue);
    yield* Fiber.join(sent);
  }),
  pipeline: program(function* (n) {
    const all = yield* queues(11);
    const tasks = [yield* Effect.forkChild(Effect.andThen(sendAll(all[0], n), Queue.end(all[0])))];
    for (let i = 0; i < 10; i++) {
      const [from, to] = [all[i], all[i + 1]];
      const copied = Stream.runForEach(Stream.fromQueue(from), (value) => Queue.offer(to, value));
      tasks.push(yield* Effect.forkChild(Effect.andThen(copied, Queue.end(to))));
    }
    yield* Stream.runDrain(Stream.fromQueue(all[10]));
    yield* Fiber.joinAll(tasks);
  }),
  "recv-ctx": transfer(0),
  "both-ctx": transfer(0),
  sieve: program(function* (n) {
    for (let round = 0; round < n; round++) {
      const stages = [];
      const stage = Effect.fnUntraced(function* (body) {
        const to = yield* Queue.bounded(0);
        stages.push(yield* Effect.forkChild(Effect.gen(() => body(to))));
        return to;
      });
      let queue = yield* stage(function* (to) {
        for (let i = 2; ; i++) yield* Queue.offer(to, i);
      });
      for (let i = 0; i < 100; i++) {
        const from = queue;
        const prime = yield* Queue.take(from);
        queue = yield* stage(function* (to) {
          for (;;) {
            const value = yield* Queue.take(from);
            if (value % prime !== 0) yield* Queue.offer(to, value);
          }
        });
      }
      yield* Fiber.interruptAll(stages);
    }
  }),
  "make-chan": program(function* (n) {
    const kept = [];
    for (let i = 0; i < n; i++) kept[i & 255] = yield* Queue.bounded(0);
  }),
  "close-1000": program(function* (n) {
    for (let i = 0; i < n; i += 1000) {
      const queue = yield* Queue.bounded(0);
      const waiting = [];
      for (let k = 0; k < 1000; k++) {
        waiting.push(yield* Effect.forkChild(Queue.take(queue), { startImmediately: true }));
      }
      yield* Queue.end(queue);
      yield* Fiber.awaitAll(waiting);
    }
  }),

  "select-2": selectOf(2),
  "select-10": selectOf(10),
  "select-sends": program(function* (n) {
    const [a, b] = yield* queues(2);
    const received = yield* Effect.forkChild(inTasks(2, n, (task) => Queue.take(task === 0 ? a : b)));
    for (let i = 0; i < n; i++) yield* Effect.raceAllFirst([Queue.offer(a, i), Queue.offer(b, i)]);
    yield* Fiber.join(received);
  }),
  "select-ready": program(function* (n) {
    const [a, b] = [yield* Queue.bounded(1), yield* Queue.bounded(1)];
    const select = Effect.raceAllFirst([Queue.take(a), Queue.take(b)]);
    for (let i = 0; i < n; i++) {
      yield* Queue.offer(a, i);
      yield* select;
    }
  }),
  "select-ctx": selectOf(2),

  child: {
    before: () => Scope.makeUnsafe(),
    run: (parent, n) => {
      for (let i = 0; i < n; i++) forkAndClose(parent);
    },
    after: close,
  },
  children: (n) => close(family(n)),
  "cancel-children": { before: family, run: close },
  "cancel-chain": (n) => {
    const root = Scope.makeUnsafe();
    for (let i = 1, scope = root; i < n; i++) scope = Scope.forkUnsafe(scope);
    return close(root);
  },
  timeout: (n) => {
    for (let i = 0; i < n; i++) Effect.runFork(deadline(3_600_000)).interruptUnsafe();
  },
  "timeout-crowd": besideDeadlines(100_000),
  timeouts: (n) => {
    const fibers = range(n).map((i) => Effect.runFork(deadline(3_600_000 + (i % 1000))));
    for (const fiber of fibers) fiber.interruptUnsafe();
  },
  signal: (n) => {
    const waiting = Effect.promise((signal) => {
      if (signal.aborted) throw new Error("it has not ended yet");
      return never;
    });
    for (let i = 0; i < n; i++) Effect.runFork(waiting).interruptUnsafe();
  },
  "value-1": valueAt(1),
  "value-100": valueAt(100),

  "group-limit": group(10),
  "group-all": group(10),
  "group-1000": group("unbounded"),
  waitgroup: program(function* (n) {
    const fibers = [];
    for (let i = 0; i < n; i++) fibers.push(yield* Effect.forkChild(task));
    yield* Fiber.awaitAll(fibers);
  }),
  mutex: free,
  "mutex-10": wanted,
  "rwmutex-read": program(function* (n) {
    const lock = yield* TxReentrantLock.make();
    for (let i = 0; i < n; i++) {
      yield* TxReentrantLock.acquireRead(lock);
      yield* TxReentrantLock.releaseRead(lock);
    }
  }),
  "rwmutex-mixed": program(function* (n) {
    const lock = yield* TxReentrantLock.make();
    const [read, write] = [
      TxReentrantLock.withReadLock(lock, Effect.void),
      TxReentrantLock.withWriteLock(lock, Effect.void),
    ];
    yield* inTasks(10, n, (task) => (task === 0 ? write : read));
  }),
  semaphore: free,
  "semaphore-10": wanted,

  singleflight: program(function* (n) {
    const calls = yield* shared;
    for (let i = 0; i < n; i++) yield* Cache.get(calls, "key");
  }),
  "singleflight-100": program(function* (n) {
    const calls = yield* shared;
    const callers = Effect.forEach(range(100), () => Cache.get(calls, "key"), {
      concurrency: "unbounded",
      discard: true,
    });
    for (let i = 0; i < n; i += 100) yield* callers;
  }),

  "bytes-receiver": (n) => {
    const queue = Effect.runSync(Queue.bounded(0));
    for (let i = 0; i < n; i++) Effect.runFork(Queue.take(queue));
    return queue;
  },
  "bytes-child": family,
  "bytes-timeout": (n) => {
    for (let i = 0; i < n; i++) Effect.runFork(deadline(3_600_000));
    return n;
  },
  "bytes-chan": (n) => range(n).map(() => Effect.runSync(Queue.bounded(0))),
  "bytes-after": (n) => {
    const root = Scope.makeUnsafe();
    for (let i = 0; i < n; i++) forkAndClose(root);
    return root;
  },

  "scale-receivers": {
    before: (_, size) => {
      const queue = Effect.runSync(Queue.bounded(0));
      for (let i = 0; i < size; i++) Effect.runFork(Queue.take(queue));
      return queue;
    },
    run: (queue, n) =>
      run(function* () {
        for (let i = 0; i < n; i++) {
          yield* Effect.forkChild(Queue.take(queue), { startImmediately: true });
          yield* Queue.offer(queue, i);
        }
      }),
  },
  "scale-withdraw": {
    n: "size",
    before: (_, size) => {
      const queue = Effect.runSync(Queue.bounded(0));
      const fibers = range(size).map(() => Effect.runFork(Queue.take(queue)));
      for (let i = size - 1; i > 0; i--) {
        const j = Math.floor(Math.random() * (i + 1));
        [fibers[i], fibers[j]] = [fibers[j], fibers[i]];
      }
      return fibers;
    },
    run: (fibers) => {
      for (const fiber of fibers) fiber.interruptUnsafe();
    },
  },
  "scale-children": { n: "size", before: (_, size) => family(size), run: close },
  "scale-siblings": {
    before: (_, size) => family(size),
    run: (parent, n) => {
      for (let i = 0; i < n; i++) forkAndClose(parent);
    },
    after: close,
  },
  "scale-deadlines": besideDeadlines(),
  "scale-cases": program(function* (n, size) {
    const all = yield* queues(size);
    const select = Effect.raceAllFirst(all.map((queue) => Queue.take(queue)));
    for (let i = 0; i < n; i += size) {
      const got = yield* Effect.forkChild(select, { startImmediately: true });
      yield* Queue.offer(all[i % size], i);
      yield* Fiber.join(got);
    }
  }),
  "scale-tasks": { n: "size", run: (_, n) => group(10)(n) },
  "scale-buffer": {
    n: "size",
    run: (_, n) =>
      run(function* () {
        const queue = yield* Queue.bounded(n);
        for (let i = 0; i < n; i++) yield* Queue.offer(queue, i);
        for (let i = 0; i < n; i++) yield* Queue.take(queue);
      }),
  },
};

function valueAt(services) {
  const keys = range(services).map((i) => Context.Service(`service ${i}`));
  const [wanted] = keys;
  return {
    before: () => keys.reduce((context, key) => Context.add(context, key, 1), Context.empty()),
    run: (context, n) =>
      Effect.runPromise(
        Effect.provideContext(
          Effect.gen(function* () {
            let sum = 0;
            for (let i = 0; i < n; i++) sum += yield* wanted;
            if (sum !== n) throw new Error("the value was not found");
          }),
          context,
        ),
      ),
  };
}

function besideDeadlines(fixed) {
  return {
    before: (_, size = fixed) => range(size).map((i) => Effect.runFork(deadline(3_600_000 + (i % 1000)))),
    run: (_, n) => {
      for (let i = 0; i < n; i++) Effect.runFork(deadline(3_600_000 + (i % 1000))).interruptUnsafe();
    },
    after: (fibers) => {
      for (const fiber of fibers) fiber.interruptUnsafe();
    },
  };
}

const each = (note, ...ids) => Object.fromEntries(ids.map((id) => [id, note]));

const RACE = "a race of fibers, made again each time; of the ready ones, always the first";
const SCOPE = "a scope, to which nothing is attached";
const TASK = "the task is an effect that never waits; an async function takes about twice as long";

export const notes = {
  ...each("the program of the unbuffered row: every operation can be interrupted", "recv-ctx", "both-ctx"),
  ...each(RACE, "select-2", "select-10", "select-sends", "select-ready", "scale-cases"),
  ...each(SCOPE, "child", "children", "cancel-children", "cancel-chain", "bytes-child", "bytes-after"),
  ...each(SCOPE, "scale-children", "scale-siblings"),
  ...each(TASK, "group-limit", "group-all", "group-1000", "scale-tasks"),
  "buffered-try": "with offerUnsafe and takeUnsafe",
  "iterate-buffered": "a stream, which takes all there is at once",
  "iterate-unbuffered": "a stream",
  pipeline: "each stage is a stream",
  sieve: "ended by interrupting its fibers",
  "close-1000": "each receiver is a fiber",
  "select-default": "left out: it knows no default",
  "select-ctx": "the program of the select of 2: every operation can be interrupted",
  timeout: "a fiber with a timeout, interrupted",
  "timeout-crowd": "a fiber with a timeout, interrupted",
  timeouts: "fibers with a timeout, interrupted",
  signal: "a fiber that waits for a promise, interrupted",
  "value-1": "a service, looked up in a Map",
  "value-100": "one of 100 services, looked up in a Map",
  waitgroup: "fibers, awaited together",
  "rwmutex-read": "a lock of transactions",
  "rwmutex-mixed": "a lock of transactions",
  ...each("a cache whose entries expire at once", "singleflight", "singleflight-100"),
  "bytes-receiver": "a fiber",
  "bytes-timeout": "a fiber with a timeout",
  "bytes-task": "left out: each of those that wait for a permit looks through all that wait before it",
  "scale-withdraw": "a fiber each, interrupted",
  "scale-deadlines": "a fiber with a timeout, interrupted",
};

export const lateness = (ms, rounds) =>
  latenessBeside(
    (isOver) =>
      run(function* () {
        const queue = yield* Queue.bounded(128);
        const sent = yield* Effect.forkChild(
          Effect.gen(function* () {
            while (!isOver()) yield* Queue.offer(queue, 0);
            yield* Queue.end(queue);
          }),
        );
        yield* Stream.runDrain(Stream.fromQueue(queue));
        yield* Fiber.join(sent);
      }),
    ms,
    rounds,
  );

/** The largest size that memory or patience allows: a fiber that waits takes more than 1 kB. */
export const largest = {
  "scale-receivers": 100_000,
  "scale-withdraw": 100_000,
  "scale-deadlines": 10_000,
  "scale-cases": 10_000,
};
