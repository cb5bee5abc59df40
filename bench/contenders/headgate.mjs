/**
 * headgate, in its usual way. HEADGATE names another build to be measured, by the path of its `dist`.
 *
 * A program is a function of the number of operations (and of the size, if the row has sizes). Or it is `{ before, run, after }`: only
 * `run` is timed, and it gets the result of `before`. The keys are the ids of the rows.
 */
import { pathToFileURL } from "node:url";
import process from "node:process";

const dist =
  process.env.HEADGATE === undefined
    ? new URL("../../dist/", import.meta.url)
    : pathToFileURL(`${process.env.HEADGATE}/`);
const { Chan, context, errgroup, select, sending, semaphore, singleflight, sync, trySelect } = await import(
  new URL("index.js", dist)
);

export const name = "headgate";

const background = context.background();

const sendAll = async (ch, n, ctx) => {
  for (let i = 0; i < n; i++) await ch.send(i, ctx);
};

const transfer = (capacity) => async (n) => {
  const ch = new Chan(capacity);
  const sent = sendAll(ch, n);
  for (let i = 0; i < n; i++) await ch.recv();
  await sent;
};

const iterate = (capacity) => async (n) => {
  const ch = new Chan(capacity);
  const sent = sendAll(ch, n).then(() => ch.close());
  for await (const _ of ch);
  await sent;
};

const casesOf = (k) => Object.fromEntries(Array.from({ length: k }, (_, i) => [`c${i}`, new Chan()]));

/** To each channel in turn, always while the select waits. */
const selectOf = (k, guarded) => async (n) => {
  const [ctx, cancel] = context.withCancel(background);
  const cases = casesOf(k);
  const chans = Object.values(cases);
  const received = (async () => {
    for (let i = 0; i < n; i++) await select(cases, guarded ? ctx : undefined);
  })();
  for (let i = 0; i < n; i++) await chans[i % k].send(i);
  await received;
  cancel();
};

const withCtx = (sender, receiver) => async (n) => {
  const [ctx, cancel] = context.withCancel(background);
  const ch = new Chan();
  const sent = sendAll(ch, n, sender ? ctx : undefined);
  for (let i = 0; i < n; i++) await ch.recv(receiver ? ctx : undefined);
  await sent;
  cancel();
};

/** `tasks` tasks that share `n` turns: each awaits what `turn` returns, and then calls `after`. */
const inTasks = async (tasks, n, turn, after = nothing) => {
  await Promise.all(
    Array.from({ length: tasks }, async (_, task) => {
      for (let i = 0; i < n / tasks; i++) {
        await turn(task);
        after(task);
      }
    }),
  );
};

const nothing = () => {};
const soon = async () => {};

