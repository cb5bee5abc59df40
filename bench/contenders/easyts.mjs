/** easyts: channels, select, context and sync after Go's; its build for es2022, as its README says. */
import { Chan, selectChan } from "@king011/easyts/lib/es2022/channel.js";
import { background } from "@king011/easyts/lib/es2022/context/mod.js";
import { Mutex, RWMutex, WaitGroup } from "@king011/easyts/lib/es2022/sync/mod.js";
import { latenessBeside } from "../harness/lateness.mjs";

export const name = "easyts";

const nothing = () => {};
const soon = async () => {};

/** Why a context was cancelled: without it each cancellation makes an Error of its own, stack and all. */
const OVER = "over";

const sendAll = async (ch, n) => {
  for (let i = 0; i < n; i++) await ch.write(i);
};

const transfer = (capacity) => async (n) => {
  const ch = new Chan(capacity);
  const sent = sendAll(ch, n);
  for (let i = 0; i < n; i++) await ch.read();
  await sent;
};

const iterate = (capacity) => async (n) => {
  const ch = new Chan(capacity);
  const sent = sendAll(ch, n).then(() => ch.close());
  for await (const _ of ch);
  await sent;
};

const chans = (k, capacity) => Array.from({ length: k }, () => new Chan(capacity));

const selectOf = (k, guarded) => async (n) => {
  const ctx = background().withCancel();
  const all = chans(k);
  const cases = all.map((ch) => ch.readCase());
  if (guarded) cases.push(ctx.done.readCase());
  const received = (async () => {
    for (let i = 0; i < n; i++) (await selectChan(...cases)).read();
  })();
  for (let i = 0; i < n; i++) await all[i % k].write(i);
  await received;
  ctx.cancel(OVER);
};

const withCtx = (sender) => async (n) => {
  const ctx = background().withCancel();
  const ch = new Chan();
  const sendGuarded = async () => {
    const over = ctx.done.readCase();
    for (let i = 0; i < n; i++) await selectChan(ch.writeCase(i), over);
  };
  const sent = sender ? sendGuarded() : sendAll(ch, n);
  const [received, over] = [ch.readCase(), ctx.done.readCase()];
  for (let i = 0; i < n; i++) {
    await selectChan(received, over);
    received.read();
  }
  await sent;
  ctx.cancel(OVER);
};

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

const cancellable = () => background().withCancel();

const family = (n) => {
  const parent = cancellable();
  for (let i = 0; i < n; i++) parent.withCancel();
  return parent;
};

const cancel = (ctx) => ctx.cancel(OVER);

