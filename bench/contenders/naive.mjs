/**
 * The programs as they are written by hand, without a library. A channel is an array of values and an array of resolvers; a select is a
 * Promise.race. A limit or a lock is a counter and an array of resolvers; a shared call is a promise in a Map.
 */
import { latenessBeside } from "../harness/lateness.mjs";

export const name = "by hand";

const CLOSED = Symbol("closed");
const DONE = Promise.resolve(true);
const REFUSED = Promise.resolve(false);
const nothing = () => {};
const soon = async () => {};

class Channel {
  values = [];
  senders = [];
  receivers = [];
  isClosed = false;

  constructor(capacity = 0) {
    this.capacity = capacity;
  }

  send(value) {
    if (this.isClosed) return REFUSED;
    if (this.receivers.length > 0) {
      this.receivers.shift()(value);
      return DONE;
    }
    if (this.values.length < this.capacity) {
      this.values.push(value);
      return DONE;
    }
    return new Promise((resolve) => this.senders.push({ value, resolve }));
  }

  recv() {
    if (this.values.length > 0) {
      const value = this.values.shift();
      if (this.senders.length > 0) this.values.push(this.release());
      return Promise.resolve(value);
    }
    if (this.senders.length > 0) return Promise.resolve(this.release());
    if (this.isClosed) return Promise.resolve(CLOSED);
    return new Promise((resolve) => this.receivers.push(resolve));
  }

  trySend(value) {
    if (this.isClosed || (this.receivers.length === 0 && this.values.length >= this.capacity)) return false;
    void this.send(value);
    return true;
  }

  tryRecv() {
    if (this.values.length === 0) return this.senders.length > 0 ? this.release() : undefined;
    const value = this.values.shift();
    if (this.senders.length > 0) this.values.push(this.release());
    return value;
  }

  release() {
    const { value, resolve } = this.senders.shift();
    resolve(true);
    return value;
  }

  close() {
    this.isClosed = true;
    for (const resolve of this.receivers.splice(0)) resolve(CLOSED);
    for (const { resolve } of this.senders.splice(0)) resolve(false);
  }

  async *[Symbol.asyncIterator]() {
    for (;;) {
      const value = await this.recv();
      if (value === CLOSED) return;
      yield value;
    }
  }
}

class Semaphore {
  waiting = [];

  constructor(free) {
    this.free = free;
  }

  acquire() {
    if (this.free > 0) {
      this.free--;
      return DONE;
    }
    return new Promise((resolve) => this.waiting.push(resolve));
  }

  release() {
    if (this.waiting.length > 0) this.waiting.shift()();
    else this.free++;
  }

  async with(task) {
    await this.acquire();
    try {
      await task();
    } finally {
      this.release();
    }
  }
}

const sendAll = async (ch, n) => {
  for (let i = 0; i < n; i++) await ch.send(i);
};

const transfer = (capacity) => async (n) => {
  const ch = new Channel(capacity);
  const sent = sendAll(ch, n);
  for (let i = 0; i < n; i++) await ch.recv();
  await sent;
};

const iterate = (capacity) => async (n) => {
  const ch = new Channel(capacity);
  const sent = sendAll(ch, n).then(() => ch.close());
  for await (const _ of ch);
  await sent;
};

const channels = (k) => Array.from({ length: k }, () => new Channel());

/** What is asked for and not received yet stays asked for, so that no value gets lost. */
const reads = (chans) => chans.map((ch, which) => ch.recv().then((value) => ({ which, value })));
async function select(chans, pending) {
  const got = await Promise.race(pending);
  pending[got.which] = chans[got.which].recv().then((value) => ({ which: got.which, value }));
  return got;
}