export const programs = {
  unbuffered: transfer(0),
  buffered: transfer(128),
  "buffered-try": async (n) => {
    const ch = new Chan(128);
    const sent = (async () => {
      for (let i = 0; i < n; i++) if (!ch.trySend(i)) await ch.send(i);
    })();
    for (let i = 0; i < n; i++) if (ch.tryRecv() === undefined) await ch.recv();
    await sent;
  },
  "iterate-buffered": iterate(128),
  "iterate-unbuffered": iterate(0),
  "fan-in": async (n) => {
    const ch = new Chan();
    const sent = inTasks(100, n, (task) => ch.send(task));
    for (let i = 0; i < n; i++) await ch.recv();
    await sent;
  },
  pipeline: async (n) => {
    let last = new Chan();
    const tasks = [
      sendAll(last, n).then(
        (
          (first) => () =>
            first.close()
        )(last),
      ),
    ];
    for (let i = 0; i < 10; i++) {
      const [from, to] = [last, new Chan()];
      tasks.push(
        (async () => {
          for await (const value of from) await to.send(value);
          to.close();
        })(),
      );
      last = to;
    }
    for await (const _ of last);
    await Promise.all(tasks);
  },
  "recv-ctx": withCtx(false, true),
  "both-ctx": withCtx(true, true),
  sieve: async (n) => {
    for (let round = 0; round < n; round++) {
      const [chans, stages] = [[], []];
      const stage = (run) => {
        const to = new Chan();
        chans.push(to);
        stages.push(run(to).catch(nothing)); // a send on a closed channel is an error
        return to;
      };
      let ch = stage(async (to) => {
        for (let i = 2; ; i++) await to.send(i);
      });
      for (let i = 0; i < 100; i++) {
        const from = ch;
        const [prime] = await from.recv();
        ch = stage(async (to) => {
          for (let got; (got = await from.recv())[1];) if (got[0] % prime !== 0) await to.send(got[0]);
        });
      }
      for (const each of chans) each.close();
      await Promise.all(stages);
    }
  },
  "make-chan": (n) => {
    const kept = [];
    for (let i = 0; i < n; i++) kept[i & 255] = new Chan();
  },
  "close-1000": async (n) => {
    for (let i = 0; i < n; i += 1000) {
      const ch = new Chan();
      const waiting = Array.from({ length: 1000 }, () => ch.recv());
      ch.close();
      await Promise.all(waiting);
    }
  },

  "select-2": selectOf(2),
  "select-10": selectOf(10),
  "select-sends": async (n) => {
    const [a, b] = [new Chan(), new Chan()];
    const received = inTasks(2, n, (task) => (task === 0 ? a : b).recv());
    for (let i = 0; i < n; i++) await select({ a: sending(a, i), b: sending(b, i) });
    await received;
  },
  "select-ready": async (n) => {
    const cases = { a: new Chan(1), b: new Chan(1) };
    for (let i = 0; i < n; i++) {
      await cases.a.send(i);
      await select(cases);
    }
  },
  "select-default": (n) => {
    const cases = [new Chan(), new Chan()];
    for (let i = 0; i < n; i++) trySelect(cases);
  },
  "select-ctx": selectOf(2, true),

  child: {
    before: () => context.withCancel(background),
    run: ([parent], n) => {
      for (let i = 0; i < n; i++) context.withCancel(parent)[1]();
    },
    after: ([, cancel]) => cancel(),
  },
  children: (n) => {
    const [parent, cancel] = context.withCancel(background);
    for (let i = 0; i < n; i++) context.withCancel(parent);
    cancel();
  },
  "cancel-children": {
    before: (n) => {
      const [parent, cancel] = context.withCancel(background);
      for (let i = 0; i < n; i++) context.withCancel(parent);
      return cancel;
    },
    run: (cancel) => cancel(),
  },
  "cancel-chain": (n) => {
    const [root, cancel] = context.withCancel(background);
    for (let i = 1, ctx = root; i < n; i++) [ctx] = context.withCancel(ctx);
    cancel();
  },
  timeout: (n) => {
    for (let i = 0; i < n; i++) context.withTimeout(background, 3_600_000)[1]();
  },
  "timeout-crowd": besideDeadlines(100_000),
  timeouts: (n) => {
    const cancels = [];
    for (let i = 0; i < n; i++) cancels.push(context.withTimeout(background, 3_600_000 + (i % 1000))[1]);
    for (const cancel of cancels) cancel();
  },
  "after-func": {
    before: () => context.withCancel(background),
    run: ([ctx], n) => {
      for (let i = 0; i < n; i++) context.afterFunc(ctx, nothing)();
    },
    after: ([, cancel]) => cancel(),
  },
  signal: {
    before: () => context.withCancel(background),
    run: ([parent], n) => {
      for (let i = 0; i < n; i++) {
        const [ctx, cancel] = context.withCancel(parent);
        if (ctx.signal.aborted) throw new Error("it has not ended yet");
        cancel();
      }
    },
    after: ([, cancel]) => cancel(),
  },
  err: {
    before: () => context.withCancel(background),
    run: ([ctx], n) => {
      let ended = 0;
      for (let i = 0; i < n; i++) if (ctx.err() !== undefined) ended++;
      if (ended !== 0) throw new Error("it has not ended yet");
    },
    after: ([, cancel]) => cancel(),
  },
  "value-1": valueAt(1),
  "value-100": valueAt(100),

  "group-limit": async (n) => {
    const group = new errgroup.Group();
    group.setLimit(10);
    for (let i = 0; i < n; i++) await group.go(soon);
    await group.wait();
  },
  "group-all": groupOf(10),
  "group-1000": groupOf(-1),
  waitgroup: async (n) => {
    const group = new sync.WaitGroup();
    for (let i = 0; i < n; i++) group.go(soon);
    await group.wait();
  },
  mutex: async (n) => {
    const mutex = new sync.Mutex();
    for (let i = 0; i < n; i++) {
      await mutex.lock();
      mutex.unlock();
    }
  },
  "mutex-10": async (n) => {
    const mutex = new sync.Mutex();
    await inTasks(
      10,
      n,
      () => mutex.lock(),
      () => mutex.unlock(),
    );
  },
  "rwmutex-read": async (n) => {
    const mutex = new sync.RWMutex();
    for (let i = 0; i < n; i++) {
      await mutex.rLock();
      mutex.rUnlock();
    }
  },
  "rwmutex-mixed": async (n) => {
    const mutex = new sync.RWMutex();
    await inTasks(
      10,
      n,
      (task) => (task === 0 ? mutex.lock() : mutex.rLock()),
      (task) => (task === 0 ? mutex.unlock() : mutex.rUnlock()),
    );
  },
  semaphore: async (n) => {
    const weighted = new semaphore.Weighted(1);
    for (let i = 0; i < n; i++) {
      await weighted.acquire();
      weighted.release();
    }
  },
  "semaphore-10": async (n) => {
    const weighted = new semaphore.Weighted(1);
    await inTasks(
      10,
      n,
      () => weighted.acquire(),
      () => weighted.release(),
    );
  },
  singleflight: async (n) => {
    const group = new singleflight.Group();
    for (let i = 0; i < n; i++) await group.do("key", nothing);
  },
  "singleflight-100": async (n) => {
    const group = new singleflight.Group();
    for (let i = 0; i < n; i += 100) await Promise.all(Array.from({ length: 100 }, () => group.do("key", nothing)));
  },

  worker: async (n) => {
    const { memoryBroker, worker } = await import(new URL("worker/index.js", dist));
    const broker = memoryBroker();
    for (let i = 0; i < n; i++) await broker.publish(i);
    broker.end();
    const begun = performance.now();
    await worker(background, broker, soon, { concurrency: 100 });
    return (n / (performance.now() - begun)) * 1000;
  },

  "bytes-receiver": (n) => {
    const ch = new Chan();
    for (let i = 0; i < n; i++) void ch.recv();
    return ch;
  },
  "bytes-child": (n) => {
    const root = context.withCancel(background);
    for (let i = 0; i < n; i++) context.withCancel(root[0]);
    return root;
  },
  "bytes-timeout": (n) => {
    const root = context.withCancel(background);
    for (let i = 0; i < n; i++) context.withTimeout(root[0], 3_600_000);
    return root;
  },
  "bytes-task": (n) => {
    const group = new errgroup.Group();
    group.setLimit(0);
    for (let i = 0; i < n; i++) void group.go(soon);
    return group;
  },
  "bytes-chan": (n) => Array.from({ length: n }, () => new Chan()),
  "bytes-after": (n) => {
    const root = context.withCancel(background);
    for (let i = 0; i < n; i++) context.withCancel(root[0])[1]();
    return root;
  },

  "scale-receivers": {
    before: (_, size) => {
      const ch = new Chan();
      for (let i = 0; i < size; i++) void ch.recv();
      return ch;
    },
    run: async (ch, n) => {
      for (let i = 0; i < n; i++) {
        void ch.recv();
        await ch.send(i);
      }
    },
  },
  "scale-withdraw": {
    n: "size",
    before: (_, size) => {
      const ch = new Chan();
      const cancels = Array.from({ length: size }, () => {
        const [ctx, cancel] = context.withCancel(background);
        ch.recv(ctx).catch(nothing);
        return cancel;
      });
      for (let i = size - 1; i > 0; i--) {
        const j = Math.floor(Math.random() * (i + 1));
        [cancels[i], cancels[j]] = [cancels[j], cancels[i]];
      }
      return cancels;
    },
    run: (cancels) => {
      for (const cancel of cancels) cancel();
    },
  },
  "scale-children": {
    n: "size",
    before: (_, size) => {
      const [parent, cancel] = context.withCancel(background);
      for (let i = 0; i < size; i++) context.withCancel(parent);
      return cancel;
    },
    run: (cancel) => cancel(),
  },
  "scale-siblings": {
    before: (_, size) => {
      const root = context.withCancel(background);
      for (let i = 0; i < size; i++) context.withCancel(root[0]);
      return root;
    },
    run: ([parent], n) => {
      for (let i = 0; i < n; i++) context.withCancel(parent)[1]();
    },
    after: ([, cancel]) => cancel(),
  },
  "scale-deadlines": besideDeadlines(),
  "scale-cases": async (n, size) => {
    const cases = casesOf(size);
    const chans = Object.values(cases);
    for (let i = 0; i < n; i += size) {
      const got = select(cases);
      await chans[(i / size) % size].send(i);
      await got;
    }
  },
  "scale-tasks": { n: "size", run: (_, n) => groupOf(10)(n) },
  "scale-buffer": {
    n: "size",
    run: async (_, n) => {
      const ch = new Chan(n);
      for (let i = 0; i < n; i++) await ch.send(i);
      for (let i = 0; i < n; i++) await ch.recv();
    },
  },
};