export const programs = {
  unbuffered: transfer(0),
  buffered: transfer(128),
  "buffered-try": async (n) => {
    const ch = new Chan(128);
    const sent = (async () => {
      for (let i = 0; i < n; i++) if (!ch.tryWrite(i)) await ch.write(i);
    })();
    for (let i = 0; i < n; i++) if (ch.tryRead() === undefined) await ch.read();
    await sent;
  },
  "iterate-buffered": iterate(128),
  "iterate-unbuffered": iterate(0),
  "fan-in": async (n) => {
    const ch = new Chan();
    const sent = inTasks(100, n, (task) => ch.write(task));
    for (let i = 0; i < n; i++) await ch.read();
    await sent;
  },
  pipeline: async (n) => {
    const all = chans(11);
    const tasks = [sendAll(all[0], n).then(() => all[0].close())];
    for (let i = 0; i < 10; i++) {
      const [from, to] = [all[i], all[i + 1]];
      tasks.push(
        (async () => {
          for await (const value of from) await to.write(value);
          to.close();
        })(),
      );
    }
    for await (const _ of all[10]);
    await Promise.all(tasks);
  },
  "recv-ctx": withCtx(false),
  "both-ctx": withCtx(true),
  sieve: async (n) => {
    for (let round = 0; round < n; round++) {
      const [all, stages] = [[], []];
      const stage = (run) => {
        const to = new Chan();
        all.push(to);
        stages.push(run(to));
        return to;
      };
      let ch = stage(async (to) => {
        for (let i = 2; await to.write(i); i++);
      });
      for (let i = 0; i < 100; i++) {
        const from = ch;
        const prime = await from.read();
        ch = stage(async (to) => {
          for (let value; (value = await from.read()) !== undefined;) {
            if (value % prime !== 0 && !(await to.write(value))) return;
          }
        });
      }
      for (const each of all) each.close();
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
      const waiting = Array.from({ length: 1000 }, () => ch.read());
      ch.close();
      await Promise.all(waiting);
    }
  },

  "select-2": selectOf(2),
  "select-10": selectOf(10),
  "select-sends": async (n) => {
    const [a, b] = chans(2);
    const received = inTasks(2, n, (task) => (task === 0 ? a : b).read());
    for (let i = 0; i < n; i++) await selectChan(a.writeCase(i), b.writeCase(i));
    await received;
  },
  "select-ready": async (n) => {
    const [a, b] = chans(2, 1);
    const cases = [a.readCase(), b.readCase()];
    for (let i = 0; i < n; i++) {
      await a.write(i);
      (await selectChan(...cases)).read();
    }
  },
  "select-default": (n) => {
    const [a, b] = chans(2).map((ch) => ch.readCase());
    for (let i = 0; i < n; i++) selectChan(0, a, b);
  },
  "select-ctx": selectOf(2, true),

  child: {
    before: cancellable,
    run: (parent, n) => {
      for (let i = 0; i < n; i++) parent.withCancel().cancel(OVER);
    },
    after: cancel,
  },
  children: (n) => cancel(family(n)),
  "cancel-children": { before: family, run: cancel },
  "cancel-chain": (n) => {
    const root = cancellable();
    for (let i = 1, ctx = root; i < n; i++) ctx = ctx.withCancel();
    cancel(root);
  },
  timeout: (n) => {
    for (let i = 0; i < n; i++) background().withTimeout(3_600_000).cancel(OVER);
  },
  "timeout-crowd": besideDeadlines(100_000),
  timeouts: (n) => {
    const all = [];
    for (let i = 0; i < n; i++) all.push(background().withTimeout(3_600_000 + (i % 1000)));
    for (const ctx of all) ctx.cancel(OVER);
  },
  err: {
    before: cancellable,
    run: (ctx, n) => {
      let ended = 0;
      for (let i = 0; i < n; i++) if (ctx.err !== undefined) ended++;
      if (ended !== 0) throw new Error("it has not ended yet");
    },
    after: cancel,
  },
  "value-1": valueAt(1),
  "value-100": valueAt(100),

  waitgroup: async (n) => {
    const group = new WaitGroup();
    for (let i = 0; i < n; i++) group.do(soon);
    await group.wait();
  },
  mutex: async (n) => {
    const mutex = new Mutex();
    for (let i = 0; i < n; i++) {
      await mutex.lock();
      mutex.unlock();
    }
  },
  "mutex-10": async (n) => {
    const mutex = new Mutex();
    await inTasks(
      10,
      n,
      () => mutex.lock(),
      () => mutex.unlock(),
    );
  },
  "rwmutex-read": async (n) => {
    const mutex = new RWMutex();
    for (let i = 0; i < n; i++) {
      await mutex.readLock();
      mutex.readUnlock();
    }
  },
  "rwmutex-mixed": async (n) => {
    const mutex = new RWMutex();
    await inTasks(
      10,
      n,
      (task) => (task === 0 ? mutex.lock() : mutex.readLock()),
      (task) => (task === 0 ? mutex.unlock() : mutex.readUnlock()),
    );
  },

  "bytes-receiver": (n) => {
    const ch = new Chan();
    for (let i = 0; i < n; i++) void ch.read();
    return ch;
  },
  "bytes-child": family,
  "bytes-timeout": (n) => {
    const root = cancellable();
    for (let i = 0; i < n; i++) root.withTimeout(3_600_000);
    return root;
  },
  "bytes-chan": (n) => chans(n),
  "bytes-after": (n) => {
    const root = cancellable();
    for (let i = 0; i < n; i++) root.withCancel().cancel(OVER);
    return root;
  },

  "scale-receivers": {
    before: (_, size) => {
      const ch = new Chan();
      for (let i = 0; i < size; i++) void ch.read();
      return ch;
    },
    run: async (ch, n) => {
      for (let i = 0; i < n; i++) {
        void ch.read();
        await ch.write(i);
      }
    },
  },
  "scale-withdraw": {
    n: "size",
    before: (_, size) => {
      const ch = new Chan();
      const waiting = Array.from({ length: size }, () => {
        const ctx = cancellable();
        void selectChan(ch.readCase(), ctx.done.readCase());
        return ctx;
      });
      for (let i = size - 1; i > 0; i--) {
        const j = Math.floor(Math.random() * (i + 1));
        [waiting[i], waiting[j]] = [waiting[j], waiting[i]];
      }
      return waiting;
    },
    run: (waiting) => {
      for (const ctx of waiting) ctx.cancel(OVER);
    },
  },
  "scale-children": { n: "size", before: (_, size) => family(size), run: cancel },
  "scale-siblings": {
    before: (_, size) => family(size),
    run: (parent, n) => {
      for (let i = 0; i < n; i++) parent.withCancel().cancel(OVER);
    },
    after: cancel,
  },
  "scale-deadlines": besideDeadlines(),
  "scale-cases": async (n, size) => {
    const all = chans(size);
    const cases = all.map((ch) => ch.readCase());
    for (let i = 0; i < n; i += size) {
      const got = selectChan(...cases);
      await all[i % size].write(i);
      (await got).read();
    }
  },
  "scale-buffer": {
    n: "size",
    run: async (_, n) => {
      const ch = new Chan(n);
      for (let i = 0; i < n; i++) await ch.write(i);
      for (let i = 0; i < n; i++) await ch.read();
    },
  },
};

