/** Effection: structured concurrency with generators. Its queues have no end, so that nothing makes a sender wait. */
import { all, createContext, createQueue, createScope, run, sleep, spawn, useAbortSignal } from "effection";
import { latenessBeside } from "../harness/lateness.mjs";

export const name = "effection";

const nothing = () => {};

function* task() {}

const family = (n) => {
  const [parent, destroy] = createScope();
  for (let i = 0; i < n; i++) createScope(parent);
  return { parent, destroy };
};

const end = ({ destroy }) => destroy();

const createAndDestroy = ({ parent }, n) => {
  for (let i = 0; i < n; i++) {
    const [, destroy] = createScope(parent);
    void destroy();
  }
};

const deadline = (ms) => {
  const timer = run(() => sleep(ms));
  timer.catch(nothing);
  return timer;
};

const besideDeadlines = {
  before: (_, size) => Array.from({ length: size }, (__, i) => deadline(3_600_000 + (i % 1000))),
  run: async (_, n) => {
    for (let i = 0; i < n; i++) await deadline(3_600_000 + (i % 1000)).halt();
  },
  after: (timers) => Promise.all(timers.map((timer) => timer.halt())),
};

const tasksOf = (n) => run(() => all(Array.from({ length: n }, task)));

export const programs = {
  child: { before: () => family(0), run: createAndDestroy, after: end },
  "cancel-chain": (n) => {
    const [root, destroy] = createScope();
    for (let i = 1, scope = root; i < n; i++) [scope] = createScope(scope);
    return destroy();
  },
  timeout: async (n) => {
    for (let i = 0; i < n; i++) await deadline(3_600_000).halt();
  },
  signal: async (n) => {
    for (let i = 0; i < n; i++) {
      await run(function* () {
        const signal = yield* useAbortSignal();
        if (signal.aborted) throw new Error("it has not ended yet");
      });
    }
  },
  "value-1": valueAt(1),
  "value-100": valueAt(100),

  "group-1000": tasksOf,
  waitgroup: (n) =>
    run(function* () {
      const tasks = [];
      for (let i = 0; i < n; i++) tasks.push(yield* spawn(task));
      for (const each of tasks) yield* each;
    }),

  "bytes-child": (n) => family(n),
  "bytes-chan": (n) => Array.from({ length: n }, () => createQueue()),

  "scale-receivers": {
    before: (_, size) => {
      const queue = createQueue();
      for (let i = 0; i < size; i++) void run(() => queue.next());
      return queue;
    },
    run: (queue, n) =>
      run(function* () {
        for (let i = 0; i < n; i++) {
          yield* spawn(() => queue.next());
          queue.add(i);
        }
      }),
  },
  "scale-children": { n: "size", before: (_, size) => family(size), run: end },
  "scale-siblings": {
    before: (_, size) => family(size),
    run: createAndDestroy,
    after: end,
  },
  "scale-deadlines": besideDeadlines,
  "scale-buffer": {
    n: "size",
    run: (_, n) =>
      run(function* () {
        const queue = createQueue();
        for (let i = 0; i < n; i++) queue.add(i);
        for (let i = 0; i < n; i++) yield* queue.next();
      }),
  },
};

function valueAt(depth) {
  const wanted = createContext("wanted");
  return {
    before: () => {
      const { parent, destroy } = family(0);
      parent.set(wanted, 1);
      let scope = parent;
      for (let i = 1; i < depth; i++) {
        [scope] = createScope(scope);
        scope.set(createContext(`other ${i}`), i);
      }
      return { scope, destroy };
    },
    run: ({ scope }, n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += scope.get(wanted);
      if (sum !== n) throw new Error("the value was not found");
    },
    after: end,
  };
}

/** The largest size that can be waited for. */
export const largest = {
  "scale-receivers": 100,
  "scale-children": 10_000,
  "scale-siblings": 1000,
  "scale-deadlines": 100,
  "scale-buffer": 10_000,
};

const ENDLESS = "left out: its queues and channels have no end, nothing makes a sender wait";
const SLOW = "left out: 100 000 of them take most of a minute";
const RACE = "left out: a race of two queues takes from both, and what the loser took is lost";
const SCOPE = "a scope, in which nothing runs";

export const notes = {
  unbuffered: ENDLESS,
  buffered: ENDLESS,
  "fan-in": ENDLESS,
  pipeline: ENDLESS,
  sieve: ENDLESS,
  "select-2": RACE,
  "select-10": RACE,
  "select-ready": RACE,
  child: SCOPE,
  children: SLOW,
  "cancel-children": SLOW,
  "cancel-chain": SCOPE,
  timeout: "a task that sleeps, halted",
  timeouts: SLOW,
  signal: "a task that asks for its AbortSignal and ends",
  "group-1000": "the task is an operation that never waits",
  waitgroup: "the task is an operation that never waits",
  "bytes-receiver": SLOW,
  "bytes-child": SCOPE,
  "bytes-timeout": SLOW,
  "scale-receivers": "each receiver is a task",
  "scale-children": SCOPE,
  "scale-siblings": SCOPE,
  "scale-deadlines": "a task that sleeps, halted",
  lateness: "starves the timer until it is stopped, after 1 s",
};

export const lateness = (ms, rounds) =>
  latenessBeside(
    (isOver) =>
      run(function* () {
        const [there, back] = [createQueue(), createQueue()];
        yield* spawn(function* () {
          while (!(yield* there.next()).done) back.add(0);
        });
        while (!isOver()) {
          there.add(0);
          yield* back.next();
        }
        there.close();
      }),
    ms,
    rounds,
  );