function groupOf(limit) {
  return async (n) => {
    const group = new errgroup.Group();
    group.setLimit(limit);
    for (let i = 0; i < n; i++) void group.go(soon);
    await group.wait();
  };
}

function valueAt(depth) {
  const wanted = context.key("wanted");
  return {
    before: () => {
      let ctx = context.withValue(background, wanted, 1);
      for (let i = 1; i < depth; i++) ctx = context.withValue(ctx, context.key(`other ${i}`), i);
      return ctx;
    },
    run: (ctx, n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += ctx.value(wanted);
      if (sum !== n) throw new Error("the value was not found");
    },
  };
}

function besideDeadlines(fixed) {
  return {
    before: (_, size = fixed) => {
      const root = context.withCancel(background);
      for (let i = 0; i < size; i++) context.withTimeout(root[0], 3_600_000 + (i % 1000));
      return root;
    },
    run: (_, n) => {
      for (let i = 0; i < n; i++) context.withTimeout(background, 3_600_000 + (i % 1000))[1]();
    },
    after: ([, cancel]) => cancel(),
  };
}

export const notes = {
  "select-default": "its cases in a list, as with the others; with names it takes two to three times as long",
};

/** A timer beside a producer and a consumer that never have to wait for anything else: how late it is, in ms. */
export async function lateness(ms, rounds) {
  const ch = new Chan(128);
  let isOver = false;
  const busy = [
    (async () => {
      while (!isOver) await ch.send(0);
      ch.close();
    })(),
    (async () => {
      for await (const _ of ch);
    })(),
  ];
  const late = [];
  for (let i = 0; i < rounds; i++) {
    const begun = performance.now();
    await new Promise((resolve) => setTimeout(resolve, ms));
    late.push(performance.now() - begun - ms);
  }
  isOver = true;
  await Promise.all(busy);
  return late;
}