function valueAt(depth) {
  class Wanted {}
  return {
    before: () => {
      let ctx = background().withValue(Wanted, 1);
      for (let i = 1; i < depth; i++) ctx = ctx.withValue(class Other {}, i);
      return ctx;
    },
    run: (ctx, n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += ctx.get(Wanted);
      if (sum !== n) throw new Error("the value was not found");
    },
  };
}

function besideDeadlines(fixed) {
  return {
    before: (_, size = fixed) => {
      const root = cancellable();
      for (let i = 0; i < size; i++) root.withTimeout(3_600_000 + (i % 1000));
      return root;
    },
    run: (_, n) => {
      for (let i = 0; i < n; i++)
        background()
          .withTimeout(3_600_000 + (i % 1000))
          .cancel(OVER);
    },
    after: cancel,
  };
}

const REASON = "cancelled for a given reason: without one, an Error is made for each";
const SELECT = "a select with the context: it knows no read or write that a context ends";

const ORDER =
  "waits are not served in order, and readers overtake a writer that waits; a free lock is taken without a promise";

export const notes = {
  mutex: "a free lock is taken without a promise",
  "rwmutex-read": ORDER,
  "rwmutex-mixed": ORDER,
  "recv-ctx": SELECT,
  "both-ctx": SELECT,
  sieve: "ended by closing its channels",
  "select-ctx": "the context is a third case",
  child: REASON,
  timeout: REASON,
  "timeout-crowd": REASON,
  timeouts: REASON,
  "fan-in": "any of the waits may be next",
  "close-1000": "any of the waits may be next",
  "scale-receivers": "any of the waits may be next",
  "scale-withdraw": SELECT,
  lateness: "starves the timer until it is stopped, after 1 s",
};

export const lateness = (ms, rounds) =>
  latenessBeside(
    async (isOver) => {
      const ch = new Chan(128);
      const sent = (async () => {
        while (!isOver()) await ch.write(0);
        ch.close();
      })();
      for await (const _ of ch);
      await sent;
    },
    ms,
    rounds,
  );