const selectOf = (k) => async (n) => {
  const chans = channels(k);
  const pending = reads(chans);
  const received = (async () => {
    for (let i = 0; i < n; i++) await select(chans, pending);
  })();
  for (let i = 0; i < n; i++) await chans[i % k].send(i);
  await received;
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

const free = async (n) => {
  const semaphore = new Semaphore(1);
  for (let i = 0; i < n; i++) {
    await semaphore.acquire();
    semaphore.release();
  }
};

const wanted = async (n) => {
  const semaphore = new Semaphore(1);
  await inTasks(
    10,
    n,
    () => semaphore.acquire(),
    () => semaphore.release(),
  );
};

/** Tasks of which ten run at a time; those that wait are in an array, and the first error is kept. */
class Limit {
  queue = [];
  next = 0;
  running = 0;

  add(task) {
    if (this.running < 10) this.run(task);
    else this.queue.push(task);
  }

  run(task) {
    this.running++;
    void task().then(this.end, this.fail);
  }

  fail = (error) => {
    this.error ??= error;
    this.end();
  };

  end = () => {
    this.running--;
    if (this.next < this.queue.length) this.run(this.queue[this.next++]);
    else if (this.running === 0) this.over?.();
  };

  async wait() {
    if (this.running > 0) await new Promise((resolve) => (this.over = resolve));
    if (this.error !== undefined) throw this.error;
  }
}

const groupOf10 = async (n) => {
  const limit = new Limit();
  for (let i = 0; i < n; i++) limit.add(soon);
  await limit.wait();
};

function shared() {
  const calls = new Map();
  return (key, call) => {
    let result = calls.get(key);
    if (result === undefined) {
      result = (async () => call())().finally(() => calls.delete(key));
      calls.set(key, result);
    }
    return result;
  };
}

export const programs = {
  unbuffered: transfer(0),
  buffered: transfer(128),
  "buffered-try": async (n) => {
    const ch = new Channel(128);
    const sent = (async () => {
      for (let i = 0; i < n; i++) if (!ch.trySend(i)) await ch.send(i);
    })();
    for (let i = 0; i < n; i++) if (ch.tryRecv() === undefined) await ch.recv();
    await sent;
  },
  "iterate-buffered": iterate(128),
  "iterate-unbuffered": iterate(0),
  "fan-in": async (n) => {
    const ch = new Channel();
    const sent = inTasks(100, n, (task) => ch.send(task));
    for (let i = 0; i < n; i++) await ch.recv();
    await sent;
  },
  pipeline: async (n) => {
    const chans = channels(11);
    const tasks = [sendAll(chans[0], n).then(() => chans[0].close())];
    for (let i = 0; i < 10; i++) {
      const [from, to] = [chans[i], chans[i + 1]];
      tasks.push(
        (async () => {
          for await (const value of from) await to.send(value);
          to.close();
        })(),
      );
    }
    for await (const _ of chans[10]);
    await Promise.all(tasks);
  },
  sieve: async (n) => {
    for (let round = 0; round < n; round++) {
      const [chans, stages] = [[], []];
      const stage = (run) => {
        const to = new Channel();
        chans.push(to);
        stages.push(run(to));
        return to;
      };
      let ch = stage(async (to) => {
        for (let i = 2; await to.send(i); i++);
      });
      for (let i = 0; i < 100; i++) {
        const from = ch;
        const prime = await from.recv();
        ch = stage(async (to) => {
          for (let value; (value = await from.recv()) !== CLOSED;) {
            if (value % prime !== 0 && !(await to.send(value))) return;
          }
        });
      }
      for (const each of chans) each.close();
      await Promise.all(stages);
    }
  },
  "make-chan": (n) => {
    const kept = [];
    for (let i = 0; i < n; i++) kept[i & 255] = new Channel();
  },
  "close-1000": async (n) => {
    for (let i = 0; i < n; i += 1000) {
      const ch = new Channel();
      const waiting = Array.from({ length: 1000 }, () => ch.recv());
      ch.close();
      await Promise.all(waiting);
    }
  },

  "select-2": selectOf(2),
  "select-10": selectOf(10),
  "select-ready": async (n) => {
    const chans = [new Channel(1), new Channel(1)];
    const pending = reads(chans);
    for (let i = 0; i < n; i++) {
      await chans[0].send(i);
      await select(chans, pending);
    }
  },
  "select-default": (n) => {
    const chans = channels(2);
    for (let i = 0; i < n; i++) {
      const ready = chans.filter((ch) => ch.values.length > 0 || ch.senders.length > 0);
      if (ready.length > 0) ready[Math.floor(Math.random() * ready.length)].tryRecv();
    }
  },

  "group-limit": async (n) => {
    const semaphore = new Semaphore(10);
    const run = async () => {
      try {
        await soon();
      } finally {
        semaphore.release();
      }
    };
    for (let i = 0; i < n; i++) {
      await semaphore.acquire();
      void run();
    }
    for (let i = 0; i < 10; i++) await semaphore.acquire();
  },
  "group-all": groupOf10,
  waitgroup: (n) =>
    new Promise((resolve) => {
      let running = n;
      const oneLess = () => {
        if (--running === 0) resolve();
      };
      for (let i = 0; i < n; i++) void DONE.then(soon).then(oneLess, console.error);
    }),
  mutex: free,
  "mutex-10": wanted,
  semaphore: free,
  "semaphore-10": wanted,
  singleflight: async (n) => {
    const once = shared();
    for (let i = 0; i < n; i++) await once("key", nothing);
  },
  "singleflight-100": async (n) => {
    const once = shared();
    for (let i = 0; i < n; i += 100) await Promise.all(Array.from({ length: 100 }, () => once("key", nothing)));
  },

  "bytes-receiver": (n) => {
    const ch = new Channel();
    for (let i = 0; i < n; i++) void ch.recv();
    return ch;
  },
  "bytes-task": (n) => {
    const semaphore = new Semaphore(0);
    for (let i = 0; i < n; i++) void semaphore.with(soon);
    return semaphore;
  },
  "bytes-chan": channels,

  "scale-receivers": {
    before: (_, size) => {
      const ch = new Channel();
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
  "scale-tasks": { n: "size", run: (_, n) => groupOf10(n) },
  "scale-buffer": {
    n: "size",
    run: async (_, n) => {
      const ch = new Channel(n);
      for (let i = 0; i < n; i++) await ch.send(i);
      for (let i = 0; i < n; i++) await ch.recv();
    },
  },
};

/** The largest size that can be waited for: beyond it an Array#shift moves all that is left. */
export const largest = { "scale-receivers": 10_000, "scale-buffer": 100_000 };

const QUEUE = "an array of tasks: a caller cannot wait for a slot, so nothing slows it down";
const RACE =
  "Promise.race of receives that stay asked for: never a send, and a silent channel gathers a reaction each time";

export const notes = {
  sieve: "ended by closing its channels",
  "select-2": RACE,
  "select-10": RACE,
  "select-ready": RACE,
  "group-all": QUEUE,
  "scale-tasks": QUEUE,
  lateness: "starves the timer until it is stopped, after 1 s",
};

export const lateness = (ms, rounds) =>
  latenessBeside(
    async (isOver) => {
      const ch = new Channel(128);
      const sent = (async () => {
        while (!isOver()) await ch.send(0);
        ch.close();
      })();
      for await (const _ of ch);
      await sent;
    },
    ms,
    rounds,
  );
